"""An account's contract as known: opening, zones, policies, renewals, invoices."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from seat_ledger.calendar import BillingCalendar, ZoneChange, ZoneHistory
from seat_ledger.values import account_id

Row = dict[str, Any]


class Policy(NamedTuple):
    """How periods are counted that begin from an instant on (R50)."""

    effective_at: datetime
    mode: str
    granularity: str | None
    position: int


DEFAULT_MODE, DEFAULT_GRANULARITY = "contracted", "day"


class AccountFacts(NamedTuple):
    """An account as known: its contract and its calendar.

    `no` is the position of its opening. `known` is false before that was recorded:
    nothing was known then (R79).
    """

    no: int
    id: UUID
    key: str
    name: str
    known: bool
    opened_at: datetime
    calendar: BillingCalendar
    renewals: int
    policies: tuple[Policy, ...]

    @property
    def zones(self) -> ZoneHistory:
        """The account's time zones."""
        return self.calendar.zones

    def renewal_due(self, now: datetime) -> bool:
        """Whether a renewal's instant has passed that is not recorded (R38)."""
        return self.known and self.calendar.renewal(self.renewals + 1).instant <= now

    def policy_at(self, instant: datetime) -> tuple[str, str | None]:
        """Mode and granularity in force at an instant (R50, R70)."""
        mode: str = DEFAULT_MODE
        granularity: str | None = DEFAULT_GRANULARITY
        for policy in self.policies:
            if policy.effective_at <= instant:
                mode, granularity = policy.mode, policy.granularity
        return mode, granularity


def facts_of(
    rows: Sequence[Row], known: int, reversed_: Collection[int] = ()
) -> AccountFacts:
    """An account from its contract's events, in the order of recording.

    Events after `known`, and policies among `reversed_`, are left out.
    """
    opened = rows[0]
    said = opened["details"]
    later = [row for row in rows[1:] if row["position"] <= known]
    in_effect = sorted(later, key=lambda row: (row["effective_at"], row["position"]))
    zones = ZoneHistory(
        said["time_zone"],
        tuple(
            ZoneChange(row["effective_at"].astimezone(UTC), row["details"]["time_zone"])
            for row in in_effect
            if row["topic"] == "TimeZoneChanged"
        ),
    )
    calendar = BillingCalendar(
        date.fromisoformat(said["term_start"]),
        said["term_months"],
        said["billing_cycle_months"],
        zones,
    )
    return AccountFacts(
        opened["position"],
        account_id(said["account_key"]),
        said["account_key"],
        said["name"],
        opened["position"] <= known,
        opened["effective_at"].astimezone(UTC),
        calendar,
        sum(1 for row in later if row["topic"] == "ContractRenewed"),
        tuple(
            Policy(
                row["effective_at"].astimezone(UTC),
                row["details"]["mode"],
                row["details"].get("granularity"),
                row["position"],
            )
            for row in in_effect
            if row["topic"] == "BillingPolicyChanged"
            and row["position"] not in reversed_
        ),
    )
