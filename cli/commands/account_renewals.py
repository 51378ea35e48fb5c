"""Renewals that come, and what to give up at them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seat_ledger.cli.options.counting import (
    option_currency,
    option_price_file,
    option_typed_prices,
    unit_prices,
)
from seat_ledger.cli.options.session import (
    COUNT,
    FilePath,
    Question,
    option_as_of,
    option_one_account,
    reading,
)
from seat_ledger.cli.output import times
from seat_ledger.cli.output.calendar_file import DayEntry, calendar_text
from seat_ledger.cli.output.files import check_target, write_whole
from seat_ledger.cli.output.render import Answer, cells, print_message
from seat_ledger.cli.output.windows import between_columns
from seat_ledger.domain.calendar import local_date
from seat_ledger.domain.moments import parse_ahead
from seat_ledger.domain.values import account_id, as_word
from seat_ledger.domain.wording import counted

if TYPE_CHECKING:
    from seat_ledger.domain.calendar import ZoneHistory
    from seat_ledger.projections.reader import AccountQuestion

_REMIND = (30, 7)
"""How many days before a renewal a calendar reminds of it."""


@click.command(epilog="Example: seat-ledger account renewals --within 90d")
@option_one_account
@click.option(
    "--within",
    metavar="LENGTH",
    help="Only renewals within this time: 90d, 6w, 3mo or 1y.",
)
@click.option(
    "--calendar",
    type=FilePath(dir_okay=False, path_type=Path),
    metavar="FILE.ics",
    help="Write them to an iCalendar file as well, with reminders.",
)
@option_typed_prices
@option_price_file
@option_currency
@option_as_of
@reading
def renewals(
    question: Question, within: str | None, calendar: Path | None, **options: Any
) -> Answer:
    """When contracts renew, the next first, how many seats, and at what cost.

    What is to be given up has to be asked for before the renewal's instant.
    """
    from seat_ledger.projections import accounts  # noqa: PLC0415
    from seat_ledger.projections.accounts import renewal_cost  # noqa: PLC0415
    from seat_ledger.projections.billing.totals import added  # noqa: PLC0415

    if calendar is not None:
        check_target(calendar, "A calendar", ".ics")
    today = local_date(question.as_of, question.zones.at(question.as_of))
    last = parse_ahead(within, today) if within else None
    renewing = accounts.renewing(_every(question), last)
    rows = renewal_cost.renewals(renewing, unit_prices(options))
    if calendar is not None:
        stamp = question.knowledge.recorded_at or question.now
        write_whole(calendar, calendar_text(map(_entry, rows), stamp))
        print_message(f"{calendar}: {counted(len(rows), 'renewal')}.")
    lines = [line for row in rows for line in row["renewal_lines"]]
    totals = added(lines, "amount")
    is_short = any(row["not_priced"] for row in rows)
    columns = [
        *cells(*([] if question.options["account"] else ["account"]), "date"),
        *cells("in days=in_days"),
        *(cells("due=renewal_due") if any(row["renewal_due"] for row in rows) else []),
        *cells("to renew=to_renew", "unused=available"),
        *between_columns(rows, "assigned"),
        *cells(*(["unit price=unit_price", "amount"] if totals else [])),
        *cells(*(["currency"] if len(totals) > 1 else [])),
        *cells(*(["not priced=not_priced"] if totals and is_short else [])),
    ]
    when = f" within {within}" if within else ""
    return question.answer(
        rows,
        columns,
        sentence=_renew(rows, when) + _term_cost(rows),
        notes=_renewal_notes(rows, lines),
        extra={"totals": totals},
        next_command=f"seat-ledger account advise --account "
        f"{as_word(rows[0]['account'])}"
        if rows
        else "",
    )


def _every(question: Question) -> list[AccountQuestion]:
    """The accounts that are asked about, as they are at the moment."""
    from seat_ledger.projections.reader import AccountQuestion  # noqa: PLC0415

    reader, known_at = question.reader, question.knowledge
    if question.options["account"]:
        return [question.about] if question.account.is_known else []
    return [
        AccountQuestion(reader, account, known_at, question.as_of)
        for account in reader.accounts(known_at)
        if account.opened_at <= question.as_of
    ]


def _renew(rows: list[dict[str, Any]], when: str) -> str:
    """How many contracts renew, and how many seats nobody holds."""
    if not rows:
        return f"No contract renews{when}."
    renew = counted(len(rows), "contract renews", "contracts renew")
    seats = counted(sum(row["to_renew"] for row in rows), "seat")
    unused = sum(row["available"] - row["pending_reduction"] for row in rows)
    without = f"; nobody holds {unused:,} of them" if unused > 0 else ""
    return f"{renew}{when}, with {seats}{without}."


def _term_cost(rows: list[dict[str, Any]]) -> str:
    """What the next terms come to, and how many seats have no price (R93)."""
    from seat_ledger.projections.billing.idle_cost import sums_of  # noqa: PLC0415

    lines = [line for row in rows for line in row["renewal_lines"]]
    if not (sums := sums_of(lines, "amount")):
        return ""
    unpriced = sum(row["not_priced"] for row in rows)
    without = f"; {counted(unpriced, 'seat')} not priced" if unpriced else ""
    term = "The next term costs" if len(rows) == 1 else "Their next terms cost"
    return f" {term} {sums}{without}."


def _renewal_notes(
    rows: list[dict[str, Any]], lines: list[dict[str, Any]]
) -> Iterator[str]:
    """How an amount comes about, line by line where it is one account's (R91)."""
    if not any(line["amount"] is not None for line in lines):
        if lines:
            yield "Without prices nothing is said of money: seat-ledger price list."
        return
    for line in lines if len(rows) == 1 else ():
        yield f"{_line_in_words(line)}."
    yield (
        "Amount: the seats to renew for each period of the next term, at the price in "
        "force at its start."
    )


def _line_in_words(line: dict[str, Any]) -> str:
    """The seats of a type in the next term, and what they cost."""
    seats = f"{line['seat_type']}: {counted(line['to_renew'], 'seat')}"
    if line["amount"] is None:
        return f"{seats} not priced"
    code = f" {line['currency']}" if line["currency"] else ""
    return (
        f"{seats} at {line['unit_price']}{code} for "
        f"{counted(line['periods'], 'period')} from {line['period']}: "
        f"{line['amount']}{code}"
    )


def _entry(row: dict[str, Any]) -> DayEntry:
    unused = row["available"]
    held = f"{row['assigned']} of {counted(row['purchased'], 'seat')} held"
    retired = row["pending_reduction"]
    return DayEntry(
        uid=f"{account_id(row['account'])}-{row['renewal']}@seat-ledger",
        day=row["date"],
        summary=f"{row['account']}: renewal {row['renewal']}, "
        f"{counted(unused, 'seat')} unused",
        description=f"{row['name']}: {held}, {unused} unused, {retired} to be retired."
        f"{_term_cost([row])} "
        f"Until then: seat-ledger account advise --account {as_word(row['account'])}",
        remind_before=_REMIND,
    )


@click.command(
    epilog="Example: seat-ledger account advise -a acme "
    "--unit-price sales/professional=90.00 --currency EUR"
)
@option_one_account
@click.option(
    "--idle-for",
    "idle_days",
    type=COUNT,
    default=30,
    show_default=True,
    metavar="DAYS",
    help="Only seats that nobody has needed for this many days.",
)
@option_typed_prices
@option_price_file
@option_currency
@option_as_of
@reading
def advise(question: Question, idle_days: int, **options: Any) -> Answer:
    """Which seats to give up, by when, and what that saves.

    A seat can go at a renewal, if it is asked for before. The most seats that were held
    at once in the days before are kept.
    """
    from seat_ledger.projections.accounts import advice  # noqa: PLC0415
    from seat_ledger.projections.billing.totals import added  # noqa: PLC0415

    how = unit_prices(options)
    every = _every(question)
    zones = {about.account.key: about.account.zones for about in every}
    rows = [row for about in every for row in advice.advised(about, how, idle_days)]
    columns = [
        *([] if question.options["account"] else cells("account")),
        *cells("type=seat_type", "purchased", "assigned"),
        *between_columns(rows, "assigned"),
        *cells("most held=most_held"),
        *between_columns(rows, "most_held"),
        *cells("to be retired=pending_reduction", "reduce by=reduce_by"),
        *between_columns(rows, "reduce_by"),
        *cells("renewal"),
    ]
    if any(row["unit_price"] for row in rows):
        columns += cells("until renewal=amount_until_renewal")
        columns += cells("saved a period=saved_per_period", "a term=saved_per_term")
    to_give = [row for row in rows if row["reduce_by"]]
    notes = [
        f"Most held: at once, in the {counted(idle_days, 'day')} before; so many are "
        "kept.",
        *_open(rows),
        *_priced(rows),
    ]
    return question.answer(
        rows,
        columns,
        sentence=_advice(to_give, zones),
        notes=notes,
        next_command=_reduce(to_give),
        extra={"totals": added(rows, *_MONEY)},
    )


_MONEY = ("amount_until_renewal", "saved_per_period", "saved_per_term")


def _open(rows: list[dict[str, Any]]) -> Iterator[str]:
    """What lists leave open of how many were needed (R85)."""
    for row in rows:
        if row["reduce_by_least"] < row["reduce_by"]:
            yield (
                f"{row['seat_type']}: by what lists leave open, "
                f"{row['most_held_most']} may have been held at once; only "
                f"{counted(row['reduce_by_least'], 'is', 'are')} surely not needed."
            )


def _priced(rows: list[dict[str, Any]]) -> list[str]:
    if not any(row["unit_price"] for row in rows):
        return ["Without prices nothing is said of money: seat-ledger price list."]
    notes = [
        "Until renewal: what the seats that nobody holds cost whatever is done. Saved: "
        "at the price of one seat and one whole period."
    ]
    other = [row["seat_type"] for row in rows if not row["unit_price"]]
    if other:
        notes.append(f"Not priced: {', '.join(dict.fromkeys(other))}.")
    return notes


def _advice(rows: list[dict[str, Any]], zones: Mapping[str, ZoneHistory]) -> str:
    """What can be given up, by when, and what that saves in all."""
    if not rows:
        return "There is nothing to give up."
    count = counted(sum(row["reduce_by"] for row in rows), "seat")
    accounts = dict.fromkeys(row["account"] for row in rows)
    first = min(rows, key=lambda row: row["reduce_before"])
    where = (
        next(iter(accounts))
        if len(accounts) == 1
        else counted(len(accounts), "account")
    )
    before = times.spelled(first["reduce_before"], zones[first["account"]])
    by = f"before {before}" if len(accounts) == 1 else f"the first before {before}"
    return f"{where} can give up {count}, {by}.{_saving(rows)}"


def _saving(rows: list[dict[str, Any]]) -> str:
    from seat_ledger.projections.billing.idle_cost import sums_of  # noqa: PLC0415

    priced = [row for row in rows if row["saved_per_term"] is not None]
    if not priced:
        return " What that saves is not known: they are not priced."
    others = [row for row in rows if row["saved_per_term"] is None]
    without = ""
    if others:
        count = counted(sum(row["reduce_by"] for row in others), "seat")
        types = ", ".join(dict.fromkeys(row["seat_type"] for row in others))
        without = f"; {count} of them not priced ({types})"
    return (
        f" That saves {sums_of(priced, 'saved_per_period')} a period, "
        f"{sums_of(priced, 'saved_per_term')} a term{without}."
    )


def _reduce(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return ""
    most = max(rows, key=lambda row: row["reduce_by"])
    return (
        f"seat-ledger seat reduce {most['seat_type']} {most['reduce_by']} "
        f"--account {as_word(most['account'])}"
    )
