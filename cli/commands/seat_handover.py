"""A seat handed to another user, or another tier for one user: one step each."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from seat_ledger.cli.options.current_state import account_at, present_user, type_of
from seat_ledger.cli.options.session import option_account
from seat_ledger.cli.options.writing import options_of_writing, record, recorded_answer
from seat_ledger.domain.values import as_word, hub_of, parse_seat_type
from seat_ledger.errors import CommandRefused

if TYPE_CHECKING:
    from seat_ledger.cli.output.render import Answer
    from seat_ledger.commands.service import Result
    from seat_ledger.domain.calendar import ZoneHistory


@click.command(epilog="Example: seat-ledger seat move ann bob --account acme")
@click.argument("user")
@click.argument("to")
@click.argument("seat_type", metavar="[HUB/TIER]", required=False)
@option_account
@options_of_writing
def move(
    user: str, to: str, seat_type: str | None, account: str, **options: Any
) -> None:
    """Hand a user's seat to another user; HUB/TIER only if the user has several.

    One step: the seat is never free in between, and stays the same seat.
    """
    with account_at(account, options["effective_at"]) as about:
        held = present_user(about, user)["seats"]
        seat = _chosen(held, user, account, seat_type)
        present_user(about, to)
    named = {"seat_type": type_of(seat)}
    lines = [
        {"op": "unassign_seat", "user": user, **named},
        {"op": "assign_seat", "user": to, **named, "seat": seat},
    ]
    _record(lines, account, options, f"{seat} of {account} goes from {user} to {to}")


@click.command(
    epilog="Example: seat-ledger seat upgrade ann sales/enterprise --account acme"
)
@click.argument("user")
@click.argument("seat_type", metavar="HUB/TIER")
@option_account
@click.option(
    "--from",
    "from_type",
    metavar="HUB/TIER",
    help="The type to give up, if the user has several of the hub.",
)
@click.option(
    "--buy-if-needed", is_flag=True, default=None, help="Buy a seat if none is free."
)
@options_of_writing
def upgrade(
    user: str,
    seat_type: str,
    account: str,
    *,
    from_type: str | None,
    buy_if_needed: bool | None,
    **options: Any,
) -> None:
    """Exchange a user's seat for another tier of its hub, higher or lower.

    One step: the user never has both, nor neither.
    """
    wished = str(parse_seat_type(seat_type))
    with account_at(account, options["effective_at"]) as about:
        seats = present_user(about, user)["seats"]
    of_hub = [seat for seat in seats if hub_of(seat) == hub_of(wished)]
    if wished in map(type_of, of_hub):
        raise CommandRefused("nothing_to_do", f"{user} already has a seat of {wished}.")
    seat = _chosen(of_hub, user, account, from_type)
    assignment: dict[str, Any] = {"seat_type": wished}
    if buy_if_needed:
        assignment["buy_if_needed"] = True
    lines = [
        {"op": "unassign_seat", "user": user, "seat_type": type_of(seat)},
        {"op": "assign_seat", "user": user, **assignment},
    ]
    _record(lines, account, options, f"{user} of {account} gets {wished} for {seat}")


def _chosen(seats: list[str], user: str, account: str, seat_type: str | None) -> str:
    """The one seat that is meant. Raises CommandRefused and UsageError."""
    if seat_type is not None:
        name = str(parse_seat_type(seat_type))
        seats = [seat for seat in seats if type_of(seat) == name]
    if not seats:
        which = f"seat of {seat_type}" if seat_type else "such seat"
        raise CommandRefused(
            "no_seat_held",
            f"{user} holds no {which} in {account} then.",
            try_=f"seat-ledger user history {as_word(user)} --account "
            f"{as_word(account)}",
        )
    if len(seats) > 1:
        raise click.UsageError(
            f"{user} holds {', '.join(seats)}: name the type that is meant."
        )
    return seats[0]


def _record(
    lines: list[dict[str, Any]], account: str, options: dict[str, Any], sentence: str
) -> None:
    dry_run = options.pop("dry_run")
    command = {"op": "batch", "account": account, "commands": lines, **options}
    described_so = partial(described, sentence)
    record(command, dry_run, describe=described_so, is_from_state=True)


def described(
    sentence: str,
    command: dict[str, Any],
    result: Result,
    dry_run: bool,
    zones: ZoneHistory,
) -> Answer:
    """What was recorded, with what it means as the first sentence."""
    answer = recorded_answer(command, result, dry_run, zones)
    answer.sentence = f"{sentence}. {answer.sentence}"
    return answer
