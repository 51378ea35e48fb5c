"""The nightly comparison of the lists that an operator declares (R88)."""

from __future__ import annotations

import csv
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.test_snapshot import Lists, seat
from tests.program import Program
from tests.support.waiting import AT_MOST

ROOT = Path(__file__).parents[2]
NOW = datetime.now(UTC)
FILE = """
[[list]]
account = "acme"
mapping = "github-copilot-seats"
file = "seats-{taken_at}.json"
time = { format = "%Y-%m-%dT%H%M", zone = "UTC" }
"""
NAME = "acme/github-copilot-seats"


class Declared(Lists):
    """An account, lists by their times, and the file that declares them."""

    def put(self, hours_ago: float, *seats: Any) -> Path:
        at = NOW - timedelta(hours=hours_ago)
        path = self.folder / f"seats-{at:%Y-%m-%dT%H%M}.json"
        path.write_text(json.dumps({"total_seats": len(seats), "seats": seats}))
        return path

    def compare(self, text: str = FILE, *words: str) -> Any:
        path = self.folder / "sources.toml"
        path.write_text(f"schema = 1\n{text}")
        self.program.environment["SEAT_LEDGER_SOURCES"] = str(path)
        done = self.program.run("source", "compare", "--format", "json", *words)
        done.rows = json.loads(done.stdout)["rows"] if done.stdout else []
        return done

    def doctor(self) -> Any:
        done = self.program.run("doctor", "--format", "json")
        rows = self.program.parse(done)["rows"]
        return next(row for row in rows if row["check"] == "lists")


@pytest.fixture
def declared(database: str, tmp_path: Path) -> Declared:
    return Declared(Program(database), tmp_path)


def test_the_newest_list_by_its_name_is_compared_and_recorded_only_if_so_declared(
    declared: Declared,
) -> None:
    declared.put(30, seat(1))
    newest = declared.put(1, seat(1), seat(2))
    done = declared.compare()
    assert done.returncode == 3
    (row,) = done.rows
    assert (row["file"], row["outcome"], row["differences"]) == (
        str(newest), "differs", 3)  # fmt: skip
    assert row["changes"] == {"bought": 1, "assigned": 2}
    assert declared.compare().rows[0]["outcome"] == "differs"  # nothing was recorded
    done = declared.compare(FILE + "record = true")
    assert (done.returncode, done.rows[0]["outcome"]) == (0, "recorded")
    assert declared.compare().rows[0]["outcome"] == "agrees"


def test_a_list_that_is_late_is_named_with_its_age_until_there_is_one(
    declared: Declared,
) -> None:
    assert declared.doctor()["found"] == "none declared (SEAT_LEDGER_SOURCES)"
    done = declared.compare()
    assert (done.returncode, done.rows[0]["outcome"]) == (1, "missing")
    assert f"There was never a list of {NAME}." in done.rows[0]["message"]
    assert declared.doctor()["ok"] is False
    declared.put(76, seat(1))
    done = declared.compare(FILE + "record = true")
    assert done.returncode == 3
    assert f"No list of {NAME} for 3 d 4 h." in done.rows[0]["message"]
    assert declared.doctor()["found"] == f"No list of {NAME} for 3 d 4 h."
    assert declared.compare(FILE + "hours = 80").returncode == 0
    assert declared.doctor()["ok"] is True


def test_what_a_command_prints_is_a_list_of_the_moment_at_which_it_began(
    declared: Declared,
) -> None:
    declared.file(seat(1))
    run = json.dumps([sys.executable, "-c", "print(open('seats.json').read())"])
    text = f"""
[[list]]
account = "acme"
mapping = "github-copilot-seats"
command = {run}
record = true
"""
    done = declared.compare(text)
    assert (done.returncode, done.rows[0]["outcome"]) == (0, "recorded")
    assert done.rows[0]["age_seconds"] < AT_MOST
    failing = json.dumps([sys.executable, "-c", "raise SystemExit('no such token')"])
    done = declared.compare(text.replace(run, failing))
    assert (done.returncode, done.rows[0]["outcome"]) == (1, "failed")
    assert "ended with 1: no such token" in done.rows[0]["message"]


def test_one_list_that_fails_keeps_no_other_from_its_turn(declared: Declared) -> None:
    declared.put(1, seat(1))
    nobody = FILE.replace("acme", "nobody")
    cut = FILE.replace("github-copilot-seats", "datadog-seats").replace(
        "seats-", "cut-"
    )
    (declared.folder / f"cut-{NOW:%Y-%m-%dT%H%M}.json").write_text('{"data": [{"')
    done = declared.compare(f"{nobody}{cut}{FILE}record = true")
    assert done.returncode == 1
    assert [row["outcome"] for row in done.rows] == ["failed", "failed", "recorded"]
    assert done.rows[0]["code"] == "account_not_found"


def test_findings_and_age_are_figures_with_the_account_and_source_as_labels(
    declared: Declared, tmp_path: Path
) -> None:
    metrics, results = tmp_path / "ledger.prom", tmp_path / "results.json"
    declared.put(1, seat(1))
    declared.compare(FILE, "--metrics", str(metrics), "--results", str(results))
    # What others note in the same file stays, labels or not.
    assert declared.program.run(
        "projection", "status", "--metrics", metrics
    ).returncode == 0  # fmt: skip
    samples = {
        sample.name.removeprefix("seat_ledger_"): sample
        for family in text_string_to_metric_families(metrics.read_text())
        for sample in family.samples
    }
    findings = samples["snapshot_findings"]
    assert findings.labels == {"account": "acme", "source": "github-copilot-seats"}
    assert findings.value == 2
    age = NOW.timestamp() - samples["snapshot_last_taken_timestamp_seconds"].value
    assert 3500 < age < 3700
    assert samples["snapshot_failed"].value == 0
    assert "projection_lag_events" in samples
    page = (ROOT / "cli" / "topics" / "nightly.md").read_text()
    assert [name for name in samples if f"`{name}`" not in page] == []
    (row,) = json.loads(results.read_text())["rows"]
    assert row["outcome"] == "differs"
    table = declared.program.run("source", "compare", "--format", "csv").stdout
    header, line = csv.reader(table.splitlines())
    assert (header, len(line)) == ([*row], len(row))
    # A list that is not declared any more leaves no figures behind.
    other = FILE.replace("github-copilot-seats", "gitlab-seats")
    declared.compare(other, "--metrics", str(metrics))
    assert "github-copilot-seats" not in metrics.read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'list' is missing"),
        ('[[list]]\naccount = "a"\nmapping = "gitlab-seats"\n', "'file' or 'command'"),
        (FILE.replace("time =", "times ="), "'list.1.times' is not a word of a list"),
        (FILE.replace(', zone = "UTC"', ""), "has no offset, so the zone"),
        (FILE.replace("-copilot-seats", "-copilot-audit"), "reads no list of holders"),
        (FILE + FILE, f"declares '{NAME}' twice"),
    ],
    ids=lambda text: text[:30],
)
def test_a_declaration_that_would_be_guessed_at_is_refused(
    declared: Declared, text: str, message: str
) -> None:
    done = declared.compare(text)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_name_without_its_time_is_named_and_not_passed_over(
    declared: Declared,
) -> None:
    declared.put(1, seat(1))
    (declared.folder / "seats-old.json").write_text("{}")
    done = declared.compare()
    assert done.returncode == 1
    assert "seats-old.json has no time there" in done.rows[0]["message"]
