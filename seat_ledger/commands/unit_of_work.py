"""One account as it is being worked on: its aggregates, and who is called what.

A workspace is as fresh as the head that it was read at; whoever uses it checks that
first (the application), and the store checks it again under its lock.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from seat_ledger.domain.account import Account
from seat_ledger.domain.aggregate import Aggregate
from seat_ledger.domain.catalogue import Catalogue
from seat_ledger.domain.events import LedgerEvent
from seat_ledger.domain.head import NO_HEAD, Head
from seat_ledger.domain.references import Called, meant, persons_first
from seat_ledger.domain.seat_types import CATALOGUE_ID
from seat_ledger.domain.user import Named, User
from seat_ledger.domain.values import as_word, fold, iso, shown
from seat_ledger.errors import CommandRefused, EntryRef, NotFound

_ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Recorded(NamedTuple):
    """An entry as the store has it, for a reversal to name."""

    position: int
    event: LedgerEvent


class Source(Protocol):
    """Where a workspace gets what it does not hold yet."""

    @property
    def catalogue(self) -> Catalogue:
        """The seat types that there are (R80)."""
        ...

    def load_user(self, user_id: UUID) -> User:
        """The user of an id, as recorded."""
        ...

    def user_ids(self, account_id: UUID, name: str) -> tuple[list[UUID], list[UUID]]:
        """The ids of all users ever called so: by folded key, and by folded e-mail."""
        ...

    def is_of_account(self, account_id: UUID, user_id: UUID) -> bool:
        """Whether the account ever had a user of this id."""
        ...

    def entry_at(
        self, account_id: UUID, position: int
    ) -> tuple[Recorded, Recorded] | None:
        """The account's entry at a position, and the one at the end of its chain."""
        ...

    def entry_of(self, stream: UUID, version: int) -> Recorded | None:
        """The entry of a stream's version; None while it is not recorded."""
        ...

    def positions_under(self, account_id: UUID, key: str) -> Sequence[int] | None:
        """The positions that were recorded under a command's key."""
        ...

    def positions_of(self, entries: Sequence[EntryRef]) -> list[int]:
        """The positions of entries that are named by stream and version, in order."""
        ...

    def has_invoice(self, invoice: str) -> bool:
        """Whether an invoice of the store has this number (R64)."""
        ...

    def head_of(self, account_id: UUID) -> tuple[Head, int]:
        """Where the account is, and its last position."""
        ...


class UnitOfWork:
    """An account, the users that were looked at, and the names that were looked up.

    `whole` says that nothing is recorded but what was decided here: then all users
    are in memory. While it is `waiting` it holds more than is known to be recorded.
    """

    def __init__(self, account_id: UUID, source: Source) -> None:
        self.account_id = account_id
        self.source = source
        self.restart(None, NO_HEAD)

    def restart(self, account: Account | None, head: Head) -> None:
        """Hold an account as it is at a head, and nothing else."""
        self.account = account
        self.whole = head.changes == 0
        self.waiting = False
        self.users: dict[str, User] = {}
        self._by_key: dict[str, list[str]] = {}
        self._by_email: dict[str, list[str]] = {}
        self._looked_up: set[str] = set()
        self.move(head)

    def move(self, head: Head) -> None:
        """Be as fresh as a head."""
        self.head, self.next = head, head.following()

    def correct(self, head: Head) -> None:
        """Be at the same mark after another number of changes."""
        self.head, self.next = head, Head(head.changes + 1, self.next.mark)

    @property
    def weight(self) -> int:
        """How many entries are held in memory, roughly."""
        events = self.account.version if self.account else 0
        return events + 4 * len(self.users)

    def user(self, user_id: str) -> User:
        """A user by id."""
        user = self.users.get(user_id)
        if user is None:
            user = self.users[user_id] = self.source.load_user(UUID(user_id))
        return user

    def by_id(self, text: str) -> User | None:
        """The account's user of an id, where the text is one."""
        if not _ID.fullmatch(text):
            return None
        if text not in self.users and not self.source.is_of_account(
            self.account_id, UUID(text)
        ):
            return None
        return self.user(text)

    def add(self, user: User) -> None:
        """Take in a user that is being added."""
        self.users[user.key] = user
        self.add_names(user)

    def add_names(self, user: User) -> None:
        """Let a user be found by everything that the user was ever called."""
        for name, ids in self._names(user):
            self._look_up(name)
            called_so = ids.setdefault(name, [])
            if user.key not in called_so:
                called_so.append(user.key)

    def forget(self, user: User) -> None:
        """Drop a user that was never added after all."""
        del self.users[user.key]
        for name, ids in self._names(user):
            if user.key in ids.get(name, ()):
                ids[name].remove(user.key)

    def undo(self, events: Sequence[LedgerEvent], new_users: Sequence[User]) -> None:
        """Take back what was decided, and is not to be recorded."""
        for user in new_users:
            self.forget(user)
        for stream, count in Counter(event.originator_id for event in events).items():
            aggregate: Aggregate | None = self.users.get(str(stream))
            if stream == self.account_id:
                aggregate = self.account
            if stream == CATALOGUE_ID:
                aggregate = self.source.catalogue
            if aggregate is None:
                continue
            if count == aggregate.version and aggregate is self.account:
                self.account = None
                continue
            aggregate.roll_back(aggregate.version - count)
            aggregate.settle()

    def _names(self, user: User) -> list[tuple[str, dict[str, list[str]]]]:
        names = []
        for person in user.ever_called():
            names.append((fold(person.user_key), self._by_key))
            if person.email:
                names.append((fold(person.email), self._by_email))
        return names

    def _look_up(self, name: str) -> None:
        if name in self._looked_up:
            return
        if self.whole:
            self._looked_up.add(name)
        else:
            self.learn(name, *self.source.user_ids(self.account_id, name))

    def learn(self, name: str, by_key: list[UUID], by_email: list[UUID]) -> None:
        """Take over who was ever called so, unless that is known already."""
        if self.knows(name):
            return
        if by_key:
            self._by_key[name] = [str(user_id) for user_id in by_key]
        if by_email:
            self._by_email[name] = [str(user_id) for user_id in by_email]
        self._looked_up.add(name)

    def knows(self, name: str) -> bool:
        """Whether a folded name need not be looked up."""
        return self.whole or name in self._looked_up

    def called(self, reference: str) -> Called[User]:
        """Every user that ever had this key or e-mail."""
        folded = fold(reference)
        self._look_up(folded)
        mailed = [
            user
            for user_id in self._by_email.get(folded, ())
            for user in [self.user(user_id)]
            if any(fold(person.email) == folded for person in user.ever_called())
        ]
        # A person whose adding or renaming was reversed never had the e-mail.
        mailed = persons_first(
            mailed,
            lambda user: (
                user.is_service
                or all(fold(name.person.email) != folded for name in user.names)
            ),
        )
        exact: list[User] = []
        nearly: list[User] = []
        for user_id in self._by_key.get(folded, ()):
            user = self.user(user_id)
            keys = {person.user_key for person in user.ever_called()}
            if reference in keys:
                exact.append(user)
            elif folded in map(fold, keys):
                nearly.append(user)
        return Called(exact, mailed, nearly)

    def _only_one(self, reference: str) -> User | None:
        """The only user ever called so, by this very key: nearly every reference."""
        folded = fold(reference)
        if folded not in self._looked_up:
            self._look_up(folded)
        ids = self._by_key.get(folded, ())
        if len(ids) != 1 or self._by_email.get(folded):
            return None
        user = self.user(ids[0])
        if user.renamings or user.user_key != reference:
            return None
        return user

    def namesakes(self, user: User) -> list[User]:
        """The other users that ever had the user's key or e-mail."""
        ids: dict[str, None] = {}
        for name, by_name in self._names(user):
            self._look_up(name)
            ids.update(dict.fromkeys(by_name.get(name, ())))
        ids.pop(user.key, None)
        return [self.user(user_id) for user_id in ids]

    def _list_of_users(self) -> str:
        key = self.account.account_key if self.account else ""
        return f"seat-ledger user list --account {as_word(key)}"

    def present(self, reference: str, instant: datetime) -> User | None:
        """The user so called who is one of the account at an instant.

        Raises CommandRefused (``ambiguous_user``).
        """
        user = self._meant(reference, instant)
        return user if user is not None and user.is_present(instant) else None

    def _meant(self, reference: str, instant: datetime) -> User | None:
        """The user present at an instant, else the last one before (R35)."""
        only = self._only_one(reference)
        if only is not None:
            life = only.membership
            return only if life is not None and life.starts <= instant else None
        folded = fold(reference)

        seen: dict[str, list[Named]] = {}

        def borne(user: User) -> list[Named]:
            """When the user bore the name by then; else when a key was nearly so."""
            if user.key not in seen:
                seen[user.key] = bearing(user)
            return seen[user.key]

        def bearing(user: User) -> list[Named]:
            begun = [name for name in user.names if name.starts <= instant]
            exactly = [name for name in begun if name.bears(reference, folded)]
            return exactly or [n for n in begun if fold(n.person.user_key) == folded]

        def stay(user: User) -> tuple[datetime, datetime, tuple[int, int]] | None:
            begun = [(name.starts, name.ends) for name in borne(user)]
            if not begun:
                return None
            starts, ends = max(begun)
            # Only of empty stays two can be alike: who was added later came later.
            return starts, ends, self._added(user) if starts == ends else (0, 0)

        return meant(
            reference,
            self.called(reference),
            present=lambda user: any(instant < name.ends for name in borne(user)),
            stay=stay,
            name=lambda user: (user.user_key, user.email),
        )

    def _added(self, user: User) -> tuple[int, int]:
        """Where somebody stands among all who were added, recorded or not (R70)."""
        recorded = self.source.positions_of([EntryRef(user.key, 1)])
        return (0, recorded[0]) if recorded else (1, [*self.users].index(user.key))

    def resolve(self, reference: str, instant: datetime) -> User:
        """The user present at an instant, else the last one before (R35).

        Raises NotFound (``user_not_found``), CommandRefused (``user_not_present``,
        ``ambiguous_user``).
        """
        user = self._meant(reference, instant)
        if user is not None:
            return user
        if any(user.membership for user in self.called(reference).people):
            raise CommandRefused(
                "user_not_present",
                f"{shown(reference)} is not a user of the account at {iso(instant)}: "
                "they were added, or called so, later.",
                try_="give an effective time at which they are a user of the account",
            )
        raise NotFound(
            "user_not_found",
            f"The account has no user {shown(reference)}.",
            try_=f"add the user, or see '{self._list_of_users()}'",
            reference=reference,
        )


class CatalogueUnit(UnitOfWork):
    """The catalogue as it is being worked on; it belongs to no account (R80)."""

    def __init__(self, source: Source) -> None:
        super().__init__(CATALOGUE_ID, source)
