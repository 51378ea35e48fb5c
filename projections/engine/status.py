"""How far the projections are, against the store's real head and the clock."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import namedtuple_row

from seat_ledger.domain.values import fields_of
from seat_ledger.errors import SchemaMismatch
from seat_ledger.projections.engine import generations
from seat_ledger.projections.engine.locks import FOLLOW_LOCK, REBUILD_LOCK
from seat_ledger.projections.engine.registry import PROJECTIONS, versions
from seat_ledger.projections.engine.set_aside import SetAside, listed
from seat_ledger.projections.engine.sql_files import queries

STUCK_AFTER = 60.0
"""Seconds without a step, while events wait and a follower is at work."""

_Connection = psycopg.Connection[Any]


class ProjectionState(NamedTuple):
    """What is the same for all projections of a generation.

    `reason` says what stops them, since `stuck_since`; None where nothing does.
    """

    waiting: int
    seconds: float
    followed: bool
    stuck_at: int | None
    stuck_since: datetime | None
    reason: str | None


def status(connection: _Connection) -> list[dict[str, Any]]:
    """A row per projection: its checkpoint against the head, and what waits how long.

    `state` is ``current``, ``behind``, ``stale`` (another definition) or ``stuck``: an
    event cannot be read, or a follower is at work and does not move.
    """
    served = generations.served(connection)
    now = _progress(connection, served)
    rows = []
    for projection in PROJECTIONS:
        version = served.versions.get(projection.name)
        state = "behind" if now.waiting else "current"
        if now.reason is not None:
            state = "stuck"
        if version != versions()[projection.name]:
            state = "stale"
        rows.append(
            {
                "projection": projection.name,
                "version": version,
                "checkpoint": served.checkpoint,
                "head": served.head,
                "lag_events": now.waiting,
                "lag_seconds": round(now.seconds, 3),
                "state": state,
                "generation": served.number,
                **fields_of(now, "followed", "stuck_at", "stuck_since", "reason"),
            }
        )
    return rows


def aside(connection: _Connection) -> tuple[SetAside, ...]:
    """The accounts that are set aside in the served tables (R74)."""
    served = generations.served(connection)
    if served.stale:  # tables of another definition may have no such list
        return ()
    generations.use(connection, served.number)
    return listed(connection)


def aside_as_seen(connection: _Connection) -> tuple[SetAside, ...]:
    """The same as far as the login may see it, and there are tables to see."""
    try:
        return aside(connection)
    except (SchemaMismatch, psycopg.errors.InsufficientPrivilege):
        return ()


def rebuilding(connection: _Connection) -> tuple[str, datetime] | None:
    """Who rebuilds now, and since when; None while nobody does."""
    row = connection.execute(
        queries("engine", "status.sql")["rebuilding"], {"lock": REBUILD_LOCK}
    ).fetchone()
    return None if row is None else (row[0], row[1])


def _progress(connection: _Connection, served: generations.Served) -> ProjectionState:
    params = {
        "checkpoint": served.checkpoint,
        "number": served.number,
        "lock": FOLLOW_LOCK,
    }
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        query = queries("engine", "status.sql")["standing"]
        row: Any = cursor.execute(query, params).fetchone()
    assert row is not None
    waits = max(0.0, row.seconds) if row.events else 0.0
    current = ProjectionState(
        row.events, waits, row.follower is not None, None, None, row.failed_reason
    )
    if row.failed_position is not None:
        stuck = {"stuck_at": row.failed_position, "stuck_since": row.failed_at}
        return current._replace(**stuck)
    if row.follower is not None and min(waits, row.still) > STUCK_AFTER:
        return current._replace(
            stuck_since=max(row.oldest, row.moved_at),
            reason=f"A follower is running (server process {row.follower}), but the "
            f"checkpoint has not moved for {row.still:.0f} s while events wait.",
        )
    return current


class LastSeal(NamedTuple):
    """Up to which entry the ledger is sealed, and what came since; None: never sealed.

    `unsealed` is counted up to :data:`MOST_UNSEALED`.
    """

    position: int | None
    recorded_at: datetime | None
    unsealed: int
    undelivered: int


MOST_UNSEALED = 10_000


def last_seal(connection: _Connection) -> LastSeal | None:
    """How far the ledger is sealed, and how many events subscribers did not take.

    None for a login that may not see that.
    """
    statements = queries("engine", "status.sql")
    sees = connection.execute(statements["sees_seals"]).fetchone()
    if sees is None or not sees[0]:
        return None
    seal = connection.execute(statements["sealed"]).fetchone()
    position, recorded_at = seal or (None, None)
    params = {"position": position or 0, "limit": MOST_UNSEALED + 1}
    later = connection.execute(statements["unsealed"], params).fetchone()
    dead = connection.execute(statements["undelivered"]).fetchone()
    assert later is not None
    assert dead is not None
    return LastSeal(position, recorded_at, later[0], dead[0])


def served_times(connection: _Connection) -> dict[str, Any]:
    """When the served tables were made (the last rebuild), and when they last moved."""
    row = connection.execute(
        "SELECT made_at, moved_at FROM projection.generation WHERE state = 'served'"
    ).fetchone()
    assert row is not None
    return {"made_at": row[0], "moved_at": row[1]}
