"""Some lines of a command file: decided in order, and appended together.

A chunk asks the store once what it must know of all its lines. Then each line is
decided with every rule, on accounts in memory that hold the lines before it. What is
decided is appended by a clerk: a thread, so that the next chunk can be decided while
the server writes this one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from typing import Any, NamedTuple
from uuid import UUID

from seat_ledger.commands.execution import CommandExecution, Names, is_recorded
from seat_ledger.commands.handler import Caller
from seat_ledger.commands.messages import Command
from seat_ledger.commands.repository import AccountRepository, Prepared, Snapshots
from seat_ledger.commands.retrying import Retry
from seat_ledger.commands.unit_of_work import UnitOfWork
from seat_ledger.domain.clock import CarriedClock
from seat_ledger.domain.head import NO_HEAD, Head
from seat_ledger.domain.seat_types import CATALOGUE_ID, CATALOGUE_KEY
from seat_ledger.domain.values import account_id
from seat_ledger.errors import (
    CommandRefused,
    Conflict,
    InvalidInput,
    LedgerError,
    NotComputed,
    OutcomeUnknown,
    Unavailable,
)
from seat_ledger.importing.lines import ImportLine, LineBatch, LineOutcome, failed
from seat_ledger.store.recorder import Peek

MAX_EVENTS = 20_000
"""Events that wait in memory before they are appended."""

TRIES = 10
PAUSE = 0.05
"""Seconds before the first of them; twice as long before each next."""


def pause(_: LedgerError, attempt: int) -> float:
    """How long to wait before the next attempt, in seconds."""
    return float(PAUSE * 2**attempt)


Key = tuple[str, str]
"""A command in the file: the account's key, and the command's own."""

StoredCommand = tuple[bytes, tuple[int, ...]]
"""A command in the store: its digest, and what it recorded."""


class Import(NamedTuple):
    """What all chunks of one import share."""

    execution: CommandExecution
    clerk: Executor
    caller: Caller
    keep_going: bool

    @property
    def accounts(self) -> AccountRepository:
        """The accounts in memory."""
        return self.execution.accounts


_NOT_EXPECTED = {"expected_refusal", "account_set_aside"}
"""Refusals that are none by the rules of the domain."""


_NOT_RECORDED: tuple[None, tuple[int, ...]] = (None, ())


class _Answers(NamedTuple):
    """What the store said of the lines: which are recorded, and where accounts are."""

    recorded: dict[Key, StoredCommand]
    heads: dict[str, Head]
    secret: bytes
    clock: CarriedClock
    names: Names


class Pending(NamedTuple):
    """A decided line that waits to be appended."""

    line: ImportLine
    prepared: Prepared


class Chunk:
    """Some lines of the file.

    `kept` are the commands that it recorded, `moved` the heads that its accounts have
    then: the next chunk asked before they were there.
    """

    def __init__(self, batch: LineBatch, of: Import) -> None:
        self.lines, self.is_last_for_now = batch
        self.of = of
        self.accounts = of.accounts
        self.outcomes: dict[int, LineOutcome] = {}
        self.has_stopped = False
        self.written: dict[Key, StoredCommand] = {}
        self.moved: dict[str, Head] = {}
        self._reported = 0
        self._number = 0  # of the line that is being decided
        self._pending: dict[Key, Pending] = {}
        self._events = 0
        self._to_confirm: dict[int, str] = {}  # refused lines, with their accounts
        self._sent: dict[Key, int] = {}  # appended, or nobody knows
        self._times_forgotten = 0
        self._under_way: tuple[dict[Key, Pending], Future[Any]] | None = None
        self.touched: dict[str, UnitOfWork] = {}

    # -- asking -------------------------------------------------------------------

    def ask(self) -> None:
        """Let the clerk ask what is to be known of the lines that are left."""
        keys: list[tuple[Key, str]] = []
        of_bytes: list[tuple[Key, str]] = []
        accounts: dict[str, UUID] = {CATALOGUE_KEY: CATALOGUE_ID}
        names: dict[tuple[UUID, str], None] = {}
        workspaces, outcomes = self.accounts.workspaces, self.outcomes
        for line in self.lines:
            command = line.command
            if command is None or line.number in outcomes:
                continue
            account = command.envelope.account
            key = account, line.key
            keys.append((key, line.key))
            if line.key_of_bytes is not None:
                of_bytes.append((key, line.key_of_bytes))
            if account not in accounts:
                accounts[account] = account_id(account)
            workspace = workspaces.get(account)
            if workspace is None or not workspace.whole:
                for name in command.names():
                    if workspace is None or not workspace.knows(name):
                        names[accounts[account], name] = None
        self._answers = self.of.clerk.submit(
            lambda: self._look_up_all(keys, of_bytes, accounts, list(names))
        )

    def _look_up_all(
        self,
        keys: list[tuple[Key, str]],
        of_bytes: list[tuple[Key, str]],
        accounts: dict[str, UUID],
        names: list[tuple[UUID, str]],
    ) -> _Answers:
        """Ask where accounts are first: what is there later is no less than that."""
        recorder = self.accounts.recorder
        heads, clock, secret = recorder.heads_of(list(accounts.values()))
        of_stored_accounts = [name for name in names if name[0] in heads]
        named = recorder.many_user_ids(of_stored_accounts) if of_stored_accounts else {}
        keys = keys + of_bytes
        stored = recorder.recorded_commands(
            [accounts[account] for (account, _), _ in keys],
            [stored for _, stored in keys],
        )
        return _Answers(
            {keys[place - 1][0]: command for place, command in stored.items()},
            {account: heads[id_] for account, id_ in accounts.items() if id_ in heads},
            secret,
            clock,
            named,
        )

    # -- deciding -------------------------------------------------------------------

    def decide(self, before: Chunk | None) -> None:
        """Decide the lines in order, on what `before` leaves, recorded or not.

        `before` may still be under way; it is waited for where a line needs it.
        """
        self._before, self._times_forgotten = before, self.accounts.times_forgotten
        answers = self._answers.result()
        self._recorded, self._heads = answers.recorded, answers.heads
        self._secret, self._clock = answers.secret, answers.clock
        self._names = answers.names
        if before is not None:
            self._recorded |= before.written
            self._heads |= before.moved
        for line in self.lines:
            if line.number in self.outcomes:
                continue
            self._number = line.number
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
            peek = self._peek(key)
            if is_recorded(command, peek):
                sent = self._sent.get(key) == line.number
                outcome = "recorded" if sent else "repeated"
                return LineOutcome(
                    line.number, line.op, outcome, self._recorded[key][1]
                )
            self._decide(line, command, key, peek)
        except (InvalidInput, NotComputed) as error:
            return failed(line, error, stops=True)
        except CommandRefused as error:
            self._to_confirm[line.number] = key[0]
            expected = command.envelope.expect is not None
            met = expected and error.code not in _NOT_EXPECTED
            return failed(line, error, stops=not met)
        return None

    def _peek(self, key: Key) -> Peek:
        """What the store, and the lines before, say of a command."""
        digest, positions = self._recorded.get(key, _NOT_RECORDED)
        heads, now = self._heads, self._clock.now()
        head = heads.get(key[0], NO_HEAD)
        catalogue = heads.get(CATALOGUE_KEY, NO_HEAD)
        return Peek(head, catalogue, False, now, self._secret, digest, positions)

    def _decide(self, line: ImportLine, command: Command, key: Key, peek: Peek) -> None:
        if command.needs_recorded:
            self._flush()
            peek = self._peek(key)
        is_expected = command.envelope.expect is None
        try:
            prepared = self.of.execution.prepare(
                command,
                line.key,
                peek,
                self.of.caller,
                names=self._names,
                due=[] if is_expected else None,
                on_renewal=lambda workspace: self._renewed(key[0], workspace),
            )
        except CommandRefused as error:
            if error.blockers:
                self._flush()
                self.accounts.name_positions(error)
            raise
        workspace, decision = prepared.workspace, prepared.decision
        if not is_expected:
            workspace.undo(decision.events, decision.new_users)
            raise CommandRefused(
                "expected_refusal",
                "The line was accepted, although it expects a refusal. Nothing was "
                "recorded.",
                try_="take 'expect' out, or correct the line",
            )
        workspace.waiting = True
        self.touched[key[0]] = workspace
        self._pending[key] = Pending(line, prepared)
        self._events += len(decision.events)

    def _renewed(self, account: str, workspace: UnitOfWork) -> None:
        """Go on from renewals that were recorded beside the lines."""
        self._heads[account] = self.moved[account] = workspace.head
        self._names = {}  # asked before

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
        self.confirm()
        if not self._pending:
            return
        sending, snapshots = self._hand_over()
        decided = [each.prepared.decided for each in sending.values()]
        own = {key: each.line.number for key, each in sending.items()}

        def append() -> Sequence[tuple[int, ...]]:
            try:
                positions = self.accounts.append_many(decided)
            except OutcomeUnknown:
                self._sent |= own
                raise
            self._sent |= own
            self.accounts.keep(snapshots)
            return positions

        self._under_way = sending, self.of.clerk.submit(append)

    def confirm(self) -> None:
        """See that lines were decided on what is there, and on the lines before them.

        Where a connection was lost meanwhile, by whoever asks for the next lines, the
        accounts were forgotten, and with them the lines that wait. An append notices by
        itself that somebody was faster. A line that is refused may be so by what
        somebody recorded since it was asked about, be it the line itself. Raises
        Conflict, Unavailable.
        """
        if self.accounts.times_forgotten != self._times_forgotten:
            raise Unavailable("A connection to the database was lost.")
        refused = [*dict.fromkeys(self._to_confirm.values())]
        if not refused:
            return
        refused.append(CATALOGUE_KEY)
        self.accounts.check_heads(
            {
                account_id(account): self._heads.get(account, NO_HEAD)
                for account in refused
            }
        )
        self._to_confirm.clear()

    def _hand_over(self) -> tuple[dict[Key, Pending], Snapshots]:
        """What was decided, taken off the accounts; and the snapshots that are due."""
        sending, self._pending, self._events = self._pending, {}, 0
        snapshots = self.accounts.hand_over(each.prepared for each in sending.values())
        for (account, _), each in sending.items():
            self._heads[account] = self.moved[account] = each.prepared.workspace.head
        return sending, snapshots

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
            self.written[key] = (pending.prepared.append.digest, own)
        self._recorded |= self.written

    @property
    def is_reported(self) -> bool:
        """Whether the outcome of every line is reported."""
        return self._reported == len(self.lines)

    @property
    def first_unreported(self) -> int | None:
        """The number of the first line whose outcome is not reported."""
        return None if self.is_reported else self.lines[self._reported].number

    def report(self) -> Iterator[LineOutcome]:
        """The outcomes not reported yet, up to the first line that has none."""
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

    def may_have_sent(self, line: ImportLine) -> None:
        """Take a line for recorded by this import, where it is recorded."""
        if line.command is not None:
            self._sent[line.command.envelope.account, line.key] = line.number

    def drop(self) -> None:
        """Forget what was not recorded: it was decided on a state that is gone.

        So were refusals behind the last recorded line.
        """
        self.accounts.forget()
        self.touched, self.moved, self._pending, self._events = {}, {}, {}, 0
        self._under_way, self._before, self.has_stopped = None, None, False
        stored = [
            n for n, outcome in self.outcomes.items() if outcome.outcome != "refused"
        ]
        last = max(stored, default=0)
        self.outcomes = {
            number: outcome
            for number, outcome in self.outcomes.items()
            if number not in self._to_confirm
            and (number <= last or outcome.outcome != "refused")
        }
        self._to_confirm.clear()

    def alone(self) -> None:
        """Decide and append what has no outcome yet, while nothing else is under way.

        When somebody else changed one of the accounts, or the connection was lost, it
        is decided again on what is there then. Raises Conflict, Unavailable.
        """
        retry = Retry(TRIES, pause)
        try:
            retry.run(self._attempt_alone)
        except (Conflict, Unavailable) as error:
            if retry.is_unknown:
                raise OutcomeUnknown(error.message) from error
            raise

    def _attempt_alone(self) -> None:
        try:
            with self.accounts.errors():
                self.ask()
                self.decide(None)
                self.send()
                self.settle()
        except (Conflict, Unavailable):
            self.drop()
            raise
