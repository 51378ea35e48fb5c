"""The file that a command reads: opened in one place, or refused in plain words."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import UnsupportedOperation
from pathlib import Path
from typing import BinaryIO

from seat_ledger.domain.values import shown
from seat_ledger.errors import InvalidInput, LedgerError
from seat_ledger.store.input_files import opened, refuse_endless

STDIN = Path("-")


@contextmanager
def input_file(path: Path, try_: str) -> Iterator[BinaryIO]:
    """The bytes of a file, or of standard input for '-'. Raises InvalidInput."""
    try:
        if path == STDIN:
            stream: BinaryIO = sys.stdin.buffer
            with suppress(UnsupportedOperation):  # it is in memory
                refuse_endless(stream.fileno())
        else:
            stream = opened(path)
    except IsADirectoryError as error:
        raise InvalidInput(
            f"{shown(path)} is a folder, not a file.", try_=try_
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        name = "Standard input" if path == STDIN else shown(path)
        raise InvalidInput(f"{name} cannot be read: {reason}.", try_=try_) from error
    if path == STDIN:
        yield stream
        return
    with stream:
        yield stream


@contextmanager
def naming_lines_of(file: str) -> Iterator[None]:
    """Let an error that knows the line that it is about name the file as well."""
    try:
        yield
    except LedgerError as error:
        if line := error.details.get("line"):
            error.message = f"{file}:{line}: {error.message}"
        raise
