"""Where stored events differ from what was sealed, event by event.

Two lists are laid side by side: the hashes of the stored events, and those that were
kept when they were sealed. What both have is as it was, whatever the kept positions
say, for an event's position is part of its hash. Who is right about the others, only
a signed root can tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from seat_ledger.domain.wording import counted
from seat_ledger.integrity import merkle
from seat_ledger.integrity.hashing import Connection, rows
from seat_ledger.integrity.leaf import at_position, decode

MOST = 100
"""So many differences are reported; the rest is counted."""

SEARCHED = 300
"""Among so many differing events it is tried whether they changed places."""

REMEMBERED = 200_000
"""So many unmatched hashes of each side are remembered; the rest is counted."""


class Finding(NamedTuple):
    """Something that should not be.

    `kind` is ``altered``, ``missing``, ``inserted``, ``reordered``, ``truncated``,
    ``checkpoint``, ``seals``, ``stream`` or ``witness``; `events` how many it is
    about.
    """

    kind: str
    position: int | None
    message: str
    events: int = 1


class Difference(NamedTuple):
    """A position where the sealed hash and the leaf are not a pair."""

    position: int
    sealed: bytes | None
    leaf: bytes | None


class Place(NamedTuple):
    """Where a hash stands: the event's position, and the index among the leaves."""

    position: int
    leaf_index: int


class Unmatched:
    """Hashes that only one side has, so far."""

    def __init__(self) -> None:
        self.stored: dict[bytes, Place] = {}
        self.sealed: dict[bytes, Place] = {}
        self.more = 0

    def add_stored(self, place: Place, hashed: bytes) -> None:
        """An event as it is stored now."""
        self._add(place, hashed, self.stored, self.sealed)

    def add_sealed(self, place: Place, hashed: bytes) -> None:
        """An event as it was sealed; nobody has signed the position."""
        self._add(place, hashed, self.sealed, self.stored)

    def _add(
        self,
        place: Place,
        hashed: bytes,
        own: dict[bytes, Place],
        other: dict[bytes, Place],
    ) -> None:
        if other.pop(hashed, None) is not None:
            return
        if len(own) < REMEMBERED:
            own[hashed] = place
        else:
            self.more += 1

    def __len__(self) -> int:
        return max(len(self.stored), len(self.sealed)) + self.more

    def positions(self) -> tuple[int, int]:
        """The first and the last position that are touched."""
        places = list(self.stored.values()) or list(self.sealed.values())
        touched = [place.position for place in places] or [0]
        return min(touched), max(touched)

    def differences(self, connection: Connection) -> Iterator[Difference]:
        """By position: a sealed hash without its event, or the other way, or both.

        A pair stands at one position, or, where positions were forged, at one index.
        """
        stored = {place.position for place in self.stored.values()}
        by_index = {place.leaf_index: place.position for place in self.stored.values()}
        sealed = {}
        for hashed, (position, index) in self.sealed.items():
            pairs = position in stored or index not in by_index
            sealed[position if pairs else by_index[index]] = hashed
        for position in sorted(stored | set(sealed)):
            leaf = None
            if position in stored:
                leaf = next(rows(connection, position - 1, position), None)
            yield Difference(position, sealed.get(position), leaf)


class _Run(NamedTuple):
    """Events that are missing one after the other, or one that differs."""

    first: Difference
    last: int
    events: int


class Differences:
    """What differs, in the order of positions."""

    def __init__(self) -> None:
        self.runs: list[_Run] = []
        self.searched: list[Difference] = []
        self.more = 0

    def take(self, differences: Iterable[Difference]) -> None:
        """Take up what differs, in the order of positions."""
        for difference in differences:
            if len(self.searched) < SEARCHED:
                self.searched.append(difference)
            last = self.runs[-1] if self.runs else None
            if difference.leaf is None and last is not None and last.first.leaf is None:
                self.runs[-1] = last._replace(
                    last=difference.position, events=last.events + 1
                )
            elif len(self.runs) < MOST:
                self.runs.append(_Run(difference, difference.position, 1))
            else:
                self.more += 1

    def findings(self, head: int) -> Iterator[Finding]:
        """Everything that differs; `head` is the store's."""
        for run in self.runs:
            if run.first.leaf is None:
                yield _missing(run, head)
            else:
                yield _not_as_sealed(run.first, self.searched)


def _missing(run: _Run, head: int) -> Finding:
    first, last, events = run.first.position, run.last, run.events
    if first > head:
        message = f"The end is cut off: the event at position {first} is missing."
        if events > 1:
            message = (
                f"The end is cut off: {counted(events, 'event is', 'events are')} "
                f"missing, from position {first} to {last}."
            )
        return Finding("truncated", first, message, events)
    message = f"The event at position {first} is missing."
    if events > 1:
        count = counted(events, "event is", "events are")
        message = f"{count} missing between positions {first} and {last}."
    return Finding("missing", first, message, events)


def _not_as_sealed(difference: Difference, others: list[Difference]) -> Finding:
    """An event that is altered, inserted, or was sealed at another position."""
    assert difference.leaf is not None
    place, name = difference.position, _named(difference.leaf)
    for other in others:
        moved = at_position(difference.leaf, other.position)
        if other.position != place and merkle.leaf_hash(moved) == other.sealed:
            message = (
                f"The event at position {place} was sealed at position "
                f"{other.position}: {name}."
            )
            return Finding("reordered", place, message)
    if difference.sealed is None:
        message = f"The event at position {place} was inserted: {name}."
        return Finding("inserted", place, message)
    message = f"The event at position {place} is not the one that was sealed: {name}."
    return Finding("altered", place, message)


def _named(leaf: bytes) -> str:
    try:
        event = decode(leaf)
    except ValueError:
        return "it cannot be read"
    return f"{event.topic}, version {event.version} of stream {event.stream}"
