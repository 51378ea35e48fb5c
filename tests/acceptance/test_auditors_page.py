"""The pages of help show what the program prints over the demo's data; and exports."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
from pathlib import Path

from pyarrow import parquet

from tests.audits import ASSIGNED, BOUGHT, OPENED, A
from tests.program import Program

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "cli" / "commands" / "demo"
PAGES = {
    "README.md": ["seat who", "billing counts"],
    "cli/topics/audit.md": [
        "invoice audit", "billing explain", "seat history", "event show",
    ],
    "cli/topics/figures.md": ["billing explain"],
}  # fmt: skip
"""Every page that shows what commands print, and which commands."""
FACTS = (BOUGHT, A, ASSIGNED)


def shown(page: Path) -> list[tuple[list[str], list[str]]]:
    """The commands of a page, each with the lines that it is said to print."""
    result = []
    for block in re.findall(
        r"```(?:text|sh)?\n\$ (.*?)```", page.read_text(), re.DOTALL
    ):
        command, _, output = block.replace("\\\n", " ").partition("\n")
        lines = [line for line in output.splitlines() if line.strip(" ─")]
        result.append((shlex.split(command), lines))
    return result


def is_within(words: list[str], message: list[str]) -> bool:
    """Whether the words come in this order, others between them or not."""
    remaining = iter(message)
    return all(word in remaining for word in words)


def test_pages_show_what_the_program_prints(database: str) -> None:
    program = Program(database)
    assert program.run("import", DEMO / "history.jsonl").returncode == 0
    pages = [ROOT / "README.md", *sorted((ROOT / "cli" / "topics").glob("*.md"))]
    blocks = {os.fspath(page.relative_to(ROOT)): shown(page) for page in pages}
    assert {
        page: [" ".join(words[1:3]) for words, _ in result]
        for page, result in blocks.items()
        if result
    } == PAGES
    for words, lines in (block for result in blocks.values() for block in result):
        done = program.run(*words[1:], cwd=ROOT)
        assert done.returncode == (3 if words[1] == "invoice" else 0), done.stderr
        printed = [line.split() for line in done.stdout.splitlines()]
        every = done.stdout.split()
        for line in lines:
            inside = any(is_within(line.split(), item) for item in printed)
            assert inside or is_within(line.split(), every), line


def test_exports_hold_the_same_rows_in_every_form(
    database: str, tmp_path: Path
) -> None:
    program = Program(database)
    order = {
        "op": "open_account", "account": "=e", "name": "=1+1", "time_zone": "UTC",
        "term_start": "2025-05-01", "term_months": 12, "billing_cycle_months": 1,
    }  # fmt: skip
    assert program.lines(order, OPENED, *FACTS).returncode == 0
    for what in ("journal", "holdings", "counts", "periods"):
        known_at = ("--known-at", "6")
        exact = program.run("export", what, *known_at, "--format", "jsonl").stdout
        rows = [json.loads(line) for line in exact.splitlines()]
        for form in ("csv", "jsonl", "parquet"):
            target = tmp_path / f"{what}.{form}"
            done = program.run("export", what, "--output", target, *known_at)
            assert done.returncode == 0, done.stderr
        assert (tmp_path / f"{what}.jsonl").read_text() == exact
        with (tmp_path / f"{what}.csv").open(newline="") as file:
            read = list(csv.DictReader(file))
        table = parquet.read_table(tmp_path / f"{what}.parquet")
        assert len(read) == table.num_rows == len(rows) > 0
        assert list(read[0]) == table.column_names == list(rows[0])
        keys = [row["account"] for row in rows]
        assert table["account"].to_pylist() == keys
        assert [row["account"].removeprefix("'") for row in read] == keys
    assert {row["account"] for row in rows} == {"=e", "e"}
    assert any(row["account"] == "'=e" for row in read)


def test_a_refused_export_leaves_nothing(database: str, tmp_path: Path) -> None:
    program = Program(database)
    for words in (
        ("journal", "--output", tmp_path / "journal.doc"),
        ("journal", "--output", tmp_path / "no" / "journal.csv"),
        ("journal",),
    ):
        assert program.run("export", *words).returncode == 2
    assert list(tmp_path.iterdir()) == []
