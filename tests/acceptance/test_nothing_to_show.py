"""An answer without rows says so: silence may be taken for a failure."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest

from seat_ledger.cli.main import program as tree
from seat_ledger.cli.options.session import ReadingFunction
from tests.in_process import Program
from tests.program import ANN, OPEN
from tests.property.test_fuzz_program import leaves

READING = {" ".join(path): command for path, command in leaves(tree)
           if ReadingFunction.of(command) is not None}  # fmt: skip
OTHERS = {"token list": (), "subscription list": ()}
WITHOUT = {
    **OTHERS,
    "event list": ("--type", "SeatPurchased"),
    "event replay": ("--until", 1),
    "billing compare": ("--known-at", 2, "--known-at", 2),
    "user find": ("zzz",),
    "seat who": ("--user", "ann"),
    "user history": ("ann",),
}
"""What else a command is to be given, so that there is nothing to show."""
SAYS_SO = re.compile(r"\b(no|nothing|0|none|nobody|default)\b", re.IGNORECASE)


@pytest.fixture
def program(database: str, tmp_path: Path) -> Program:
    """Another account, then one with a user and nothing else."""
    result = Program(database, tmp_path)
    result.record({**OPEN, "account": "other"}, OPEN, ANN)
    return result


def words_of(path: str, command: click.Command) -> list[object]:
    names = {param.name for param in command.params}
    account = ["-a", "acme"] if "account" in names else []
    return [*path.split(), *account, *WITHOUT.get(path, ())]


def test_every_command_with_nothing_to_show_says_so(program: Program) -> None:
    empty = set()
    for path, command in {**READING, **dict.fromkeys(OTHERS, tree)}.items():
        words = words_of(path, command)
        done = program.run(*words, "--format", "json")
        if done.status or json.loads(done.out).get("rows") != []:
            continue
        empty.add(path)
        sentence = program.run(*words).out.partition("\n")[0]
        assert SAYS_SO.search(sentence), (path, sentence)
    assert {*WITHOUT, "invoice list", "seat list", "price list"} <= empty
