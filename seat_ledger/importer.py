"""How history comes in from elsewhere: a file of commands, a line each (CLI 4).

Lines are decided one by one with every rule, and appended many at a time. A line
without an idempotency key gets one from the digest of the file up to and including
that line: the same file again, corrected further down or made longer, repeats
nothing. What stands before a line that stops the import is recorded and stays.
"""

from __future__ import annotations

import gc
import hashlib
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from seat_ledger.clock import CarriedClock
from seat_ledger.commands import Command, parse_line, read_command
from seat_ledger.deliberation import Caller, RenewFirst
from seat_ledger.errors import (
    CommandRefused,
    Conflict,
    InvalidInput,
    LedgerError,
    Unavailable,
)
from seat_ledger.invoice import ComputeInvoice
from seat_ledger.store.bulk import Decided, append_many
from seat_ledger.values import account_id

if TYPE_CHECKING:
    from seat_ledger.application import SeatLedger
    from seat_ledger.deliberation import Decision
    from seat_ledger.workspace import Workspace

CHUNK = 2000
"""Lines that are decided before they are appended together."""

MAX_EVENTS = 20_000
"""Events that wait in memory before they are appended."""

TRIES = 10


Key = tuple[str, str]
"""A command in the file: the account's key, and the command's own."""


class LineOutcome(NamedTuple):
    """What became of a line: ``recorded``, ``repeated`` or ``refused``.

    `stops` says that it ends the import unless that keeps going.
    """

    line: int
    op: str | None
    outcome: str
    positions: tuple[int, ...]
    code: str | None = None
    message: str | None = None
    try_: str | None = None
    stops: bool = False
    exit_code: int = 0


class Line(NamedTuple):
    """A line of the file, read: a command, or why it is none."""

    number: int
    key: str
    command: Command | None
    error: LedgerError | None
    op: str | None


def import_lines(  # noqa: PLR0913  each is an option of its own
    ledger: SeatLedger,
    lines: Iterable[bytes],
    *,
    keep_going: bool = False,
    default_actor: str = "system:import",
    chunk: int = CHUNK,
    compute_invoice: ComputeInvoice | None = None,
) -> Iterator[LineOutcome]:
    """Record the commands of a file, and yield what became of each line.

    The last outcome has ``stops`` set when the import ends there: at an unreadable
    line, an unexpected refusal, or an unexpected acceptance; `keep_going` goes on.
    `compute_invoice` is asked for the figures of each invoice, when all that stands
    before it is recorded.
    """
    reading, caller = read_lines(lines), Caller(default_actor, compute_invoice)
    with _seldom_collecting():
        while batch := list(islice(reading, chunk)):
            for outcome in _Chunk(ledger, batch, caller, keep_going).record():
                yield outcome
                if outcome.stops and not keep_going:
                    return


@contextmanager
def _seldom_collecting() -> Iterator[None]:
    """Look for garbage seldom: the many entries in memory are none."""
    usual = gc.get_threshold()
    gc.set_threshold(100_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


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


class _Pending(NamedTuple):
    """A decided line that waits to be appended."""

    line: Line
    decided: Decided
    workspace: Workspace


class _Chunk:
    """Some lines of the file, decided in order and appended together."""

    def __init__(
        self,
        ledger: SeatLedger,
        lines: list[Line],
        caller: Caller,
        keep_going: bool,
    ) -> None:
        self.ledger = ledger
        self.lines = lines
        self.caller = caller
        self.keep_going = keep_going
        self.pending: dict[Key, _Pending] = {}
        self.sent: set[Key] = set()
        self.outcomes: dict[int, LineOutcome] = {}
        self.events = 0

    def record(self) -> list[LineOutcome]:
        """Decide and append the lines; return their outcomes in order.

        When somebody else changed one of the accounts, or the connection was lost,
        what is not recorded yet is decided again on what is there now.
        """
        for attempt in range(TRIES):
            try:
                with self.ledger.errors():
                    self._try()
                break
            except (Conflict, Unavailable) as error:
                self._drop()
                last = 3 if isinstance(error, Unavailable) else TRIES
                if attempt + 1 >= last:
                    raise
                time.sleep(0.05 * 2**attempt)
        self.ledger.looked_up = {}
        return [self.outcomes[number] for number in sorted(self.outcomes)]

    def _try(self) -> None:
        self._prepare()
        for line in self.lines:
            if line.number in self.outcomes:
                continue
            outcome = self._take(line)
            if outcome is not None:
                self.outcomes[line.number] = outcome
                if outcome.stops and not self.keep_going:
                    break
            if self.events >= MAX_EVENTS:
                self._flush()
        self._flush()

    def _prepare(self) -> None:
        """Ask once which lines are recorded already, and where each account is."""
        asked = [
            (line.command.envelope.account, line.key)
            for line in self.lines
            if line.command is not None
        ]
        keys = {account_id(account): account for account, _ in asked}
        found = self.ledger.ledger.recorded_commands(
            [(account_id(account), key) for account, key in asked]
        )
        self.recorded = {(keys[a], key): kept for (a, key), kept in found.items()}
        changes, now = self.ledger.ledger.changes_of(list(keys))
        self.changes = {keys[account]: seen for account, seen in changes.items()}
        self.clock = CarriedClock(now)
        self.ledger.look_up(self._names(set(self.changes)))

    def _names(self, recorded: set[str]) -> Iterator[tuple[UUID, str]]:
        """The names that the lines use, in accounts that are recorded already."""
        for line in self.lines:
            if line.command is None:
                continue
            account = line.command.envelope.account
            if account in recorded:
                for name in line.command.names():
                    yield account_id(account), name

    def _take(self, line: Line) -> LineOutcome | None:
        """Decide one line; None when it waits to be appended."""
        if line.command is None:
            assert line.error is not None
            return _failed(line, line.error, stops=True)
        key = (line.command.envelope.account, line.key)
        if key in self.pending:
            self._flush()
        try:
            if key in self.recorded:
                return self._repeated(line, key)
            self._decide(line, key)
        except InvalidInput as error:
            return _failed(line, error, stops=True)
        except CommandRefused as error:
            expected = line.command.envelope.expect is not None
            met = expected and error.code != "expected_refusal"
            return _failed(line, error, stops=not met)
        return None

    def _repeated(self, line: Line, key: Key) -> LineOutcome:
        assert line.command is not None
        digest, positions = self.recorded[key]
        self.ledger.check_same(line.command, digest)
        outcome = "recorded" if key in self.sent else "repeated"
        return LineOutcome(line.number, line.op, outcome, positions)

    def _decide(self, line: Line, key: Key) -> None:
        ledger, command = self.ledger, line.command
        assert command is not None
        if self.pending and (command.reverses or command.issues):
            self._flush()
        workspace = ledger.workspace(command)
        if not workspace.waiting:
            ledger.refresh(workspace, self.changes.get(key[0], 0))
        try:
            workspace, decision = self._decision(workspace, command)
        except CommandRefused as error:
            if error.blockers:
                self._flush()
                ledger.name_positions(error)
            raise
        if command.envelope.expect is not None:
            ledger.undo(workspace, decision)
            raise CommandRefused(
                "expected_refusal",
                "The line was accepted, though it says that it should be refused. "
                "Nothing of it is recorded.",
                try_="take 'expect' out, or correct the line",
            )
        append = ledger.append_of(workspace, command, line.key, decision)
        decided = Decided(append, decision.events)
        workspace.waiting = True
        self.pending[key] = _Pending(line, decided, workspace)
        self.events += len(decision.events)

    def _decision(
        self, workspace: Workspace, command: Command
    ) -> tuple[Workspace, Decision]:
        """Decide, once the renewals are recorded that an invoice's figures need."""
        decide, clock = self.ledger.decide, self.clock
        try:
            return workspace, decide(workspace, command, clock.now(), self.caller)
        except RenewFirst as first:
            if command.envelope.expect is not None:
                raise
            self.ledger.renew_before(command, first, self.caller)
        workspace = self.ledger.workspace(command)
        self.changes[command.envelope.account] = workspace.changes
        return workspace, decide(workspace, command, clock.now(), self.caller)

    def _flush(self) -> None:
        """Append what waits."""
        if not self.pending:
            return
        self.sent.update(self.pending)
        waiting = list(self.pending.values())
        positions = append_many(self.ledger.ledger, [one.decided for one in waiting])
        for key, one, own in zip(self.pending, waiting, positions, strict=True):
            line = one.line
            self.outcomes[line.number] = LineOutcome(
                line.number, line.op, "recorded", own
            )
            self.recorded[key] = (one.decided.append.digest, own)
        self.pending = {}
        self.events = 0
        for account, workspace in {
            one.line.command.envelope.account: one.workspace
            for one in waiting
            if one.line.command is not None
        }.items():
            self.ledger.appended(workspace)
            self.changes[account] = workspace.changes

    def _drop(self) -> None:
        """Forget what waited: it was not recorded, or somebody else's was."""
        for one in self.pending.values():
            if one.line.command is not None:
                account = one.line.command.envelope.account
                self.ledger.workspaces.pop(account, None)
        self.pending = {}
        self.events = 0


def _failed(line: Line, error: LedgerError, *, stops: bool) -> LineOutcome:
    return LineOutcome(
        line.number,
        line.op,
        "refused",
        (),
        error.code,
        error.message,
        error.try_,
        stops=stops,
        exit_code=error.exit_code if stops else 0,
    )
