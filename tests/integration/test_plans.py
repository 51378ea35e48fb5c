"""Plans over a store of some size: where keys are given, nothing is read as a whole."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest

from projections import engine, generation
from projections.queries import queries, question
from projections.rebuild import rebuild
from scripts.benches.generator import history, write
from seat_ledger.store.connection import connect

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
