"""What is kept of the sealed tree: tiles of hashes, and signed checkpoints.

Only the notes are evidence. Tiles and columns are a help to find things fast: whatever
is made of them is held against a signed root before it is believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import psycopg

from seat_ledger.errors import IntegrityFailure
from seat_ledger.integrity import merkle
from seat_ledger.integrity.hashing import TILE, Hashed

Connection = psycopg.Connection[Any]
_COPY = (
    "COPY ledger.sealed_tile (level, number, start, last_position, positions, hashes) "
    "FROM STDIN (FORMAT binary)"
)
_TYPES = ("int2", "int8", "int2", "int8", "int8[]", "bytea")

REBUILD = "seat-ledger integrity seal --rebuild-tiles"
"""The way out of damaged tiles."""


class StoredCheckpoint(NamedTuple):
    """A row of the checkpoints. The note alone counts, not the columns."""

    size: int
    position: int
    note: str


_CHECKPOINT = "SELECT tree_size, position, note FROM ledger.sealed_checkpoint"


def checkpoints(connection: Connection) -> list[StoredCheckpoint]:
    """Every row, smallest first by its column."""
    rows = connection.execute(f"{_CHECKPOINT} ORDER BY tree_size").fetchall()
    return [StoredCheckpoint(*row) for row in rows]


def last_checkpoint(connection: Connection) -> StoredCheckpoint | None:
    """The row whose note says the greatest size."""
    row = connection.execute(
        f"{_CHECKPOINT} ORDER BY length(split_part(note, E'\\n', 2)) DESC, "
        "split_part(note, E'\\n', 2) COLLATE \"C\" DESC LIMIT 1"
    ).fetchone()
    return None if row is None else StoredCheckpoint(*row)


def checkpoint_of_size(connection: Connection, size: int) -> StoredCheckpoint | None:
    """The row whose note says this size."""
    row = connection.execute(
        f"{_CHECKPOINT} WHERE length(split_part(note, E'\\n', 2)) = length(%(size)s) "
        "AND split_part(note, E'\\n', 2) COLLATE \"C\" = %(size)s LIMIT 1",
        {"size": str(size)},
    ).fetchone()
    return None if row is None else StoredCheckpoint(*row)


def reached(connection: Connection) -> tuple[int, int]:
    """How many events are stored, and the last position."""
    row = connection.execute(
        "SELECT count(*), coalesce(max(notification_id), 0) FROM ledger.stored_events"
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def beyond(connection: Connection, position: int) -> tuple[int, int]:
    """How many events are stored behind a position, and the last position of all."""
    row = connection.execute(
        "SELECT count(*), coalesce(max(notification_id), %(position)s::bigint) "
        "FROM ledger.stored_events WHERE notification_id > %(position)s::bigint",
        {"position": position},
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def count_until(connection: Connection, position: int | None) -> int:
    """How many events are stored up to a position; all of them where it is None."""
    row = connection.execute(
        "SELECT count(*) FROM ledger.stored_events "
        "WHERE notification_id <= coalesce(%s::bigint, notification_id)",
        [position],
    ).fetchone()
    assert row is not None
    return int(row[0])


def keep_checkpoint(connection: Connection, checkpoint: StoredCheckpoint) -> bool:
    """Keep a checkpoint; False where another row has its size in the column."""
    done = connection.execute(
        "INSERT INTO ledger.sealed_checkpoint (tree_size, position, note) "
        "VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        checkpoint,
    )
    return done.rowcount == 1


class TileRow(NamedTuple):
    """Hashes of one level, side by side; on level 0 with the positions of the events.

    They are the ones from `start` on of a tile of 256.
    """

    level: int
    number: int
    start: int
    last_position: int | None
    positions: tuple[int, ...] | None
    hashes: bytes

    @property
    def first_index(self) -> int:
        """The index of its first hash on its level."""
        return self.number * TILE + self.start

    @property
    def length(self) -> int:
        """How many hashes it has."""
        return len(self.hashes) // merkle.HASH

    def labels(self) -> Sequence[int]:
        """On level 0: where the row says that its events stand."""
        last = self.last_position or 0
        if self.positions and len(self.positions) == self.length:
            return self.positions
        return range(last - self.length + 1, last + 1)

    def entries(self) -> Iterator[tuple[int, bytes]]:
        """On level 0: each event's position and hash."""
        for n, position in enumerate(self.labels()):
            yield position, self.hashes[n * 32 : n * 32 + 32]


_TILE = (
    "SELECT level, number, start, last_position, positions, hashes "
    "FROM ledger.sealed_tile"
)


def _tile_row(row: Sequence[Any]) -> TileRow:
    *place, positions, hashes = row
    level, number, start, last = place
    apart = tuple(positions) if positions else None
    return TileRow(level, number, start, last, apart, hashes)


def assembled(rows: Iterable[TileRow], first: int) -> bytes:
    """The hashes of rows that follow each other from an index on, up to a gap."""
    hashes = bytearray()
    for row in rows:
        index = first + len(hashes) // merkle.HASH
        if row.first_index != index or len(row.hashes) % merkle.HASH:
            break
        hashes += row.hashes
    return bytes(hashes)


def tiles(
    connection: Connection, places: Iterable[tuple[int, int]]
) -> dict[tuple[int, int], bytes]:
    """The hashes of tiles by level and number."""
    selected = sorted(set(places))
    rows = connection.execute(
        f"{_TILE} WHERE (level, number) IN "  # noqa: S608  a constant
        "(SELECT * FROM unnest(%s::smallint[], %s::bigint[])) "
        "ORDER BY level, number, start",
        [[level for level, _ in selected], [number for _, number in selected]],
    ).fetchall()
    by_place: dict[tuple[int, int], list[TileRow]] = {}
    for row in map(_tile_row, rows):
        by_place.setdefault((row.level, row.number), []).append(row)
    return {
        place: assembled(parts, place[1] * TILE) for place, parts in by_place.items()
    }


def rows_between(
    connection: Connection, level: int, first: int, last: int
) -> list[TileRow]:
    """The rows of the tiles from one number to another, in order."""
    rows = connection.execute(
        f"{_TILE} WHERE level = %s AND number BETWEEN %s AND %s ORDER BY number, start",
        [level, first, last],
    ).fetchall()
    return [_tile_row(row) for row in rows]


def row_of(connection: Connection, position: int) -> TileRow | None:
    """The row that a position's event would stand in."""
    row = connection.execute(
        f"{_TILE} WHERE level = 0 AND last_position >= %s "
        "ORDER BY last_position LIMIT 1",
        [position],
    ).fetchone()
    return None if row is None else _tile_row(row)


def damaged(detail: str) -> IntegrityFailure:
    """The kept hashes are not those that were signed, whatever the events are."""
    return IntegrityFailure(
        f"The seals stored in the database are damaged: {detail} This concerns the "
        "stored hashes, not the events.",
        try_=f"seat-ledger integrity verify; if the events are as signed: {REBUILD}",
    )


def _place(level: int, index: int) -> tuple[int, int, int, int]:
    """Where a full subtree's hashes are: tile level, number, first hash, levels up."""
    tile_level, up = divmod(level, 8)
    number, first = divmod(index << up, TILE)
    return tile_level, number, first, up


def nodes(connection: Connection, ranges: Iterable[merkle.Range]) -> list[bytes]:
    """The node over each range of leaves, from the tiles.

    Nobody has signed them: hold what is made of them against a signed root. Raises
    IntegrityFailure where the tiles do not reach so far.
    """
    parts = [merkle.full_subtrees(low, high) for low, high in ranges]
    places = {subtree: _place(*subtree) for part in parts for subtree in part}
    hashes_of = tiles(connection, [place[:2] for place in places.values()])
    computed = {}
    for subtree, (level, number, first, up) in places.items():
        hashes = hashes_of.get((level, number), b"")
        own = hashes[first * 32 : (first + (1 << up)) * 32]
        if len(own) != 32 << up:
            raise damaged(f"tile {number} of level {level} is incomplete.")
        computed[subtree] = merkle.fold(own, up)
    return [_joined([computed[subtree] for subtree in part]) for part in parts]


def _joined(peaks: list[bytes]) -> bytes:
    return merkle.Frontier(len(peaks), peaks).root()


def frontier(connection: Connection, size: int) -> merkle.Frontier:
    """The sealed tree as far as `size`, ready to grow."""
    ranges = [
        (index << level, index + 1 << level)
        for level, index in merkle.full_subtrees(0, size)
    ]
    return merkle.Frontier(size, nodes(connection, ranges))


class TileWriter:
    """Appends leaf hashes to the tiles, level by level; what is there stays."""

    def __init__(self, connection: Connection, size: int) -> None:
        self.connection = connection
        self.waiting: list[tuple[Any, ...]] = []
        self.numbers: list[int] = []
        self.open: list[bytearray] = []
        self.written: list[int] = []
        self.positions: list[int] = []
        self._take_up(size)

    def _take_up(self, size: int) -> None:
        """Read the tiles that are not full, which the next rows continue."""
        while size:
            number, beside = divmod(size, TILE)
            place = (len(self.numbers), number)
            hashes = tiles(self.connection, [place]).get(place, b"") if beside else b""
            if len(hashes) != beside * merkle.HASH:
                raise damaged(
                    f"tile {number} of level {place[0]} does not end correctly."
                )
            self.numbers.append(number)
            self.open.append(bytearray(hashes))
            self.written.append(beside)
            size = number

    def append(self, hashed: Hashed) -> None:
        """Append the leaves of a span, and write the tiles that are full."""
        count, apart = hashed.events, hashed.positions
        positions: Sequence[int] = apart or range(
            hashed.span.until - count + 1, hashed.span.until + 1
        )
        start = 0
        while start < count:
            if not self.open:
                self.open, self.numbers, self.written = [bytearray()], [0], [0]
            stop = min(count, start + TILE - len(self.open[0]) // merkle.HASH)
            self.open[0] += hashed.hashes[start * 32 : stop * 32]
            self.positions.extend(positions[start:stop])
            if len(self.open[0]) == TILE * merkle.HASH:
                self._close_leaves(hashed, start)
            start = stop
        self._write()

    def _close_leaves(self, hashed: Hashed, start: int) -> None:
        """A tile of events is full: keep it, and its root a level above."""
        hashes = bytes(self.open[0])
        tile, beside = divmod(start - hashed.span.skip, TILE)
        whole = not beside and tile >= 0
        root = hashed.roots[tile * 32 : tile * 32 + 32] if whole else b""
        self._end_tile(0)
        self._raise(1, root or merkle.fold(hashes, 8))

    def _keep(self, level: int) -> None:
        """Keep what is new of the open tile of a level, as a row of its own."""
        start = self.written[level]
        hashes = bytes(self.open[level][start * 32 :])
        if not hashes:
            return
        last, apart = None, None
        if level == 0:
            last, count = self.positions[-1], len(self.positions)
            apart = self.positions if last - self.positions[0] >= count else None
            self.positions = []
        self.waiting.append((level, self.numbers[level], start, last, apart, hashes))
        self.written[level] = len(self.open[level]) // merkle.HASH

    def _end_tile(self, level: int) -> None:
        self._keep(level)
        self.numbers[level] += 1
        self.open[level], self.written[level] = bytearray(), 0

    def _raise(self, level: int, root: bytes) -> None:
        if level == len(self.open):
            self.open.append(bytearray())
            self.numbers.append(0)
            self.written.append(0)
        self.open[level] += root
        if len(self.open[level]) == TILE * 32:
            hashes = bytes(self.open[level])
            self._end_tile(level)
            self._raise(level + 1, merkle.fold(hashes, 8))

    def close(self) -> None:
        """Write what is new in the tiles that are not full yet."""
        for level in range(len(self.open)):
            self._keep(level)
        self._write()

    def _write(self) -> None:
        if not self.waiting:
            return
        with self.connection.cursor().copy(_COPY) as copy:
            copy.set_types(_TYPES)
            for row in self.waiting:
                copy.write_row(row)
        self.waiting = []


def replace_all(connection: Connection, notes: Sequence[StoredCheckpoint]) -> None:
    """Remove all tiles, and every checkpoint but these, which are put right.

    For the owner of the tables, in a transaction: the triggers are off meanwhile.
    """
    for table in _TABLES:
        connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())
    connection.execute("DELETE FROM ledger.sealed_tile")
    connection.execute("DELETE FROM ledger.sealed_checkpoint")
    for checkpoint in notes:
        keep_checkpoint(connection, checkpoint)
    for table in _TABLES:
        connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER".encode())


_TABLES = ("ledger.sealed_tile", "ledger.sealed_checkpoint")
