"""Accounts and users as the store has them: their events, applied in order.

What does not follow from what stands before it is a DamagedStream that names the event
(R74). A unit of work asks here for what it does not hold yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar
from uuid import UUID

from eventsourcing.persistence import StoredEvent

from seat_ledger.commands.unit_of_work import Recorded
from seat_ledger.domain.account import Account
from seat_ledger.domain.aggregate import Aggregate
from seat_ledger.domain.calendar import zone
from seat_ledger.domain.catalogue import Catalogue
from seat_ledger.domain.events import (
    AccountOpened,
    EntryReversed,
    LedgerEvent,
    TimeZoneChanged,
    UserAdded,
    UserRenamed,
)
from seat_ledger.domain.seat_types import CATALOGUE_ID
from seat_ledger.domain.user import User
from seat_ledger.errors import (
    CommandRefused,
    DamagedStream,
    EntryRef,
    InvalidInput,
)
from seat_ledger.store.datastore import SnapshotStore
from seat_ledger.store.mapper import read_event
from seat_ledger.store.recorder import LedgerRecorder

A = TypeVar("A", bound=Aggregate)


class StoredAccounts:
    """The source of units of work over one database."""

    def __init__(self, recorder: LedgerRecorder, snapshots: SnapshotStore) -> None:
        self.recorder, self.snapshots = recorder, snapshots
        self.catalogue = Catalogue()
        self.user_ids = recorder.user_ids
        self.is_of_account = recorder.is_of_account
        self.positions_under = recorder.recorded_positions
        self.has_invoice = recorder.has_invoice
        self.head_of = recorder.head_of

    def load(self, account_id: UUID) -> Account | None:
        """An account as recorded, from its snapshot on."""
        snapshot = self.snapshots.latest(account_id)
        account = None if snapshot is None else snapshot.restore()
        return self._applied(Account, account, self._events(account_id, account))

    def follow(self, account: Account) -> Account | None:
        """An account with what was recorded of it since."""
        return self._applied(Account, account, self._events(account.id, account))

    def event_of(self, stored: StoredEvent, key: bytes | None = None) -> LedgerEvent:
        """A stored event, read; `key` is the person's. Raises DamagedStream."""
        stream, version = UUID(str(stored.originator_id)), stored.originator_version
        if key is None and stored.topic in _WITH_PERSON:
            key = self.recorder.person_key(stream)
        return read_event(stream, version, stored.topic, stored.state, key)

    def _events(self, stream: UUID, account: Account | None) -> Iterator[LedgerEvent]:
        """What was recorded of an account after what it holds already."""
        after = None if account is None else account.version
        return map(self.event_of, self.recorder.select_events(stream, gt=after))

    def load_catalogue(self) -> None:
        """Take over the catalogue as recorded (R80)."""
        with _whole_stream() as last:
            catalogue = Catalogue()
            for event in self._events(CATALOGUE_ID, None):
                last[:] = [event]
                catalogue.apply(event)
        self.catalogue = catalogue

    def load_user(self, user_id: UUID) -> User:
        """A user as recorded."""
        stored, key = self.recorder.streams_of([user_id]).get(user_id, ([], None))
        return self._user(user_id, stored, key)

    def load_users(self, user_ids: Sequence[UUID]) -> list[User]:
        """Users as recorded, in one round trip."""
        streams = self.recorder.streams_of(user_ids) if user_ids else {}
        return [self._user(user_id, *stream) for user_id, stream in streams.items()]

    def _user(
        self, user_id: UUID, stored: Sequence[StoredEvent], key: bytes | None
    ) -> User:
        events = (
            read_event(user_id, row.originator_version, row.topic, row.state, key)
            for row in stored
        )
        user = self._applied(User, None, events)
        if user is not None:
            user.person_key = key
        if user is None:
            raise DamagedStream(
                f"The account names a user that was never added: {user_id}.",
                stream=str(user_id),
                version=1,
            )
        return user

    def entry_at(
        self, account: UUID, position: int
    ) -> tuple[Recorded, Recorded] | None:
        """The account's entry at a position, and the one at the end of its chain."""
        row = self.recorder.at_position(position)
        if row is None:
            return None
        event = self.event_of(row)
        if (getattr(event, "account", None) or event.originator_id) != account:
            return None
        entry = Recorded(position, event)
        if not isinstance(event, EntryReversed):
            return entry, entry
        root = self._entry(event.originator_id, event.root_version)
        return entry, Recorded(event.root, root)

    def positions_of(self, entries: Sequence[EntryRef]) -> list[int]:
        """The positions of entries that are named by stream and version, in order."""
        return sorted(self.recorder.positions_of(entries).values())

    def entry_of(self, stream: UUID, version: int) -> Recorded | None:
        """The entry of a stream's version; None while it is not recorded."""
        key = str(stream), version
        position = self.recorder.positions_of([key]).get(key)
        if position is None:
            return None
        return Recorded(position, self._entry(stream, version))

    def _applied(
        self, kind: type[A], aggregate: A | None, events: Iterable[LedgerEvent]
    ) -> A | None:
        """An aggregate with further events; None where there is nothing of it."""
        with _whole_stream() as last:
            for event in events:
                last[:] = [event]
                if aggregate is None:
                    aggregate = kind(event.originator_id)
                self._take_in(aggregate, event)
        if aggregate is not None:
            aggregate.settle()
        return aggregate

    def _take_in(self, aggregate: Aggregate, event: LedgerEvent) -> None:
        """Apply an event as recorded. Raises DamagedStream where it does not follow."""
        version = event.originator_version
        if (event.TOPIC in _BEGINNINGS) != (version == 1):
            begins = (
                "begins the stream a second time"
                if version > 1
                else "does not begin a stream"
            )
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

    def _know_root(self, aggregate: Aggregate, event: LedgerEvent) -> None:
        """Hand an aggregate the entry that a reversal is about."""
        if isinstance(event, EntryReversed):
            aggregate.roots = {
                event.root_version: self._entry(aggregate.id, event.root_version)
            }

    def _entry(self, stream: UUID, version: int) -> LedgerEvent:
        return self.event_of(self.recorder.entry(stream, version))


_WITH_PERSON = {UserAdded.TOPIC, UserRenamed.TOPIC}
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
            f"{event.originator_id} ({event.TOPIC}), or the one after it, does not "
            "fit the events before it.",
            try_="seat-ledger doctor",
            stream=str(event.originator_id),
            version=event.originator_version,
        ) from error
