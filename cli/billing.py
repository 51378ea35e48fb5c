"""What to bill: periods, and the seats that count in them."""

from __future__ import annotations

from typing import Any

import click

from cli import times
from cli.render import Answer
from cli.session import Question, option_account, reading


@click.group(epilog="Example: seat-ledger billing counts --account acme --term")
def group() -> None:
    """Billing periods and billable seats."""


@group.command()
@option_account
@reading
def periods(question: Question, **_: Any) -> Answer:
    """The billing periods of an account, from the one calendar."""
    from projections import billing  # noqa: PLC0415

    found = billing.periods(question.account, question.known, question.now)
    zones = question.account.zones
    columns = [
        ("period", lambda row: row["period"]),
        ("from", lambda row: times.local(row["from"], zones)),
        ("until", lambda row: times.local(row["until"], zones)),
        ("days", lambda row: row["days"]),
        ("seconds", lambda row: row["seconds"]),
        ("time zone", lambda row: row["time_zone"]),
    ]
    extra = {"renewal_due": True} if found.renewal_due else {}
    return question.answer(found.rows, columns, extra=extra)


@group.command()
@click.option("--account", "-a", metavar="KEY", help="Of one account.")
@click.option("--all", "all_", is_flag=True, help="Of every account.")
@click.option("--period", metavar="LABEL", help="A period by its first date or month.")
@click.option("--from", "from_", metavar="DATE", help="One window from this date …")
@click.option("--until", metavar="DATE", help="… until this date, excluded.")
@click.option("--term", is_flag=True, help="The periods of the term in progress.")
@click.option("--mode", type=click.Choice(["contracted"]), help="The counting mode.")
@click.option("--granularity", type=click.Choice(["day", "second"]), help="Of shares.")
@click.option("--unit-price", "prices", multiple=True, metavar="HUB/TIER=90.00")
@click.option("--currency", metavar="CODE", help="ISO 4217, for rounding.")
@reading
def counts(question: Question, account: str | None, all_: bool, **given: Any) -> Answer:
    """Billable seats a period, by the account's rule, and what they cost."""
    from projections import billing  # noqa: PLC0415
    from projections.billing.money import Currency  # noqa: PLC0415

    if (account is None) != all_:
        raise click.UsageError("Name an --account, or say --all.")
    reader, known = question.reader, question.known
    granularity = given["granularity"]
    found = billing.counts(
        reader,
        [question.account] if account else reader.accounts(known),
        known,
        question.now,
        _wanted(given),
        granularities=(granularity,) if granularity else None,
        prices=dict(_price(text) for text in given["prices"]),
        currency=Currency.named(given["currency"]),
        lenient=all_,
    )
    extra = {"renewal_due": True} if found.renewal_due else {}
    return question.answer(
        found.rows,
        _columns(found.rows, with_account=all_),
        sentence=_sentence(found.rows),
        notes=[_RULE] if found.rows else [],
        extra=extra,
    )


_RULE = (
    "Rule: contracted; a seat counts from its purchase to its renewal, held or not; "
    "shares by whole local days unless --granularity says otherwise."
)


def _wanted(given: dict[str, Any]) -> Any:
    from projections.billing import Wanted  # noqa: PLC0415

    window = None
    if given["from_"] or given["until"]:
        if not (given["from_"] and given["until"]):
            raise click.UsageError("--from and --until go together.")
        window = (times.day(given["from_"]), times.day(given["until"]))
    if sum(map(bool, (window, given["period"], given["term"]))) > 1:
        raise click.UsageError("Use one of --period, --from/--until and --term.")
    return Wanted(given["period"], window, given["term"])


def _price(text: str) -> tuple[str, Any]:
    from projections.billing.money import parse_price  # noqa: PLC0415
    from seat_ledger.values import parse_seat_type  # noqa: PLC0415

    seat_type, sign, price = text.partition("=")
    if not sign:
        raise click.UsageError("Write a price as HUB/TIER=90.00.")
    return str(parse_seat_type(seat_type)), parse_price(price)


def _sentence(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "Nothing is billable there."
    last = rows[-1]
    told = (
        f"{last['account']} is billed for {last['quantity']} {last['seat_type']} seats "
        f"in the last period shown"
    )
    idle = last["closing"] - last["assigned_closing"]
    return f"{told}; {idle} of them have no holder at its end." if idle else f"{told}."


def _columns(rows: list[dict[str, Any]], *, with_account: bool) -> list[Any]:
    names = [
        ("period", "period"),
        ("days", "days"),
        ("type", "seat_type"),
        ("opening", "opening"),
        ("bought", "purchased"),
        ("retired", "retired"),
        ("closing", "closing"),
        ("quantity", "quantity"),
        ("peak held", "assigned_peak"),
        ("idle days", "idle_seat_days"),
        ("complete", "complete"),
    ]
    if with_account:
        names.insert(0, ("account", "account"))
    if any(row["amount"] for row in rows):
        names += [("price", "unit_price"), ("amount", "amount")]
    return [(title, lambda row, name=name: row[name]) for title, name in names]
