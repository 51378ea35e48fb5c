"""Many commands appended in one transaction, by COPY into the same tables.

The same advisory lock as any append is held while positions are reserved and rows
are written, so position order equals commit order here too.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from psycopg import Connection

from seat_ledger.domain.events import EVENT_CLASSES, LedgerEvent
from seat_ledger.store.mapper import state_of
from seat_ledger.store.recorder import (
    TAKE_NUMBER,
    Append,
    LedgerRecorder,
    add_further_names,
    check_catalogue,
    committing,
)
from seat_ledger.store.store_status import APPEND_LOCK

_SIGNATURE = b"PGCOPY\n\xff\r\n\x00" + struct.pack("!ii", 0, 0)
_TRAILER = struct.pack("!h", -1)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_EVENT_HEAD = struct.Struct("!hi16siqi")
_EVENT_TAIL = struct.Struct("!iqiq")
_INT = struct.Struct("!i")
_BIGINT = struct.Struct("!iq")
_ARRAY = struct.Struct("!iiiii")
_BIGINT_OID = 20
_TOPICS = {topic: topic.encode() for topic in EVENT_CLASSES}


class Decided(NamedTuple):
    """One decided command: what to append, and its events in order."""

    append: Append
    events: Sequence[LedgerEvent]


def append_many(
    recorder: LedgerRecorder, decided: Sequence[Decided]
) -> list[tuple[int, ...]]:
    """Append many commands; return the positions of each one's own events.

    What can be made before the lock is: all other appends wait for it.
    Fails as a whole when any of the accounts has moved (SQLSTATE SL001). Raises
    OutcomeUnknown where the connection is lost while it commits.
    """
    states = [state_of(event) for command in decided for event in command.events]
    firsts: dict[int, Append] = {}  # by the id as a number, which hashes fast
    for command in decided:
        firsts.setdefault(command.append.account_id.int, command.append)
    with recorder.datastore.get_connection() as connection, committing(connection):
        first, recorded_at = _reserve(connection, len(states))
        connection.execute(
            "SELECT ledger.claim_account(account, seen, seen_mark, next_mark) "
            "FROM ROWS FROM (pg_catalog.unnest(%s::uuid[]), "
            "pg_catalog.unnest(%s::bigint[]), pg_catalog.unnest(%s::bigint[]), "
            "pg_catalog.unnest(%s::bigint[])) "
            "AS claimed(account, seen, seen_mark, next_mark)",
            [
                [first.account_id for first in firsts.values()],
                [first.seen.changes for first in firsts.values()],
                [first.seen.mark for first in firsts.values()],
                [first.next.mark for first in firsts.values()],
            ],
        )
        check_catalogue(connection.cursor(), (command.append for command in decided))
        positions = _positions(decided, first)
        _copy_events(connection, decided, states, (first, recorded_at))
        _copy_commands(connection, decided, positions)
        _copy_names(connection, decided)
        for command in decided:
            add_further_names(connection, command.append.further)
        for command, own in zip(decided, positions, strict=True):
            if command.append.invoice is not None:
                taken = [command.append.invoice, command.append.account_id, own[-1]]
                connection.execute(TAKE_NUMBER, taken)
        connection.execute("NOTIFY stored_events")
    return positions


def _reserve(connection: Connection[Any], count: int) -> tuple[int, datetime]:
    """Take the append lock, and the next `count` positions with their instant."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [APPEND_LOCK])
    row = connection.execute(
        "WITH next AS MATERIALIZED (SELECT nextval(sequence) AS first, sequence "
        "FROM pg_get_serial_sequence('ledger.stored_events', 'notification_id') "
        "AS serial(sequence)) "
        "SELECT first, ledger.next_recorded_at() AS recorded_at, "
        "CASE WHEN %(count)s > 1 THEN setval(sequence, first + %(count)s - 1) END "
        "FROM next"
        if count
        else "SELECT 0 AS first, ledger.next_recorded_at() AS recorded_at",
        {"count": count} if count else None,
    ).fetchone()
    assert row is not None
    return row["first"], row["recorded_at"]


def _positions(decided: Sequence[Decided], first: int) -> list[tuple[int, ...]]:
    positions = []
    for command in decided:
        following = first + len(command.events)
        positions.append(tuple(range(first + command.append.due, following)))
        first = following
    return positions


def _copy_events(
    connection: Connection[Any],
    decided: Sequence[Decided],
    states: Sequence[bytes],
    reserved: tuple[int, datetime],
) -> None:
    position, recorded_at = reserved
    microseconds = (recorded_at - _EPOCH) // timedelta(microseconds=1)
    buffer = bytearray(_SIGNATURE)
    events = (event for command in decided for event in command.events)
    for event, state in zip(events, states, strict=True):
        topic = _TOPICS[event.TOPIC]
        buffer += _EVENT_HEAD.pack(
            6,
            16,
            event.originator_id.bytes,
            8,
            event.originator_version,
            len(topic),
        )
        buffer += topic
        buffer += _INT.pack(len(state))
        buffer += state
        buffer += _EVENT_TAIL.pack(8, position, 8, microseconds)
        position += 1
    _copy(
        connection,
        "COPY ledger.stored_events (originator_id, originator_version, topic, state, "
        "notification_id, recorded_at) FROM STDIN (FORMAT binary)",
        buffer,
    )


def _copy_commands(
    connection: Connection[Any],
    decided: Sequence[Decided],
    positions: Sequence[tuple[int, ...]],
) -> None:
    buffer = bytearray(_SIGNATURE)
    for command, own in zip(decided, positions, strict=True):
        append, key = command.append, command.append.command_key.encode()
        buffer += struct.pack("!hi16si", 4, 16, append.account_id.bytes, len(key))
        buffer += key
        buffer += _INT.pack(len(append.digest)) + append.digest
        array = _array(own)
        buffer += _INT.pack(len(array)) + array
    _copy(
        connection,
        "COPY ledger.recorded_command (account_id, command_key, digest, positions) "
        "FROM STDIN (FORMAT binary)",
        buffer,
    )


def _array(numbers: Sequence[int]) -> bytes:
    """A bigint[] in the server's binary form."""
    if not numbers:
        return struct.pack("!iii", 0, 0, _BIGINT_OID)
    head = _ARRAY.pack(1, 0, _BIGINT_OID, len(numbers), 1)
    return head + b"".join(_BIGINT.pack(8, number) for number in numbers)


def _copy_names(connection: Connection[Any], decided: Sequence[Decided]) -> None:
    buffer, keys = bytearray(_SIGNATURE), bytearray(_SIGNATURE)
    for command in decided:
        for name in command.append.new_users:
            keys += struct.pack("!hi16si", 2, 16, name.user_id.bytes, 32)
            keys += name.person_key
            texts = (name.user_key, name.folded_key, name.folded_email)
            buffer += struct.pack(
                "!hi16si16s",
                5,
                16,
                name.user_id.bytes,
                16,
                command.append.account_id.bytes,
            )
            for text in map(str.encode, texts):
                buffer += _INT.pack(len(text)) + text
    if len(buffer) > len(_SIGNATURE):
        _copy(
            connection,
            "COPY ledger.user_name "
            "(user_id, account_id, user_key, folded_key, folded_email) "
            "FROM STDIN (FORMAT binary)",
            buffer,
        )
        _copy(
            connection,
            "COPY ledger.person_key (user_id, key) FROM STDIN (FORMAT binary)",
            keys,
        )


def _copy(connection: Connection[Any], statement: str, buffer: bytearray) -> None:
    buffer += _TRAILER
    with connection.cursor().copy(statement) as copy:
        copy.write(buffer)
