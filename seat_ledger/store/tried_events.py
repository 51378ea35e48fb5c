"""Events that stand in the store for a moment, inside a transaction that is taken back.

What would follow from a file that is only tried is computed from them as it would be
from recorded ones (R101).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from seat_ledger.store.connection import become
from seat_ledger.store.refused_appends import BEHIND, NOT_NEXT


class TriedEvent(NamedTuple):
    """An event that is recorded nowhere, as the store would have it."""

    position: int
    stream: UUID
    version: int
    topic: str
    state: bytes


_INSERT = """
INSERT INTO ledger.stored_events
       (notification_id, recorded_at, originator_id, originator_version, topic, state)
SELECT tried.*
  FROM unnest(%(positions)s::bigint[], %(recorded)s::timestamptz[], %(streams)s::uuid[],
              %(versions)s::bigint[], %(topics)s::text[], %(states)s::bytea[]) AS tried
"""


@contextmanager
def for_the_moment(
    connection: psycopg.Connection[Any], events: Sequence[TriedEvent]
) -> Iterator[None]:
    """Let events stand at the store's end, as if they had just been recorded.

    Nothing of it stays, nor of what is written meanwhile, nor of the roles that are
    taken on. Raises psycopg.Error, see :func:`cannot_stand`.
    """
    with connection.transaction(force_rollback=True):
        become(connection, "writer")
        row = connection.execute("SELECT ledger.next_recorded_at()").fetchone()
        assert row is not None
        connection.execute(
            _INSERT,
            {
                "positions": [event.position for event in events],
                "recorded": [row[0]] * len(events),
                "streams": [event.stream for event in events],
                "versions": [event.version for event in events],
                "topics": [event.topic for event in events],
                "states": [event.state for event in events],
            },
        )
        yield


def cannot_stand(error: psycopg.Error) -> bool:
    """Whether the session may not record, or somebody else recorded since."""
    taken = (
        isinstance(error, psycopg.errors.UniqueViolation)
        and error.diag.table_name == "stored_events"
    )
    refused = isinstance(error, psycopg.errors.InsufficientPrivilege)
    return taken or refused or error.sqlstate in {NOT_NEXT, BEHIND}
