"""Lines in the order of their times, however many there are.

They are sorted in runs that go to temporary files, which nobody else can open, and are
merged: a log of any length takes little memory.
"""

from __future__ import annotations

import heapq
import struct
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import chain, groupby, pairwise
from operator import itemgetter
from types import TracebackType
from typing import BinaryIO, Self

RUN = 100_000
"""Lines that are sorted in memory."""

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
        self._files = ExitStack()
        self._runs: list[BinaryIO] = []
        self._bounds: list[tuple[int, int]] = []
        self._last = _NEVER
        self._rises = self._falls = self._has_ties = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._files.close()

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
        runs: list[Iterable[TimedLine]] = [_read(file) for file in self._runs]
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
        file = tempfile.TemporaryFile(buffering=1 << 18)  # noqa: SIM115  kept open
        self._files.enter_context(file)
        for order, number, row, text in self._waiting:
            file.write(_HEAD.pack(order, number, row, len(text)))
            file.write(text)
        self._runs.append(file)  # type: ignore[arg-type]
        self._waiting = []


_PLACE = itemgetter(0, 1)


def _read(file: BinaryIO) -> Iterator[TimedLine]:
    file.seek(0)
    while head := file.read(_HEAD.size):
        order, number, row, size = _HEAD.unpack(head)
        yield order, number, row, file.read(size)
