"""The folder that a rebuild from a lake writes into: by whom, and for which result."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from seat_ledger.errors import LedgerError, Locked, system_reason, way_out

_LOCK = "rebuild.lock"


def result_name(share: tuple[int, int]) -> str:
    """The name of the result of a share."""
    return f"result-{share[0]}-of-{share[1]}.json"


@contextmanager
def writing_into(
    folder: Path, share: tuple[int, int], run: dict[str, Any]
) -> Iterator[None]:
    """Be the one who writes a share of a run into a folder.

    Shares of one `run` are written side by side. Results of another are removed, for
    they would speak for files that are not there any more. Raises Locked while somebody
    writes the same share, or another run.
    """
    with writing(folder):
        file = _opened(folder / _LOCK)
    with file:
        with writing(folder):
            _take_part(folder, file, run)
            _lock(folder, file, fcntl.LOCK_EX, share[0])
            for leftover in folder.glob(f"*/.{_tag(share)}.*"):
                leftover.unlink(missing_ok=True)
            (folder / result_name(share)).unlink(missing_ok=True)
        yield


def _take_part(folder: Path, file: IO[bytes], run: dict[str, Any]) -> None:
    """Write that it is this run whose files are in the folder, unless it is already."""
    _lock(folder, file, fcntl.LOCK_SH, 0)
    with suppress(ValueError):
        if json.loads(file.read()) == run:
            return
    _lock(folder, file, fcntl.LOCK_EX, 0)
    for result in folder.glob("result-*-of-*.json"):
        result.unlink(missing_ok=True)
    file.seek(0)
    file.truncate()
    file.write(json.dumps(run, indent=1).encode() + b"\n")
    _lock(folder, file, fcntl.LOCK_SH, 0)


def _lock(folder: Path, file: IO[bytes], kind: int, place: int) -> None:
    try:
        fcntl.lockf(file, kind | fcntl.LOCK_NB, 1, place)
    except (BlockingIOError, PermissionError) as error:
        raise Locked(
            f"Another rebuild is writing into {folder}.",
            try_="wait for it, or name another folder with --output",
        ) from error


def _opened(path: Path) -> IO[bytes]:
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o644), "r+b", buffering=0)


def _tag(share: tuple[int, int]) -> str:
    return f"{share[0]}-of-{share[1]}"


@contextmanager
def replacing(target: Path, share: tuple[int, int]) -> Iterator[IO[bytes]]:
    """A file that takes the place of `target` once it is whole.

    Nobody can foresee its name: a link that somebody planted is never followed.
    """
    partial = target.parent / f".{_tag(share)}.{secrets.token_hex(8)}.partial"
    with writing(target):
        try:
            with partial.open("xb") as file:
                yield file
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say of what cannot be written which file it is."""
    try:
        yield
    except OSError as error:
        raise LedgerError(
            f"{path} cannot be written: {system_reason(error)}.",
            try_=way_out(error, "name another folder with --output"),
        ) from error
