"""Money and quantities as text: exact until here, rounded once, half up (R51)."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

from seat_ledger.errors import InvalidInput
from seat_ledger.values import shown

DEFAULT_PLACES = 2
QUANTITY_PLACES = 12
_PRICE = re.compile(r"\d{1,12}(\.\d{1,6})?", re.ASCII)

# ISO 4217: the currencies whose minor unit is not a hundredth.
_WITHOUT = frozenset(
    [
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "UYI",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    ]
)
_THOUSANDTHS = frozenset(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"])
_HUNDREDTHS = frozenset(
    [
        "AED",
        "AFN",
        "ALL",
        "AMD",
        "AOA",
        "ARS",
        "AUD",
        "AWG",
        "AZN",
        "BAM",
        "BBD",
        "BDT",
        "BGN",
        "BMD",
        "BND",
        "BOB",
        "BRL",
        "BSD",
        "BTN",
        "BWP",
        "BYN",
        "BZD",
        "CAD",
        "CDF",
        "CHF",
        "CNY",
        "COP",
        "CRC",
        "CUP",
        "CVE",
        "CZK",
        "DKK",
        "DOP",
        "DZD",
        "EGP",
        "ERN",
        "ETB",
        "EUR",
        "FJD",
        "FKP",
        "GBP",
        "GEL",
        "GHS",
        "GIP",
        "GMD",
        "GTQ",
        "GYD",
        "HKD",
        "HNL",
        "HTG",
        "HUF",
        "IDR",
        "ILS",
        "INR",
        "IRR",
        "JMD",
        "KES",
        "KGS",
        "KHR",
        "KPW",
        "KYD",
        "KZT",
        "LAK",
        "LBP",
        "LKR",
        "LRD",
        "LSL",
        "MAD",
        "MDL",
        "MGA",
        "MKD",
        "MMK",
        "MNT",
        "MOP",
        "MRU",
        "MUR",
        "MVR",
        "MWK",
        "MXN",
        "MYR",
        "MZN",
        "NAD",
        "NGN",
        "NIO",
        "NOK",
        "NPR",
        "NZD",
        "PAB",
        "PEN",
        "PGK",
        "PHP",
        "PKR",
        "PLN",
        "QAR",
        "RON",
        "RSD",
        "RUB",
        "SAR",
        "SBD",
        "SCR",
        "SDG",
        "SEK",
        "SGD",
        "SHP",
        "SLE",
        "SOS",
        "SRD",
        "SSP",
        "STN",
        "SVC",
        "SYP",
        "SZL",
        "THB",
        "TJS",
        "TMT",
        "TOP",
        "TRY",
        "TTD",
        "TWD",
        "TZS",
        "UAH",
        "USD",
        "UYU",
        "UZS",
        "VES",
        "WST",
        "XCD",
        "YER",
        "ZAR",
        "ZMW",
        "ZWG",
    ]
)


class Currency(NamedTuple):
    """A currency's code and the decimal places of its minor unit."""

    code: str | None
    places: int

    @classmethod
    def named(cls, code: str | None) -> Currency:
        """The currency of an ISO 4217 code; two places without one.

        Raises InvalidInput for a code that is none.
        """
        if code is None:
            return cls(None, DEFAULT_PLACES)
        if code in _WITHOUT:
            return cls(code, 0)
        if code in _THOUSANDTHS:
            return cls(code, 3)
        if code in _HUNDREDTHS:
            return cls(code, 2)
        raise InvalidInput(
            f"There is no currency {shown(code)}.",
            try_="write an ISO 4217 code such as EUR",
        )

    def shown(self, price: Fraction) -> str:
        """A price with at least the currency's places, and all that it has."""
        places = self.places
        while (price * 10**places).denominator != 1:
            places += 1
        return rounded(price, places)


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


def plain(quantity: Fraction) -> str:
    """A quantity: half up at twelve places, no trailing zeros, no exponent."""
    text = rounded(quantity, QUANTITY_PLACES).rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text
