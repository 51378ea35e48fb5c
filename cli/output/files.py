"""Files that are written whole or not at all, whoever else writes into their folder.

What is written lies beside its place under a name that nobody can foresee, made by us
and by nobody else (a link that was planted is never followed), and is moved there when
it is whole. New files are for their owner alone; a file that is there keeps its mode.
"""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

import click

from seat_ledger.domain.values import as_word
from seat_ledger.errors import (
    InvalidInput,
    LedgerError,
    MissingExtra,
    system_reason,
    way_out,
)

PRIVATE, PUBLIC = 0o600, 0o644


def write_whole(path: Path, text: str, mode: int = PRIVATE) -> None:
    """Write a file beside its place, and move it there. Raises LedgerError.

    What is there and is no file (a pipe, a terminal, /dev/null) is written to, and
    never replaced.
    """
    with Partial(path, mode) as partial:
        if _is_no_file(path):
            path.write_text(text, encoding="utf-8")
            return
        partial.path.write_text(text, encoding="utf-8")
        partial.place()


def check_target(path: Path, kind: str, *endings: str) -> None:
    """Make sure that a file can be written there, before anything is computed.

    `kind` says what it is: "A report". Raises InvalidInput.
    """
    if path.suffix.lower() not in endings:
        *others, last = endings
        raise InvalidInput(
            f"{kind} is written as {', '.join(others)} or {last}, not as {path.name}.",
            try_=_option_for(path)
            or f"name it {' or '.join(f'out{ending}' for ending in endings)}",
        )
    if path.is_dir() or not path.parent.is_dir():
        raise InvalidInput(
            f"{path} cannot be written: "
            + ("it is a folder." if path.is_dir() else "there is no such folder."),
            try_="name a file in a folder that exists",
        )


_OF_OPTIONS = {".ics": "--calendar", ".html": "--letter", ".md": "--letter"}
"""Which option writes files of an ending, in commands that have it."""


def _option_for(path: Path) -> str | None:
    """The other option of the command that writes such a file."""
    context = click.get_current_context(silent=True)
    option = _OF_OPTIONS.get(path.suffix.lower())
    if context is None or option is None:
        return None
    has_it = any(option in param.opts for param in context.command.params)
    return f"{option} {as_word(str(path))}" if has_it else None


def need(package: str, extra: str, what: str) -> None:
    """Make sure of a package of an extra. Raises MissingExtra."""
    if find_spec(package) is None:
        raise MissingExtra(
            f"{what} needs the package {package}, which is not installed.",
            try_=f"install its extra: pip install 'seat-ledger[{extra}]'",
        )


def _is_no_file(path: Path) -> bool:
    return path.exists() and not path.is_file()


class Partial:
    """A file beside its place until it is whole."""

    def __init__(self, target: Path, mode: int = PRIVATE) -> None:
        self.target = target
        self.mode = mode
        self.path = target

    def __enter__(self) -> Self:
        try:
            if not _is_no_file(self.target):
                self.path = self._created()
        except (OSError, ValueError) as error:
            raise self._failed(error) from error
        return self

    def _created(self) -> Path:
        with suppress(FileNotFoundError):
            self.mode = stat.S_IMODE(self.target.stat().st_mode)
        # Twenty characters of the name: the whole of a long one would be too long.
        prefix = f".{os.fsdecode(os.fsencode(self.target.name)[:20])}."
        handle, name = tempfile.mkstemp(prefix=prefix, dir=self.target.parent)
        try:
            os.fchmod(handle, self.mode)
        finally:
            os.close(handle)
        return Path(name)

    def place(self) -> None:
        """Move it to its place."""
        self.path.replace(self.target)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.path != self.target:
            with suppress(OSError):
                self.path.unlink()
        if isinstance(error, OSError):
            raise self._failed(error) from error

    def _failed(self, error: OSError | ValueError) -> LedgerError:
        reason = system_reason(error) if isinstance(error, OSError) else str(error)
        return LedgerError(
            f"{self.target} cannot be written: {reason}.",
            try_=way_out(error, "name another file"),
        )


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Let nobody else change a file meanwhile: its folder is locked.

    No file is made for it, so that nobody can plant one.
    """
    place = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # not every file system has locks
            fcntl.flock(place, fcntl.LOCK_EX)
        yield
    finally:
        os.close(place)
