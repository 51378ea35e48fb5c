"""Many commands appended in one transaction, by COPY into the same tables.

The same advisory lock as any append is held while positions are reserved and rows
are written, so position order equals commit order here too.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection

from seat_ledger.domain.events import EVENT_CLASSES, LedgerEvent
from seat_ledger.domain.seat_types import CATALOGUE_ID
from seat_ledger.store.connection import committing
from seat_ledger.store.mapper import state_of
from seat_ledger.store.recorder import (
    TAKE_NUMBER,
    Append,
    FurtherNames,
    LedgerRecorder,
    UserName,
    add_further_names,
    check_catalogue,
)
from seat_ledger.store.store_status import APPEND_LOCK

_SIGNATURE = b"PGCOPY\n\xff\r\n\x00" + struct.pack("!ii", 0, 0)
_TRAILER = struct.pack("!h", -1)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_EVENT_HEAD = struct.Struct("!hiqiq")
_EVENT = struct.Struct("!i16siqi")
_COMMAND_HEAD = struct.Struct("!hi16si")
_INT = struct.Struct("!i")
_BIGINT = struct.Struct("!iq")
_ARRAY = struct.Struct("!iiiii")
_BIGINT_OID = 20
_TOPICS = {topic: topic.encode() for topic in EVENT_CLASSES}


class Decided(NamedTuple):
    """One decided command: what to append, and its events in order."""

    append: Append
    events: Sequence[LedgerEvent]


class PackedCommand(NamedTuple):
    """A decided command as rows for COPY, without what only the lock decides.

    Positions and the instant of recording are put in when they are reserved. It can be
    handed to another process. `due` counts the events at the front that are no part of
    the command's result (R37).
    """

    account: bytes
    seen: tuple[int, int]
    next_mark: int
    catalogue: tuple[int, int] | None
    due: int
    events: list[bytes]
    command: bytes
    names: bytes
    keys: bytes
    further: tuple[FurtherNames, ...]
    invoice: str | None

    def positions_from(self, first: int) -> tuple[int, ...]:
        """The positions of its own events, where its first event has this one."""
        return tuple(range(first + self.due, first + len(self.events)))


def pack(decided: Decided) -> PackedCommand:
    """The rows of a command: all that can be made before the lock."""
    append, events = decided
    key, digest = append.command_key.encode(), append.digest
    account = append.account_id.bytes
    command = _COMMAND_HEAD.pack(4, 16, account, len(key))
    names, keys = _names(account, append.new_users) if append.new_users else (b"", b"")
    seen, catalogue = append.seen, append.catalogue
    return PackedCommand(
        account,
        (seen.changes, seen.mark),
        append.next.mark,
        catalogue and (catalogue.changes, catalogue.mark),
        append.due,
        [_packed_event(event) for event in events],
        command + key + _INT.pack(len(digest)) + digest,
        names,
        keys,
        append.further,
        append.invoice,
    )


def _packed_event(event: LedgerEvent) -> bytes:
    """The row of an event, but for position and instant, which stand before it."""
    topic, state = _TOPICS[event.TOPIC], state_of(event)
    stream = event.originator_id.bytes
    head = _EVENT.pack(16, stream, 8, event.originator_version, len(topic))
    return head + topic + _INT.pack(len(state)) + state


def _names(account: bytes, new_users: Sequence[UserName]) -> tuple[bytes, bytes]:
    """The rows of new users: what finds them, and what opens who they are."""
    names, keys = bytearray(), bytearray()
    for name in new_users:
        keys += struct.pack("!hi16si", 2, 16, name.user_id.bytes, 32)
        keys += name.person_key
        names += struct.pack("!hi16si16s", 5, 16, name.user_id.bytes, 16, account)
        for text in (name.user_key, name.folded_key, name.folded_email):
            encoded = text.encode()
            names += _INT.pack(len(encoded)) + encoded
    return bytes(names), bytes(keys)


def append_many(
    recorder: LedgerRecorder, commands: Sequence[PackedCommand]
) -> tuple[list[int], datetime]:
    """Append many commands; return the position of each one's first event, and when.

    What can be made before the lock is: all other appends wait for it.
    Fails as a whole when any of the accounts has moved (SQLSTATE SL001). Raises
    OutcomeUnknown where the connection is lost while it commits.
    """
    claims: dict[bytes, PackedCommand] = {}
    for command in commands:
        claims.setdefault(command.account, command)
    rests_on = {each.catalogue for each in commands if each.catalogue is not None}
    if CATALOGUE_ID.bytes in claims:  # its own claim settles it
        rests_on = set()
    count = sum(len(command.events) for command in commands)
    with recorder.datastore.get_connection() as connection, committing(connection):
        first, recorded_at = _reserve(connection, count)
        connection.execute(
            "SELECT ledger.claim_account(account, seen, seen_mark, next_mark) "
            "FROM ROWS FROM (pg_catalog.unnest(%s::uuid[]), "
            "pg_catalog.unnest(%s::bigint[]), pg_catalog.unnest(%s::bigint[]), "
            "pg_catalog.unnest(%s::bigint[])) "
            "AS claimed(account, seen, seen_mark, next_mark)",
            [
                [UUID(bytes=account) for account in claims],
                [claim.seen[0] for claim in claims.values()],
                [claim.seen[1] for claim in claims.values()],
                [claim.next_mark for claim in claims.values()],
            ],
        )
        check_catalogue(connection.cursor(), rests_on)
        firsts = _copy_commands(connection, commands, first, recorded_at)
        _copy_names(connection, commands)
        for command, position in zip(commands, firsts, strict=True):
            if command.further:
                add_further_names(connection, command.further)
            if command.invoice is not None:
                last = position + len(command.events) - 1
                taken = [command.invoice, UUID(bytes=command.account), last]
                connection.execute(TAKE_NUMBER, taken)
    return firsts, recorded_at


def _reserve(connection: Connection[Any], count: int) -> tuple[int, datetime]:
    """Take the append lock, and the next `count` positions with their instant."""
    connection.execute(
        f"NOTIFY stored_events; SELECT pg_advisory_xact_lock({APPEND_LOCK})"
    )
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


def _copy_commands(
    connection: Connection[Any],
    commands: Sequence[PackedCommand],
    first: int,
    recorded_at: datetime,
) -> list[int]:
    """Write the events, and which of them each command recorded."""
    microseconds = (recorded_at - _EPOCH) // timedelta(microseconds=1)
    position = first
    events, rows = [_SIGNATURE], [_SIGNATURE]
    firsts = []
    for command in commands:
        firsts.append(position)
        array = _array(command.positions_from(position))
        rows += command.command, _INT.pack(len(array)), array
        for event in command.events:
            events += _EVENT_HEAD.pack(6, 8, position, 8, microseconds), event
            position += 1
    _copy(
        connection,
        "COPY ledger.stored_events (notification_id, recorded_at, originator_id, "
        "originator_version, topic, state) FROM STDIN (FORMAT binary)",
        events,
    )
    _copy(
        connection,
        "COPY ledger.recorded_command (account_id, command_key, digest, positions) "
        "FROM STDIN (FORMAT binary)",
        rows,
    )
    return firsts


def _array(numbers: Sequence[int]) -> bytes:
    """A bigint[] in the server's binary form."""
    if not numbers:
        return struct.pack("!iii", 0, 0, _BIGINT_OID)
    head = _ARRAY.pack(1, 0, _BIGINT_OID, len(numbers), 1)
    return head + b"".join([_BIGINT.pack(8, number) for number in numbers])


def _copy_names(connection: Connection[Any], commands: Sequence[PackedCommand]) -> None:
    names = [command.names for command in commands if command.names]
    if not names:
        return
    _copy(
        connection,
        "COPY ledger.user_name "
        "(user_id, account_id, user_key, folded_key, folded_email) "
        "FROM STDIN (FORMAT binary)",
        [_SIGNATURE, *names],
    )
    _copy(
        connection,
        "COPY ledger.person_key (user_id, key) FROM STDIN (FORMAT binary)",
        [_SIGNATURE, *(command.keys for command in commands)],
    )


def _copy(connection: Connection[Any], statement: str, rows: Sequence[bytes]) -> None:
    with connection.cursor().copy(statement) as copy:
        copy.write(b"".join([*rows, _TRAILER]))
