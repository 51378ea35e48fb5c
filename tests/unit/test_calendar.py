"""Bounds and local dates (R04 to R11)."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from seat_ledger.domain.calendar import (
    BillingCalendar,
    ZoneChange,
    ZoneHistory,
    first_instant,
    local_dates,
    zone,
)
from seat_ledger.domain.instants import parse_instant
from seat_ledger.errors import CommandRefused, InvalidInput, NotFound
from seat_ledger.projections.billing import span_of


def labels(start: str, count: int, cycle: int = 1) -> list[str]:
    term = date.fromisoformat(start)
    calendar = BillingCalendar(term, 12, cycle, ZoneHistory("UTC"))
    return [calendar.bound(k).day.isoformat() for k in range(count)]


def test_e08_r06_an_anchor_at_the_end_of_a_month_returns_to_it() -> None:
    assert labels("2025-01-31", 6)[1:] == [
        "2025-02-28",
        "2025-03-31",
        "2025-04-30",
        "2025-05-31",
        "2025-06-30",
    ]
    assert labels("2025-01-30", 4)[1:] == ["2025-02-28", "2025-03-30", "2025-04-30"]


def test_r07_a_leap_day_anchor() -> None:
    assert labels("2024-02-29", 5, cycle=12) == [
        "2024-02-29",
        "2025-02-28",
        "2026-02-28",
        "2027-02-28",
        "2028-02-29",
    ]


def test_e12_r05_the_first_of_two_midnights() -> None:
    calendar = BillingCalendar(date(2025, 10, 2), 12, 1, ZoneHistory("America/Havana"))
    assert calendar.bound(1).instant == datetime(2025, 11, 2, 4, tzinfo=UTC)
    assert calendar.period(0).seconds == 2678400
    assert calendar.period(1).seconds == 2595600


def test_r05_a_skipped_midnight_and_a_skipped_date() -> None:
    beirut = first_instant(date(2025, 3, 30), "Asia/Beirut")
    assert beirut == datetime(2025, 3, 29, 22, tzinfo=UTC)
    apia = first_instant(date(2011, 12, 30), "Pacific/Apia")
    assert apia == first_instant(date(2011, 12, 31), "Pacific/Apia")
    dates = local_dates(date(2011, 12, 29), date(2012, 1, 1), "Pacific/Apia")
    assert [day.day for day, _ in dates] == [29, 31]


def test_r05_a_midnight_that_lasts_one_minute() -> None:
    starts = first_instant(date(2008, 11, 2), "America/St_Johns")
    assert starts == datetime(2008, 11, 2, 2, 30, tzinfo=UTC)


def test_e13_r09_a_zone_change_moves_bounds_that_lie_after_it_in_both_zones() -> None:
    change = ZoneChange(datetime(2025, 6, 1, 7, tzinfo=UTC), "Europe/Amsterdam")
    zones = ZoneHistory("America/Los_Angeles", (change,))
    period = BillingCalendar(date(2025, 1, 5), 12, 1, zones).period(4)
    assert period.starts == datetime(2025, 5, 5, 7, tzinfo=UTC)
    assert period.ends == datetime(2025, 6, 4, 22, tzinfo=UTC)
    assert (period.seconds, len(period.days)) == (2646000, 31)


def test_r09_a_bound_between_the_two_zones_stays_in_the_old() -> None:
    # Midnight of 5 June comes at 15:00Z on the 4th in Tokyo, at 07:00Z in California.
    change = ZoneChange(datetime(2025, 6, 4, 20, tzinfo=UTC), "Asia/Tokyo")
    zones = ZoneHistory("America/Los_Angeles", (change,))
    bound = BillingCalendar(date(2025, 1, 5), 12, 1, zones).bound(5)
    assert bound.instant == datetime(2025, 6, 5, 7, tzinfo=UTC)


def test_r08_periods_touch_exactly() -> None:
    calendar = BillingCalendar(
        date(2025, 1, 31), 12, 1, ZoneHistory("Australia/Lord_Howe")
    )
    for k in range(24):
        assert calendar.period(k).ends == calendar.period(k + 1).starts


def test_r17_the_renewal_after_an_instant() -> None:
    calendar = BillingCalendar(date(2025, 3, 5), 12, 1, ZoneHistory("UTC"))
    renewal = datetime(2026, 3, 5, tzinfo=UTC)
    assert calendar.renewal_after(renewal.replace(day=4)) == 1
    assert calendar.renewal_after(renewal) == 2


AMSTERDAM = ZoneHistory("Europe/Amsterdam")


def test_r11_a_local_time_that_does_not_exist_or_comes_twice_is_refused() -> None:
    with pytest.raises(CommandRefused) as refused:
        parse_instant("2025-03-30 02:30", AMSTERDAM)
    assert refused.value.code == "nonexistent_time"
    with pytest.raises(CommandRefused) as refused:
        parse_instant("2025-10-26 02:30", AMSTERDAM)
    assert refused.value.code == "ambiguous_time"


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2025-03-05T10:00:00Z", "2025-03-05T10:00:00+00:00"),
        ("2025-03-05T10:00:00.000001+01:00", "2025-03-05T09:00:00.000001+00:00"),
        ("2025-07-05 10:00", "2025-07-05T08:00:00+00:00"),
        ("2025-03-05", "2025-03-04T23:00:00+00:00"),
        ("2025-03", "2025-02-28T23:00:00+00:00"),
    ],
)
def test_instants_are_read(text: str, instant: str) -> None:
    assert parse_instant(text, AMSTERDAM) == datetime.fromisoformat(instant)


@pytest.mark.parametrize(
    "text",
    ["", "soon", "2025-13-01", "2025-02-30", "2025-03-05T10:00:00.1234567Z", "\uff15"],
)
def test_other_texts_are_no_instants(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_instant(text, AMSTERDAM)


def test_an_unknown_zone_is_reported() -> None:
    for name in ("Europe/Atlantis", "../etc/passwd", "localtime", ""):
        with pytest.raises(NotFound):
            zone(name)


@pytest.mark.parametrize("label", ["9999-12", "9999-12-31", "2025-13", "2025", "x"])
def test_a_label_without_a_day_behind_it_is_refused(label: str) -> None:
    with pytest.raises(InvalidInput):
        span_of(label)


def test_a_label_spans_its_date_or_its_month() -> None:
    assert span_of("2025-02-28") == (date(2025, 2, 28), date(2025, 3, 1))
    assert span_of("2024-12") == (date(2024, 12, 1), date(2025, 1, 1))
