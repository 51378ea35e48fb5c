"""Instants as people and other programs write them (R11), and the forms refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from seat_ledger.domain.calendar import ZoneHistory, date_of
from seat_ledger.domain.instants import parse_instant
from seat_ledger.domain.moments import parse_ahead, parse_moment, parse_span
from seat_ledger.errors import InvalidInput

AMSTERDAM = ZoneHistory("Europe/Amsterdam")


@pytest.mark.parametrize(
    "text",
    [
        "2025-06-30T22:00:00Z",
        "2025-06-30t22:00:00z",
        "2025-06-30 22:00:00Z",
        "2025-06-30 22:00:00+00",
        "2025-06-30 22:00:00 +00",
        "2025-06-30 22:00:00.000000+00:00",
        "2025-06-30t22:00+0000",
        "2025-07-01T00:00:00+02",
        "2025-07-01 00:00:00,000 +0200",
        "2025-06-30T19:30-02:30",
        "2025-07-01t00:00",
        "2025-07-01 00:00:00",
    ],
)
def test_an_instant_is_read_however_its_parts_are_joined(text: str) -> None:
    assert parse_instant(text, AMSTERDAM) == datetime(2025, 6, 30, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1751320800", "a number does not say"),
        ("30/06/2025 22:00", "day and month"),
        ("6/30/2025", "day and month"),
        ("2025-06-30T22:00:00.1234567Z", "six digits"),
        ("2025-06-30T22:00:00+00:19:32", "offset has seconds"),
        ("2025-06-30T22:00:00 02:00", "%2B"),
        ("2025-06-30 22:00 00", "%2B"),
        ("2025-06-30 22:00:00 CEST", "not a name"),
        ("2025-06-30 10:00 PM", "not a name"),
        ("2025-06-30T22", "hours and minutes"),
        ("20250630T220000Z", "hyphens"),
        ("20250630", "hyphens"),
        ("2025-6-30", "two digits each"),
    ],
)
def test_a_refused_form_is_named(text: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        parse_instant(text, AMSTERDAM)


def test_each_time_that_is_none_comes_with_how_one_is_written() -> None:
    now = datetime(2026, 3, 5, tzinfo=UTC)
    without: list[tuple[str, str]] = []
    texts = ("2026-13-14", "2026-02-30 10:00", "2026-02-03T25:00Z", "9999-01-01",
             "0000-01-01", "31 feb", "99999 years ago", "tomorow", "2026-13",
             "2026-03..2026-02", "25:61", "")  # fmt: skip
    for text in texts:
        for read in (
            lambda text: parse_instant(text, AMSTERDAM),
            lambda text: parse_moment(text, AMSTERDAM, now),
            lambda text: parse_span(text, AMSTERDAM, now),
            date_of,
            lambda text: parse_ahead(text, now.date()),
        ):
            try:
                read(text)
            except InvalidInput as error:
                without += [] if error.try_ else [(text, error.message)]
    assert not without
