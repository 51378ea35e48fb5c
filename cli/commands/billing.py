"""What to bill: periods, and the seats that count in them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import click

from seat_ledger.cli.commands.billing_explain import (
    compare,
    explain,
    idle,
)
from seat_ledger.cli.options.counting import (
    counts_query,
    options_of_counting,
    rules_in_words,
    unended_in_words,
)
from seat_ledger.cli.options.lake import reading_lakes
from seat_ledger.cli.options.session import Question, option_account, reading
from seat_ledger.cli.output.matrix import (
    matrix_columns,
    matrix_range,
    matrix_rows,
    seats_counted,
    short_quantity,
)
from seat_ledger.cli.output.money_words import (
    priced_in_words,
    prices_in_words,
    total_in_words,
)
from seat_ledger.cli.output.render import Answer, Column, cells
from seat_ledger.cli.output.windows import OPEN_FIGURES, between_columns, is_open
from seat_ledger.domain.counting_rules import is_of_contract
from seat_ledger.domain.values import as_word
from seat_ledger.domain.wording import counted, enumerated
from seat_ledger.projections import billing
from seat_ledger.projections.billing.totals import Sum, by_rule, grouped_by, summed

Row = dict[str, Any]


@click.group(epilog="Example: seat-ledger billing counts --account acme --term")
def group() -> None:
    """Billing periods and billable seats."""


@group.command()
@option_account
@reading
def policy(question: Question, **_: Any) -> Answer:
    """The rules that an account's periods are counted by, and since when."""
    account = question.account
    rows = [
        {
            "account": account.key,
            "from": change.effective_at,
            "mode": change.mode,
            "granularity": change.granularity,
            "entry": change.position,
        }
        for change in account.policies
    ]
    mode, granularity = account.policy_at(question.now)
    rule = mode + (f" by {granularity}" if granularity else "")
    columns = cells("from", "mode", "by=granularity", "entry")
    default = "" if rows else ", the default"
    return question.answer(
        rows,
        columns,
        sentence=f"The counting rule of {account.key} is {rule}{default}.",
        notes=[
            "The rule in force at the start of a period applies to the whole period."
        ],
        extra={"in_force": {"mode": mode, "granularity": granularity}},
    )


@group.command()
@option_account
@reading
def periods(question: Question, **_: Any) -> Answer:
    """The billing periods of an account."""
    result = billing.periods(question.account, question.knowledge, question.now)
    columns = cells("period", "from", "until", "days", "seconds", "time_zone")
    extra = {"renewal_due": True} if result.renewal_due else {}
    return question.answer(
        result.rows,
        columns,
        sentence=_begun(question.account.key, result.rows),
        extra=extra,
    )


def _begun(account: str, rows: list[dict[str, Any]]) -> str:
    if not rows:
        return f"No billing period of {account} has begun."
    count = counted(len(rows), "billing period")
    return f"{account} has {count}; the last one starts on {rows[-1]['period']}."


@group.command()
@click.option("--account", "-a", metavar="KEY", help="One account.")
@click.option("--all", "all_", is_flag=True, help="All accounts.")
@options_of_counting
@click.option(
    "--year",
    type=click.IntRange(1, 9999),
    help="Every period that has begun, and began in that year.",
)
@click.option(
    "--by",
    "grouping",
    type=click.Choice(["month", "quarter", "type", "account"]),
    help="Add up what the figures cost, by the period's month or quarter, by type or "
    "account.",
)
@reading_lakes
def counts(
    question: Question,
    account: str | None,
    all_: bool,
    year: int | None,
    grouping: str | None,
    **options: Any,
) -> Answer:
    """Billable seats per period, by the account's rule, and what they cost."""
    if (account is None) != all_:
        raise click.UsageError("Name an --account, or use --all.")
    if options["lake"] and not all_:
        raise click.UsageError("A --lake is asked about all accounts: use --all.")
    has_window = bool(options["from_"] or options["until"])
    if year is not None and (has_window or options["period"] or options["term"]):
        raise click.UsageError(
            "Use one of --year, --period, --from/--until and --term."
        )
    if grouping in {"month", "quarter"} and has_window:
        raise click.UsageError(f"A window has no {grouping}: omit --by, or the window.")
    result = billing.counts(
        question.reader,
        question.account if account else None,
        question.knowledge,
        question.now,
        counts_query(options, question.today),
        counter=_counted_elsewhere,
    )
    rows = result.rows
    if year is not None:
        rows = [row for row in rows if row["period"].startswith(f"{year:04}-")]
    open_rows = rows if result.has_windows else []
    notes = _notes(rows, open_rows, question)
    extra: dict[str, Any] = {"renewal_due": True} if result.renewal_due else {}
    together = None
    if len({(row["account"], row["mode"], row["granularity"]) for row in rows}) == len(
        {row["account"] for row in rows}
    ):
        together = summed(rows)
        extra |= {"totals": together.fields(), "not_priced": len(together.not_priced)}
    elif grouping is not None:
        raise click.UsageError(
            "Figures by several rules do not add up: name one --mode."
        )
    if together is None:
        extra["by_rule"] = by_rule(rows)
        return question.answer(
            rows,
            matrix_columns(rows, open_rows, with_account=all_),
            sentence=_sentence(rows, None) + matrix_range(extra["by_rule"]),
            notes=notes,
            next_command=_why(rows),
            extra=extra,
            in_table=matrix_rows(rows),
        )
    if grouping is not None:
        extra["groups"] = grouped_by(rows, grouping)
        answer = _by_group(question, grouping, rows, together, extra)
        answer.notes = notes
        return answer
    return question.answer(
        rows,
        _columns(rows, open_rows, with_account=all_),
        sentence=_sentence(rows, together),
        notes=notes,
        next_command=_why(rows),
        extra=extra,
    )


def _counted_elsewhere(*of: Any) -> list[Row] | None:
    """What DuckDB counts, asked only where something was known otherwise."""
    from seat_ledger.projections.lake.counting import counted_by_duckdb  # noqa: PLC0415

    return counted_by_duckdb(*of)


def _group(row: dict[str, Any]) -> str:
    """The group of a sum; a quarter as people write it: 2026-Q1."""
    return re.sub(r"^(\d{4})q([1-4])$", r"\1-Q\2", row["group"])


def _by_group(
    question: Question,
    grouping: str,
    rows: list[Row],
    together: Sum,
    extra: dict[str, Any],
) -> Answer:
    """The sums of groups in the table; the document has every figure as well."""
    return question.answer(
        rows,
        [
            (grouping, _group),
            *cells("figures", "amount|not priced"),
            *cells(*(["currency"] if len(together.totals) > 1 else [])),
            *cells("not priced=not_priced"),
        ],
        sentence=_grouped(grouping, rows, together),
        extra=extra,
        in_table=extra["groups"],
    )


def _grouped(grouping: str, rows: list[Row], together: Sum) -> str:
    """What the groups come to; a forecast apart, which is in none of them (R92)."""
    ahead = sum(1 for row in rows if row["forecast"])
    forecast = counted(ahead, "figure of a forecast is", "figures of a forecast are")
    ending = f" {forecast} in no sum." if ahead else ""
    priced = counted(sum(total.figures for total in together.totals), "figure")
    if together.is_priced:
        verb = "comes" if priced == "1 figure" else "come"
        total = total_in_words(together)
        return f"{priced} by {grouping} {verb} to {total}.{ending}"
    if len(rows) > ahead:
        count = counted(len(rows) - ahead, "figure")
        return f"{count} by {grouping}, and no price.{ending}"
    return f"No period has begun.{ending}" if ahead else _billed(rows)


def _notes(rows: list[Row], open_rows: list[Row], question: Question) -> list[str]:
    """The rules that the rows were counted by, and what prices are for, in words."""
    rules = dict.fromkeys((row["mode"], row["granularity"]) for row in rows)
    notes = [*rules_in_words(rules), *priced_in_words(rows)]
    notes += prices_in_words(rows, question.zones_of)
    notes += unended_in_words(rows)
    if any(is_open(row, *_FIGURES) for row in open_rows):
        notes.append(OPEN_FIGURES)
    return notes


_FIGURES = ("quantity", "assigned_peak", "idle_seat_days")
"""What a table shows that may rest on windows."""


def _sentence(rows: list[Row], together: Sum | None) -> str:
    """What is billed in the last period shown, and what all of it comes to."""
    total = total_in_words(together) if together else ""
    if not total:
        return _billed(rows)
    periods = len({row["from"] for row in rows if not row["forecast"]})
    what = f"All {counted(periods, 'period')} come" if periods > 1 else "That comes"
    if len({row["account"] for row in rows}) > 1:
        what = "Together they come"
    return f"{_billed(rows)} {what} to {total}."


def _billed(rows: list[Row]) -> str:
    """What is billed in the last period shown, over all types."""
    if not rows:
        return "Nothing is billable then."
    accounts = {row["account"] for row in rows}
    if len(accounts) > 1:
        current = {row["account"] for row in rows if not row["forecast"]}
        if not current:
            count = counted(len(accounts), "account")
            return f"A forecast for {count}: no period has begun."
        verb = "has" if len(current) == 1 else "have"
        count = counted(len(current), "account")
        more = len(accounts) - len(current)
        ending = f"; a forecast for {more} more" if more else ""
        return f"{count} {verb} billable seats there{ending}."
    begun = [row for row in rows if not row["forecast"]]
    if not begun:
        return _forecast(rows)
    rows, last = begun, begun[-1]
    rules = dict.fromkeys(_bill(row) for row in rows if row["from"] == last["from"])
    if len(rules) > 1:
        return _by_rules([row for row in rows if row["from"] == last["from"]])
    same = [row for row in rows if _bill(row) == _bill(last)]
    quantities = _quantities(same)
    when = f"the period from {last['period']}" if last["period"] else "the window"
    idle = sum(row["closing"] - row["assigned_closing"] for row in same)
    have = "has" if idle == 1 else "have"
    if any(is_open(row, "quantity") for row in same):
        quantities += f" ({_bounds(same)} in truth)"
    ending = f"; {idle} {have} no holder at its end"
    if not idle or not is_of_contract(last["mode"]):
        ending = ""
    return f"{last['account']} is billed for {quantities} in {when}{ending}."


def _quantities(rows: list[dict[str, Any]]) -> str:
    """So many seats of one type or two, or of how many types."""
    if len(rows) > 2:
        total = sum((Decimal(row["quantity"]) for row in rows), Decimal(0))
        return f"{seats_counted(total)} of {counted(len(rows), 'type')}"
    return enumerated(seats_counted(row["quantity"], row["seat_type"]) for row in rows)


def _bounds(rows: list[dict[str, Any]]) -> str:
    """Between which quantities the truth lies."""
    least, most = (
        sum((Decimal(row[f"quantity_{end}"]) for row in rows), Decimal(0))
        for end in ("least", "most")
    )
    return f"between {short_quantity(least)} and {short_quantity(most)}"


def _forecast(rows: list[dict[str, Any]]) -> str:
    """What is foreseen where no period has begun: nobody is billed for it (R92)."""
    first = rows[0]
    quantities = _quantities([row for row in rows if _bill(row) == _bill(first)])
    when = f"The period from {first['period']}" if first["period"] else "The window"
    of = first["account"]
    return f"{when} of {of} has not begun; the forecast is {quantities}."


def _by_rules(rows: list[dict[str, Any]]) -> str:
    """From what to what a period comes, by several rules."""
    types = dict.fromkeys(row["seat_type"] for row in rows)
    ranges = "; ".join(f"{kind} {_range(rows, kind)}" for kind in types)
    period = rows[0]["period"]
    when = f"the period from {period}" if period else "the window"
    return f"Seats of {rows[0]['account']} in {when}, by the rule: {ranges}."


def _range(rows: list[dict[str, Any]], seat_type: str) -> str:
    """From which to which quantity a type comes, by the rules shown."""
    of_type = [row for row in rows if row["seat_type"] == seat_type]
    least, most = (
        find(of_type, key=lambda row: Decimal(row["quantity"])) for find in (min, max)
    )
    if least["quantity"] == most["quantity"]:
        return short_quantity(least["quantity"])
    return " to ".join(
        f"{short_quantity(row['quantity'])} ({row['mode']})" for row in (least, most)
    )


def _bill(row: dict[str, Any]) -> tuple[Any, ...]:
    """What rows have in common that are billed together."""
    return row["from"], row["mode"], row["granularity"]


def _why(rows: list[dict[str, Any]]) -> str:
    """How to see where the first figure comes from that is no whole number."""
    if not rows:
        return ""
    row = next((row for row in rows if "." in row["quantity"]), rows[-1])
    words = ["seat-ledger billing explain --account", as_word(row["account"])]
    if row["period"]:
        words += ["--period", row["period"]]
    else:
        options = click.get_current_context().params
        words += ["--from", options["from_"], "--until", options["until"]]
    words += ["--seat-type", row["seat_type"], "--mode", row["mode"]]
    if row["granularity"] == "second":
        words += ["--granularity", "second"]
    return " ".join(words)


def _columns(
    rows: list[Row], open_rows: list[Row], *, with_account: bool
) -> list[Column]:
    """How figures are shown; `open_rows` are those that windows may bear on."""
    columns = cells("period", "days", "type=seat_type", "opening", "bought=purchased")
    columns += [*cells("retired", "closing"), ("quantity", _quantity)]
    columns += between_columns(open_rows, "quantity", short_quantity)
    columns += [
        *cells("peak held=assigned_peak"),
        *between_columns(open_rows, "assigned_peak"),
    ]
    columns += [
        *cells("idle days=idle_seat_days"),
        *between_columns(open_rows, "idle_seat_days"),
    ]
    if not all(row["complete"] for row in rows):
        columns += cells("complete")
    if any(row["forecast"] for row in rows):
        columns += cells("forecast")
    if with_account:
        columns[:0] = cells("account")
    if any(row["amount"] for row in rows):
        codes = {row["currency"] for row in rows if row["amount"]}
        code = codes.pop() if len(codes) == 1 else None
        columns += cells(
            "price=unit_price", f"amount {code}=amount" if code else "amount"
        )
        columns += between_columns(open_rows, "amount")
        if codes:
            columns += cells("currency")
    return columns


def _quantity(row: Row) -> str:
    return short_quantity(row["quantity"]) if "quantity" in row else ""


for _command in (explain, idle, compare):
    group.add_command(_command)
