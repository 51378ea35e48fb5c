"""Accounts in memory: out of the store, and back to it.

The accounts that were worked on last stay in memory, each as a unit of work. What is
decided on them is appended one command at a time (:mod:`.execution`), or many
together (:mod:`seat_ledger.importing.chunk`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from eventsourcing.persistence import (
    IntegrityError,
    InterfaceError,
    OperationalError,
    PersistenceError,
)

from seat_ledger.commands.handler import Decision
from seat_ledger.commands.messages import Command
from seat_ledger.commands.stored_accounts import StoredAccounts
from seat_ledger.commands.unit_of_work import CatalogueUnit, UnitOfWork
from seat_ledger.domain.account import Account
from seat_ledger.domain.catalogue import Catalogue
from seat_ledger.domain.events import InvoiceIssued, SeatPurchased, UserRenamed
from seat_ledger.domain.head import NO_HEAD, Head
from seat_ledger.domain.personal_data import erased
from seat_ledger.domain.seat_types import CATALOGUE_KEY
from seat_ledger.domain.snapshot import AccountSnapshot, WrittenSnapshot
from seat_ledger.domain.user import User
from seat_ledger.domain.values import account_id, fold, shown
from seat_ledger.errors import (
    CommandRefused,
    Conflict,
    DamagedStream,
    IntegrityFailure,
    InvalidInput,
    LedgerError,
)
from seat_ledger.store.bulk import Decided, PackedCommand, append_many, pack
from seat_ledger.store.connection import (
    connect,
    constraint_of,
    explained,
    sqlstate_of,
    unavailable,
)
from seat_ledger.store.datastore import LedgerDatastore, SnapshotStore
from seat_ledger.store.mapper import stored_event
from seat_ledger.store.recorder import (
    Append,
    Appended,
    Erasure,
    FurtherNames,
    LedgerRecorder,
    UserName,
)
from seat_ledger.store.refused_appends import BEHIND, MOVED, NOT_NEXT, POSITION_INDEX
from seat_ledger.store.settings import Settings, read_settings

__all__ = ["AccountRepository", "Prepared", "Settings", "Snapshots"]


class Prepared(NamedTuple):
    """A decided command that is ready to be appended: alone, or with others."""

    workspace: UnitOfWork
    decision: Decision
    append: Append

    @property
    def decided(self) -> Decided:
        """What the store must write of it."""
        return Decided(self.append, self.decision.events)


Snapshots = Sequence[tuple[WrittenSnapshot, Head]]
"""Accounts as they are at a head: a cache beside their events."""


class AccountRepository:
    """Accounts in memory over one database.

    `set_aside` says of accounts, by id, why nothing is recorded in them: one of their
    events cannot be read, as whoever reads them found (R74). `is_reached` says that
    the caller had a connection just now.
    """

    def __init__(
        self,
        conninfo: str,
        settings: Settings | None = None,
        recorder_class: type[LedgerRecorder] = LedgerRecorder,
        *,
        is_reached: bool = False,
    ) -> None:
        self.conninfo = conninfo
        self.settings = settings or read_settings()
        self.workspaces: OrderedDict[str, UnitOfWork] = OrderedDict()
        self.set_aside: Mapping[UUID, str] = {}
        if not is_reached:
            connect(conninfo).close()  # says at once, and plainly, what is wrong
        with self._explained():
            self.datastore = LedgerDatastore(conninfo, self.settings.pool_size)
            self.recorder = recorder_class(self.datastore)
        self.snapshots = SnapshotStore(self.datastore)
        self.stored = StoredAccounts(self.recorder, self.snapshots)
        self.catalogue_unit = CatalogueUnit(self.stored)
        self._losses = self.datastore.losses
        self.times_forgotten = 0

    def close(self) -> None:
        """Let go of the database."""
        self.datastore.close()

    # -- what is decided on them ------------------------------------------------

    def prepared(
        self, workspace: UnitOfWork, key: str, digest: bytes, decision: Decision
    ) -> Prepared:
        """A decision with what the store must write beside its events."""
        kinds = set(map(type, decision.events))
        new_users = decision.new_users
        append = Append(
            workspace.account_id,
            workspace.head,
            workspace.next,
            key,
            digest,
            decision.due,
            tuple(map(_user_name, new_users)) if new_users else (),
            _invoice_number(decision) if InvoiceIssued in kinds else None,
            _erasure(decision.erased) if decision.erased is not None else None,
            # Whether it rests on what the catalogue offers (R80).
            self.catalogue_unit.head if SeatPurchased in kinds else None,
            _further_names(decision) if UserRenamed in kinds else (),
        )
        return Prepared(workspace, decision, append)

    def hand_over(self, commands: Iterable[Prepared]) -> Snapshots:
        """Take decisions off the aggregates, for they are being appended.

        Returns the snapshots that are due then: :meth:`keep` them when all is
        recorded, and not before.
        """
        workspaces = {}
        for command in commands:
            workspaces[command.workspace.account_id] = command.workspace
            for aggregate in command.decision.changed:
                aggregate.collect_events()
        snapshots = []
        for workspace in workspaces.values():
            workspace.move(workspace.next)
            snapshot = self.snapshot_due(workspace.account)
            if snapshot is not None:
                snapshots.append((snapshot, workspace.head))
        return snapshots

    def append(self, command: Prepared) -> Appended:
        """Append a command at once; it may erase a person."""
        events = [stored_event(event) for event in command.decision.events]
        return self.recorder.append(events, command.append)

    def append_many(self, decided: Sequence[Decided]) -> Sequence[tuple[int, ...]]:
        """Append many decisions; return the positions of each one's own events."""
        commands = [pack(command) for command in decided]
        firsts, _ = self.append_packed(commands)
        return [
            command.positions_from(first)
            for command, first in zip(commands, firsts, strict=True)
        ]

    def append_packed(
        self, commands: Sequence[PackedCommand]
    ) -> tuple[Sequence[int], datetime]:
        """The same, of decisions that another process may have made.

        Returns the position of each one's first event, and when they were recorded.
        """
        return append_many(self.recorder, commands)

    def snapshot_due(self, account: Account | None) -> WrittenSnapshot | None:
        """The account as it is, where it is time to keep that."""
        if account is None:
            return None
        every = max(self.settings.snapshot_every, account.version // 10)
        if account.version - account.snapshot_at < every:
            return None
        account.snapshot_at = account.version
        return AccountSnapshot.of(account).written()

    def keep(self, snapshots: Snapshots) -> None:
        """Keep accounts as they are at a head; it is a cache, which may fail."""
        for snapshot, head in snapshots:
            with suppress(PersistenceError):
                self.snapshots.keep(snapshot, head)

    def name_positions(self, error: CommandRefused) -> None:
        """Name the entries that stand in the way by position."""
        if not error.blockers:
            return
        positions = self.recorder.positions_of(error.blockers)
        named = sorted(
            positions[entry] for entry in error.blockers if entry in positions
        )
        if named:
            word = "entry" if len(named) == 1 else "entries"
            entries = f"{word} {', '.join(map(str, named))}"
            error.details["entries"] = named
            if " Blocked by: " in error.message:
                error.message = f"{error.message.rstrip('.')} ({entries})."
            else:
                error.message += f" Blocked by: {entries}."
            error.args = (error.message,)

    # -- accounts in memory -------------------------------------------------------

    def check_unmoved(
        self, workspace: UnitOfWork, key: str, head: Head, error: CommandRefused
    ) -> None:
        """See that what refused a command was one state of its account.

        Names and entries are read after the head: somebody else may have recorded in
        between, and no append shows it. Raises Conflict: it is decided again.
        """
        peek = self.recorder.peek(workspace.account_id, key, head)
        if peek.head != head:
            raise Conflict(_MOVED_MESSAGE, try_="repeat the command") from error

    def workspace(self, command: Command) -> UnitOfWork:
        """The workspace of a command's account, cached or new.

        Raises CommandRefused (``account_set_aside``).
        """
        if self._losses != self.datastore.losses:
            self.forget()
        key = command.envelope.account
        if key == CATALOGUE_KEY:
            return self.catalogue_unit
        if self.set_aside and account_id(key) in self.set_aside:
            raise _damaged(key, self.set_aside[account_id(key)])
        workspace = self.workspaces.get(key)
        if workspace is None:
            workspace = self.workspaces[key] = UnitOfWork(account_id(key), self.stored)
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
        self.times_forgotten += 1
        self.workspaces.clear()
        self.stored.catalogue = Catalogue()
        self.catalogue_unit = CatalogueUnit(self.stored)
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
            if account is not None:
                account = self.stored.follow(account)
            elif head.changes > 0:
                account = self.stored.load(workspace.account_id)
                if account is None:
                    raise Conflict(_MOVED_MESSAGE, try_="repeat the command")
        except DamagedStream as error:
            raise self.damaged(workspace, error) from error
        workspace.restart(account, head)

    def look_up(self, names: Mapping[UnitOfWork, Sequence[str]]) -> None:
        """Have in memory who is called so: of all accounts in two round trips."""
        unknown = [
            (workspace, name)
            for workspace, folded in names.items()
            for name in folded
            if not workspace.knows(name)
        ]
        if not unknown:
            return
        ids = self.recorder.many_user_ids(
            [(workspace.account_id, name) for workspace, name in unknown]
        )
        owners: dict[UUID, UnitOfWork] = {}
        for workspace, name in unknown:
            by_key, by_email = ids[workspace.account_id, name]
            workspace.learn(name, by_key, by_email)
            for user_id in (*by_key, *by_email):
                if str(user_id) not in workspace.users:
                    owners[user_id] = workspace
        for user in self.stored.load_users(list(owners)):
            owners[user.id].users[user.key] = user

    def refresh_catalogue(self, head: Head) -> None:
        """Bring the catalogue up to a head of its own (R80)."""
        if self.catalogue_unit.head != head:
            self.stored.load_catalogue()
            self.catalogue_unit.move(head)

    def damaged(self, workspace: UnitOfWork, error: DamagedStream) -> CommandRefused:
        """The refusal of a command for an account that cannot be read whole (R74)."""
        entry = (error.details["stream"], error.details["version"])
        position = self.recorder.positions_of([entry]).get(entry)
        at = f" It is at position {position}." if position else ""
        keys = (key for key, cached in self.workspaces.items() if cached is workspace)
        account = next(keys, str(workspace.account_id))
        return _damaged(account, f"{error.message}{at}")

    # -- failures -----------------------------------------------------------------

    def check_heads(self, seen: Mapping[UUID, Head]) -> None:
        """See that accounts are where they were seen, by the marks. Raises Conflict."""
        stored, _, _ = self.recorder.heads_of(list(seen))
        for id_, head in seen.items():
            if stored.get(id_, NO_HEAD).mark != head.mark:
                raise Conflict(_MOVED_MESSAGE, try_="repeat the command")

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
        except PersistenceError as error:
            explanation = failure(error) or explained(self.conninfo, error)
            if explanation is None:
                raise
            raise explanation from error


def _damaged(account: str, reason: str) -> CommandRefused:
    """What is said of a command for an account that is set aside (R74)."""
    return CommandRefused(
        "account_set_aside",
        f"Nothing can be recorded in {shown(account)}, because some of its events "
        f"cannot be read. {reason} Other accounts are not affected.",
        try_="use the program version that wrote the event, or restore it from a "
        "backup; see 'seat-ledger doctor'",
    )


_MOVED_MESSAGE = "Other commands kept changing this account at the same time."


def failure(error: PersistenceError) -> LedgerError | None:
    """What a failed append means: somebody was first; None for a bug."""
    state = sqlstate_of(error)
    if state == BEHIND or constraint_of(error) == POSITION_INDEX:
        return IntegrityFailure(
            "The store's next position is before its last event: the sequence of "
            "positions was set back, as a failover or a restore may do. Everything "
            "that reads in order would skip what is recorded there.",
            try_="move it past the last event: seat-ledger db migrate",
        )
    if state == NOT_NEXT:
        return Conflict(
            "The stored account kept differing from the one in memory: an event would "
            "not be the next of its stream.",
            try_="see 'seat-ledger doctor' and 'seat-ledger projection verify', then "
            "repeat the command",
        )
    if isinstance(error, IntegrityError) or state == MOVED:
        return Conflict(_MOVED_MESSAGE, try_="repeat the command")
    return None


def _invoice_number(decision: Decision) -> str | None:
    """The number of the invoice that a decision issues; it is the last event."""
    last = decision.events[-1]
    return last.invoice if isinstance(last, InvoiceIssued) else None


def _user_name(user: User) -> UserName:
    """What finds and opens a new user."""
    assert user.person_key is not None
    return UserName(
        user.id, user.user_key, user.folded_key, user.folded_email, user.person_key
    )


def _further_names(decision: Decision) -> tuple[FurtherNames, ...]:
    """What finds renamed users from now on, too (R95)."""
    return tuple(
        FurtherNames(
            event.originator_id,
            tuple(fold(text) for text in (event.user_key, event.email) if text),
        )
        for event in decision.events
        if isinstance(event, UserRenamed)
    )


def _erasure(user: User) -> Erasure:
    """The person whose key is destroyed."""
    return Erasure(user.id, erased(user.id).user_key)
