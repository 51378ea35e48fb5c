"""How history comes in from elsewhere: a file of commands, a line each (CLI 4).

Lines are decided one by one with every rule, and appended many at a time. The same
file again, corrected further down or made longer, repeats nothing. What stands before
a line that stops the import is recorded and stays.

While one chunk of lines is being written by the server, the next is read and decided.
Never more than one append is under way, and its lines are reported once it is recorded.
Where the next lines are not there yet, those before them wait for nothing.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from seat_ledger.commands.execution import CommandExecution
from seat_ledger.commands.handler import Caller
from seat_ledger.commands.retrying import Retry
from seat_ledger.domain.invoice_draft import ComputeInvoice
from seat_ledger.errors import Conflict, LedgerError, OutcomeUnknown, Unavailable
from seat_ledger.importing.chunk import TRIES, Chunk, Import, pause
from seat_ledger.importing.lines import (
    KeyChain,
    LineBatch,
    LineOutcome,
    batches_of,
    read_lines,
)
from seat_ledger.importing.undisturbed import undisturbed

CHUNK = 2000
"""Lines that are decided before they are appended together."""

_AGAIN = "import the same file again once the cause is gone: nothing is recorded twice"


def import_lines(  # noqa: PLR0913  each is an option of its own
    execution: CommandExecution,
    lines: Iterable[bytes | None],
    *,
    keep_going: bool = False,
    default_actor: str = "system:import",
    chunk: int = CHUNK,
    compute_invoice: ComputeInvoice | None = None,
) -> Generator[LineOutcome]:
    """Record the commands of a file, and yield what became of each line.

    The last outcome has ``stops`` set when the import ends there: at an unreadable
    line, an unexpected refusal, or an unexpected acceptance; `keep_going` goes on.
    None among `lines` says that the next is not there yet: what stands before is then
    recorded and reported first. What is recorded is also reported before an error.
    `compute_invoice` is asked for the figures of each invoice, when all that stands
    before it is recorded.
    """
    clerk = ThreadPoolExecutor(1, "import")
    caller = Caller(default_actor, compute_invoice)
    importing = _Importing(Import(execution, clerk, caller, keep_going))
    with undisturbed():
        try:
            keys = KeyChain(with_bytes=has_keys_of_bytes(execution))
            yield from importing.record(batches_of(read_lines(lines, keys), chunk))
        finally:
            clerk.shutdown()
            importing.let_go()


def has_keys_of_bytes(execution: CommandExecution) -> bool:
    """Whether an earlier program recorded lines of files, which it named otherwise."""
    accounts = execution.accounts

    def ask() -> bool:
        with accounts.errors():
            return accounts.recorder.has_keys_of_bytes()

    return Retry(TRIES, pause).run(ask)


class _Importing:
    """The chunks of one import, the next always asked about while one is decided."""

    def __init__(self, of: Import) -> None:
        self.of = of
        self._before: Chunk | None = None  # recorded, or under way
        self._chunk: Chunk | None = None  # being decided
        self._coming: Chunk | None = None
        self._has_stopped = False
        self._is_unknown = False  # what became of the append that was under way

    def record(self, batches: Iterator[LineBatch]) -> Iterator[LineOutcome]:
        """Record the lines; yield what became of them, in order."""
        try:
            yield from self._record(batches)
        except LedgerError as error:
            yield from self._recorded_all_the_same()
            raise self._failure(error) from error
        except Exception:
            yield from self._recorded_all_the_same()
            raise

    def _record(self, batches: Iterator[LineBatch]) -> Iterator[LineOutcome]:
        while self._has_more(batches):
            self._chunk, self._coming = self._coming, None
            assert self._chunk is not None
            if not self._chunk.is_last_for_now:
                self._has_more(batches)
            if not self._decided(self._chunk):
                yield from self._again()
            if self._has_stopped:
                return
            if self._before is not None:
                self._before.release(self._chunk)
                yield from self._before.report()
            self._before, self._chunk = self._chunk, None
            if self._before.is_last_for_now or self._before.has_stopped:
                yield from self._ended(self._before)
            if self._has_stopped:
                return
        if self._before is not None:
            yield from self._ended(self._before)

    def _has_more(self, batches: Iterator[LineBatch]) -> bool:
        """Whether lines are left; then it is asked what is to be known of them."""
        if self._coming is None:
            batch = next(batches, None)
            if batch is None:
                return False
            self._coming = Chunk(batch, self.of)
            self._coming.ask()
        return True

    def _decided(self, chunk: Chunk) -> bool:
        """Decide a chunk, and have it written when the one before it is."""
        try:
            with self.of.accounts.errors():
                self.of.accounts.shed()
                chunk.decide(self._before)
                if self._before is not None:
                    self._before.settle()
                chunk.send()
        except (Conflict, Unavailable) as error:
            self._is_unknown = isinstance(error, OutcomeUnknown)
            return False
        return True

    def _again(self) -> Iterator[LineOutcome]:
        """What is not recorded is decided again, one chunk after the other.

        It may stop elsewhere then: what was refused may be accepted, and the reverse.
        """
        waiting = [chunk for chunk in (self._before, self._chunk) if chunk is not None]
        for chunk in waiting:
            chunk.drop()
        for chunk in waiting:
            chunk.alone()
            yield from chunk.report()
            if chunk.has_stopped:
                self._has_stopped = True
                return
        self._is_unknown = False
        if self._coming is not None:
            self._coming.ask()

    def _ended(self, chunk: Chunk) -> Iterator[LineOutcome]:
        """The outcomes of a chunk that nothing is decided after, for now."""
        try:
            with self.of.accounts.errors():
                chunk.settle()
        except (Conflict, Unavailable) as error:
            self._is_unknown = isinstance(error, OutcomeUnknown)
            yield from self._again()
        yield from chunk.report()
        chunk.release(None)
        self._has_stopped, self._before = chunk.has_stopped, None

    def _recorded_all_the_same(self) -> Iterator[LineOutcome]:
        """The outcomes of what is recorded, though the import failed."""
        for chunk in (self._before, self._chunk):
            if chunk is not None:
                with suppress(Exception):
                    chunk.settle()
                yield from chunk.report()
                if not chunk.is_reported:
                    return

    def _failure(self, error: LedgerError) -> LedgerError:
        """The failure, with the first line that is not known to be recorded."""
        chunks = (self._before, self._chunk, self._coming)
        lines = (chunk.first_unreported for chunk in chunks if chunk is not None)
        line = next((number for number in lines if number is not None), None)
        return failure(error, line, is_unknown=self._is_unknown)

    def let_go(self) -> None:
        """Keep no account in memory that holds what may not be recorded."""
        if self._before is not None or self._chunk is not None:
            self.of.accounts.forget()


def failure(
    error: LedgerError, line: int | None, *, is_unknown: bool = False
) -> LedgerError:
    """The failure of an import, with the first line not known to be recorded."""
    if line is None:
        return error
    if is_unknown or isinstance(error, OutcomeUnknown):
        return OutcomeUnknown(
            f"{error.message.rstrip('.')}. It is unknown whether line {line} and some "
            "lines after it were recorded.",
            try_=_AGAIN,
            **{**error.details, "line": line},
        )
    what = f"Line {line} and those after it were not recorded."
    error.message = f"{error.message.rstrip('.')}. {what}"
    error.args = (error.message,)
    error.details["line"] = line
    error.try_ = error.try_ if not isinstance(error, Unavailable) else _AGAIN
    return error
