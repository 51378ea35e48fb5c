"""What a valid timeline is (R46): the one place that says so.

A timeline is made of intervals (:mod:`.intervals`). Everything here is about one
account. The functions that judge look only at what lies at or after the first changed
instant: before it the timeline was valid.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from seat_ledger.domain.intervals import Interval, Life, Mark, Track
from seat_ledger.domain.values import FOREVER
from seat_ledger.errors import EntryRef


class Violation(NamedTuple):
    """One way in which a timeline is not valid.

    `kind` is one of the words below; `entries` are the entries that take part,
    `at` an instant at which it shows, `subject` the seat, hub or seat type. `user` is
    whom it is about, `other` the second holder, or the second seat. Where seats are
    short, `needed` and `left` say how many, and `holdings` who has them, the latest
    first.
    """

    kind: str
    entries: tuple[EntryRef, ...]
    at: datetime
    subject: object = None
    user: str | None = None
    other: str | None = None
    needed: int = 0
    left: int = 0
    holdings: tuple[Interval, ...] = ()


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
    life: Life | None


def overlaps(
    intervals: Sequence[Interval], since: datetime
) -> Sequence[tuple[Interval, Interval]]:
    """Pairs that overlap, from the interval before `since` on: each with the one
    before it that reaches furthest. An empty one only if it lies strictly inside.
    """
    first = len(intervals)
    while first > 1 and intervals[first - 1].starts >= since:
        first -= 1
    if first == len(intervals):
        return ()
    furthest, pairs = intervals[first - 1], []
    for after in intervals[first:]:
        if after.starts < furthest.ends and furthest.starts < after.ends:
            pairs.append((furthest, after))
        if after.ends > furthest.ends:
            furthest = after
    return pairs


def reaching(intervals: Sequence[Interval], since: datetime) -> Sequence[Interval]:
    """The intervals that reach `since` or lie after it."""
    first = len(intervals)
    while first and intervals[first - 1].ends >= since:
        first -= 1
    return intervals[first:]


def seat_violations(
    stream: str, seat: SeatLike, since: datetime
) -> Sequence[Violation]:
    """R46 (a) and (d) for one seat, from `since` on."""
    track, life, extra = seat.track, seat.life, seat.retired[1:]
    whole = track.intervals
    pairs = overlaps(whole, since)
    outside = [
        held
        for held in (whole if life is None else reaching(whole, since))
        if life is None or not (life.starts <= held.starts and held.ends <= life.ends)
    ]
    if not (pairs or outside or extra or track.loose):  # nearly always
        return ()
    subject = track.subject
    violations = _overlapping(SEAT_OVERLAP, stream, pairs, subject)
    for user, mark in track.loose:
        entries = (EntryRef(stream, mark.version),)
        violations.append(Violation(DANGLING, entries, mark.at, subject, user))
    for mark in extra:
        entries = (EntryRef(stream, mark.version),)
        violations.append(Violation(DANGLING, entries, mark.at, subject))
    for held in outside:
        refs = [EntryRef(stream, held.opened)]
        if life is not None and life.closed and held.ends > life.ends:
            refs.append(EntryRef(stream, life.closed))
        violations.append(
            Violation(OUTSIDE_LIFE, tuple(refs), held.starts, subject, held.user)
        )
    return violations


def hub_violations(
    stream: str, held: Sequence[Interval], since: datetime
) -> Sequence[Violation]:
    """R46 (b): the holdings of one user in one hub do not overlap."""
    pairs = overlaps(held, since)
    return _overlapping(HUB_OVERLAP, stream, pairs) if pairs else ()


def _overlapping(
    kind: str,
    stream: str,
    pairs: Iterable[tuple[Interval, Interval]],
    subject: object = None,
) -> list[Violation]:
    """Two holdings at one instant: of a seat, or of the hub of a user."""
    return [
        Violation(
            kind,
            (EntryRef(stream, before.opened), EntryRef(stream, after.opened)),
            after.starts,
            before.subject if subject is None else subject,
            before.user,
            str(after.subject) if subject is None else after.user,
        )
        for before, after in pairs
    ]


def access_violations(
    user: str, access: Track, membership: Life | None, since: datetime
) -> Iterator[Violation]:
    """R46 (c) and (d) for one user's access to one hub, from `since` on."""
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
    for entered in reaching(access.intervals, since):
        if not _within(entered, membership):
            yield Violation(
                OUTSIDE_MEMBERSHIP,
                (EntryRef(user, entered.opened), *_ends_of(user, membership)),
                entered.starts,
                access.subject,
                user,
            )


def holding_violations(
    account: str, user: str, held: Sequence[Interval], access: Track, since: datetime
) -> Sequence[Violation]:
    """R46 (c) for one user's holdings in one hub, from `since` on."""
    return [
        Violation(
            OUTSIDE_ACCESS,
            (EntryRef(account, holding.opened), *_revoking(user, access, holding)),
            holding.starts,
            holding.subject,
            user,
        )
        for holding in reaching(held, since)
        if not _lets_in(access.intervals, holding)
    ]


def _lets_in(accesses: Sequence[Interval], holding: Interval) -> bool:
    """Whether an access covers the holding; nearly always it is the last one."""
    if accesses and holding.is_within(accesses[-1]):
        return True
    return any(map(holding.is_within, accesses))


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
    """R46 (c) and (d): permission changes and the removal within the membership; a
    change may lie at the instant of the removal.
    """
    for nth, removed in enumerate(removals):
        if nth or membership is None or removed.at < membership.starts:
            yield Violation(
                DANGLING, (EntryRef(user, removed.version),), removed.at, None, user
            )
    for mark in permissions:
        if membership is None or not membership.starts <= mark.at <= membership.ends:
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
    short = _first_short(reductions, seats) or _short_at_renewal(reductions, seats)
    if short is None:
        return
    held = tuple(sorted(short.holdings, reverse=True))
    entries = (
        *(EntryRef(stream, reduction.version) for reduction in short.binding),
        *(EntryRef(stream, holding.opened) for holding in held),
    )
    yield Violation(
        REDUCTION_SHORT,
        entries,
        short.at,
        seat_type,
        needed=sum(reduction.quantity for reduction in short.binding),
        left=short.left,
        holdings=held,
    )


class _Short(NamedTuple):
    """An instant at which the binding reductions find only `left` seats."""

    at: datetime
    binding: list[Reduction]
    left: int
    holdings: Iterable[Interval]


def can_retire(seat: SeatLike, renewal: datetime) -> bool:
    """Whether a renewal may take the seat: under contract before it, and unassigned
    from it on (R21).
    """
    life = seat.life
    if life is None or life.starts >= renewal or life.closed:
        return False
    held = seat.track.intervals
    return not held or held[-1].ends <= renewal


def _short_at_renewal(
    reductions: Sequence[Reduction], seats: Sequence[SeatLike]
) -> _Short | None:
    """The first unprocessed renewal that finds too few seats to retire."""
    for instant in sorted({r.renewal_at for r in reductions if r.renewal_at}):
        binding = [r for r in reductions if r.renewal_at and r.renewal_at <= instant]
        left = sum(1 for seat in seats if can_retire(seat, instant))
        if left < sum(r.quantity for r in binding):
            held = (
                holding
                for seat in seats
                for holding in seat.track.intervals[-1:]
                if holding.ends > instant
            )
            return _Short(instant, binding, left, held)
    return None


def _first_short(
    reductions: Sequence[Reduction], seats: Sequence[SeatLike]
) -> _Short | None:
    """The first instant with fewer unassigned seats than are pending."""
    steps: dict[datetime, list[int]] = {}  # [unassigned, pending]

    def step(at: datetime, kind: int, by: int) -> None:
        steps.setdefault(at, [0, 0])[kind] += by

    for reduction in reductions:
        step(reduction.starts, 1, reduction.quantity)
        step(reduction.ends, 1, -reduction.quantity)
    for seat in seats:
        if seat.life is not None:
            step(seat.life.starts, 0, 1)
            step(seat.life.ends, 0, -1)
        for held in seat.track.intervals:
            step(held.starts, 0, -1)
            step(held.ends, 0, 1)
    unassigned = pending = 0
    for at in sorted(steps):
        more, binding = steps[at]
        unassigned += more
        pending += binding
        if at is not FOREVER and pending and unassigned < pending:
            return _Short(
                at,
                [r for r in reductions if r.starts <= at < r.ends],
                max(0, unassigned),
                (held for seat in seats for held in _held_at(seat.track, at)),
            )
    return None


def _held_at(track: Track, at: datetime) -> Iterator[Interval]:
    """The holdings that contain an instant; an empty one contains none (R53)."""
    for held in track.intervals:
        if held.starts <= at < held.ends:
            yield held
