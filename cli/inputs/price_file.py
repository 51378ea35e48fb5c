"""Prices that are not to be recorded: a CSV file of them (R90)."""

from __future__ import annotations

import csv
import io
from collections.abc import Hashable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path

from seat_ledger.cli.inputs.files import input_file
from seat_ledger.domain.money import Currency, parse_price, places_of
from seat_ledger.domain.price_book import ListPrice, PriceList
from seat_ledger.domain.values import parse_seat_type, shown
from seat_ledger.errors import InvalidInput, LedgerError
from seat_ledger.projections.billing.price_book import PriceBook

REQUIRED = ("seat_type", "unit_price", "currency")
OPTIONAL = ("account", "from")
_MOST = 10_000_000
_TRY = "name a CSV file with the columns seat_type,unit_price,currency,account,from"


def price_file(path: Path) -> PriceBook:
    """The prices of a file: of the accounts that it names, and for all.

    `from` is the local date from which on a price holds; without one it always did.
    Raises InvalidInput, naming the line.
    """
    with input_file(path, _TRY) as file:
        text = file.read(_MOST + 1)
    if len(text) > _MOST:
        raise InvalidInput(f"{path.name} is longer than 10 MB.", try_=_TRY)
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"{path.name} is not UTF-8 text.", try_="save it as CSV in UTF-8"
        ) from error
    first = decoded.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.DictReader(io.StringIO(decoded, newline=""), delimiter=delimiter)
    header = [name.strip().lower() for name in reader.fieldnames or ()]
    _check_header(path, header)
    reader.fieldnames = header
    by_account: dict[str, list[ListPrice]] = {}
    for cells in reader:
        row = {name: (cells.get(name) or "").strip() for name in REQUIRED + OPTIONAL}
        if not any(row.values()):
            continue
        try:
            price = _price(row, reader.line_num)
        except LedgerError as error:
            raise InvalidInput(
                f"{path.name}:{reader.line_num}: {error.message}", try_=error.try_
            ) from error
        by_account.setdefault(row["account"], []).append(price)
    for_all = PriceList(by_account.pop("", ()))
    own: dict[Hashable, PriceList] = {
        account: PriceList(prices) for account, prices in by_account.items()
    }
    return PriceBook(own, for_all, is_file=True)


def _check_header(path: Path, header: list[str]) -> None:
    missing = [name for name in REQUIRED if name not in header]
    unknown = [name for name in header if name not in REQUIRED + OPTIONAL]
    if missing or unknown or len(set(header)) < len(header):
        problem = (
            f"has no column {', '.join(missing)}"
            if missing
            else f"has an unknown column {', '.join(map(shown, unknown))}"
            if unknown
            else "names a column twice"
        )
        raise InvalidInput(f"{path.name} {problem}.", try_=_TRY)


def _price(row: Mapping[str, str], line: int) -> ListPrice:
    """One line as a price at its place. Raises InvalidInput."""
    currency = row["currency"]
    places_of(currency)
    unit_price = Currency.named(currency).shown(parse_price(row["unit_price"]))
    first_date = date.min
    if row["from"]:
        try:
            first_date = date.fromisoformat(row["from"])
        except ValueError as error:
            raise InvalidInput(
                f"{shown(row['from'])} is not a date.", try_="write 2026-03-01"
            ) from error
    began = datetime(first_date.year, first_date.month, first_date.day, tzinfo=UTC)
    seat_type = str(parse_seat_type(row["seat_type"]))
    return ListPrice(began, line, seat_type, currency, unit_price, first_date)
