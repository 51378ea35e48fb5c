"""Questions to the ledger: one connection, caught up, and everything it can be asked.

Rows are dictionaries with the keys of CLI 5, in their order; instants are aware
datetimes in UTC, and an open end is None. Every question takes what is known (a
:class:`Knowledge`), so that an answer with a fixed position never changes (R41).
"""

from __future__ import annotations

import json
import re
from collections.abc import (
    Callable,
    Collection,
    Hashable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import groupby, islice, pairwise
from operator import attrgetter
from typing import Any, ClassVar, NamedTuple, Self, TypeVar
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from seat_ledger.domain.calendar import ZoneHistory
from seat_ledger.domain.nearest import did_you_mean, nearest, nearest_of
from seat_ledger.domain.references import Called, ambiguous, meant, persons_first
from seat_ledger.domain.values import FOREVER, account_id, as_word, fold, shown
from seat_ledger.errors import CommandRefused, LedgerError, NotFound, SchemaMismatch
from seat_ledger.projections.engine import catch_up
from seat_ledger.projections.engine.contracts import facts_of, facts_of_each
from seat_ledger.projections.engine.figures_query import counting
from seat_ledger.projections.engine.locks import APPEND_LOCK
from seat_ledger.projections.engine.registry import question
from seat_ledger.projections.engine.seat_types import SeatTypes
from seat_ledger.projections.engine.set_aside import SetAside
from seat_ledger.projections.engine.snapshot import pin, plan_by_accounts
from seat_ledger.projections.periods import PeriodRow, columns
from seat_ledger.projections.periods.contract import AccountFacts, Row
from seat_ledger.projections.reader.sharing import second_connection, shared
from seat_ledger.store.connection import Role, become, connect, sees_store, unavailable
from seat_ledger.store.wrapping import Secret, open_wrapping

__all__ = [
    "AccountFacts",
    "AccountQuestion",
    "AccountSetAside",
    "ConnectedReader",
    "Knowledge",
    "Row",
    "no_such_account",
    "utc",
]


ACCOUNTS_AT_ONCE = 200
"""Accounts whose periods are counted together."""

SHARED_FROM = 4
"""From so many times as many on they are counted on two connections."""

T = TypeVar("T")

_MOST_READ = 64
"""Answers of one snapshot that are there for whoever asks again."""

_AT_ONCE = 1_000
"""References that are looked up together."""

_ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class AccountSetAside(SchemaMismatch):
    """An account's events cannot all be read; answers are of those before (R74)."""

    code = "account_set_aside"

    def __init__(self, *aside: SetAside) -> None:
        self.aside = aside
        super().__init__(
            " ".join(account.sentence() for account in aside),
            try_="use the program version that wrote the event, or restore it from a "
            "backup; then: seat-ledger projection resume "
            + " ".join(as_word(account.account_key) for account in aside),
        )


_AROUND = 250
"""So many names on either side of one that is not there are looked at."""


def no_such_account(key: str, near: Sequence[str] = ()) -> NotFound:
    """What is said of an account that is not there, or may not be seen.

    `near` are those that may be meant.
    """
    return NotFound(
        "account_not_found",
        f"There is no account {shown(key)}.",
        try_=f"{did_you_mean(near)}see 'seat-ledger account list'",
    )


class NotFollowed(LedgerError):
    """A standby server has not followed so far yet."""

    code = "projections_behind"
    exit_code = 12


class Knowledge(NamedTuple):
    """Up to which position is known, when that was recorded, and if it is the head.

    `until` is the instant that was named, that of the position where one was named, and
    None for now: what is asked with it never changes (R78).
    """

    position: int
    recorded_at: datetime | None
    is_head: bool
    until: datetime | None = None

    def moment(self, now: datetime) -> datetime:
        """The instant that stands for "now" in an answer: that of the knowledge."""
        return now if self.until is None else min(self.until, now)


def _counted_params(
    periods: Sequence[PeriodRow], known_at: Knowledge, types: SeatTypes
) -> dict[str, Any]:
    """The parameters of the query that counts some periods."""
    fields = columns(periods)
    numbers = list(set(fields["account_no"]))
    type_nos = [*types.numbers.values()]
    return {
        **fields,
        "accounts": numbers,
        "known_position": known_at.position,
        "type_accounts": [number for number in numbers for _ in type_nos],
        "types": type_nos * len(numbers),
    }


class AccountQuestion(NamedTuple):
    """What an answer about one account depends on: the reader, what is known, when.

    `as_of` is the moment that is asked about; without it, all that is recorded.
    """

    reader: ConnectedReader
    account: AccountFacts
    known_at: Knowledge
    as_of: datetime = FOREVER

    @property
    def moment(self) -> datetime:
        """The instant that stands for "now" in an answer: that of the knowledge."""
        return self.known_at.moment(self.as_of)

    def ask(self, room: str, name: str, **params: Any) -> list[Row]:
        """The rows of a named question about the account."""
        return list(self.stream(room, name, **params))

    def stream(self, room: str, name: str, **params: Any) -> Iterator[Row]:
        """The same, row by row."""
        account_no = self.account.no
        return self.reader.stream(
            room, name, self.known_at, account_no=account_no, **params
        )


class ConnectedReader:
    """A connection for questions. `catch_up=False` answers from the tables as they are.

    With `read_only` the connection can write nothing, and acts as the reader's role
    where the database has it. `patient` catches up however much is missing. Raises
    Unavailable, SchemaMismatch or IntegrityFailure.
    """

    ROLE: ClassVar[Role] = "reader"

    has_tables: ClassVar[bool] = True
    """Whether what is known now is kept, or always computed of the journal."""

    has_names: ClassVar[bool] = True
    """Whether it knows what people and accounts are called."""

    MAY_SHARE: ClassVar[bool] = True
    """Whether it may open a second connection for what takes long."""

    head: int
    """The position up to which it answers."""

    moved_at: datetime | None
    """When the tables came to that position; None to who sees some accounts alone."""

    _types: SeatTypes | None

    _read: dict[Hashable, Any]
    """What was read of the snapshot that is pinned, and may be asked for again."""

    def __init__(
        self,
        conninfo: str,
        *,
        catch_up: bool = True,
        read_only: bool = False,
        patient: bool = False,
    ) -> None:
        self.conninfo = conninfo
        self.patient = patient
        self.is_behind = False  # and may not catch up
        self.connection: psycopg.Connection[Any] = connect(conninfo, autocommit=True)
        try:
            self._prepare()
            plan_by_accounts(self.connection)
            if read_only:
                self.connection.execute("SET default_transaction_read_only = on")
            acts = become(self.connection, self.ROLE)
            open_wrapping(self.connection)
            self.sees_store = self._sees_store(acts)
            self._pin(first_catch_up=catch_up)
        except BaseException:
            self.connection.close()
            raise

    def _prepare(self) -> None:
        """What a session needs before its first question; nothing here."""

    def _sees_store(self, acts: bool) -> bool:
        """Whether the store's head can be seen; `acts`: as the role, not the login."""
        return acts or sees_store(self.connection)

    def catch_up(self) -> None:
        """Bring the tables up to the store's head as it is now."""
        self.connection.execute("COMMIT")
        self._pin(first_catch_up=True)

    @contextmanager
    def beyond(self, position: int) -> Iterator[None]:
        """Answer at a position past the head, up to which events stand for the moment.

        Inside the caller's transaction, which is taken back. Raises Superseded.
        """
        become(self.connection, "projector")
        reached = self.head
        while reached < position:
            reached = catch_up.locked_advance(
                self.connection, self.generation, position
            )
        become(self.connection, "reader")
        head, types = self.head, self._types
        self.head, self._types, self._read = position, None, {}
        try:
            yield
        finally:
            self.head, self._types, self._read = head, types, {}

    def _pin(self, *, first_catch_up: bool) -> None:
        """Stay on what is served now: one snapshot for all the questions."""
        if first_catch_up and self.sees_store:
            become(self.connection, "projector")
            reached = catch_up.catch_up(self.connection, patient=self.patient)
            self.is_behind = reached.checkpoint < reached.head
            become(self.connection, "reader")
        served = pin(self.connection, sees_store=self.sees_store)
        self.generation = served.number
        self.head = served.checkpoint
        self.moved_at = served.moved_at
        self.store_head = served.head
        self.aside = served.aside
        self._types, self._read = None, {}

    @property
    def is_standby(self) -> bool:
        """Whether the server follows another one, and knows what that sent so far."""
        return self.connection.info.parameter_status("in_hot_standby") == "on"

    def __enter__(self) -> Self:
        """Return the reader itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self.connection.close()

    # -- asking -------------------------------------------------------------------

    def ask(
        self, room: str, name: str, known_at: Knowledge | None = None, **params: Any
    ) -> list[Row]:
        """The rows of a named question of a room's ``queries.sql``.

        With `known_at` it is answered as known then; from the kept tables where that
        is their checkpoint.
        """
        return list(self.stream(room, name, known_at, **params))

    def stream(
        self, room: str, name: str, known_at: Knowledge | None = None, **params: Any
    ) -> Iterator[Row]:
        """The same, row by row."""
        from_tables = known_at is not None and known_at.position == self.head
        if known_at is not None:
            params["known_position"] = known_at.position
        if "seat_type" in params:
            params["type_no"] = self.types.number(params["seat_type"])
        if "seat_types" in params:
            params["type_nos"] = [*map(self.types.number, params["seat_types"])]
        return self.run(question(room, name, from_tables=from_tables), params)

    def run(self, statement: bytes, params: Mapping[str, Any]) -> Iterator[Row]:
        """The rows of a statement: the one way that texts of the ledger come in.

        A seat type is its number in the tables, and its name from here on.
        """
        yield from self._run_on(self.connection, statement, params)

    def _run_on(
        self,
        connection: psycopg.Connection[Any],
        statement: bytes,
        params: Mapping[str, Any],
    ) -> Iterator[Row]:
        try:
            with connection.cursor(row_factory=dict_row) as cursor:
                cursor.execute(statement, params)
                columns = {column.name for column in cursor.description or ()}
                if "seat_type" in columns:
                    names = self.types.names
                    for row in cursor:
                        row["seat_type"] = names[row["seat_type"]]
                        yield row
                else:
                    yield from cursor
        except psycopg.OperationalError as error:
            raise unavailable(self.conninfo, error) from error

    def count(
        self, source: str, selected: Iterable[PeriodRow], known_at: Knowledge
    ) -> Iterator[Row]:
        """The figures of some periods, counted from one of the sources of the query.

        The periods of one account follow each other without gaps.
        """
        accounts = groupby(selected, key=attrgetter("account_no"))
        batches: list[list[PeriodRow]] = []
        while batch := [
            period for _, of in islice(accounts, ACCOUNTS_AT_ONCE) for period in of
        ]:
            batches.append(batch)
        statement, types = counting("selected", source), self.types

        def counted(
            connection: psycopg.Connection[Any], periods: Sequence[PeriodRow]
        ) -> Iterator[Row]:
            params = _counted_params(periods, known_at, types)
            return self._run_on(connection, statement, params)

        with self._second(len(batches)) as second:
            yield from shared(self.connection, second, batches, counted)

    @contextmanager
    def _second(self, batches: int) -> Iterator[psycopg.Connection[Any] | None]:
        """A second connection, where it is worth it."""
        if not self.MAY_SHARE or batches < SHARED_FROM:
            yield None
            return
        with second_connection(
            self.conninfo, self.connection, self.ROLE, self.generation
        ) as second:
            yield second

    def count_each(self, selected: Sequence[tuple[PeriodRow, int]]) -> Iterator[Row]:
        """The figures of some periods, each as known at a position of its own.

        In a row stands the place of the period for the number of the account.
        """
        fields = columns(
            period._replace(account_no=n) for n, (period, _) in enumerate(selected)
        )
        arrays: dict[str, Any] = {
            **fields,
            "pairs": fields["account_no"],
            "pair_accounts": [period.account_no for period, _ in selected],
            "pair_positions": [position for _, position in selected],
        }
        yield from self.run(counting("selected", "paired"), arrays)

    def once(self, key: Hashable, read: Callable[[], T]) -> T:
        """What `read` gives, which one snapshot is asked once: it is never changed."""
        if key not in self._read:
            if len(self._read) >= _MOST_READ:
                self._read.clear()
            self._read[key] = read()
        result: T = self._read[key]
        return result

    def together(self, keys: Iterable[str]) -> Iterator[list[str]]:
        """Accounts by key, so many as are best asked about at once."""
        remaining = iter(keys)
        while batch := list(islice(remaining, ACCOUNTS_AT_ONCE)):
            yield batch

    def settle(self, before: datetime) -> None:
        """Let no event be recorded at or before an instant any more (R78).

        To be called before what is known is resolved: the reader may move on.
        """
        self.knowledge(before)

    @property
    def types(self) -> SeatTypes:
        """The seat types that were ever added (R80)."""
        if self._types is None:
            self._types = SeatTypes.of(self.connection)
        return self._types

    def database_now(self) -> datetime:
        """The database's clock, which does not go back behind what is recorded."""
        row = self.connection.execute("SELECT ledger.database_now()").fetchone()
        assert row is not None
        now: datetime = row[0]
        return now.astimezone(UTC)

    # -- what is known ------------------------------------------------------------

    def knowledge(self, known_at: int | datetime | None = None) -> Knowledge:
        """Resolve "known at": a position, an instant, or nothing for the head (R78).

        Raises CommandRefused (``position_beyond_head``).
        """
        if known_at is None:
            return self._at_position(self.head, is_head=True)
        if isinstance(known_at, datetime):
            return self._known_at_instant(known_at)
        if known_at > self.head:
            raise CommandRefused(
                "position_beyond_head",
                f"The ledger is at position {self.head}; {known_at} is beyond it.",
                try_="omit --known-at to use all that is known",
            )
        knowledge = self._at_position(known_at, is_head=known_at == self.head)
        return knowledge._replace(until=knowledge.recorded_at)

    def _at_position(self, position: int, *, is_head: bool) -> Knowledge:
        rows = self.once(
            ("knowledge", position),
            lambda: self.ask("journal", "knowledge", position=position),
        )
        recorded_at = utc(rows[0]["recorded_at"]) if rows else None
        return Knowledge(position, recorded_at, is_head)

    def _known_at_instant(self, instant: datetime) -> Knowledge:
        row = self.ask("journal", "last_at", instant=instant)[0]
        if not row["passed"] and self.is_standby:
            raise NotFollowed(
                "This is a standby server that has not caught up that far: what was "
                "known at that instant may still change (R78).",
                try_="name a position or an earlier instant, or use the primary server",
            )
        if not row["passed"]:
            self._wait_for_appends(instant)
            row = self.ask("journal", "last_at", instant=instant)[0]
        knowledge = self._at_position(row["position"], is_head=not row["passed"])
        return knowledge._replace(until=instant)

    def _wait_for_appends(self, instant: datetime) -> None:
        """Let every append end that is in flight: it could fall at the instant.

        That it is answered for is noted, so that none falls there later either, even
        if the clock steps back. A standby can note nothing.
        """
        self.connection.execute("COMMIT")
        row = self.connection.execute(
            "SELECT pg_catalog.pg_is_in_recovery()"
        ).fetchone()
        is_standby = row is not None and row[0]
        with self.connection.transaction():
            if not is_standby:
                self.connection.execute("SET TRANSACTION READ WRITE")
            self.connection.execute(
                "SELECT pg_catalog.pg_advisory_xact_lock_shared(%s)", [APPEND_LOCK]
            )
            if not is_standby:
                self.connection.execute("SELECT ledger.note_answered(%s)", [instant])
        self._pin(first_catch_up=True)

    # -- accounts -------------------------------------------------------------------

    def account(self, key: str, known_at: Knowledge) -> AccountFacts:
        """An account by its key.

        Raises NotFound (``account_not_found``), AccountSetAside where its opening is
        what cannot be read.
        """
        name = "account", key, known_at.position
        return self.once(name, lambda: self._account(key, known_at))

    def zones(self, key: str, known_at: Knowledge) -> ZoneHistory:
        """The time zones of an account, of a lake's too. Raises as :meth:`account`."""

        def read() -> ZoneHistory:
            rows = self.ask(
                "accounts", "contract", known_at, account_id=account_id(key)
            )
            if not rows:
                return self.account(key, known_at).zones
            return facts_of(rows, known_at.position).zones

        return self.once(("zones", key, known_at.position), read)

    def has_account(self, key: str, known_at: Knowledge) -> bool:
        """Whether there is an account of this key; it may be set aside (R74)."""
        rows = self.ask("accounts", "contract", known_at, account_id=account_id(key))
        return bool(rows) or self.aside_of(key) is not None

    def _account(self, key: str, known_at: Knowledge) -> AccountFacts:
        rows = self.ask("accounts", "contract", known_at, account_id=account_id(key))
        if not rows:
            aside = self.aside_of(key)
            if aside is None:
                raise no_such_account(key, self.accounts_near(key, known_at))
            raise AccountSetAside(aside)
        account = facts_of(rows, known_at.position)
        with_requests = [account.no] if account.has_requests else []
        return self._with_unassignments([account], known_at, with_requests)[0]

    def accounts_alike(self, key: str, known_at: Knowledge) -> list[str]:
        """The other accounts whose keys are this one but for case or composition.

        Keys are compared exactly: they are different accounts, which look alike.
        """
        folded = fold(key)
        return [
            other
            for other in self._about_as_long(key, known_at)
            if other != key and fold(other) == folded
        ]

    def accounts_near(self, key: str, known_at: Knowledge) -> list[str]:
        """The accounts that may be meant by a key that there is not."""
        if alike := self.accounts_alike(key, known_at):
            return alike
        return nearest(key, self._about_as_long(key, known_at))

    def _about_as_long(self, key: str, known_at: Knowledge) -> list[str]:
        rows = self.ask("accounts", "about_as_long", known_at, length=len(key))
        return [row["account_key"] for row in rows]

    def every_account(self, known_at: Knowledge) -> list[str]:
        """The keys of the accounts, as many as somebody looks through."""
        rows = self.ask("accounts", "every_key", known_at)
        return [row["account_key"] for row in rows]

    def _with_unassignments(
        self,
        accounts: Iterable[AccountFacts],
        known_at: Knowledge,
        account_nos: list[int] | None = None,
    ) -> list[AccountFacts]:
        """Accounts, each with when its next requested unassignment is due (R98)."""
        requests: dict[int, list[Row]] = {}
        if account_nos is None:
            pending = self.ask("holdings", "to_be_carried_out", known_at)
        elif account_nos:
            pending = self.ask(
                "holdings", "to_be_carried_out_of", known_at, account_nos=account_nos
            )
        else:
            pending = []
        for row in pending:
            requests.setdefault(row["account_no"], []).append(row)
        return [
            account._replace(
                next_unassignment=min(map(account.due, requests[account.no]))
            )
            if account.no in requests
            else account
            for account in accounts
        ]

    def aside_of(self, key: str) -> SetAside | None:
        """What stands in the way of an account, where it is set aside (R74)."""
        id_ = account_id(key)
        return next(
            (account for account in self.aside if account.account_id == id_), None
        )

    def aside_at(self, known_at: Knowledge) -> list[SetAside]:
        """The accounts of which an answer as known then has not everything."""
        return [
            account for account in self.aside if account.position <= known_at.position
        ]

    def accounts(
        self, known_at: Knowledge, account_nos: Collection[int] | None = None
    ) -> list[AccountFacts]:
        """Every account that is known, or those of some numbers, by key."""
        numbers = None if account_nos is None else list(account_nos)
        if numbers is None:
            rows = self.ask("accounts", "contracts", known_at)
        else:
            rows = self.ask("accounts", "contracts_of", known_at, account_nos=numbers)
        accounts = facts_of_each(rows, known_at.position)
        return sorted(
            self._with_unassignments(accounts, known_at, numbers),
            key=lambda account: account.key,
        )

    def account_keys(self, account_nos: Iterable[int]) -> dict[int, str]:
        """The keys of accounts by their numbers."""
        distinct = list(set(account_nos))
        rows = self.ask("accounts", "keys", account_nos=distinct) if distinct else []
        return {row["account_no"]: row["account_key"] for row in rows}

    # -- people ---------------------------------------------------------------------

    def people(
        self,
        user_nos: Iterable[int],
        known_at: Knowledge | None = None,
        as_of: datetime = FOREVER,
    ) -> dict[int, Row]:
        """Key, e-mail, name and kind of users, as they are called at a moment (R95).

        Without one: after all that is known.
        """
        names = self.names(user_nos, known_at)
        return {user_no: names.at(user_no, as_of) for user_no in names.added}

    def names(
        self, user_nos: Iterable[int], known_at: Knowledge | None = None
    ) -> Names:
        """What some users are called, and since when, as known."""
        distinct = list(set(user_nos))
        if not distinct:
            return Names({}, {})
        people = self.ask("users", "people", user_nos=distinct)
        renamings: dict[int, list[Row]] = {}
        known_at = known_at or self.knowledge()
        for row in self.ask("users", "renamings", known_at, user_nos=distinct):
            renamings.setdefault(row["user_no"], []).append(row)
        return Names({row["user_no"]: row for row in people}, renamings)

    def actors(self, actors: Iterable[str]) -> dict[str, str]:
        """How stored actors are shown: a user of the account by key (DOMAIN 2)."""
        stored = set(actors)
        ids = {actor: UUID(actor[5:]) for actor in stored if actor.startswith("user:")}
        rows = self.ask("users", "actors", user_ids=list(ids.values())) if ids else []
        people = self.people(row["user_no"] for row in rows)
        keys = {row["user_id"]: people[row["user_no"]]["user"] for row in rows}
        return {
            actor: f"user:{keys[ids[actor]]}" if actor in ids else actor
            for actor in stored
        }

    def windows(self, positions: Iterable[int | None]) -> dict[int | None, Any]:
        """Until when the contrary of some derived entries was seen, by position (R85).

        Of what is known exactly there is nothing.
        """
        selected = [position for position in positions if position is not None]
        rows = self.ask("journal", "windows", positions=selected) if selected else []
        return {row["position"]: utc(row["effective_after"]) for row in rows}

    def acts(self, positions: Iterable[int | None]) -> dict[int | None, Row | None]:
        """Who recorded entries, why and when, by position; None for no entry."""
        distinct = [position for position in positions if position is not None]
        rows = self.ask("journal", "acts", positions=distinct) if distinct else []
        shown_as = self.actors(row["actor"] for row in rows)
        acts: dict[int | None, Row | None] = {
            row["position"]: {
                "position": row["position"],
                "actor": shown_as[row["actor"]],
                "reason": row["reason"],
                "recorded_at": utc(row["recorded_at"]),
            }
            for row in rows
        }
        acts[None] = None
        return acts

    def users_called(
        self, account: AccountFacts, reference: str, known_at: Knowledge
    ) -> list[Row]:
        """Every holder of a key or e-mail, in order (R35).

        Rows have `user_no`, `added_at` and `removed_at`. Raises NotFound
        (``user_not_found``) when nobody was ever called so, at any position, and
        CommandRefused (``ambiguous_user``) where it was one user's key and another's
        e-mail at one time.
        """
        called = self._called(account, reference, known_at)
        for keyed in (*called.keyed, *called.rivals):
            for mailed in called.mailed:
                if keyed != mailed and _share_a_time(keyed, mailed):
                    raise ambiguous(reference, [_names(keyed), _names(mailed)])
        return sorted(called.people, key=_first)

    def _called(
        self, account: AccountFacts, reference: str, known_at: Knowledge
    ) -> Called[Row]:
        """Who was ever called so, as known, each with when that was (`borne`)."""
        try:
            user_nos, ids = self.numbers_called(account, reference)
        except NotFound as error:
            if near := self.users_near(account, reference, known_at):
                error.try_ = f"{did_you_mean(near)}see '{error.try_}'"
            raise
        members = self.ask("users", "memberships", known_at, user_nos=user_nos)
        return _called_so(reference, members, self.names(user_nos, known_at), ids)

    def numbers_called(
        self, account: AccountFacts, reference: str
    ) -> tuple[list[int], set[int]]:
        """The numbers of who ever had a key or an e-mail, and of whom it is the id.

        Raises NotFound (``user_not_found``).
        """
        folded = fold(reference)
        rows = self.ask(
            "users",
            "called",
            account_no=account.no,
            folded=Secret(folded),
            id=reference if _ID.fullmatch(reference) else None,
        )
        return _numbers_named(account, reference, rows)

    def users_near(
        self, account: AccountFacts, reference: str, known_at: Knowledge
    ) -> list[str]:
        """The keys of the account's users that may be meant by a name that nobody has.

        In an account of very many, those near it in the alphabet are looked at alone.
        """
        rows = self.ask(
            "users",
            "around",
            account_no=account.no,
            folded=Secret(fold(reference)),
            known_position=known_at.position,
            limit=_AROUND,
        )
        called: dict[str, str] = {}
        for row in rows:
            mail, name = row["folded_email"] or "", row["folded_name"] or ""
            texts = (row["folded_key"], mail, mail.partition("@")[0], name)
            for text in filter(None, (*texts, *name.split())):
                called.setdefault(text, str(row["user_no"]))
        numbers = [int(number) for number in nearest_of(reference, called)]
        members = self.ask("users", "memberships", known_at, user_nos=numbers)
        present = {row["user_no"] for row in members}
        names = self.names(present, known_at)
        return [names.at(n, FOREVER)["user"] for n in numbers if n in present]

    def user_at(
        self,
        account: AccountFacts,
        reference: str,
        as_of: datetime,
        known_at: Knowledge,
    ) -> Row | None:
        """The user so called at a moment, else the last one before (R35, R95)."""
        return _meant_at(reference, self._called(account, reference, known_at), as_of)

    def users_at(
        self,
        account: AccountFacts,
        references: Sequence[str],
        as_of: datetime,
        known_at: Knowledge,
    ) -> Callable[[str], Row | None]:
        """Gives for each of many references what :meth:`user_at` would, and raises as
        that does; all of them are looked up in a few questions.
        """
        named: dict[str, list[Row]] = {}
        numbers: set[int] = set()
        for first in range(0, len(references), _AT_ONCE):
            batch = references[first : first + _AT_ONCE]
            rows = self.ask(
                "users",
                "called_each",
                account_no=account.no,
                folded=Secret(json.dumps([fold(reference) for reference in batch])),
                ids=[reference for reference in batch if _ID.fullmatch(reference)],
            )
            for row in rows:
                numbers.add(row["user_no"])
                texts = row["folded_key"], row["folded_email"], str(row["user_id"])
                for text in {*texts}:
                    named.setdefault(text, []).append(row)
        members: dict[int, list[Row]] = {}
        for row in self.ask("users", "memberships", known_at, user_nos=list(numbers)):
            members.setdefault(row["user_no"], []).append(row)
        names = self.names(numbers, known_at)

        def find(reference: str) -> Row | None:
            folded = fold(reference)
            rows = [row for text in {folded, reference} for row in named.get(text, ())]
            user_nos, ids = _numbers_named(account, reference, rows)
            own = [row for number in user_nos for row in members.get(number, ())]
            called = _called_so(reference, sorted(own, key=_first), names, ids)
            return _meant_at(reference, called, as_of)

        return find


class Stay(NamedTuple):
    """From when to when a member was called so."""

    user_key: str
    email: str | None
    starts: datetime
    ends: datetime


class Names(NamedTuple):
    """What users are called: as `added`, and as renamed in the order of application."""

    added: dict[int, Row]
    renamings: dict[int, list[Row]]

    def at(self, user_no: int, as_of: datetime) -> Row:
        """Key, e-mail, name and kind of a user at a moment."""
        person = self.added[user_no]
        texts = {name: person[name] for name in ("user_key", "email", "name")}
        for row in self.renamings.get(user_no, ()):
            if row["effective_at"] <= as_of:
                texts |= {name: row[name] for name in texts if row[name] is not None}
        return {
            "user": texts["user_key"],
            "email": texts["email"] or None,
            "name": texts["name"],
            "kind": person["kind"],
        }

    def within(self, member: Row) -> Iterator[Stay]:
        """What a member was called, with the time of each within the membership."""
        user_no, ends = member["user_no"], member["removed_at"] or FOREVER
        renamed = [row["effective_at"] for row in self.renamings.get(user_no, ())]
        begins = sorted({at for at in renamed if member["added_at"] < at < ends})
        bounds = [member["added_at"], *begins, ends]
        for starts, until in pairwise(bounds):
            person = self.at(user_no, starts)
            yield Stay(person["user"], person["email"], starts, until)


def _called_so(
    reference: str, members: Sequence[Row], names: Names, ids: set[int]
) -> Called[Row]:
    """The members who were ever called so, each with when that was (`borne`)."""
    folded = fold(reference)
    called: Called[Row] = Called([], [], [])
    for member in members:
        stays = [*names.within(member)]
        keyed = [stay for stay in stays if stay.user_key == reference]
        mailed = [stay for stay in stays if fold(stay.email or "") == folded]
        nearly = [stay for stay in stays if fold(stay.user_key) == folded]
        if member["user_no"] in ids:
            keyed = stays
        row = {**names.at(member["user_no"], FOREVER), **member}
        borne = [*keyed, *mailed]
        if keyed:
            called.keyed.append({**row, "borne": borne})  # type: ignore[attr-defined]
        if mailed:
            called.mailed.append({**row, "borne": borne})  # type: ignore[attr-defined]
        if nearly and not keyed:
            called.nearly.append({**row, "borne": nearly})  # type: ignore[attr-defined]
    mailed_first = persons_first(called.mailed, lambda p: p["kind"] == "service")
    return called._replace(mailed=mailed_first)


def _meant_at(reference: str, called: Called[Row], as_of: datetime) -> Row | None:
    return meant(
        reference,
        called,
        present=lambda row: any(
            stay.starts <= as_of < stay.ends for stay in row["borne"]
        ),
        stay=lambda row: max(
            (
                (stay.starts, stay.ends, row["added"])
                for stay in row["borne"]
                if stay.starts <= as_of
            ),
            default=None,
        ),
        name=_names,
    )


def _numbers_named(
    account: AccountFacts, reference: str, rows: Sequence[Row]
) -> tuple[list[int], set[int]]:
    """The numbers of all whose namings are these, and of whom it is the id.

    Raises NotFound.
    """
    folded = fold(reference)
    if not any(_is_meant(row, reference, folded) for row in rows):
        raise NotFound(
            "user_not_found",
            f"{account.key} has no user {shown(reference)}.",
            try_=f"seat-ledger user list --account {as_word(account.key)}",
        )
    ids = {row["user_no"] for row in rows if str(row["user_id"]) == reference}
    return list({row["user_no"] for row in rows}), ids


def _is_meant(row: Row, reference: str, folded: str) -> bool:
    """Whether a naming is by this very key, by e-mail, or by the id."""
    return (
        row["user_key"] == reference
        or row["folded_email"] == folded
        or str(row["user_id"]) == reference
    )


def _names(row: Row) -> tuple[str, str]:
    return row["user"], row["email"] or ""


def _share_a_time(first: Row, other: Row) -> bool:
    """Whether two were called so at one time."""
    return any(
        max(own.starts, theirs.starts) < min(own.ends, theirs.ends)
        for own in first["borne"]
        for theirs in other["borne"]
    )


def _first(row: Row) -> tuple[datetime, datetime, int]:
    """When a user was of the account; of two added at once who stayed is the last."""
    return row["added_at"], row["removed_at"] or FOREVER, row["added"]


def utc(instant: Any) -> Any:
    """The same instant in UTC; None stays None."""
    return None if instant is None else instant.astimezone(UTC)
