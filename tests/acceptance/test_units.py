"""The shipped units, run as systemd confines them: nothing else can be written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.test_nightly_job import UNITS, steps
from tests.program import ANN, BUY, OPEN, PROGRAM, Program
from tests.sources.exported import export_of

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


class Confined:
    """What a unit runs, in folders of a test that the kernel closes but for those that
    the unit may write, as ProtectSystem=strict does.
    """

    def __init__(self, stem: str, folder: Path, **fields: str) -> None:
        self.unit, self.folder = UNITS / f"seat-ledger-{stem}.service", folder
        self.moved = {
            path: folder / path.relative_to("/")
            for path in (*writable(self.unit), CONFIGURATION)
        }
        for place in self.moved.values():
            place.mkdir(parents=True, exist_ok=True)
        self.fields = {k: self.here(v) for k, v in environment(self.unit).items()}
        self.fields |= {"PATH": os.environ["PATH"], **fields}
        self.fields |= {
            "WRITABLE": " ".join(self.here(path) for path in writable(self.unit)),
            "CLOSED": str(folder),
            "HERE": self.here(settings(self.unit, "WorkingDirectory")[0]),
        }

    def here(self, text: str | Path) -> str:
        """A path of the unit, or a text with some, in the test's folder."""
        for path, place in self.moved.items():
            text = str(text).replace(str(path), str(place))
        return str(text)

    def run(self, *words: object) -> subprocess.CompletedProcess[str]:
        """A program with what the unit gives it."""
        return subprocess.run(
            ["unshare", "--mount", "bash", "-c", CONFINED, "bash", *map(str, words)],
            env=self.fields,
            capture_output=True,
            text=True,
            check=False,
        )

    def ends_with(self) -> list[int]:
        """The exit codes of its steps, up to the first that fails."""
        codes = []
        for step in steps(self.unit.stem):
            codes.append(self.run(PROGRAM, *step).returncode)
            if codes[-1]:
                break
        return codes


ISSUED = """
import os
from seat_ledger import SeatLedger
with SeatLedger.open(os.environ["SEAT_LEDGER_DATABASE_URL"]) as ledger:
    ledger.issue_invoice("acme", invoice="A-1", period="2025-03-05", currency="EUR",
                         unit_prices={"sales/professional": "90.00"})
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can close folders so")
def test_the_night_seals_what_a_server_that_records_has_issued(
    database: str, tmp_path: Path
) -> None:
    """Each has a folder of its own, and the key is the nightly job's."""
    if subprocess.run(["unshare", "--mount", "true"], check=False).returncode != 0:
        pytest.skip("no mount namespace can be made here")
    program = Program(database)
    assert program.lines(OPEN, BUY, ANN).returncode == 0
    fields = {"SEAT_LEDGER_DATABASE_URL": database}
    server = Confined("api", tmp_path, **fields)
    done = server.run(sys.executable, "-c", ISSUED)
    assert (done.returncode, "carries no checkpoint" in done.stderr) == (0, True)
    nightly = Confined("nightly", tmp_path, **fields)
    assert nightly.ends_with() == [0] * 5
    (key,) = tmp_path.rglob("integrity.key")
    assert key.is_relative_to(nightly.fields["SEAT_LEDGER_HOME"])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can close folders so")
def test_a_night_writes_nowhere_but_where_its_units_let_it(
    database: str, tmp_path: Path
) -> None:
    """The rebuild, the lists and the lake, one after the other: with what is optional
    there, with a list that differs, and with a lake that may not be written.
    """
    if subprocess.run(["unshare", "--mount", "true"], check=False).returncode != 0:
        pytest.skip("no mount namespace can be made here")
    program = Program(database)
    types = [{"op": "add_seat_type", "seat_type": "copilot/business"},
             {"op": "add_seat_type", "seat_type": "copilot/enterprise"}]  # fmt: skip
    assert program.lines(*types, OPEN, BUY, ANN).returncode == 0
    witness, lake = tmp_path / WITNESS.relative_to("/"), tmp_path / "lake"
    fields = {
        "SEAT_LEDGER_DATABASE_URL": database,
        "SEAT_LEDGER_WITNESS": str(witness),
        "SEAT_LEDGER_LAKE": str(lake),
    }
    nightly = Confined("nightly", tmp_path, **fields)
    # It is as closed as it should be.
    assert nightly.run("touch", tmp_path / "anywhere").returncode != 0
    assert nightly.ends_with() == [0] * 5
    assert list(witness.glob("checkpoint-*"))
    state = Path(nightly.fields["HERE"])
    assert (state / "run_results.json").exists()

    lists = Confined("lists", tmp_path, **fields)
    declared = '[[list]]\naccount = "acme"\nmapping = "github-copilot-seats"\n'
    command = f'command = ["cat", "{export_of("github-copilot-seats")}"]\n'
    sources = Path(lists.fields["SEAT_LEDGER_SOURCES"])
    for record, code in ((False, 3), (True, 0)):
        what = f"{declared}{command}record = {str(record).lower()}\n"
        sources.write_text(f"schema = 1\n{what}")
        assert lists.ends_with() == [code]
    assert Path(lists.fields["SEAT_LEDGER_METRICS"]).exists()

    engine = Confined("lake", tmp_path, **fields)
    assert engine.ends_with() == [1]  # the folder needs a ReadWritePaths= of its own
    lake.mkdir()
    engine.fields["WRITABLE"] += f" {lake}"
    assert engine.ends_with() == [0, 0]
