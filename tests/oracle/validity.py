"""What a valid timeline is (R46, R35), checked by looking at all of it every time.

Choices where the rules leave room:

- only of empty *holdings* it is said that they may not lie strictly inside another:
  empty accesses and empty memberships contain nothing and collide with nothing;
- accesses and holdings lie within what they need as intervals do (an empty one may lie
  at the very end), and a permission change may lie at the instant of the removal;
- "the same n from that instant on" is asked of every reduction that is neither
  cancelled nor carried out: before its renewal it asks for nothing new.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations

from tests.oracle.contract import Contract
from tests.oracle.dates import FAR
from tests.oracle.entries import Entry
from tests.oracle.timeline import Called, Interval, Request, Timeline

STRAYS = {
    "SeatUnassigned": "no_seat_held",
    "HubAccessRevoked": "nothing_to_do",
    "UserRemoved": "user_not_present",
    "SeatRetired": "timeline_invalid",
    "SeatReductionCancelled": "no_pending_reduction",
}


@dataclass(frozen=True)
class Violation:
    """What is wrong, by which rule, and the refusal codes that say so."""

    rule: str
    codes: frozenset[str]
    entries: tuple[Entry, ...]


def broken(rule: str, codes: str, *about: Interval | Entry) -> Violation:
    entries = tuple(a.opened if isinstance(a, Interval) else a for a in about)
    return Violation(rule, frozenset(codes.split()), entries)


def violations(timeline: Timeline, contract: Contract) -> list[Violation]:
    """Everything that R46 and R35 forbid and that the timeline has."""
    return [
        *seats_overlap(timeline),
        *outside_their_lives(timeline),
        *hubs_overlap(timeline),
        *outside_access(timeline),
        *accesses_overlap(timeline),
        *outside_membership(timeline),
        *ends_nothing(timeline),
        *reductions_short(timeline, contract),
        *names_shared(timeline),
    ]


def seats_overlap(timeline: Timeline) -> Iterator[Violation]:
    """R46 (a), R24: a seat has one holder at any instant."""
    for holding, other in combinations(timeline.holdings, 2):
        if holding.seat == other.seat and holding.meets(other):
            yield broken("R24", "seat_taken", holding, other)


def outside_their_lives(timeline: Timeline) -> Iterator[Violation]:
    """R46 (a): a seat is held while it is under contract."""
    for holding in timeline.holdings:
        life = timeline.life(holding.seat)
        if life is None or not life.covers(holding):
            yield broken("R24", "seat_not_under_contract", holding)


def hubs_overlap(timeline: Timeline) -> Iterator[Violation]:
    """R46 (b), R23: a user holds one seat of a hub."""
    for holding, other in combinations(timeline.holdings, 2):
        same = holding.person is other.person and holding.hub == other.hub
        if same and holding.meets(other):
            yield broken("R23", "hub_seat_held", holding, other)


def outside_access(timeline: Timeline) -> Iterator[Violation]:
    """R46 (c), R25: a seat is held by someone who has access to its hub."""
    for holding in timeline.holdings:
        covering = [
            access
            for access in timeline.accesses
            if access.person is holding.person
            and access.hub == holding.hub
            and access.covers(holding)
        ]
        if not covering:
            yield broken("R25", "access_revoked seat_held", holding)


def accesses_overlap(timeline: Timeline) -> Iterator[Violation]:
    """R46 (c): a user's accesses to a hub do not overlap."""
    for access, other in combinations(timeline.accesses, 2):
        same = access.person is other.person and access.hub == other.hub
        if same and access.overlaps(other):
            yield broken("R46c", "access_overlap", access, other)


def outside_membership(timeline: Timeline) -> Iterator[Violation]:
    """R46 (c), R31: accesses and permissions are those of a user of the account."""
    for access in timeline.accesses:
        membership = timeline.membership(access.person)
        if membership is None or not membership.covers(access):
            yield broken("R31", "user_not_present hub_access_held", access)
    for holding in timeline.holdings:
        membership = timeline.membership(holding.person)
        if membership is None or not membership.covers(holding):
            yield broken("R31", "user_not_present seat_held", holding)
    for entry in timeline.of("PermissionsChanged", "UserRenamed"):
        membership = timeline.membership(entry["user"])
        if membership is None or not membership.starts <= entry.at <= membership.ends:
            yield broken("R46c", "user_not_present timeline_invalid", entry)


def ends_nothing(timeline: Timeline) -> Iterator[Violation]:
    """R46 (d): what is ended was open."""
    for entry in timeline.strays:
        yield broken("R46d", f"{STRAYS[entry.topic]} timeline_invalid", entry)


def reductions_short(timeline: Timeline, contract: Contract) -> Iterator[Violation]:
    """R46 (e), R19, R20: what is pending stays unassigned."""
    for seat_type in {request.entry["seat_type"] for request in timeline.requests}:
        short = too_few_at_an_instant(timeline, seat_type)
        short = short or too_few_to_retire(timeline, contract, seat_type)
        if short is not None:
            codes = "reserved_for_reduction not_enough_unassigned"
            yield broken("R46e", codes, short.entry)


def too_few_at_an_instant(
    timeline: Timeline, seat_type: str, span: Interval | None = None
) -> Request | None:
    """The first request for which fewer seats are unassigned than are pending."""
    for instant in instants(timeline, seat_type):
        if span is not None and not span.contains(instant):
            continue
        pending = timeline.pending(instant, seat_type)
        needed = sum(request.quantity for request in pending)
        if needed > len(unassigned(timeline, instant, seat_type)):
            return pending[0]
    return None


def instants(timeline: Timeline, seat_type: str) -> list[datetime]:
    """Every instant at which something of the type begins or ends."""
    intervals = [
        i for i in timeline.lives + timeline.holdings if i.seat_type == seat_type
    ]
    bounds = {i.starts for i in intervals} | {i.ends for i in intervals}
    for request in timeline.requests:
        bounds |= {request.entry.at, request.ends}
    return sorted(bounds - {FAR})


def unassigned(timeline: Timeline, instant: datetime, seat_type: str) -> list[Interval]:
    """The seats under contract that nobody holds."""
    held = {h.seat for h in timeline.holdings if h.contains(instant)}
    lives = timeline.under_contract(instant, seat_type)
    return [life for life in lives if life.seat not in held]


def too_few_to_retire(
    timeline: Timeline, contract: Contract, seat_type: str
) -> Request | None:
    """The first request that its renewal could not carry out."""
    planned = [r for r in timeline.requests if r.entry["seat_type"] == seat_type]
    planned = [r for r in planned if r.ends == FAR]
    for request in planned:
        renewal = contract.renewal(request.entry["renewal"])
        needed = sum(
            other.quantity
            for other in planned
            if other.entry["renewal"] <= request.entry["renewal"]
        )
        if needed > len(retirable(timeline, renewal, seat_type)):
            return request
    return None


def retirable(timeline: Timeline, renewal: datetime, seat_type: str) -> list[Interval]:
    """Under contract before the renewal and unassigned from it on (R21)."""
    held_on = {holding.seat for holding in timeline.holdings if holding.ends > renewal}
    return [
        life
        for life in timeline.lives
        if life.seat_type == seat_type
        and life.starts < renewal
        and life.open
        and life.seat not in held_on
    ]


def names_shared(timeline: Timeline) -> Iterator[Violation]:
    """R35, R95, R99: no two users share a key at one time, no two persons an e-mail."""
    for item, other in combinations(timeline.all_called(), 2):
        if item.person is other.person or not item.overlaps(other):
            continue
        if item.names.key == other.names.key:
            yield shared("user_key_taken", timeline, item, other)
        services = item.person.is_service or other.person.is_service
        same = item.names.email.casefold() == other.names.email.casefold()
        if same and not services:
            yield shared("email_taken", timeline, item, other)


def shared(codes: str, timeline: Timeline, *spans: Called) -> Violation:
    memberships = (timeline.membership(span.person) for span in spans)
    return broken("R35", codes, *(m for m in memberships if m is not None))
