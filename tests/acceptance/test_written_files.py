"""Files that a command writes: whole, private, never through what others planted."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

from tests.program import ANN, BUY, GIVE, OPEN, Program

AUDIT = (
    "account,invoice,issued_at,period,seat_type,quantity,unit_price,amount\n"
    "acme,INV-1,2025-04-06,2025-03-05,sales/professional,3,90.00,270.00\n"
)
WRITING = {
    "export.csv": ("export", "journal", "--output"),
    "export.jsonl": ("export", "holdings", "--output"),
    "report.html": ("report", "-a", "acme", "--term", "--output"),
    "report.xlsx": ("report", "-a", "acme", "--term", "--output"),
    "audit.html": ("invoice", "audit", "INVOICES", "--report"),
    "audit.xlsx": ("invoice", "audit", "INVOICES", "--report"),
    "letter.md": ("invoice", "audit", "INVOICES", "--letter"),
    "events.xlsx": ("event", "list", "--output"),
    "renewals.ics": ("account", "renewals", "--calendar"),
    "run_results.json": ("projection", "rebuild", "--results"),
    "ledger.prom": ("projection", "status", "--metrics"),
    "proof.json": ("integrity", "prove", "1", "--output"),
}
FOLDERS = {
    "tables": ("lake", "rebuild", "LAKE", "--workers", "1", "--output"),
    "shared": ("lake", "rebuild", "LAKE", "--workers", "2", "--output"),
    "lake": ("lake", "export"),
    "witness": ("integrity", "seal", "--witness"),
    "witness.txt": ("integrity", "seal", "--witness"),
}
FOR_OTHERS = {"ledger.prom"}


@pytest.fixture
def acme(database: str, tmp_path: Path) -> Program:
    program = Program(database)
    program.environment["SEAT_LEDGER_HOME"] = str(tmp_path / "home")
    assert program.lines(OPEN, BUY, ANN, GIVE).returncode == 0
    assert program.run("integrity", "seal").returncode == 0
    (tmp_path / "invoices.csv").write_text(AUDIT)
    return program


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_a_full_disk_is_reported_in_a_sentence_and_leaves_nothing(
    acme: Program, tmp_path: Path
) -> None:
    full = tmp_path / "full"
    full.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", full]
    if subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        (full / "ballast").write_bytes(bytes(4096))
        places = {
            "INVOICES": str(tmp_path / "invoices.csv"),
            "LAKE": str(tmp_path / "lake"),
        }
        assert acme.run("lake", "export", places["LAKE"]).returncode == 0
        for name, words in {**WRITING, **FOLDERS}.items():
            named = [places.get(word, word) for word in words]
            done = acme.run(*named, full / name)
            assert done.returncode == 1, (name, done.stderr)
            assert re.search(rf"{full}.*: No space left on device\.", done.stderr), name
            assert "Try: free some space there, then repeat" in done.stderr, name
            left = [file for file in full.glob("**/*") if file.is_file()]
            assert [file.name for file in left if file.stat().st_size] == ["ballast"]
            if name in WRITING:
                assert [file.name for file in full.iterdir()] == ["ballast"], name
    finally:
        subprocess.run(["umount", full], check=True)


def write(acme: Program, tmp_path: Path, name: str) -> Path:
    target = tmp_path / "shared" / name
    target.parent.mkdir(exist_ok=True)
    source = str(tmp_path / "invoices.csv")
    words = [source if word == "INVOICES" else word for word in WRITING[name]]
    done = acme.run(*words, target)
    assert done.returncode in {0, 3}, done.stderr
    assert target.stat().st_size > 0
    return target


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("name", WRITING)
def test_a_file_is_its_owners_and_keeps_the_mode_that_it_has(
    acme: Program, tmp_path: Path, name: str
) -> None:
    before = os.umask(0)
    try:
        target = write(acme, tmp_path, name)
        assert mode_of(target) == (0o644 if name in FOR_OTHERS else 0o600)
        target.chmod(0o640)
        assert mode_of(write(acme, tmp_path, name)) == 0o640
    finally:
        os.umask(before)
    beside = {file.name for file in target.parent.iterdir()}
    assert beside <= {name, "manifest.json"}


@pytest.mark.parametrize("name", WRITING)
def test_what_others_planted_beside_it_is_not_written_through(
    acme: Program, tmp_path: Path, name: str
) -> None:
    """Names that can be worked out: with a process id, as a lock, as a partial file."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    shared = tmp_path / "shared"
    shared.mkdir()
    for planted in (f".{name}.lock", f".{name}", f"{name}.partial", f".{name}.1"):
        (shared / planted).symlink_to(victim)
    for number in range(os.getpid(), os.getpid() + 400):
        (shared / f".{name}.{number}").symlink_to(victim)
        if name.startswith(("report", "audit")):
            (shared / f".manifest.json.{number}").symlink_to(victim)
    write(acme, tmp_path, name)
    assert victim.read_text() == "precious"
