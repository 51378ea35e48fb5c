"""What to bill: periods, and the seats that count in them."""

from __future__ import annotations

from collections.abc import Iterable
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
def policy(question: Question, **_: Any) -> Answer:
    """By which rule an account's periods are counted, from when on."""
    account = question.account
    rows = [
        {
            "account": account.key,
            "from": said.effective_at,
            "mode": said.mode,
            "granularity": said.granularity,
            "entry": said.position,
        }
        for said in account.policies
    ]
    mode, granularity = account.policy_at(question.now)
    rule = mode + (f" by {granularity}" if granularity else "")
    columns = [
        ("from", lambda row: times.local(row["from"], account.zones)),
        ("mode", lambda row: row["mode"]),
        ("by", lambda row: row["granularity"]),
        ("entry", lambda row: row["entry"]),
    ]
    default = "" if rows else ", the rule of an account that was given no other"
    return question.answer(
        rows,
        columns,
        sentence=f"{account.key} is counted {rule}{default}.",
        notes=["The rule in force at a period's start applies to all of it."],
        extra={"in_force": {"mode": mode, "granularity": granularity}},
    )


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
@click.option("--mode", metavar="M", help="A counting mode, or all of them: all.")
@click.option("--granularity", type=click.Choice(["day", "second"]), help="Of shares.")
@click.option("--unit-price", "prices", multiple=True, metavar="HUB/TIER=90.00")
@click.option("--currency", metavar="CODE", help="ISO 4217, for rounding.")
@reading
def counts(question: Question, account: str | None, all_: bool, **given: Any) -> Answer:
    """Billable seats a period, by the account's rule, and what they cost."""
    from projections import billing  # noqa: PLC0415

    if (account is None) != all_:
        raise click.UsageError("Name an --account, or say --all.")
    found = billing.counts(
        question.reader,
        question.account if account else None,
        question.known,
        question.now,
        wanted(given),
        priced(given),
    )
    extra = {"renewal_due": True} if found.renewal_due else {}
    return question.answer(
        found.rows,
        _columns(found.rows, with_account=all_),
        sentence=_sentence(found.rows),
        notes=_notes(found.rows),
        extra=extra,
    )


_RULES = {
    "contracted": "a seat counts from its purchase to its renewal, held or not",
    "peak": "the most seats that were held at once",
    "snapshot_end": "the seats held just before the period's end",
    "start_plus_rises": "the seats held at the start, and each rise above the highest "
    "number so far for the rest of the period",
    "time_weighted": "a seat counts for the time in which it was held",
    "day_peak": "the mean of each local date's most seats held at once",
    "day_touch": "each user counts on each local date on which they held a seat",
    "distinct": "every user who held a seat at all",
}


def _notes(rows: list[dict[str, Any]]) -> list[str]:
    """The rules that the rows were counted by, in words."""
    return rules_in_words(
        dict.fromkeys((row["mode"], row["granularity"]) for row in rows)
    )


def rules_in_words(found: Iterable[tuple[str, str | None]]) -> list[str]:
    """A sentence for each counting rule."""
    by = {"day": ", by whole local days", "second": ", by the second", None: ""}
    return [f"Rule: {mode}{by[part]}; {_RULES[mode]}." for mode, part in found]


def rules(mode: str | None, granularity: str | None) -> Any:
    """The rules that were asked for; None leaves it to the account's policy."""
    from projections.billing.figures import (  # noqa: PLC0415
        MODES,
        WITH_GRANULARITY,
        every_rule,
    )

    if mode == "all":
        return every_rule(granularity)
    if mode is None:
        return None
    if mode not in MODES:
        raise click.UsageError(f"--mode is one of {', '.join(MODES)} and all.")
    if mode not in WITH_GRANULARITY:
        if granularity:
            raise click.UsageError(f"The mode {mode} has no granularity.")
        return [(mode, None)]
    return [(mode, granularity or "day")]


def wanted(given: dict[str, Any]) -> Any:
    """Which periods the options name. Raises UsageError."""
    from projections.billing import Wanted  # noqa: PLC0415

    window = None
    if given["from_"] or given["until"]:
        if not (given["from_"] and given["until"]):
            raise click.UsageError("--from and --until go together.")
        window = (times.day(given["from_"]), times.day(given["until"]))
    if sum(map(bool, (window, given["period"], given["term"]))) > 1:
        raise click.UsageError("Use one of --period, --from/--until and --term.")
    return Wanted(given["period"], window, given["term"])


def priced(given: dict[str, Any]) -> Any:
    """By which rules to count, and what a seat costs, as the options say."""
    from projections.billing import Priced  # noqa: PLC0415
    from seat_ledger.money import Currency  # noqa: PLC0415
    from seat_ledger.values import parse_seat_type  # noqa: PLC0415

    prices = {}
    for text in given["prices"]:
        name, sign, price = text.partition("=")
        if not sign:
            raise click.UsageError("Write a price as HUB/TIER=90.00.")
        seat_type = str(parse_seat_type(name))
        if seat_type in prices:
            raise click.UsageError(f"Two prices for {seat_type}.")
        prices[seat_type] = price_of(price)
    return Priced(
        rules=rules(given["mode"], given["granularity"]),
        prices=prices,
        currency=Currency.named(given["currency"]),
        granularity=given["granularity"],
    )


def price_of(text: str) -> Any:
    """A price of one seat for a whole period. Raises InvalidInput."""
    from seat_ledger.money import parse_price  # noqa: PLC0415

    return parse_price(text)


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
    if len({(row["mode"], row["granularity"]) for row in rows}) > 1:
        names[3:3] = [("mode", "mode"), ("by", "granularity")]
    if with_account:
        names.insert(0, ("account", "account"))
    if any(row["amount"] for row in rows):
        names += [("price", "unit_price"), ("amount", "amount")]
    return [(title, lambda row, name=name: row[name]) for title, name in names]


def _attach() -> None:
    """The commands that have a file of their own."""
    from cli import explaining  # noqa: PLC0415  it uses what stands here

    for command in (explaining.explain, explaining.idle, explaining.compare):
        group.add_command(command)


_attach()
