"""Words for moments and spans of time, on the account's clock."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from seat_ledger.cli.output import times
from seat_ledger.domain.calendar import ZoneHistory
from seat_ledger.domain.moments import FORMS, parse_moment, parse_span
from seat_ledger.errors import CommandRefused, InvalidInput

AMSTERDAM = ZoneHistory("Europe/Amsterdam")
NOW = datetime(2026, 3, 14, 11, 30, tzinfo=UTC)  # a Saturday, 12:30 in Amsterdam


def wall(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("text", "begins", "ends"),
    [
        ("2026", "2025-12-31 23:00", "2026-12-31 23:00"),
        ("2026-03", "2026-02-28 23:00", "2026-03-31 22:00"),
        ("2026q1", "2025-12-31 23:00", "2026-03-31 22:00"),
        ("2026-Q2", "2026-03-31 22:00", "2026-06-30 22:00"),
        ("2026-03-29", "2026-03-28 23:00", "2026-03-29 22:00"),
        ("today", "2026-03-13 23:00", "2026-03-14 23:00"),
        ("Yesterday", "2026-03-12 23:00", "2026-03-13 23:00"),
        ("tomorrow", "2026-03-14 23:00", "2026-03-15 23:00"),
        ("march", "2026-02-28 23:00", "2026-03-31 22:00"),
        ("last march", "2025-02-28 23:00", "2025-03-31 22:00"),
        ("last Feb", "2026-01-31 23:00", "2026-02-28 23:00"),
        ("April", "2025-03-31 22:00", "2025-04-30 22:00"),
        ("march 2024", "2024-02-29 23:00", "2024-03-31 22:00"),
        ("14 march", "2026-03-13 23:00", "2026-03-14 23:00"),
        ("March 15", "2025-03-14 23:00", "2025-03-15 23:00"),
        ("march 1, 2026", "2026-02-28 23:00", "2026-03-01 23:00"),
        ("last month", "2026-01-31 23:00", "2026-02-28 23:00"),
        ("this week", "2026-03-08 23:00", "2026-03-15 23:00"),
        ("last year", "2024-12-31 23:00", "2025-12-31 23:00"),
        ("next quarter", "2026-03-31 22:00", "2026-06-30 22:00"),
        ("saturday", "2026-03-13 23:00", "2026-03-14 23:00"),
        ("last saturday", "2026-03-06 23:00", "2026-03-07 23:00"),
        ("mon", "2026-03-08 23:00", "2026-03-09 23:00"),
        ("-30d", "2026-02-11 23:00", "2026-02-12 23:00"),
        ("30 days ago", "2026-02-11 23:00", "2026-02-12 23:00"),
        ("-2w", "2026-02-27 23:00", "2026-02-28 23:00"),
        ("-13mo", "2025-02-13 23:00", "2025-02-14 23:00"),
        ("q1", "2025-12-31 23:00", "2026-03-31 22:00"),
        ("Q2", "2025-03-31 22:00", "2025-06-30 22:00"),
        ("last q1", "2024-12-31 23:00", "2025-03-31 22:00"),
        ("2026-W11", "2026-03-08 23:00", "2026-03-15 23:00"),
        ("2026w1", "2025-12-28 23:00", "2026-01-04 23:00"),
        ("week 12", "2025-03-16 23:00", "2025-03-23 23:00"),
        ("w53", "2020-12-27 23:00", "2021-01-03 23:00"),
        ("14.03.2026", "2026-03-13 23:00", "2026-03-14 23:00"),
        ("4.3.2026", "2026-03-03 23:00", "2026-03-04 23:00"),
        ("2026/3/14", "2026-03-13 23:00", "2026-03-14 23:00"),
        ("+30d", "2026-04-12 22:00", "2026-04-13 22:00"),
        ("in 2 weeks", "2026-03-27 23:00", "2026-03-28 23:00"),
        ("-1y", "2025-03-13 23:00", "2025-03-14 23:00"),
        ("2026-03..2026-05", "2026-02-28 23:00", "2026-04-30 22:00"),
        ("last march..today", "2025-02-28 23:00", "2026-03-13 23:00"),
    ],
)
def test_a_word_is_a_span_by_the_local_calendar(
    text: str, begins: str, ends: str
) -> None:
    span = parse_span(text, AMSTERDAM, NOW)
    assert (wall(span.begins), wall(span.ends)) == (begins, ends)
    if ".." not in text:
        assert parse_moment(text, AMSTERDAM, NOW) == span.begins


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("now", "2026-03-14 11:30"),
        ("9:30", "2026-03-14 08:30"),
        ("09:30:00", "2026-03-14 08:30"),
        ("yesterday 9:30", "2026-03-13 08:30"),
        ("2026-03-10 9:30", "2026-03-10 08:30"),
        ("10 march 2026, 9:30", "2026-03-10 08:30"),
        ("monday 17:05", "2026-03-09 16:05"),
        ("9:30+01", "2026-03-14 08:30"),
        ("9:30 -5", "2026-03-14 14:30"),
        ("9:30Z", "2026-03-14 09:30"),
        ("2026-03-10 9:30+01", "2026-03-10 08:30"),
        ("2026-03-10T09:30+01", "2026-03-10 08:30"),
        ("2026-03-10 9:30 +5:30", "2026-03-10 04:00"),
        ("noon", "2026-03-14 11:00"),
        ("yesterday noon", "2026-03-13 11:00"),
        ("midnight", "2026-03-13 23:00"),
        ("yesterday 5pm", "2026-03-13 16:00"),
        ("12:15 am", "2026-03-13 23:15"),
        ("14.03.2026 9:30", "2026-03-14 08:30"),
        ("-2h", "2026-03-14 09:30"),
        ("90 minutes ago", "2026-03-14 10:00"),
        ("-90min", "2026-03-14 10:00"),
    ],
)
def test_a_time_of_day_is_one_instant(text: str, instant: str) -> None:
    span = parse_span(text, AMSTERDAM, NOW)
    assert (wall(span.begins), wall(span.ends)) == (instant, instant)
    assert parse_moment(text, AMSTERDAM, NOW) == span.begins


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("14/3/2026", "day and month"),
        ("3.14.2026", "not a calendar date"),
        ("2026-W54", "not a calendar date"),
        ("+01", "belongs to a time, as in 9:30\\+01"),
        ("-3m", "write min or mo"),
        ("march 9:30", "cannot be read"),
        ("soon", "cannot be read"),
        ("20260314", "hyphens"),
        ("", "cannot be read"),
        ("31 february", "not a calendar date"),
        ("2026-02-30", "not a calendar date"),
        ("25:00", "not a calendar date"),
        ("-99999y", "outside the calendar"),
        ("0001", "outside the calendar"),
        ("9999-12-31", "just before 9999-01-01T00:00:00Z"),
        ("9998-12-31T23:30-05:00", "outside the calendar"),
        ("0000-01-01", "outside the calendar"),
    ],
)
def test_what_cannot_be_read_is_refused_with_every_form(text: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as refused:
        parse_moment(text, AMSTERDAM, NOW)
    if "cannot be read" in refused.value.message:
        assert FORMS in (refused.value.try_ or "")


def test_a_span_does_not_end_before_it_begins() -> None:
    with pytest.raises(InvalidInput, match="ends before it begins"):
        parse_span("2026-05..2026-03", AMSTERDAM, NOW)


def test_every_form_that_the_message_names_is_read() -> None:
    for form in FORMS.replace(" or ", ", ").replace(";", ",").split(", "):
        parse_moment(form, AMSTERDAM, NOW)


def test_a_clock_time_that_does_not_exist_is_refused() -> None:
    with pytest.raises(CommandRefused, match="does not exist"):
        parse_moment("29 march 2026 2:30", AMSTERDAM, NOW)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("2026-03-05", "2026-03-05"),
        ("5.3.2026", "2026-03-05"),
        ("2026-03", "2026-03"),
        ("last month", "2026-02"),
        ("january", "2026-01"),
        ("today", "2026-03-14"),
        ("2026-02-30", "2026-02-30"),
    ],
)
def test_a_period_is_named_by_a_date_or_a_month(text: str, label: str) -> None:
    assert times.label(text, date(2026, 3, 14)) == label


@pytest.mark.parametrize("text", ["2026", "q1", "soon", "last week", ""])
def test_what_names_no_period_is_refused_with_what_does(text: str) -> None:
    with pytest.raises(InvalidInput, match="is not a period label") as refused:
        times.label(text, date(2026, 3, 14))
    assert "march 2025 or last month" in (refused.value.try_ or "")
