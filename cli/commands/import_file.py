"""A file of commands, recorded line by line."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from seat_ledger.cli.inputs.files import input_file
from seat_ledger.cli.inputs.lines import arriving, lines_of, size_of
from seat_ledger.cli.options.invoice_seal import sealing
from seat_ledger.cli.options.session import (
    current_session,
    options_of_answering,
)
from seat_ledger.cli.options.stopping import Stopping, stopped_by_signals
from seat_ledger.cli.options.writing import look_alike
from seat_ledger.cli.output.failures import advice
from seat_ledger.cli.output.printing import emit
from seat_ledger.cli.output.render import Answer, harmless, print_message
from seat_ledger.cli.output.streams import ReaderLeft
from seat_ledger.domain.values import fields_of, fold
from seat_ledger.domain.wording import counted
from seat_ledger.errors import InvalidInput, LedgerError, LinesRefused, OutputClosed

if TYPE_CHECKING:
    from seat_ledger.importing.lines import LineOutcome

EVERY = 30.0

WORTH_PROCESSES = 4 << 20
"""Bytes of a file from which on several processes check its lines."""


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--keep-going", is_flag=True, help="Continue after a refused line; exit 1."
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Show what would be recorded, without recording it.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    metavar="N",
    help="Processes that check the lines, each those of its accounts; by default one "
    "per core for a file of more than 4 MB, otherwise one. The result is the same. "
    "A dry run takes one.",
)
@options_of_answering
def import_(file: Path, keep_going: bool, dry_run: bool, workers: int | None) -> None:
    """Record the commands of a file: JSON Lines, or - for stdin.

    Importing the same file again, corrected further down or extended, records nothing
    twice. Lines that arrive slowly are recorded as they arrive. With --dry-run every
    line is checked against every rule, as if the lines before it had been recorded.
    """
    from seat_ledger.importing.files import import_file, try_file  # noqa: PLC0415
    from seat_ledger.projections.billing.invoice_computation import Drafting  # noqa: PLC0415

    session = current_session()
    report = _Report(harmless(str(file)), keep_going, dry_run)
    with (
        stopped_by_signals() as stopping,
        input_file(file, "name a file of command lines, or -") as stream,
        session.ledger() as ledger,
        Drafting(partial(session.reader, patient=True)) as drafting,
        closing(
            (
                partial(try_file, ledger, compute_after=drafting.after)
                if dry_run
                else partial(import_file, ledger, workers=workers or _workers(stream))
            )(
                report.until_stopped(
                    lines_of(
                        arriving(stream, stopping.is_set), past_long_ones=keep_going
                    ),
                    stopping,
                ),
                keep_going=keep_going,
                default_actor="system:import",
                compute_invoice=drafting if dry_run else sealing(session, drafting),
            )
        ) as outcomes,
    ):
        report.emit(outcomes, session.format)
    report.warn_of_look_alikes()
    if report.failed is not None:
        raise report.failed
    if report.stopped is None:
        if report.is_interrupted:
            raise report.interruption()
        return
    if session.format in {"json", "jsonl"}:
        raise report.failure(report.stopped)
    raise click.exceptions.Exit(1 if keep_going else report.stopped.exit_code)


_MOST_WARNINGS = 5
_RECORDED = {"recorded", "would_record"}


def _look_alikes(recorded: list[str], stored: list[str]) -> list[tuple[str, str]]:
    """Each account that a file opened with each one before it, stored or opened by the
    file as well, that it is but for case or composition.
    """
    by_fold: dict[str, list[str]] = {}
    for key in stored:
        by_fold.setdefault(fold(key), []).append(key)
    pairs = []
    for key in recorded:
        before = by_fold.setdefault(fold(key), [])
        pairs += [(key, other) for other in before if other != key]
        before.append(key)
    return pairs


def _workers(stream: BinaryIO) -> int:
    """How many processes are worth their start: lines that only arrive take one."""
    size = size_of(stream)
    return cores() if size is not None and size > WORTH_PROCESSES else 1


def cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Report:
    """What became of the lines, told as they come."""

    def __init__(self, file: str, keep_going: bool, is_trial: bool) -> None:
        self.file, self.keep_going, self.is_trial = file, keep_going, is_trial
        self.counted: Counter[str] = Counter()
        self.tally: Counter[tuple[str, str]] = Counter()
        self.stopped: LineOutcome | None = None
        self.failed: Exception | None = None
        self.last: int | None = None
        self.is_interrupted = False
        self.opening: dict[int, str] = {}
        """Which account a line opens, until it is known what became of it."""
        self.opened: list[str] = []
        """The accounts that were recorded, or would be."""
        self.stored: list[str] | None = None
        """Those that there were before the first of them."""

    def _note_opening(self, number: int, line: bytes) -> None:
        if self.stored is None:
            self.stored = []
            with suppress(Exception), current_session().reader() as reader:
                self.stored = reader.every_account(reader.knowledge())
        if (account := _opened_by(line)) is not None:
            self.opening[number] = account

    def warn_of_look_alikes(self) -> None:
        """Point out accounts that look like others, as `account open` does."""
        pairs = _look_alikes(self.opened, self.stored or [])
        for account, other in pairs[:_MOST_WARNINGS]:
            print_message(look_alike(account, other))
        if len(pairs) > _MOST_WARNINGS:
            more = len(pairs) - _MOST_WARNINGS
            there = counted(more, "more such pair is", "more such pairs are")
            print_message(f"{there} among the accounts of {self.file}.")

    def until_stopped(
        self, lines: Iterator[bytes | None], stopping: Stopping
    ) -> Iterator[bytes | None]:
        """The lines, up to where a signal ends the reading of them."""
        number = 0
        for line in lines:
            if stopping.is_set():
                break
            number += line is not None
            if line is not None and b"open_account" in line:
                self._note_opening(number, line)
            yield line
        if stopping.is_set():
            print_message(
                "Stopping: the lines that were read are still being recorded. Another "
                "Ctrl-C ends it at once."
            )
            self.is_interrupted = True

    def emit(self, outcomes: Iterator[LineOutcome], form: str) -> None:
        """Print the lines in a format. Raises InvalidInput where there are none."""
        rows = self._rows(outcomes)
        try:
            if form == "table":
                for _ in rows:
                    pass
            else:
                emit(Answer(rows, flat=True), form)
        except ReaderLeft as error:
            raise OutputClosed(
                f"The output of the import of {self.file} was closed before its end. "
                + ("" if self.is_trial else "What was recorded stays recorded."),
                try_="import the same file again: nothing is recorded twice",
            ) from error
        if not self.counted and self.failed is None and not self.is_interrupted:
            raise InvalidInput(f"{self.file} is empty: it contains no command.")
        if form == "table":
            emit(self._answer(), form)

    def _answer(self) -> Answer:
        """The tally by operation, in the words of the outcomes that there are."""
        words = sorted(self.counted)
        rows = [
            {"op": op, **{word: self.tally[op, word] for word in words}}
            for op in sorted({op for op, _ in self.tally})
        ]
        columns = [
            (word.replace("_", " "), lambda row, word=word: row[word])
            for word in ("op", *words)
        ]
        notes = ["Nothing was recorded."] if self.is_trial else []
        return Answer(rows, columns, sentence=self._sentence(), notes=notes)

    def _rows(self, outcomes: Iterator[LineOutcome]) -> Iterator[dict[str, Any]]:
        reported_at = time.monotonic()
        for outcome in self._until_it_fails(outcomes):
            self.last = outcome.line
            self.counted[outcome.outcome] += 1
            self.tally[outcome.op or "unreadable", outcome.outcome] += 1
            account = self.opening.pop(outcome.line, None)
            if account is not None and outcome.outcome in _RECORDED:
                self.opened.append(account)
            if outcome.stops:
                self.stopped = outcome
                self._refused(outcome)
            if time.monotonic() - reported_at > EVERY:
                reported_at = time.monotonic()
                print_message(f"{self.file}:{outcome.line}: {self._counts()}.")
            yield _row(outcome)

    def _until_it_fails(self, outcomes: Iterator[LineOutcome]) -> Iterator[LineOutcome]:
        """The outcomes; a failure waits until what is recorded is told whole."""
        try:
            yield from outcomes
        except BrokenPipeError:
            raise
        except Exception as error:  # noqa: BLE001  raised again by the command
            if isinstance(error, LedgerError):
                error.message = f"{self.file}: {error.message}"
            self.failed = error

    def _sentence(self) -> str:
        return f"{self._how_it_ended()}{self._counts()}.{self._of_refused()}"

    def _how_it_ended(self) -> str:
        if self.failed is not None:
            here = "" if self.is_trial else "What is listed here is recorded. "
            return f"Failed. {here if self.counted else ''}"
        if self.stopped is None:
            return "Interrupted. " if self.is_interrupted else ""
        if self.keep_going:
            return ""
        if self.is_trial:
            return "Stopped, as recording it would. "
        return "Stopped. The lines before it were recorded. "

    def _of_refused(self) -> str:
        is_mentioned = self.failed is None and self.keep_going and not self.is_trial
        refused = " Refused lines were not recorded."
        return refused if is_mentioned and self.stopped is not None else ""

    def _counts(self) -> str:
        lines = sum(self.counted.values())
        words = sorted(self.counted)
        if not lines:
            return "0 lines"
        parts = [f"{self.counted[word]:,} {word.replace('_', ' ')}" for word in words]
        word = "line" if lines == 1 else "lines"
        return f"{lines:,} {word}: {', '.join(parts)}"

    def _refused(self, outcome: LineOutcome) -> None:
        op = f" {outcome.op}" if outcome.op else ""
        print_message(
            f"{self.file}:{outcome.line}:{op} refused ({outcome.code}): "
            f"{harmless(outcome.message)}"
        )
        if outcome.try_:
            print_message(harmless(advice(outcome.try_)))

    def interruption(self) -> LedgerError:
        """That a signal ended the import, with the last line that it came to."""
        last = "before its first line" if self.last is None else f"at line {self.last}"
        what = "Nothing was" if self.is_trial else "What follows was not"
        interrupted = LedgerError(
            f"{self.file}: interrupted {last}. {what} recorded.",
            try_="import the same file again: nothing is recorded twice",
        )
        interrupted.code, interrupted.exit_code = "interrupted", 130
        return interrupted

    def failure(self, stopped: LineOutcome) -> LedgerError:
        """Why the import did not record all of the file."""
        if self.keep_going:
            lines, refused = sum(self.counted.values()), self.counted["refused"]
            return LinesRefused(
                f"{refused:,} of {counted(lines, 'line was', 'lines were')} refused."
            )
        failed = LedgerError(
            f"{self.file}:{stopped.line}: {stopped.message}", try_=stopped.try_
        )
        failed.code = stopped.code or failed.code
        failed.exit_code = stopped.exit_code
        return failed


def _opened_by(line: bytes) -> str | None:
    try:
        fields = json.loads(line)
        account = fields["account"] if fields["op"] == "open_account" else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None  # what is read of it says so
    return account if isinstance(account, str) else None


def _row(outcome: LineOutcome) -> dict[str, Any]:
    return {
        **fields_of(outcome, "line", "op", "outcome"),
        "positions": list(outcome.positions),
        **fields_of(outcome, "code", "message"),
    }
