"""Where the store stands: its last event, its clock, and the next position.

What :mod:`seat_ledger.store.recorder` would be refused, or would record at another
instant than the clock's, can be seen here before anybody appends.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

import psycopg

APPEND_LOCK = 7365617431
"""The advisory lock that every append holds until it commits."""


class StoreStatus(NamedTuple):
    """How far the store is, and what stands behind it that should not."""

    last_position: int
    next_position: int
    clock_behind: timedelta

    @property
    def is_set_back(self) -> bool:
        """Whether the next position is not behind the last event."""
        return self.next_position <= self.last_position

    @property
    def is_full(self) -> bool:
        """Whether there is no next position: the sequence is at its end."""
        return self.next_position >= 2**63


_STATUS = """
SELECT coalesce(last.notification_id, 0),
       sequence.last_value::numeric
         + CASE WHEN sequence.is_called THEN 1 ELSE 0 END,
       greatest(interval '0', greatest(last.recorded_at, answered.until)
                              - pg_catalog.clock_timestamp())
  FROM ledger.stored_events_notification_id_seq AS sequence
  LEFT JOIN (SELECT notification_id, recorded_at
               FROM ledger.stored_events
              ORDER BY notification_id DESC
              LIMIT 1) AS last ON true
  LEFT JOIN ledger.answered ON true
"""


def store_status(connection: psycopg.Connection[Any]) -> StoreStatus:
    """Where the store stands now."""
    row = connection.execute(_STATUS).fetchone()
    assert row is not None
    last_position, next_position, clock_behind = row
    return StoreStatus(last_position, int(next_position), clock_behind or timedelta(0))
