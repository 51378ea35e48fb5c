"""The catalogue: which seat types there are."""

from __future__ import annotations

from typing import Any

import click

from seat_ledger.cli.options.session import Question, reading_of_accounts
from seat_ledger.cli.options.writing import writing
from seat_ledger.cli.output.render import Answer, cells
from seat_ledger.domain.wording import counted


@click.group(epilog="Example: seat-ledger catalogue add copilot/business")
def group() -> None:
    """Look at the seat types that can be bought; add and withdraw them."""


@group.command("list", epilog="Example: seat-ledger catalogue list")
@reading_of_accounts
def list_(question: Question, **_: Any) -> Answer:
    """The seat types of the ledger, offered or withdrawn."""
    from seat_ledger.projections import catalogue  # noqa: PLC0415

    rows = catalogue.listed(question.reader, question.knowledge)
    columns = [
        *cells("seat_type"),
        ("seats a user", lambda row: _SEATS_A_USER[row["exclusive"]]),
    ]
    if any(row["position"] for row in rows) or not rows:
        columns += cells("state", "since=effective_at", "actor", "reason")
    count = counted(len(rows), "seat type")
    past = sum(1 for row in rows if row["state"] == "withdrawn")
    withdrawn = f", {past} of them withdrawn" if past else ""
    return question.answer(rows, columns, sentence=f"{count}{withdrawn}.")


_SEATS_A_USER = {True: "one in the hub", False: "one of each tier"}


@group.command(epilog="Example: seat-ledger catalogue add copilot/business")
@click.argument("seat_type", metavar="HUB/TIER")
@click.option(
    "--not-exclusive",
    is_flag=True,
    help="A user may hold one seat in each of the hub's tiers, not just in one.",
)
@writing("add_seat_type")
def add(seat_type: str, *, not_exclusive: bool) -> dict[str, Any]:
    """Add a seat type, or offer a withdrawn one again.

    The first type of a hub fixes how many of its seats a user may hold at once.
    """
    return {"seat_type": seat_type, "exclusive": False if not_exclusive else None}


@group.command(epilog="Example: seat-ledger catalogue withdraw sales/starter")
@click.argument("seat_type", metavar="HUB/TIER")
@writing("withdraw_seat_type")
def withdraw(**_: Any) -> None:
    """Stop offering a seat type. Seats already bought run on."""
