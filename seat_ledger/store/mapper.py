"""Events to stored bytes and back, validated both ways.

The state is one flat JSON object without cipher or compressor, so that SQL and
people can read it. Topics are the classes' own words; an older version of a state
goes through its upcasters first. What cannot be read is a DamagedStream that
names the stream and version, never skipped (R74).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import orjson
from eventsourcing.persistence import StoredEvent
from pydantic import ValidationError

from seat_ledger.domain.events import (
    EVENT_CLASSES,
    LedgerEvent,
    SeatAssigned,
    SeatPurchased,
    SeatUnassigned,
    UserAdded,
    UserRenamed,
)
from seat_ledger.domain.personal_data import CannotDecrypt, naming_in, person_in
from seat_ledger.errors import DamagedStream

State = dict[str, Any]


def _in_plain(state: State) -> State:
    """UserAdded 1 held key, e-mail and name in plain; they are read as they are."""
    return state


def _unchanged(state: State) -> State:
    """The next version has one more field, which this one leaves out."""
    return state


UPCASTERS: dict[tuple[str, int], Callable[[State], State]] = {
    (UserAdded.TOPIC, 1): _in_plain,
    (SeatPurchased.TOPIC, 1): _unchanged,
    (SeatAssigned.TOPIC, 1): _unchanged,
    (SeatUnassigned.TOPIC, 1): _unchanged,
}
"""From (topic, version) to the function that makes the next version's state."""


_MORE_FIELDS = {key for key, upcast in UPCASTERS.items() if upcast is _unchanged}
"""Versions that need no parsing to become the next one."""


def check_upcasters() -> None:
    """Every version of every topic leads to the present one. Raises TypeError."""
    for topic, event_class in EVENT_CLASSES.items():
        for version in range(1, event_class.VERSION):
            if (topic, version) not in UPCASTERS:
                raise TypeError(f"no upcaster for {topic} version {version}")
    for topic, version in UPCASTERS:
        if topic not in EVENT_CLASSES or version >= EVENT_CLASSES[topic].VERSION:
            raise TypeError(f"an upcaster for {topic} version {version} is not needed")


check_upcasters()


def stored_event(event: LedgerEvent) -> StoredEvent:
    """An event as the library stores it."""
    return StoredEvent(
        originator_id=event.originator_id,
        originator_version=event.originator_version,
        topic=event.TOPIC,
        state=state_of(event),
    )


def state_of(event: LedgerEvent) -> bytes:
    """The event as the store keeps it."""
    return event.__pydantic_serializer__.to_json(event, exclude_none=True)


def read_event(
    originator_id: UUID,
    originator_version: int,
    topic: str,
    state: bytes,
    person_key: bytes | None = None,
) -> LedgerEvent:
    """The event of a stored row. Raises DamagedStream.

    `person_key` decrypts the person in it; without it the person reads as erased.
    """
    event_class = EVENT_CLASSES.get(topic)
    where = f"version {originator_version} of stream {originator_id}"
    named = {"stream": str(originator_id), "version": originator_version}
    if event_class is None:
        raise DamagedStream(
            f"The event at {where} has the unknown type {topic!r}.",
            try_="use the program version that wrote it",
            **named,
        )
    try:
        if state.startswith(b'{"v":1,') and (topic, 1) in _MORE_FIELDS:
            state = b'{"v":2,' + state[7:]
        elif not state.startswith(b'{"v":%d,' % event_class.VERSION):
            state = _upcast(event_class, state)
        elif topic == UserAdded.TOPIC:
            state = _decrypted(originator_id, state, person_key)
        elif topic == UserRenamed.TOPIC:
            state = _renamed(originator_id, originator_version, state, person_key)
        head = b'{"originator_id":"%s","originator_version":%d,' % (
            str(originator_id).encode(),
            originator_version,
        )
        event: LedgerEvent = event_class.__pydantic_validator__.validate_json(
            head + state[1:]
        )
    except (ValidationError, ValueError, KeyError, TypeError) as error:
        reason = f"{error}" if isinstance(error, CannotDecrypt) else _reason(error)
        raise DamagedStream(
            f"The event at {where} ({topic}) cannot be read: {reason}.",
            try_="seat-ledger doctor",
            **named,
        ) from error
    return event


def _reason(error: Exception) -> str:
    """What is wrong with a state, without anything that stands in it."""
    if isinstance(error, ValidationError):
        problems = error.errors(include_url=False, include_input=False)
        named = (
            (".".join(map(str, problem["loc"])), problem["type"])
            for problem in problems
        )
        return "; ".join(f"{where}: {kind}" if where else kind for where, kind in named)
    return (
        str(error)
        if type(error) is ValueError
        else "it is not the state of an event of any version"
    )


def _decrypted(user_id: UUID, state: bytes, key: bytes | None) -> bytes:
    """The state of a UserAdded with the person's texts in it. Raises CannotDecrypt."""
    person = person_in(orjson.loads(state), key, user_id=user_id)
    return state[:-1] + b"," + orjson.dumps(person._asdict())[1:]


def _renamed(user_id: UUID, version: int, state: bytes, key: bytes | None) -> bytes:
    """The state of a UserRenamed with the new texts in it. Raises CannotDecrypt."""
    fields = orjson.loads(state)
    naming = naming_in(fields, key, user_id=user_id, version=version)
    return state[:-1] + b"," + orjson.dumps(naming._asdict())[1:]


def _upcast(event_class: type[LedgerEvent], state: bytes) -> bytes:
    """Bring an older version's state up to the present version."""
    fields: State = orjson.loads(state)
    version = fields.get("v")
    if not isinstance(version, int) or not 1 <= version <= event_class.VERSION:
        raise ValueError(f"unknown version {version!r}")
    while version < event_class.VERSION:
        fields = UPCASTERS[event_class.TOPIC, version](fields)
        version += 1
        fields["v"] = version
    return orjson.dumps(fields)
