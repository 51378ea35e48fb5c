"""The shipped units, run as systemd confines them: nothing else can be written."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.test_nightly_job import UNITS, steps
from tests.program import ANN, BUY, OPEN, PROGRAM, Program

STATE = Path("/var/lib/seat-ledger-nightly")
WITNESS = Path("/mnt/seat-ledger-witness")
CONFIGURATION = Path("/etc/seat-ledger")
SERVICES = sorted(UNITS.glob("*.service"))


def settings(unit: Path, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", unit.read_text(), re.MULTILINE)


def writable(unit: Path) -> list[Path]:
    """Where a unit may write: its state directories, and what is named."""
    states = [Path("/var/lib", setting) for setting in settings(unit, "StateDirectory")]
    named = [Path(setting.lstrip("-")) for setting in settings(unit, "ReadWritePaths")]
    return states + named


def environment(unit: Path) -> dict[str, str]:
    return dict(setting.split("=", 1) for setting in settings(unit, "Environment"))


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_every_path_that_a_unit_names_can_be_written_or_is_its_configuration(
    unit: Path,
) -> None:
    """What is read lies with the configuration, and the unit runs where it is there."""
    assert settings(unit, "ProtectSystem") == ["strict"]
    paths = [Path(item) for item in environment(unit).values() if item.startswith("/")]
    paths += map(Path, settings(unit, "WorkingDirectory"))
    assert {"TMPDIR", "SEAT_LEDGER_HOME"} <= environment(unit).keys()
    guarded = list(map(Path, settings(unit, "ConditionPathExists")))
    for path in paths:
        is_written = any(path.is_relative_to(item) for item in writable(unit))
        is_read = path.is_relative_to(CONFIGURATION) and path in guarded
        assert is_written != is_read, path


def test_the_witness_that_the_unit_documents_can_be_written() -> None:
    unit = UNITS / "seat-ledger-nightly.service"
    (message,) = re.findall(
        r"^#\s+SEAT_LEDGER_WITNESS=(\S+)$", unit.read_text(), re.MULTILINE
    )
    assert Path(message) == WITNESS
    sealing = [
        unit
        for unit in SERVICES
        if re.search(
            r"^ExecStart=.* (integrity seal|lake export)",
            unit.read_text(),
            re.MULTILINE,
        )
    ]
    assert {unit.stem for unit in sealing} == {
        "seat-ledger-nightly",
        "seat-ledger-lake",
    }
    for unit in sealing:  # they have the same environment
        assert WITNESS in writable(unit), unit


CONFINED = """
set -e
for folder in $WRITABLE; do mount --bind "$folder" "$folder"; done
mount --bind "$CLOSED" "$CLOSED"
for folder in $WRITABLE; do mount --bind "$folder" "$folder"; done
mount -o remount,ro,bind "$CLOSED"
mount -o remount,ro,bind / || true
cd "$HERE"
exec "$@"
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can close folders so")
def test_a_night_writes_nowhere_but_where_the_unit_lets_it(
    database: str, tmp_path: Path
) -> None:
    """The folders are closed by the kernel, as ProtectSystem=strict closes them."""
    if subprocess.run(["unshare", "--mount", "true"], check=False).returncode != 0:
        pytest.skip("no mount namespace can be made here")
    program = Program(database)
    assert program.lines(OPEN, BUY, ANN).returncode == 0
    unit = UNITS / "seat-ledger-nightly.service"
    moved = {str(STATE): tmp_path / "state", str(WITNESS): tmp_path / "witness"}
    for folder in moved.values():
        folder.mkdir()

    def there(text: str) -> str:
        for path, folder in moved.items():
            text = text.replace(path, str(folder))
        return text

    fields = {name: there(text) for name, text in environment(unit).items()}
    fields |= {
        "PATH": os.environ["PATH"],
        "SEAT_LEDGER_DATABASE_URL": database,
        "SEAT_LEDGER_WITNESS": there(str(WITNESS)),
        "WRITABLE": " ".join(there(str(path)) for path in writable(unit)),
        "CLOSED": str(tmp_path),
        "HERE": there(settings(unit, "WorkingDirectory")[0]),
    }
    confined = ["unshare", "--mount", "bash", "-c", CONFINED, "bash"]
    closed = subprocess.run(
        [*confined, "touch", tmp_path / "anywhere"], env=fields, check=False
    )
    assert closed.returncode != 0  # it is as closed as it should be
    for step in steps():
        done = subprocess.run(
            [*confined, PROGRAM, *step],
            env=fields,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (step, done.stderr)
    assert list((tmp_path / "witness").glob("checkpoint-*"))
    assert (tmp_path / "state" / "run_results.json").exists()
