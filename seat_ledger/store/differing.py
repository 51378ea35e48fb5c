"""Where stored events differ from what was sealed, event by event."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from seat_ledger.integrity import merkle
from seat_ledger.integrity.leaf import at_position, decode, position_of
from seat_ledger.store.leaves import Connection, Span, rows
from seat_ledger.store.seals import Tile

MOST = 100
"""So many differences are told; the rest is counted."""

SEARCHED = 300
"""Among so many differing events it is tried whether they changed places."""


class Finding(NamedTuple):
    """Something that should not be.

    `kind` is ``altered``, ``missing``, ``inserted``, ``reordered``, ``truncated``,
    ``checkpoint``, ``seals`` or ``stream``; `events` how many it is about.
    """

    kind: str
    position: int | None
    told: str
    events: int = 1


class _Difference(NamedTuple):
    """A position where the sealed hash and the leaf are not a pair."""

    position: int
    sealed: bytes | None
    leaf: bytes | None


class _Run(NamedTuple):
    """Events that are missing one after the other, or one that differs."""

    first: _Difference
    last: int
    events: int


class Differences:
    """What differs, span by span, in the order of positions."""

    def __init__(self) -> None:
        self.runs: list[_Run] = []
        self.searched: list[_Difference] = []
        self.more = 0

    def take(self, connection: Connection, span: Span, tiles: list[Tile]) -> None:
        """Compare a span with its tiles, event by event."""
        sealed = [entry for tile in tiles for entry in tile.entries()]
        for one in _merged(sealed, rows(connection, span.after, span.upto)):
            if len(self.searched) < SEARCHED:
                self.searched.append(one)
            last = self.runs[-1] if self.runs else None
            if one.leaf is None and last is not None and last.first.leaf is None:
                self.runs[-1] = last._replace(last=one.position, events=last.events + 1)
            elif len(self.runs) < MOST:
                self.runs.append(_Run(one, one.position, 1))
            else:
                self.more += 1

    def findings(self, head: int) -> Iterator[Finding]:
        """Everything that differs; `head` is the store's."""
        for run in self.runs:
            if run.first.leaf is None:
                yield _missing(run, head)
            else:
                yield _told(run.first, self.searched)


def _merged(
    sealed: list[tuple[int, bytes]], leaves: Iterator[bytes]
) -> Iterator[_Difference]:
    """Both lists side by side, by position; only what differs."""
    at = 0
    for leaf in leaves:
        position = position_of(leaf)
        while at < len(sealed) and sealed[at][0] < position:
            yield _Difference(*sealed[at], None)
            at += 1
        if at < len(sealed) and sealed[at][0] == position:
            if merkle.leaf_hash(leaf) != sealed[at][1]:
                yield _Difference(position, sealed[at][1], leaf)
            at += 1
        else:
            yield _Difference(position, None, leaf)
    for one in sealed[at:]:
        yield _Difference(*one, None)


def _missing(run: _Run, head: int) -> Finding:
    first, last, events = run.first.position, run.last, run.events
    if first > head:
        told = f"The end is cut off: the event at position {first} is missing."
        if events > 1:
            told = (
                f"The end is cut off: {events:,} events are missing, from position "
                f"{first} to {last}."
            )
        return Finding("truncated", first, told, events)
    told = f"The event at position {first} is missing."
    if events > 1:
        told = f"{events:,} events are missing between positions {first} and {last}."
    return Finding("missing", first, told, events)


def _told(one: _Difference, others: list[_Difference]) -> Finding:
    """An event that is altered, inserted, or was sealed at another position."""
    assert one.leaf is not None
    place, name = one.position, _named(one.leaf)
    for other in others:
        moved = at_position(one.leaf, other.position)
        if other.position != place and merkle.leaf_hash(moved) == other.sealed:
            told = (
                f"The event at position {place} was sealed at position "
                f"{other.position}: {name}."
            )
            return Finding("reordered", place, told)
    if one.sealed is None:
        told = f"The event at position {place} was inserted: {name}."
        return Finding("inserted", place, told)
    told = f"The event at position {place} is not the one that was sealed: {name}."
    return Finding("altered", place, told)


def _named(leaf: bytes) -> str:
    try:
        event = decode(leaf)
    except ValueError:
        return "it cannot be read"
    return f"{event.topic}, version {event.version} of stream {event.stream}"
