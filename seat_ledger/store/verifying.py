"""Verifying: the tree computed anew from the stored events, held against seals.

Two things are compared. The kept hashes say *where* an event differs; the signed
checkpoints, above all those kept elsewhere, say *whether* the kept hashes themselves
can be believed, and whether the end of the store is missing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from seat_ledger.integrity import merkle
from seat_ledger.integrity.note import BadNote, Checkpoint, Verifier, open_checkpoint
from seat_ledger.store import seals
from seat_ledger.store.differing import MOST, Differences, Finding
from seat_ledger.store.leaves import (
    CHUNK,
    FIRST,
    TILE,
    Connection,
    Crew,
    Hashed,
    Span,
    crew,
    open_for_reading,
    spans,
)
from seat_ledger.store.streams import breaks


class Witness(NamedTuple):
    """A checkpoint's note, and where it was kept."""

    place: str
    note: str


class Held(NamedTuple):
    """A checkpoint that the key signed, and where it was kept."""

    place: str
    checkpoint: Checkpoint


@dataclass
class Verified:
    """What was compared, and everything that was found."""

    events: int = 0
    position: int = 0
    sealed: int = 0
    checkpoints: int = 0
    elsewhere: int = 0
    findings: list[Finding] = field(default_factory=list)
    more: int = 0
    seconds: float = 0.0


def verify(
    conninfo: str,
    verifier: Verifier,
    witnesses: Sequence[Witness] = (),
    *,
    processes: int | None = None,
) -> Verified:
    """Hold the stored events against every checkpoint."""
    began = time.monotonic()
    with open_for_reading(conninfo) as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        result = _Verification(conninfo, connection, verifier, processes)(witnesses)
    result.seconds = time.monotonic() - began
    return result


class _Verification:
    def __init__(
        self,
        conninfo: str,
        connection: Connection,
        verifier: Verifier,
        processes: int | None,
    ) -> None:
        self.conninfo, self.connection = conninfo, connection
        self.verifier, self.processes = verifier, processes
        self.result = Verified()
        self.differences = Differences()
        self.tree = merkle.Frontier()
        self.kept_tree: merkle.Frontier | None = None
        self.roots: dict[int, bytes] = {}
        self.kept_roots: dict[int, bytes] = {}
        self.sealed_to = FIRST

    def __call__(self, witnesses: Sequence[Witness]) -> Verified:
        own = [
            Witness("the database", kept.note)
            for kept in seals.checkpoints(self.connection)
        ]
        self.held = self._opened([*own, *witnesses])
        self.sizes = sorted({one.checkpoint.size for one in self.held})
        row: Any = self.connection.execute(
            "SELECT coalesce(max(notification_id), 0) FROM ledger.stored_events"
        ).fetchone()
        self.head = self.result.position = row[0]
        self._read()
        self.result.events = self.tree.size
        self.result.findings[:0] = self.differences.findings(self.head)
        self.result.more = self.differences.more
        self._judge(len(own), len(witnesses))
        self._look_for_breaks()
        return self.result

    def _look_for_breaks(self) -> None:
        """Versions that do not follow their stream's last, sealed or not (R74)."""
        found = breaks(self.connection, until=self.head, limit=MOST + 1)
        for one in found[:MOST]:
            told = f"An event does not follow its stream's last: {one.sentence()}."
            self.result.findings.append(Finding("stream", one.position, told))
        self.result.more += len(found[MOST:])

    def _opened(self, notes: Sequence[Witness]) -> list[Held]:
        """The checkpoints that the key signed; the others are findings."""
        found = []
        for one in notes:
            try:
                checkpoint = open_checkpoint(one.note, self.verifier)
            except BadNote as error:
                told = f"A checkpoint kept in {one.place} does not hold: {error}."
                self.result.findings.append(Finding("checkpoint", None, told))
            else:
                found.append(Held(one.place, checkpoint))
        return found

    # -- reading ----------------------------------------------------------------

    def _read(self) -> None:
        """Compute the tree anew, span by span, beside the kept hashes."""
        groups = self._groups()
        with crew(self.conninfo, self.head, self.processes) as workers:
            hashed = workers.hash(group[2] for group in groups)
            for group, one in zip(groups, hashed, strict=True):
                self._compare(group, one)
            self._continue(workers)

    def _groups(self) -> list[tuple[int, int, Span]]:
        """Kept tiles, 256 together, each group with the positions that it covers.

        Ends where positions do not grow, as they would if tiles were altered.
        """
        rows = self.connection.execute(
            "SELECT min(number), max(number), "
            "(array_agg(last_position ORDER BY number DESC))[1] "
            "FROM ledger.sealed_tile WHERE level = 0 GROUP BY number / %s ORDER BY 1",
            [CHUNK // TILE],
        ).fetchall()
        found: list[tuple[int, int, Span]] = []
        after = FIRST
        for first, last, position in rows:
            if (
                position is None
                or position <= after
                or first != len(found) * (CHUNK // TILE)
            ):
                break
            found.append((first, last, Span(after, position)))
            after = position
        return found

    def _continue(self, workers: Crew) -> None:
        """Read what is not sealed, or sealed only by checkpoints kept elsewhere."""
        after = self.sealed_to
        rest = spans(self.connection, after, 2**63 - 1, self.tree.size)
        for hashed in workers.hash(span for span, _ in rest):
            self._grow(hashed)

    def _compare(self, group: tuple[int, int, Span], hashed: Hashed) -> None:
        """Grow both trees, and find what differs between them."""
        tiles = seals.leaf_tiles(self.connection, group[0], group[1])
        kept = b"".join(tile.hashes for tile in tiles)
        self.result.sealed += len(kept) // merkle.HASH
        self.sealed_to = group[2].upto
        if kept != hashed.hashes and self.kept_tree is None:
            self.kept_tree = self.tree.copy()
        if self.kept_tree is not None:
            own = Hashed(hashed.span, kept, b"", ())
            _advance(self.kept_tree, own, self.sizes, self.kept_roots)
        if kept != hashed.hashes:
            self.differences.take(self.connection, hashed.span, tiles)
        self._grow(hashed)

    def _grow(self, hashed: Hashed) -> None:
        _advance(self.tree, hashed, self.sizes, self.roots)

    # -- judging ----------------------------------------------------------------

    def _judge(self, own: int, elsewhere: int) -> None:
        """Hold every checkpoint against the tree as it is now."""
        result = self.result
        result.checkpoints, result.elsewhere = len(self.held), elsewhere
        short = [
            one
            for one in self.held
            if one.checkpoint.size > self.tree.size
            and self.kept_roots.get(one.checkpoint.size) != one.checkpoint.root
        ]
        other = [
            one
            for one in self.held
            if one.checkpoint.size <= self.tree.size
            and self.roots.get(one.checkpoint.size, merkle.EMPTY_ROOT)
            != one.checkpoint.root
        ]
        if short:
            result.findings.append(self._missing(short))
        if other:
            result.findings += self._rewritten(other)
        if own == 0 and result.sealed == 0 and elsewhere:
            told = "The database keeps no seals of its own; it was sealed before."
            result.findings.append(Finding("seals", None, told))

    def _missing(self, short: list[Held]) -> Finding:
        """The store ends before a checkpoint does: cut off, or an older copy."""
        longest = max(short, key=lambda one: one.checkpoint.size)
        checkpoint = longest.checkpoint
        lacking = checkpoint.size - self.tree.size
        count = "1 event is" if lacking == 1 else f"{lacking:,} events are"
        when = f", signed {checkpoint.sealed_at:%Y-%m-%d %H:%M:%S} UTC"
        return Finding(
            "truncated",
            self.head,
            f"{count} missing after position {self.head}: the "
            f"checkpoint of {checkpoint.size:,} events kept in {longest.place}"
            f"{when if checkpoint.sealed_at else ''}, reaches to position "
            f"{checkpoint.position}. The end was cut off, or this is an older copy.",
            lacking,
        )

    def _rewritten(self, other: list[Held]) -> Iterator[Finding]:
        """Checkpoints that the events do not lead to."""
        first = min(other, key=lambda one: one.checkpoint.size)
        good = [
            one.checkpoint
            for one in self.held
            if one.checkpoint.size < first.checkpoint.size
            and self.roots.get(one.checkpoint.size) == one.checkpoint.root
        ]
        last = max(good, key=lambda one: one.size, default=None)
        since = (last.position or 0) + 1 if last else 1
        told = (
            f"The checkpoint of {first.checkpoint.size:,} events kept in "
            f"{first.place} is not of these events: something was altered between "
            f"positions {since} and {first.checkpoint.position}"
        )
        rest = f"; {len(other) - 1} more do not fit" if len(other) > 1 else ""
        yield Finding("checkpoint", since, f"{told}{rest}.", len(other))
        size = first.checkpoint.size
        kept = self.kept_roots.get(size) if self.kept_tree is not None else None
        if size <= self.result.sealed and kept != first.checkpoint.root:
            told = "The kept hashes were altered too: only checkpoints can be believed."
            yield Finding("seals", None, told)


def _advance(
    tree: merkle.Frontier, hashed: Hashed, sizes: list[int], roots: dict[int, bytes]
) -> None:
    """Grow a tree by a span, and note its root at every size that is asked for."""
    base, done = tree.size, 0
    for size in sizes:
        if base < size <= base + hashed.events:
            hashed.feed(tree, done, size - base)
            done = size - base
            roots[size] = tree.root()
    hashed.feed(tree, done, hashed.events)
