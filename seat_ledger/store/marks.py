"""Marks of ours: what is not marked is somebody else's, whatever its name.

A mark is asked for before a server is used or stopped, and before anything is removed.
Folders of before there were marks are known by what only this program writes there.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

MARK = "SEAT_LEDGER"
EMBEDDED = "seat-ledger-embedded"
"""In the address of an embedded server: variables of the environment (PG…) do not
reach it."""
_TELLING = "A folder of the seat ledger's embedded server.\n"
_SETTINGS = "# Of the seat ledger."
"""The line before our settings in postgresql.conf."""
_COPY = re.compile(r"[\w.]+-[0-9]+(\.partial)?")
"""What a copy of PostgreSQL's programs is called, in the folder `binaries`."""


def mark(folder: Path) -> None:
    """Mark a folder as ours. Raises OSError."""
    (folder / MARK).write_text(_TELLING)


def is_ours(folder: Path) -> bool:
    """Whether a folder is marked, or holds what only this program makes."""
    if (folder / MARK).is_file():
        return True
    return _is_our_data(folder) or _is_our_copies(folder)


def _is_our_data(folder: Path) -> bool:
    try:
        settings = (folder / "postgresql.conf").read_text(errors="replace")
    except OSError:
        return False
    return (folder / "PG_VERSION").is_file() and _SETTINGS in settings.splitlines()


def _is_our_copies(folder: Path) -> bool:
    try:
        names = [child.name for child in folder.iterdir()]
    except OSError:
        return False
    return folder.name == "binaries" and all(map(_COPY.fullmatch, names))


def is_there(folder: Path) -> bool:
    """Whether anything stands there under that name, if only a link to nowhere."""
    return os.path.lexists(folder)


def remove(folder: Path) -> None:
    """Remove a folder of ours with all that is in it; leave any other."""
    if not folder.is_symlink() and is_ours(folder):
        shutil.rmtree(folder, ignore_errors=True)
