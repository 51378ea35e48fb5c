"""Questions about all accounts answered from a lake, without the database.

What is answered is what PostgreSQL answers as known at the lake's position, or at one
before it: no answer depends on a clock.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, date, datetime
from itertools import chain
from operator import attrgetter, itemgetter
from typing import Any, ClassVar, NamedTuple, Self
from uuid import UUID

from seat_ledger.domain.values import account_id
from seat_ledger.errors import CommandRefused
from seat_ledger.lazy import lazy
from seat_ledger.projections.engine.seat_types import SeatTypes
from seat_ledger.projections.lake.auditing import EVERYTHING, AuditAnswers
from seat_ledger.projections.lake.engine import UNREAD, Engine
from seat_ledger.projections.lake.layout import BUCKETS, Lake, Manifest, check_format
from seat_ledger.projections.lake.moments import Moments
from seat_ledger.projections.lake.rebuild import (
    Journal,
    check_as_exported,
    together,
)
from seat_ledger.projections.periods import PeriodRow
from seat_ledger.projections.reader import ConnectedReader, Knowledge, Row

_ANSWERED_LESS = UNREAD - {"effective_after", "request"}
"""Columns of the journal that no question reads."""


class _Survey(NamedTuple):
    """What there is of all accounts, as known: read once, before anything is counted.

    Their contracts' events with all reversals of these, what is to be unassigned, and
    prices by account. `open_accounts` are those in which anything was derived from
    lists.
    """

    contracts: list[Row]
    reversals: list[Row]
    requests: list[Row]
    prices: dict[int, list[Row]]
    open_accounts: set[int]


class LakeReader(ConnectedReader):
    """Answers what is counted of all accounts. Raises SchemaMismatch for a lake of an
    earlier format, and IntegrityFailure where a file is not as it was exported.

    `manifest` is one whose signature was checked.
    """

    has_tables: ClassVar[bool] = False
    has_names: ClassVar[bool] = False

    def __init__(self, lake: Lake, manifest: Manifest) -> None:
        check_format(lake, manifest)
        check_as_exported(lake, manifest.segments)
        self.lake, self.manifest = lake, manifest
        self.head = self.store_head = manifest.head
        self.is_behind, self.aside = False, ()
        self._read = {}
        self._types = SeatTypes(
            {None: None, **dict(manifest.seat_types)},
            {name: number for number, name in manifest.seat_types},
        )
        self._groups = list(together(manifest, range(BUCKETS)))
        self._group_nos = {
            bucket: number
            for number, buckets in enumerate(self._groups)
            for bucket in buckets
        }
        self._surveys: dict[int, _Survey] = {}  # by position
        self._group: int | None = None  # that the engine has
        self._answers: dict[tuple[str, str], Callable[[Row], Iterable[Row]]] = {
            ("accounts", "contracts"): lambda of: self._survey(of).contracts,
            ("accounts", "contract"): self._contract,
            ("holdings", "to_be_carried_out"): lambda of: self._survey(of).requests,
            ("billing", "prices"): self._prices,
            ("billing", "prices_of"): self._prices_of,
            ("billing", "with_windows"): self._with_windows,
            ("journal", "knowledge"): self._recorded_at,
            ("billing/audit", "contracts"): self._contracts_by_id,
            ("billing/audit", "reversals"): self._reversals,
            ("billing/audit", "positions"): self._positions,
        }
        self._audit = AuditAnswers(
            self._parts_of, self._engine_of, lambda: self._beside
        )
        self._answers |= self._audit.by_name()
        with ExitStack() as stack:
            self._journal = stack.enter_context(Journal(lake, manifest))
            self._scratch = stack.enter_context(tempfile.TemporaryDirectory())
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def is_standby(self) -> bool:
        """No lake follows another server."""
        return False

    def database_now(self) -> datetime:
        """The clock of this machine, which does not go back behind what is recorded.

        By it words such as "today" are read.
        """
        now = datetime.now(UTC)
        return max(now, self._whole.recorded_at or now)

    # -- asking -------------------------------------------------------------------

    def stream(
        self, room: str, name: str, known_at: Knowledge | None = None, **params: Any
    ) -> Iterator[Row]:
        """The rows of a named question that is answered from a lake."""
        if known_at is not None:
            params["known_position"] = known_at.position
        if "seat_types" in params:
            params["type_nos"] = [*map(self.types.number, params["seat_types"])]
        names = self.types.names
        for answer in self._answers[room, name](params):
            row = dict(answer)
            if isinstance(row.get("seat_type"), int):
                row["seat_type"] = names[row["seat_type"]]
            yield row

    def run(self, statement: bytes, params: Mapping[str, Any]) -> Iterator[Row]:
        """A lake runs no statements of PostgreSQL's."""
        raise NotImplementedError

    def count(
        self, source: str, selected: Iterable[PeriodRow], known_at: Knowledge
    ) -> Iterator[Row]:
        """The figures of some periods, some buckets at a time."""
        of_groups: dict[int, list[PeriodRow]] = {}
        for period in selected:
            group = self._group_of(period.account_no)
            of_groups.setdefault(group, []).append(period)
        names = self.types.names
        for group, periods in sorted(of_groups.items()):
            engine = self._loaded(known_at.position, group)
            periods.sort(key=attrgetter("account_no"))
            for row in engine.count(periods, source):
                row["seat_type"] = names[row["seat_type"]]
                yield row

    def count_each(self, selected: Sequence[tuple[PeriodRow, int]]) -> Iterator[Row]:
        """Figures of periods, each as known at a position; by place in the list."""
        names = self.types.names
        for row in self._audit.count_each(selected):
            row["seat_type"] = names[row["seat_type"]]
            yield row

    def together(self, keys: Iterable[str]) -> Iterator[list[str]]:
        """Accounts of the same buckets, some at a time; behind them those unknown."""
        of_groups: dict[int, list[str]] = {}
        for key in keys:
            number = self._numbers.get(account_id(key))
            group = len(self._groups) if number is None else self._group_of(number)
            of_groups.setdefault(group, []).append(key)
        for _, of_group in sorted(of_groups.items()):
            yield from super().together(of_group)

    def settle(self, before: datetime) -> None:
        """Nothing is added to a lake while it is read."""

    # -- what is known ------------------------------------------------------------

    def knowledge(self, known_at: int | datetime | None = None) -> Knowledge:
        """Resolve "known at": a position or an instant before the lake's last, or
        nothing for all that is in it.

        Raises CommandRefused (``position_beyond_head``).
        """
        if isinstance(known_at, datetime):
            return self._known_at_instant(known_at)
        if known_at is not None and known_at > self.head:
            raise self._beyond(f"{known_at} is beyond it")
        if known_at is None or known_at == self.head:
            knowledge = self._whole
        else:
            knowledge = self._at_position(known_at, is_head=False)
        return knowledge._replace(until=knowledge.recorded_at)

    @lazy
    def _whole(self) -> Knowledge:
        """All that is in the lake; when it was recorded is read once."""
        return self._at_position(self.head, is_head=False)

    def _known_at_instant(self, instant: datetime) -> Knowledge:
        """What the lake's last event was recorded at, or later, may go on beyond it."""
        last = self._whole.recorded_at
        if last is None or instant >= last:
            raise self._beyond("what was known at that moment may be beyond it")
        position = self._journal.last("position", "recorded_at", instant) or 0
        knowledge = self._at_position(position, is_head=False)
        return knowledge._replace(until=instant)

    def _beyond(self, what: str) -> CommandRefused:
        return CommandRefused(
            "position_beyond_head",
            f"The lake is at position {self.head}; {what}.",
            try_="export again, or omit --known-at to use all that is in the lake",
        )

    def _recorded_at(self, of: Row) -> Iterator[Row]:
        last = self._journal.last("recorded_at", "position", of["position"])
        if last is not None:
            yield {"recorded_at": last}

    def _positions(self, of: Row) -> Iterator[Row]:
        for n, instant in enumerate(of["instants"], 1):
            yield {"n": n, "position": self._moments.last(instant)}

    @lazy
    def _moments(self) -> Moments:
        return self._stack.enter_context(Moments(self._journal, self.manifest))

    # -- accounts -----------------------------------------------------------------

    @lazy
    def _contracts(self) -> dict[UUID, list[Row]]:
        """All that is in the lake of each account's contract."""
        by_account: dict[int, list[Row]] = {}
        for row in self._surveyed_at(self.head).contracts:
            by_account.setdefault(row["account_no"], []).append(row)
        return {
            account_id(rows[0]["details"]["account_key"]): rows
            for rows in by_account.values()
        }

    @lazy
    def _numbers(self) -> dict[UUID, int]:
        return {id_: rows[0]["account_no"] for id_, rows in self._contracts.items()}

    def _contracts_by_id(self, of: Row) -> Iterator[Row]:
        selected = [
            self._contracts[id_] for id_ in of["account_ids"] if id_ in self._contracts
        ]
        for rows in sorted(selected, key=lambda rows: int(rows[0]["account_no"])):
            yield from rows

    def _contract(self, of: Row) -> Iterator[Row]:
        for row in self._contracts.get(of["account_id"], ()):
            if row["position"] <= of["known_position"]:
                yield row

    def _reversals(self, of: Row) -> Iterator[Row]:
        roots = set(of["roots"])
        for row in self._surveyed_at(self.head).reversals:
            if row["root"] in roots:
                yield row

    def _prices(self, of: Row) -> Iterator[Row]:
        prices = self._survey(of).prices
        return chain.from_iterable(prices[number] for number in sorted(prices))

    def _prices_of(self, of: Row) -> Iterator[Row]:
        prices = self._survey(of).prices
        for number in sorted(set(of["account_nos"])):
            yield from prices.get(number, ())

    def _with_windows(self, of: Row) -> Iterator[Row]:
        open_accounts = self._survey(of).open_accounts
        for number in open_accounts & set(of["account_nos"]):
            yield {"account_no": number}

    def _survey(self, of: Row) -> _Survey:
        return self._surveyed_at(of["known_position"])

    def _surveyed_at(self, position: int) -> _Survey:
        if position not in self._surveys:
            self._surveys[position] = self._surveyed(position)
        return self._surveys[position]

    def _surveyed(self, position: int) -> _Survey:
        survey = _Survey([], [], [], {}, set())
        for group in range(len(self._groups)):
            engine = self._loaded(position, group)
            survey.contracts.extend(engine.contracts())
            survey.reversals.extend(engine.rows_as_known("contract_reversals"))
            for row in map(self._price, engine.rows_as_known("prices")):
                survey.prices.setdefault(row["account_no"], []).append(row)
            for row in engine.rows_as_known("with_windows"):
                survey.open_accounts.add(row["account_no"])
            if engine.rows_as_known("requests")[0]["requests"]:
                survey.requests.extend(engine.to_be_carried_out())
        survey.contracts.sort(key=itemgetter("account_no", "position"))
        return survey

    def _price(self, row: Row) -> Row:
        details = json.loads(row["details"])
        first = details.get("first_date")
        return {
            **row,
            "seat_type": self.types.names[row["seat_type"]],
            "unit_price": details["unit_price"],
            "currency": details["currency"],
            "first_date": first and date.fromisoformat(first),
        }

    # -- buckets ------------------------------------------------------------------

    def _group_of(self, account_no: int) -> int:
        return self._group_nos[account_no % BUCKETS]

    def _parts_of(self, account_nos: Sequence[int]) -> Iterable[list[int]]:
        """The places of accounts that are loaded together."""
        parts: dict[int, list[int]] = {}
        for place, number in enumerate(account_nos):
            parts.setdefault(self._group_of(number), []).append(place)
        return parts.values()

    def _engine_of(self, position: int, account_no: int) -> Engine:
        return self._loaded(position, self._group_of(account_no))

    @lazy
    def _engine(self) -> Engine:
        return self._new_engine(self.head)

    @lazy
    def _beside(self) -> Engine:
        """Another, for accounts as known at positions of their own: to its end."""
        return self._new_engine(EVERYTHING)

    def _new_engine(self, known_at: int) -> Engine:
        engine = Engine(
            known_at,
            self.manifest.seat_types,
            scratch=self._scratch,
            unread=_ANSWERED_LESS,
        )
        return self._stack.enter_context(closing(engine))

    def _loaded(self, position: int, group: int) -> Engine:
        """The engine for what is known at a position, with the journal of a group."""
        engine = self._engine
        engine.known_at = position
        if self._group != group:
            buckets = self._groups[group]
            engine.load(self._journal.of(buckets, engine.schema.names))
            self._group = group
        return engine
