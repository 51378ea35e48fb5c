"""Streams of the store: whether the versions of each follow one another (R74)."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

import psycopg

MOST_NAMED = 1000


class StreamBreak(NamedTuple):
    """An event with a version that does not follow the last of its stream."""

    position: int
    stream: UUID
    version: int
    last_version: int

    def sentence(self) -> str:
        """Where it stands, and what should stand there."""
        return (
            f"position {self.position} has version {self.version} of stream "
            f"{self.stream}, after version {self.last_version}"
        )


_BREAKS = """
    SELECT position, stream, version, last_version
      FROM (
           SELECT notification_id AS position, originator_id AS stream,
                  originator_version AS version,
                  coalesce(lag(originator_version) OVER (
                      PARTITION BY originator_id
                      ORDER BY notification_id), 0) AS last_version
             FROM ledger.stored_events
            WHERE %(until)s::bigint IS NULL
               OR notification_id <= %(until)s::bigint
           ) AS ranked
     WHERE version <> last_version + 1
     ORDER BY position
     LIMIT %(limit)s::bigint
"""


def breaks(
    connection: psycopg.Connection[Any],
    *,
    until: int | None = None,
    limit: int = MOST_NAMED,
) -> list[StreamBreak]:
    """Where versions are missing or come twice, up to a position, in its order."""
    rows = connection.execute(_BREAKS, {"until": until, "limit": limit}).fetchall()
    return [StreamBreak(*row) for row in rows]
