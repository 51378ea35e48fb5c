"""One command, from what is read to what is recorded.

The one path for a single command and for a line of a file: a command that is recorded
already records nothing again (R73); else it is decided on its account as it is at a
head, once the renewals are recorded that an invoice needs (R37), and is then ready to
be appended. An append claims that head: on a conflict the command is decided again on
the new state.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from seat_ledger.commands.handler import (
    Caller,
    CommandHandler,
    Decision,
    RenewFirst,
)
from seat_ledger.commands.messages import Command, read_command
from seat_ledger.commands.repository import AccountRepository, Prepared
from seat_ledger.commands.retrying import Retry
from seat_ledger.commands.unit_of_work import UnitOfWork
from seat_ledger.domain.events import LedgerEvent, UserErased
from seat_ledger.domain.personal_data import erased
from seat_ledger.domain.seat_types import CATALOGUE_KEY
from seat_ledger.domain.user import User
from seat_ledger.domain.values import as_word, iso, shown
from seat_ledger.errors import (
    CommandRefused,
    Conflict,
    DamagedStream,
    IntegrityFailure,
    InvalidInput,
    LedgerError,
    NotAllowed,
    NotComputed,
    OutcomeUnknown,
    SchemaMismatch,
    Unavailable,
)
from seat_ledger.store.bulk import pack
from seat_ledger.store.recorder import Peek

Names = Mapping[tuple[UUID, str], tuple[list[UUID], list[UUID]]]
"""Who was ever called by a name in an account: by key, and by folded e-mail."""

OnRenewal = Callable[[UnitOfWork], None]
"""Learns that renewals of an account are recorded."""


class RecordedEvent(NamedTuple):
    """An event as it was recorded; a dry run has neither position nor instant.

    `user` is the key of the user it is about; `actor` is who caused it, a user by key.
    """

    position: int | None
    recorded_at: datetime | None
    topic: str
    event: LedgerEvent
    user: str | None
    actor: str


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


class CommandExecution:
    """Commands over the accounts of one database."""

    def __init__(self, accounts: AccountRepository) -> None:
        self.accounts = accounts

    def execute(
        self, command: Command, caller: Caller, *, dry_run: bool = False
    ) -> Result:
        """Record one command, or say why not. `dry_run` decides and records nothing."""
        return self._execute(command, _key_of(command), caller, dry_run=dry_run)

    def _execute(
        self,
        command: Command,
        key: str,
        caller: Caller,
        *,
        dry_run: bool = False,
        is_unknown: bool = False,
    ) -> Result:
        if command.envelope.account not in self.accounts.workspaces:
            self.accounts.shed()
        retry = Retry(self.accounts.settings.tries, _pause, is_unknown=is_unknown)
        try:
            result = retry.run(lambda: self._attempt(command, key, caller, dry_run))
        except (
            Conflict,
            Unavailable,
            NotAllowed,
            NotComputed,
            SchemaMismatch,
            IntegrityFailure,
        ) as error:
            raise outcome_of(error, command, retry.is_unknown) from error
        # What is recorded after a lost reply is this very command.
        return result._replace(repeated=result.repeated and not retry.is_unknown)

    def execute_together(
        self, commands: Sequence[tuple[Command, Caller]]
    ) -> list[Result | Exception]:
        """Record commands of different accounts, each on its own, in one append.

        What becomes of each is what :meth:`execute` gives, or raises. Where the append
        fails, each is decided again and recorded alone.
        """
        group = _Group([(each, _key_of(each), caller) for each, caller in commands])
        self.accounts.shed()
        try:
            with self.accounts.errors():
                self._decide_group(group)
                self._append_group(group)
        except Exception as error:  # noqa: BLE001  whose it is shows alone
            is_unknown = isinstance(error, OutcomeUnknown)
            for place, (command, key, caller) in enumerate(group.commands):
                if place not in group.results:
                    unknown = is_unknown and place in group.prepared
                    group.results[place] = _outcome(
                        self._execute, command, key, caller, is_unknown=unknown
                    )
        return [group.results[place] for place in range(len(commands))]

    def _decide_group(self, group: _Group) -> None:
        """Decide each command of a group on its account; a refusal is its own."""
        accounts = self.accounts
        spaces = [accounts.workspace(command) for command, _, _ in group.commands]
        seen = [
            (workspace.account_id, key, workspace.head)
            for workspace, (_, key, _) in zip(spaces, group.commands, strict=True)
        ]
        peeks = accounts.recorder.peek_many(seen)
        names: dict[UnitOfWork, list[str]] = {}
        for workspace, peek, (command, _, _) in zip(
            spaces, peeks, group.commands, strict=True
        ):
            accounts.refresh(workspace, peek.head, continues=peek.continues)
            names[workspace] = list(command.names())
        accounts.look_up(names)
        for place, (command, key, caller) in enumerate(group.commands):
            workspace, peek, due = spaces[place], peeks[place], group.due[place]
            try:
                if is_recorded(command, peek):
                    group.results[place] = self._repeated(command, peek.positions)
                    continue
                group.prepared[place] = self.prepare(
                    command, key, peek, caller, due=due
                )
            except (CommandRefused, InvalidInput) as error:
                if isinstance(error, CommandRefused):
                    if not due:
                        accounts.check_unmoved(workspace, key, peek.head, error)
                    accounts.name_positions(error)
                group.results[place] = error

    def _append_group(self, group: _Group) -> None:
        """Append what a group comes to. What follows on it can undo nothing."""
        accounts, prepared = self.accounts, list(group.prepared.values())
        if len(prepared) == 1:
            (place,) = group.prepared
            result = self._record(prepared[0])
            due = (*group.due[place], *result.due)
            group.results[place] = result._replace(due=due)
        elif prepared:
            snapshots = accounts.hand_over(prepared)
            packed = [pack(each.decided) for each in prepared]
            firsts, recorded_at = accounts.append_packed(packed)
            for place, first in zip(group.prepared, firsts, strict=True):
                each = group.prepared[place]
                positions = range(first, first + len(each.decision.events))
                result = _result(each, positions, recorded_at)
                due = (*group.due[place], *result.due)
                group.results[place] = result._replace(due=due)
            accounts.keep(snapshots)

    def _attempt(
        self, command: Command, key: str, caller: Caller, dry_run: bool
    ) -> Result:
        accounts = self.accounts
        with accounts.errors():
            workspace = accounts.workspace(command)
            peek = accounts.recorder.peek(workspace.account_id, key, workspace.head)
            if is_recorded(command, peek):
                return self._repeated(command, peek.positions)
            due: list[RecordedEvent] = []
            try:
                prepared = self.prepare(
                    command, key, peek, caller, due=None if dry_run else due
                )
            except CommandRefused as error:
                if not due:
                    accounts.check_unmoved(workspace, key, peek.head, error)
                accounts.name_positions(error)
                raise
            if dry_run:
                return self._undone(prepared)
            result = self._record(prepared)
            return result._replace(due=(*due, *result.due))

    def prepare(  # noqa: PLR0913  what is known of a command beside it
        self,
        command: Command,
        key: str,
        peek: Peek,
        caller: Caller,
        *,
        names: Names | None = None,
        due: list[RecordedEvent] | None,
        on_renewal: OnRenewal = lambda _: None,
    ) -> Prepared:
        """Decide a command that is not recorded yet, on its account at a head.

        `due` takes up the renewals that are recorded first; where it is None, none may
        be. `names` are who is called so at that head. Raises CommandRefused with
        blockers by stream and version: see :meth:`AccountRepository.name_positions`.
        """
        accounts = self.accounts
        workspace = accounts.workspace(command)
        if accounts.catalogue_unit.head != peek.catalogue:
            accounts.refresh_catalogue(peek.catalogue)
        if workspace.head != peek.head:
            accounts.refresh(workspace, peek.head, continues=peek.continues)
        for name in command.names() if names else ():
            if ids := (names or {}).get((workspace.account_id, name)):
                workspace.learn(name, *ids)
        try:
            decision = self._decide(workspace, command, peek.now, caller)
        except RenewFirst as first:
            if due is None:
                raise
            due += self._renew(workspace, command, first, peek, caller)
            on_renewal(workspace)
            decision = self._decide(workspace, command, peek.now, caller)
        digest = b"" if command.erases else with_secret(peek.digest_key, command.digest)
        return accounts.prepared(workspace, key, digest, decision)

    def _decide(
        self, workspace: UnitOfWork, command: Command, now: datetime, caller: Caller
    ) -> Decision:
        try:
            return CommandHandler(workspace, command, now=now, caller=caller).decide()
        except DamagedStream as error:
            raise self.accounts.damaged(workspace, error) from error

    def _renew(
        self,
        workspace: UnitOfWork,
        command: Command,
        first: RenewFirst,
        peek: Peek,
        caller: Caller,
    ) -> Sequence[RecordedEvent]:
        """Record the renewals that an invoice's figures need, in an append before.

        They are due at the command's effective time, carry no idempotency key and
        are no part of its result (R37).
        """
        account, actor = command.envelope.account, command.envelope.actor
        renew = {"op": "renew", "account": account, "effective_at": iso(first.at)}
        if actor is not None:
            renew["actor"] = actor
        renewal = read_command(renew)
        decision = self._decide(workspace, renewal, peek.now, caller)
        digest = with_secret(peek.digest_key, renewal.digest)
        key = f"~{uuid4()}"
        prepared = self.accounts.prepared(workspace, key, digest, decision)
        return self._record(prepared).events

    def _record(self, prepared: Prepared) -> Result:
        """Append a decision. What follows on it can undo nothing, and may fail."""
        accounts, decision = self.accounts, prepared.decision
        snapshots = accounts.hand_over([prepared])
        appended = accounts.append(prepared)
        result = _result(prepared, appended.positions, appended.recorded_at)
        if decision.erased is None:
            accounts.keep(snapshots)
            return result
        accounts.forget()
        return result._replace(cleared=accounts.recorder.rewrite_persons())

    def _undone(self, prepared: Prepared) -> Result:
        """What a decision would record; it is taken back."""
        workspace, decision = prepared.workspace, prepared.decision
        result = _result(prepared, (None,) * len(decision.events), None)
        workspace.undo(decision.events, decision.new_users)
        return result

    def _repeated(self, command: Command, positions: Sequence[int]) -> Result:
        """The first result of a command that was recorded before (R73)."""
        recorder = self.accounts.recorder
        rows = recorder.stored_at(positions)
        source = self.accounts.stored
        stored = [
            (position, rows[position][1], source.event_of(rows[position][0]))
            for position in positions
        ]
        named = {UUID(user) for _, _, event in stored for user in _users_in(event)}
        users = {user.key: user for user in source.load_users([*named])}
        events = tuple(_recorded(*facts, users) for facts in stored)
        erasures = [row.event for row in events if row.topic == UserErased.TOPIC]
        return Result(
            tuple(positions),
            events,
            repeated=True,
            erased=erased(erasures[0].originator_id).user_key if erasures else None,
            cleared=not command.erases or recorder.rewrite_persons(),
        )


class _Group:
    """Commands that are recorded together, and what became of each, by its place."""

    def __init__(self, commands: Sequence[tuple[Command, str, Caller]]) -> None:
        self.commands = commands
        self.due: list[list[RecordedEvent]] = [[] for _ in commands]
        self.prepared: dict[int, Prepared] = {}
        self.results: dict[int, Result | Exception] = {}


def _outcome(
    execute: Callable[..., Result], *fields: Any, **options: Any
) -> Result | Exception:
    """What becomes of a command: its result, or what is raised."""
    try:
        return execute(*fields, **options)
    except Exception as error:  # noqa: BLE001  raised again by whoever asked
        return error


def _key_of(command: Command) -> str:
    """What a command is recorded under; one of its own where it has none."""
    return command.envelope.idempotency_key or f"~{uuid4()}"


def is_recorded(command: Command, peek: Peek) -> bool:
    """Whether the command is recorded under its key. Raises CommandRefused for another
    one (R73).
    """
    if peek.digest is not None:
        check_same(command, peek.digest_key, peek.digest)
    return peek.digest is not None


def check_same(command: Command, secret: bytes, recorded: bytes) -> None:
    """Refuse a key that was used for another command (R73).

    After an erasure there is nothing to compare with: the command is taken for
    the one that was recorded, and records nothing.
    """
    key, account = command.envelope.idempotency_key, command.envelope.account
    written = with_secret(secret, command.digest_as_written)
    if recorded in {b"", with_secret(secret, command.digest), written}:
        return
    if key is None:  # the key was made from the very bytes of the file
        raise CommandRefused(
            "idempotency_conflict",
            f"The line is recorded in {shown(account)} already, but under a secret "
            "other than the one in ledger.digest_key.",
            try_="restore that table from its own backup: seat-ledger help erasure",
        )
    raise CommandRefused(
        "idempotency_conflict",
        f"The key {key!r} was used in {account} for a different command.",
        try_="use a new key for a new command",
    )


def with_secret(secret: bytes, digest: bytes) -> bytes:
    """What makes two commands the same, with a secret in it (R73).

    Commands name people, and a digest of a name could be guessed back.
    """
    return hashlib.sha256(secret + digest).digest()


def _result(
    prepared: Prepared, positions: Sequence[int | None], recorded_at: datetime | None
) -> Result:
    workspace, decision = prepared.workspace, prepared.decision
    events = tuple(
        _recorded(position, recorded_at, event, workspace.users)
        for position, event in zip(positions, decision.events, strict=True)
    )
    own = events[decision.due :]
    return Result(
        tuple(event.position for event in own if event.position is not None),
        own,
        events[: decision.due],
        erased=decision.erased.user_key if decision.erased is not None else None,
    )


def _recorded(
    position: int | None,
    recorded_at: datetime | None,
    event: LedgerEvent,
    users: Mapping[str, User],
) -> RecordedEvent:
    """An event with what the users that it names are called."""
    user = users.get(_subject(event) or "")
    by = users.get(_acting_user(event) or "")
    return RecordedEvent(
        position,
        recorded_at,
        event.TOPIC,
        event,
        user.user_key if user is not None else None,
        f"user:{by.user_key}" if by is not None else event.actor,
    )


def _users_in(event: LedgerEvent) -> Iterator[str]:
    """The ids of the users that an event names."""
    yield from filter(None, (_subject(event), _acting_user(event)))


def _subject(event: LedgerEvent) -> str | None:
    """The id of the user that an event is about: named, or whose stream it is in."""
    if named := getattr(event, "user", None):
        return str(named)
    return str(event.originator_id) if getattr(event, "account", None) else None


def _acting_user(event: LedgerEvent) -> str | None:
    """The id of the user who caused an event, where one did (R36)."""
    kind, _, user_id = event.actor.partition(":")
    return user_id if kind == "user" else None


def outcome_of(error: LedgerError, command: Command, is_unknown: bool) -> LedgerError:
    """The failure of a command, with what became of the command.

    What failed before COMMIT is not recorded; of what was lost during it nobody can
    tell until the database answers again. Nothing that follows on a commit fails.
    """
    if not is_unknown:
        error.message = f"{error.message.rstrip('.')}. Nothing was written."
        error.args = (error.message,)
        error.wrote_nothing = True
        return error
    account = command.envelope.account
    where = "the catalogue" if account == CATALOGUE_KEY else account
    return OutcomeUnknown(
        f"The connection was lost while the command was being recorded in {where}: "
        "either all of it was recorded, or nothing. Looking it up failed: "
        f"{error.message}",
        try_=_way_on(command),
    )


def _way_on(command: Command) -> str:
    """What to do where nobody can tell whether a command is recorded."""
    account = command.envelope.account
    if command.envelope.idempotency_key:
        return "repeat it with the same idempotency key, which records it once"
    journal = f"'seat-ledger event list -a {as_word(account)}'"
    if account == CATALOGUE_KEY:
        journal = "'seat-ledger event list'"
    if command.erases:
        return (
            f"see whether {journal} ends with UserErased; if so, erase again the user "
            "whom it names (erased-…), which completes it; otherwise repeat it"
        )
    return f"see whether it is in {journal} before you repeat it"


def _pause(error: LedgerError, attempt: int) -> float:
    """How long to wait before the next attempt, in seconds."""
    if isinstance(error, Unavailable):
        return 0.2 * (attempt + 1)
    return random.uniform(0, 0.002 * min(2**attempt, 64))  # noqa: S311
