"""The user: membership, permissions and access to hubs.

A user added again after a removal is a new holder with an id and a stream of its
own (R35). What the user holds is the account's to know.
"""

from __future__ import annotations

from bisect import insort
from datetime import datetime
from typing import Any, ClassVar, NamedTuple
from uuid import UUID

from seat_ledger.domain.aggregate import Act, Aggregate, Steps, mark, nothing_to_do
from seat_ledger.domain.events import (
    HubAccessGranted,
    HubAccessRevoked,
    LedgerEvent,
    PermissionsChanged,
    UserAdded,
    UserErased,
    UserRemoved,
    UserRenamed,
)
from seat_ledger.domain.intervals import Life, Mark, Track
from seat_ledger.domain.personal_data import (
    Naming,
    Person,
    encrypt,
    encrypt_naming,
    erased,
    new_key,
)
from seat_ledger.domain.values import FOREVER, fold, iso, utc
from seat_ledger.errors import CommandRefused


class Permissions(NamedTuple):
    """What a change says; None leaves a permission as it was."""

    mark: Mark
    super_admin: bool | None
    account_access: bool | None


class Renaming(NamedTuple):
    """What a user is called from an entry on (R95)."""

    mark: Mark
    naming: Naming


class Named(NamedTuple):
    """From when to when a member was called so, by the entry of this version."""

    person: Person
    starts: datetime
    ends: datetime
    opened: int

    def bears(self, reference: str, folded: str) -> bool:
        """Whether the key is this one, or the e-mail, without case (R35)."""
        return (
            self.person.user_key == reference or fold(self.person.email) == folded != ""
        )


class User(Aggregate):
    """One membership of a person in an account.

    `person` is what the user is called after all that is recorded, `added_as` what it
    was when the user was added.
    """

    account: UUID
    person: Person
    added_as: Person
    is_service = False

    def __init__(self, id_: UUID) -> None:
        super().__init__(id_)
        self.added: Mark | None = None
        self.removals: list[Mark] = []
        self.membership: Life | None = None
        self.permissions: list[Permissions] = []
        self.renamings: list[Renaming] = []
        self.access: dict[str, Track] = {}
        self.touched: dict[str | None, datetime] = {}
        self.known_as: Person | None = None
        self.person_key: bytes | None = None

    # -- what it knows --------------------------------------------------------

    @property
    def user_key(self) -> str:
        """The key that the user is called by."""
        return self.person.user_key

    @property
    def email(self) -> str:
        """The e-mail address, as it was given."""
        return self.person.email

    @property
    def is_erased(self) -> bool:
        """Whether an erasure is recorded: nobody can say any more who it was."""
        return self.known_as is not None

    @property
    def folded_key(self) -> str:
        """The key as references are compared with it."""
        return fold(self.user_key)

    @property
    def folded_email(self) -> str:
        """The e-mail as it is compared, without case (R35)."""
        return fold(self.email)

    @property
    def names(self) -> list[Named]:
        """Everything that the member was called, in order, each with its time (R95)."""
        life = self.membership
        if life is None:
            return []
        if self.is_erased or not self.renamings:
            return [Named(self.person, life.starts, life.ends, life.opened)]
        names = [Named(self.added_as, life.starts, life.ends, life.opened)]
        for (at, version), naming in self.renamings:
            before = names.pop()
            if before.starts < at:
                names.append(before._replace(ends=min(at, before.ends)))
            person = naming.of(before.person)
            names.append(Named(person, max(at, life.starts), life.ends, version))
        return names

    def ever_called(self) -> list[Person]:
        """The same without times, also while the user is no member."""
        people = [self.person]
        if not self.is_erased:
            person = self.added_as
            people.append(person)
            for _, naming in self.renamings:
                person = naming.of(person)
                people.append(person)
        return list(dict.fromkeys(people))

    def is_present(self, instant: datetime) -> bool:
        """Whether the user is one of the account at an instant."""
        life = self.membership
        return life is not None and life.starts <= instant < life.ends

    def may_administer(self, instant: datetime) -> bool:
        """Whether `account_access` or super admin is in force at an instant (R36)."""
        super_admin = account_access = False
        for change in self.permissions:
            if change.mark.at <= instant:
                if change.super_admin is not None:
                    super_admin = change.super_admin
                if change.account_access is not None:
                    account_access = change.account_access
        return super_admin or account_access

    def track(self, hub: str) -> Track:
        """The user's access to a hub."""
        track = self.access.get(hub)
        if track is None:
            track = self.access[hub] = Track(hub)
        return track

    def has_access(self, hub: str, instant: datetime) -> bool:
        """Whether the user may enter the hub at an instant."""
        return self.track(hub).at(instant) is not None

    # -- what may happen --------------------------------------------------------

    @classmethod
    def add(
        cls, id_: UUID, act: Act, person: Person, *, account: UUID, **facts: Any
    ) -> User:
        """Make somebody a user of the account, encrypted by a new key."""
        user = cls(id_)
        user.person_key = new_key()
        encrypted = encrypt(person, user.person_key, user_id=id_, account=account)
        user.trigger(
            UserAdded,
            act,
            account=account,
            nonce=encrypted.nonce,
            sealed=encrypted.ciphertext,
            **person._asdict(),
            **facts,
        )
        return user

    def rename(self, naming: Naming, act: Act) -> None:
        """Give the user another key, e-mail or name from an instant on (R95).

        Raises CommandRefused (``user_not_present``, ``user_erased``,
        ``nothing_to_do``).
        """
        self._check_present(act.at)
        if self.is_erased or self.person_key is None:
            raise CommandRefused(
                "user_erased",
                f"{self.user_key} was erased: nobody can say any more who that was.",
                try_="add the person again",
            )
        person = next(
            name.person for name in reversed(self.names) if name.starts <= act.at
        )
        if naming.of(person) == person:
            raise nothing_to_do(f"{self.user_key} is called so at {iso(act.at)}.")
        encrypted = encrypt_naming(
            naming,
            self.person_key,
            user_id=self.id,
            account=self.account,
            version=self.version + 1,
        )
        self.trigger(
            UserRenamed,
            act,
            account=self.account,
            nonce=encrypted.nonce,
            sealed=encrypted.ciphertext,
            **naming._asdict(),
        )

    def set_permissions(
        self, act: Act, *, super_admin: bool | None, account_access: bool | None
    ) -> None:
        """Change what the user may do; what is None stays as it was.

        At the instant of the removal too: the two have no order (R46).
        """
        if self.membership is None or act.at != self.membership.ends:
            self._check_present(act.at)
        self.trigger(
            PermissionsChanged,
            act,
            account=self.account,
            super_admin=super_admin,
            account_access=account_access,
        )

    def grant(self, hub: str, act: Act) -> None:
        """Let the user enter a hub (S7)."""
        self._check_present(act.at)
        if self.has_access(hub, act.at):
            raise nothing_to_do(f"{self.user_key} already has access to {hub}.")
        self.trigger(HubAccessGranted, act, account=self.account, hub=hub)

    def revoke(self, hub: str, act: Act) -> None:
        """End the user's access to a hub."""
        if self.track(hub).live_from(act.at) is None:
            raise nothing_to_do(
                f"{self.user_key} has no open-ended access to {hub} at {iso(act.at)}."
            )
        self.trigger(HubAccessRevoked, act, account=self.account, hub=hub)

    def remove(self, act: Act) -> None:
        """Take the user out of the account (R31, R32)."""
        self._check_present(act.at)
        if self.removals:
            raise self._not_present(act.at)
        self.trigger(UserRemoved, act, account=self.account)

    def erase(self, act: Act) -> None:
        """Let nobody read any more who it was."""
        self.trigger(UserErased, act, account=self.account)

    def _check_present(self, instant: datetime) -> None:
        if not self.is_present(instant):
            raise self._not_present(instant)

    def _not_present(self, instant: datetime) -> CommandRefused:
        life = self.membership
        if life is None or instant < life.starts:
            what = "had not yet been added"
        else:
            what = f"was removed at {iso(life.ends)}"
        return CommandRefused(
            "user_not_present",
            f"{self.user_key} is not a user of the account at {iso(instant)}: {what}.",
            try_="give an effective time at which they are a user of the account",
        )

    # -- letting entries hold, and not ------------------------------------------

    def settle(self) -> None:
        """What was touched is judged, or needs no judgement: begin anew."""
        if self.touched:
            self.touched = {}

    def own_facts(self) -> dict[str, Any]:
        """A reversal in a user's stream names the account."""
        return {"account": self.account}

    def _touch(self, hub: str | None, at: datetime) -> None:
        since = self.touched.get(hub)
        if since is None or at < since:
            self.touched[hub] = at

    def _member_changed(self, at: datetime) -> None:
        """Take over the `membership`: from being added to being removed; None when
        it never was.
        """
        added = self.added
        ends, closed = self.removals[0] if self.removals else (FOREVER, 0)
        self.membership = added and Life(added.at, ends, added.version, closed)
        self._touch(None, at)
        for hub in self.access:
            self._touch(hub, at)

    def _added(self, event: UserAdded) -> None:
        self.account = event.account
        self.is_service = event.kind is not None
        self.added_as = Person(event.user_key, event.email, event.name)
        self._name()
        self.added = mark(event)
        permissions = Permissions(self.added, event.super_admin, event.account_access)
        insort(self.permissions, permissions)
        self._member_changed(self.added.at)

    def _name(self) -> None:
        """Take over what the user is called; of an erased one, what that was."""
        person = self.added_as
        for _, naming in self.renamings:
            person = naming.of(person)
        if self.is_erased:
            self.known_as = person
        else:
            self.person = person

    def _renamed(self, event: UserRenamed) -> None:
        naming = Naming(event.user_key, event.email, event.name)
        insort(self.renamings, Renaming(mark(event), naming), key=_place)
        self._name()
        self._touch(None, utc(event.effective_at))

    def _not_renamed(self, event: UserRenamed) -> None:
        version = event.originator_version
        self.renamings = [r for r in self.renamings if r.mark.version != version]
        self._name()
        self._touch(None, utc(event.effective_at))

    def _not_added(self, event: UserAdded) -> None:
        self.added = None
        self._forget_permissions(event)
        self._member_changed(utc(event.effective_at))

    def _removed(self, event: UserRemoved) -> None:
        insort(self.removals, mark(event))
        self._member_changed(utc(event.effective_at))

    def _not_removed(self, event: UserRemoved) -> None:
        self.removals.remove(mark(event))
        self._member_changed(utc(event.effective_at))

    def _permitted(self, event: PermissionsChanged) -> None:
        permissions = Permissions(mark(event), event.super_admin, event.account_access)
        insort(self.permissions, permissions)
        self._touch(None, permissions.mark.at)

    def _forget_permissions(self, event: LedgerEvent) -> None:
        version = event.originator_version
        self.permissions = [p for p in self.permissions if p.mark.version != version]

    def _granted(self, event: HubAccessGranted) -> None:
        self.track(event.hub).opening(self.key, mark(event))
        self._touch(event.hub, utc(event.effective_at))

    def _revoked(self, event: HubAccessRevoked) -> None:
        self.track(event.hub).closing(self.key, mark(event))
        self._touch(event.hub, utc(event.effective_at))

    def _access_undone(self, event: HubAccessGranted | HubAccessRevoked) -> None:
        self.track(event.hub).without(self.key, mark(event))
        self._touch(event.hub, utc(event.effective_at))

    def _erased(self, _: UserErased) -> None:
        self.known_as, self.person = self.person, erased(self.id)

    def _not_erased(self, _: UserErased) -> None:
        assert self.known_as is not None
        self.person, self.known_as = self.known_as, None

    STEPS: ClassVar[dict[type[LedgerEvent], Steps]] = {
        UserAdded: (_added, _not_added),
        UserRemoved: (_removed, _not_removed),
        UserRenamed: (_renamed, _not_renamed),
        PermissionsChanged: (_permitted, _forget_permissions),
        HubAccessGranted: (_granted, _access_undone),
        HubAccessRevoked: (_revoked, _access_undone),
        UserErased: (_erased, _not_erased),
    }


def _place(renaming: Renaming) -> Mark:
    return renaming.mark
