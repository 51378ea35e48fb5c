"""Why a figure is what it is: its parts, the seats behind it, and what changed it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from seat_ledger.cli.options.counting import (
    books_of,
    counts_query,
    option_currency,
    option_periods,
    option_price_file,
    option_price_for,
    option_prices,
    option_rule,
    options_of_counting,
    periods_named,
    price_of_type,
    rules,
    rules_in_words,
    unended_in_words,
    unit_prices,
)
from seat_ledger.cli.options.session import (
    Question,
    option_account,
    option_as_of,
    printing,
    reading,
)
from seat_ledger.cli.output import times
from seat_ledger.cli.output.matrix import short_quantity
from seat_ledger.cli.output.money_words import (
    priced_in_words,
    priced_text,
    prices_in_words,
)
from seat_ledger.cli.output.render import Answer, cells
from seat_ledger.cli.output.windows import (
    OPEN_FIGURES,
    between,
    is_open,
)
from seat_ledger.domain.counting_rules import COUNTING_RULES
from seat_ledger.domain.values import as_word
from seat_ledger.domain.wording import counted, enumerated
from seat_ledger.errors import NotFound
from seat_ledger.projections.billing.idle_cost import sums_of
from seat_ledger.projections.billing.totals import added, changes_added

if TYPE_CHECKING:
    from datetime import datetime

    from seat_ledger.projections.billing.explain import Explanation, FigureQuery


@click.command()
@option_account
@option_periods
@click.option(
    "--seat-type",
    required=True,
    metavar="HUB/TIER",
    help="The seat type of the figure.",
)
@option_rule
@option_prices
@option_price_file
@option_price_for
@option_currency
@reading
def explain(question: Question, **options: Any) -> Answer:
    """Break a figure down into its parts: seats, users, times and entries."""
    from seat_ledger.projections.billing.explain import explain  # noqa: PLC0415

    query = _query(question, options)
    explanation = explain(question.about_now, query)
    return question.answer(
        explanation.rows,
        _part_columns(explanation),
        sentence=_explained(question, query, explanation),
        notes=_why(question, explanation),
        windows=list(explanation.windows),
        next_command=_look(explanation),
        extra=_figure(question, query, explanation),
        sums=_sums(explanation),
    )


def _sums(explanation: Explanation) -> list[dict[str, Any]]:
    """What the parts come to: the figure (CLI 5)."""
    figure = explanation.figure
    if figure is None or not any(row["amount"] for row in explanation.rows):
        return []
    return [{name: figure[name] for name in ("quantity_exact", "amount", "currency")}]


def _query(question: Question, options: dict[str, Any]) -> FigureQuery:
    from seat_ledger.domain.money import Currency  # noqa: PLC0415
    from seat_ledger.domain.values import parse_seat_type  # noqa: PLC0415
    from seat_ledger.projections import billing  # noqa: PLC0415
    from seat_ledger.projections.billing.explain import FigureQuery  # noqa: PLC0415

    seat_type = str(parse_seat_type(options["seat_type"]))
    which = periods_named({**options, "term": False}, question.today)
    if which.window is None and which.label is None:
        raise click.UsageError("Name a --period, or --from and --until.")
    _check_known(question)
    if which.window is not None:
        period = billing.window(question.account, *which.window)
    else:
        period = billing.labelled(question.account, which.label)
    policy = question.account.policy_at(period.starts)
    by = billing.Priced(granularity=options["granularity"])
    counted_by = rules(options["mode"], options["granularity"])
    if counted_by is None:
        by.check_granularity([policy[1]])
        counted_by = [by.by_policy(*policy)]
    if len(counted_by) > 1:
        raise click.UsageError("Name one --mode: a figure is counted by one rule.")
    return FigureQuery(
        period,
        seat_type,
        counted_by[0],
        price_of_type(options["prices"], seat_type),
        Currency.named(options["currency"]),
        window=which.window is not None,
        price_for=options["price_for"],
        books=books_of(options),
    )


def _check_known(question: Question) -> None:
    """Before an account was recorded there is nothing to open (R79)."""
    if unknown := question.unknown():
        hint = "omit --known-at, or name a later one"
        raise NotFound("unknown_period", unknown, try_=hint)


def _figure(
    question: Question, query: FigureQuery, explanation: Explanation
) -> dict[str, Any]:
    """The figure beside its parts."""
    mode, granularity = explanation.rule
    nothing = {
        "account": question.account.key,
        "seat_type": query.seat_type,
        "period": None if query.window else query.period.label,
        "from": query.period.starts,
        "until": query.period.ends,
        "mode": mode,
        "granularity": granularity,
        "quantity": "0",
        "quantity_exact": "0/1",
        "unit_price": None,
        "amount": None,
    }
    return {"figure": explanation.figure or nothing, "highest": explanation.highest}


def _explained(question: Question, query: FigureQuery, explanation: Explanation) -> str:
    where = _where(query)
    if explanation.figure is None:
        return f"Nothing of {query.seat_type} was under contract or held {where}."
    figure = explanation.figure
    quantity = figure["quantity"]
    if explanation.figure["quantity_exact"].split("/")[1] != "1":
        quantity += f" ({figure['quantity_exact']})"
    money = f", {priced_text(figure)} in total" if figure["amount"] else ""
    count = counted(len(explanation.rows), "part")
    verb = "is forecast to have" if _is_forecast(explanation) else "has"
    answer = (
        f"{question.account.key} {verb} {quantity} {query.seat_type} {where}{money}"
    )
    if not explanation.highest:
        return f"{answer}: {count}."
    zones = question.account.zones
    at = times.spelled(explanation.highest["at"], zones)
    if after := explanation.highest["at_after"]:
        at += f" (after {times.local(after, zones)})"
    entry = explanation.highest["entry"]
    how = f"by entry {entry}" if entry else "held since before the start"
    return f"{answer}: {explanation.highest['held']} at once from {at} on, {how}."


def _is_forecast(explanation: Explanation) -> bool:
    """Whether what is explained has not begun (R92)."""
    return explanation.figure is not None and bool(explanation.figure["forecast"])


def _where(query: FigureQuery) -> str:
    if query.window:
        return f"from {query.period.label} until {query.period.until}"
    return f"in the period {query.period.label}"


def _part_columns(explanation: Explanation) -> list[Any]:
    names: list[Any] = [
        *cells("seat", "user", "from", "until|present"),
        ("entries", _entries),
        *cells("by=actor", "reason", "quantity=quantity_exact"),
    ]
    rule = COUNTING_RULES[explanation.rule[0]]
    if rule.of_contract:
        del names[1]
    has_dates = any(row["dates"] is not None for row in explanation.rows)
    if has_dates and "date" not in rule.columns:
        names[-1:-1] = cells("days=dates")
    names[:0] = cells(*rule.columns)
    for name, column in _AFTER.items():
        if any(row[column] for row in explanation.rows):
            names += cells(f"{name}={column}")
    if any(row["amount"] for row in explanation.rows):
        names += cells("amount")
    return names


_AFTER = {
    "begun after": "held_after",
    "ended after": "until_after",
    "counts after": "at_after",
}


def _entries(row: dict[str, Any]) -> str:
    closed = row["closed_by"]
    return f"{row['opened_by']} to {closed}" if closed else str(row["opened_by"])


def _why(question: Question, explanation: Explanation) -> list[str]:
    figure = explanation.figure
    return [
        *priced_in_words([figure] if figure else []),
        *prices_in_words([figure] if figure else [], question.zones_of),
        *rules_in_words([explanation.rule]),
        "The parts add up to the figure exactly; amounts are rounded by largest "
        "remainder.",
        *unended_in_words([figure] if figure else []),
        *_in_truth(explanation),
    ]


def _in_truth(explanation: Explanation) -> Iterator[str]:
    """What windows leave open of the figure and of its parts (R85, R89)."""
    figure = explanation.figure
    if figure is not None and is_open(figure, "quantity"):
        amounts = f", {between('amount')(figure)} in total" if figure["amount"] else ""
        yield f"In truth it is {between('quantity')(figure)}{amounts}."
    if any(_windows_of(explanation)):
        yield (
            "Where a part has a time after which it began or ended, only lists saw "
            "that: it happened somewhere between the two."
        )


def _windows_of(explanation: Explanation) -> Iterator[datetime]:
    """The other ends of the windows of the parts (R85)."""
    for row in explanation.rows:
        yield from filter(None, (row[column] for column in _AFTER.values()))


def _look(explanation: Explanation) -> str:
    if not explanation.rows:
        return ""
    return f"seat-ledger event show {explanation.rows[0]['opened_by']}"


@click.command()
@option_account
@option_periods
@option_as_of
@option_prices
@option_price_file
@option_currency
@reading
def idle(question: Question, **options: Any) -> Answer:
    """Seats paid for and held by nobody: since when, who freed them, and the cost.

    At a moment, or (--period, --from) every idle interval in a period. With a price, at
    a moment: what each has cost, and will cost until the renewal at which it can go.
    """
    from seat_ledger.projections import billing, holdings  # noqa: PLC0415
    from seat_ledger.projections.billing import idle  # noqa: PLC0415

    which = periods_named({**options, "term": False}, question.today)
    how = unit_prices(options)
    account, knowledge = question.account, question.knowledge
    extra: dict[str, Any] = {}
    notes: list[str] = []
    windows: list[dict[str, Any]] | None = None
    if which.window is None and which.label is None:
        rows = idle.idle_at(question.about, how)
        windows = holdings.windows_at(question.about)
        when = f"on {times.spelled(question.as_of, account.zones)}"
        sentence = f"{_seats(rows)} of {account.key} {_are(rows)} idle {when}"
    else:
        if options["as_of"]:
            raise click.UsageError("Use --as-of or a period, not both.")
        _check_known(question)
        period = (
            billing.window(account, *which.window)
            if which.window
            else billing.labelled(account, which.label)
        )
        rows = idle.idle_within(question.about, period, how)
        until = knowledge.moment(question.now)
        sentence = f"{_seats(rows)} of {account.key} {_stood(rows, period, until)}"
        extra = {"complete": period.ends <= until, "forecast": period.starts > until}
        notes = unended_in_words([extra])
        extra["between"] = idle.open_idle_days(question.about, period)
        notes += [
            f"{row['seat_type']}: {between('idle_days')(row)} idle days in truth."
            for row in extra["between"]
        ]
        if extra["between"] or any(is_open(row, "idle_days") for row in rows):
            notes.append(OPEN_FIGURES)
    extra["totals"] = added(rows, "amount", "amount_until_renewal")
    return question.answer(
        rows,
        _idle_columns(rows),
        sentence=f"{sentence}: paid for, and held by nobody."
        + _cost(rows, is_forecast=bool(extra.get("forecast"))),
        notes=[*notes, *_PRICED_DAYS] if _is_priced(rows) else notes,
        windows=windows,
        next_command=_history(question, rows),
        extra=extra,
    )


def _stood(rows: list[dict[str, Any]], period: Any, now: datetime) -> str:
    """That the seats stood idle, or would where the period has not begun (R92)."""
    days = sum(row["idle_days"] for row in rows)
    verb = "would stand" if period.starts > now else "stood"
    count = counted(days, "seat-day")
    long = f" for {count}" if rows else ""
    return f"{verb} idle{long} from {period.label} until {period.until}"


def _seats(rows: list[dict[str, Any]]) -> str:
    count = len({row["seat"] for row in rows})
    return counted(count, "seat") if count else "No seat"


def _are(rows: list[dict[str, Any]]) -> str:
    return "is" if len({row["seat"] for row in rows}) < 2 else "are"


def _is_priced(rows: list[dict[str, Any]]) -> bool:
    return any(row["amount"] is not None for row in rows)


_PRICED_DAYS = [
    "Amounts: the share of the period's dates, at the price of one seat and one whole "
    "period, rounded for each seat and period."
]


def _cost(rows: list[dict[str, Any]], *, is_forecast: bool) -> str:
    """What the seats cost, as a sentence; what has no price is not in it (R93)."""
    if not _is_priced(rows):
        return ""
    priced = [row for row in rows if row["amount"] is not None]
    verb = "would cost" if is_forecast else "cost"
    cost = f" They {verb} {sums_of(priced, 'amount')}"
    ahead = [row for row in rows if row["amount_until_renewal"] is not None]
    if ahead and ahead[0]["renewal"]:
        amount = sums_of(ahead, "amount_until_renewal")
        cost += f" so far, and {amount} more until {ahead[0]['renewal']}"
    if others := len(rows) - len(priced):
        cost += f"; {counted(others, 'seat')} not priced"
    return f"{cost}."


def _idle_columns(rows: list[dict[str, Any]]) -> list[Any]:
    columns = cells("seat", "from", "until|present", "idle_days")
    if any(is_open(row, "idle_days") for row in rows):
        columns.append(("between", between("idle_days")))
    for title in ("from", "until"):
        if any(row[f"{title}_after"] for row in rows):
            columns += cells(f"{title}, after={title}_after")
    if _is_priced(rows):
        columns += cells("amount")
        if any(row["renewal"] for row in rows):
            columns += cells("until renewal=amount_until_renewal")
    columns += cells("last_user|never held", "freed by=freed_by.actor")
    columns += cells("reason=freed_by.reason", "entry=freed_by.position", "next_user")
    return columns


def _history(question: Question, rows: list[dict[str, Any]]) -> str:
    if not rows:
        return ""
    longest = max(rows, key=lambda row: row["idle_days"])
    seat, account = as_word(longest["seat"]), as_word(question.account.key)
    return f"seat-ledger seat history {seat} -a {account}"


@click.command()
@option_account
@click.option(
    "--known-at",
    "known_ats",
    multiple=True,
    metavar="K",
    help="The two states of knowledge to compare; give it twice.",
)
@options_of_counting
@printing
def compare(question: Question, known_ats: tuple[str, ...], **options: Any) -> Answer:
    """Which figures differ between two states of knowledge, and because of what."""
    from seat_ledger.projections.billing import compare  # noqa: PLC0415

    if len(known_ats) != 2:
        raise click.UsageError("Give --known-at twice.")
    first, second = sorted(
        (question.knowledge_of(text) for text in known_ats),
        key=lambda knowledge: knowledge.position,
    )
    rows = compare.compare(
        question.reader,
        question.account.key,
        (first, second),
        question.now,
        counts_query(options, question.today),
    )
    totals = changes_added(rows)
    count = counted(len(rows), "figure") if rows else "No figure"
    verb = "differ" if len(rows) > 1 else "differs"
    return question.answer(
        rows,
        _difference_columns(rows),
        sentence=f"{count} of {question.account.key} {verb} between what was known at "
        f"position {first.position} and at {second.position}.{_changed(rows, totals)}",
        notes=_notes(rows),
        next_command=_first_entry(rows),
        extra={
            "between": [
                {"position": knowledge.position, "recorded_at": knowledge.recorded_at}
                for knowledge in (first, second)
            ],
            "totals": totals,
        },
    )


_SIDES = ("amount_before", "amount_after", "amount_difference")


def _changed(rows: list[dict[str, Any]], totals: list[dict[str, Any]]) -> str:
    """What it was and is in money, as a sentence; what has no price is not in it."""
    unpriced = [
        row for row in rows if not row["forecast"] and row["amount_difference"] is None
    ]
    newly = sum(1 for row in unpriced if row["amount_before"] or row["amount_after"])
    if not totals:
        if not newly:
            return ""
        have = "has" if newly == 1 else "have"
        return f" {counted(newly, 'figure')} {have} a price in one of them alone."
    texts = []
    for total in totals:
        before, after, more = (total[name] or "nothing" for name in _SIDES)
        sign = "" if more.startswith("-") else "+"
        code = f" {total['currency']}" if total["currency"] else ""
        texts.append(f"from {before} to {after}{code} ({sign}{more})")
    without = f"; {counted(len(unpriced), 'figure')} not priced" if unpriced else ""
    return f" They go {enumerated(texts)}{without}."


def _notes(rows: list[dict[str, Any]]) -> list[str]:
    """What is to be known of the figures that differ."""
    has_open = any(is_open(row, "quantity_before", "quantity_after") for row in rows)
    notes = unended_in_words(rows)
    notes += priced_in_words(rows)
    return [*notes, OPEN_FIGURES] if has_open else notes


def _difference_columns(rows: list[dict[str, Any]]) -> list[Any]:
    columns = cells("period", "type=seat_type", "mode", "by=granularity")
    columns += [
        (title, _short(field))
        for title, field in (
            ("before", "quantity_before"),
            ("after", "quantity_after"),
            ("difference", "difference"),
        )
    ]
    amounts = ["before", "after", "difference"]
    if not any(row["amount_before"] for row in rows):
        priced = any(row["amount_after"] for row in rows)
        amounts = ["after"] if priced else []  # which is the difference too
    columns += cells(*(f"amount {name}=amount_{name}" for name in amounts))
    if any(row["forecast"] for row in rows):
        columns += cells("forecast")
    if any(is_open(row, "quantity_before", "quantity_after") for row in rows):
        for title in ("before", "after"):
            columns.append((f"{title} between", between(f"quantity_{title}")))
    return columns + cells("entries")


def _short(field: str) -> Callable[[dict[str, Any]], str]:
    """A quantity to the places that people read; documents have it whole.

    Where there was no figure it was none: the difference is from there.
    """

    def value(row: dict[str, Any]) -> str:
        is_sum = row[field] == ""
        return "" if is_sum else short_quantity(row[field] or "0")

    return value


def _first_entry(rows: list[dict[str, Any]]) -> str:
    entries = [entry for row in rows for entry in row["entries"]]
    return f"seat-ledger event show {entries[0]}" if entries else ""
