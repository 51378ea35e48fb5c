"""An account's contract as known: opening, zones, policies, renewals, invoices."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from seat_ledger.domain.calendar import BillingCalendar, ZoneHistory
from seat_ledger.domain.values import DEFAULT_POLICY, FOREVER

Row = dict[str, Any]


class Policy(NamedTuple):
    """How periods are counted that begin from an instant on (R50)."""

    effective_at: datetime
    mode: str
    granularity: str | None
    position: int


class AccountFacts(NamedTuple):
    """An account as known: its contract and its calendar.

    `no` is the position of its opening. `is_known` is false before that was recorded:
    nothing was known then (R79). `next_unassignment` is when the first of those is due
    that were requested for a period's end and are not carried out (R98); where
    `has_requests` is false, none ever was.
    """

    no: int
    id: UUID
    key: str
    name: str
    is_known: bool
    opened_at: datetime
    calendar: BillingCalendar
    renewals: int
    policies: tuple[Policy, ...]
    next_unassignment: datetime | None = None
    has_requests: bool = True

    @property
    def zones(self) -> ZoneHistory:
        """The account's time zones."""
        return self.calendar.zones

    @property
    def due_at(self) -> datetime:
        """The next renewal's instant (R38), or that of an unassignment before it which
        is carried out with the renewals (R98).
        """
        due = self.calendar.renewal(self.renewals + 1).instant
        return min(due, self.next_unassignment or FOREVER)

    def renewal_due(self, now: datetime) -> bool:
        """Whether a renewal, or an unassignment at a period's end, is not recorded yet
        though its instant has passed.
        """
        return self.is_known and self.due_at <= now

    def due(self, request: Row) -> datetime:
        """When an unassignment is to take effect, at its period's end (R98).

        FOREVER where there is no such period.
        """
        requested_at = request["requested_at"].astimezone(UTC)
        return self.calendar.end_of(request["period"], after=requested_at)

    def policy_at(self, instant: datetime) -> tuple[str, str | None]:
        """Mode and granularity in force at an instant (R50, R70)."""
        mode, granularity = DEFAULT_POLICY
        for policy in self.policies:
            if policy.effective_at <= instant:
                mode, granularity = policy.mode, policy.granularity
        return mode, granularity

    def next_renewal(self, as_of: datetime) -> Row:
        """The first renewal after a moment, or the one that is due already."""
        number = min(self.calendar.renewal_after(as_of), self.renewals + 1)
        bound = self.calendar.renewal(number)
        if bound.instant is FOREVER:  # the account ends before it (R97)
            return {"number": None, "date": None, "instant": None}
        return {"number": number, "date": bound.day, "instant": bound.instant}
