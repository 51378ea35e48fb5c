"""Somebody leaves: seats, access and membership end in one step."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from seat_ledger.cli.commands.seat_handover import described
from seat_ledger.cli.options.current_state import account_at, present_user, type_of
from seat_ledger.cli.options.session import option_account
from seat_ledger.cli.options.writing import options_of_writing, record


@click.command(
    epilog="Example: seat-ledger user offboard ann --account acme --seats-to bob"
)
@click.argument("user")
@option_account
@click.option(
    "--seats-to", metavar="USER", help="Hand the seats to this user in the same step."
)
@options_of_writing
def offboard(
    user: str, account: str, *, seats_to: str | None, dry_run: bool, **shared: Any
) -> None:
    """Take a user out of an account: seats, hub access and membership end at once.

    The seats stay purchased and billed. Who the user was stays readable until 'user
    erase'.
    """
    with account_at(account, shared["effective_at"]) as about:
        leaver = present_user(about, user)
        if seats_to is not None:
            present_user(about, seats_to)
    seats, hubs = leaver["seats"], leaver["hubs"]
    lines: list[dict[str, Any]] = [
        {"op": "unassign_seat", "user": user, "seat_type": type_of(seat)}
        for seat in seats
    ]
    lines += [{"op": "revoke_hub_access", "user": user, "hub": hub} for hub in hubs]
    lines.append({"op": "remove_user", "user": user})
    if seats_to is not None:
        lines += [
            {
                "op": "assign_seat",
                "user": seats_to,
                "seat_type": type_of(seat),
                "seat": seat,
            }
            for seat in seats
        ]
    command = {"op": "batch", "account": account, "commands": lines, **shared}
    sentence = _in_words(user, account, seats, seats_to)
    described_so = partial(described, sentence)
    record(command, dry_run, describe=described_so, is_from_state=True)


def _in_words(user: str, account: str, seats: list[str], seats_to: str | None) -> str:
    """What becomes of the seats."""
    if not seats:
        return f"{user} leaves {account}; no seat is freed"
    verb = "is" if len(seats) == 1 else "are"
    what = f"goes to {seats_to}" if len(seats) == 1 else f"go to {seats_to}"
    what = f"{verb} free" if seats_to is None else what
    return f"{user} leaves {account}; {', '.join(seats)} {what}"
