"""Prices, currencies and rounding: exact until here, rounded once, half up (R51)."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from functools import cache
from importlib import resources

from seat_ledger.errors import InvalidInput
from seat_ledger.values import shown

_PRICE = re.compile(r"\d{1,12}(\.\d{1,6})?", re.ASCII)


@cache
def currencies() -> dict[str, int]:
    """The decimal places of each ISO 4217 currency. They are data, not code."""
    text = resources.files("seat_ledger").joinpath("currencies.json").read_text()
    return {
        code: int(places)
        for places, codes in json.loads(text).items()
        for code in codes
    }


def places_of(currency: str) -> int:
    """The decimal places of a currency's minor unit. Raises InvalidInput."""
    places = currencies().get(currency)
    if places is None:
        raise InvalidInput(
            f"There is no currency {shown(currency)}.",
            try_="write an ISO 4217 code such as EUR",
        )
    return places


def parse_price(text: str) -> Fraction:
    """Read a price such as ``90.00``. Raises InvalidInput."""
    if not _PRICE.fullmatch(text):
        raise InvalidInput(
            f"{shown(text)} is no price.", try_="write a decimal such as 90.00"
        )
    return Fraction(text)


def rounded(amount: Fraction, places: int) -> str:
    """A decimal with that many places, half up: a tie goes up, below zero too."""
    scaled = amount * 10**places
    whole = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    sign, digits = ("-" if whole < 0 else ""), str(abs(whole)).zfill(places + 1)
    if places == 0:
        return sign + digits
    return f"{sign}{digits[:-places]}.{digits[-places:]}"
