"""The lines of a file of commands, of any size.

Those of a pipe or a terminal are given as they come.
"""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Callable, Iterator
from functools import partial
from select import select
from typing import TYPE_CHECKING, BinaryIO, Protocol

from seat_ledger.commands.messages import MAX_LINE
from seat_ledger.errors import InvalidInput

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

QUIET = 0.2
"""Seconds without a byte, after which the next line is not there yet."""


HasEnded = Callable[[], bool]


class Lines(Protocol):
    """Whatever lines are read from."""

    def readline(self, limit: int, /) -> bytes | None:
        """The next line, or so much of it; None where it is not there yet."""
        ...


def lines_of(stream: Lines, *, past_long_ones: bool = False) -> Iterator[bytes | None]:
    """The lines of a stream of any size; one that is too long is cut, and refused.

    What follows such a line is read only if `past_long_ones` says so. None stands
    where the next line is not there yet.
    """
    is_first, is_long = True, False
    for line in iter(partial(stream.readline, MAX_LINE + 2), b""):
        if line is None:
            yield None
            continue
        if is_first and line.startswith(b"\x1f\x8b"):
            raise InvalidInput("The file is compressed (gzip).", try_="unpack it first")
        if not is_long:
            yield line
        is_first, is_long = False, len(line) > MAX_LINE + 1 or is_long
        is_long = is_long and not line.endswith(b"\n")
        if is_long and not past_long_ones:
            return


def arriving(stream: BinaryIO, has_ended: HasEnded = lambda: False) -> Lines:
    """The stream itself, or one that says when a pipe or a terminal is quiet.

    That is not waited for any more once `has_ended` says so.
    """
    try:
        descriptor = stream.fileno()
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return stream
    except (OSError, ValueError):  # it is in memory
        return stream
    return _Arriving(descriptor, has_ended)


def size_of(stream: BinaryIO) -> int | None:
    """How many bytes a file has; None where they come from elsewhere."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


class _Arriving:
    """Lines from a descriptor; a line is given when all of it is there."""

    def __init__(self, descriptor: int, has_ended: HasEnded) -> None:
        self._raw = _Quiet(descriptor, has_ended)
        self._stream = io.BufferedReader(self._raw, 1 << 16)
        self._begun = b""

    def readline(self, limit: int, /) -> bytes | None:
        """The next line, or so much of it; None where it is not there yet."""
        line = self._begun + self._stream.readline(limit - len(self._begun))
        if self._raw.is_quiet and len(line) < limit and not line.endswith(b"\n"):
            self._begun = line
            return None
        self._begun = b""
        return line


class _Quiet(io.RawIOBase):
    """A descriptor that says once when nothing comes, and waits then."""

    def __init__(self, descriptor: int, has_ended: HasEnded) -> None:
        self.descriptor, self.has_ended = descriptor, has_ended
        self.is_quiet = False

    def readable(self) -> bool:
        """It is there to be read."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        """Read what is there; None where that is nothing, and was not said before.

        What was told of the lines before goes out first: who writes may wait for it.
        """
        if not self._is_there(0):
            sys.stdout.flush()
            if not self.is_quiet and not self._is_there(QUIET):
                self.is_quiet = True
                return None
        while not self._is_there(QUIET):
            if self.has_ended():
                return 0
        self.is_quiet = False
        return os.readv(self.descriptor, [buffer])

    def _is_there(self, seconds: float) -> bool:
        return bool(select([self.descriptor], [], [], seconds)[0])
