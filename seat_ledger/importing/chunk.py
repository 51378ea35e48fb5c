"""Some lines of a command file: decided in order, and appended together.

A chunk asks the store once what it must know of all its lines. Then each line is
decided with every rule, on accounts in memory that hold the lines before it. What is
decided is appended by a clerk: a thread, so that the next chunk can be decided while
the server writes this one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, Protocol, TypeVar
from uuid import UUID

from seat_ledger.commands.handler import Caller, Decision, RenewFirst
from seat_ledger.commands.messages import Command
from seat_ledger.commands.repository import AccountRepository, Names, with_secret
from seat_ledger.commands.unit_of_work import UnitOfWork
from seat_ledger.domain.clock import CarriedClock
from seat_ledger.domain.head import NO_HEAD, Head
from seat_ledger.domain.values import account_id
from seat_ledger.errors import (
    CommandRefused,
    Conflict,
    InvalidInput,
    OutcomeUnknown,
    Unavailable,
)
from seat_ledger.importing.lines import ImportLine, LineBatch, LineOutcome, failed
from seat_ledger.store.bulk import Decided

MAX_EVENTS = 20_000
"""Events that wait in memory before they are appended."""

TRIES = 10
PAUSE = 0.05
"""Seconds before the first of them; twice as long before each next."""

T = TypeVar("T")
Key = tuple[str, str]
"""A command in the file: the account's key, and the command's own."""

StoredCommand = tuple[bytes, tuple[int, ...]]
"""A command in the store: its digest, and what it recorded."""

RenewBefore = Callable[[Command, RenewFirst, Caller], Any]
"""Records the renewals that an invoice's figures need."""


class Clerk(Protocol):
    """Does one job after the other, in the order in which they are given."""

    def do(self, job: Callable[[], T]) -> Future[T]:
        """What the job will give."""
        ...


class Import(NamedTuple):
    """What all chunks of one import share."""

    desk: AccountRepository
    clerk: Clerk
    caller: Caller
    keep_going: bool
    renew_before: RenewBefore


_NOT_EXPECTED = {"expected_refusal", "account_set_aside"}
"""Refusals that are none by the rules of the domain."""


class _Answers(NamedTuple):
    """What the store said of the lines: which are recorded, and where accounts are."""

    recorded: dict[Key, StoredCommand]
    heads: dict[str, Head]
    secret: bytes
    clock: CarriedClock
    names: Names


class _Pending(NamedTuple):
    """A decided line that waits to be appended."""

    line: ImportLine
    decided: Decided
    decision: Decision
    workspace: UnitOfWork


class Chunk:
    """Some lines of the file.

    `kept` are the commands that it recorded, `moved` the heads that its accounts have
    then: the next chunk asked before it could be told of them.
    """

    def __init__(self, batch: LineBatch, of: Import) -> None:
        self.lines, self.is_last_for_now = batch
        self.of = of
        self.desk = of.desk
        self.outcomes: dict[int, LineOutcome] = {}
        self.has_stopped = False
        self.written: dict[Key, StoredCommand] = {}
        self.moved: dict[str, Head] = {}
        self._reported = 0
        self._pending: dict[Key, _Pending] = {}
        self._events = 0
        self._sent: dict[Key, int] = {}
        self._under_way: tuple[dict[Key, _Pending], Future[Any]] | None = None
        self.touched: dict[str, UnitOfWork] = {}

    # -- asking -------------------------------------------------------------------

    def ask(self) -> None:
        """Let the clerk ask what is to be known of the lines that are left."""
        keys: list[tuple[Key, str]] = []
        of_bytes: list[tuple[Key, str]] = []
        accounts: dict[str, UUID] = {}
        names: dict[tuple[UUID, str], None] = {}
        for line in self.lines:
            if line.command is None or line.number in self.outcomes:
                continue
            account = line.command.envelope.account
            accounts[account] = id_ = account_id(account)
            keys.append(((account, line.key), line.key))
            if line.key_of_bytes is not None:
                of_bytes.append(((account, line.key), line.key_of_bytes))
            workspace = self.desk.workspaces.get(account)
            if workspace is None or not workspace.whole:
                for name in line.command.names():
                    if workspace is None or not workspace.knows(name):
                        names[id_, name] = None
        self._answers = self.of.clerk.do(
            lambda: self._look_up_all(keys, of_bytes, accounts, list(names))
        )

    def _look_up_all(
        self,
        keys: list[tuple[Key, str]],
        of_bytes: list[tuple[Key, str]],
        accounts: dict[str, UUID],
        names: list[tuple[UUID, str]],
    ) -> _Answers:
        ledger = self.desk.ledger
        if of_bytes and ledger.has_keys_of_bytes():
            keys = keys + of_bytes
        stored = ledger.recorded_commands(
            [accounts[account] for (account, _), _ in keys],
            [stored for _, stored in keys],
        )
        heads, now, secret = ledger.heads_of(list(accounts.values()))
        of_stored_accounts = [name for name in names if name[0] in heads]
        return _Answers(
            {keys[place - 1][0]: command for place, command in stored.items()},
            {account: heads[id_] for account, id_ in accounts.items() if id_ in heads},
            secret,
            CarriedClock(now),
            ledger.many_user_ids(of_stored_accounts) if of_stored_accounts else {},
        )

    # -- deciding -------------------------------------------------------------------

    def decide(self, before: Chunk | None) -> None:
        """Decide the lines in order, on what `before` leaves, recorded or not.

        `before` may still be under way; it is waited for where a line needs it.
        """
        self._before = before
        answers = self._answers.result()
        self._recorded, self._heads = answers.recorded, answers.heads
        self._secret, self._clock = answers.secret, answers.clock
        self.desk.looked_up = answers.names
        if before is not None:
            self._recorded |= before.written
            self._heads |= before.moved
        for line in self.lines:
            if line.number in self.outcomes:
                continue
            outcome = self._take(line)
            if outcome is not None:
                self.outcomes[line.number] = outcome
                if outcome.stops and not self.of.keep_going:
                    self.has_stopped = True
                    break
            if self._events >= MAX_EVENTS:
                self._flush()
        self._before = None

    def _take(self, line: ImportLine) -> LineOutcome | None:
        """Decide one line; None when it waits to be appended."""
        command = line.command
        if command is None:
            assert line.error is not None
            return failed(line, line.error, stops=True)
        key = (command.envelope.account, line.key)
        if key in self._pending or (self._before and self._before.is_sending(key)):
            self._flush()
        try:
            if key in self._recorded:
                return self._repeated(line, command, key)
            self._decide(line, command, key)
        except InvalidInput as error:
            return failed(line, error, stops=True)
        except CommandRefused as error:
            expected = command.envelope.expect is not None
            met = expected and error.code not in _NOT_EXPECTED
            return failed(line, error, stops=not met)
        return None

    def _repeated(self, line: ImportLine, command: Command, key: Key) -> LineOutcome:
        recorded, positions = self._recorded[key]
        self.desk.check_same(command, self._secret, recorded)
        outcome = "recorded" if self._sent.get(key) == line.number else "repeated"
        return LineOutcome(line.number, line.op, outcome, positions)

    def _decide(self, line: ImportLine, command: Command, key: Key) -> None:
        desk = self.desk
        if command.needs_recorded:
            self._flush()
        digest = with_secret(self._secret, command.digest)
        workspace = desk.workspace(command)
        desk.refresh(workspace, self._heads.get(key[0], NO_HEAD))
        try:
            workspace, decision = self._decision(workspace, command)
        except CommandRefused as error:
            if error.blockers:
                self._flush()
                desk.name_positions(error)
            raise
        if command.envelope.expect is not None:
            desk.undo(workspace, decision)
            raise CommandRefused(
                "expected_refusal",
                "The line was accepted, though it says that it should be refused. "
                "Nothing was recorded.",
                try_="take 'expect' out, or correct the line",
            )
        append = desk.append_of(workspace, line.key, digest, decision)
        decided = Decided(append, decision.events)
        workspace.waiting = True
        self.touched[key[0]] = workspace
        self._pending[key] = _Pending(line, decided, decision, workspace)
        self._events += len(decision.events)

    def _decision(
        self, workspace: UnitOfWork, command: Command
    ) -> tuple[UnitOfWork, Decision]:
        """Decide, once the renewals are recorded that an invoice's figures need."""
        decide, clock, caller = self.desk.decide, self._clock, self.of.caller
        try:
            return workspace, decide(workspace, command, clock.now(), caller)
        except RenewFirst as first:
            if command.envelope.expect is not None:
                raise
            self.of.renew_before(command, first, caller)
        self.desk.looked_up = {}  # asked before the lines that are recorded now
        workspace = self.desk.workspace(command)
        self._heads[command.envelope.account] = workspace.head
        self.touched[command.envelope.account] = workspace
        return workspace, decide(workspace, command, clock.now(), caller)

    # -- appending ------------------------------------------------------------------

    def _flush(self) -> None:
        """See that all that was decided so far is recorded."""
        if self._before is not None:
            self._before.settle()
            self._recorded |= self._before.written
        self.send()
        self.settle()

    def is_sending(self, key: Key) -> bool:
        """Whether a command is on its way to the store."""
        return self._under_way is not None and key in self._under_way[0]

    def send(self) -> None:
        """Hand what was decided to the clerk; nothing else may be under way."""
        if not self._pending:
            return
        sending, self._pending, self._events = self._pending, {}, 0
        self._sent.update(
            (key, pending.line.number) for key, pending in sending.items()
        )
        workspaces = {}
        for (account, _), pending in sending.items():
            workspaces[account] = pending.workspace
            for aggregate in pending.decision.changed:
                aggregate.collect_events()
        snapshots = []
        for account, workspace in workspaces.items():
            self.desk.hand_over(workspace, ())
            self._heads[account] = self.moved[account] = workspace.head
            snapshot = self.desk.snapshot_due(workspace.account)
            if snapshot is not None:
                snapshots.append((snapshot, workspace.head))
        decided = [pending.decided for pending in sending.values()]

        def append() -> Sequence[tuple[int, ...]]:
            positions = self.desk.append_many(decided)
            for snapshot, head in snapshots:
                self.desk.keep(snapshot, head)
            return positions

        self._under_way = sending, self.of.clerk.do(append)

    def settle(self) -> None:
        """Wait for what is under way, and note what it recorded."""
        if self._under_way is None:
            return
        sending, appending = self._under_way
        positions = appending.result()
        self._under_way = None
        for (key, pending), own in zip(sending.items(), positions, strict=True):
            number = pending.line.number
            self.outcomes[number] = LineOutcome(
                number, pending.line.op, "recorded", own
            )
            self.written[key] = (pending.decided.append.digest, own)
        self._recorded |= self.written

    @property
    def is_reported(self) -> bool:
        """Whether the outcome of every line is told."""
        return self._reported == len(self.lines)

    @property
    def first_unreported(self) -> int | None:
        """The number of the first line whose outcome is not told."""
        return None if self.is_reported else self.lines[self._reported].number

    def report(self) -> Iterator[LineOutcome]:
        """The outcomes not told yet, up to the first line that has none."""
        for line in self.lines[self._reported :]:
            outcome = self.outcomes.get(line.number)
            if outcome is None:
                return
            self._reported += 1
            yield outcome

    # -- when something fails ---------------------------------------------------------

    def release(self, after: Chunk | None) -> None:
        """Let go of the accounts that the chunk after this one did not change too."""
        for account, workspace in self.touched.items():
            if after is None or account not in after.touched:
                workspace.waiting = False

    def drop(self) -> None:
        """Forget what was not recorded: it was decided on what is no more, or not yet.

        So were refusals behind the last recorded line.
        """
        self.desk.forget()
        self.touched, self.moved, self._pending, self._events = {}, {}, {}, 0
        self._under_way, self._before, self.has_stopped = None, None, False
        stored = [
            n for n, outcome in self.outcomes.items() if outcome.outcome != "refused"
        ]
        last = max(stored, default=0)
        self.outcomes = {
            number: outcome
            for number, outcome in self.outcomes.items()
            if number <= last or outcome.outcome != "refused"
        }

    def alone(self) -> None:
        """Decide and append what has no outcome yet, while nothing else is under way.

        When somebody else changed one of the accounts, or the connection was lost, it
        is decided again on what is there then. Raises Conflict, Unavailable.
        """
        is_unknown = False
        for attempt in range(TRIES):
            try:
                with self.desk.errors():
                    self.ask()
                    self.decide(None)
                    self.send()
                    self.settle()
            except (Conflict, Unavailable) as error:
                self.drop()
                is_unknown = is_unknown or isinstance(error, OutcomeUnknown)
                last = 3 if isinstance(error, Unavailable) else TRIES
                if attempt + 1 >= last:
                    raise (
                        OutcomeUnknown(error.message) if is_unknown else error
                    ) from error
                time.sleep(PAUSE * 2**attempt)
            else:
                return
