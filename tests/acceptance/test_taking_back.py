"""What is printed of taking back what was recorded: each hint is true when followed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from random import Random
from typing import Any

import pytest

from seat_ledger.cli.options.writing import take_back
from seat_ledger.commands.service import CommandService
from seat_ledger.errors import LedgerError
from tests.in_process import Program
from tests.oracle.oracle import Oracle
from tests.program import ANN, BUY, GIVE, OPEN, PRO
from tests.property.histories import Author, opening

HINT = re.compile("To take it back: seat-ledger (.*)")
COMMANDS = 60


def followed(program: Program, hint: str) -> None:
    """Do what a hint says, without recording it."""
    words = shlex.split(hint)
    assert words[-1] == "WHY"
    done = program.run(*words, "--dry-run")
    assert done.status == 0, (hint, done.err)


@pytest.mark.parametrize("seed", range(2))
def test_r47_each_printed_reversal_is_accepted_whatever_was_recorded_before(
    database: str, tmp_path: Path, seed: int
) -> None:
    """Random histories, of which many entries are reversals, some of closings."""
    random, oracle = Random(seed), Oracle()
    program = Program(database, tmp_path)
    hints = 0
    with CommandService(database) as ledger:
        now = ledger.accounts.recorder.heads_of([])[1].now()
        author = Author(random, "acme", oracle)
        command: dict[str, Any] = opening(random, "acme")
        for _ in range(COMMANDS):
            oracle.run(command, now)
            for note in printed(ledger, command):
                if hint := HINT.fullmatch(note):
                    hints += 1
                    followed(program, hint[1])
            command = author.command()
    assert hints >= 5


def printed(ledger: CommandService, command: dict[str, Any]) -> list[str]:
    """What is printed after a command, where it is recorded."""
    try:
        result = ledger.execute(command)
    except LedgerError:
        return []
    return [*take_back(ledger, command, result)]


def test_a_reopened_account_is_closed_again_by_closing_it(
    database: str, tmp_path: Path
) -> None:
    """The closing retired seats: its reversal cannot be reversed, and says so."""
    program = Program(database, tmp_path)
    program.record(OPEN, BUY, ANN, GIVE)
    at = ("--effective-at", "2025-06-01", "-a", "acme")
    closed = program.run("account", "close", *at, "--end-holdings", "--reason", "over")
    assert closed.status == 0, closed.err
    hint = HINT.search(closed.out)
    assert hint is not None
    reopened = program.run(*shlex.split(hint[1]))
    assert reopened.status == 0, reopened.err
    again = HINT.search(reopened.out)
    if again is None:
        assert "Not reversible: " in reopened.out
        assert "Instead: close the account again." in reopened.out
    else:
        followed(program, again[1])


def test_what_cannot_be_reversed_says_what_is_done_instead(
    database: str, tmp_path: Path
) -> None:
    program = Program(database, tmp_path)
    program.record(OPEN, BUY, ANN)
    erased = program.run("user", "erase", "ann", "-a", "acme", "--yes", "--reason", "x")
    assert "Not reversible. Instead: add the person again" in erased.out


def test_a_reversal_of_very_many_entries_is_named_as_a_trial(
    database: str, tmp_path: Path
) -> None:
    program = Program(database, tmp_path)
    program.record(OPEN)
    for count, begins in (
        (200, "To take it back: "),
        (201, "To see whether it can be"),
    ):
        done = program.run("seat", "buy", PRO, count, "--account", "acme")
        (hint,) = [line for line in done.out.splitlines() if line.startswith("To ")]
        assert hint.startswith(begins)
        words = shlex.split(hint.partition(": seat-ledger ")[2])
        assert program.run(*dict.fromkeys([*words, "--dry-run"])).status == 0
