"""A store to look at, and what its served tables are."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import psycopg
import pytest

from seat_ledger.commands.service import CommandService
from seat_ledger.domain.values import account_id
from seat_ledger.projections.engine import generations, installation
from seat_ledger.projections.engine.checks import table_digest
from seat_ledger.projections.engine.registry import PROJECTIONS
from seat_ledger.projections.engine.verify import verify
from seat_ledger.projections.lake.bulk import TablesByDuckDB
from seat_ledger.store.connection import connect
from tests.support.waiting import wait_until

ENGINES = (None, TablesByDuckDB)
"""What may compute a rebuild's tables: the server alone, or DuckDB beside it."""

BOTH_ENGINES = pytest.mark.parametrize("bulk", ENGINES, ids=("postgresql", "duckdb"))
PRO = "sales/professional"
WHOLE = {"effective_at": "2025-04-01T00:00:00Z", "actor": "system:x"}
"""What every event says."""


def fill(ledger: CommandService, *accounts: str) -> None:
    """Accounts with a history of every kind: late facts, reversals, a renewal."""
    for key in accounts:
        ledger.open_account(
            key,
            name=key,
            time_zone="Europe/Amsterdam",
            term_start="2025-03-05",
            term_months=12,
            billing_cycle_months=1,
        )
        ledger.buy_seats(key, seat_type=PRO, quantity=4, effective_at="2025-03-05")
        for user in ("ann", "bob"):
            ledger.add_user(
                key,
                user=user,
                email=f"{user}@x.example",
                name=user,
                seats=[PRO],
                effective_at="2025-03-06",
            )
        ledger.unassign_seat(
            key,
            user="bob",
            seat_type=PRO,
            effective_at="2025-06-18",
            idempotency_key="u",
        )
        ledger.reduce_seats(key, seat_type=PRO, quantity=1, effective_at="2025-07-01")
        ledger.set_billing_policy(key, mode="peak", effective_at="2025-05-01")
        ledger.reverse(key, entry_key="u", reason="wrong")
        ledger.renew(key, effective_at="2026-03-06")


def head(conninfo: str) -> int:
    with psycopg.connect(conninfo) as connection:
        row = connection.execute(
            "SELECT coalesce(max(notification_id), 0) FROM ledger.stored_events"
        ).fetchone()
    return row[0]


def catch_up(conninfo: str) -> int:
    with connect(conninfo, autocommit=True) as connection:
        return installation.catch_up(connection).checkpoint


def digests(conninfo: str) -> dict[str, str]:
    """By projection: the digest of the served table."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        generations.use(connection, generations.served(connection).number)
        return {
            projection.name: table_digest(connection, projection.name)
            for projection in PROJECTIONS
        }


def differences(conninfo: str) -> list[Any]:
    """What a full verification finds."""
    result = verify(conninfo, full=True)
    return [row for row in result.rows if row.status != "same"]


def clients(conninfo: str) -> set[int]:
    """The server processes that work for somebody else."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        ).fetchall()
    return {pid for (pid,) in rows}


def wait_for_the_killed(conninfo: str, others: set[int]) -> None:
    """Wait for the server to end what killed clients had begun."""
    wait_until(lambda: not clients(conninfo) - others)


def states_and_schemas(conninfo: str) -> tuple[list[tuple[str, int]], list[int]]:
    """The generations by state, and the schemas that are there."""
    with psycopg.connect(conninfo) as connection:
        rows = connection.execute(
            "SELECT state, number FROM projection.generation ORDER BY number"
        ).fetchall()
        schemas = connection.execute(
            "SELECT substr(nspname, 12)::integer FROM pg_namespace "
            "WHERE nspname ~ '^projection_[0-9]+$' ORDER BY 1"
        ).fetchall()
    return rows, [number for (number,) in schemas]


def poison(
    conninfo: str,
    topic: str | None,
    state: bytes | dict[str, Any] | None,
    *,
    account: str | None = None,
    stream: UUID | None = None,
    skip: int = 0,
) -> int:
    """Store an event as nobody of ours would, in an account's stream or another.

    It is that of the first account where none is named. What it says is given as it is
    stored, or by name; `skip` leaves versions out before it.
    """
    if isinstance(state, dict):
        state = json.dumps({"v": 1, **state}, separators=(",", ":")).encode()
    with psycopg.connect(conninfo) as connection:
        connection.execute("SET session_replication_role = replica")  # past all checks
        (first,) = connection.execute(
            "SELECT originator_id FROM ledger.stored_events "
            "WHERE topic = 'AccountOpened' ORDER BY notification_id LIMIT 1"
        ).fetchone()
        chosen = stream or (account_id(account) if account else first)
        (position,) = connection.execute(
            "INSERT INTO ledger.stored_events "
            "(originator_id, originator_version, topic, state, recorded_at) "
            "SELECT %(stream)s, 1 + %(skip)s + coalesce(max(originator_version), 0), "
            "%(topic)s, %(state)s, now() FROM ledger.stored_events "
            "WHERE originator_id = %(stream)s RETURNING notification_id",
            {"stream": chosen, "topic": topic, "state": state, "skip": skip},
        ).fetchone()
    return position
