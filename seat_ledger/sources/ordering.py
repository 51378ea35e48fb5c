"""Lines in the order of their times, however many there are.

They are sorted in runs that go to a temporary file, which nobody else can open, and are
merged: a log of any length takes little memory.
"""

from __future__ import annotations

import heapq
import os
import struct
import tempfile
from collections.abc import Iterable, Iterator
from itertools import chain, groupby, pairwise
from operator import itemgetter
from typing import IO, Self

RUN = 20_000
"""Lines that are sorted in memory."""

_PIECE = 1 << 16

_NEVER = -(2**63)
_HEAD = struct.Struct("<qqqI")


TimedLine = tuple[int, int, int, bytes]
"""A line of the output: its time, its number, the row it is of, and its text."""


class TimeSorter:
    """Takes lines in the order of a file; gives them in the order of their times.

    Lines of one time stay in the order of the file; where the whole file is newest
    first, its rows of one time turn around.
    """

    def __init__(self) -> None:
        self._waiting: list[TimedLine] = []
        self._file: IO[bytes] | None = None
        self._runs: list[tuple[int, int]] = []
        self._bounds: list[tuple[int, int]] = []
        self._last = _NEVER
        self._rises = self._falls = self._has_ties = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, line: TimedLine) -> None:
        """Take a line."""
        order, last = line[0], self._last
        if order > last:
            self._rises = last != _NEVER or self._rises
        elif order < last:
            self._falls = True
        else:
            self._has_ties = True
        self._last = order
        self._waiting.append(line)
        if len(self._waiting) >= RUN:
            self._spill()

    @property
    def newest_first(self) -> bool:
        """Whether each line was as old as the one before it, or older."""
        return self._falls and not self._rises

    def lines(self) -> Iterator[TimedLine]:
        """All lines in order."""
        ordered = self._merged()
        if not self.newest_first or not self._has_ties:
            yield from ordered
            return
        for _, lines in groupby(ordered, key=itemgetter(0)):
            rows = [list(row) for _, row in groupby(lines, key=itemgetter(2))]
            for row in reversed(rows):
                yield from row

    def _merged(self) -> Iterable[TimedLine]:
        """All runs as one; where none reaches into another, one after the other."""
        self._waiting.sort(key=_PLACE)
        if self._file is not None:
            self._file.flush()
        runs: list[Iterable[TimedLine]] = [self._read(*run) for run in self._runs]
        if self._waiting:
            self._bounds.append((self._waiting[0][0], self._waiting[-1][0]))
            runs.append(self._waiting)
        in_order = sorted(range(len(runs)), key=lambda n: self._bounds[n])
        apart = all(
            self._bounds[earlier][1] < self._bounds[later][0]
            for earlier, later in pairwise(in_order)
        )
        if apart:
            return chain.from_iterable(runs[n] for n in in_order)
        return heapq.merge(*runs, key=_PLACE)

    def _spill(self) -> None:
        self._waiting.sort(key=_PLACE)
        self._bounds.append((self._waiting[0][0], self._waiting[-1][0]))
        if self._file is None:
            self._file = tempfile.TemporaryFile(buffering=1 << 18)  # noqa: SIM115  closed with the sorter
        began = self._file.tell()
        write, pack = self._file.write, _HEAD.pack
        for order, number, row, text in self._waiting:
            write(pack(order, number, row, len(text)) + text)
        self._runs.append((began, self._file.tell()))
        self._waiting = []

    def _read(self, place: int, end: int) -> Iterator[TimedLine]:
        """The lines of a run; each run is read at its own place in the one file."""
        assert self._file is not None
        descriptor, piece, at = self._file.fileno(), b"", 0
        size, unpack = _HEAD.size, _HEAD.unpack_from
        while place < end:
            more = os.pread(descriptor, min(_PIECE, end - place), place)
            place += len(more)
            piece, at = piece[at:] + more, 0
            last = len(piece)
            while at + size <= last:
                order, number, row, length = unpack(piece, at)
                stop = at + size + length
                if stop > last:
                    break
                yield order, number, row, piece[at + size : stop]
                at = stop


_PLACE = itemgetter(0, 1)
