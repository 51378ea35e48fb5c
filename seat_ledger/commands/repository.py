"""The desk on which commands are decided: accounts out of the store and back to it.

It keeps the accounts that were worked on last, each as a workspace, decides commands
on them, and says what the store must write for a decision. Who uses it appends, and
says when: a command at once (:mod:`seat_ledger.application`), a file many at a time
(:mod:`seat_ledger.importing.importer`).
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any
from uuid import UUID

from eventsourcing.application import AggregateNotFoundError, Application
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import (
    IntegrityError,
    InterfaceError,
    OperationalError,
    PersistenceError,
)
from eventsourcing.utils import Environment, EnvType

from seat_ledger.commands.handler import Caller, CommandHandler, Decision
from seat_ledger.commands.messages import Command
from seat_ledger.commands.unit_of_work import Recorded, UnitOfWork
from seat_ledger.domain.account import Account
from seat_ledger.domain.aggregate import Aggregate
from seat_ledger.domain.calendar import zone
from seat_ledger.domain.events import (
    AccountOpened,
    EntryReversed,
    InvoiceIssued,
    LedgerEvent,
    TimeZoneChanged,
    UserAdded,
)
from seat_ledger.domain.head import Head
from seat_ledger.domain.personal_data import erased
from seat_ledger.domain.snapshot import AccountSnapshot, WrittenSnapshot
from seat_ledger.domain.user import User
from seat_ledger.domain.values import account_id, shown
from seat_ledger.errors import (
    CommandRefused,
    Conflict,
    DamagedStream,
    IntegrityFailure,
    InvalidInput,
    LedgerError,
)
from seat_ledger.settings import Settings, read_settings
from seat_ledger.store.bulk import Decided, append_many
from seat_ledger.store.connection import (
    connect,
    constraint_of,
    explained,
    sqlstate_of,
    unavailable,
)
from seat_ledger.store.factory import LedgerDatastore, LedgerFactory, SnapshotStore
from seat_ledger.store.mapper import LedgerMapper, read_event
from seat_ledger.store.recorder import (
    BEHIND,
    MOVED,
    NOT_NEXT,
    POSITION_INDEX,
    Append,
    Erasure,
    LedgerRecorder,
    UserName,
)

Names = Mapping[tuple[UUID, str], tuple[list[UUID], list[UUID]]]
"""Who was ever called by a name in an account: by key, and by folded e-mail."""


class AccountRepository(Application[UUID]):
    """Accounts in memory over one database. Use it as a context manager.

    `set_aside` says of accounts, by id, why nothing is recorded in them: one of their
    events cannot be read, as whoever reads them found (R74).
    """

    name = "stored"

    def __init__(self, conninfo: str, settings: Settings | None = None) -> None:
        self.conninfo = conninfo
        self.settings = settings or read_settings()
        self.workspaces: OrderedDict[str, UnitOfWork] = OrderedDict()
        self.looked_up: Names = {}
        self.set_aside: Mapping[UUID, str] = {}
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
        assert isinstance(recorder.datastore, LedgerDatastore)
        self.datastore = recorder.datastore
        self._losses = self.datastore.losses
        self.snapshot_store = SnapshotStore(recorder.datastore)
        return recorder

    def construct_snapshot_store(self) -> Any:
        """Snapshots are read by the library's repository, from our own table."""
        return self.snapshot_store

    # -- one command ------------------------------------------------------------

    def decide(
        self, workspace: UnitOfWork, command: Command, now: datetime, caller: Caller
    ) -> Decision:
        """Decide a command on a fresh workspace. Raises CommandRefused.

        Its blockers are named by stream and version: see :meth:`name_positions`.
        """
        try:
            return CommandHandler(workspace, command, now=now, caller=caller).decide()
        except DamagedStream as error:
            raise self._refused(workspace, error) from error

    def _refused(self, workspace: UnitOfWork, error: DamagedStream) -> CommandRefused:
        """The refusal of a command for an account that cannot be read whole (R74)."""
        entry = (error.details["stream"], error.details["version"])
        position = self.ledger.positions_of([entry]).get(entry)
        at = f" It stands at position {position}." if position else ""
        keys = (key for key, cached in self.workspaces.items() if cached is workspace)
        account = next(keys, str(workspace.account_id))
        return _damaged(account, f"{error.message}{at}")

    def append_of(
        self, workspace: UnitOfWork, key: str, digest: bytes, decision: Decision
    ) -> Append:
        """What the store must write beside a decision's events."""
        return Append(
            workspace.account_id,
            workspace.head,
            workspace.next,
            key,
            digest,
            decision.due,
            tuple(_user_name(user) for user in decision.new_users),
            _invoice_number(decision),
            _erasure(decision),
        )

    def hand_over(self, workspace: UnitOfWork, changed: Iterable[Aggregate]) -> None:
        """Take what was decided off the aggregates: it is being appended."""
        for aggregate in changed:
            aggregate.collect_events()
        workspace.move(workspace.next)

    def append_many(self, decided: Sequence[Decided]) -> Sequence[tuple[int, ...]]:
        """Append many decisions; return the positions of each one's own events."""
        return append_many(self.ledger, decided)

    def snapshot_due(self, account: Account | None) -> WrittenSnapshot | None:
        """The account as it is, where it is time to keep that.

        Whoever asks keeps it when all of it is recorded, and not before.
        """
        if account is None:
            return None
        every = max(self.settings.snapshot_every, account.version // 10)
        if account.version - account.snapshot_at < every:
            return None
        account.snapshot_at = account.version
        return AccountSnapshot.of(account).written()

    def undo(self, workspace: UnitOfWork, decision: Decision) -> None:
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

    def keep(self, snapshot: WrittenSnapshot, head: Head) -> None:
        """Keep an account as it is at a head; it is a cache, which may fail."""
        with suppress(PersistenceError):
            self.snapshot_store.keep(snapshot, head)

    def check_same(self, command: Command, secret: bytes, recorded: bytes) -> None:
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
                f"The line is recorded in {shown(account)} already, but by another "
                "secret than the one in ledger.digest_key.",
                try_="restore that table from its own backup: seat-ledger help erasure",
            )
        raise CommandRefused(
            "idempotency_conflict",
            f"The key {key!r} was used in {account} for another command.",
            try_="use a new key for a new command",
        )

    def name_positions(self, error: CommandRefused) -> None:
        """Tell a person which entries stand in the way, by position."""
        if not error.blockers:
            return
        positions = self.ledger.positions_of(error.blockers)
        named = sorted(
            positions[entry] for entry in error.blockers if entry in positions
        )
        if named:
            word = "entry" if len(named) == 1 else "entries"
            entries = f"{word} {', '.join(map(str, named))}"
            error.details["entries"] = named
            if " In the way: " in error.message:
                error.message = f"{error.message.rstrip('.')} ({entries})."
            else:
                error.message += f" In the way: {entries}."
            error.args = (error.message,)

    # -- accounts in memory -------------------------------------------------------

    def workspace(self, command: Command) -> UnitOfWork:
        """The workspace of a command's account, cached or new.

        Raises CommandRefused (``account_set_aside``).
        """
        if self._losses != self.datastore.losses:
            self.forget()
        key = command.envelope.account
        if self.set_aside and account_id(key) in self.set_aside:
            raise _damaged(key, self.set_aside[account_id(key)])
        workspace = self.workspaces.get(key)
        if workspace is None:
            workspace = self.workspaces[key] = UnitOfWork(account_id(key), self)
        self.workspaces.move_to_end(key)
        return workspace

    def shed(self) -> None:
        """Drop the workspaces that were not used for longest, over a total weight."""
        total = sum(workspace.weight for workspace in self.workspaces.values())
        while total > self.settings.cache_entries and len(self.workspaces) > 1:
            key, workspace = next(iter(self.workspaces.items()))
            if workspace.waiting:
                return
            total -= workspace.weight
            del self.workspaces[key]

    def forget(self) -> None:
        """Keep nothing in memory that was read of the database, or decided on it.

        After any failure it may hold what is not recorded, and after a lost connection
        the database may be another one.
        """
        self.workspaces.clear()
        self.looked_up = {}
        self._losses = self.datastore.losses

    def refresh(
        self, workspace: UnitOfWork, head: Head, *, continues: bool = False
    ) -> None:
        """Bring a workspace up to a head of its account.

        `continues` says that what it holds is a part of what is there; else nothing
        of it is used: an older backup may have been restored meanwhile.
        """
        if workspace.head == head:
            return
        account = workspace.account if continues else None
        try:
            if account is None:
                stored = head.changes > 0
                account = self._load_account(workspace.account_id) if stored else None
            else:
                newer = self.events.get(account.id, gt=account.version)
                account = self._project_account(account, newer)
        except DamagedStream as error:
            raise self._refused(workspace, error) from error
        fresh = UnitOfWork(workspace.account_id, self)
        workspace.__dict__.update(fresh.__dict__)
        workspace.account, workspace.whole = account, head.changes == 0
        workspace.move(head)

    def _load_account(self, key: UUID) -> Account:
        return self.repository.get(key, projector_func=self._project_account)

    def load_user(self, user_id: UUID) -> User:
        """A user as recorded."""
        stored, key = self.ledger.stream_of(user_id)
        user = self._project_user(
            None,
            (
                read_event(user_id, row.originator_version, row.topic, row.state, key)
                for row in stored
            ),
        )
        if user is None:
            raise DamagedStream(
                f"The account names a user that was never added: {user_id}.",
                stream=str(user_id),
                version=1,
            )
        return user

    def user_ids(self, account: UUID, reference: str) -> tuple[list[UUID], list[UUID]]:
        """The ids of all users ever called so: by folded key, and by folded e-mail."""
        ids = self.looked_up.get((account, reference))
        return ids if ids is not None else self.ledger.user_ids(account, reference)

    def plain_entry(self, user_id: UUID) -> int | None:
        """Where a user was added in plain text; None where encrypted."""
        return self.ledger.plain_entry(user_id)

    def is_of_account(self, account: UUID, user_id: UUID) -> bool:
        """Whether the account ever had a user of this id."""
        return self.ledger.is_of_account(account, user_id)

    def entry_at(
        self, account: UUID, position: int
    ) -> tuple[Recorded, Recorded] | None:
        """The account's entry at a position, and the one at the end of its chain."""
        row = self.ledger.at_position(position)
        if row is None:
            return None
        event = self.mapper.to_domain_event(row)
        assert isinstance(event, LedgerEvent)
        if (getattr(event, "account", None) or event.originator_id) != account:
            return None
        entry = Recorded(position, event)
        if not isinstance(event, EntryReversed):
            return entry, entry
        root = self._entry(event.originator_id, event.root_version)
        return entry, Recorded(event.root, root)

    def positions_under(self, account: UUID, key: str) -> Sequence[int] | None:
        """The positions that were recorded under a command's key."""
        return self.ledger.recorded_positions(account, key)

    def has_invoice(self, invoice: str) -> bool:
        """Whether an invoice of the store has this number (R64)."""
        return self.ledger.has_invoice(invoice)

    def head_of(self, account: UUID) -> tuple[Head, int]:
        """Where the account is, and its last position."""
        return self.ledger.head_of(account)

    def _project_account(
        self, account: Account | None, events: Iterable[DomainEventProtocol[UUID]]
    ) -> Account | None:
        with _whole_stream() as last:
            for event in events:
                if isinstance(event, AccountSnapshot):
                    account = event.restore()
                    account.snapshot_at = account.version
                    continue
                assert isinstance(event, LedgerEvent)
                last[:] = [event]
                if account is None:
                    account = Account(event.originator_id)
                self._take_in(account, event)
        if account is not None:
            account.settle()
        return account

    def _project_user(
        self, user: User | None, events: Iterable[DomainEventProtocol[UUID]]
    ) -> User | None:
        with _whole_stream() as last:
            for event in events:
                assert isinstance(event, LedgerEvent)
                last[:] = [event]
                if user is None:
                    user = User(event.originator_id)
                self._take_in(user, event)
        if user is not None:
            user.settle()
        return user

    def _take_in(self, aggregate: Account | User, event: LedgerEvent) -> None:
        """Apply an event as recorded. Raises DamagedStream where it does not follow."""
        version = event.originator_version
        if (event.TOPIC in _BEGINNINGS) != (version == 1):
            begins = "begins the stream again" if version > 1 else "begins no stream"
            raise DamagedStream(
                f"The event at version {version} of stream {aggregate.key} "
                f"({event.TOPIC}) {begins}.",
                try_="seat-ledger doctor",
                stream=aggregate.key,
                version=version,
            )
        if version != aggregate.version + 1:
            raise DamagedStream(
                f"The event at version {version} of stream {aggregate.key} does not "
                f"follow version {aggregate.version}, the last before it.",
                try_="seat-ledger doctor",
                stream=aggregate.key,
                version=version,
            )
        if isinstance(event, AccountOpened | TimeZoneChanged):
            zone(event.time_zone)  # known here, and not only where it is needed
        self._know_root(aggregate, event)
        aggregate.apply(event)

    def _know_root(self, aggregate: Account | User, event: LedgerEvent) -> None:
        """Hand an aggregate the entry that a reversal is about."""
        if isinstance(event, EntryReversed):
            aggregate.roots = {
                event.root_version: self._entry(aggregate.id, event.root_version)
            }

    def _entry(self, stream: UUID, version: int) -> LedgerEvent:
        event = next(iter(self.events.get(stream, gt=version - 1, lte=version)))
        assert isinstance(event, LedgerEvent)
        return event

    # -- failures -----------------------------------------------------------------

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn the library's failures into the ledger's.

        Whatever fails, no account stays in memory: only what a rule refuses has left
        no trace there.
        """
        try:
            with self._explained():
                yield
        except (CommandRefused, InvalidInput):
            raise
        except BaseException:
            self.forget()
            raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (InterfaceError, OperationalError) as error:
            raise unavailable(self.conninfo, error) from error
        except AggregateNotFoundError as error:
            raise Conflict(_MOVED_MESSAGE, try_="repeat the command") from error
        except PersistenceError as error:
            explanation = failure(error) or explained(self.conninfo, error)
            if explanation is None:
                raise
            raise explanation from error


_BEGINNINGS = {AccountOpened.TOPIC, UserAdded.TOPIC}
_DOES_NOT_FIT = (
    CommandRefused,
    InvalidInput,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    StopIteration,
    TypeError,
    ValueError,
)


@contextmanager
def _whole_stream() -> Iterator[list[LedgerEvent]]:
    """Raise DamagedStream where an event does not fit what stands before it.

    The event is the last one of the list.
    """
    last: list[LedgerEvent] = []
    try:
        yield last
    except _DOES_NOT_FIT as error:
        if not last:
            raise
        event = last[0]
        raise DamagedStream(
            f"The event at version {event.originator_version} of stream "
            f"{event.originator_id} ({event.TOPIC}), or the one after it, does not fit "
            "what stands before it.",
            try_="seat-ledger doctor",
            stream=str(event.originator_id),
            version=event.originator_version,
        ) from error


def _damaged(account: str, reason: str) -> CommandRefused:
    """What is said of a command for an account that is set aside (R74)."""
    return CommandRefused(
        "account_set_aside",
        f"Nothing is recorded in {shown(account)}, because not all of it can be read. "
        f"{reason} Other accounts are not affected.",
        try_="use the program version that wrote the event, or restore it from a "
        "backup; look with 'seat-ledger doctor'",
    )


_MOVED_MESSAGE = "Somebody changed this account at the same time, again and again."


def failure(error: PersistenceError) -> LedgerError | None:
    """What a failed append means: somebody was first; None for a bug."""
    state = sqlstate_of(error)
    if state == BEHIND or constraint_of(error) == POSITION_INDEX:
        return IntegrityFailure(
            "The store's next position lies before its last event: the sequence of "
            "positions was set back, as a failover or a restore may do. What would be "
            "recorded there is passed over by everything that reads in order.",
            try_="set it behind the last event: seat-ledger db migrate",
        )
    if state == NOT_NEXT:
        return Conflict(
            "The account is not as this program has it in memory, again and again: "
            "an event would not be the next of its stream.",
            try_="look with 'seat-ledger doctor' and "
            "'seat-ledger projection verify', then repeat the command",
        )
    if isinstance(error, IntegrityError) or state == MOVED:
        return Conflict(_MOVED_MESSAGE, try_="repeat the command")
    return None


def with_secret(secret: bytes, digest: bytes) -> bytes:
    """What makes two commands the same, with a secret in it (R73).

    Commands name people, and a digest of a name could be guessed back.
    """
    return hashlib.sha256(secret + digest).digest()


def _invoice_number(decision: Decision) -> str | None:
    """The number of the invoice that a decision issues; it is the last event."""
    last = decision.events[-1] if decision.events else None
    return last.invoice if isinstance(last, InvoiceIssued) else None


def _user_name(user: User) -> UserName:
    """What finds and opens a new user."""
    assert user.person_key is not None
    return UserName(
        user.id, user.user_key, user.folded_key, user.folded_email, user.person_key
    )


def _erasure(decision: Decision) -> Erasure | None:
    """The person whose key is destroyed, where that was decided."""
    user = decision.erased
    return None if user is None else Erasure(user.id, erased(user.id).user_key)
