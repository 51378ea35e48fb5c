"""Lines in the order of their times, however many there are.

They are sorted in runs that go to temporary files, which nobody else can open, and are
merged: a log of any length takes little memory.
"""

from __future__ import annotations

import heapq
import struct
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import groupby
from operator import itemgetter
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

RUN = 100_000
"""Lines that are sorted in memory."""

_HEAD = struct.Struct("<qqqI")


class TimedLine(NamedTuple):
    """A line of the output: its time, its number, the row it is of, and its text."""

    order: int
    number: int
    row: int
    text: bytes


class TimeSorter:
    """Takes lines in the order of a file; gives them in the order of their times.

    Lines of one time stay in the order of the file; where the whole file is newest
    first, its rows of one time turn around.
    """

    def __init__(self) -> None:
        self._waiting: list[TimedLine] = []
        self._files = ExitStack()
        self._runs: list[BinaryIO] = []
        self._last: int | None = None
        self._rises = self._falls = False

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
        order = line.order
        if self._last is not None and order != self._last:
            if order > self._last:
                self._rises = True
            else:
                self._falls = True
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
        self._waiting.sort(key=_PLACE)
        runs: list[Iterator[TimedLine]] = [_read(file) for file in self._runs]
        ordered = (
            heapq.merge(*runs, self._waiting, key=_PLACE) if runs else self._waiting
        )
        if not self.newest_first:
            yield from ordered
            return
        for _, lines in groupby(ordered, key=itemgetter(0)):
            rows = [list(row) for _, row in groupby(lines, key=itemgetter(2))]
            for row in reversed(rows):
                yield from row

    def _spill(self) -> None:
        self._waiting.sort(key=_PLACE)
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
        yield TimedLine(order, number, row, file.read(size))
