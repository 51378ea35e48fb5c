"""Whether a timeline with what was just decided is valid (R27, R42, R46).

The rules stand in :mod:`seat_ledger.domain.validity`; this module knows which of them a
change can touch, and asks those.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import product

from seat_ledger.domain import validity
from seat_ledger.domain.account import Account
from seat_ledger.domain.catalogue import Catalogue
from seat_ledger.domain.intervals import Interval, Life
from seat_ledger.domain.user import Named, User
from seat_ledger.domain.validity import Violation
from seat_ledger.domain.values import fold
from seat_ledger.errors import EntryRef


def judge(
    account: Account,
    users: Mapping[str, User],
    namesakes: Mapping[str, Sequence[User]],
    catalogue: Catalogue,
) -> list[Violation]:
    """Every violation among what was touched.

    `users` holds each touched user by id; `namesakes` the other users that ever had
    the key or e-mail of a user whose membership was touched. The `catalogue` says
    in which hubs a user holds one seat at most (R23, R81).
    """
    touched, stream = account.touched, account.key
    violations: list[Violation] = []
    for ref, since in touched.seats.items():
        violations += validity.seat_violations(stream, account.seat(ref), since)
    for (user_id, hub), since in _touched_hubs(account, users).items():
        user, held = users[user_id], account.held_by(user_id, hub)
        access = user.track(hub)
        apart = [held] if catalogue.is_exclusive(hub) else _by_type(held)
        for holdings in apart:
            violations += validity.hub_violations(stream, holdings, since)
        if hub in user.touched:
            violations += validity.access_violations(
                user.key, access, user.membership, since
            )
        for holdings in apart:
            violations += validity.holding_violations(
                stream, user.key, holdings, access, since
            )
    for user in users.values():
        if None in user.touched:
            violations += _membership(user, namesakes.get(user.key, ()))
    for seat_type in touched.pools:
        if account.pool(seat_type).requests:
            violations += _reductions(account, seat_type)
    return violations


def _by_type(held: Sequence[Interval]) -> list[list[Interval]]:
    """A user's holdings in a hub that is not exclusive, each tier's apart."""
    groups: dict[str, list[Interval]] = {}
    for holding in held:
        groups.setdefault(str(holding.subject[0]), []).append(holding)
    return list(groups.values())


def _touched_hubs(
    account: Account, users: Mapping[str, User]
) -> dict[tuple[str, str], datetime]:
    of_users = [user for user in users.values() if user.touched]
    if not of_users:  # nearly always
        return account.touched.users
    hubs = dict(account.touched.users)
    for user in of_users:
        for hub, since in user.touched.items():
            if hub is not None:
                hubs[user.key, hub] = min(since, hubs.get((user.key, hub), since))
    return hubs


def _membership(user: User, namesakes: Sequence[User]) -> Iterator[Violation]:
    life = user.membership
    changes = [change.mark for change in user.permissions]
    changes += [renaming.mark for renaming in user.renamings]
    yield from validity.membership_violations(user.key, life, changes, user.removals)
    if life is None:
        return
    for other in namesakes:
        theirs_life = other.membership
        if theirs_life is None or not _meet(life, theirs_life):
            continue  # nearly all of those who bore the name one after the other
        services = user.is_service or other.is_service
        for own, theirs in product(user.names, other.names):
            if not _share_an_instant(own, theirs):
                continue
            same_key = theirs.person.user_key == own.person.user_key
            same_email = fold(theirs.person.email) == fold(own.person.email)
            # A service may share its e-mail with others (R99).
            if same_key or (same_email and not services):
                yield _shared(user, other, own, theirs, same_key=same_key)
                break


def _shared(
    user: User, other: User, own: Named, theirs: Named, *, same_key: bool
) -> Violation:
    """Two users who are called alike at one instant (R35, R95)."""
    person = theirs.person
    return Violation(
        validity.KEY_SHARED if same_key else validity.EMAIL_SHARED,
        (EntryRef(other.key, theirs.opened), EntryRef(user.key, own.opened)),
        max(own.starts, theirs.starts),
        person.user_key if same_key else person.email,
        user.key,
    )


def _meet(own: Life, other: Life) -> bool:
    """Whether two memberships have an instant in common."""
    return own.starts < other.ends and other.starts < own.ends


def _share_an_instant(own: Named, other: Named) -> bool:
    """Whether both are called so at one instant; for no time, at none."""
    return max(own.starts, other.starts) < min(own.ends, other.ends)


def _reductions(account: Account, seat_type: str) -> Iterator[Violation]:
    if account.is_enough_at_last(seat_type):
        return
    yield from validity.reduction_violations(
        account.key,
        seat_type,
        account.reductions(seat_type),
        account.pool(seat_type).seats,
    )
