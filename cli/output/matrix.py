"""Figures by several rules as a table of rules by types (`--mode all`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from seat_ledger.cli.output.render import Column, cells
from seat_ledger.cli.output.windows import between, is_open

Row = dict[str, Any]


def short_quantity(quantity: str | Decimal) -> str:
    """A quantity as people read it: to four places, half up."""
    rounded = Decimal(quantity).quantize(Decimal("0.0001"), ROUND_HALF_UP)
    return f"{rounded.normalize():f}"


def seats_counted(quantity: str | Decimal, seat_type: str = "") -> str:
    """So many seats, as people read it: ``1 seat``, ``2.5 sales/starter seats``."""
    count = short_quantity(quantity)
    kind = f" {seat_type}" if seat_type else ""
    return f"{count}{kind} {'seat' if count == '1' else 'seats'}"


def matrix_rows(rows: Sequence[Row]) -> Iterator[Row]:
    """A row for each account, period and rule, with the figures of all types in it."""
    by_rule: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        place = row["account"], row["from"], row["mode"], row["granularity"]
        fields = {name: row[name] for name in _OF_RULE}
        mine = by_rule.setdefault(place, {**fields, "types": {}})
        mine["types"][str(row["seat_type"])] = row
    for mine in by_rule.values():
        yield {**mine, "amount": _together(list(mine["types"].values()))}


_OF_RULE = ("account", "period", "days", "mode", "granularity", "forecast")


def _together(figures: Sequence[Row]) -> str | None:
    """What the types come to by one rule: nothing where some have no price (R93)."""
    codes = {figure["currency"] for figure in figures if figure["amount"]}
    priced = [figure["amount"] for figure in figures if figure["quantity"] != "0"]
    if len(codes) != 1 or not priced or None in priced:
        return None
    return str(sum(map(Decimal, priced), Decimal(0)))


def matrix_columns(
    rows: Sequence[Row], open_rows: Sequence[Row], *, with_account: bool
) -> list[Column]:
    """Rules down, a column for each type, and what they come to.

    `open_rows` are those that windows may bear on (R89).
    """
    open_types = {str(r["seat_type"]) for r in open_rows if is_open(r, "quantity")}
    columns = cells("account") if with_account else []
    columns += cells("period", "days", "mode", "by=granularity")
    for seat_type in sorted({str(row["seat_type"]) for row in rows}):
        columns.append((seat_type, _quantity(seat_type)))
        if seat_type in open_types:
            columns.append((f"{seat_type} between", _between(seat_type)))
    if any(row["amount"] for row in rows):
        codes = {row["currency"] for row in rows if row["amount"]}
        code = f" {codes.pop()}" if len(codes) == 1 and None not in codes else ""
        columns += cells(f"amount{code}=amount|not priced")
    if any(row["forecast"] for row in rows):
        columns += cells("forecast")
    return columns


def _quantity(seat_type: str) -> Callable[[Row], object]:
    def cell(row: Row) -> object:
        figure = row["types"].get(seat_type)
        return None if figure is None else short_quantity(figure["quantity"])

    return cell


def _between(seat_type: str) -> Callable[[Row], object]:
    def cell(row: Row) -> object:
        figure = row["types"].get(seat_type)
        return "" if figure is None else between("quantity", short_quantity)(figure)

    return cell


def matrix_range(sums: Sequence[Row]) -> str:
    """Between which amounts the rules come, as a sentence."""
    priced = [row for row in sums if row["amount"] is not None]
    if not priced or len({row["currency"] for row in priced}) > 1:
        return ""
    if any(row["not_priced"] for row in sums):
        return ""
    least, most = (
        find(priced, key=lambda row: Decimal(row["amount"])) for find in (min, max)
    )
    code = f" {least['currency']}" if least["currency"] else ""
    low, high = (f"{row['amount']}{code} ({row['mode']})" for row in (least, most))
    return f" That is {low} to {high}."
