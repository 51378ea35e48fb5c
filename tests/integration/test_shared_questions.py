"""Questions in many parts on two connections: both see the same, or there is one."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from typing import Any

import psycopg
import pytest

from seat_ledger.commands.service import CommandService
from seat_ledger.errors import Unavailable
from seat_ledger.projections.reader import ConnectedReader, sharing

_EVENTS = b"SELECT count(*) FROM journal"
_LATER = {
    "op": "open_account",
    "account": "later",
    "name": "Later",
    "time_zone": "Europe/Amsterdam",
    "term_start": "2025-03-05",
    "term_months": 12,
    "billing_cycle_months": 1,
    "effective_at": "2025-03-05T00:00:00Z",
}


def second(reader: ConnectedReader) -> Any:
    return sharing.second_connection(
        reader.conninfo, reader.connection, reader.ROLE, reader.generation
    )


def events(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute(_EVENTS).fetchone()
    assert row is not None
    return int(row[0])


def test_a_second_connection_sees_what_the_first_does_and_nothing_later(
    database: str,
) -> None:
    with CommandService(database) as ledger, ConnectedReader(database) as reader:
        before = events(reader.connection)
        ledger.execute(_LATER)
        with ConnectedReader(database) as another:
            assert events(another.connection) > before
        with second(reader) as connection:
            assert connection is not None
            assert events(connection) == before
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                connection.execute("DELETE FROM journal")


def test_both_connections_plan_questions_for_a_few_accounts(database: str) -> None:
    """What the planner would take for a cheap merge reads the reversals of all."""
    two_keys = """
    EXPLAIN SELECT FROM generate_series(1, 100000) AS one (entry)
        JOIN generate_series(1, 100000) AS other (entry)
            ON one.entry = other.entry
    """

    def plan(connection: psycopg.Connection[Any]) -> str:
        with connection.transaction(force_rollback=True):
            connection.execute("SET LOCAL enable_hashjoin = off")
            connection.execute("SET LOCAL enable_nestloop = off")
            return f"{connection.execute(two_keys).fetchall()}"

    with ConnectedReader(database) as reader, second(reader) as other:
        assert other is not None
        with psycopg.connect(database) as plain:
            assert "Merge" in plan(plain)
        assert "Merge" not in plan(other)
        assert "Merge" not in plan(reader.connection)
        reader.catch_up()
        assert "Merge" not in plan(reader.connection)


def test_what_nobody_else_can_see_is_asked_on_one_connection(database: str) -> None:
    with ConnectedReader(database) as reader:
        reader.connection.execute("COMMIT")
        reader.connection.execute("BEGIN")
        with second(reader) as connection:
            assert connection is None


def test_where_there_is_no_room_for_a_second_connection_one_does_it_all(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise Unavailable("There are too many clients already.")

    monkeypatch.setattr(sharing, "connect", refuse)
    with ConnectedReader(database) as reader, second(reader) as connection:
        assert connection is None
        rows = sharing.shared(reader.connection, connection, [1, 2, 3], numbers)
        assert list(rows) == [1, 2, 3]


def numbers(connection: psycopg.Connection[Any], part: int) -> Iterator[int]:
    for (number,) in connection.execute("SELECT %s::integer", [part]):
        yield number


def test_who_asks_no_further_gets_both_connections_back(database: str) -> None:
    with ConnectedReader(database) as reader, second(reader) as connection:
        rows = sharing.shared(reader.connection, connection, range(1, 9), numbers)
        assert next(rows) == 1
        rows.close()  # type: ignore[attr-defined]
        assert list(numbers(reader.connection, 5)) == [5]


def test_what_fails_on_the_second_connection_fails_the_question(database: str) -> None:
    def work(connection: psycopg.Connection[Any], part: int) -> Iterator[int]:
        if part == 2:
            connection.execute("SELECT 1/0")
        yield from numbers(connection, part)

    with (
        ConnectedReader(database) as reader,
        second(reader) as connection,
        pytest.raises(psycopg.errors.DivisionByZero),
    ):
        list(sharing.shared(reader.connection, connection, [1, 2, 3], work))


def test_who_asks_no_further_ends_the_second_between_two_statements_too(
    database: str,
) -> None:
    """Then nothing runs there that a cancel could end; the first's reason is raised."""
    begun, cancelled, asked = Event(), Event(), list[int]()

    class Second:
        def cancel_safe(self, **_: float) -> None:
            cancelled.set()
            raise psycopg.errors.CancellationTimeout("no answer")

    def work(_: Any, part: int) -> Iterator[int]:
        if part % 2 == 0:
            asked.append(part)
            begun.set()
            cancelled.wait()
        elif part == 3:
            begun.wait()
            raise KeyError(part)
        yield part

    with ConnectedReader(database) as reader, pytest.raises(KeyError):
        list(sharing.shared(reader.connection, Second(), range(1, 9), work))  # type: ignore[arg-type]
    assert asked == [2]
