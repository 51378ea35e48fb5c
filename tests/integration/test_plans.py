"""Plans over a store of some size: where keys are given, nothing is read as a whole."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest

from projections import engine, generation
from projections.billing import drafting
from projections.queries import queries, question
from projections.reader import Reader
from projections.rebuild import rebuild
from scripts.benches.generator import history, write
from seat_ledger.invoice import InvoiceRequest
from seat_ledger.store.connection import connect
from tests.program import ANN, BUY, GIVE, OPEN, PRO, Program

EVENTS, ACCOUNTS = 12_000, 120
BIG = {
    "stored_events",
    "journal",
    "person",
    "user_directory",
    "seat",
    "seat_holding",
    "seat_count",
    "current_assignment",
    "billing_period",
    "billable_seats",
}
ROOMS = ("accounts", "holdings", "counts", "journal", "users", "billing")
WITHOUT_KEYS = {
    "accounts": {"contracts", "containing", "keys", "numbers", "with_seat"},
    "journal": {"events", "late"},
    "users": {"find", "containing", "beginning"},
    "billing": {"issued_everywhere"},
}
"""Questions over all accounts, and those that name a text or a range instead."""

_PARAMETER = re.compile(rb"%\((\w+)\)s::([\w ]+(?:\[\])?)")


def given(statement: bytes, account_no: int, user_no: int) -> dict[str, Any]:
    """Something for each parameter: one account, one user, all that is known."""
    now = datetime(2025, 6, 1, tzinfo=UTC)
    by_type = {
        "timestamptz": now,
        "uuid": UUID(int=1),
        "text": "x",
        "date": now.date(),
        "seat_type_name": "sales/professional",
        "topic_name": "SeatAssigned",
    }
    found: dict[str, Any] = {}
    for name, kind in _PARAMETER.findall(statement):
        word, type_ = name.decode(), kind.decode()
        base = type_.strip().removesuffix("[]")
        one: Any = by_type.get(base, 1)
        if word.startswith("account_no"):
            one = account_no
        elif word.startswith("user_no"):
            one = user_no
        elif word in {"known", "last"}:
            one = 10**9
        found[word] = [one] if type_.endswith("[]") else one
    return found


@pytest.mark.both_versions
def test_no_question_or_catch_up_reads_a_whole_table(database: str) -> None:
    write(database, history(EVENTS, ACCOUNTS))
    assert rebuild(database).error is None
    with connect(database, autocommit=True) as connection:
        generation.use(connection, generation.served(connection).number)
        connection.execute("ANALYZE")
        account_no, user_no = connection.execute(
            "SELECT account_no, user_no FROM seat_holding LIMIT 1"
        ).fetchone()
        asked, wrong = 0, []
        for room in ROOMS:
            for name in queries(room, "queries.sql"):
                if name in WITHOUT_KEYS.get(room, set()):
                    continue
                for kept in (False, True):
                    statement = question(room, name, kept=kept)
                    parameters = given(statement, account_no, user_no)
                    rows = connection.execute(
                        b"EXPLAIN " + statement, parameters
                    ).fetchall()
                    plan = "\n".join(line for (line,) in rows)
                    whole = set(re.findall(r"Seq Scan on (\w+)", plan))
                    if whole & BIG:
                        wrong.append(f"{room}.{name}, kept {kept}:\n{plan}")
                    asked += 1
        assert asked > 40
        assert wrong == []
        catch_up_of_one_event(connection)


def test_an_invoice_reads_its_period_and_not_the_accounts_history(
    database: str,
) -> None:
    """Eight months in which a seat goes to and fro, then a quiet one to invoice."""
    hours = [
        f"2025-{month:02}-{day:02}T{hour:02}:00:00Z"
        for month in range(1, 9) for day in range(1, 26) for hour in range(0, 20, 2)
    ]  # fmt: skip
    words = ("unassign_seat", "assign_seat")
    moves = [
        {"op": words[n % 2], "user": "ann", "seat_type": PRO, "effective_at": at}
        for n, at in enumerate(hours[1:])
    ]
    commands = (
        OPEN | {"term_start": "2025-01-01", "time_zone": "UTC"},
        BUY | {"effective_at": "2025-01-01"},
        ANN | {"effective_at": "2025-01-01"},
        GIVE | {"effective_at": "2025-01-01"},
        *({"account": "acme"} | one for one in moves),
    )
    done = Program(database).lines(*commands)
    assert done.returncode == 0, done.stderr
    prices = {PRO: "90.00"}
    asked = InvoiceRequest("acme", "I", date(2025, 10, 1), prices, "EUR")
    with Reader(database) as reader:
        reader.connection.execute("COMMIT")
        reader.connection.execute("ANALYZE")
        reader.catch_up()
        before = rows_read(reader)
        draft = drafting.draft(reader, asked)
        read = {name: rows - before[name] for name, rows in rows_read(reader).items()}
    assert [line.amount for line in draft.lines()] == ["270.00"]
    assert len(commands) > 1_500
    assert (read["journal"] < 50, read["seat_count"] < 50) == (True, True), read


def rows_read(reader: Reader) -> dict[str, int]:
    """How many rows of each big table this connection has read."""
    rows = reader.connection.execute(
        "SELECT relname, sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint "
        "FROM pg_stat_xact_user_tables WHERE relname = ANY(%s) GROUP BY 1",
        [sorted(BIG)],
    )
    return dict(rows.fetchall())


def catch_up_of_one_event(connection: psycopg.Connection[Any]) -> None:
    """What is read row by row from beginning to end, while one event is caught up.

    In tables as small as here a sequential read may be the cheapest, so it is made
    dear: what is still read so has no index that could serve it.
    """
    connection.execute(
        "INSERT INTO ledger.stored_events (originator_id, originator_version, topic, "
        "state, recorded_at) SELECT originator_id, originator_version + 1000000, "
        "topic, state, recorded_at FROM ledger.stored_events "
        "WHERE topic = 'SeatPurchased' ORDER BY notification_id DESC LIMIT 1"
    )
    with connection.transaction():
        connection.execute("SET LOCAL enable_seqscan = off")
        engine.catch_up(connection)
        read = dict(
            connection.execute(
                "SELECT relname, sum(seq_tup_read) FROM pg_stat_xact_user_tables "
                "WHERE relname = ANY(%s) GROUP BY 1",
                [sorted(BIG)],
            ).fetchall()
        )
    assert {name: rows for name, rows in read.items() if rows > 100} == {}
