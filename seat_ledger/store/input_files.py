"""Files that somebody names to be read: those that have an end.

A device gives bytes for ever, and a named pipe or a socket none until somebody writes:
what is read is a file, or a pipe that is connected already, as ``<(command)`` of a
shell and ``-`` are.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from seat_ledger.domain.wording import counted

_CONNECTED = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")
"""Where the process's own descriptors have names."""


def opened(path: Path) -> BinaryIO:
    """Open a file, a connected pipe or a terminal, without waiting for anybody.

    Raises OSError, as it does for a device, a named pipe, a socket and a folder.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ENXIO and path.is_socket():
            raise OSError(errno.ENXIO, "it is a socket") from error
        raise
    try:
        _refuse_unconnected(descriptor, path)
        refuse_endless(descriptor)
        os.set_blocking(descriptor, True)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _refuse_unconnected(descriptor: int, path: Path) -> None:
    kind = os.fstat(descriptor).st_mode
    if stat.S_ISDIR(kind):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if stat.S_ISFIFO(kind) and not os.fspath(path).startswith(_CONNECTED):
        raise OSError(errno.EINVAL, "it is a named pipe, to which nobody may write")


def refuse_endless(descriptor: int) -> None:
    """Raises OSError where a device is read; /dev/null and a terminal have an end."""
    about = os.fstat(descriptor)
    is_device = stat.S_ISBLK(about.st_mode) or (
        stat.S_ISCHR(about.st_mode)
        and about.st_rdev != Path(os.devnull).stat().st_rdev
        and not os.isatty(descriptor)
    )
    if is_device:
        raise OSError(errno.ENODEV, "it is a device, which has no end")


def read_text(path: Path, largest: int) -> str:
    """The text of a file of so many bytes at most.

    Raises OSError where it cannot be read, has no end or is larger, and
    UnicodeDecodeError where it is not UTF-8.
    """
    with opened(path) as stream:
        return text_of(stream, largest)


def text_of(stream: BinaryIO, largest: int) -> str:
    """The text of what is open already, as `read_text` reads it."""
    content = stream.read(largest + 1)
    if len(content) > largest:
        raise OSError(errno.EFBIG, f"it has more than {counted(largest, 'byte')}")
    return content.decode()
