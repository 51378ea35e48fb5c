"""The calendar of a contract that changes (R96) or ends (R97), worked by hand."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime

from seat_ledger.domain.calendar import (
    BillingCalendar,
    ContractChange,
    ZoneHistory,
)

UTC_ZONE = ZoneHistory("UTC")


def labels(calendar: BillingCalendar, until: str) -> list[str]:
    instant = datetime.fromisoformat(until).replace(tzinfo=UTC)
    return [f"{period.label}" for period in calendar.periods_before(instant)]


def test_e32_from_monthly_to_annual_at_a_renewal_on_31_august_anchor_31() -> None:
    change = ContractChange(1, term_months=12, billing_cycle_months=12)
    calendar = BillingCalendar(date(2025, 1, 31), 7, 1, UTC_ZONE, (change,))
    assert labels(calendar, "2027-09-01") == [
        "2025-01-31", "2025-02-28", "2025-03-31", "2025-04-30", "2025-05-31",
        "2025-06-30", "2025-07-31", "2025-08-31", "2026-08-31", "2027-08-31",
    ]  # fmt: skip
    assert [calendar.renewal(n).day for n in range(4)] == [
        date(2025, 1, 31), date(2025, 8, 31), date(2026, 8, 31), date(2027, 8, 31),
    ]  # fmt: skip
    assert len(calendar.period(7).days) == 365


def test_e33_a_period_in_progress_ends_at_the_renewal_that_changes_the_cycle() -> None:
    change = ContractChange(1, billing_cycle_months=1)
    calendar = BillingCalendar(date(2025, 3, 5), 12, 5, UTC_ZONE, (change,))
    assert labels(calendar, "2026-05-01") == [
        "2025-03-05", "2025-08-05", "2026-01-05", "2026-03-05", "2026-04-05",
    ]  # fmt: skip
    assert len(calendar.period(2).days) == 59
    assert calendar.period(2).ends == datetime(2026, 3, 5, tzinfo=UTC)


def test_a_new_anchor_makes_a_short_period_up_to_its_first_bound() -> None:
    """The renewal lies on 20 March; from there the periods begin on the first."""
    change = ContractChange(1, anchor=date(2026, 3, 1))
    calendar = BillingCalendar(date(2025, 3, 20), 12, 1, UTC_ZONE, (change,))
    assert labels(calendar, "2026-05-02")[-4:] == [
        "2026-02-20", "2026-03-20", "2026-04-01", "2026-05-01",
    ]  # fmt: skip
    assert calendar.renewal(2).day == date(2027, 3, 1)
    later = ContractChange(1, anchor=date(2026, 4, 1))
    calendar = BillingCalendar(date(2025, 3, 20), 12, 1, UTC_ZONE, (later,))
    assert labels(calendar, "2026-05-02")[-3:] == [
        "2026-03-20", "2026-04-01", "2026-05-01",
    ]  # fmt: skip
    assert calendar.renewal(2).day == date(2027, 4, 1)


def test_an_anchor_beyond_a_month_is_returned_to_after_a_change() -> None:
    """The 31st is remembered: 28 February, then 31 March (R06)."""
    change = ContractChange(1, term_months=2)
    calendar = BillingCalendar(date(2025, 1, 31), 1, 1, UTC_ZONE, (change,))
    assert [calendar.renewal(n).day.isoformat() for n in (1, 2, 3)] == [
        "2025-02-28", "2025-04-30", "2025-06-30",
    ]  # fmt: skip
    assert labels(calendar, "2025-04-01") == ["2025-01-31", "2025-02-28", "2025-03-31"]


def test_periods_are_located_by_their_labels_and_instants() -> None:
    changes = (
        ContractChange(1, billing_cycle_months=3),
        ContractChange(2, anchor=date(2027, 3, 31), billing_cycle_months=1),
    )
    calendar = BillingCalendar(date(2025, 3, 5), 12, 5, UTC_ZONE, changes)
    periods = list(calendar.periods_before(datetime(2028, 1, 1, tzinfo=UTC)))
    assert [period.index for period in periods] == list(range(len(periods)))
    for before, after in itertools.pairwise(periods):
        assert before.ends == after.starts
    for period in periods:
        assert calendar.period_named(period.label.isoformat()) == period
    assert calendar.period_named("2026-04-05") is None


def test_the_last_period_of_a_closed_account_ends_there() -> None:
    """E34: closed on 21 June at noon: 21 dates, 20.5 days."""
    closed = datetime(2025, 6, 21, 12, tzinfo=UTC)
    calendar = BillingCalendar(date(2025, 6, 1), 12, 1, UTC_ZONE, (), closed)
    periods = list(calendar.periods_before(datetime(2026, 1, 1, tzinfo=UTC)))
    assert [(len(p.days), p.seconds) for p in periods] == [(21, 1_771_200)]
    assert calendar.period_named("2025-07") is None
    assert calendar.renewal(1).instant > datetime(3000, 1, 1, tzinfo=UTC)
    midnight = datetime(2025, 6, 21, tzinfo=UTC)
    calendar = BillingCalendar(date(2025, 6, 1), 12, 1, UTC_ZONE, (), midnight)
    assert len(calendar.period(0).days) == 20
