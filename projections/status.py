"""How far the projections are, against the store's real head and the clock."""

from __future__ import annotations

from typing import Any

import psycopg

from projections import generation
from projections.catalogue import PROJECTIONS, versions

_WAITING = """
SELECT count(*) AS events,
       coalesce(extract(epoch FROM clock_timestamp() - min(recorded_at)), 0)::float8
           AS seconds
  FROM ledger.stored_events
 WHERE notification_id > %(checkpoint)s
"""
_STOPPED = """
SELECT failed_position, failed_reason, failed_at
  FROM projection.generation
 WHERE number = %(number)s
"""


def status(connection: psycopg.Connection[Any]) -> list[dict[str, Any]]:
    """A row per projection: its checkpoint against the head, and what waits how long.

    `state` is ``current``, ``behind``, ``stale`` (another definition) or ``stuck`` (an
    event cannot be read).
    """
    found = generation.served(connection)
    given = {"checkpoint": found.checkpoint, "number": found.number}
    waiting = connection.execute(_WAITING, given).fetchone()
    stopped = connection.execute(_STOPPED, given).fetchone()
    assert waiting is not None
    assert stopped is not None
    events, seconds = waiting
    position, reason, since = stopped
    rows = []
    for projection in PROJECTIONS:
        version = found.versions.get(projection.name)
        state = "behind" if events else "current"
        if position is not None:
            state = "stuck"
        if version != versions()[projection.name]:
            state = "stale"
        rows.append(
            {
                "projection": projection.name,
                "version": version,
                "checkpoint": found.checkpoint,
                "head": found.head,
                "lag_events": events,
                "lag_seconds": round(seconds, 3) if events else 0.0,
                "state": state,
                "generation": found.number,
                "stuck_at": position,
                "stuck_since": since,
                "reason": reason,
            }
        )
    return rows
