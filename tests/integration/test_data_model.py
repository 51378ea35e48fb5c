"""The views of the schema projection, as a data model that other tools build on."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema_rs
import psycopg
import pytest
from psycopg.rows import dict_row

from scripts.dashboards import dashboards
from seat_ledger.cli.output.metrics import _HELP, _LIST_HELP, ANSWER_HELP
from tests.console.served import late, story
from tests.in_process import Program

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "cli/topics/analysts.md").read_text()
QUERIES = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
COLUMNS = """
SELECT view.relname AS view, field.attname AS name,
       format_type(field.atttypid, field.atttypmod) AS type,
       col_description(view.oid, field.attnum) AS about,
       obj_description(view.oid) AS row_is
  FROM pg_class AS view
  JOIN pg_attribute AS field ON field.attrelid = view.oid AND field.attnum > 0
 WHERE view.relnamespace = 'projection'::regnamespace AND view.relkind = 'v'
 ORDER BY view.relname COLLATE "C", field.attnum
"""


@pytest.fixture(scope="module")
def program(shared_database: str, tmp_path_factory: pytest.TempPathFactory) -> Program:
    result = Program(shared_database, tmp_path_factory.mktemp("model"))
    result.import_([*story(), late()])
    result.json("account", "list")  # catches up
    return result


def ask(program: Program, query: str) -> list[dict[str, Any]]:
    with psycopg.connect(program.conninfo, row_factory=dict_row) as connection:
        return connection.execute(query.encode()).fetchall()


def test_the_model_stays_as_it_is_within_a_version(program: Program) -> None:
    """And each view and column says what it is."""
    rows = ask(program, COLUMNS)
    assert [row for row in rows if not (row["about"] and row["row_is"])] == []
    current = [f"{row['view']}.{row['name']} {row['type']}" for row in rows]
    file = ROOT / "tests/golden/data-model-1.txt"
    stored = file.read_text().splitlines()
    assert "**version 1**" in PAGE
    assert [line for line in stored if line not in current] == [], "a new version"
    assert [line for line in current if line not in stored] == [], f"add to {file}"


def test_the_pages_queries_are_one_line_each_and_answer(program: Program) -> None:
    for query in QUERIES:
        assert query.count("\n") == 1
        assert ask(program, query), query


def test_a_month_adds_up_and_goes_on_where_the_last_one_ended(program: Program) -> None:
    series = defaultdict(list)
    for row in ask(program, "SELECT * FROM projection.seat_month ORDER BY month"):
        series[row["account"], row["seat_type"]].append(row)
        assert row["seats"] == row["opening"] + row["bought"] - row["retired"]
        assert row["idle"] == row["seats"] - row["held"] >= 0
        assert row["held_peak"] >= row["held"]
    assert len(series) > 1
    for rows in series.values():
        for before, after in pairwise(rows):
            assert after["opening"] == before["seats"]
            assert after["held"] == before["held"] + after["joins"] - after["leaves"]
            assert after["month"] == (before["month"] + timedelta(days=31)).replace(
                day=1
            )
        assert [row["complete"] for row in rows] == [*[True] * (len(rows) - 1), False]
        assert rows[0]["month"].day == 1
        assert rows[0]["opening"] == 0


def test_a_months_end_is_what_the_command_line_says(program: Program) -> None:
    """R02: what begins at the first instant of the next month is not counted."""
    for month in (date(2025, 3, 1), date(2025, 6, 1), date(2025, 8, 1)):
        ends = datetime(month.year, month.month + 1, 1, tzinfo=UTC)
        just_before = (ends - timedelta(microseconds=1)).isoformat()
        words = ("seat", "list", "-a", "acme", "--as-of", just_before)
        expected = {
            total["seat_type"]: (total["purchased"], total["assigned"])
            for total in program.json(*words)["totals"]
        }
        rows = ask(
            program,
            "SELECT * FROM projection.seat_month WHERE account = 'acme' "
            f"AND month = '{month}'",
        )
        assert {
            row["seat_type"]: (row["seats"], row["held"]) for row in rows
        } == expected
    totals = ask(
        program,
        "SELECT sum(joins)::integer AS joins, sum(leaves)::integer AS leaves "
        "FROM projection.seat_month WHERE account = 'acme'",
    )
    held = ask(
        program,
        "SELECT count(held_from)::integer AS joins, count(held_until)::integer AS "
        "leaves FROM projection.seat_holding WHERE account = 'acme' AND NOT reversed",
    )
    assert totals == held


SCHEMA = {
    "type": "object",
    "required": ["uid", "title", "schemaVersion", "panels", "templating", "time"],
    "properties": {
        "uid": {"type": "string", "maxLength": 40},
        "schemaVersion": {"type": "integer", "minimum": 36},
        "panels": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["id", "type", "title", "datasource", "gridPos", "targets"],
                "properties": {
                    "id": {"type": "integer", "minimum": 1},
                    "type": {"enum": ["stat", "timeseries", "table"]},
                    "gridPos": {
                        "type": "object",
                        "required": ["h", "w", "x", "y"],
                        "properties": {"w": {"maximum": 24}, "x": {"maximum": 23}},
                    },
                    "targets": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["refId", "datasource"],
                            "oneOf": [{"required": ["expr"]}, {"required": ["rawSql"]}],
                        },
                    },
                },
            },
        },
    },
}
"""What Grafana needs of a dashboard, as far as these use it."""


def test_the_dashboards_are_whole_and_each_query_answers(program: Program) -> None:
    (seconds,) = (name for name in ANSWER_HELP if name.endswith("_seconds"))
    metrics = {*_HELP, *_LIST_HELP, *ANSWER_HELP, f"{seconds}_bucket"}
    for name, text in dashboards().items():
        assert (ROOT / "analytics/grafana" / name).read_text() == text, name
        document = json.loads(text)
        jsonschema_rs.validate(SCHEMA, document)
        panels = document["panels"]
        assert len({panel["id"] for panel in panels}) == len(panels)
        variables = {item["name"]: item for item in document["templating"]["list"]}
        for panel in panels:
            assert panel["datasource"]["uid"].strip("${}") in variables
            for target in panel["targets"]:
                if "expr" in target:
                    used = re.findall(r"seat_ledger_\w+", target["expr"])
                    assert used
                    assert {*used} <= metrics
                else:
                    sql = target["rawSql"].replace("${account:sqlstring}", "'acme'")
                    assert ask(program, sql), panel["title"]
        if "account" in variables:
            assert ask(program, variables["account"]["query"])
