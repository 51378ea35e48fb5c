"""Verifying: the tree computed anew from the stored events, held against signed notes.

Only signed notes say *whether* something differs; those kept elsewhere also say whether
the end of the store is missing. The kept hashes say *where*, and are believed only as
far as they lead to a signed root. So each part of the log, from one signed root to the
next, is judged by itself: where the events lead to the root they are as they were, and
kept hashes that differ are damaged; where the kept hashes do, events were changed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from seat_ledger.domain.wording import counted
from seat_ledger.integrity import merkle, tiles
from seat_ledger.integrity.differences import (
    MOST,
    Differences,
    Finding,
    Place,
    Unmatched,
)
from seat_ledger.integrity.hashing import (
    CHUNK,
    FIRST,
    TILE,
    Connection,
    Hashed,
    HashingPool,
    LeafSpan,
    advance,
    crew,
    open_for_reading,
    rows,
    spans,
)
from seat_ledger.integrity.leaf import position_of
from seat_ledger.integrity.note import BadNote, Checkpoint, Verifier, open_checkpoint
from seat_ledger.integrity.tiles import REBUILD, StoredCheckpoint, TileRow
from seat_ledger.store import schema
from seat_ledger.store.streams import breaks

DATABASE = "the database"


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
    witnessed: int = 0
    findings: list[Finding] = field(default_factory=list)
    more: int = 0
    seconds: float = 0.0
    held: list[Held] = field(default_factory=list)


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
        self.tree = merkle.Frontier()
        self.roots: dict[int, bytes] = {}
        self.stored_tiles = _StoredTiles(connection)
        self.judged: _Judged | None = None

    def __call__(self, witnesses: Sequence[Witness]) -> Verified:
        self.ledger = schema.ledger_id(self.connection)
        stored = tiles.checkpoints(self.connection)
        own = [self._open_own(row) for row in stored]
        self.own = {held.size: held for held in own if held is not None}
        self.held = [Held(DATABASE, held) for held in own if held is not None]
        self.held += self._opened(witnesses)
        self.sizes = sorted({held.checkpoint.size for held in self.held})
        row: Any = self.connection.execute(
            "SELECT coalesce(max(notification_id), 0) FROM ledger.stored_events"
        ).fetchone()
        self.head = self.result.position = row[0]
        self._read()
        self._judge(stored, witnesses)
        self._look_for_breaks()
        return self.result

    def _look_for_breaks(self) -> None:
        """Versions that do not follow their stream's last, sealed or not (R74)."""
        broken = breaks(self.connection, until=self.head, limit=MOST + 1)
        for held in broken[:MOST]:
            message = f"An event does not follow its stream's last: {held.sentence()}."
            self.result.findings.append(Finding("stream", held.position, message))
        self.result.more += len(broken[MOST:])

    # -- notes --------------------------------------------------------------------

    def _open_own(self, row: StoredCheckpoint) -> Checkpoint | None:
        """The checkpoint of a row; what differs from its note is a finding."""
        checkpoint = self._open(Witness(DATABASE, row.note))
        if checkpoint is not None and (row.size, row.position) != (
            checkpoint.size,
            checkpoint.position,
        ):
            message = (
                f"A row of the checkpoints gives {counted(row.size, 'event')} up to "
                f"position {row.position}; its signed note says {checkpoint.size:,} up "
                f"to {checkpoint.position}. The row was altered: {REBUILD}."
            )
            self.result.findings.append(Finding("seals", None, message))
        return checkpoint

    def _opened(self, notes: Sequence[Witness]) -> Iterator[Held]:
        """The checkpoints that the key signed; the others are findings."""
        for held in notes:
            checkpoint = self._open(held)
            if checkpoint is not None:
                yield Held(held.place, checkpoint)

    def _open(self, witness: Witness) -> Checkpoint | None:
        try:
            return open_checkpoint(witness.note, self.verifier, self.ledger)
        except BadNote as error:
            message = f"A checkpoint in {witness.place} is not valid: {error}."
            self.result.findings.append(Finding("checkpoint", None, message))
            return None

    # -- reading ------------------------------------------------------------------

    def _read(self) -> None:
        """Compute the tree anew, span by span, beside the kept hashes."""
        groups = self.stored_tiles.groups()
        with crew(self.conninfo, self.head, self.processes) as workers:
            results = workers.hash(group[2] for group in groups)
            for group, hashed in zip(groups, results, strict=True):
                self.stored_tiles.compare(group, hashed, self.tree)
                advance(self.tree, hashed, self.sizes, self.roots)
            after = groups[-1][2].until if groups else FIRST
            if self.own and self.stored_tiles.count != max(self.own):
                self.stored_tiles.differ(self.tree, after)
            self._continue(workers, after)
        self.result.events = self.tree.size
        if self.stored_tiles.resume is not None:
            self.judged = _Judged(self.connection, self.held)
            self.judged.judge(*self.stored_tiles.resume)

    def _continue(self, workers: HashingPool, after: int) -> None:
        """Read what is not sealed, or sealed only by checkpoints kept elsewhere."""
        remaining = spans(self.connection, after, 2**63 - 1, self.tree.size)
        for hashed in workers.hash(span for span, _ in remaining):
            advance(self.tree, hashed, self.sizes, self.roots)

    # -- judging ------------------------------------------------------------------

    def _leads_to(self, held: Held) -> bool:
        """Whether the stored events lead to the root of a checkpoint."""
        checkpoint = held.checkpoint
        empty = merkle.EMPTY_ROOT if checkpoint.size == 0 else None
        return self.roots.get(checkpoint.size, empty) == checkpoint.root

    def _judge(
        self, stored: Sequence[StoredCheckpoint], witnesses: Sequence[Witness]
    ) -> None:
        """Hold every checkpoint against the tree as it is now."""
        result = self.result
        result.checkpoints, result.held = len(self.held), self.held
        good = [held for held in self.held if self._leads_to(held)]
        result.sealed = max((held.checkpoint.size for held in good), default=0)
        proven = self.judged.proven_sizes if self.judged else set()
        if self.judged is not None:
            differences = self.judged.differences
            result.findings[:0] = differences.findings(self.head)
            result.more = differences.more
        bad = [held for held in self.held if not self._leads_to(held)]
        short = [
            held
            for held in bad
            if held.checkpoint.size > self.tree.size
            and held.checkpoint.size not in proven
        ]
        other = [held for held in bad if held.checkpoint.size <= self.tree.size]
        if short:
            result.findings.append(self._missing(short))
        if other:
            result.findings.append(self._rewritten(other, good))
        if witnesses and not stored:
            message = (
                "The database has no seals of its own, although it was sealed before. "
                f"If the events are as signed: {REBUILD}."
            )
            result.findings.append(Finding("seals", None, message))
            return
        if other and min(held.checkpoint.size for held in other) not in proven:
            message = (
                "The stored hashes were altered too: only the checkpoints can be "
                "trusted."
            )
            result.findings.append(Finding("seals", None, message))
        result.findings += self._about_tiles(bool(other))
        result.findings += self._lost(good)

    def _missing(self, short: list[Held]) -> Finding:
        """The store ends before a checkpoint does: cut off, or an older copy."""
        longest = max(short, key=lambda held: held.checkpoint.size)
        checkpoint = longest.checkpoint
        lacking = checkpoint.size - self.tree.size
        count = counted(lacking, "event is", "events are")
        when = f", signed {checkpoint.sealed_at:%Y-%m-%d %H:%M:%S} UTC"
        return Finding(
            "truncated",
            self.head,
            f"{count} missing after position {self.head}: the checkpoint of "
            f"{counted(checkpoint.size, 'event')} kept in "
            f"{longest.place}{when if checkpoint.sealed_at else ''}, reaches to "
            f"position {checkpoint.position}. The end was cut off, or this is an older "
            "copy.",
            lacking,
        )

    def _rewritten(self, other: list[Held], good: list[Held]) -> Finding:
        """Checkpoints that the events do not lead to."""
        first = min(other, key=lambda held: held.checkpoint.size)
        before = [
            held.checkpoint
            for held in good
            if held.checkpoint.size < first.checkpoint.size
        ]
        last = max(before, key=lambda checkpoint: checkpoint.size, default=None)
        since = (last.position or 0) + 1 if last else 1
        message = (
            f"The checkpoint of {counted(first.checkpoint.size, 'event')} kept in "
            f"{first.place} does not match these events: something was altered between "
            f"positions {since} and {first.checkpoint.position}"
        )
        others = f"; {len(other) - 1} more do not match" if len(other) > 1 else ""
        return Finding("checkpoint", since, f"{message}{others}.", len(other))

    def _about_tiles(self, rewritten: bool) -> Iterator[Finding]:
        """Kept hashes that are missing or altered, while the events are as signed."""
        faults = list(self.judged.faults) if self.judged else []
        if self.own and not faults and not rewritten:
            if self.stored_tiles.labels_differ or self._labels_misled():
                faults.append("the positions stored beside them were altered")
            elif (
                self.stored_tiles.resume is None
                and not self.stored_tiles.upper_levels_agree()
            ):
                faults.append("those of the upper levels are missing or were altered")
            elif self.stored_tiles.has_more_than(max(self.own)):
                faults.append("there are more than any signed checkpoint covers")
        for fault in faults:
            message = (
                f"The stored hashes are damaged: {fault}. This concerns the seals, "
                f"not the events. To recompute them: {REBUILD}."
            )
            yield Finding("seals", None, message)

    def _labels_misled(self) -> bool:
        """Whether hashes are the same after all, and only their positions are not."""
        return self.judged is not None and not (
            self.judged.differences.runs
            or self.stored_tiles.has_more_than(max(self.own))
        )

    def _lost(self, good: list[Held]) -> Iterator[Finding]:
        """Checkpoints of these very events that the database no longer has."""
        lost = [held for held in good if held.checkpoint.size not in self.own]
        if lost and self.own:
            first = lost[0]
            message = (
                "The database has lost its own copy of "
                f"{counted(len(lost), 'checkpoint')}, such as that of "
                f"{counted(first.checkpoint.size, 'event')} kept in {first.place}. To "
                f"restore them: {REBUILD}."
            )
            yield Finding("seals", None, message)


Group = tuple[int, int, LeafSpan]
"""Kept tiles from one number to another, and the positions that they say they cover."""


class _StoredTiles:
    """The kept hashes, compared with those of the stored events side by side.

    The positions beside them decide in which portions the events are read, nothing
    more. `resume` is the tree, and the position, before the first difference.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.count = 0
        self.resume: tuple[merkle.Frontier, int] | None = None
        self.labels_differ = False
        self.tile_roots = bytearray()

    def groups(self) -> list[Group]:
        """Kept tiles, 256 together, each group with the positions that it covers.

        Ends where the positions cannot be portions, as when somebody altered them.
        """
        chunks = self.connection.execute(
            "SELECT min(number), max(number), "
            "(array_agg(last_position ORDER BY number DESC, start DESC))[1] "
            "FROM ledger.sealed_tile WHERE level = 0 GROUP BY number / %s ORDER BY 1",
            [CHUNK // TILE],
        ).fetchall()
        groups: list[Group] = []
        after = FIRST
        for first, last, position in chunks:
            if (
                position is None
                or position <= after
                or first != len(groups) * (CHUNK // TILE)
                or (groups and not self._is_portion(after, position))
            ):
                break
            groups.append((first, last, LeafSpan(after, position)))
            after = position
        return groups

    def _is_portion(self, after: int, until: int) -> bool:
        """Whether a range cannot be too much for the memory, however it is forged."""
        if until - after <= 4 * CHUNK:
            return True
        row = self.connection.execute(
            "SELECT count(*) FROM (SELECT FROM ledger.stored_events WHERE "
            "notification_id > %s AND notification_id <= %s LIMIT %s) AS portion",
            [after, until, 4 * CHUNK],
        ).fetchone()
        return row is not None and row[0] < 4 * CHUNK

    def differ(self, tree: merkle.Frontier, after: int) -> None:
        """From here on the kept hashes are not those of the events."""
        if self.resume is None:
            self.resume = (tree.copy(), after)

    def compare(self, group: Group, hashed: Hashed, tree: merkle.Frontier) -> None:
        """Compare a group with the events; `tree` is what stands before it."""
        first, last, span = group
        stored = tiles.rows_between(self.connection, 0, first, last)
        hashes = tiles.assembled(stored, first * TILE)
        self.count += len(hashes) // merkle.HASH
        self.tile_roots += hashed.roots
        if hashes != hashed.hashes:
            self.differ(tree, span.after)
        elif not _labels_agree(stored, hashed):
            self.labels_differ = True

    def upper_levels_agree(self) -> bool:
        """Whether the upper levels are those of the lowest, which is all right."""
        level, hashes = 1, bytes(self.tile_roots)
        while True:
            stored = tiles.rows_between(self.connection, level, -(2**62), 2**62)
            count = sum(len(row.hashes) for row in stored)
            if tiles.assembled(stored, 0) != hashes or count != len(hashes):
                return False
            if not hashes:
                return not self._has_levels_outside(level)
            full = len(hashes) // (TILE * merkle.HASH) * TILE * merkle.HASH
            level, hashes = level + 1, merkle.fold(hashes[:full], 8)

    def _has_levels_outside(self, level: int) -> bool:
        row = self.connection.execute(
            "SELECT EXISTS (SELECT FROM ledger.sealed_tile WHERE level < 0 "
            "OR level >= %s)",
            [level],
        ).fetchone()
        return row is not None and bool(row[0])

    def has_more_than(self, size: int) -> bool:
        """Whether hashes are kept beyond the last event that was signed for."""
        row = self.connection.execute(
            "SELECT EXISTS (SELECT FROM ledger.sealed_tile WHERE level = 0 "
            "AND (number * %(tile)s + start < 0 OR number * %(tile)s + start "
            "+ octet_length(hashes) / 32 > %(size)s))",
            {"tile": TILE, "size": size},
        ).fetchone()
        return row is not None and bool(row[0])


def _labels_agree(stored: Sequence[TileRow], hashed: Hashed) -> bool:
    """Whether kept rows say of their events where they really stand."""
    count = hashed.events
    positions: Sequence[int] = hashed.positions or range(
        hashed.span.until - count + 1, hashed.span.until + 1
    )
    at = 0
    for row in stored:
        own = positions[at : at + row.length]
        at += row.length
        if not own:
            return False
        apart = tuple(own) if own[-1] - own[0] >= row.length else None
        if row.last_position != own[-1] or row.positions != apart:
            return False
    return True


class _Judged:
    """Who is right where events and kept hashes differ, from root to signed root."""

    def __init__(self, connection: Connection, held: Sequence[Held]) -> None:
        self.connection = connection
        self.roots: dict[tuple[int, int], set[bytes]] = {}
        for checkpoint in (each.checkpoint for each in held):
            place = (checkpoint.size, checkpoint.position or 0)
            self.roots.setdefault(place, set()).add(checkpoint.root)
        self.differences = Differences()
        self.faults: list[str] = []
        self.proven_sizes: set[int] = set()

    def judge(self, tree: merkle.Frontier, after: int) -> None:
        """Go on from where both are the same, one signed root after the other."""
        stored, sealed = tree.copy(), tree.copy()
        whole, index, unmatched = True, tree.size, Unmatched()
        for size, position in sorted(self.roots):
            if size <= tree.size:
                continue
            whole &= self._lay_side_by_side(
                (stored, after, position), (sealed, index, size), unmatched
            )
            after, index = max(after, position), max(index, size)
            roots = self.roots[size, position]
            if stored.size == size and stored.root() in roots:
                self._accuse_hashes(unmatched)
                sealed = stored.copy()
            elif whole and sealed.size == size and sealed.root() in roots:
                self.proven_sizes.add(size)
                self.differences.take(unmatched.differences(self.connection))
                self.differences.more += unmatched.more
                stored = sealed.copy()
            else:
                continue
            whole, unmatched = True, Unmatched()

    def _accuse_hashes(self, unmatched: Unmatched) -> None:
        if len(unmatched):
            first, last = unmatched.positions()
            self.faults.append(
                f"those of {counted(len(unmatched), 'event')} between positions "
                f"{first} and {last} are missing or were altered, and the events are "
                "as signed"
            )

    def _lay_side_by_side(
        self,
        events: tuple[merkle.Frontier, int, int],
        hashes: tuple[merkle.Frontier, int, int],
        unmatched: Unmatched,
    ) -> bool:
        """Grow both trees up to a checkpoint; False where kept hashes have a gap.

        Positions pace the two, so that little is unmatched at a time.
        """
        stored, after, until = events
        sealed, index, size = hashes
        whole = True
        leaves, entries = self._leaves(after, until), self._entries(index, size)
        leaf, entry = next(leaves, None), next(entries, None)
        while leaf is not None or entry is not None:
            if entry is None or (leaf is not None and leaf[0] <= entry[1]):
                assert leaf is not None
                unmatched.add_stored(Place(leaf[0], stored.size), leaf[1])
                stored.add(leaf[1])
                leaf = next(leaves, None)
            else:
                at, label, hashed = entry
                whole &= at == sealed.size
                sealed.add(hashed)
                unmatched.add_sealed(Place(label, at), hashed)
                entry = next(entries, None)
        return whole

    def _leaves(self, after: int, until: int) -> Iterator[tuple[int, bytes]]:
        """The stored events in ``(after, upto]``: position, hash."""
        for span, _ in spans(self.connection, after, until, 0):
            leaves = rows(self.connection, span.after, span.until)
            yield from [(position_of(leaf), merkle.leaf_hash(leaf)) for leaf in leaves]

    def _entries(self, index: int, size: int) -> Iterator[tuple[int, int, bytes]]:
        """The kept hashes of leaves ``[index, size)``: index, position, hash."""
        for number in range(index // TILE, -(-size // TILE), CHUNK // TILE):
            last = min(number + CHUNK // TILE, -(-size // TILE)) - 1
            for row in tiles.rows_between(self.connection, 0, number, last):
                for at, (position, hashed) in enumerate(row.entries(), row.first_index):
                    if index <= at < size:
                        yield at, position, hashed
