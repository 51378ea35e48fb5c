"""What an audit asks about accounts, answered by DuckDB over the journal of a lake.

The questions are those of ``billing/audit/queries.sql``, and so are the rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from seat_ledger.projections.engine.sql_files import queries
from seat_ledger.projections.lake.engine import Engine
from seat_ledger.projections.lake.rebuild import AT_ONCE
from seat_ledger.projections.periods import PeriodRow
from seat_ledger.projections.reader import Row

EVERYTHING = (1 << 63) - 1
"""A position behind every other."""

_SEATS_KNOWN = ("ns", "account_nos", "known_positions", "type_nos", "numbers")

_TEXTS = {name: block.decode() for name, block in queries("lake", "audit.sql").items()}
_TABLES = {
    "own_contract": "seat",
    "own_held": "seat_holding",
    "lives_known": "seat",
    "held_known": "seat_holding",
}
"""What a question needs to be made of the journal."""


class AuditAnswers:
    """Answers for a lake's reader, which loads some buckets of accounts at a time.

    `engine_for` returns an engine with the journal of some accounts, as known at a
    position; `beside` another one, for what was known at many positions.
    """

    def __init__(
        self,
        parts_of: Callable[[Sequence[int]], Iterable[list[int]]],
        engine_for: Callable[[int, int], Engine],
        beside: Callable[[], Engine],
    ) -> None:
        self._parts_of, self._engine_for, self._beside = parts_of, engine_for, beside
        self._sizes: tuple[int, dict[int, int]] = (0, {})

    def by_name(self) -> dict[tuple[str, str], Callable[[Row], Iterable[Row]]]:
        """Who answers what."""
        answers: dict[str, Callable[[Row], Iterable[Row]]] = {
            "invoices": self._invoices,
            "touched": self._touched,
            "own_contract": partial(self._own, "own_contract"),
            "own_held": partial(self._own, "own_held"),
            "recorded_since": self._recorded_since,
            "lives_known": partial(self._states, "lives_known"),
            "held_known": partial(self._states, "held_known"),
        }
        return {("billing/audit", name): answer for name, answer in answers.items()}

    # -- the contract -----------------------------------------------------------------

    def _invoices(self, of: Row) -> Iterator[Row]:
        """The currencies of invoices, and the bounds of those with other zone data."""
        for engine, mine in self._engines(of["account_nos"], EVERYTHING):
            _take(engine, "question", account_no=mine.of(of["account_nos"]))
            for row in engine.ask(_TEXTS["invoices"]):
                details = json.loads(row["details"])
                has_own = details["tzdata"] != of["tzdata"] and "dates" in details
                yield {
                    **row,
                    "currency": details["currency"],
                    "details": details if has_own else None,
                }

    # -- figures ----------------------------------------------------------------------

    def _touched(self, of: Row) -> Iterator[Row]:
        """The last entries that can touch figures, by account, type and instant."""
        for engine, mine in self._engines(of["account_nos"], EVERYTHING):
            last = {
                (account_no, instant): n
                for account_no, ends in zip(
                    mine.of(of["account_nos"]), mine.of(of["ends"]), strict=True
                )
                for n, instant in enumerate(_instants(ends), 1)
            }
            _take(
                engine,
                "question",
                account_no=[account_no for account_no, _ in last],
                ends=[instant for _, instant in last],
                n=[*last.values()],
            )
            params = {name: of[name] for name in ("after", "until_position")}
            yield from engine.ask(_TEXTS["touched"], **params)

    def count_each(self, selected: Sequence[tuple[PeriodRow, int]]) -> Iterator[Row]:
        """Figures of periods, each as known at a position; by place in the list."""
        numbers = [period.account_no for period, _ in selected]
        for engine, mine in self._engines(numbers, EVERYTHING):
            items = mine.of(selected)
            pairs = [(period.account_no, position) for period, position in items]
            for first, until in self._shares(engine, pairs):
                beside = self._each_known(engine, pairs[first:until])
                periods = (period for period, _ in items[first:until])
                for row in beside.count(
                    period._replace(account_no=n) for n, period in enumerate(periods)
                ):
                    place = mine.places[first + row["account_no"]]
                    yield {**row, "account_no": place}

    # -- causes -----------------------------------------------------------------------

    def _own(self, name: str, of: Row) -> Iterator[Row]:
        """The entries that make up figures, of what was held or of the contract."""
        for engine, mine in self._engines(of["account_nos"], of["known_position"]):
            fields = {key: mine.of(of[key]) for key in ("starts", "ends")}
            _take(engine, "question", **mine.seats(of), **fields)
            engine.ensure(_TABLES[name])
            yield from engine.ask(_TEXTS[name])

    def _recorded_since(self, of: Row) -> Iterator[Row]:
        """What was recorded later and can touch figures."""
        for engine, mine in self._engines(of["account_nos"], EVERYTHING):
            fields = {key: mine.of(of[key]) for key in ("ends", "issued")}
            _take(engine, "question", **mine.seats(of), **fields)
            _take(engine, "selected_topic", topic=of["topics"])
            until = of["until_position"]
            yield from engine.ask(_TEXTS["recorded_since"], until_position=until)

    def _states(self, name: str, of: Row) -> Iterator[Row]:
        """Lives or holdings of seats, each as known at a position."""
        for engine, mine in self._engines(of["account_nos"], EVERYTHING):
            seats: dict[tuple[int, int], dict[tuple[int, int], list[int]]] = {}
            for n, account_no, position, type_no, number in zip(
                *(mine.of(of[key]) for key in _SEATS_KNOWN), strict=True
            ):
                pair = seats.setdefault((account_no, position), {})
                pair.setdefault((type_no, number), []).append(n)
            for first, until in self._shares(engine, [*seats]):
                yield from self._states_of(name, engine, [*seats.items()][first:until])

    def _states_of(
        self,
        name: str,
        engine: Engine,
        share: Sequence[tuple[tuple[int, int], dict[tuple[int, int], list[int]]]],
    ) -> Iterator[Row]:
        beside = self._each_known(engine, [pair for pair, _ in share])
        selected = [(n, *seat) for n, (_, seats) in enumerate(share) for seat in seats]
        names, values = ("n", "type_no", "number"), zip(*selected, strict=True)
        _take(beside, "selected_seat", **dict(zip(names, values, strict=True)))
        beside.ensure(_TABLES[name])
        for row in beside.ask(_TEXTS[name]):
            (_, position), seats = share[row["n"]]
            for n in seats[row.pop("type_no"), row["number"]]:
                yield {**row, "n": n, "known_position": position}

    # -- steps ------------------------------------------------------------------------

    def _engines(
        self, account_nos: Sequence[int], known_at: int
    ) -> Iterator[tuple[Engine, _Mine]]:
        """Engines that have the accounts in question, each with its questions."""
        for places in self._parts_of(account_nos):
            yield self._engine_for(known_at, account_nos[places[0]]), _Mine(places)

    def _shares(
        self, engine: Engine, pairs: Sequence[tuple[int, int]]
    ) -> Iterator[tuple[int, int]]:
        """Pairs of account and position, so many as have about as many events as are
        in memory: from one place up to another.
        """
        if self._sizes[0] != engine.loads:
            rows = engine.ask(_TEXTS["sizes"])
            sizes = {row["account_no"]: row["events"] for row in rows}
            self._sizes = engine.loads, sizes
        first = total = 0
        for n, (account_no, _) in enumerate(pairs):
            events = self._sizes[1].get(account_no, 0)
            if n > first and total + events > AT_ONCE:
                yield first, n
                first, total = n, 0
            total += events
        if pairs:
            yield first, len(pairs)

    def _each_known(self, engine: Engine, pairs: Sequence[tuple[int, int]]) -> Engine:
        """An engine that has accounts, each as known at its position, by place."""
        _take(
            engine,
            "question",
            n=[*range(len(pairs))],
            account_no=[account_no for account_no, _ in pairs],
            known_position=[position for _, position in pairs],
        )
        beside = self._beside()
        beside.load(engine.rows(_TEXTS["each_known"]))
        return beside


class _Mine(NamedTuple):
    """The places of the questions that one engine answers."""

    places: list[int]

    def of(self, values: Sequence[Any]) -> list[Any]:
        return [values[place] for place in self.places]

    def seats(self, of: Row) -> dict[str, list[Any]]:
        """The numbers of figures of a question, with their accounts and types."""
        named = {"n": "ns", "account_no": "account_nos", "seat_type": "type_nos"}
        return {name: self.of(of[key]) for name, key in named.items()}


def _instants(array: str) -> list[datetime]:
    """The instants of an array as PostgreSQL reads it."""
    return [datetime.fromisoformat(text.strip('"')) for text in array[1:-1].split(",")]


def _take(engine: Engine, name: str, **columns: Sequence[Any]) -> None:
    """Let an engine have a table of what is in question."""
    import pyarrow as pa  # noqa: PLC0415  an extra

    instant = pa.timestamp("us", "UTC")
    kinds = {"starts": instant, "ends": instant, "topic": pa.string()}
    engine.load_rows(
        name,
        pa.table({
            key: pa.array(values, kinds.get(key, pa.int64()))
            for key, values in columns.items()
        }),
    )  # fmt: skip
