"""Files that somebody names to be read: those that have an end.

A device gives bytes for ever, and a pipe that nobody writes to gives none: what is
read whole is read up to a size, and from a file or a pipe alone.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


def opened(path: Path) -> BinaryIO:
    """Open a file, a pipe or a terminal. Raises OSError, as it does for a device."""
    stream = path.open("rb")
    try:
        refuse_endless(stream.fileno())
    except OSError:
        stream.close()
        raise
    return stream


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
        raise OSError(errno.EFBIG, f"it has more than {largest:,} bytes")
    return content.decode()
