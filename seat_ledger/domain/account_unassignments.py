"""Unassignments that are requested for a billing period's end (R98).

A part of :class:`~seat_ledger.domain.account.Account`, of which these are methods.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from seat_ledger.domain.account_state import AccountState
from seat_ledger.domain.aggregate import Act, blocked
from seat_ledger.domain.events import (
    LedgerEvent,
    SeatUnassigned,
    UnassignmentCancelled,
    UnassignmentRequested,
)
from seat_ledger.domain.intervals import Interval, Mark
from seat_ledger.domain.seats import UnassignmentRequest
from seat_ledger.domain.values import FOREVER, SeatRef, SeatType, as_word, iso
from seat_ledger.errors import CommandRefused, EntryRef


class AccountUnassignments(AccountState):
    """Who is to leave a seat when a period ends: requested, taken back, carried out."""

    def open_holding(
        self, user: str, seat_type: SeatType, at: datetime, *, called: str
    ) -> Interval:
        """The user's open-ended holding of that type that is live at an instant (R27).

        `called` is the user's key. Raises CommandRefused (``no_seat_held``).
        """
        for held in reversed(self.held_by(user, seat_type.hub)):
            is_live = held.ends is FOREVER and held.starts <= at
            if is_live and held.subject[0] == seat_type:
                return held
        raise CommandRefused(
            "no_seat_held",
            f"{called} of {self.account_key} holds no seat of {seat_type} at "
            f"{iso(at)} that is still open-ended.",
            try_=f"seat-ledger user history {as_word(called)} --account "
            f"{as_word(self.account_key)}; to change a holding that has ended, record "
            "a batch: reverse, then the right unassignment",
        )

    def request_unassignment(
        self, user: str, seat_type: SeatType, act: Act, *, called: str
    ) -> None:
        """Have the user hold the seat until the period in progress ends.

        Raises CommandRefused: ``no_seat_held``, ``unassignment_pending``.
        """
        held = self.open_holding(user, seat_type, act.at, called=called)
        for request in self._pending(user, seat_type, act.at):
            raise CommandRefused(
                "unassignment_pending",
                f"{called} of {self.account_key} is already due to be "
                f"unassigned from {request.seat} at {iso(self.due(request))}.",
                try_="cancel that first (seat cancel-unassignment)",
                blockers=(EntryRef(self.key, request.mark.version),),
            )
        period = self.calendar.period_at(act.at)
        _, number = SeatRef(*held.subject)
        self.trigger(
            UnassignmentRequested,
            act,
            seat_type=seat_type,
            number=number,
            user=user,
            period=period.label,
        )

    def cancel_unassignment(
        self, user: str, seat_type: SeatType, act: Act, *, called: str
    ) -> None:
        """Take back the latest request that is still pending.

        Raises CommandRefused: ``no_pending_unassignment``, ``cancellation_exists``,
        ``unassignment_carried_out``.
        """
        pending = self._pending(user, seat_type, act.at)
        if not pending:
            raise CommandRefused(
                "no_pending_unassignment",
                f"{called} of {self.account_key} has no pending unassignment from "
                f"{seat_type} at {iso(act.at)}.",
                try_=f"seat-ledger account show {as_word(self.account_key)}",
            )
        request = max(pending, key=lambda request: request.mark)
        if request.carried_out is not None:
            raise CommandRefused(
                "unassignment_carried_out",
                f"{called} was unassigned from {request.seat} at "
                f"{iso(request.carried_out.at)}, as requested.",
                try_="reverse the unassignment (event reverse)",
                blockers=(EntryRef(self.key, request.carried_out.version),),
            )
        if request.cancelled is not None:
            raise CommandRefused(
                "cancellation_exists",
                f"The unassignment of {called} from {request.seat} was already "
                f"cancelled at {iso(request.cancelled.at)}; an earlier cancellation "
                "cannot be added.",
                try_="reverse that cancellation first",
                blockers=(EntryRef(self.key, request.cancelled.version),),
            )
        self.trigger(
            UnassignmentCancelled,
            act,
            seat_type=seat_type,
            number=request.seat.number,
            user=user,
            request=request.mark.version,
        )

    def _pending(
        self, user: str, seat_type: SeatType, at: datetime
    ) -> list[UnassignmentRequest]:
        """The user's requests that are made and neither cancelled nor carried out at
        an instant, of holdings that last beyond it.
        """
        return [
            request
            for request in self.unassignments.values()
            if request.user == user
            and request.seat.seat_type == seat_type
            and request.mark.at <= at
            and all(
                mark is None or mark.at > at
                for mark in (request.cancelled, request.carried_out)
            )
            and (held := self._holding(request)) is not None
            and held.ends > at
        ]

    def _holding(self, request: UnassignmentRequest) -> Interval | None:
        """The holding that a request is to end."""
        pool = self.pools.get(request.seat.seat_type)
        if pool is None or request.seat.number > len(pool.seats):
            return None
        for held in pool.seats[request.seat.number - 1].track.intervals:
            if held.user == request.user and held.starts <= request.mark.at < held.ends:
                return held
        return None

    # -- carrying out -------------------------------------------------------------

    def due(self, request: UnassignmentRequest) -> datetime:
        """When a requested unassignment takes effect: where its period ends now."""
        return self.calendar.end_of(request.period, after=request.mark.at)

    def is_unassignment_due(self, instant: datetime) -> bool:
        """Whether one is to be carried out at or before an instant."""
        return bool(self.open_unassignments) and any(self._due_by(instant))

    def _due_by(self, instant: datetime) -> Iterator[tuple[datetime, int]]:
        """The requests that are due at or before an instant, with when."""
        for version, request in self.open_unassignments.items():
            at = self.due(request)
            if at <= instant and self._is_held(request):
                yield at, version

    def _is_held(self, request: UnassignmentRequest) -> bool:
        """Whether there is something to end: a holding that ended voids a request."""
        held = self._holding(request)
        return held is not None and held.ends is FOREVER

    def unassign_due(self, instant: datetime, act: Act) -> None:
        """Carry out what is due at or before an instant, in order (R37)."""
        if not self.open_unassignments:
            return
        for at, version in sorted(self._due_by(instant)):
            request = self.unassignments[version]
            if not self._is_held(request):  # by another one of the same holding
                continue
            self.trigger(
                SeatUnassigned,
                act.moved(at)._replace(reason=request.reason or act.reason, after=None),
                seat_type=request.seat.seat_type,
                number=request.seat.number,
                user=request.user,
                request=version,
            )

    # -- reversals ----------------------------------------------------------------

    def check_unassignment_reversal(self, root: LedgerEvent) -> None:
        """Refuse to touch a request that was cancelled or carried out (R47)."""
        if isinstance(root, UnassignmentRequested):
            version, is_reversed = root.originator_version, False
        elif isinstance(root, UnassignmentCancelled):
            version, is_reversed = (
                root.request,
                root.originator_version in self.reversed,
            )
        else:
            return
        request = self.unassignments.get(version)
        in_way: Mark | None = None
        if request is None and is_reversed:
            in_way = Mark(self.opened_at, self.reversals[version][-1])
        elif request is not None:
            in_way = request.carried_out
            if is_reversed or isinstance(root, UnassignmentRequested):
                in_way = in_way or request.cancelled
        if in_way is not None:
            raise blocked(
                "The unassignment was cancelled or carried out meanwhile.", self, in_way
            )
