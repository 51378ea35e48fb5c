"""Exact evidence in the place of what was derived from dated lists (R85, R87).

A log line that lies in the window of a derived entry reverses it and is recorded
instead, in one step. Its seat stays, unless it was not bought yet by then or somebody
else still had it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from seat_ledger.commands.unit_of_work import Recorded, Source, UnitOfWork
from seat_ledger.domain.account import Account
from seat_ledger.domain.aggregate import Act
from seat_ledger.domain.events import HoldingEvent, SeatAssigned
from seat_ledger.domain.intervals import Interval
from seat_ledger.domain.user import User
from seat_ledger.domain.values import SeatRef, SeatType, utc
from seat_ledger.errors import CommandRefused

LetIn = Callable[[User, SeatType, Act], None]
"""Grants access to a seat's hub where it is missing (R25)."""


class Derived(NamedTuple):
    """An entry that was derived from a dated list, and the holding that it is of."""

    entry: Recorded
    holding: Interval

    @property
    def seat(self) -> SeatRef:
        """The seat that is held."""
        return SeatRef(*self.holding.subject)


def derived_entry(
    workspace: UnitOfWork,
    user: User,
    seat_type: SeatType,
    act: Act,
    *,
    is_opening: bool,
) -> Derived | None:
    """The derived assignment (`is_opening`) or unassignment that exact evidence
    replaces: its window holds the act.
    """
    account, source = workspace.account, workspace.source
    if account is None or not account.may_have_windows or act.after is not None:
        return None
    held = account.held_by(user.key, seat_type.hub)
    # Nearly all of what was ever held lies before what is recorded now.
    later = (
        held[bisect_left(held, (act.at,)) :]
        if is_opening
        else [holding for holding in held if holding.ends >= act.at]
    )
    for holding in later:
        version = holding.opened if is_opening else holding.closed
        if holding.subject[0] != seat_type or not version:
            continue
        entry = source.entry_of(account.id, version)
        event = None if entry is None else entry.event
        if entry is None or not isinstance(event, HoldingEvent):
            continue
        begins = event.effective_after
        if begins is not None and utc(begins) < act.at:
            return Derived(entry, holding)
    return None


class ExactEvidence:
    """One command's evidence about an account in which entries were derived."""

    def __init__(self, account: Account, source: Source, let_in: LetIn) -> None:
        self.account, self.source, self.let_in = account, source, let_in

    def assigned(
        self,
        derived: Derived,
        user: User,
        seat: SeatRef | None,
        act: Act,
        *,
        buy: bool,
    ) -> bool:
        """Replace a derived assignment by the act; whether that is about its seat.

        With `buy` another seat is bought where none is free.
        """
        if seat not in {None, derived.seat}:
            return False
        self.replace(derived.entry, act)
        if self._was_bought(derived, act.at):
            self._give_again(user, derived, act, buy=buy)
        else:
            self._give_earlier(user, derived, act)
        return True

    def unassigned(self, derived: Derived, user: User, act: Act) -> None:
        """Replace a derived unassignment by the act."""
        self.replace(derived.entry, act)
        self.account.release(user.key, derived.seat, act)

    def _was_bought(self, derived: Derived, at: datetime) -> bool:
        """Whether the seat of a derived assignment was under contract by an instant."""
        life = self.account.seat(derived.seat).life
        return life is not None and life.starts <= at

    def _give_again(self, user: User, derived: Derived, act: Act, *, buy: bool) -> None:
        """Give the derived seat, or another where somebody still had it by then."""
        account, holding = self.account, derived.holding
        self.let_in(user, derived.seat.seat_type, act)
        if account.seat(derived.seat).is_free(act.at, holding.ends):
            account.assign(user.key, derived.seat.seat_type, act, seat=derived.seat)
            return
        closing = (
            self.source.entry_of(account.id, holding.closed) if holding.closed else None
        )
        if closing is not None:
            self.replace(closing, act)
        seat_type = derived.seat.seat_type
        try:
            seat = account.assign(user.key, seat_type, act, until=holding.ends)
        except CommandRefused as error:
            if not buy or error.code != "no_free_seat":
                raise
            account.buy(seat_type, 1, act)
            seat = account.assign(user.key, seat_type, act, until=holding.ends)
        if closing is not None:
            self._record_again(closing, seat, act)

    def _give_earlier(self, user: User, derived: Derived, act: Act) -> None:
        """Give a seat that was bought too late for it, as the list had it.

        Where the same list brought the seat too, it was bought by then as well: another
        seat, bought by then, takes its place and all that it was ever held for.
        """
        account, source = self.account, self.source
        seat, seat_type = account.seat(derived.seat), derived.seat.seat_type
        versions = [derived.holding.closed]
        for holding in seat.track.intervals:
            versions += [holding.opened, holding.closed]
        moved = [
            source.entry_of(account.id, version) for version in versions if version
        ]
        bought = seat.purchased and source.entry_of(account.id, seat.purchased.version)
        key = derived.entry.event.idempotency_key
        if not bought or key is None or bought.event.idempotency_key != key:
            self.account.assign(user.key, seat_type, act)
            return
        entries = [entry for entry in moved if entry is not None]
        for entry in (*entries, bought):
            self.replace(entry, act)
        account.buy(seat_type, 1, act)
        another = SeatRef(seat_type, len(account.pool(seat_type).seats))
        self.let_in(user, seat_type, act)
        account.assign(user.key, seat_type, act, seat=another)
        for entry in sorted(entries, key=_place_in_time):
            self._record_again(entry, another, act)

    def _record_again(self, entry: Recorded, seat: SeatRef, act: Act) -> None:
        """Record an assignment or unassignment as it was, of another seat."""
        event = entry.event
        assert isinstance(event, HoldingEvent)
        after = event.effective_after and utc(event.effective_after)
        again = act._replace(at=utc(event.effective_at), after=after)
        account = self.account
        if isinstance(event, SeatAssigned):
            account.assign(event.user, seat.seat_type, again, seat=seat)
        else:
            account.release(event.user, seat, again)

    def replace(self, entry: Recorded, act: Act) -> None:
        """Reverse a derived entry, in whose place comes what is known exactly (R87)."""
        reason = act.reason or "replaced by exact evidence"
        position, event = entry
        self.account.reverse(
            event, event, act._replace(reason=reason), entry=position, root=position
        )


def _place_in_time(entry: Recorded) -> tuple[datetime, bool]:
    """Closings before openings of the same instant (R28)."""
    return utc(entry.event.effective_at), isinstance(entry.event, SeatAssigned)
