"""The header of every CSV is the same whatever the data, also where there is none."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from seat_ledger.cli.main import COMMANDS, program
from seat_ledger.cli.output.csv_headers import HEADERS, RENEWED
from seat_ledger.projections.exports import FIELDS
from tests.audits import ASSIGNED, BOUGHT, OPENED, A, operation
from tests.program import PRO, Program

ACCOUNT = ("-a", "e")
FIGURE = (*ACCOUNT, "--period", "2025-06", "--seat-type", PRO)
QUESTIONS: dict[str, list[tuple[str, ...]]] = {
    "account attention": [(), ("--kind", "idle")],
    "account advise": [(), (*ACCOUNT, "--unit-price", f"{PRO}=90")],
    "account list": [()],
    "account renewals": [(), (*ACCOUNT, "--within", "1d")],
    "account show": [("e",)],
    "catalogue list": [()],
    "billing compare": [
        (*ACCOUNT, "--known-at", "2", "--known-at", "4", "--mode", "peak"),
        (*ACCOUNT, "--known-at", "4", "--known-at", "4"),
    ],
    "billing counts": [
        (*ACCOUNT, "--period", "2025-06", "--unit-price", "90"),
        (*ACCOUNT, "--period", "2025-05"),
    ],
    "billing explain": [FIGURE, (*FIGURE, "--mode", "day_peak"), (
        *ACCOUNT, "--period", "2025-05", "--seat-type", PRO)],
    "billing idle": [(*ACCOUNT, "--period", "2025-06"), ACCOUNT],
    "billing periods": [ACCOUNT],
    "billing policy": [ACCOUNT],
    "event list": [(), (*ACCOUNT, "--limit", "0"), (*ACCOUNT, "--late")],
    "event replay": [ACCOUNT],
    "event show": [("1",), ("3",)],
    "finding list": [(), ("--all",)],
    "invoice list": [()],
    "price history": [()],
    "price list": [ACCOUNT],
    "seat history": [(f"{PRO}#1", *ACCOUNT)],
    "seat list": [ACCOUNT, (*ACCOUNT, "--as-of", "2025-05-02")],
    "seat who": [
        (f"{PRO}#1", *ACCOUNT), (f"{PRO}#1", *ACCOUNT, "--as-of", "2025-05-02"),
    ],
    "user access": [("a", PRO, *ACCOUNT)],
    "user find": [("a@",), ("nobody",)],
    "user history": [("a", *ACCOUNT)],
    "user list": [ACCOUNT, (*ACCOUNT, "--as-of", "2025-05-02")],
}  # fmt: skip
BESIDE = {
    "snapshot",
    "source compare",
    "export",
    "import",
    "lake rebuild",
    "invoice audit",
    "invoice show",
    "invoice reproduce",
}
"""Held against their rows below, or by the tests of their own."""


@pytest.fixture(scope="module")
def written(shared_database: str) -> Program:
    result = Program(shared_database)
    price = {"seat_type": PRO, "unit_price": "90", "currency": "EUR"}
    done = result.lines(
        OPENED, BOUGHT, A, ASSIGNED, operation("set_price", "2025-06-01", **price)
    )
    assert done.returncode == 0, done.stderr
    return result


def header(text: str) -> tuple[str, ...]:
    return tuple(next(csv.reader(io.StringIO(text))))


@pytest.mark.parametrize("command", QUESTIONS)
def test_a_header_is_the_same_whatever_the_data(written: Program, command: str) -> None:
    for words in QUESTIONS[command]:
        done = written.run(*command.split(), *words, "--format", "csv")
        assert done.returncode == 0, done.stderr
        assert header(done.stdout) == HEADERS[command], words


@pytest.mark.parametrize("command", QUESTIONS)
def test_a_header_names_all_that_the_rows_state(written: Program, command: str) -> None:
    for words in QUESTIONS[command]:
        rows = written.json(*command.split(), *words)["rows"]
        names = [name for row in rows for name in flat(row)]
        assert set(names) <= set(HEADERS[command]), words


def flat(row: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """The dotted names of a row's values; an event's data is one, and so is nothing."""
    for key, value in row.items():
        if isinstance(value, dict) and value and key != "data":
            yield from flat(value, f"{prefix}{key}.")
        elif value is not None or not prefix:
            nested = {"holder", "assigned_by", "unassigned_by", "freed_by", "taken_by"}
            nested |= {"called_then"}
            if value is not None or key not in {*nested, "closing"}:
                yield f"{prefix}{key}"


def test_an_invoice_has_the_header_of_its_lines(written: Program) -> None:
    done = written.run("invoice", "issue", "INV-1", *ACCOUNT, "--period", "2025-06",
                     "--unit-price", f"{PRO}=90", "--currency", "EUR")  # fmt: skip
    assert done.returncode == 0, done.stderr
    for command in ("invoice show", "invoice reproduce"):
        text = written.run(*command.split(), "INV-1", "--format", "csv").stdout
        assert header(text) == HEADERS[command]
        row = next(csv.DictReader(io.StringIO(text)))
        assert (row["unit_price"], row["amount"]) == ("90.00", "90.00")
    (row,) = written.json("invoice", "list")["rows"]
    assert tuple(row) == HEADERS["invoice list"]


@pytest.mark.parametrize("name", FIELDS)
def test_an_export_has_its_header_without_rows_too(
    written: Program, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "out.csv"
    for known_at in ("0", "4"):
        words = ("--known-at", known_at, "--output", file, "--format", "csv")
        done = written.run("export", name, *words)
        assert done.returncode == 0, done.stderr
        assert header(done.stdout) == HEADERS["export"]
        assert header(file.read_text()) == tuple(f.name for f in FIELDS[name])


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("known_at", ["0", "4"])
def test_an_export_on_standard_output_is_what_its_file_holds(
    written: Program, tmp_path: Path, name: str, known_at: str
) -> None:
    if name == "holdings" and known_at == "4":
        known_at = "5"  # the first assignment
    for form in ("csv", "jsonl"):
        file = tmp_path / f"out.{form}"
        words = ("export", name, "--known-at", known_at)
        written.run(*words, "--output", file)
        assert written.run(*words, "--format", form).stdout == file.read_text()
        assert (PRO in file.read_text()) == (known_at != "0" and name != "periods")


def test_recorded_events_have_one_header(written: Program) -> None:
    words = ("seat", "buy", PRO, "1", *ACCOUNT, "--dry-run")
    bought = written.run(*words, "--format", "csv").stdout
    none = written.run("account", "renew", *ACCOUNT, "--effective-at", "2025-06-01",
                     "--format", "csv").stdout  # fmt: skip
    assert header(bought) == header(none)
    *_, row = csv.DictReader(io.StringIO(bought))  # after renewals that are due
    assert json.loads(row["data"]) == {"seat_type": PRO}


def leaves(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from leaves(inner, f"{path} {name}".strip())
    else:
        yield path, command


def test_every_command_that_prints_csv_has_a_header_of_its_own() -> None:
    context = click.Context(program)
    reading, printing = set(), set()
    for name in COMMANDS:
        command = program.get_command(context, name)
        assert command is not None
        for path, leaf in leaves(command, name):
            options = {option for param in leaf.params for option in param.opts}
            forms = {form for param in leaf.params if "--format" in param.opts
                     for form in getattr(param.type, "choices", ())}  # fmt: skip
            if "csv" in forms and "--dry-run" not in options:
                printing.add(path)
                if "--known-at" in options and path != "report":
                    reading.add(path)
    assert reading <= {*QUESTIONS, *BESIDE}
    assert printing <= set(HEADERS)
    assert {*QUESTIONS, *BESIDE} <= set(HEADERS)


WITHOUT_ROWS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("account", "readers"): HEADERS["account readers"],
    ("account", "renew", "--due", "--effective-at", "2025-06-01"): RENEWED,
    ("db", "migrate"): HEADERS["db migrate"],
    ("projection", "resume"): HEADERS["projection resume"],
}


@pytest.mark.parametrize("words", WITHOUT_ROWS)
def test_a_command_that_has_nothing_to_list_prints_its_header(
    written: Program, words: tuple[str, ...]
) -> None:
    done = written.run(*words, "--format", "csv")
    assert done.returncode == 0, done.stderr
    assert header(done.stdout) == WITHOUT_ROWS[words]


OPERATION: list[tuple[str, ...]] = [
    ("projection", "status"),
    ("projection", "verify"),
    ("projection", "run"),
    ("doctor",),
    ("db", "status"),
]


@pytest.mark.parametrize("words", OPERATION)
def test_a_header_of_operations_names_all_that_the_rows_state(
    written: Program, words: tuple[str, ...]
) -> None:
    done = written.run(*words, "--format", "json")
    rows = json.loads(done.stdout)["rows"]
    assert rows, done.stderr
    assert {name for row in rows for name in row} <= set(HEADERS[" ".join(words)])
