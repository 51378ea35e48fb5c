"""The leaf of an event: exactly the bytes that are sealed.

A leaf is the stored row as PostgreSQL's binary COPY writes it, column by column in
this order, every number big-endian and every field after its length in four bytes::

    00 06                                   six fields
    00 00 00 08  position                   8 bytes, signed
    00 00 00 10  stream                     the 16 bytes of its UUID
    00 00 00 08  version                    8 bytes, signed
    LL LL LL LL  topic                      UTF-8
    00 00 00 08  recorded time              microseconds since 2000-01-01T00:00:00Z
    LL LL LL LL  state                      the stored bytes, as they are

So the server's rows are hashed as they come, and no leaf can be read in two ways. A
field that is missing has the length ``FF FF FF FF`` and no bytes. Leaves stand in the
order of positions; a leaf's index counts them, so gaps between positions are legal.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

_HEAD = struct.Struct("!hiqi16siqi")
_RECORDED = struct.Struct("!iqi")
_POSITION = struct.Struct("!q")
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_FIELDS = 6
COLUMNS = (
    "notification_id, originator_id, originator_version, topic, recorded_at, state"
)
"""The columns of ``ledger.stored_events``, in the leaf's order."""


class Event(NamedTuple):
    """A stored event, as a leaf holds it."""

    position: int
    stream: UUID
    version: int
    topic: str
    recorded_at: datetime
    state: bytes


def encode(event: Event) -> bytes:
    """The leaf of an event."""
    topic = event.topic.encode()
    microseconds = (event.recorded_at - _EPOCH) // timedelta(microseconds=1)
    head = _HEAD.pack(
        _FIELDS, 8, event.position, 16, event.stream.bytes, 8, event.version, len(topic)
    )
    return (
        head + topic + _RECORDED.pack(8, microseconds, len(event.state)) + event.state
    )


def decode(leaf: bytes) -> Event:
    """The event of a leaf. Raises ValueError for bytes that are none."""
    try:
        fields, _, position, _, stream, _, version, length = _HEAD.unpack_from(leaf)
        at = _HEAD.size + length
        topic = leaf[_HEAD.size : at].decode()
        _, microseconds, length = _RECORDED.unpack_from(leaf, at)
        state = leaf[at + _RECORDED.size :]
        event = Event(
            position,
            UUID(bytes=stream),
            version,
            topic,
            _EPOCH + timedelta(microseconds=microseconds),
            state,
        )
    except (struct.error, OverflowError) as error:
        raise ValueError("these bytes are not a leaf") from error
    if fields != _FIELDS or len(state) != length or encode(event) != leaf:
        raise ValueError("these bytes are not a leaf")
    return event


def position_of(leaf: bytes) -> int:
    """The position in a leaf."""
    position: int = _POSITION.unpack_from(leaf, 6)[0]
    return position


def at_position(leaf: bytes, position: int) -> bytes:
    """The same leaf, had it stood at another position."""
    return leaf[:6] + _POSITION.pack(position) + leaf[14:]
