"""What is kept of the sealed tree: tiles of hashes, and signed checkpoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import psycopg

from seat_ledger.errors import IntegrityFailure
from seat_ledger.integrity import merkle
from seat_ledger.store.leaves import TILE, Hashed

Connection = psycopg.Connection[Any]
_COPY = (
    "COPY ledger.sealed_tile (level, number, last_position, positions, hashes) "
    "FROM STDIN (FORMAT binary)"
)
_TYPES = ("int2", "int8", "int8", "int8[]", "bytea")


class Kept(NamedTuple):
    """A checkpoint as the database keeps it."""

    size: int
    position: int
    note: str


def checkpoints(connection: Connection) -> list[Kept]:
    """Every kept checkpoint, smallest first."""
    rows = connection.execute(
        "SELECT tree_size, position, note FROM ledger.sealed_checkpoint ORDER BY 1"
    ).fetchall()
    return [Kept(*row) for row in rows]


def checkpoint(connection: Connection, size: int | None = None) -> Kept | None:
    """The kept checkpoint of a size, or the last one."""
    row = connection.execute(
        "SELECT tree_size, position, note FROM ledger.sealed_checkpoint "
        "WHERE tree_size = coalesce(%(size)s::bigint, tree_size) "
        "ORDER BY 1 DESC LIMIT 1",
        {"size": size},
    ).fetchone()
    return None if row is None else Kept(*row)


def reached(connection: Connection) -> tuple[int, int]:
    """How many events are stored, and the last position."""
    row = connection.execute(
        "SELECT count(*), coalesce(max(notification_id), 0) FROM ledger.stored_events"
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def keep(connection: Connection, kept: Kept) -> None:
    """Keep a checkpoint."""
    connection.execute(
        "INSERT INTO ledger.sealed_checkpoint (tree_size, position, note) "
        "VALUES (%s, %s, %s)",
        kept,
    )


class Tile(NamedTuple):
    """Up to 256 hashes of one level; on level 0 with the positions of the events."""

    level: int
    number: int
    last_position: int | None
    positions: tuple[int, ...] | None
    hashes: bytes

    def entries(self) -> Iterator[tuple[int, bytes]]:
        """On level 0: each event's position and hash."""
        count = len(self.hashes) // merkle.HASH
        last = self.last_position or 0
        found = self.positions or range(last - count + 1, last + 1)
        for n, position in enumerate(found):
            yield position, self.hashes[n * 32 : n * 32 + 32]


_TILE = "SELECT level, number, last_position, positions, hashes FROM ledger.sealed_tile"


def tiles(connection: Connection, wanted: Iterable[tuple[int, int]]) -> dict[Any, Tile]:
    """Tiles by level and number."""
    asked = sorted(set(wanted))
    found = connection.execute(
        f"{_TILE} WHERE (level, number) IN "  # noqa: S608  a constant
        "(SELECT * FROM unnest(%s::smallint[], %s::bigint[]))",
        [[level for level, _ in asked], [number for _, number in asked]],
    ).fetchall()
    return {(row[0], row[1]): _tile(row) for row in found}


def _tile(row: Sequence[Any]) -> Tile:
    level, number, last, positions, hashes = row
    return Tile(level, number, last, tuple(positions) if positions else None, hashes)


def leaf_tiles(connection: Connection, first: int, last: int) -> list[Tile]:
    """The tiles of events from one number to another, in order."""
    rows = connection.execute(
        f"{_TILE} WHERE level = 0 AND number BETWEEN %s AND %s ORDER BY number",
        [first, last],
    ).fetchall()
    return [_tile(row) for row in rows]


def tile_of(connection: Connection, position: int) -> Tile | None:
    """The tile that a position's event would stand in."""
    row = connection.execute(
        f"{_TILE} WHERE level = 0 AND last_position >= %s "
        "ORDER BY last_position LIMIT 1",
        [position],
    ).fetchone()
    return None if row is None else _tile(row)


def _place(level: int, index: int) -> tuple[int, int, int, int]:
    """Where a full subtree's hashes are: tile level, number, first hash, levels up."""
    tile_level, up = divmod(level, 8)
    number, first = divmod(index << up, TILE)
    return tile_level, number, first, up


def nodes(connection: Connection, ranges: Iterable[merkle.Range]) -> list[bytes]:
    """The node over each range of leaves, from the tiles.

    Raises IntegrityFailure where the tiles do not reach so far.
    """
    parts = [merkle.full_subtrees(low, high) for low, high in ranges]
    places = {one: _place(*one) for part in parts for one in part}
    found = tiles(connection, [place[:2] for place in places.values()])
    made = {}
    for one, (level, number, first, up) in places.items():
        tile = found.get((level, number))
        own = tile.hashes[first * 32 : (first + (1 << up)) * 32] if tile else b""
        if len(own) != 32 << up:
            raise IntegrityFailure(
                "The kept hashes of the sealed tree are not whole.",
                try_="seat-ledger integrity verify",
            )
        made[one] = merkle.fold(own, up)
    return [_joined([made[one] for one in part]) for part in parts]


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
    """Appends leaf hashes to the tiles, level by level."""

    def __init__(self, connection: Connection, size: int) -> None:
        self.connection = connection
        self.waiting: list[tuple[Any, ...]] = []
        self.numbers: list[int] = []
        self.open: list[bytearray] = []
        self.positions: list[int] = []
        self._take_up(size)

    def _take_up(self, size: int) -> None:
        """Continue the tiles that are not full; they are written anew."""
        while size:
            number, beside = divmod(size, TILE)
            self.numbers.append(number)
            tile = None
            if beside:
                row = self.connection.execute(
                    "DELETE FROM ledger.sealed_tile WHERE level = %s AND number = %s "
                    "RETURNING level, number, last_position, positions, hashes",
                    [len(self.numbers) - 1, number],
                ).fetchone()
                tile = _tile(row) if row else None
            self.open.append(bytearray(tile.hashes if tile else b""))
            if tile and tile.level == 0:
                self.positions = [position for position, _ in tile.entries()]
            size = number

    def append(self, hashed: Hashed) -> None:
        """Append the leaves of a span, and write the tiles that are full."""
        count, found = hashed.events, hashed.positions
        positions: Sequence[int] = found or range(
            hashed.span.upto - count + 1, hashed.span.upto + 1
        )
        start = 0
        while start < count:
            if not self.open:
                self.open, self.numbers = [bytearray()], [0]
            stop = min(count, start + TILE - len(self.positions))
            self.open[0] += hashed.hashes[start * 32 : stop * 32]
            self.positions.extend(positions[start:stop])
            if len(self.positions) == TILE:
                self._close_leaves(hashed, start)
            start = stop
        self._write()

    def _close_leaves(self, hashed: Hashed, start: int) -> None:
        """A tile of events is full: keep it, and its root a level above."""
        hashes = bytes(self.open[0])
        tile, beside = divmod(start - hashed.span.skip, TILE)
        whole = not beside and tile >= 0
        root = hashed.roots[tile * 32 : tile * 32 + 32] if whole else b""
        self._keep(0, hashes)
        self._raise(1, root or merkle.fold(hashes, 8))

    def _keep(self, level: int, hashes: bytes) -> None:
        last, apart = None, None
        if level == 0:
            last, count = self.positions[-1], len(self.positions)
            apart = self.positions if last - self.positions[0] >= count else None
            self.positions = []
        self.waiting.append((level, self.numbers[level], last, apart, hashes))
        self.numbers[level] += 1
        self.open[level] = bytearray()

    def _raise(self, level: int, root: bytes) -> None:
        if level == len(self.open):
            self.open.append(bytearray())
            self.numbers.append(0)
        self.open[level] += root
        if len(self.open[level]) == TILE * 32:
            hashes = bytes(self.open[level])
            self._keep(level, hashes)
            self._raise(level + 1, merkle.fold(hashes, 8))

    def close(self) -> None:
        """Write the tiles that are not full yet."""
        for level, hashes in enumerate(self.open):
            if hashes:
                self._keep(level, bytes(hashes))
        self._write()

    def _write(self) -> None:
        if not self.waiting:
            return
        with self.connection.cursor().copy(_COPY) as copy:
            copy.set_types(_TYPES)
            for row in self.waiting:
                copy.write_row(row)
        self.waiting = []
