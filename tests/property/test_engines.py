"""Both engines compute the same tables, on random histories, as known at any position.

The definitions are one text; the figures two. PostgreSQL computes from its journal,
DuckDB from the one of a lake.
"""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest

from seat_ledger.commands.service import CommandService
from seat_ledger.domain.calendar import BillingCalendar, ZoneHistory
from seat_ledger.domain.counting_rules import every_rule
from seat_ledger.errors import IntegrityFailure
from seat_ledger.projections import periods
from seat_ledger.projections import reader as reading
from seat_ledger.projections.billing import CountsQuery, Priced, counts, figures
from seat_ledger.projections.engine.figures_query import counting
from seat_ledger.projections.engine.registry import BY_NAME, RowSource
from seat_ledger.projections.engine.sql_files import filled, part
from seat_ledger.projections.lake import counting as counting_by_duckdb
from seat_ledger.projections.lake.columns import rows_by_bucket
from seat_ledger.projections.lake.definitions import tables
from seat_ledger.projections.lake.engine import COMPARED_LESS, TABLES, Engine
from seat_ledger.projections.lake.export import journal_rows
from seat_ledger.projections.reader import ConnectedReader, sharing
from tests.property.zoned import History

HISTORIES = int(os.environ.get("SEAT_LEDGER_EXAMPLES", "9"))


def in_postgresql(reader: ConnectedReader, name: str, position: int) -> list[Any]:
    """The rows of a table, as known at a position, by PostgreSQL."""
    names = [n for n in tables()[name] if n not in COMPARED_LESS.get(name, ())]
    projection = BY_NAME[name]
    accounts = list(reader.accounts(reader.knowledge(position)))
    if projection.source is RowSource.CALENDAR:
        rows = [row for facts in accounts for row in periods.rows_of(facts)]
        return sorted([[getattr(row, name) for name in names] for row in rows], key=str)
    params: dict[str, Any] = {"known_position": position}
    if projection.source is RowSource.FIGURES:
        selected = [row for facts in accounts for row in periods.rows_of(facts)]
        statement = counting("selected", "as_known")
        params |= periods.columns(selected)
        params["accounts"] = [facts.no for facts in accounts]
    else:
        rows_query = projection.rows(from_tables=False)
        statement = filled(b"SELECT * FROM ({rows}) AS t", rows=part(rows_query))
    with reader.connection.cursor() as cursor:
        return sorted(map(list, cursor.execute(statement, params).fetchall()), key=str)


def in_duckdb(engine: Engine) -> dict[str, list[Any]]:
    """The rows of every table, by DuckDB."""
    computed = {
        name: sorted((list(row.values()) for row in table.to_pylist()), key=str)
        for name, table in engine.compute()
    }
    engine.check()
    return computed


def same(rows: list[Any]) -> list[list[str]]:
    """Rows as they compare: the engines have other types of one value."""
    return sorted([str(getattr(v, "real", v)) for v in row] for row in rows)


POISON = {
    "two holders at once": (
        "UPDATE seat_holding SET held_until = NULL, held_from = (SELECT min(held_from) "
        "FROM seat_holding WHERE NOT reversed) WHERE NOT reversed"
    ),
    "ends no holding": "UPDATE seat_holding SET assigned_position = NULL",
    "while not under contract": "DELETE FROM seat",
    "seats held and": "UPDATE seat_count SET seats_assigned = seats_purchased + 1",
    "do not match the holdings": (
        "UPDATE seat_count SET filled = filled + 1, freed = freed + 1 "
        "WHERE rowid = (SELECT min(rowid) FROM seat_count)"
    ),
}


def test_each_check_of_a_lakes_rebuild_can_fail(database: str, tmp_path: Path) -> None:
    with CommandService(database) as ledger:
        for seed in (3, 4, 5):
            History(ledger, Random(seed))
    with ConnectedReader(database) as reader:
        types = [(no, name) for no, name in reader.types.names.items() if no]
        pieces = journal_rows(reader.connection, 0, reader.head)
        journal = pa.concat_tables([table for _, table in rows_by_bucket(pieces)])
        for words, poison in POISON.items():
            engine = Engine(reader.head, types, scratch=str(tmp_path))
            engine.load(journal)
            in_duckdb(engine)
            engine.db.execute(poison).fetchall()
            with pytest.raises(IntegrityFailure, match=words):
                engine.check()
            engine.close()


@pytest.mark.both_versions
def test_both_engines_compute_the_same_of_random_histories(
    database: str, tmp_path: Path
) -> None:

    random = Random(11)
    with CommandService(database) as ledger:
        histories = [History(ledger, random) for _ in range(HISTORIES)]
    with ConnectedReader(database) as reader:
        types = [(no, name) for no, name in reader.types.names.items() if no]
        pieces = journal_rows(reader.connection, 0, reader.head)
        journal = pa.concat_tables([table for _, table in rows_by_bucket(pieces)])
        assert len(journal) == reader.head
        entries = [e for h in histories for e in h.oracle.books[h.account].entries]
        chosen = random.sample([entry.position for entry in entries], 3)
        for position in (reader.head, *chosen):
            engine = Engine(position, types, scratch=str(tmp_path))
            engine.load(journal)
            computed = in_duckdb(engine)
            engine.close()
            for name in TABLES:
                expected = same(in_postgresql(reader, name, position))
                assert same(computed[name]) == expected, f"{name} at {position}"
            assert all(computed[name] for name in TABLES if position == reader.head)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("DELETE FROM zone_date WHERE date_no = 9", "do not follow the one before"),
        (
            "DELETE FROM zone_date WHERE utc_day = (SELECT max(utc_day) FROM zone_date "
            "WHERE date_no = 9) AND date_no = 9",
            "do not follow the one before",
        ),
        (
            "DELETE FROM zone_date WHERE ends >= (SELECT max(ends) FROM period_key)",
            "have no date",
        ),
        ("DELETE FROM zone_date", "have no date"),
    ],
)
def test_a_date_that_is_missing_in_the_calendar_is_noticed(
    tmp_path: Path, damage: str, words: str
) -> None:
    zones = ZoneHistory("Asia/Kathmandu")
    calendar = BillingCalendar(date(2025, 3, 5), 12, 1, zones)
    engine = Engine(1, (), scratch=str(tmp_path))
    for k in range(3):
        engine.calendar.add(1, calendar.period(k))
    engine.take_calendar()
    engine.db.execute(damage).fetchall()
    with pytest.raises(IntegrityFailure, match=words):
        engine._check_dates()
    engine.close()


def test_counts_of_very_many_accounts_are_those_of_postgresql(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(5)
    with CommandService(database) as ledger:
        histories = [History(ledger, random) for _ in range(HISTORIES // 2)]
    entries = [e for h in histories for e in h.oracle.books[h.account].entries]
    queries = [
        CountsQuery(how=Priced(every_rule())),
        CountsQuery(label="2025-06"),
        CountsQuery(window=(date(2024, 11, 3), date(2026, 2, 17))),
        CountsQuery(term=True),
    ]
    monkeypatch.setattr(figures, "LEAST_ACCOUNTS", 1)
    monkeypatch.setattr(figures, "LEAST_PERIODS", 0)
    counted = 0

    def counter(*of: Any) -> Any:
        nonlocal counted
        rows = counting_by_duckdb.counted_by_duckdb(*of)
        counted += len(rows or ())
        return rows

    with ConnectedReader(database) as reader:
        now = reader.database_now()
        for entry in random.sample(entries, 3):
            known_at = reader.knowledge(entry.position)
            for query in queries:
                asked = (reader, None, known_at, now, query)
                assert counts(*asked, counter=counter) == counts(*asked)
    assert counted


def test_counts_on_two_connections_are_those_of_one(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(6)
    with CommandService(database) as ledger:
        histories = [History(ledger, random) for _ in range(HISTORIES // 2)]
    entries = [e for h in histories for e in h.oracle.books[h.account].entries]
    queries = [CountsQuery(how=Priced(every_rule())), CountsQuery(label="2025-06")]
    seconds = []

    def second_connection(*of: Any) -> Any:
        seconds.append(of)
        return sharing.second_connection(*of)

    monkeypatch.setattr(reading, "ACCOUNTS_AT_ONCE", 1)
    monkeypatch.setattr(reading, "second_connection", second_connection)
    with ConnectedReader(database) as reader:
        now = reader.database_now()
        for entry in random.sample(entries, 3):
            known_at = reader.knowledge(entry.position)
            for query in queries:
                monkeypatch.setattr(reading, "SHARED_FROM", len(histories) + 1)
                monkeypatch.setattr(figures, "LEAST_ACCOUNTS", len(histories) + 1)
                before = len(seconds)
                alone = counts(reader, None, known_at, now, query)
                assert len(seconds) == before
                monkeypatch.setattr(reading, "SHARED_FROM", 2)
                monkeypatch.setattr(figures, "LEAST_ACCOUNTS", 1)
                assert counts(reader, None, known_at, now, query) == alone
    assert seconds
