"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from seat_ledger.errors import LedgerError


def write_whole(path: Path, text: str) -> None:
    """Write a file beside its place, and move it there. Raises LedgerError.

    What is there and is no file (a pipe, a terminal, /dev/null) is written to, and
    never replaced.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")
            return
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise LedgerError(
            f"{path} cannot be written: {error.strerror}.", try_="name another file"
        ) from error
