"""Events to stored bytes and back, validated both ways.

The state is one flat JSON object without cipher or compressor, so that SQL and
people can read it. Topics are the classes' own words; an older version of a state
goes through its upcasters first. What cannot be read is an IntegrityFailure that
names the stream and version, never skipped (R74).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import orjson
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import Mapper, StoredEvent
from pydantic import ValidationError

from seat_ledger.errors import IntegrityFailure
from seat_ledger.events import EVENT_CLASSES, LedgerEvent

State = dict[str, Any]
UPCASTERS: dict[tuple[str, int], Callable[[State], State]] = {}
"""From (topic, version) to the function that makes the next version's state."""


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


class LedgerMapper(Mapper[UUID]):
    """Maps between :class:`LedgerEvent` and the library's StoredEvent."""

    def __init__(self) -> None:
        """Needs no transcoder, cipher or compressor."""

    def to_stored_event(self, domain_event: DomainEventProtocol[UUID]) -> StoredEvent:
        """Write an event's state."""
        assert isinstance(domain_event, LedgerEvent)
        return StoredEvent(
            originator_id=domain_event.originator_id,
            originator_version=domain_event.originator_version,
            topic=domain_event.TOPIC,
            state=state_of(domain_event),
        )

    def to_domain_event(self, stored_event: StoredEvent) -> LedgerEvent:
        """Read an event back, validated. Raises IntegrityFailure."""
        return read_event(
            UUID(str(stored_event.originator_id)),
            stored_event.originator_version,
            stored_event.topic,
            stored_event.state,
        )


def state_of(event: LedgerEvent) -> bytes:
    """The event as the store keeps it."""
    return event.__pydantic_serializer__.to_json(event, exclude_none=True)


def read_event(
    originator_id: UUID, originator_version: int, topic: str, state: bytes
) -> LedgerEvent:
    """The event of a stored row. Raises IntegrityFailure."""
    event_class = EVENT_CLASSES.get(topic)
    where = f"version {originator_version} of stream {originator_id}"
    if event_class is None:
        raise IntegrityFailure(
            f"The event at {where} has the unknown type {topic!r}.",
            try_="use the program version that wrote it",
        )
    try:
        if not state.startswith(b'{"v":%d,' % event_class.VERSION):
            state = _upcast(event_class, state)
        head = b'{"originator_id":"%s","originator_version":%d,' % (
            str(originator_id).encode(),
            originator_version,
        )
        event: LedgerEvent = event_class.__pydantic_validator__.validate_json(
            head + state[1:]
        )
    except (ValidationError, ValueError, KeyError, TypeError) as error:
        raise IntegrityFailure(
            f"The event at {where} ({topic}) cannot be read: {error}",
            try_="seat-ledger doctor",
        ) from error
    return event


def _upcast(event_class: type[LedgerEvent], state: bytes) -> bytes:
    """Bring an older version's state up to the present version."""
    given: State = orjson.loads(state)
    version = given.get("v")
    if not isinstance(version, int) or not 1 <= version <= event_class.VERSION:
        raise ValueError(f"unknown version {version!r}")
    while version < event_class.VERSION:
        given = UPCASTERS[event_class.TOPIC, version](given)
        version += 1
        given["v"] = version
    return orjson.dumps(given)
