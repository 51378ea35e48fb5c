"""Plans over a store of some size: where keys are given, nothing is read as a whole."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from scripts.benches.generator import history, write
from seat_ledger import projections
from seat_ledger.commands.service import CommandService
from seat_ledger.domain.invoice_draft import InvoiceRequest
from seat_ledger.importing.files import import_file
from seat_ledger.projections.billing import invoice_computation
from seat_ledger.projections.engine import generations, installation
from seat_ledger.projections.engine.figures_query import counting
from seat_ledger.projections.engine.rebuild import rebuild
from seat_ledger.projections.engine.registry import question
from seat_ledger.projections.engine.snapshot import plan_by_accounts
from seat_ledger.projections.engine.sql_files import queries
from seat_ledger.projections.engine.user_directory import entries
from seat_ledger.projections.reader import ConnectedReader
from seat_ledger.store.connection import connect
from seat_ledger.store.wrapping import Secret, open_wrapping
from tests.integration.tables import fill
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
ROOMS = (
    "accounts", "holdings", "counts", "journal", "users", "exports",
    "attention", "catalogue", "snapshots", "billing", "billing/audit",
)  # fmt: skip
WITHOUT_KEYS = {
    "catalogue": {"listed"},
    "accounts": {"contracts", "containing", "with_seat"},
    "journal": {"events", "late"},
    "users": {"containing", "beginning"},
    "billing": {"issued_everywhere"},
}
"""Questions over all accounts, and those that name a text or a range instead."""
COUNTED = (
    ("selected", "as_known"),
    ("selected", "touched"),
    ("selected", "paired"),
    ("touched", "touched"),
    ("stored", "stored"),
)
"""From which periods and events figures are counted."""

_PARAMETER = re.compile(rb"%\((\w+)\)s(?:::([\w ]+(?:\[\])?))?")


def params_of(statement: bytes, account_no: int, user_no: int) -> dict[str, Any]:
    """Something for each parameter: one account, one user, all that is known."""
    now = datetime(2025, 6, 1, tzinfo=UTC)
    by_type = {
        "timestamptz": now,
        "uuid": UUID(int=1),
        "text": "x",
        "bytea": Secret("{}" if b"uuid[]" in statement else "x"),
        "date": now.date(),
        "topic_name": "SeatAssigned",
    }
    result: dict[str, Any] = {}
    for name, kind in _PARAMETER.findall(statement):
        word, type_ = name.decode(), kind.decode()
        base = type_.strip().removesuffix("[]")
        item: Any = by_type.get(base, 1)
        if word.startswith("account_no") or word in {"accounts", "first", "last"}:
            item = account_no
        elif word.startswith("user_no"):
            item = user_no
        elif word.startswith("known"):
            item = 10**9
        elif word in {"ends", "day_starts"} and base == "text":
            item = "{2025-06-01T00:00:00Z}"
        result[word] = [item] if type_.endswith("[]") else item
    return result


def read_whole(
    connection: psycopg.Connection[Any], statement: bytes, *keys: int
) -> set:
    """Which big tables a statement reads from one end to the other."""
    rows = connection.execute(
        b"EXPLAIN (FORMAT JSON) " + statement, params_of(statement, *keys)
    ).fetchone()
    return {name for name in whole_in(rows[0][0]["Plan"]) if name in BIG}


def whole_in(plan: dict[str, Any]) -> Iterator[str]:
    """By a sequential scan, or by an index without a condition on it.

    An index that is read from one end up to a limit, or holds invoices alone, is not;
    that of reversals is, where it is merged: some are so few that they may be hashed.
    """
    by_key = {"Index Cond", "Recheck Cond"} & plan.keys()
    if plan["Node Type"] == "Merge Join":
        yield from (
            part["Relation Name"]
            for part in parts_of(plan)
            if part.get("Index Name") == "journal_of_reversals"
            and "root =" not in part["Index Cond"]
        )
    if "Relation Name" in plan and not by_key:
        yield plan["Relation Name"]
    for part in plan.get("Plans", ()):
        first_only = plan["Node Type"] == "Limit" and "Index Name" in part
        if not first_only and part.get("Index Name") != "journal_of_invoices":
            yield from whole_in(part)


def parts_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan and all its parts."""
    yield plan
    for part in plan.get("Plans", ()):
        yield from parts_of(part)


@pytest.mark.both_versions
def test_no_question_or_catch_up_reads_a_whole_table(database: str) -> None:
    write(database, history(EVENTS, ACCOUNTS))
    assert rebuild(database).error is None
    with connect(database, autocommit=True) as connection:
        open_wrapping(connection)
        generations.use(connection, generations.served(connection).number)
        plan_by_accounts(connection)
        connection.execute("ANALYZE")
        keys = connection.execute(
            "SELECT account_no, user_no FROM seat_holding LIMIT 1"
        ).fetchone()
        query = {
            f"{room}.{name}, kept {stored}": question(room, name, from_tables=stored)
            for room in ROOMS
            for name in queries(room, "queries.sql")
            for stored in (False, True)
            if name not in WITHOUT_KEYS.get(room, set())
        }
        query |= {
            f"counting {periods} periods, {source}": counting(periods, source)
            for periods, source in COUNTED
        }
        wrong = {
            name: whole
            for name, statement in query.items()
            if (whole := read_whole(connection, statement, *keys))
        }
        assert len(query) > 100
        assert wrong == {}
        read = catch_up_of_every_kind(connection, database)
        assert max(read.values()) < EVENTS / 12, read
        opened, looked_up = directory_of_everybody(connection)
        assert 0 < looked_up < opened + EVENTS / 12


def test_every_file_of_questions_is_looked_at() -> None:
    folder = Path(projections.__file__).parent
    files = folder.rglob("queries.sql")
    rooms = {str(file.parent.relative_to(folder)) for file in files}
    assert rooms == set(ROOMS)


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
        *({"account": "acme"} | move for move in moves),
    )
    done = Program(database).lines(*commands)
    assert done.returncode == 0, done.stderr
    prices = {PRO: "90.00"}
    query = InvoiceRequest("acme", "I", date(2025, 10, 1), prices, "EUR")
    with ConnectedReader(database) as reader:
        reader.connection.execute("COMMIT")
        reader.connection.execute("ANALYZE")
        reader.catch_up()
        before = rows_read(reader.connection)
        draft = invoice_computation.draft(reader, query)
        after = rows_read(reader.connection)
        read = {name: rows - before[name] for name, rows in after.items()}
    assert [line.amount for line in draft.lines()] == ["270.00"]
    assert len(commands) > 1_500
    assert (read["journal"] < 50, read["seat_count"] < 50) == (True, True), read


def directory_of_everybody(connection: psycopg.Connection[Any]) -> tuple[int, int]:
    """How many persons are opened for the directory, and how many events are read."""
    with connection.transaction():
        before = rows_read(connection)["stored_events"]
        opened = entries(connection, 0, 10**9)
        return len(opened), rows_read(connection)["stored_events"] - before


def test_a_first_large_batch_of_one_account_reads_each_of_its_entries_a_few_times(
    database: str,
) -> None:
    """Nothing is known of the tables yet, and every index leads with the account."""
    many = 1_200
    at = {"effective_at": "2025-03-05"}
    people = (
        ANN | at | {"user": f"u{n}", "email": f"u{n}@x.example", "seats": [PRO]}
        for n in range(many)
    )
    lines = (OPEN, BUY | at | {"quantity": many}, *people)
    with CommandService(database) as ledger:
        for outcome in import_file(
            ledger, (json.dumps(line).encode() for line in lines)
        ):
            assert not outcome.stops, outcome
    with (
        psycopg.connect(database, autocommit=True) as connection,
        connection.transaction(),
    ):
        served = installation.catch_up(connection)
        read = rows_read(connection)
    assert served.head > 4 * many
    assert max(read.values()) < 20 * served.head, read


def rows_read(connection: psycopg.Connection[Any]) -> dict[str, int]:
    """How many rows of each big table this connection has read."""
    rows = connection.execute(
        "SELECT relname, sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint "
        "FROM pg_stat_xact_user_tables WHERE relname = ANY(%s) GROUP BY 1",
        [sorted(BIG)],
    )
    return dict(rows.fetchall())


def catch_up_of_every_kind(
    connection: psycopg.Connection[Any], conninfo: str
) -> dict[str, int]:
    """How many rows are read of each table, while new events are caught up.

    In tables as small as here a sequential read may be the cheapest, so it is made
    dear: where much is read all the same, no index could serve it.
    """
    with CommandService(conninfo) as ledger:
        fill(ledger, "acme")
        ledger.set_time_zone(
            "acme", time_zone="Europe/London", effective_at="2026-06-01"
        )
        ledger.set_permissions("acme", user="ann", super_admin=True)
        ledger.unassign_seat("acme", user="ann", seat_type=PRO)
        ledger.revoke_hub_access("acme", user="ann", hub="sales")
        ledger.remove_user("acme", user="ann")
        ledger.erase_user("acme", user="ann", reason="asked")
    with connection.transaction():
        connection.execute("SET LOCAL enable_seqscan = off")
        installation.catch_up(connection)
        return rows_read(connection)
