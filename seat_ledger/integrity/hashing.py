"""The leaves of the stored events, hashed as the server's binary COPY brings them.

Ranges of positions are hashed side by side, in processes of their own where there is
much to do: each reads its range on a connection of its own and hands back hashes.
"""

from __future__ import annotations

import os
import signal
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from multiprocessing import get_context
from typing import Any, NamedTuple

import psycopg

from seat_ledger.integrity import merkle
from seat_ledger.integrity.leaf import COLUMNS, position_of
from seat_ledger.store.connection import connect
from seat_ledger.store.processes import end_with_parent

TILE = 256
"""Hashes in a full tile."""

CHUNK = 65_536
"""Events that are hashed together: 256 tiles."""

WORTH_PROCESSES = 150_000
"""With so many events, starting processes is the shorter way."""

FIRST = -(2**63)
"""A position before all."""

DEFAULT_PROCESSES = max(1, min(8, os.cpu_count() or 1))

_SIGNATURE = b"PGCOPY\n\xff\r\n\x00"
_HEADER = len(_SIGNATURE) + 8
_TRAILER = b"\xff\xff"
_ROWS = (
    f"COPY (SELECT {COLUMNS} FROM ledger.stored_events "  # noqa: S608  a constant
    "WHERE notification_id > %s AND notification_id <= %s "
    "ORDER BY notification_id) TO STDOUT (FORMAT binary)"
)
_BOUND = (
    "SELECT max(position), count(*) FROM (SELECT notification_id AS position "
    "FROM ledger.stored_events WHERE notification_id > %s AND notification_id <= %s "
    "ORDER BY 1 LIMIT %s) AS next"
)
_SETTINGS = {
    "client_encoding": "UTF8",
    "enable_seqscan": "off",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}

Connection = psycopg.Connection[Any]


class LeafSpan(NamedTuple):
    """A range of positions ``(after, upto]``.

    `skip` is how many of its events come before the next full tile begins.
    """

    after: int
    until: int
    skip: int = 0


class Hashed(NamedTuple):
    """The leaf hashes of a span, side by side, and the roots of its full tiles.

    `positions` are theirs, 8 bytes each; empty where they follow without a gap.
    """

    span: LeafSpan
    hashes: bytes
    roots: bytes
    positions: tuple[int, ...]

    @property
    def events(self) -> int:
        """How many events the span has."""
        return len(self.hashes) // merkle.HASH

    def feed(self, tree: merkle.Frontier, start: int, stop: int) -> None:
        """Add the events from `start` to `stop` to a tree, tile by tile if it can."""
        while start < stop:
            tile, beside = divmod(start - self.span.skip, TILE)
            whole = not beside and not tree.size % TILE and stop - start >= TILE
            if whole and self.roots:  # hashes from elsewhere come without roots
                tree.add(self.roots[tile * 32 : tile * 32 + 32], 8)
                start += TILE
            else:
                tree.add(self.hashes[start * 32 : start * 32 + 32])
                start += 1


def open_for_reading(conninfo: str) -> Connection:
    """A connection on which leaves are read."""
    connection = connect(conninfo, role="writer", autocommit=True)
    for name, value in _SETTINGS.items():
        connection.execute("SELECT set_config(%s, %s, false)", [name, value])
    return connection


def rows(connection: Connection, after: int, until: int) -> Iterator[bytes]:
    """The leaves of the events in ``(after, upto]``, in order."""
    with connection.cursor().copy(_ROWS, [after, until]) as copy:
        for data in copy:
            row = bytes(data)
            if row.startswith(_SIGNATURE):
                row = row[_HEADER:]
            if row and row != _TRAILER:
                yield row


def hash_span(connection: Connection, span: LeafSpan) -> Hashed:
    """Hash the events of a span."""
    hashes: list[bytes] = []
    row: Any
    keep, first, last = hashes.append, b"", b""
    with connection.cursor().copy(_ROWS, [span.after, span.until]) as copy:
        for data in copy:
            row = data if data[:2] == b"\x00\x06" else bytes(data)[_HEADER:]
            if len(row) > len(_TRAILER):
                keep(sha256(b"\x00" + row).digest())
                last = row
                first = first or row
    positions: tuple[int, ...] = ()
    if first:
        begin, end = position_of(bytes(first)), position_of(bytes(last))
        if end != span.until or end - begin + 1 != len(hashes):
            positions = tuple(
                map(position_of, rows(connection, span.after, span.until))
            )
    full = (len(hashes) - span.skip) // TILE * TILE
    part = b"".join(hashes[span.skip : span.skip + full]) if full > 0 else b""
    return Hashed(span, b"".join(hashes), merkle.fold(part, 8), positions)


def spans(
    connection: Connection, after: int, until: int, size: int
) -> Iterator[tuple[LeafSpan, int]]:
    """Cut the events of ``(after, upto]`` into spans, each with its number of events.

    `size` is how many events stand before them; spans end where tiles do.
    """
    while True:
        limit = CHUNK - size % CHUNK
        row = connection.execute(_BOUND, [after, until, limit]).fetchone()
        assert row is not None
        bound, count = row
        if not count:
            return
        yield LeafSpan(after, bound, -size % TILE), count
        after, size = bound, size + count


_connection: Connection


def _begin(conninfo: str) -> None:
    """Prepare a process: the parent alone answers to an interrupt."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    global _connection  # noqa: PLW0603  one a process
    _connection = open_for_reading(conninfo)


def _hash_in_process(span: LeafSpan) -> Hashed:
    return hash_span(_connection, span)


class HashingPool:
    """Hashes spans, in order, in this process or in others."""

    def __init__(
        self, connection: Connection, pool: ProcessPoolExecutor | None, width: int
    ) -> None:
        self.connection, self.pool, self.width = connection, pool, width

    def hash(self, selected: Iterable[LeafSpan]) -> Iterator[Hashed]:
        """Hash spans; what is done and not yet taken stays little."""
        if self.pool is None:
            for span in selected:
                yield hash_span(self.connection, span)
            return
        waiting: deque[Future[Hashed]] = deque()
        for span in selected:
            waiting.append(self.pool.submit(_hash_in_process, span))
            if len(waiting) > self.width + 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@contextmanager
def crew(
    conninfo: str, events: int, processes: int | None = None
) -> Iterator[HashingPool]:
    """Whoever hashes so many events: one process, or several."""
    width = processes or DEFAULT_PROCESSES
    connection = open_for_reading(conninfo)
    pool = None
    try:
        if width > 1 and events > WORTH_PROCESSES:
            pool = ProcessPoolExecutor(
                width, get_context("spawn"), initializer=_begin, initargs=(conninfo,)
            )
        yield HashingPool(connection, pool, width)
    finally:
        if pool is not None:
            pool.shutdown(cancel_futures=True)
        connection.close()


def advance(
    tree: merkle.Frontier, hashed: Hashed, sizes: Sequence[int], roots: dict[int, bytes]
) -> None:
    """Grow a tree by a span, and note its root at every size that is asked for."""
    base, done = tree.size, 0
    for size in sizes[bisect_right(sizes, base) :]:
        if size > base + hashed.events:
            break
        hashed.feed(tree, done, size - base)
        done = size - base
        roots[size] = tree.root()
    hashed.feed(tree, done, hashed.events)
