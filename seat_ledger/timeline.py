"""What a valid timeline is (R46): the one place that says so.

A timeline is made of intervals, and an interval of an opening and a closing entry.
The k-th opening pairs with the k-th closing, both in the order of their instants;
so two entries at one instant need no order between them. An open end is
:data:`~seat_ledger.values.FOREVER`.

Everything here is about one account. The functions that judge look only at what
lies at or after the first changed instant: before it the timeline was valid.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from seat_ledger.errors import EntryRef
from seat_ledger.values import FOREVER, SeatRef


class Interval(NamedTuple):
    """``[starts, ends)``, opened and closed by entries of these versions.

    `closed` is 0 while the end is open. `user` is the holder's id, `subject` the
    seat that is held or the hub that is entered.
    """

    starts: datetime
    ends: datetime
    opened: int
    closed: int
    user: str
    subject: SeatRef | str

    @property
    def is_empty(self) -> bool:
        """Whether it opens and closes at one instant (R03)."""
        return self.starts == self.ends

    def covers(self, other: Interval) -> bool:
        """Whether `other` lies within; an empty one may lie exactly at the end."""
        return self.starts <= other.starts and other.ends <= self.ends


class Mark(NamedTuple):
    """One entry that opens or closes something: its instant and its version."""

    at: datetime
    version: int


class Violation(NamedTuple):
    """One way in which a timeline is not valid.

    `kind` is one of the words below; `entries` are the entries that take part,
    `at` an instant at which it shows, `subject` the seat, hub or seat type.
    """

    kind: str
    entries: tuple[EntryRef, ...]
    at: datetime
    subject: object = None
    user: str | None = None


SEAT_OVERLAP = "seat_overlap"  # R46 a: two holdings of a seat at one instant
OUTSIDE_LIFE = "outside_life"  # R46 a: held while not under contract
HUB_OVERLAP = "hub_overlap"  # R46 b: two seats of one hub at one instant
OUTSIDE_ACCESS = "outside_access"  # R46 c: a holding without access to its hub
ACCESS_OVERLAP = "access_overlap"  # R46 c: access to one hub twice at one instant
OUTSIDE_MEMBERSHIP = "outside_membership"  # R46 c: access while not a user
PERMISSION_OUTSIDE = "permission_outside"  # R46 c: permissions while not a user
DANGLING = "dangling"  # R46 d: an ending that ends nothing
REDUCTION_SHORT = "reduction_short"  # R46 e: too few unassigned seats
KEY_SHARED = "key_shared"  # R35: two present users with one key
EMAIL_SHARED = "email_shared"  # R35: two present users with one e-mail


class Track:
    """The intervals of one seat, or of one user's access to one hub, in order.

    Openings and closings come and go (an entry may be reversed); `loose` keeps the
    closings that close nothing, which no valid timeline has.
    """

    __slots__ = ("intervals", "loose", "open_ends", "subject")

    def __init__(self, subject: SeatRef | str) -> None:
        self.subject = subject
        self.intervals: list[Interval] = []
        self.loose: list[tuple[str, Mark]] = []
        self.open_ends = 0

    def opening(self, user: str, mark: Mark) -> Changed:
        """Let an opening entry hold; return what it changed."""
        last = self.intervals[-1] if self.intervals else None
        if not self.loose and (last is None or last.ends <= mark.at > last.starts):
            new = Interval(mark.at, FOREVER, mark.version, 0, user, self.subject)
            self.intervals.append(new)
            self.open_ends += 1
            return (), (new,)
        opens, closes = self._marks(user)
        return self._pair(user, [*opens, mark], closes)

    def closing(self, user: str, mark: Mark) -> Changed:
        """Let a closing entry hold; return what it changed."""
        last = self.intervals[-1] if self.intervals else None
        if (
            last is not None
            and last.ends is FOREVER
            and last.user == user
            and last.starts <= mark.at
            and self.open_ends == 1
            and not self.loose
        ):
            new = Interval(
                last.starts, mark.at, last.opened, mark.version, user, self.subject
            )
            self.intervals[-1] = new
            self.open_ends = 0
            return (last,), (new,)
        opens, closes = self._marks(user)
        return self._pair(user, opens, [*closes, mark])

    def without(self, user: str, mark: Mark) -> Changed:
        """Let an entry hold no more; return what it changed."""
        last = self.intervals[-1] if self.intervals else None
        if last is not None and last.opened == mark.version and not last.closed:
            self.intervals.pop()
            self.open_ends -= 1
            return (last,), ()
        opens, closes = self._marks(user)
        return self._pair(
            user,
            [held for held in opens if held.version != mark.version],
            [held for held in closes if held.version != mark.version],
        )

    def _marks(self, user: str) -> tuple[list[Mark], list[Mark]]:
        mine = [held for held in self.intervals if held.user == user]
        opens = [Mark(held.starts, held.opened) for held in mine]
        closes = [Mark(held.ends, held.closed) for held in mine if held.closed]
        closes += [mark for owner, mark in self.loose if owner == user]
        return opens, closes

    def _pair(self, user: str, opens: list[Mark], closes: list[Mark]) -> Changed:
        """Pair the k-th opening with the k-th closing, and replace the user's part."""
        before = tuple(held for held in self.intervals if held.user == user)
        others = [held for held in self.intervals if held.user != user]
        loose = [(owner, mark) for owner, mark in self.loose if owner != user]
        after: list[Interval] = []
        left = iter(sorted(closes))
        close = next(left, None)
        for mark in sorted(opens):
            while close is not None and close.at < mark.at:
                loose.append((user, close))
                close = next(left, None)
            ends, closed = close if close is not None else (FOREVER, 0)
            after.append(
                Interval(mark.at, ends, mark.version, closed, user, self.subject)
            )
            close = next(left, None) if close is not None else None
        loose += [(user, mark) for mark in ([close, *left] if close else [])]
        self.intervals = sorted([*others, *after])
        self.loose = loose
        self.open_ends = sum(1 for held in self.intervals if not held.closed)
        return before, tuple(after)

    def at(self, instant: datetime) -> Interval | None:
        """The interval that contains an instant, if there is one."""
        for held in reversed(self.intervals):
            if held.starts <= instant < held.ends:
                return held
        return None

    def live_from(self, instant: datetime) -> Interval | None:
        """The first open-ended interval that is live at an instant."""
        for held in self.intervals[-2:]:
            if held.ends is FOREVER and held.starts <= instant:
                return held
        return next(
            (
                held
                for held in self.intervals
                if held.ends is FOREVER and held.starts <= instant
            ),
            None,
        )


Changed = tuple[tuple[Interval, ...], tuple[Interval, ...]]
"""The intervals that went, and those that came."""


class Life(NamedTuple):
    """From when to when something exists, by which entries; open end FOREVER."""

    starts: datetime
    ends: datetime
    opened: int
    closed: int


class Reduction(NamedTuple):
    """A requested reduction as (e) needs it; `ends` is when it stopped to bind.

    `renewal_at` is given while its renewal is not processed: from that instant on
    the same seats must stay unassigned.
    """

    starts: datetime
    ends: datetime
    quantity: int
    version: int
    renewal_at: datetime | None


class SeatLike(Protocol):
    """What the rules need to know of a seat."""

    track: Track
    retired: tuple[Mark, ...]

    @property
    def life(self) -> Life | None:
        """From when to when it is under contract."""


def in_way(
    intervals: Sequence[Interval], starts: datetime, ends: datetime
) -> list[Interval]:
    """The intervals that ``[starts, ends)`` would overlap, in order.

    An empty interval occupies its instant (R46).
    """
    return [
        held
        for held in intervals
        if (held.starts < ends and (held.ends > starts or held.starts == starts))
        or held.starts == starts
    ]


def overlaps(
    intervals: Sequence[Interval], since: datetime
) -> Iterator[tuple[Interval, Interval]]:
    """Neighbours that share an instant, from the interval before `since` on."""
    first = max(0, bisect_left(intervals, (since,)) - 1)
    for n in range(first + 1, len(intervals)):
        before, after = intervals[n - 1], intervals[n]
        if after.starts < before.ends or after.starts == before.starts:
            yield before, after


def since_index(intervals: Sequence[Interval], since: datetime) -> int:
    """Where the intervals begin that reach `since` or lie after it."""
    first = bisect_left(intervals, (since,))
    while first and intervals[first - 1].ends >= since:
        first -= 1
    return first


def seat_violations(
    stream: str, seat: SeatLike, since: datetime
) -> Iterator[Violation]:
    """R46 (a) and (d) for one seat, from `since` on."""
    track = seat.track
    for before, after in overlaps(track.intervals, since):
        yield Violation(
            SEAT_OVERLAP,
            (EntryRef(stream, before.opened), EntryRef(stream, after.opened)),
            after.starts,
            track.subject,
            before.user,
        )
    for user, mark in track.loose:
        yield Violation(
            DANGLING, (EntryRef(stream, mark.version),), mark.at, track.subject, user
        )
    for extra in seat.retired[1:]:
        yield Violation(
            DANGLING, (EntryRef(stream, extra.version),), extra.at, track.subject
        )
    life = seat.life
    reaching = since_index(track.intervals, since) if life is not None else 0
    for held in track.intervals[reaching:]:
        if life is None or not (life.starts <= held.starts and held.ends <= life.ends):
            entries = [EntryRef(stream, held.opened)]
            if life is not None and life.closed and held.ends > life.ends:
                entries.append(EntryRef(stream, life.closed))
            yield Violation(
                OUTSIDE_LIFE, tuple(entries), held.starts, track.subject, held.user
            )


def hub_violations(
    stream: str, held: Sequence[Interval], since: datetime
) -> Iterator[Violation]:
    """R46 (b): the holdings of one user in one hub do not overlap."""
    for before, after in overlaps(held, since):
        yield Violation(
            HUB_OVERLAP,
            (EntryRef(stream, before.opened), EntryRef(stream, after.opened)),
            after.starts,
            before.subject,
            before.user,
        )


def access_violations(  # noqa: PLR0913, PLR0917  two streams, and what each holds
    account: str,
    user: str,
    held: Sequence[Interval],
    access: Track,
    membership: Life | None,
    since: datetime,
) -> Iterator[Violation]:
    """R46 (c) and (d) for one user and one hub, from `since` on."""
    for before, after in overlaps(access.intervals, since):
        yield Violation(
            ACCESS_OVERLAP,
            (EntryRef(user, before.opened), EntryRef(user, after.opened)),
            after.starts,
            access.subject,
            user,
        )
    for _, mark in access.loose:
        yield Violation(
            DANGLING, (EntryRef(user, mark.version),), mark.at, access.subject, user
        )
    for entered in access.intervals[since_index(access.intervals, since) :]:
        if not _within(entered, membership):
            yield Violation(
                OUTSIDE_MEMBERSHIP,
                (EntryRef(user, entered.opened), *_ends_of(user, membership)),
                entered.starts,
                access.subject,
                user,
            )
    for holding in held[since_index(held, since) :]:
        if not any(entered.covers(holding) for entered in _near(access, holding)):
            yield Violation(
                OUTSIDE_ACCESS,
                (EntryRef(account, holding.opened), *_revoking(user, access, holding)),
                holding.starts,
                holding.subject,
                user,
            )


def _near(access: Track, holding: Interval) -> Iterable[Interval]:
    """The accesses that begin at or before the holding, the last ones first."""
    first = bisect_left(access.intervals, (holding.starts, FOREVER, 1 << 62))
    return reversed(access.intervals[:first])


def _within(entered: Interval, membership: Life | None) -> bool:
    return (
        membership is not None
        and membership.starts <= entered.starts
        and entered.ends <= membership.ends
    )


def _ends_of(user: str, membership: Life | None) -> tuple[EntryRef, ...]:
    if membership is None or not membership.closed:
        return ()
    return (EntryRef(user, membership.closed),)


def _revoking(user: str, access: Track, holding: Interval) -> list[EntryRef]:
    """The revocations that end an access inside the holding."""
    return [
        EntryRef(user, entered.closed)
        for entered in access.intervals
        if entered.closed and holding.starts <= entered.ends < holding.ends
    ]


def membership_violations(
    user: str,
    membership: Life | None,
    permissions: Sequence[Mark],
    removals: Sequence[Mark],
) -> Iterator[Violation]:
    """R46 (c) and (d): permission changes and the removal within the membership."""
    for nth, removed in enumerate(removals):
        if nth or membership is None or removed.at < membership.starts:
            yield Violation(
                DANGLING, (EntryRef(user, removed.version),), removed.at, None, user
            )
    for mark in permissions:
        if membership is None or not membership.starts <= mark.at < membership.ends:
            yield Violation(
                PERMISSION_OUTSIDE,
                (EntryRef(user, mark.version), *_ends_of(user, membership)),
                mark.at,
                None,
                user,
            )


def reduction_violations(
    stream: str,
    seat_type: str,
    reductions: Sequence[Reduction],
    seats: Sequence[SeatLike],
) -> Iterator[Violation]:
    """R46 (e): pending reductions leave enough seats unassigned, at every instant."""
    if not reductions:
        return
    short = _first_short(reductions, seats)
    if short is not None:
        binding = [r for r in reductions if r.starts <= short < r.ends]
        entries = tuple(EntryRef(stream, r.version) for r in binding)
        yield Violation(REDUCTION_SHORT, entries, short, seat_type)
    due = sorted({r.renewal_at for r in reductions if r.renewal_at is not None})
    for instant in due:
        binding = [r for r in reductions if r.renewal_at and r.renewal_at <= instant]
        needed = sum(r.quantity for r in binding)
        if sum(1 for seat in seats if can_retire(seat, instant)) < needed:
            entries = tuple(EntryRef(stream, r.version) for r in binding)
            yield Violation(REDUCTION_SHORT, entries, instant, seat_type)
            return


def can_retire(seat: SeatLike, renewal: datetime) -> bool:
    """Whether a renewal may take the seat: under contract before it, and unassigned
    from it on (R21).
    """
    life = seat.life
    if life is None or life.starts >= renewal or life.closed:
        return False
    held = seat.track.intervals
    return not held or (held[-1].ends <= renewal and held[-1].starts < renewal)


def _first_short(
    reductions: Sequence[Reduction], seats: Sequence[SeatLike]
) -> datetime | None:
    """The first instant with fewer unassigned seats than are pending."""
    steps: dict[datetime, list[int]] = {}  # [unassigned, pending, at this instant only]

    def step(at: datetime, kind: int, by: int) -> None:
        steps.setdefault(at, [0, 0, 0])[kind] += by

    for reduction in reductions:
        step(reduction.starts, 1, reduction.quantity)
        step(reduction.ends, 1, -reduction.quantity)
    for seat in seats:
        if seat.life is not None:
            step(seat.life.starts, 0, 1)
            step(seat.life.ends, 0, -1)
        for held in seat.track.intervals:
            if held.is_empty:
                step(held.starts, 2, -1)
            else:
                step(held.starts, 0, -1)
                step(held.ends, 0, 1)
    unassigned = pending = 0
    for at in sorted(steps):
        more, binding, here = steps[at]
        unassigned += more
        pending += binding
        if at is not FOREVER and pending and unassigned + here < pending:
            return at
    return None


def insert(intervals: list[Interval], new: Interval) -> None:
    """Put an interval into a list that is in order."""
    if not intervals or intervals[-1] <= new:
        intervals.append(new)
    else:
        insort(intervals, new)


def remove(intervals: list[Interval], old: Interval) -> None:
    """Take an interval out of a list that is in order."""
    if intervals[-1] == old:
        intervals.pop()
    else:
        del intervals[bisect_left(intervals, old)]
