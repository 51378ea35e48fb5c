"""The price book: what a seat costs, of one account or for all (R90)."""

from __future__ import annotations

from typing import Any

import click

from seat_ledger.cli.options import completing
from seat_ledger.cli.options.session import (
    Question,
    option_as_of,
    option_one_account,
    reading_of_accounts,
)
from seat_ledger.cli.options.writing import writing
from seat_ledger.cli.output import times
from seat_ledger.cli.output.render import Answer, cells
from seat_ledger.domain.calendar import ZoneHistory
from seat_ledger.domain.wording import counted


@click.group(
    epilog="Example: seat-ledger price set sales/professional 90.00 --currency EUR "
    "-a acme --effective-at 2026-01-01"
)
def group() -> None:
    """Record what seats cost; look at prices and their history."""


@group.command(
    "set",
    epilog="Example: seat-ledger price set sales/professional 90.00 --currency EUR "
    "--for-all --effective-at 2026-01-01",
)
@click.argument("seat_type", metavar="HUB/TIER")
@click.argument("unit_price", metavar="PRICE")
@click.option(
    "--currency",
    required=True,
    metavar="CODE",
    shell_complete=completing.currencies,
    help="The currency: an ISO 4217 code such as EUR.",
)
@click.option("--account", "-a", metavar="KEY", help="The account that pays it.")
@click.option(
    "--for-all",
    is_flag=True,
    help="The price of every account that has none of its own.",
)
@writing("set_price")
def set_(account: str | None, *, for_all: bool, **fields: Any) -> dict[str, Any]:
    """Record the price of one seat for one whole billing period, from a time on.

    The price in force at the start of a period applies to the whole period. A date
    given for all accounts is each account's own local date.
    """
    if (account is None) != for_all:
        raise click.UsageError("Name an --account, or use --for-all.")
    return {**fields, "account": account}


@group.command("list", epilog="Example: seat-ledger price list -a acme")
@option_one_account
@option_as_of
@reading_of_accounts
def list_(question: Question, account: str | None, **_: Any) -> Answer:
    """The prices in force: of one account, with those for all, or of every account."""
    as_of = question.as_of
    recorded = _rows(question, account)
    rows = [
        row
        for row in recorded
        if row["from"] <= as_of and (row["until"] is None or row["until"] > as_of)
    ]
    count = counted(len(rows), "price")
    verb = "is" if len(rows) == 1 else "are"
    none = "No price is in force then." if recorded else _NONE
    return _answer(question, rows, f"{count} {verb} in force." if rows else none)


@group.command(epilog="Example: seat-ledger price history -a acme")
@option_one_account
@reading_of_accounts
def history(question: Question, account: str | None, **_: Any) -> Answer:
    """Every recorded price, and until when it held."""
    rows = _rows(question, account)
    count = counted(len(rows), "price")
    verb = "is" if len(rows) == 1 else "are"
    return _answer(question, rows, f"{count} {verb} recorded." if rows else _NONE)


_NONE = "No price is recorded."


def _rows(question: Question, account: str | None) -> list[dict[str, Any]]:
    from seat_ledger.projections.billing import price_book  # noqa: PLC0415

    number = question.account.no if account else None
    return price_book.listed(question.reader, question.knowledge, number)


def _answer(question: Question, rows: list[dict[str, Any]], sentence: str) -> Answer:
    zones = _zones(question, rows)

    def local(row: dict[str, Any], name: str) -> Any:
        """A bound of a price as a date of its account, in a list of several."""
        if row[name] is None or row["account"] not in zones:
            return row[name]
        return times.day_or_time(row[name], zones[row["account"]])

    columns = [
        *cells("account|all accounts", "type=seat_type"),
        *cells("price=unit_price", "currency"),
        ("from", lambda row: row["first_date"] or local(row, "from")),
        ("until", lambda row: local(row, "until") or "present"),
        *cells("actor", "reason", "entry=position"),
    ]
    try_ = "seat-ledger price set sales/professional 90.00 --currency EUR --for-all"
    return question.answer(
        rows,
        columns,
        sentence=sentence,
        notes=[
            "The price in force at the start of a period applies to the whole period; "
            "an account's own goes before the one for all.",
            *([] if question.options["account"] else [times.OWN_DATES]),
        ],
        next_command="" if rows else try_,
    )


def _zones(question: Question, rows: list[dict[str, Any]]) -> dict[str, ZoneHistory]:
    """The time zones of the accounts of a list of several."""
    keys = {row["account"] for row in rows if row["account"]}
    if question.options.get("account") or not keys:
        return {}
    every = question.reader.accounts(question.knowledge)
    return {account.key: account.zones for account in every if account.key in keys}
