"""Prices, currencies, quantities as text: exact until here, rounded once (R51)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from seat_ledger.domain.values import shown
from seat_ledger.errors import InvalidInput

DEFAULT_PLACES = 2
QUANTITY_PLACES = 12
_PRICE = re.compile(r"\d{1,12}(\.\d{1,6})?", re.ASCII)


@cache
def currencies() -> dict[str, int]:
    """The decimal places of each ISO 4217 currency. They are data, not code."""
    text = resources.files(__package__).joinpath("currencies.json").read_text()
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


class Currency(NamedTuple):
    """A currency's code and the decimal places of its minor unit."""

    code: str | None
    places: int

    @classmethod
    def named(cls, code: str | None) -> Currency:
        """The currency of an ISO 4217 code; two places without one.

        Raises InvalidInput for a code that is none.
        """
        return cls(code, DEFAULT_PLACES if code is None else places_of(code))

    def shown(self, price: Fraction) -> str:
        """A price with at least the currency's places, and all that it has."""
        places = self.places
        while (price * 10**places).denominator != 1:
            places += 1
        return rounded(price, places)

    def as_price(self, text: str) -> str:
        """The same of a price as it was written: ``90`` is ``90.00``."""
        return self.shown(Fraction(text))

    def amount(self, quantity: Fraction, price: Fraction) -> str:
        """What a quantity costs: rounded once, to the minor unit (R51)."""
        return rounded(quantity * price, self.places)


def parse_price(text: str) -> Fraction:
    """Read a price such as ``90.00``. Raises InvalidInput."""
    if not _PRICE.fullmatch(text):
        raise InvalidInput(
            f"{shown(text)} is not a price.", try_="write a decimal such as 90.00"
        )
    return Fraction(text)


def rounded(amount: Fraction, places: int) -> str:
    """A decimal with that many places, half up: a tie goes up, below zero too."""
    over = amount.denominator
    whole = (2 * amount.numerator * 10**places + over) // (2 * over)
    sign, digits = ("-" if whole < 0 else ""), str(abs(whole)).zfill(places + 1)
    if places == 0:
        return sign + digits
    return f"{sign}{digits[:-places]}.{digits[-places:]}"


def grouped(amount: Fraction, places: int = 2) -> str:
    """The same as people read it, to that many places: ``12,345.60``."""
    return f"{Decimal(rounded(amount, places)):,}"


def plain(quantity: Fraction) -> str:
    """A quantity: half up at twelve places, no trailing zeros, no exponent."""
    text = rounded(quantity, QUANTITY_PLACES).rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def exactly(quantity: Fraction) -> str:
    """A quantity in lowest terms; whole numbers as ``10/1``."""
    return f"{quantity.numerator}/{quantity.denominator}"


def allotted(
    shares: Sequence[Fraction], places: int, order: Sequence[Any]
) -> list[str]:
    """A rounded total allotted to its parts by largest remainder (R51).

    What is left over of the total goes, a minor unit each, to the parts that lost
    most; of equal losses to the one that comes first in `order`.
    """
    scaled = [share * 10**places for share in shares]
    whole = [share.numerator // share.denominator for share in scaled]
    total = Fraction(rounded(sum(shares, Fraction(0)), places)) * 10**places
    left = int(total) - sum(whole)
    lost = sorted(range(len(shares)), key=lambda n: (whole[n] - scaled[n], order[n], n))
    for n in lost[:left]:
        whole[n] += 1
    return [rounded(Fraction(units, 10**places), places) for units in whole]
