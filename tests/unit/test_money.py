"""Modes, currencies and rounding are said twice in places; they say the same."""

from __future__ import annotations

from fractions import Fraction
from typing import get_args

import pytest

from projections.billing import money as reading
from seat_ledger import events, money
from seat_ledger.errors import InvalidInput
from seat_ledger.values import COUNTING_MODES


def test_every_counting_mode_has_its_granularities() -> None:
    assert tuple(COUNTING_MODES) == get_args(events.CountingMode)
    with_granularity = {mode for mode, found in COUNTING_MODES.items() if found[0]}
    assert with_granularity == {"contracted", "start_plus_rises"}
    for mode in with_granularity:
        assert COUNTING_MODES[mode] == get_args(events.Granularity)


def test_both_sides_know_the_same_currencies() -> None:
    for code, places in money.currencies().items():
        assert reading.Currency.named(code).places == places
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
    assert money.rounded(amount, places) == shown == reading.rounded(amount, places)
