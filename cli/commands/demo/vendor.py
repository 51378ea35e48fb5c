"""A vendor's own files: from nightly lists, a log and a bill to answers."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stdout
from importlib import resources
from io import StringIO
from pathlib import Path

import click

from seat_ledger.cli.options.session import Session
from seat_ledger.errors import CommandRefused

ACCOUNT = "copilot-demo"
NIGHTS = ("2026-10-11", "2026-10-12", "2026-10-13")
_SEAT = "copilot/business#2"
_ONCE = "--idempotency-key copilot-demo"


class VendorDemo:
    """The steps, each printed as it would be typed, and run."""

    def __init__(self, context: click.Context, session: Session, scratch: Path) -> None:
        self.program = context.find_root().command
        self.session, self.scratch = session, scratch

    def run(self) -> None:
        """From the vendor's files to who held a seat, and whether the bill is right."""
        for title, commands in self._steps():
            print(f"# {title}")
            for command in commands:
                self._step(command)
            print()

    def _steps(self) -> Iterator[tuple[str, list[str]]]:
        yield (
            "The seat type, and an account that the vendor bills by the month.",
            [
                f"catalogue add copilot/business {_ONCE}-type",
                f"account open {ACCOUNT} --name 'Copilot demo' --time-zone UTC "
                "--term-start 2026-10-01 --term-months 12 --billing-cycle-months 1 "
                f"{_ONCE}-open",
                f"account set-billing-policy day_touch -a {ACCOUNT} "
                f"--effective-at 2026-10-01 {_ONCE}-policy",
            ],
        )
        yield (
            "The audit log explains. It lacks what happened on 12 October.",
            [
                f"convert {_file('audit.jsonl')} --with github-copilot-audit "
                f"-a {ACCOUNT} > commands.jsonl",
                "import commands.jsonl",
            ],
        )
        yield (
            "Three nightly lists prove: the last one finds the missing event.",
            [
                f"snapshot {_file(f'seats-{night}.json')} --with github-copilot-seats "
                f"-a {ACCOUNT} --taken-at {night}T02:00Z"
                for night in NIGHTS
            ],
        )
        yield (
            "Support: who held this seat on the 12th?",
            [f"seat who '{_SEAT}' -a {ACCOUNT} --as-of 2026-10-12T12:00Z"],
        )
        yield (
            "The billing auditor: was the bill for October right?",
            [
                f"invoice convert {_file('usage.csv')} --with github-usage-report "
                f"-a {ACCOUNT} --issued-at 2026-11-02T09:00:00Z > lines.csv",
                "invoice audit lines.csv",
            ],
        )
        yield (
            "The bill counts one day more. Does that lie in what the lists leave open?",
            [
                f"billing counts -a {ACCOUNT} --period 2026-10-01 --format json",
                f"billing explain -a {ACCOUNT} --period 2026-10-01 "
                "--seat-type copilot/business --unit-price 19.00 --currency USD",
            ],
        )

    def _step(self, command: str) -> None:
        """Print a command as it is typed, and run it; ``>`` fills a file."""
        print(f"$ seat-ledger {command}")
        words = shlex.split(command)
        into = None
        if ">" in words:
            into = self.scratch / words[-1]
            words = words[:-2]
        words = [
            str(self.scratch / word)
            if word in {"commands.jsonl", "lines.csv"}
            else word
            for word in words
        ]
        text = StringIO()
        if into is not None:
            with redirect_stdout(text):
                self._call(words)
            into.write_text(text.getvalue())
        else:
            self._call(words)

    def _call(self, words: list[str]) -> None:
        try:
            self.program.main(words, standalone_mode=False, obj=self.session)
        except CommandRefused as error:
            if error.code != "seat_type_exists":  # by whoever tried it before
                raise
            print(error.message)
        self.session.exit_code = 0  # a finding of a demonstration is no failure
        self.session.format = "table"


def _file(name: str) -> Path:
    file = resources.files("seat_ledger.cli.commands.demo").joinpath("vendor", name)
    assert isinstance(file, Path)
    return file


def vendor_demo(context: click.Context, session: Session) -> None:
    """Run the demonstration in a folder that goes afterwards."""
    with tempfile.TemporaryDirectory() as scratch:
        VendorDemo(context, session, Path(scratch)).run()
