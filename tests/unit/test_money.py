"""Modes, currencies, rounding, and a total allotted to its parts (R51)."""

from __future__ import annotations

from fractions import Fraction
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seat_ledger.domain import events, money
from seat_ledger.domain.counting_rules import COUNTING_RULES, GRANULARITIES
from seat_ledger.errors import InvalidInput


def test_every_counting_mode_has_its_granularities() -> None:
    assert tuple(COUNTING_RULES) == get_args(events.CountingMode)
    assert get_args(events.Granularity) == GRANULARITIES
    parts = {mode: rule.granularities for mode, rule in COUNTING_RULES.items()}
    with_granularity = {mode for mode in parts if parts[mode][0]}
    assert with_granularity == {"contracted", "start_plus_rises"}
    assert all(parts[mode] == GRANULARITIES for mode in with_granularity)


def test_currencies_have_their_places_and_others_are_none() -> None:
    assert [money.places_of(code) for code in ("EUR", "JPY", "KWD")] == [2, 0, 3]
    for wrong in ("eur", "XXX", ""):
        with pytest.raises(InvalidInput):
            money.places_of(wrong)


@pytest.mark.parametrize(
    ("amount", "places", "shown"),
    [
        (Fraction(5, 1000), 2, "0.01"),
        (Fraction(-5, 1000), 2, "0.00"),
        (Fraction(-15, 1000), 2, "-0.01"),
        (Fraction(1, 2), 0, "1"),
        (Fraction(-1, 2), 0, "0"),
        (Fraction(358, 31) * 90, 2, "1039.35"),
        (Fraction(1, 3), 3, "0.333"),
    ],
)
def test_r51_a_tie_goes_up_below_zero_too(
    amount: Fraction, places: int, shown: str
) -> None:
    assert money.rounded(amount, places) == shown


def test_e25_parts_of_an_amount_go_to_the_largest_remainders() -> None:
    thirds = [Fraction(10, 3)] * 3
    assert money.allotted(thirds, 2, [1, 2, 3]) == ["3.34", "3.33", "3.33"]
    assert money.allotted(thirds, 2, [2, 1, 3]) == ["3.33", "3.34", "3.33"]
    assert money.allotted(thirds, 0, [1, 2, 3]) == ["4", "3", "3"]
    halves = [Fraction(1, 200), Fraction(0), Fraction(1, 200)]
    assert money.allotted(halves, 2, [3, 1, 2]) == ["0.00", "0.00", "0.01"]
    assert money.allotted([], 2, []) == []


@given(
    st.lists(st.fractions(min_value=0, max_value=50, max_denominator=400)),
    st.sampled_from([0, 2, 3]),
)
def test_r51_parts_add_up_to_the_amount(shares: list[Fraction], places: int) -> None:
    parts = money.allotted(shares, places, range(len(shares)))
    total = Fraction(money.rounded(sum(shares, Fraction(0)), places))
    assert sum(map(Fraction, parts), Fraction(0)) == total
    for part, share in zip(parts, shares, strict=True):
        assert abs(Fraction(part) - share) < Fraction(1, 10**places)
