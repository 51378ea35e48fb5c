"""A dated list held against what the ledger knows of that time (R84, R85).

Pure: both sides are given. Each difference becomes a change with its window, and all
changes of an account one batch, with the observation itself as its last line (R86).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from seat_ledger.domain.values import fold, hub_of, iso, shown
from seat_ledger.domain.wording import counted
from seat_ledger.errors import CommandRefused
from seat_ledger.sources.refusals import UnreadableRow

ASSIGNED, UNASSIGNED, MOVED = "assigned", "unassigned", "moved"
BOUGHT, FEWER_BOUGHT = "bought", "fewer_bought"
RENAMED = "renamed"

FEW = 3
"""So many holders may vanish, however few there are."""

_INSTANT = timedelta(microseconds=1)
SHARE = 10
"""Of more than these, one in so many may (R83)."""


class ListedSeat(NamedTuple):
    """A seat that somebody holds, as a list says.

    `assigned_at` is since when, where the list says so.
    """

    line: int
    user: str
    seat_type: str
    email: str | None = None
    name: str | None = None
    assigned_at: datetime | None = None
    is_service: bool = False


class HeldSeat(NamedTuple):
    """A seat that somebody holds as the ledger has it, and since when."""

    user: str
    seat_type: str
    since: datetime


class Member(NamedTuple):
    """A user of the account: since when, since when with access to which hubs, and what
    the user is called.
    """

    added_at: datetime
    hubs: Mapping[str, datetime]
    email: str | None = None
    name: str | None = None


@dataclass(frozen=True)
class LedgerSide:
    """What the ledger knows of an account, as of the instant at which a list was true.

    `members` are those of whom the list says something that is not known.
    `observed` is when each type was last listed before it, `ended` when a user's last
    holding of a type ended before it. `pools` are the seats under contract by type, and
    `free` says of those that nobody holds then or later, from when on that is so.
    `released` is when addresses of new users were given up by those who had them.
    """

    opened_at: datetime
    held: Sequence[HeldSeat] = ()
    members: Mapping[str, Member] = field(default_factory=dict)
    pools: Mapping[str, int] = field(default_factory=dict)
    observed: Mapping[str, datetime] = field(default_factory=dict)
    ended: Mapping[tuple[str, str], datetime] = field(default_factory=dict)
    free: Mapping[str, Sequence[datetime]] = field(default_factory=dict)
    released: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True)
class AccountList:
    """What a list says of an account: who holds what, and how many seats are bought.

    `unnamed` counts seats by type whose holders it does not name.
    """

    account: str
    taken_at: datetime
    covers: Sequence[str]
    seats: Sequence[ListedSeat]
    purchased: Mapping[str, int] = field(default_factory=dict)
    unnamed: Mapping[str, int] = field(default_factory=dict)
    lacking: Sequence[ListedSeat] = ()
    """Who holds no seat of a type, where the list says so by word."""


class Change(NamedTuple):
    """One difference between list and ledger, with the window in which it arose (R85).

    `after` is None where it is known exactly; `seats` is how many are bought.
    """

    change: str
    user: str | None
    seat_type: str
    after: datetime | None
    at: datetime
    seats: int = 0
    leaves: str | None = None
    listed: ListedSeat | None = None


class Reconciliation:
    """The changes that make the ledger agree with a list.

    Raises UnreadableRow where somebody is listed twice in a hub that allows one seat,
    or is new and has no e-mail address (R99).
    """

    def __init__(
        self,
        listed: AccountList,
        state: LedgerSide,
        is_exclusive: Callable[[str], bool],
    ) -> None:
        self.listed, self.state, self.is_exclusive = listed, state, is_exclusive
        self.totals = Counter(seat.seat_type for seat in listed.seats)
        self.held = Counter(
            seat.seat_type for seat in state.held if seat.seat_type in self._covered
        )
        self._check_listed_once()
        self._holdings = list(self._moves())
        self._leave_open_who_had_whose_seat()
        renamings = list(self._renamings())
        self.changes = [
            *self._purchases(),
            *self._in_time(renamings),
            *self._holdings,
        ]
        # What agrees may be many times what differs, and is not needed any more.
        self.listed = replace(listed, seats=(), lacking=())
        self.state = replace(state, held=(), free={})

    def check_plausible(self, accepted: Iterable[str]) -> None:
        """Refuse a list from which too much is missing (R83), unless that is accepted.

        Raises CommandRefused (``missing_type``, ``vanished``).
        """
        missing = [
            name
            for name in self.held
            if name not in self.totals and not self.listed.unnamed.get(name)
        ]
        account = self.listed.account
        if missing and "missing-type" not in accepted:
            raise CommandRefused(
                "missing_type",
                f"The list covers {', '.join(missing)} of {account} and names nobody, "
                f"where {sum(self.held[name] for name in missing)} hold a seat.",
                try_="see whether the list is whole; if so: --accept missing-type",
            )
        vanished = [change for change in self.changes if change.change == UNASSIGNED]
        held = self.held.total()
        too_many = len(vanished) > FEW and len(vanished) * SHARE > held
        if too_many and "vanished" not in accepted:
            raise CommandRefused(
                "vanished",
                f"{len(vanished)} of {counted(held, 'holder')} of {account} are not "
                "listed.",
                try_="see whether the list is whole; if so: --accept vanished",
            )

    @property
    def _covered(self) -> frozenset[str]:
        return frozenset(self.listed.covers)

    def _check_listed_once(self) -> None:
        seen: dict[tuple[str, str], ListedSeat] = {}
        for seat in self.listed.seats:
            key = seat.user, self._place(seat.seat_type)
            other = seen.setdefault(key, seat)
            if other is not seat:
                first, last = sorted((other.line, seat.line))
                where = "" if first == last else f" in line {first}"
                raise UnreadableRow(
                    f"{seat.user} holds {seat.seat_type}, and {other.seat_type}"
                    f"{where}; the hub allows one seat.",
                    "correct the list; or, where both are right, map the types to a "
                    "hub that is added with --not-exclusive",
                    last,
                )

    def _place(self, seat_type: str) -> str:
        """What a user can have one seat of: the hub, or the type (R81)."""
        hub = hub_of(seat_type)
        return hub if self.is_exclusive(hub) else seat_type

    # -- who holds what ----------------------------------------------------------

    def _moves(self) -> Iterator[Change]:
        """Who came, and who left: whoever is not listed."""
        held = {
            (seat.user, self._place(seat.seat_type)): seat
            for seat in self.state.held
            if seat.seat_type in self._covered
        }
        for seat in self.listed.seats:
            current = held.pop((seat.user, self._place(seat.seat_type)), None)
            if current is None or current.seat_type != seat.seat_type:
                yield self._arrival(seat, current)
        for current in self._departing(held.values()):
            after = self._last_seen(current.seat_type, current.since)
            yield self._change(UNASSIGNED, current.user, current.seat_type, after, None)

    def _departing(self, unlisted: Iterable[HeldSeat]) -> Iterable[HeldSeat]:
        """Those of the seats that nobody is listed with that are not held any more."""
        return unlisted

    def _renamings(self) -> Iterator[Change]:
        """Users whom the list calls otherwise than the ledger does (R84, R95)."""
        seen: set[str] = set()
        for seat in (*self.listed.seats, *self.listed.lacking):
            member = self.state.members.get(seat.user)
            if member and seat.user not in seen and self._is_renamed(seat, member):
                seen.add(seat.user)
                change = self._change(
                    RENAMED, seat.user, seat.seat_type, self.listed.taken_at, None
                )
                yield change._replace(listed=seat)

    def _in_time(self, renamings: list[Change]) -> Iterator[Change]:
        """The renamings, each as early as whoever takes the address needs (R35).

        A seat that a row dates before the list is held under the row's address: whoever
        had that address gave it up by then, and took another by then as well.
        """
        by_address = {
            fold(self.state.members[change.user or ""].email or ""): change
            for change in renamings
        }
        self._freed = dict.fromkeys(by_address, self.listed.taken_at)
        taken = [
            (_address(change), change.at)
            for change in self._holdings
            if by_address and change.user not in self.state.members
        ]
        while taken:
            address, at = taken.pop()
            if at < self._freed.get(address, at):
                self._freed[address] = at
                taken.append((_address(by_address[address]), at))
        for address, change in by_address.items():
            yield change._replace(at=self._freed[address])

    def _is_renamed(self, seat: ListedSeat, member: Member) -> bool:
        """By e-mail: a vendor's list may have a login where it knows no name."""
        return bool(
            seat.email and member.email and fold(seat.email) != fold(member.email)
        )

    def _arrival(self, seat: ListedSeat, current: HeldSeat | None) -> Change:
        if current is not None:
            after = self._last_seen(seat.seat_type, current.since)
            kind, leaves = MOVED, current.seat_type
        else:
            member = self.state.members.get(seat.user)
            if member is None and seat.email is None and not seat.is_service:
                raise UnreadableRow(
                    f"{shown(seat.user)} is no user yet, and has no e-mail address.",
                    "an address, or a kind that says that it is a service",
                    seat.line,
                )
            began = member.added_at if member else self.state.opened_at
            ended = self.state.ended.get((seat.user, seat.seat_type), began)
            after = self._last_seen(seat.seat_type, max(began, ended))
            kind, leaves = ASSIGNED, None
        change = self._change(kind, seat.user, seat.seat_type, after, seat.assigned_at)
        return change._replace(leaves=leaves, listed=seat)

    def _last_seen(self, seat_type: str, since: datetime) -> datetime:
        """The last evidence to the contrary: an earlier list, or the state's begin."""
        return max(self.state.observed.get(seat_type, since), since)

    def _change(
        self,
        kind: str,
        user: str,
        seat_type: str,
        after: datetime,
        exact: datetime | None,
    ) -> Change:
        """A change in its window; evidence of the row inside it is exact."""
        taken_at = self.listed.taken_at
        if exact is not None and after < exact <= taken_at:
            return Change(kind, user, seat_type, None, exact)
        return Change(
            kind, user, seat_type, after if after < taken_at else None, taken_at
        )

    # -- seats under contract ------------------------------------------------------

    def _purchases(self) -> Iterator[Change]:
        """More seats than are known are bought; fewer are reported, never derived.

        A seat that somebody got is bought when it was needed, all others by the list;
        the last list that covers the type is evidence to the contrary (R85).
        """
        taken_at = self.listed.taken_at
        for seat_type in self.listed.covers:
            pool = self.state.pools.get(seat_type, 0)
            after = self._last_seen(seat_type, self.state.opened_at)
            bought = self._needed(seat_type)
            listed = self.listed.purchased.get(seat_type)
            least = self.totals[seat_type] + self.listed.unnamed.get(seat_type, 0)
            missing = max(listed or 0, least) - pool - bought.total()
            if missing > 0:
                bought[taken_at] += missing
            for at, seats in bought.items():
                begins = after if after < at else None
                yield Change(BOUGHT, None, seat_type, begins, at, seats)
            if listed is not None and missing < 0:
                yield Change(FEWER_BOUGHT, None, seat_type, None, taken_at, -missing)

    def _needed(self, seat_type: str) -> Counter[datetime]:
        """How many seats the changes need that are not free then, and when (R26)."""
        return Counter(change.at for change in self._without_seat(seat_type))

    def _without_seat(self, seat_type: str) -> list[Change]:
        """The arrivals at whose times no seat is free, in the order of time (R26)."""
        free = list(self.state.free.get(seat_type, ()))
        free += [change.at for change in self._departures(seat_type)]
        free.sort(reverse=True)
        arrivals = [
            change
            for change in self._holdings
            if change.change != UNASSIGNED and change.seat_type == seat_type
        ]
        without = []
        for change in sorted(arrivals, key=lambda change: change.at):
            if free and free[-1] <= change.at:
                free.pop()
            else:
                without.append(change)
        return without

    def _departures(self, seat_type: str) -> list[Change]:
        """The changes that leave a seat of a type."""
        return [
            change
            for change in self._holdings
            if change.change != ASSIGNED
            and (change.leaves or change.seat_type) == seat_type
        ]

    def _leave_open_who_had_whose_seat(self) -> None:
        """Widen the windows of arrivals that a row dates where no seat is known to be
        free, and somebody who left may have freed one by then: the list does not say
        which of the two was first, and it shows no seat more (R84, R85).
        """
        taken_at = self.listed.taken_at
        widened: dict[Change, Change] = {}
        for seat_type in dict.fromkeys(change.seat_type for change in self._holdings):
            left = sorted(
                change.after
                for change in self._departures(seat_type)
                if change.after is not None
            )
            for change in self._without_seat(seat_type):
                if left and left[0] < change.at < taken_at:
                    left.pop(0)
                    after = change.after or change.at - _INSTANT
                    widened[change] = change._replace(after=after, at=taken_at)
        if widened:
            self._holdings = [widened.get(each, each) for each in self._holdings]

    # -- as commands -----------------------------------------------------------------

    def operations(self) -> Iterator[dict[str, Any]]:
        """The lines of the batch that records the changes, without the observation."""
        since = self._admissions()
        for change in self.changes:
            if change.change == BOUGHT:
                yield {
                    "op": "buy_seats",
                    "seat_type": change.seat_type,
                    "quantity": change.seats,
                    **self._window(change),
                }
            elif change.change == RENAMED:
                yield self._renaming(change)
            elif change.change != FEWER_BOUGHT:
                yield from self._operations(change, since)

    def _renaming(self, change: Change) -> dict[str, Any]:
        listed = change.listed
        assert listed is not None
        member = self.state.members[listed.user]
        line = {"op": "rename_user", "user": listed.user}
        if listed.email and listed.email != member.email:
            line["email"] = listed.email
        if listed.name and listed.name != member.name:
            line["name"] = listed.name
        return {**line, **self._window(change)}

    def _operations(
        self, change: Change, since: dict[tuple[str, str | None], datetime]
    ) -> Iterator[dict[str, Any]]:
        user, window = change.user, self._window(change)
        if change.change != ASSIGNED:
            left = change.leaves or change.seat_type
            yield {"op": "unassign_seat", "user": user, "seat_type": left, **window}
        if change.change == UNASSIGNED:
            return
        yield from self._admission(change, since)
        seat_type = change.seat_type
        yield {"op": "assign_seat", "user": user, "seat_type": seat_type, **window}

    def _admissions(self) -> dict[tuple[str, str | None], datetime]:
        """Since when users are to be members, and to have access to hubs: from the
        first window's start on, for exact evidence that comes later may lie anywhere in
        it (R87), but no new user before the address is free.
        """
        since: dict[tuple[str, str | None], datetime] = {}
        for change in self._holdings:
            user, hub = change.user or "", hub_of(change.seat_type)
            if change.change == UNASSIGNED:
                continue
            at, member = change.after or change.at, self.state.members.get(user)
            if member is None:
                address = _address(change)
                for freed in (self._freed, self.state.released):
                    at = max(at, freed.get(address, self.state.opened_at))
                since[user, None] = min(at, since.get((user, None), at))
            elif hub in member.hubs:
                continue
            else:
                at = max(at, member.added_at)
            since[user, hub] = min(at, since.get((user, hub), at))
        return since

    def _admission(
        self, change: Change, since: dict[tuple[str, str | None], datetime]
    ) -> Iterator[dict[str, Any]]:
        """The lines that let a user in, where no change before it did."""
        listed, hub = change.listed, hub_of(change.seat_type)
        assert listed is not None
        user = listed.user
        if (user, None) in since:
            yield {
                "op": "add_user",
                "user": user,
                **_admitted(listed),
                "effective_at": iso(since.pop((user, None))),
            }
        if (user, hub) in since:
            yield {
                "op": "grant_hub_access",
                "user": user,
                "hub": hub,
                "effective_at": iso(since.pop((user, hub))),
            }

    def _window(self, change: Change) -> dict[str, str]:
        at = {"effective_at": iso(change.at)}
        if change.after is None:
            return at
        return {**at, "effective_after": iso(change.after)}


class WishedSeats(Reconciliation):
    """The changes that bring the seats of whom a list names to what it says.

    It is a wish and no evidence: its changes take effect with the command and have no
    windows, no seat is bought, and whoever is not named stays as they are. Raises
    UnreadableRow where a list says of somebody both, or two addresses.
    """

    def __init__(self, listed: AccountList, state: LedgerSide) -> None:
        super().__init__(listed, state, lambda _hub: False)

    def _check_listed_once(self) -> None:
        ticked = {(seat.user, seat.seat_type): seat for seat in self.listed.seats}
        mailed: dict[str, ListedSeat] = {}
        for seat in self.listed.lacking:
            other = ticked.get((seat.user, seat.seat_type))
            if other is not None:
                raise _at_odds(other, seat, f"whether to hold {seat.seat_type}")
        for seat in (*self.listed.seats, *self.listed.lacking):
            other = mailed.setdefault(seat.user, seat) if seat.email else seat
            if fold(other.email or "") != fold(seat.email or ""):
                raise _at_odds(other, seat, "the e-mail address")

    def _departing(self, unlisted: Iterable[HeldSeat]) -> Iterable[HeldSeat]:
        lacking = {(seat.user, seat.seat_type) for seat in self.listed.lacking}
        return [seat for seat in unlisted if (seat.user, seat.seat_type) in lacking]

    def _is_renamed(self, seat: ListedSeat, member: Member) -> bool:
        by_name = bool(seat.name) and seat.name != member.name
        return by_name or bool(
            seat.email and fold(seat.email) != fold(member.email or "")
        )

    def _last_seen(self, _seat_type: str, _since: datetime) -> datetime:
        return self.listed.taken_at

    def _purchases(self) -> Iterator[Change]:
        return iter(())

    def _admissions(self) -> dict[tuple[str, str | None], datetime]:
        """None: an assignment grants the access that is missing (R25)."""
        return {}

    def _window(self, _change: Change) -> dict[str, str]:
        return {}


def _address(change: Change) -> str:
    """The address of whom a change is about, as the list has it."""
    return fold((change.listed and change.listed.email) or "")


def _admitted(listed: ListedSeat) -> dict[str, str]:
    """What a new user is called: a service needs no e-mail (R99)."""
    email = {"email": listed.email} if listed.email else {}
    kind = {"kind": "service"} if listed.is_service else {}
    return {**email, "name": listed.name or listed.user, **kind}


def _at_odds(seat: ListedSeat, other: ListedSeat, what: str) -> UnreadableRow:
    first, last = sorted((seat.line, other.line))
    return UnreadableRow(
        f"the row differs from line {first} about {shown(other.user)}: {what}.",
        "remove one of them",
        last,
    )
