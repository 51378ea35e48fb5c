"""The real command over one database, and a few lines of a command file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.forking import can_fork, run_forked
from tests.support.waiting import AT_MOST

PROGRAM = Path(sys.executable).parent / "seat-ledger"
PRO = "sales/professional"


FORKED_WITH = {"input", "cwd", "stdout", "stderr"}


def run_program(
    words: Sequence[Any], environment: Mapping[str, str], **options: Any
) -> subprocess.CompletedProcess[str]:
    """The program with these words as a process: forked where it may be."""
    command = [str(PROGRAM), *map(str, words)]
    if can_fork(environment) and options.keys() <= FORKED_WITH:
        return run_forked(command, environment, timeout=AT_MOST, **options)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.run(
        command,
        env=environment,
        text=True,
        timeout=AT_MOST,
        check=False,
        **{**pipes, **options},
    )


class Program:
    """The program over one database."""

    def __init__(self, conninfo: str) -> None:
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "SEAT_LEDGER_DATABASE_URL": conninfo,
            "SEAT_LEDGER_HOME": os.environ["SEAT_LEDGER_TEST_HOME"] + "/keys",
        }

    def run(self, *words: Any, **options: Any) -> subprocess.CompletedProcess[str]:
        """A process of the program."""
        return run_program(words, self.environment, **options)

    def json(self, *words: Any) -> dict[str, Any]:
        done = self.run(*words, "--format", "json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def parse(self, done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
        """The document of a command that ended in whatever way."""
        return json.loads(done.stdout)

    def lines(self, *commands: dict[str, Any] | str) -> Any:
        text = "".join(
            (c if isinstance(c, str) else json.dumps(c)) + "\n" for c in commands
        )
        return self.run("import", "-", "--format", "json", input=text)


OPEN = {
    "op": "open_account",
    "account": "acme",
    "name": "Acme BV",
    "time_zone": "Europe/Amsterdam",
    "term_start": "2025-03-05",
    "term_months": 12,
    "billing_cycle_months": 1,
}
BUY = {
    "op": "buy_seats",
    "account": "acme",
    "seat_type": PRO,
    "quantity": 3,
    "effective_at": "2025-03-05",
}
ANN = {
    "op": "add_user",
    "account": "acme",
    "user": "ann",
    "email": "ann@acme.example",
    "name": "Ann",
    "effective_at": "2025-03-05",
}
GIVE = {
    "op": "assign_seat",
    "account": "acme",
    "user": "ann",
    "seat_type": PRO,
    "effective_at": "2025-03-06",
}
