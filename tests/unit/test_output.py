"""How answers are printed, and how moments are read."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

import pytest

from seat_ledger.cli.output import printing, render, times
from seat_ledger.domain.calendar import ZoneHistory
from seat_ledger.domain.moments import parse_moment
from seat_ledger.domain.money import Currency, parse_price, plain, rounded
from seat_ledger.domain.values import check_key, check_text, parse_seat
from seat_ledger.errors import InvalidInput, NotFound

NOW = datetime(2025, 5, 7, 22, 30, tzinfo=UTC)
AMSTERDAM = ZoneHistory("Europe/Amsterdam")


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("today", "2025-05-07T22:00:00Z"),
        ("yesterday", "2025-05-06T22:00:00Z"),
        ("2025q2", "2025-03-31T22:00:00Z"),
        ("2025-03", "2025-02-28T23:00:00Z"),
        ("now", "2025-05-07T22:30:00Z"),
    ],
)
def test_friendly_moments(text: str, instant: str) -> None:
    assert parse_moment(text, AMSTERDAM, NOW) == datetime.fromisoformat(instant)


def test_a_position_or_a_moment() -> None:
    assert times.knowledge("41", AMSTERDAM, NOW) == 41
    assert times.knowledge("#41", AMSTERDAM, NOW) == 41
    assert times.knowledge("2025-03-05", AMSTERDAM, NOW) == datetime(
        2025, 3, 4, 23, tzinfo=UTC
    )


def test_a_time_that_comes_twice_has_its_offset_in_a_sentence() -> None:
    first = datetime(2025, 10, 26, 0, 30, tzinfo=UTC)
    words = [times.spelled(first.replace(hour=hour), AMSTERDAM) for hour in (0, 1, 2)]
    assert words == [
        "26 October 2025 02:30+02:00 Europe/Amsterdam",
        "26 October 2025 02:30+01:00 Europe/Amsterdam",
        "26 October 2025 03:30 Europe/Amsterdam",
    ]


@pytest.mark.parametrize(
    ("amount", "places", "text"),
    [
        (Fraction(1, 200), 2, "0.01"),
        (Fraction(-1, 200), 2, "0.00"),
        (Fraction(-3, 200), 2, "-0.01"),
        (Fraction(5, 2), 0, "3"),
        (Fraction(1, 3), 3, "0.333"),
    ],
)
def test_r51_money_is_rounded_half_up(amount: Fraction, places: int, text: str) -> None:
    assert rounded(amount, places) == text


def test_quantities_have_no_trailing_zeros_and_no_exponent() -> None:
    assert plain(Fraction(10)) == "10"
    assert plain(Fraction(136, 10)) == "13.6"
    assert plain(Fraction(358, 31)) == "11.548387096774"
    assert plain(Fraction(1, 10**13)) == "0"


def test_currencies_have_their_own_places() -> None:
    assert [Currency.named(c).places for c in ("EUR", "JPY", "KWD")] == [2, 0, 3]
    for wrong in ("EURO", "eur", ""):
        with pytest.raises(InvalidInput):
            Currency.named(wrong)
    for wrong in ("-1", "1e3", "1,50", "nan", "1."):
        with pytest.raises(InvalidInput):
            parse_price(wrong)


def test_no_cell_is_a_formula(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"name": "=1+1", "amount": "-15.00", "nested": {"reason": "@SUM(A1)"}}]
    printing.emit(render.Answer(rows), "csv")
    out = capsys.readouterr().out
    assert out.splitlines() == ["name,amount,nested.reason", "'=1+1,-15.00,'@SUM(A1)"]


def test_control_characters_are_shown_not_obeyed() -> None:
    assert render.harmless("a\x1b[31mb\n\u202ec") == "a\\x1b[31mb\\n\\u202ec"


@pytest.mark.parametrize("key", ["", "a b", "a/b", "a#b", "a\x00", "x" * 101, "\u2003"])
def test_keys_that_are_none(key: str) -> None:
    with pytest.raises(InvalidInput):
        check_key(key)


def test_texts_and_seats() -> None:
    check_text("\"'🎈\n")
    for wrong in ("x\x00", "\ud800", "x" * 2001):
        with pytest.raises(InvalidInput):
            check_text(wrong)
    assert str(parse_seat("sales/professional#7")) == "sales/professional#7"
    for wrong in ("sales/professional", "sales/professional#0", "x#1#2"):
        with pytest.raises((InvalidInput, NotFound)):
            parse_seat(wrong)


def test_csv_has_no_column_for_what_is_nested_elsewhere() -> None:
    rows = [{"seat": "a#1", "holder": None}, {"seat": "a#2", "holder": {"user": "ann"}}]
    text = "".join(render.csv_chunks(render.Answer(rows)))
    assert text.splitlines() == ["seat,holder.user", "a#1,", "a#2,ann"]
