"""The dbt package on a ledger: ``scripts/test-dbt`` brings dbt, and runs this."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import psycopg
import pytest

from scripts.dbt_sources import FILE, sources
from tests.console.served import late, story
from tests.in_process import Program

PACKAGE = FILE.parents[1]
PROFILE = """\
seat_ledger:
  target: test
  outputs:
    test:
      type: postgres
      host: {host}
      port: {port}
      user: {user}
      password: ""
      dbname: {dbname}
      schema: analytics
      threads: 1
"""


def test_the_sources_are_what_the_views_say() -> None:
    assert FILE.read_text() == sources(), "run scripts/reference"


@pytest.mark.long
@pytest.mark.skipif("SEAT_LEDGER_DBT" not in os.environ,
                    reason="scripts/test-dbt brings dbt")  # fmt: skip
def test_the_package_builds_and_its_tests_hold(database: str, tmp_path: Path) -> None:
    program = Program(database, tmp_path)
    program.import_([*story(), late()])
    program.json("account", "list")  # catches up
    with psycopg.connect(database) as connection:
        info = connection.info
        profile = PROFILE.format(
            host=info.host, port=info.port, user=info.user, dbname=info.dbname
        )
    (tmp_path / "profiles.yml").write_text(profile)
    places = ("--project-dir", PACKAGE, "--profiles-dir", tmp_path)
    outputs = ("--target-path", tmp_path / "target", "--log-path", tmp_path / "logs")
    words = [os.environ["SEAT_LEDGER_DBT"], "build", *places, *outputs]
    done = subprocess.run(
        [*map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
    )
    assert done.returncode == 0, done.stdout
    results = json.loads((tmp_path / "target/run_results.json").read_text())["results"]
    models = [r for r in results if r["unique_id"].startswith("model.")]
    assert len(models) == 5
    assert {r["status"] for r in results} == {"success", "pass"}
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT count(*) FROM analytics.holdings").fetchone()
    assert row is not None
    assert row[0] > 0
