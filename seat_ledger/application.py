"""The ledger as its users meet it: one public method per command, and no SQL.

A command is decided on an account's aggregates as they were when its change number
was read, and appended only if that number has not moved (optimistic concurrency
over the whole account: R30, R33 and R35 span streams). Who comes too late decides
again on what is there now; after several times it is told so (exit 4).
"""

from __future__ import annotations

import hashlib
import random
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from eventsourcing.application import AggregateNotFoundError, Application
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import (
    IntegrityError,
    InterfaceError,
    OperationalError,
    PersistenceError,
)
from eventsourcing.utils import Environment, EnvType

from seat_ledger.account import Account
from seat_ledger.commands import Command, read_command
from seat_ledger.deliberation import (
    Caller,
    Decision,
    Deliberation,
    Lookup,
    Recorded,
    RenewFirst,
)
from seat_ledger.errors import (
    CommandRefused,
    Conflict,
    Unavailable,
)
from seat_ledger.events import EntryReversed, InvoiceIssued, LedgerEvent, UserErased
from seat_ledger.importer import import_lines
from seat_ledger.invoice import ComputeInvoice
from seat_ledger.sealing import erased
from seat_ledger.settings import Settings
from seat_ledger.snapshot import AccountSnapshot
from seat_ledger.store.connection import (
    connect,
    explained,
    sqlstate_of,
    unavailable,
)
from seat_ledger.store.factory import LedgerFactory, SnapshotStore
from seat_ledger.store.mapper import LedgerMapper, read_event
from seat_ledger.store.recorder import (
    MOVED,
    Append,
    Erasure,
    LedgerRecorder,
    UserName,
)
from seat_ledger.user import User
from seat_ledger.values import account_id, iso
from seat_ledger.workspace import Workspace


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
    what a person reads as who was erased.
    """

    positions: tuple[int, ...]
    events: tuple[RecordedEvent, ...]
    due: tuple[RecordedEvent, ...] = ()
    repeated: bool = False
    erased: str | None = None


class SeatLedger(Application[UUID]):
    """The write side over one database.

    Use it as a context manager. Every method takes the fields of its command as
    CLI 4 names them, and raises CommandRefused, NotFound, InvalidInput, Conflict or
    Unavailable.
    """

    name = "stored"

    def __init__(self, conninfo: str, settings: Settings | None = None) -> None:
        self.conninfo = conninfo
        self.settings = settings or Settings()
        self.workspaces: OrderedDict[str, Workspace] = OrderedDict()
        self.looked_up: dict[tuple[UUID, str], tuple[list[UUID], list[UUID]]] = {}
        connect(conninfo).close()  # says at once, and plainly, what is wrong
        with self.errors():
            super().__init__({})

    # -- how the library is set up --------------------------------------------

    def construct_env(self, name: str, env: EnvType | None = None) -> Environment:
        """Nothing comes from the environment: settings have a place of their own."""
        return Environment(
            name,
            {
                "IS_SNAPSHOTTING_ENABLED": "y",
                "DEEPCOPY_FROM_AGGREGATE_CACHE": "n",
                "CREATE_TABLE": "n",
                **(env or {}),
            },
        )

    def construct_factory(self, env: Environment) -> LedgerFactory:
        """The factory over the whole connection string."""
        return LedgerFactory(self.conninfo, env, self.settings.pool_size)

    def construct_mapper(self) -> LedgerMapper:
        """The mapper that validates on read and write."""
        return LedgerMapper(lambda user_id: self.ledger.person_key(user_id))  # noqa: PLW0108  the recorder comes later

    def construct_recorder(self) -> LedgerRecorder:
        """The recorder that appends under the advisory lock."""
        recorder = self.factory.application_recorder()
        assert isinstance(recorder, LedgerRecorder)
        self.ledger = recorder
        self.snapshot_store = SnapshotStore(recorder.datastore)
        return recorder

    def construct_snapshot_store(self) -> Any:
        """Snapshots are read by the library's repository, from our own table."""
        return self.snapshot_store

    # -- commands -------------------------------------------------------------

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
        caller, lost = Caller(default_actor, compute_invoice), False
        for attempt in range(self.settings.tries):
            try:
                with self.errors():
                    result = self._attempt(command, key, dry_run, caller)
                # What is found recorded after a lost reply is this very command.
                return result._replace(repeated=result.repeated and not lost)
            except Conflict:
                self.workspaces.pop(command.envelope.account, None)
                if attempt == self.settings.tries - 1:
                    raise
                time.sleep(random.uniform(0, 0.002 * min(2**attempt, 64)))  # noqa: S311
            except Unavailable:
                self.workspaces.pop(command.envelope.account, None)
                lost = True
                if attempt >= 2:
                    raise
                time.sleep(0.2 * (attempt + 1))
        raise AssertionError("the last try returns or raises")

    def open_account(self, account: str, **facts: Any) -> Result:
        """Open an account under a key (R39)."""
        return self.execute({"op": "open_account", "account": account, **facts})

    def set_time_zone(self, account: str, **facts: Any) -> Result:
        """Move the account's later bounds into another zone (R09)."""
        return self.execute({"op": "set_time_zone", "account": account, **facts})

    def set_billing_policy(self, account: str, **facts: Any) -> Result:
        """Count later periods by another rule (R50)."""
        return self.execute({"op": "set_billing_policy", "account": account, **facts})

    def issue_invoice(
        self, account: str, *, compute_invoice: ComputeInvoice, **facts: Any
    ) -> Result:
        """Invoice a period that has ended, from figures computed elsewhere (R64)."""
        command = {"op": "issue_invoice", "account": account, **facts}
        return self.execute(command, compute_invoice=compute_invoice)

    def renew(self, account: str, **facts: Any) -> Result:
        """Process the account's due renewals (R37)."""
        return self.execute({"op": "renew", "account": account, **facts})

    def add_user(self, account: str, **facts: Any) -> Result:
        """Add a user (S7)."""
        return self.execute({"op": "add_user", "account": account, **facts})

    def set_permissions(self, account: str, **facts: Any) -> Result:
        """Change a user's permissions (R34)."""
        return self.execute({"op": "set_permissions", "account": account, **facts})

    def grant_hub_access(self, account: str, **facts: Any) -> Result:
        """Let a user enter a hub (S7)."""
        return self.execute({"op": "grant_hub_access", "account": account, **facts})

    def revoke_hub_access(self, account: str, **facts: Any) -> Result:
        """Let a user enter a hub no more (R27)."""
        return self.execute({"op": "revoke_hub_access", "account": account, **facts})

    def remove_user(self, account: str, **facts: Any) -> Result:
        """Take a user out of the account (R31)."""
        return self.execute({"op": "remove_user", "account": account, **facts})

    def erase_user(self, account: str, **facts: Any) -> Result:
        """Let nobody read any more who a user was."""
        return self.execute({"op": "erase_user", "account": account, **facts})

    def buy_seats(self, account: str, **facts: Any) -> Result:
        """Put more seats under contract (R14)."""
        return self.execute({"op": "buy_seats", "account": account, **facts})

    def reduce_seats(self, account: str, **facts: Any) -> Result:
        """Ask for fewer seats from the next renewal on (R16)."""
        return self.execute({"op": "reduce_seats", "account": account, **facts})

    def cancel_reduction(self, account: str, **facts: Any) -> Result:
        """Take back the latest pending reduction (R18)."""
        return self.execute({"op": "cancel_reduction", "account": account, **facts})

    def assign_seat(self, account: str, **facts: Any) -> Result:
        """Give a user a seat (R23 to R26)."""
        return self.execute({"op": "assign_seat", "account": account, **facts})

    def unassign_seat(self, account: str, **facts: Any) -> Result:
        """Take a seat from a user (R27)."""
        return self.execute({"op": "unassign_seat", "account": account, **facts})

    def batch(self, account: str, **facts: Any) -> Result:
        """Several operations as one step (R28, R29)."""
        return self.execute({"op": "batch", "account": account, **facts})

    def reverse(self, account: str, **facts: Any) -> Result:
        """Let an entry never have been (R40, R47)."""
        return self.execute({"op": "reverse", "account": account, **facts})

    def import_lines(self, lines: Iterable[bytes], **options: Any) -> Iterator[Any]:
        """Record the commands of a file; see :mod:`seat_ledger.importer`."""
        options.setdefault("chunk", self.settings.import_chunk)
        return import_lines(self, lines, **options)

    # -- one attempt ------------------------------------------------------------

    def _attempt(
        self, command: Command, key: str, dry_run: bool, caller: Caller
    ) -> Result:
        workspace = self.workspace(command)
        peek = self.ledger.peek(workspace.account_id, key)
        if peek.digest is not None:
            return self.repeated(command, peek.digest, peek.positions)
        self.refresh(workspace, peek.changes)
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
            result = _result(workspace, decision, nowhere, {})
            self.undo(workspace, decision)
            return result
        positions = self._append(workspace, command, key, decision)
        recorded_at = {
            position: at
            for position, (_, at) in self.ledger.stored_at(positions[:1]).items()
        }
        return _result(workspace, decision, positions, recorded_at)

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

    def decide(
        self, workspace: Workspace, command: Command, now: datetime, caller: Caller
    ) -> Decision:
        """Decide a command on a fresh workspace. Raises CommandRefused.

        Its blockers are named by stream and version: see :meth:`name_positions`.
        """
        deliberation = Deliberation(
            workspace,
            command,
            now=now,
            caller=caller,
            lookup=Lookup(
                lambda position: self._chain(workspace, position),
                lambda key: self.ledger.recorded_positions(workspace.account_id, key),
                self.ledger.has_invoice,
                lambda: self.ledger.standing(workspace.account_id),
            ),
        )
        return deliberation.decide()

    def append_of(
        self, workspace: Workspace, command: Command, key: str, decision: Decision
    ) -> Append:
        """What the store must write beside a decision's events."""
        return Append(
            workspace.account_id,
            workspace.changes,
            key,
            b"" if command.erases else self.digest_of(command),
            decision.due,
            tuple(_user_name(user) for user in decision.new_users),
            _invoice_number(decision),
            _erasure(decision),
        )

    def digest_of(self, command: Command) -> bytes:
        """What makes two commands the same, with a secret in it (R73).

        Commands name people, and a digest of a name could be guessed back.
        """
        return hashlib.sha256(self.ledger.digest_key + command.digest).digest()

    def appended(self, workspace: Workspace) -> None:
        """What was decided on a workspace is recorded."""
        account = workspace.account
        assert account is not None
        account.collect_events()
        for user in workspace.users.values():
            user.collect_events()
        workspace.changes += 1
        workspace.waiting = False
        self._maybe_snapshot(account)

    def undo(self, workspace: Workspace, decision: Decision) -> None:
        """Take a decision back that is not to be recorded."""
        for user in decision.new_users:
            workspace.forget(user)
        for stream in {event.originator_id for event in decision.events}:
            aggregate: Account | User | None = workspace.users.get(str(stream))
            if stream == workspace.account_id:
                aggregate = workspace.account
            if aggregate is None:
                continue
            count = sum(1 for event in decision.events if event.originator_id == stream)
            if count == aggregate.version and aggregate is workspace.account:
                workspace.account = None
                continue
            aggregate.roll_back(aggregate.version - count)
            aggregate.settle()

    def _append(
        self, workspace: Workspace, command: Command, key: str, decision: Decision
    ) -> tuple[int, ...]:
        positions = self.ledger.insert_events(
            [self.mapper.to_stored_event(event) for event in decision.events],
            append=self.append_of(workspace, command, key, decision),
        )
        self.appended(workspace)
        if decision.erased is not None:
            self.workspaces.pop(command.envelope.account, None)
        return tuple(positions or ())

    def _maybe_snapshot(self, account: Account) -> None:
        every = max(self.settings.snapshot_every, account.version // 10)
        if account.version - account.snapshot_at >= every:
            self.snapshot_store.take(account)
            account.snapshot_at = account.version

    def repeated(
        self, command: Command, digest: bytes, positions: Sequence[int]
    ) -> Result:
        """The first result of a command that was recorded before (R73).

        Raises CommandRefused (``idempotency_conflict``) where it was another one.
        """
        self.check_same(command, digest)
        stored = self.ledger.stored_at(positions)
        events = []
        for position in positions:
            row, recorded_at = stored[position]
            event = self.mapper.to_domain_event(row)
            assert isinstance(event, LedgerEvent)
            events.append(RecordedEvent(position, recorded_at, event.TOPIC, event))
        gone = [one.event for one in events if one.topic == UserErased.TOPIC]
        label = erased(gone[0].originator_id).user_key if gone else None
        return Result(tuple(positions), tuple(events), repeated=True, erased=label)

    def check_same(self, command: Command, digest: bytes) -> None:
        """Refuse a key that was used for another command (R73).

        After an erasure there is nothing to compare with: the command is taken for
        the one that was recorded, and records nothing.
        """
        if digest and digest != self.digest_of(command):
            raise CommandRefused(
                "idempotency_conflict",
                f"The key {command.envelope.idempotency_key!r} was used in "
                f"{command.envelope.account} for another command.",
                try_="use a new key for a new command",
            )

    # -- aggregates -------------------------------------------------------------

    def workspace(self, command: Command) -> Workspace:
        """The workspace of a command's account, cached or new."""
        key = command.envelope.account
        workspace = self.workspaces.get(key)
        if workspace is None:
            workspace = self.workspaces[key] = Workspace(account_id(key), self)
            self._shed()
        self.workspaces.move_to_end(key)
        return workspace

    def _shed(self) -> None:
        """Drop the workspaces that were not used for longest, over a total weight."""
        total = sum(workspace.weight for workspace in self.workspaces.values())
        while total > self.settings.cache_entries and len(self.workspaces) > 1:
            key, workspace = next(iter(self.workspaces.items()))
            if workspace.waiting:
                return
            total -= workspace.weight
            del self.workspaces[key]

    def refresh(self, workspace: Workspace, changes: int) -> None:
        """Bring a workspace up to a change number of its account."""
        if workspace.changes == changes:
            return
        account = workspace.account
        if changes < workspace.changes:  # an older backup was restored meanwhile
            account = None
        if account is None:
            account = self._load_account(workspace.account_id) if changes else None
        else:
            newer = self.events.get(account.id, gt=account.version)
            account = self._project_account(account, newer)
        fresh = Workspace(workspace.account_id, self)
        workspace.__dict__.update(fresh.__dict__)
        workspace.account, workspace.changes = account, changes

    def _load_account(self, key: UUID) -> Account:
        return self.repository.get(key, projector_func=self._project_account)

    def load_user(self, user_id: UUID) -> User:
        """A user as recorded."""
        stored, key = self.ledger.stream_of(user_id)
        user = self._project_user(
            None,
            (
                read_event(user_id, one.originator_version, one.topic, one.state, key)
                for one in stored
            ),
        )
        if user is None:
            raise AggregateNotFoundError(user_id)
        return user

    def user_ids(self, account: UUID, reference: str) -> tuple[list[UUID], list[UUID]]:
        """The ids of all users ever called so: by key, and by folded e-mail."""
        known = self.looked_up.get((account, reference))
        return known if known is not None else self.ledger.user_ids(account, reference)

    def plain_entry(self, user_id: UUID) -> int | None:
        """Where a user was added before persons were sealed; None where sealed."""
        return self.ledger.plain_entry(user_id)

    def is_of_account(self, account: UUID, user_id: UUID) -> bool:
        """Whether the account ever had a user of this id."""
        return self.ledger.is_of_account(account, user_id)

    def look_up(self, names: Iterable[tuple[UUID, str]]) -> None:
        """Ask for many names at once, and keep the answers until asked again.

        Only a bulk import may: it works on workspaces that nobody else changes,
        or decides again from here.
        """
        known = {w.account_id: w for w in self.workspaces.values()}
        asked = [
            (account, name)
            for account, name in dict.fromkeys(names)
            if account not in known or not known[account].knows(name)
        ]
        self.looked_up = self.ledger.many_user_ids(asked) if asked else {}

    def _project_account(
        self, account: Account | None, events: Iterable[DomainEventProtocol[UUID]]
    ) -> Account | None:
        for event in events:
            if isinstance(event, AccountSnapshot):
                account = event.restore()
                account.snapshot_at = account.version
                continue
            assert isinstance(event, LedgerEvent)
            if account is None:
                account = Account(event.originator_id)
            self._know_root(account, event)
            account.apply(event)
        if account is not None:
            account.settle()
        return account

    def _project_user(
        self, user: User | None, events: Iterable[DomainEventProtocol[UUID]]
    ) -> User | None:
        for event in events:
            assert isinstance(event, LedgerEvent)
            if user is None:
                user = User(event.originator_id)
            self._know_root(user, event)
            user.apply(event)
        if user is not None:
            user.settle()
        return user

    def _know_root(self, aggregate: Account | User, event: LedgerEvent) -> None:
        """Hand an aggregate the entry that a reversal is about."""
        if isinstance(event, EntryReversed):
            aggregate.known = {
                event.root_version: self._entry(aggregate.id, event.root_version)
            }

    def _entry(self, stream: UUID, version: int) -> LedgerEvent:
        event = next(iter(self.events.get(stream, gt=version - 1, lte=version)))
        assert isinstance(event, LedgerEvent)
        return event

    def _chain(
        self, workspace: Workspace, position: int
    ) -> tuple[Recorded, Recorded] | None:
        """The entry at a position of the account, and the end of its chain."""
        row = self.ledger.at_position(position)
        if row is None:
            return None
        event = self.mapper.to_domain_event(row)
        assert isinstance(event, LedgerEvent)
        account = getattr(event, "account", None) or event.originator_id
        if account != workspace.account_id:
            return None
        entry = Recorded(position, event)
        if not isinstance(event, EntryReversed):
            return entry, entry
        root = self._entry(event.originator_id, event.root_version)
        return entry, Recorded(event.root, root)

    def name_positions(self, error: CommandRefused) -> None:
        """Tell a person which entries stand in the way, by position."""
        if not error.blockers:
            return
        found = self.ledger.positions_of(error.blockers)
        named = sorted(found[entry] for entry in error.blockers if entry in found)
        if named:
            word = "entry" if len(named) == 1 else "entries"
            told = f"{word} {', '.join(map(str, named))}"
            error.details["entries"] = named
            if " In the way: " in error.message:
                error.message = f"{error.message.rstrip('.')} ({told})."
            else:
                error.message += f" In the way: {told}."
            error.args = (error.message,)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn the library's failures into the ledger's."""
        try:
            yield
        except (InterfaceError, OperationalError) as error:
            raise unavailable(self.conninfo, error) from error
        except AggregateNotFoundError as error:
            raise Conflict from error
        except PersistenceError as error:
            told = explained(self.conninfo, error) or failure(error)
            if told is None:
                raise
            raise told from error


def failure(error: PersistenceError) -> Conflict | None:
    """What a failed append means: somebody was first; None for a bug."""
    if isinstance(error, IntegrityError) or sqlstate_of(error) == MOVED:
        return Conflict(
            "Somebody changed this account at the same time, again and again. "
            "Nothing was written.",
            try_="repeat the command",
        )
    return None


def _result(
    workspace: Workspace,
    decision: Decision,
    positions: Sequence[int | None],
    recorded_at: Mapping[int, datetime],
) -> Result:
    at = next(iter(recorded_at.values()), None)
    events = tuple(
        RecordedEvent(position, at, event.TOPIC, event, _user_key(workspace, event))
        for position, event in zip(positions, decision.events, strict=True)
    )
    own = events[decision.due :]
    return Result(
        tuple(event.position for event in own if event.position is not None),
        own,
        events[: decision.due],
        erased=decision.erased.user_key if decision.erased is not None else None,
    )


def _invoice_number(decision: Decision) -> str | None:
    """The number of the invoice that a decision issues; it is the last event."""
    last = decision.events[-1] if decision.events else None
    return last.invoice if isinstance(last, InvoiceIssued) else None


def _user_name(user: User) -> UserName:
    """What finds and opens a new user."""
    assert user.person_key is not None
    return UserName(user.id, user.user_key, user.folded_email, user.person_key)


def _erasure(decision: Decision) -> Erasure | None:
    """The person whose key is destroyed, where that was decided."""
    user = decision.erased
    return None if user is None else Erasure(user.id, erased(user.id).user_key)


def _user_key(workspace: Workspace, event: LedgerEvent) -> str | None:
    """The key of the user that an event is about, where one is."""
    user_id = getattr(event, "user", None) or str(event.originator_id)
    user = workspace.users.get(user_id)
    return user.user_key if user is not None else None
