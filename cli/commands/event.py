"""The journal: what was recorded, replayed, reversed."""

from __future__ import annotations

from typing import Any

import click

from seat_ledger.cli.options.session import (
    COUNT,
    POSITION,
    Question,
    option_account,
    option_one_account,
    reading,
    reading_of_accounts,
)
from seat_ledger.cli.options.writing import writing
from seat_ledger.cli.output import times
from seat_ledger.cli.output.render import RECORD, Answer, cells


@click.group(epilog="Example: seat-ledger event list --account acme --late")
def group() -> None:
    """The journal; reversals."""


@group.command()
@click.argument("entry", type=POSITION, required=False)
@click.option(
    "--key",
    "entry_key",
    metavar="KEY",
    help="Reverse everything that the command with this idempotency key recorded.",
)
@option_account
@writing("reverse")
def reverse(**_: Any) -> None:
    """Reverse an entry, as if it had never been recorded; needs --reason."""


_COLUMNS: list[Any] = [
    *cells("entry=position", "recorded=recorded_at", "effective=effective_at"),
    *cells("event", "account", "user", "seat", "by=actor", "reason", "reversed_by"),
]


@group.command("list")
@option_one_account
@click.option(
    "--from-position", type=POSITION, metavar="N", help="Start at this position."
)
@click.option(
    "--until-position", type=POSITION, metavar="N", help="Up to this position."
)
@click.option("--limit", type=COUNT, metavar="N", help="At most N events.")
@click.option(
    "--late",
    is_flag=True,
    help="Only events recorded after something with a later effective time.",
)
@reading
def list_(question: Question, account: str | None, **filters: Any) -> Answer:
    """Events in the order of recording."""
    from seat_ledger.projections import journal  # noqa: PLC0415

    filters.pop("known_at")
    facts = question.account if account else None
    rows = journal.listed(question.reader, question.knowledge, account=facts, **filters)
    which = "Late events" if filters["late"] else "Events"
    of = f" of {account}" if account else ""
    sentence = f"{which}{of}, in the order of recording."
    return question.answer(rows, _COLUMNS, sentence=sentence)


@group.command()
@click.argument("position", type=POSITION)
@reading_of_accounts
def show(question: Question, position: int, **_: Any) -> Answer:
    """One event, with both clocks, its data, and what reversed it."""
    from seat_ledger.projections import journal  # noqa: PLC0415

    row = journal.show(question.reader, position, question.knowledge)
    question.is_about([row["account"]])
    shown = cells("event", "account", "effective=effective_at", "recorded=recorded_at")
    shown += cells("by=actor", "reason", "user", "seat", "reversed_by")
    lines = [*((title, value(row)) for title, value in shown), *row["data"].items()]
    return question.answer(
        [row],
        RECORD,
        sentence=f"Entry {position}: {row['event']}.",
        in_table=[line for line in lines if line[1] is not None],
    )


@group.command()
@option_account
@click.option("--until", metavar="K", help="Stop at this position or moment.")
@click.option(
    "--order",
    type=click.Choice(["position", "effective"]),
    default="position",
    show_default=True,
    help="Sort by position (order of recording) or by effective time.",
)
@reading
def replay(question: Question, until: str | None, order: str, **_: Any) -> Answer:
    """Events one by one, with the totals as of each, as known after it."""
    from seat_ledger.projections import journal  # noqa: PLC0415

    knowledge = question.knowledge
    if until is not None:
        zones = question.account.zones
        knowledge = question.reader.knowledge(
            times.knowledge(until, zones, question.now)
        )
    rows = journal.replay(question.reader, question.account, knowledge, order)
    columns = [
        *_COLUMNS[:-2],
        (
            "assigned of purchased",
            lambda row: ", ".join(
                f"{total['assigned']}/{total['purchased']} {total['seat_type']}"
                for total in row["totals"]
            ),
        ),
    ]
    by = "recording" if order == "position" else "application"
    sentence = (
        f"Events of {question.account.key} in the order of {by}, each with the totals "
        "as known after it."
    )
    return question.answer(rows, columns, sentence=sentence)
