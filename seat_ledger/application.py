"""The ledger as its users meet it: each operation is a method; and no SQL.

A command is decided on an account's aggregates as they were when its change number
was read, and appended only if that number has not moved (optimistic concurrency
over the whole account: R30, R33 and R35 span streams). Who comes too late decides
again on what is there now; after several times it is told so (exit 4).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import uuid4

from seat_ledger.commands.handler import Caller, Decision, RenewFirst
from seat_ledger.commands.messages import OPERATIONS, Command, read_command
from seat_ledger.commands.repository import AccountRepository, with_secret
from seat_ledger.commands.unit_of_work import UnitOfWork
from seat_ledger.domain.events import LedgerEvent, UserErased
from seat_ledger.domain.invoice_draft import ComputeInvoice
from seat_ledger.domain.personal_data import erased
from seat_ledger.domain.values import as_word, iso
from seat_ledger.errors import (
    CommandRefused,
    Conflict,
    IntegrityFailure,
    LedgerError,
    NotAllowed,
    OutcomeUnknown,
    SchemaMismatch,
    Unavailable,
)
from seat_ledger.importing.importer import import_lines
from seat_ledger.importing.lines import LineOutcome
from seat_ledger.importing.trial import try_lines
from seat_ledger.store.recorder import Append, Appended


class RecordedEvent(NamedTuple):
    """An event as it was recorded; a dry run has neither position nor instant.

    `user` is the key of the user it is about.
    """

    position: int | None
    recorded_at: datetime | None
    topic: str
    event: LedgerEvent
    user: str | None = None


class Result(NamedTuple):
    """What a command recorded: its positions, and its events.

    `due` are the positions of renewals that were processed first (R37). `repeated`
    says that the same command was recorded before under this key (R73); `erased` is
    what a person reads as who was erased. `cleared` is false where older versions of
    the person's rows are still in the tables' files: the same erasure tries again.
    """

    positions: tuple[int, ...]
    events: tuple[RecordedEvent, ...]
    due: tuple[RecordedEvent, ...] = ()
    repeated: bool = False
    erased: str | None = None
    cleared: bool = True


class SeatLedger(AccountRepository):
    """The write side over one database.

    Use it as a context manager. Each operation of :data:`OPERATIONS` is a method too,
    which takes the account and the operation's own fields. All of them raise
    CommandRefused, NotFound, InvalidInput, Conflict or Unavailable.
    """

    def execute(
        self,
        command: Command | Mapping[str, Any],
        *,
        dry_run: bool = False,
        default_actor: str = "system:import",
        compute_invoice: ComputeInvoice | None = None,
    ) -> Result:
        """Record one command, or say why not. `dry_run` decides and records nothing.

        `default_actor` stands in where the command names none, and is no part of
        what makes two commands the same (R73). `compute_invoice` is asked for the
        figures of an invoice, again when the account moved meanwhile.
        """
        if not isinstance(command, Command):
            command = read_command(command)
        key = command.envelope.idempotency_key or f"~{uuid4()}"
        caller = Caller(default_actor, compute_invoice)
        if command.envelope.account not in self.workspaces:
            self.shed()
        is_unknown = False
        for attempt in range(self.settings.tries):
            try:
                with self.errors():
                    result = self._attempt(command, key, dry_run, caller)
            except (Conflict, Unavailable) as error:
                is_unknown = is_unknown or isinstance(error, OutcomeUnknown)
                if attempt + 1 >= self._tries(error):
                    raise outcome_of(error, command, is_unknown) from error
                time.sleep(_pause(error, attempt))
            except (NotAllowed, SchemaMismatch, IntegrityFailure) as error:
                raise outcome_of(error, command, is_unknown) from error
            else:
                # What is recorded after a lost reply is this very command.
                return result._replace(repeated=result.repeated and not is_unknown)
        raise AssertionError("the last try returns or raises")

    def _tries(self, error: Conflict | Unavailable) -> int:
        return 3 if isinstance(error, Unavailable) else self.settings.tries

    def __getattr__(self, name: str) -> Callable[..., Result]:
        """Each operation as a method: ``ledger.buy_seats("acme", quantity=2, …)``."""
        if name not in OPERATIONS:
            raise AttributeError(f"{name} is no operation")

        def record(
            account: str, *, compute_invoice: ComputeInvoice | None = None, **facts: Any
        ) -> Result:
            command = {"op": name, "account": account, **facts}
            return self.execute(command, compute_invoice=compute_invoice)

        record.__doc__ = OPERATIONS[name].__doc__
        return record

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *OPERATIONS]

    def import_lines(
        self, lines: Iterable[bytes | None], **options: Any
    ) -> Generator[LineOutcome]:
        """Record the commands of a file; see :mod:`seat_ledger.importing.importer`."""
        options.setdefault("chunk", self.settings.import_chunk)
        return import_lines(self, lines, renew_before=self.renew_before, **options)

    def try_lines(
        self, lines: Iterable[bytes | None], **options: Any
    ) -> Generator[LineOutcome]:
        """What would become of the commands of a file; nothing is recorded (R101)."""
        options.setdefault("chunk", self.settings.import_chunk)
        return try_lines(
            self.conninfo, self.settings, lines, set_aside=self.set_aside, **options
        )

    # -- one attempt ------------------------------------------------------------

    def _attempt(
        self, command: Command, key: str, dry_run: bool, caller: Caller
    ) -> Result:
        workspace = self.workspace(command)
        peek = self.ledger.peek(workspace.account_id, key, workspace.head)
        if peek.digest is not None:
            self.check_same(command, peek.digest_key, peek.digest)
            return self.repeated(command, peek.positions)
        digest = with_secret(peek.digest_key, command.digest)
        self.refresh(workspace, peek.head, continues=peek.continues)
        try:
            decision = self.decide(workspace, command, peek.now, caller)
        except RenewFirst as first:
            if dry_run:
                raise
            renewed = self.renew_before(command, first, caller)
            issued = self._attempt(command, key, dry_run, caller)
            return issued._replace(due=(*renewed.events, *issued.due))
        except CommandRefused as error:
            self.name_positions(error)
            raise
        if dry_run:
            nowhere = (None,) * len(decision.events)
            result = _result(workspace, decision, nowhere, None)
            self.undo(workspace, decision)
            return result
        append = self.append_of(
            workspace, key, b"" if command.erases else digest, decision
        )
        result = _result(
            workspace, decision, *self._append(workspace, append, decision)
        )
        cleared = decision.erased is None or self.ledger.rewrite_persons()
        return result._replace(cleared=cleared)

    def renew_before(
        self, command: Command, first: RenewFirst, caller: Caller
    ) -> Result:
        """Record the renewals that an invoice's figures need, in an append before.

        They are due at the command's effective time, carry no idempotency key and
        are no part of its result (R37).
        """
        account, actor = command.envelope.account, command.envelope.actor
        renew = {"op": "renew", "account": account, "effective_at": iso(first.at)}
        if actor is not None:
            renew["actor"] = actor
        return self.execute(renew, default_actor=caller.actor)

    def _append(
        self, workspace: UnitOfWork, append: Append, decision: Decision
    ) -> Appended:
        """Append a decision. What follows on it can undo nothing, and may fail."""
        appended = self.ledger.append(
            [self.mapper.to_stored_event(event) for event in decision.events], append
        )
        self.hand_over(workspace, decision.changed)
        if decision.erased is not None:
            self.forget()
            return appended
        snapshot = self.snapshot_due(workspace.account)
        if snapshot is not None:
            self.keep(snapshot, workspace.head)
        return appended

    def repeated(self, command: Command, positions: Sequence[int]) -> Result:
        """The first result of a command that was recorded before (R73)."""
        stored = self.ledger.stored_at(positions)
        events = []
        for position in positions:
            row, recorded_at = stored[position]
            event = self.mapper.to_domain_event(row)
            assert isinstance(event, LedgerEvent)
            events.append(RecordedEvent(position, recorded_at, event.TOPIC, event))
        erasures = [row.event for row in events if row.topic == UserErased.TOPIC]
        label = erased(erasures[0].originator_id).user_key if erasures else None
        cleared = not command.erases or self.ledger.rewrite_persons()
        return Result(
            tuple(positions),
            tuple(events),
            repeated=True,
            erased=label,
            cleared=cleared,
        )


def _result(
    workspace: UnitOfWork,
    decision: Decision,
    positions: Sequence[int | None],
    recorded_at: datetime | None,
) -> Result:
    events = tuple(
        RecordedEvent(
            position, recorded_at, event.TOPIC, event, _user_key(workspace, event)
        )
        for position, event in zip(positions, decision.events, strict=True)
    )
    own = events[decision.due :]
    return Result(
        tuple(event.position for event in own if event.position is not None),
        own,
        events[: decision.due],
        erased=decision.erased.user_key if decision.erased is not None else None,
    )


def _user_key(workspace: UnitOfWork, event: LedgerEvent) -> str | None:
    """The key of the user that an event is about, where one is."""
    user_id = getattr(event, "user", None) or str(event.originator_id)
    user = workspace.users.get(user_id)
    return user.user_key if user is not None else None


def outcome_of(error: LedgerError, command: Command, is_unknown: bool) -> LedgerError:
    """The failure of a command, with what became of the command.

    What failed before COMMIT is not recorded; of what was lost during it nobody can
    tell until the database answers again. Nothing that follows on a commit fails.
    """
    if not is_unknown:
        error.message = f"{error.message.rstrip('.')}. Nothing was written."
        error.args = (error.message,)
        return error
    account, key = command.envelope.account, command.envelope.idempotency_key
    again = "repeat it with the same idempotency key, which records it once"
    look = f"see whether it is in 'seat-ledger event list -a {as_word(account)}'"
    return OutcomeUnknown(
        f"The connection was lost while the command was being recorded in {account}: "
        f"it is recorded whole, or not at all. Then: {error.message}",
        try_=again if key else f"{look} before you repeat it",
    )


def _pause(error: LedgerError, attempt: int) -> float:
    """How long to wait before the next attempt, in seconds."""
    if isinstance(error, Unavailable):
        return 0.2 * (attempt + 1)
    return random.uniform(0, 0.002 * min(2**attempt, 64))  # noqa: S311
