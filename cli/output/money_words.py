"""Money in words: which prices were used, what it comes to, what has no price."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from seat_ledger.domain.calendar import local_date
from seat_ledger.domain.wording import enumerated

if TYPE_CHECKING:
    from datetime import date, datetime

    from seat_ledger.domain.calendar import ZoneHistory
    from seat_ledger.projections.billing.totals import Sum

Row = dict[str, Any]
_MOST_NAMED = 6


def priced_text(row: Row) -> str:
    """An amount with its currency, where that is known."""
    return " ".join(filter(None, (row["amount"], row["currency"])))


def priced_in_words(rows: Iterable[Row]) -> list[str]:
    """What the prices of the amounts are for, a sentence each (R91)."""
    priced = dict.fromkeys(_priced_for(row) for row in rows if row["price_for"])
    return [_PRICED[covered] for covered in priced]


def _priced_for(row: Row) -> str:
    """What the price of a row is for, and what of that the row is (R91)."""
    parts = row.get("price_parts") or ()
    return "part" if len(parts) == 1 else str(row["price_for"])


_PRICED = {
    "period": "Amounts: the price is for one seat and one whole period.",
    "window": "Amounts: the price is for one seat and the whole window.",
    "periods": (
        "Amounts: the price is for one seat and one whole period. The window touches "
        "several periods: each part is priced by its share of its period and rounded, "
        "and the parts are added up (--price-for window takes a --unit-price for the "
        "whole window)."
    ),
    "part": (
        "Amounts: the price is for one seat and one whole period; the window is priced "
        "by its share of it."
    ),
}


def prices_in_words(
    rows: Iterable[Row], zones_of: Callable[[Row], ZoneHistory]
) -> list[str]:
    """A note of the prices that the amounts came from, and for what (R91).

    Since when one holds is a date of the account's, whose zones a row names.
    """
    rows = list(rows)
    listed = {
        (
            row.get("seat_type"),
            part["unit_price"],
            part["currency"],
            part["price_source"],
            part["price_entry"],
            part["price_since"],
        ): row
        for row in rows
        for part in (row.get("price_parts") or [row])
        if part["unit_price"]
    }
    if not listed:
        return []
    named = islice(listed.items(), _MOST_NAMED)
    texts = [_price(*price, zones=zones_of(row)) for price, row in named]
    if len(listed) > _MOST_NAMED:
        more = len(listed) - _MOST_NAMED
        texts = [*texts, f"{more} more (price_source in --format json)"]
    return [f"Prices: {'; '.join(texts)}."]


def _price(  # noqa: PLR0913, PLR0917  the parts of a sentence
    seat_type: str | None,
    unit_price: str,
    currency: str | None,
    source: str,
    entry: int | None,
    since: datetime | date | None,
    *,
    zones: ZoneHistory,
) -> str:
    price = " ".join(filter(None, (seat_type, unit_price, currency)))
    if source == "given":
        return f"{price}, as given"
    if source == "file":
        from_ = f" from {since}" if since is not None and since.year > 1 else ""
        return f"{price}{from_}, of the file"
    day = since
    if hasattr(since, "hour"):
        day = local_date(since, zones.at(since))  # type: ignore[arg-type]
    whose = "the account's own" if source == "account" else "for all accounts"
    return f"{price} from {day}, {whose} (entry {entry})"


def total_in_words(together: Sum) -> str:
    """What figures come to, and what of them has no price: never nothing (R93)."""
    unpriced = _not_priced(together.not_priced)
    if not together.is_priced:
        return ""
    text = enumerated(map(str, together.totals))
    return f"{text}, without {unpriced}" if unpriced else text


def _not_priced(rows: Sequence[Row]) -> str:
    """How many figures have no price, and of which types."""
    by_type = dict.fromkeys(row["seat_type"] for row in rows)
    if not rows:
        return ""
    has = "figure that has" if len(rows) == 1 else "figures that have"
    return f"{len(rows)} {has} no price ({', '.join(by_type)})"
