"""Why a figure is what it is: its parts, the seats behind it, and what changed it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from seat_ledger.cli.options.counting import (
    FORECAST,
    option_currency,
    option_periods,
    option_price_for,
    option_prices,
    option_rule,
    options_of_counting,
    price_of_type,
    priced,
    rules,
    rules_in_words,
    wanted,
)
from seat_ledger.cli.options.session import (
    Question,
    option_account,
    option_as_of,
    printing,
    reading,
)
from seat_ledger.cli.output import times
from seat_ledger.cli.output.render import Answer
from seat_ledger.domain.values import as_word

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
@option_price_for
@option_currency
@reading
def explain(question: Question, **given: Any) -> Answer:
    """One figure opened into its parts: seats, users, times, and entries."""
    from seat_ledger.projections.billing.explain import explain  # noqa: PLC0415

    asked = _asked(question, given)
    upto = question.known.moment(question.now)
    found = explain(question.reader, question.account, question.known, upto, asked)
    return question.answer(
        found.rows,
        _part_columns(question, found),
        sentence=_explained(question, asked, found),
        notes=_why(found) + ([FORECAST] if _is_forecast(found) else []),
        next_command=_look(found),
        extra=_figure(question, asked, found),
    )


def _asked(question: Question, given: dict[str, Any]) -> FigureQuery:
    from seat_ledger.domain.money import Currency  # noqa: PLC0415
    from seat_ledger.domain.values import parse_seat_type  # noqa: PLC0415
    from seat_ledger.projections import billing  # noqa: PLC0415
    from seat_ledger.projections.billing.explain import FigureQuery  # noqa: PLC0415

    seat_type = str(parse_seat_type(given["seat_type"]))
    which = wanted({**given, "term": False})
    if which.window is None and which.label is None:
        raise click.UsageError("Name a --period, or --from and --until.")
    _check_known(question)
    if which.window is not None:
        period = billing.window(question.account, *which.window)
    else:
        period = billing.labelled(question.account, which.label)
    policy = question.account.policy_at(period.starts)
    by = billing.Priced(granularity=given["granularity"])
    found = rules(given["mode"], given["granularity"])
    if found is None:
        by.check_granularity([policy[1]])
        found = [by.by_policy(*policy)]
    if len(found) > 1:
        raise click.UsageError("One figure has one --mode.")
    return FigureQuery(
        period,
        seat_type,
        found[0],
        price_of_type(given["prices"], seat_type),
        Currency.named(given["currency"]),
        window=which.window is not None,
        price_for=given["price_for"],
    )


def _check_known(question: Question) -> None:
    """Before an account was recorded there is nothing to open (R79)."""
    if not question.account.is_known:
        from seat_ledger.errors import NotFound  # noqa: PLC0415

        raise NotFound(
            "unknown_period",
            f"Nothing was known of {question.account.key} at position "
            f"{question.known.position}.",
            try_="leave --known-at out, or name a later one",
        )


def _figure(
    question: Question, asked: FigureQuery, found: Explanation
) -> dict[str, Any]:
    """The figure beside its parts."""
    mode, granularity = found.rule
    nothing = {
        "account": question.account.key,
        "seat_type": asked.seat_type,
        "period": None if asked.window else asked.period.label,
        "from": asked.period.starts,
        "until": asked.period.ends,
        "mode": mode,
        "granularity": granularity,
        "quantity": "0",
        "quantity_exact": "0/1",
        "amount": None,
    }
    return {"figure": found.figure or nothing, "highest": found.highest}


def _explained(question: Question, asked: FigureQuery, found: Explanation) -> str:
    where = _where(asked)
    if found.figure is None:
        return f"Nothing of {asked.seat_type} was under contract or held {where}."
    figure = found.figure
    quantity = figure["quantity"]
    if found.figure["quantity_exact"].split("/")[1] != "1":
        quantity += f" ({figure['quantity_exact']})"
    money = f", {figure['amount']} in all" if figure["amount"] else ""
    count = "1 part" if len(found.rows) == 1 else f"{len(found.rows)} parts"
    verb = "is forecast to have" if _is_forecast(found) else "has"
    said = f"{question.account.key} {verb} {quantity} {asked.seat_type} {where}{money}"
    if not found.highest:
        return f"{said}: {count}."
    at = times.spelled(found.highest["at"], question.account.zones)
    entry = found.highest["entry"]
    how = f"by entry {entry}" if entry else "held since before the start"
    return f"{said}: {found.highest['held']} at once from {at} on, {how}."


def _is_forecast(found: Explanation) -> bool:
    """Whether what is explained has not begun (R92)."""
    return found.figure is not None and bool(found.figure["forecast"])


def _where(asked: FigureQuery) -> str:
    if asked.window:
        return f"from {asked.period.label} until {asked.period.until}"
    return f"in the period {asked.period.label}"


def _part_columns(question: Question, found: Explanation) -> list[Any]:
    zones = question.account.zones
    names: list[Any] = [
        ("seat", lambda row: row["seat"]),
        ("user", lambda row: row["user"]),
        ("from", lambda row: times.local(row["from"], zones)),
        ("until", lambda row: times.local(row["until"], zones)),
        ("entries", _entries),
        ("by", lambda row: row["actor"]),
        ("reason", lambda row: row["reason"]),
        ("quantity", lambda row: row["quantity_exact"]),
    ]
    mode = found.rule[0]
    if mode == "contracted":
        del names[1]
    if any(row["dates"] is not None for row in found.rows) and mode != "day_peak":
        names.insert(-1, ("days", lambda row: row["dates"]))
    if mode in {"start_plus_rises", "day_peak"}:
        names.insert(0, ("at", lambda row: times.local(row["at"], zones)))
    if mode == "day_peak":
        names.insert(0, ("date", lambda row: row["date"]))
    if any(row["amount"] for row in found.rows):
        names.append(("amount", lambda row: row["amount"]))
    return names


def _entries(row: dict[str, Any]) -> str:
    closed = row["closed_by"]
    return f"{row['opened_by']} to {closed}" if closed else str(row["opened_by"])


def _why(found: Explanation) -> list[str]:
    return [
        *rules_in_words([found.rule]),
        "The parts add up to the figure exactly; their amounts by largest remainder.",
    ]


def _look(found: Explanation) -> str:
    if not found.rows:
        return ""
    return f"seat-ledger event show {found.rows[0]['opened_by']}"


@click.command()
@option_account
@option_periods
@option_as_of
@reading
def idle(question: Question, **given: Any) -> Answer:
    """Seats paid for and held by nobody: since when, and who freed them.

    At a moment, or (--period, --from) every stretch in a period.
    """
    from seat_ledger.projections import billing  # noqa: PLC0415
    from seat_ledger.projections.billing import idle  # noqa: PLC0415

    which = wanted({**given, "term": False})
    account, known = question.account, question.known
    extra: dict[str, Any] = {}
    notes: list[str] = []
    if which.window is None and which.label is None:
        rows = idle.idle_at(question.reader, account, question.as_of, known)
        when = f"on {times.spelled(question.as_of, account.zones)}"
        sentence = f"{_seats(rows)} of {account.key} {_are(rows)} idle {when}"
    else:
        if given["as_of"]:
            raise click.UsageError("Use --as-of or a period, not both.")
        _check_known(question)
        period = (
            billing.window(account, *which.window)
            if which.window
            else billing.labelled(account, which.label)
        )
        rows = idle.idle_within(question.reader, account, period, known)
        upto = known.moment(question.now)
        sentence = f"{_seats(rows)} of {account.key} {_stood(rows, period, upto)}"
        extra = {"complete": period.ends <= upto, "forecast": period.starts > upto}
        if extra["forecast"]:
            notes = [FORECAST]
        elif not extra["complete"]:
            notes = ["It has not ended: counted as if nothing more happened."]
    return question.answer(
        rows,
        _idle_columns(question),
        sentence=f"{sentence}: paid for, and held by nobody.",
        notes=notes,
        next_command=_history(question, rows),
        extra=extra,
    )


def _stood(rows: list[dict[str, Any]], period: Any, upto: datetime) -> str:
    """That the seats stood idle, or would where the period has not begun (R92)."""
    days = sum(row["idle_days"] for row in rows)
    verb = "would stand" if period.starts > upto else "stood"
    count = "1 seat-day" if days == 1 else f"{days} seat-days"
    long = f" for {count}" if rows else ""
    return f"{verb} idle{long} from {period.label} until {period.until}"


def _seats(rows: list[dict[str, Any]]) -> str:
    count = len({row["seat"] for row in rows})
    return {0: "No seat", 1: "1 seat"}.get(count, f"{count} seats")


def _are(rows: list[dict[str, Any]]) -> str:
    return "is" if len({row["seat"] for row in rows}) < 2 else "are"


def _idle_columns(question: Question) -> list[Any]:
    zones = question.account.zones

    def freed(row: dict[str, Any], name: str) -> Any:
        return row["freed_by"][name] if row["freed_by"] else None

    return [
        ("seat", lambda row: row["seat"]),
        ("from", lambda row: times.local(row["from"], zones)),
        ("until", lambda row: times.local(row["until"], zones)),
        ("idle days", lambda row: row["idle_days"]),
        ("last user", lambda row: row["last_user"] or "never held"),
        ("freed by", lambda row: freed(row, "actor")),
        ("reason", lambda row: freed(row, "reason")),
        ("entry", lambda row: freed(row, "position")),
        ("next user", lambda row: row["next_user"]),
    ]


def _history(question: Question, rows: list[dict[str, Any]]) -> str:
    if not rows:
        return ""
    longest = max(rows, key=lambda row: row["idle_days"])
    account = as_word(question.account.key)
    return f"seat-ledger seat history '{longest['seat']}' -a {account}"


@click.command()
@option_account
@click.option(
    "--known-at",
    "known_ats",
    multiple=True,
    metavar="K",
    help="Give it twice: the two states of knowledge to compare.",
)
@options_of_counting
@printing
def compare(question: Question, known_ats: tuple[str, ...], **given: Any) -> Answer:
    """Which figures differ between two states of knowledge, and by which entries."""
    from seat_ledger.projections.billing import compare  # noqa: PLC0415

    if len(known_ats) != 2:
        raise click.UsageError("Give --known-at twice.")
    first, second = sorted(
        (question.knowledge_of(said) for said in known_ats),
        key=lambda known: known.position,
    )
    rows = compare.compare(
        question.reader,
        question.account.key,
        (first, second),
        question.now,
        wanted(given),
        priced(given),
    )
    count = {0: "No figure", 1: "1 figure"}.get(len(rows), f"{len(rows)} figures")
    verb = "differ" if len(rows) > 1 else "differs"
    return question.answer(
        rows,
        _difference_columns(rows),
        sentence=f"{count} of {question.account.key} {verb} between what was known at "
        f"position {first.position} and at {second.position}.",
        notes=[FORECAST] if any(row["forecast"] for row in rows) else [],
        next_command=_first_entry(rows),
        extra={
            "between": [
                {"position": known.position, "recorded_at": known.recorded_at}
                for known in (first, second)
            ]
        },
    )


def _difference_columns(rows: list[dict[str, Any]]) -> list[Any]:
    names = [("period", "period"), ("type", "seat_type"), ("mode", "mode")]
    names += [("by", "granularity"), ("before", "quantity_before")]
    names += [("after", "quantity_after"), ("difference", "difference")]
    if any(row["amount_difference"] for row in rows):
        names += [("amount before", "amount_before"), ("after", "amount_after")]
        names += [("difference", "amount_difference")]
    if any(row["forecast"] for row in rows):
        names += [("forecast", "forecast")]
    names += [("entries", "entries")]
    return [(title, lambda row, name=name: row[name]) for title, name in names]


def _first_entry(rows: list[dict[str, Any]]) -> str:
    entries = [entry for row in rows for entry in row["entries"]]
    return f"seat-ledger event show {entries[0]}" if entries else ""
