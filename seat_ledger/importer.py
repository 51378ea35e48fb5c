"""How history comes in from elsewhere: a file of commands, a line each (CLI 4).

Lines are decided one by one with every rule, and appended many at a time. A line
without an idempotency key gets one from the digest of the file up to and including
that line: the same file again, corrected further down or made longer, repeats
nothing. What stands before a line that stops the import is recorded and stays.

While one chunk of lines is being written by the server, the next is read and decided.
Never more than one append is under way, and its lines are told when it is recorded.
"""

from __future__ import annotations

import gc
import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

from seat_ledger.chunk import Chunk, Import, Line, LineOutcome, RenewBefore
from seat_ledger.commands import parse_line, read_command
from seat_ledger.deliberation import Caller
from seat_ledger.desk import Desk
from seat_ledger.errors import Conflict, InvalidInput, LedgerError, Unavailable
from seat_ledger.invoice import ComputeInvoice

CHUNK = 2000
"""Lines that are decided before they are appended together."""

MAX_OPERATIONS = 20_000
"""Operations of a chunk: a line may be a batch of many."""

T = TypeVar("T")


def import_lines(  # noqa: PLR0913  each is an option of its own
    desk: Desk,
    lines: Iterable[bytes],
    *,
    renew_before: RenewBefore,
    keep_going: bool = False,
    default_actor: str = "system:import",
    chunk: int = CHUNK,
    compute_invoice: ComputeInvoice | None = None,
) -> Iterator[LineOutcome]:
    """Record the commands of a file, and yield what became of each line.

    The last outcome has ``stops`` set when the import ends there: at an unreadable
    line, an unexpected refusal, or an unexpected acceptance; `keep_going` goes on.
    `compute_invoice` is asked for the figures of each invoice, when all that stands
    before it is recorded; `renew_before` for a renewal that they need.
    """
    clerk, caller = _Thread(), Caller(default_actor, compute_invoice)
    importing = _Importing(Import(desk, clerk, caller, keep_going, renew_before))
    with _undisturbed():
        try:
            yield from importing.record(_batches(read_lines(lines), chunk))
        finally:
            clerk.close()
            importing.let_go()


class _Importing:
    """The chunks of one import, the next always asked about while one is decided."""

    def __init__(self, of: Import) -> None:
        self.of = of
        self._before: Chunk | None = None  # recorded, or under way
        self._chunk: Chunk | None = None  # being decided
        self._coming: Chunk | None = None

    def record(self, batches: Iterator[list[Line]]) -> Iterator[LineOutcome]:
        """Record the lines; yield what became of them, in order."""
        self._coming = self._ask(batches)
        while self._coming is not None:
            self._chunk, self._coming = self._coming, self._ask(batches)
            if not self._decided(self._chunk):
                yield from self._again()
            if self._before is not None:
                self._before.release(self._chunk)
                yield from self._before.told()
            self._before, self._chunk = self._chunk, None
            if self._before.has_stopped:
                break
        if self._before is not None:
            yield from self._ended(self._before)

    def _ask(self, batches: Iterator[list[Line]]) -> Chunk | None:
        lines = next(batches, None)
        if lines is None:
            return None
        chunk = Chunk(lines, self.of)
        chunk.ask()
        return chunk

    def _decided(self, chunk: Chunk) -> bool:
        """Decide a chunk, and have it written when the one before it is."""
        try:
            with self.of.desk.errors():
                self.of.desk.shed()
                chunk.decide(self._before)
                if self._before is not None:
                    self._before.settle()
                chunk.send()
        except (Conflict, Unavailable):
            return False
        return True

    def _again(self) -> Iterator[LineOutcome]:
        """What is not recorded is decided again, one chunk after the other."""
        waiting = [one for one in (self._before, self._chunk) if one is not None]
        for chunk in waiting:
            chunk.drop()
        for chunk in waiting:
            try:
                chunk.alone()
            finally:
                told = list(chunk.told())
            yield from told
        if self._coming is not None:
            self._coming.ask()

    def _ended(self, chunk: Chunk) -> Iterator[LineOutcome]:
        """The outcomes of the last chunk."""
        try:
            with self.of.desk.errors():
                chunk.settle()
        except (Conflict, Unavailable):
            yield from self._again()
        yield from chunk.told()

    def let_go(self) -> None:
        """Keep no account in memory that holds what may not be recorded."""
        for chunk in (self._before, self._chunk):
            if chunk is not None:
                chunk.let_go()
        self.of.desk.looked_up = {}


def _batches(lines: Iterator[Line], most: int) -> Iterator[list[Line]]:
    """The lines in chunks of so many, or of fewer long ones."""
    batch: list[Line] = []
    operations = 0
    for line in lines:
        batch.append(line)
        operations += 1 if line.command is None else len(line.command.lines)
        if len(batch) >= most or operations >= MAX_OPERATIONS:
            yield batch
            batch, operations = [], 0
    if batch:
        yield batch


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Look for garbage seldom: the many entries in memory are none.

    And let the thread that writes have its turn at once when the server answers.
    """
    usual, turn = gc.get_threshold(), sys.getswitchinterval()
    gc.set_threshold(500_000, 20, 50)
    sys.setswitchinterval(0.001)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        sys.setswitchinterval(turn)


class _Thread:
    """Does one job after the other, beside whoever gave them."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="import", daemon=True)
        self._thread.start()

    def do(self, job: Callable[[], T]) -> Future[T]:
        """What the job will give."""
        future: Future[T] = Future()

        def work() -> None:
            try:
                future.set_result(job())
            except BaseException as error:  # noqa: BLE001  whoever waits is told
                future.set_exception(error)

        self._jobs.put(work)
        return future

    def close(self) -> None:
        """Wait until all that was given is done."""
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (work := self._jobs.get()) is not None:
            work()


def read_lines(lines: Iterable[bytes]) -> Iterator[Line]:
    """The lines of a file, read; empty ones are left out."""
    digest = hashlib.sha256()
    for number, raw in enumerate(lines, start=1):
        text = raw.rstrip(b"\r\n")
        digest.update(text + b"\n")
        if text.strip():
            yield _read_line(number, text, f"import:{digest.hexdigest()[:40]}")


def _read_line(number: int, text: bytes, key: str) -> Line:
    op = None
    try:
        given = parse_line(text)
        op = given.get("op") if isinstance(given.get("op"), str) else None
        command = read_command(given)
        if command.erases:
            raise InvalidInput(
                "erase_user cannot stand in a file: it cannot be undone, and the file "
                "would keep who was erased.",
                try_="seat-ledger user erase",
            )
    except LedgerError as error:
        return Line(number, key, None, error, op)
    return Line(number, command.envelope.idempotency_key or key, command, None, op)
