"""Times as sources write them: by a format that is said, and never guessed."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest

from seat_ledger.domain.calendar import zone_names
from seat_ledger.errors import InvalidInput
from seat_ledger.sources.refusals import UnreadableRow
from seat_ledger.sources.times import parser

AMSTERDAM = "Europe/Amsterdam"
WALL = datetime(2026, 3, 5, 9, 30)  # noqa: DTZ001  as a workbook has it


@pytest.mark.parametrize(
    ("form", "zone", "value", "text"),
    [
        ("epoch ms", None, 1793437123456, "2026-10-31T08:58:43.456000Z"),
        ("epoch ms", None, "1793437123456", "2026-10-31T08:58:43.456000Z"),
        ("epoch s", None, 1793437123, "2026-10-31T08:58:43Z"),
        ("epoch s", None, "1793437123.25", "2026-10-31T08:58:43.250000Z"),
        ("epoch us", None, 1, "1970-01-01T00:00:00.000001Z"),
        ("rfc3339", None, "2026-10-02T15:00:00.123Z", "2026-10-02T15:00:00.123000Z"),
        ("rfc3339", None, "2026-03-05T09:00:00+01:00", "2026-03-05T08:00:00Z"),
        ("rfc3339", None, "2026-03-05 09:00+0100", "2026-03-05T08:00:00Z"),
        ("rfc3339", None, "2026-11-07T10:01:02.1234567Z",
         "2026-11-07T10:01:02.123456Z"),
        ("rfc3339", "UTC", "2026-11-07T10:01:02", "2026-11-07T10:01:02Z"),
        ("rfc3339", AMSTERDAM, "2026-07-01", "2026-06-30T22:00:00Z"),
        ("rfc3339", "account", "2026-07-01T10:00", "2026-07-01T10:00:00"),
        ("%d/%m/%Y %H:%M", AMSTERDAM, "03/04/2026 10:00", "2026-04-03T08:00:00Z"),
        ("%m/%d/%Y %I:%M %p", "UTC", "03/04/2026 10:00 PM", "2026-03-04T22:00:00Z"),
        ("%d %b %Y", "UTC", "3 Jan 2024", "2024-01-03T00:00:00Z"),
        ("%Y-%m-%d", "account", "2026-03-05", "2026-03-05"),
        ("%m/%d/%Y %H:%M", "UTC", "3/4/2026 9:05", "2026-03-04T09:05:00Z"),
        ("%Y%m%d%H%M", "UTC", "202603041530", "2026-03-04T15:30:00Z"),
        ("%d%b%Y", "UTC", "3Mar2026", "2026-03-03T00:00:00Z"),
        ("%d. %B %Y, %I:%M:%S.%f%p", "UTC", "3. march 2026,  9:05:06.7PM",
         "2026-03-03T21:05:06.700000Z"),
        ("%Y-%m-%dT%H:%M:%S%z", None, "2026-03-05T00:00:00+0200",
         "2026-03-04T22:00:00Z"),
        ("%Y-%m-%d", "America/Havana", "2025-11-02", "2025-11-02T04:00:00Z"),
        ("%Y-%m-%d", "UTC", WALL, "2026-03-05T09:30:00Z"),
        ("%Y-%m-%d", "UTC", date(2026, 3, 5), "2026-03-05T00:00:00Z"),
    ],
)  # fmt: skip
def test_a_time_is_read_as_the_mapping_says(
    form: str, zone: str | None, value: Any, text: str
) -> None:
    assert parser(form, zone)(value).text == text


@pytest.mark.parametrize(
    ("form", "zone", "message"),
    [
        ("%d/%m/%y", "UTC", "a two-digit year could mean two centuries"),
        ("%Y-%m-%d %H:%M %Z", None, "abbreviation could mean several zones"),
        ("%x", "UTC", "depends on a language or a place"),
        ("%Y-%m", "UTC", "does not say year, month and day"),
        ("%Y-%m-%d %H:%M", None, "has no offset, so the zone must be given"),
        ("%Y-%m-%d %H:%M%z", "UTC", "has an offset and a zone"),
        ("epoch ms", "UTC", "it needs no zone"),
        ("%Y-%m-%d", "CET or/so", "There is no time zone"),
        ("%Y-%m-%d", "localtime", "There is no time zone"),
        ("%Y-%m-%d", "japan", "There is no time zone"),
    ],
)
def test_a_format_that_would_guess_is_refused(
    form: str, zone: str | None, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        parser(form, zone)


def test_every_zone_of_iana_but_an_abbreviation_is_a_mappings_zone() -> None:
    refused = {}
    for name in sorted(zone_names()):
        try:
            parser("%Y-%m-%d", name)
        except InvalidInput as error:
            refused[name] = error.message
    assert all("an abbreviation could mean" in message for message in refused.values())
    assert set(refused) == {
        "CET", "EET", "EST", "GMT", "HST", "MET", "MST", "WET",
        "CST6CDT", "EST5EDT", "MST7MDT", "PST8PDT", "GMT+0", "GMT-0", "GMT0",
    }  # fmt: skip
    for name in ("PST", "CEST", "IST", "BST"):  # of no zone of IANA's
        with pytest.raises(InvalidInput, match="could mean several zones"):
            parser("%Y-%m-%d", name)


@pytest.mark.parametrize(
    ("form", "zone", "value", "message"),
    [
        ("rfc3339", None, "2026-10-02T09:14:00", "has no offset"),
        ("%Y-%m-%d %H:%M", "UTC", "2026-10-02 09:1", "is not a time"),  # cut off
        ("%Y-%m-%d %H:%M:%S", "UTC", "2026-10-02 09:14:0", "is not a time"),
        ("%Y%m%d", "UTC", "2026111", "is not a time"),
        ("%Y%m%d%H%M", "UTC", "20260304153", "is not a time"),
        ("rfc3339", None, "2026-10-02", "has no offset"),
        ("rfc3339", None, "02/10/2026", "is not a time"),
        ("rfc3339", None, "2026-02-30T00:00:00Z", "is not a time"),
        ("%Y-%m-%d %H:%M", "UTC", "2026-10-02 09:14 CET", "is not a time"),
        ("%d/%m/%Y", "UTC", "03/04/26", "is not a time"),
        ("%Y-%m-%d %H:%M", AMSTERDAM, "2026-10-25 02:30", "comes twice"),
        ("%Y-%m-%d %H:%M", AMSTERDAM, "2026-03-29 02:30", "does not exist"),
        ("epoch ms", None, "soon", "is not a time"),
        ("epoch ms", None, True, "is not a time"),
        ("epoch s", None, 10**17, "is not a time"),
        ("rfc3339", None, 1793437123456, "is not a time"),
    ],
)
def test_a_time_that_could_be_two_or_none_is_refused(
    form: str, zone: str | None, value: Any, message: str
) -> None:
    with pytest.raises(UnreadableRow, match=message):
        parser(form, zone)(value)
