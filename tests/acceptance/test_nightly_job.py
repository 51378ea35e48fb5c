"""The nightly job as systemd would run it, and the files that it leaves."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from seat_ledger.cli.output.metrics import _HELP, _write
from tests.integration.tables import poison
from tests.program import ANN, BUY, OPEN, PROGRAM, Program
from tests.support.waiting import AT_MOST

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "scripts" / "systemd"
INSTALLED = "/opt/seat-ledger/.venv/bin/seat-ledger"


def steps(service: str = "seat-ledger-nightly") -> list[list[str]]:
    """What a service runs, in order."""
    unit = (UNITS / f"{service}.service").read_text()
    result = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    return [shlex.split(line.removeprefix(f"{INSTALLED} ")) for line in result]


@pytest.fixture
def nightly(database: str, tmp_path: Path) -> Program:
    program = Program(database)
    program.environment["SEAT_LEDGER_RESULTS"] = str(tmp_path / "run_results.json")
    program.environment["SEAT_LEDGER_METRICS"] = str(tmp_path / "ledger.prom")
    program.environment["SEAT_LEDGER_LOG"] = "json"
    program.environment["SEAT_LEDGER_HOME"] = str(tmp_path / "home")
    assert program.lines(OPEN, BUY, ANN).returncode == 0
    return program


def figures(program: Program) -> dict[str, float]:
    text = Path(program.environment["SEAT_LEDGER_METRICS"]).read_text()
    return {
        family.name.removeprefix("seat_ledger_"): family.samples[0].value
        for family in text_string_to_metric_families(text)
    }


def outcome(program: Program) -> dict[str, object]:
    return json.loads(Path(program.environment["SEAT_LEDGER_RESULTS"]).read_text())


def test_the_units_are_what_systemd_understands(tmp_path: Path) -> None:
    assert "Persistent=true" in (UNITS / "seat-ledger-nightly.timer").read_text()
    assert [step[:2] for step in steps()] == [
        ["account", "renew"],
        ["projection", "rebuild"],
        ["integrity", "seal"],
        ["integrity", "verify"],
        ["projection", "verify"],
    ]
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze on this machine")
    for unit in UNITS.iterdir():
        text = unit.read_text().replace(INSTALLED, str(PROGRAM))
        (tmp_path / unit.name).write_text(text)
    checked = subprocess.run(
        ["systemd-analyze", "verify", *sorted(tmp_path.iterdir())],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_a_night_renews_rebuilds_and_checks(nightly: Program) -> None:
    ended = [nightly.run(*step) for step in steps()]
    assert [item.returncode for item in ended] == [0] * 5, ended
    log = [json.loads(line) for line in ended[1].stderr.splitlines()]
    assert {"projection", "phase"} <= {line["event"] for line in log}
    assert outcome(nightly)["error"] is None
    message = figures(nightly)
    assert message["renewals_due"] == 0
    assert message["rebuild_failed"] == message["verify_findings"] == 0
    assert message["rebuild_events"] == outcome(nightly)["events"] > 0
    assert message["rebuild_last_success_timestamp_seconds"] > 1.7e9
    page = (ROOT / "cli" / "topics" / "nightly.md").read_text()
    assert [name for name in message if f"`{name}`" not in page] == []


def test_a_renewal_that_is_due_shows_until_the_night(nightly: Program) -> None:
    metrics = nightly.environment["SEAT_LEDGER_METRICS"]
    assert nightly.run("projection", "run").returncode == 0
    assert nightly.run("projection", "status", "--metrics", metrics).returncode == 0
    assert figures(nightly)["renewals_due"] == 1


def test_a_night_with_an_event_of_tomorrow_fails_closed(
    nightly: Program, database: str
) -> None:
    assert nightly.run("projection", "rebuild").returncode == 0
    served = nightly.json("seat", "list", "--account", "acme")["rows"]
    position = poison(database, "SeatGilded", b'{"v":1}', account="acme")
    done = nightly.run("projection", "rebuild", "--format", "json")
    assert done.returncode == 1
    message = json.loads(done.stderr.splitlines()[-1])
    assert message["code"] == "unreadable_event"
    error = outcome(nightly)["error"]
    assert error["position"] == position
    assert (error["account"], error["topic"]) == ("acme", "SeatGilded")
    assert "does not know its type" in error["reason"]
    assert figures(nightly)["rebuild_failed"] == 1
    for words in (("run",), ("status",), ("verify",)):
        result = nightly.run("projection", *words)
        assert result.returncode == 3
        assert f"position {position} " in " ".join(result.stdout.split())
    doctor = nightly.run("doctor")
    assert doctor.returncode == 3
    assert f"position {position} " in " ".join(doctor.stdout.split())
    with psycopg.connect(database) as connection:
        stored = connection.execute(
            "SELECT seat FROM projection.seat ORDER BY number"
        ).fetchall()
    assert [row["seat"] for row in served] == [seat for (seat,) in stored]


def test_a_night_with_an_account_set_aside_does_all_else_and_ends_with_3(
    nightly: Program, database: str
) -> None:
    other = {**OPEN, "account": "boats"}
    assert nightly.lines(other, {**BUY, "account": "boats"}).returncode == 0
    position = poison(database, "SeatGilded", b'{"v":1}', account="acme")
    assert nightly.run("projection", "run").returncode == 3
    ended = [nightly.run(*step) for step in steps()]
    assert [item.returncode for item in ended] == [0, 0, 0, 0, 3], ended
    assert f"position {position} " in " ".join(ended[-1].stdout.split())
    assert outcome(nightly)["set_aside"][0]["position"] == position
    assert figures(nightly)["accounts_set_aside"] == 1
    rows = nightly.json("account", "show", "boats")["rows"]
    assert rows[0]["renewals_processed"] == 1


def test_figures_that_are_noted_at_once_are_all_there(tmp_path: Path) -> None:
    path = tmp_path / "ledger.prom"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: _write(path, {name: 1.0}), _HELP))
    families = text_string_to_metric_families(path.read_text())
    assert {family.name for family in families} == _HELP.keys()


@pytest.mark.parametrize("option", ["--results", "--metrics"])
def test_an_outcome_that_cannot_be_written_hides_nothing(
    nightly: Program, tmp_path: Path, option: str
) -> None:
    nowhere = tmp_path / "none" / "file"
    done = nightly.run("projection", "rebuild", "--format", "json", option, nowhere)
    assert done.returncode == 1
    assert nightly.parse(done)["switched"] is True
    assert (
        f"The new tables serve, but {nowhere} cannot be written"
        in done.stderr.splitlines()[-1]
    )
    if option == "--results":
        assert figures(nightly)["rebuild_failed"] == 0
    else:
        assert outcome(nightly)["switched"] is True


def test_a_missing_database_is_an_outcome_too(nightly: Program) -> None:
    nightly.environment["SEAT_LEDGER_DATABASE_URL"] = "postgresql://x@127.0.0.1:1/x"
    assert nightly.run("projection", "rebuild").returncode == 10
    assert outcome(nightly)["error"]["code"] == "database_unreachable"
    assert figures(nightly)["rebuild_failed"] == 1


def test_an_outcome_may_go_to_what_is_no_file(nightly: Program, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    done = nightly.run("projection", "rebuild", "--results", pipe)
    assert done.returncode == 0, done.stderr
    assert json.loads(os.read(reading, 1 << 16))["error"] is None
    os.close(reading)
    assert pipe.is_fifo()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_rebuild_that_a_signal_ends_cleans_up_and_tells(
    nightly: Program, database: str, number: signal.Signals
) -> None:
    assert nightly.run("projection", "rebuild").returncode == 0
    with psycopg.connect(database, autocommit=True) as reader, reader.transaction():
        reader.execute("SELECT FROM projection.journal")  # it waits to switch
        process = subprocess.Popen(
            [PROGRAM, "projection", "rebuild", "--format", "json"],
            env=nightly.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        while "waiting" not in (line := process.stderr.readline()):
            assert line
        process.send_signal(number)
        _, stderr = process.communicate(timeout=AT_MOST)
        states = reader.execute(
            "SELECT state FROM projection.generation ORDER BY number"
        ).fetchall()
    assert process.returncode == 130
    message = json.loads(stderr.splitlines()[-1])
    assert (message["code"], message["exit"]) == ("interrupted", 130)
    assert "served tables are unchanged" in message["message"]
    assert outcome(nightly)["error"]["code"] == "interrupted"
    assert figures(nightly)["rebuild_failed"] == 1
    assert states == [("served",)]
