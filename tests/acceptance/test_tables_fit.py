"""Tables fit: 100 columns for README and demo, 80 for lists, and none is a record."""

from __future__ import annotations

import io
import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from rich.cells import cell_len

from seat_ledger.cli.commands import demo
from seat_ledger.cli.main import COMMANDS, main
from seat_ledger.cli.main import program as command_line
from seat_ledger.cli.options.session import ReadingFunction
from tests.acceptance.test_auditors_page import shown
from tests.in_process import Program

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "cli" / "commands" / "demo"
PRO = "sales/professional"
PRICES = ("--unit-price", "sales/professional=90.00", "--currency", "EUR")
CONSTANT = {"account": "acme", "find": "farah"}
"""What a list is asked with, by the name of its parameter or its command."""
OF_ONE_THING = {
    "account show", "billing policy", "event replay", "invoice show",
    "user access", "token list", "db status", "doctor", "billing compare", "seat who",
}  # fmt: skip
"""What reads one thing, or needs more than a ledger of facts, or other words: those
have a line of their own in `LISTS`.
"""


_STYLE = re.compile("\x1b\\[[0-9;]*m")


class Terminal(io.StringIO):
    """What the program takes for a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def program(shared_database: str, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The demo's ledger."""
    result = Program(shared_database, tmp_path_factory.mktemp("bills"))
    assert result.run("import", DEMO / "history.jsonl").status == 0
    invoice = ("--effective-at", "2026-04-10", "--currency", "EUR")
    prices = [f"{seat_type}=90" for seat_type in _types(result)]
    words = [word for price in prices for word in ("--unit-price", price)]
    done = result.run("invoice", "issue", "INV-7", "-a", "acme", "--period", "2026-03",
                      *invoice, *words)  # fmt: skip
    assert done.status == 0, done.err
    done = result.run("price", "set", "sales/professional", "90.00", "--for-all",
                      "--currency", "EUR", "--effective-at", "2025-01-01")  # fmt: skip
    assert done.status == 0, done.err
    result.run("invoice", "audit", DEMO / "invoices.csv", "--keep")
    result.import_([*long_names()])
    return result


LONG = "vereinigte-maschinenfabriken"
NAMES = ("株式会社サンプルの田中太郎さん", "Maximiliane von der Schulenburg", "Ann")


def long_names() -> Iterator[dict[str, Any]]:
    """An account of long keys, names, addresses and reasons; some letters are wide."""
    start = {"account": LONG, "effective_at": "2025-03-05"}
    yield {"op": "open_account", **start, "name": "Vereinigte Maschinenfabriken & Co.",
           "time_zone": "America/Argentina/Buenos_Aires", "term_start": "2025-03-05",
           "term_months": 12, "billing_cycle_months": 1}  # fmt: skip
    yield {"op": "buy_seats", **start, "seat_type": PRO, "quantity": 4}
    for number, name in enumerate(NAMES):
        user = f"maximiliane.schulenburg-{number}"
        yield {"op": "add_user", **start, "user": user, "name": name,
               "email": f"{user}@maschinenfabriken-suedwest.example"}  # fmt: skip
        yield {"op": "assign_seat", **start, "user": user, "seat_type": PRO,
               "reason": "Neu in der Abteilung für Beschaffung (Siegen)"}  # fmt: skip
        yield {"op": "unassign_seat", "account": LONG, "user": user, "seat_type": PRO,
               "effective_at": f"2025-05-1{number}", "reason": "左遷"}  # fmt: skip


def _types(program: Program) -> list[str]:
    return [row["seat_type"] for row in program.json("catalogue", "list")["rows"]]


def seen(
    monkeypatch: pytest.MonkeyPatch,
    program: Program,
    width: int,
    *words: Any,
    term: str = "xterm",
) -> list[str]:
    """The lines that a terminal of a width shows."""
    terminal = Terminal()
    with monkeypatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        patch.setenv("TERM", term)
        patch.setenv("NO_COLOR", "1")
        patch.setattr(sys, "stdout", terminal)
        patch.setattr(sys, "stderr", io.StringIO())
        main([*map(str, words), "--database", program.conninfo])
    return _STYLE.sub("", terminal.getvalue()).splitlines()


def fits(lines: list[str], width: int) -> bool:
    """Whether there is a table, drawn in full, and no line of it is too long."""
    rules = [at for at, line in enumerate(lines) if line.strip(" ─") == "" != line]
    rules = [at for at in rules if "─" in lines[at]]
    if len(rules) != 1:
        return False
    ends = next((at for at, line in enumerate(lines) if at > rules[0] and not line),
                len(lines))  # fmt: skip
    begins = max((at for at in range(rules[0]) if not lines[at]), default=0)
    return all(cell_len(line) <= width for line in lines[begins:ends])


def examples() -> list[list[str]]:
    """What README shows, and what the demo asks."""
    readme = [words[1:] for words, _ in shown(ROOT / "README.md")]
    asked = [shlex.split(command) for _, command in demo.QUESTIONS]
    audit = ["invoice", "audit", str(DEMO / "invoices.csv")]
    return [*readme, *asked, audit]


@pytest.mark.parametrize("words", examples(), ids=" ".join)
def test_an_example_fits_a_hundred_columns(
    program: Program, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    lines = seen(monkeypatch, program, 100, *words)
    assert fits(lines, 100), "\n".join(lines)


def lists() -> Iterator[list[str]]:
    """Each reading command that asks for an account at most."""
    context = click.Context(command_line)

    def walk(command: click.Command, words: list[str]) -> Iterator[list[str]]:
        if isinstance(command, click.Group):
            for name, inner in command.commands.items():
                yield from walk(inner, [*words, name])
        elif ReadingFunction.of(command) and " ".join(words) not in OF_ONE_THING:
            needed = [param for param in command.params if param.required]
            names = {param.name for param in command.params}
            if all(param.name == "account" for param in needed):
                yield [*words, *(("-a", "acme") if "account" in names else ())]
            elif words[-1] in CONSTANT and len(needed) == 1:
                yield [*words, CONSTANT[words[-1]]]

    for name in COMMANDS:
        found = command_line.get_command(context, name)
        assert found is not None
        yield from walk(found, [name])


LISTS = [
    *lists(),
    ["account", "list"],
    ["invoice", "list"],
    ["finding", "list", "--all"],
    ["billing", "counts", "-a", "acme", *PRICES],
    ["billing", "idle", "-a", "acme", *PRICES],
    ["billing", "compare", "-a", "acme", "--known-at", "1000", "--known-at", "3000"],
    ["seat", "history", "sales/professional#4", "-a", "acme"],
    ["seat", "who", "sales/professional#4", "-a", "acme", "--from", "2025"],
]


@pytest.mark.parametrize("words", LISTS, ids=" ".join)
def test_a_list_fits_eighty_columns(
    program: Program, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    done = program.run(*words, "--format", "json")
    assert done.status in {0, 3}, done.err
    if len(json.loads(done.out)["rows"]) < 2:
        return  # one row may be a record
    lines = seen(monkeypatch, program, 80, *words)
    assert fits(lines, 80), "\n".join(lines)


@pytest.mark.parametrize("width", [80, 100])
def test_a_comparison_has_what_was_what_is_and_their_difference(
    program: Program, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    states = ("--known-at", "1000", "--known-at", "3000")
    for words in (("--period", "2026-03-05"), ("--period", "2025-06-05"), ()):
        full = ("billing", "compare", "-a", "acme", *states, *words, *PRICES)
        lines = seen(monkeypatch, program, width, *full)
        assert fits(lines, width), "\n".join(lines)
        titles = lines[next(at for at, line in enumerate(lines) if "─" in line) - 1]
        assert all(f" {name} " in f"{titles} " for name in ("before", "after"))
        assert " difference " in f"{titles} "


def test_a_terminal_that_can_do_little_shows_all_that_is_wished(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("event", "list", "--last", "3", "--wide")
    lines = seen(monkeypatch, program, 80, *words, term="dumb")
    assert "recorded" in lines[2]
    assert not any("Not shown here" in line for line in lines)


def test_a_column_that_says_the_same_in_each_row_is_in_no_list(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_account = ("billing", "counts", "--all", "--year", "2025", "--by", "account")
    for words, column in (
        (("account", "list", "--as-of", "2025-12-01"), "due"),
        (("catalogue", "list", "--known-at", "2"), "actor"),
        ((*by_account, *PRICES), "currency"),
    ):
        text = "\n".join(seen(monkeypatch, program, 120, *words))
        assert f" {column} " not in text.replace("\n", " \n"), text


OF_LONG_NAMES = [
    [LONG if word == "acme" else word for word in words]
    for words in LISTS
    if "acme" in words and "compare" not in words
]


@pytest.mark.parametrize("words", OF_LONG_NAMES, ids=" ".join)
def test_a_list_of_long_names_and_wide_letters_fits_too(
    program: Program, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    done = program.run(*words, "--format", "json")
    assert done.status in {0, 3}, done.err
    rows = json.loads(done.out)["rows"]
    for width in (80, 100) if len(rows) > 1 else (100,) if rows else ():
        lines = seen(monkeypatch, program, width, *words)
        assert fits(lines, width), "\n".join(lines)


def test_one_row_of_a_list_is_no_record(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not fit beside the others stands in a note, nothing is left out."""
    words = ("seat", "history", "service/starter#2", "-a", "acme")
    lines = seen(monkeypatch, program, 100, *words)
    assert fits(lines, 100), "\n".join(lines)
    (note,) = [line for line in lines if line.startswith("Besides: ")]
    assert "reason HR: the last day was a week earlier" in note
