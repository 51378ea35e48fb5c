"""Users: added, changed, removed; and what they held."""

from __future__ import annotations

from typing import Any

import click

from seat_ledger.cli.commands.seat import history_columns
from seat_ledger.cli.commands.user_erase import erase
from seat_ledger.cli.commands.user_offboard import offboard
from seat_ledger.cli.options.session import (
    Question,
    option_account,
    option_as_of,
    option_one_account,
    reading,
)
from seat_ledger.cli.options.writing import writing
from seat_ledger.cli.output import times
from seat_ledger.cli.output.names import person_in
from seat_ledger.cli.output.render import Answer, cells
from seat_ledger.cli.output.windows import window_sentences
from seat_ledger.domain.values import as_word, parse_seat_type, shown
from seat_ledger.domain.wording import counted


@click.group(epilog="Example: seat-ledger user history ann --account acme")
def group() -> None:
    """Add, change and look at users."""


@group.command()
@click.argument("user")
@option_account
@click.option("--email", help="The e-mail address; a service needs none.")
@click.option("--name", required=True, help="The full name.")
@click.option(
    "--service",
    "kind",
    flag_value="service",
    help="It is no person: a shared mailbox, a room, a device.",
)
@click.option(
    "--super-admin", is_flag=True, default=None, help="Make the user a super admin."
)
@click.option(
    "--account-access",
    is_flag=True,
    default=None,
    help="Allow the user to manage other users.",
)
@click.option(
    "--seat",
    "seats",
    multiple=True,
    metavar="HUB/TIER",
    help="Assign a seat of this type; can be repeated.",
)
@click.option(
    "--buy-if-needed",
    is_flag=True,
    default=None,
    help="Buy seats where none is free.",
)
@writing("add_user")
def add(seats: tuple[str, ...], **fields: Any) -> dict[str, Any]:
    """Add a user under a key."""
    return {**fields, "seats": list(seats) or None}


@group.command("set-permissions")
@click.argument("user")
@option_account
@click.option(
    "--super-admin/--no-super-admin",
    default=None,
    help="Whether the user is a super admin.",
)
@click.option(
    "--account-access/--no-account-access",
    default=None,
    help="Whether the user may manage others.",
)
@writing("set_permissions")
def set_permissions(**_: Any) -> None:
    """Change what a user may do; other permissions stay as they are."""


@group.command()
@click.argument("user")
@click.argument("hub")
@option_account
@writing("grant_hub_access")
def grant(**_: Any) -> None:
    """Give a user access to a hub."""


@group.command()
@click.argument("user")
@click.argument("hub")
@option_account
@writing("revoke_hub_access")
def revoke(**_: Any) -> None:
    """Take away a user's access to a hub."""


@group.command()
@click.argument("user")
@option_account
@click.option("--key", "new_user", metavar="KEY", help="What the user is called now.")
@click.option("--email", metavar="E-MAIL", help="The new e-mail address.")
@click.option("--name", metavar="NAME", help="The new full name.")
@writing("rename_user")
def rename(**_: Any) -> None:
    """Give a user another key, e-mail or name; the person and the history stay.

    Answers name people as they are called at the moment that is asked about, histories
    say what they were called then as well. The old key and e-mail go on meaning the
    user, until somebody else has them.
    """


@group.command()
@click.argument("user")
@option_account
@writing("remove_user")
def remove(**_: Any) -> None:
    """Take a user out of the account; the history stays."""


group.add_command(offboard)
group.add_command(erase)


@group.command()
@click.argument("user")
@option_account
@option_as_of
@click.option("--with-reversed", is_flag=True, help="Include what was reversed.")
@reading
def history(question: Question, user: str, with_reversed: bool, **_: Any) -> Answer:
    """Every seat that a user held, in order, also of earlier users with that key."""
    from seat_ledger.projections import holdings  # noqa: PLC0415

    rows = holdings.user_history(question.about_ever, user, with_reversed=with_reversed)
    held = len([row for row in rows if not row["reversed"]])
    seats = counted(held, "holding")
    sentence = f"{user} of {question.account.key}: {seats}."
    return question.answer(rows, history_columns(question), sentence=sentence)


@group.command()
@click.argument("user")
@click.argument("seat_type", metavar="HUB/TIER")
@option_account
@option_as_of
@reading
def access(question: Question, user: str, seat_type: str, **_: Any) -> Answer:
    """Whether a user could use paid features at a moment, and why."""
    from seat_ledger.projections import users  # noqa: PLC0415

    row = users.access(question.about, user, parse_seat_type(seat_type))
    because, when = (
        row["because"],
        times.spelled(question.as_of, question.account.zones),
    )
    may = "could" if row["allowed"] else "could not"
    why = {
        "holds_seat": f"held {because['seat']}",
        "no_seat": "held no seat of that type",
        "no_hub_access": "had no access to the hub",
        "not_a_user": "was not a user of the account",
    }[because["code"]]
    entry = f" (entry {because['position']})" if because["position"] else ""
    sentence = f"{user} {may} use {seat_type} on {when}: {why}{entry}."
    notes = window_sentences(row["windows"], question.account.zones)
    return question.answer([row], sentence=sentence, notes=notes)


_RIGHTS = {"super_admin": "super admin", "account_access": "account access"}


def _rights(row: dict[str, Any]) -> str:
    """What a user may do, and whether it is no person."""
    rights = [text for name, text in _RIGHTS.items() if row[name]]
    return ", ".join(rights + ["service"] * (row["kind"] == "service")) or "-"


_COLUMNS: list[Any] = [
    *cells("user"),
    ("who", person_in),
    *cells("seats", "hubs"),
    ("rights", _rights),
]


@group.command("list")
@option_account
@option_as_of
@reading
def list_(question: Question, **_: Any) -> Answer:
    """Every user present at a moment."""
    from seat_ledger.projections import users  # noqa: PLC0415

    rows = users.listed(question.about)
    when = times.spelled(question.as_of, question.account.zones)
    count = counted(len(rows), "user")
    sentence = f"{question.account.key} had {count} on {when}."
    return question.answer(
        rows, _COLUMNS, sentence=sentence, notes=_uncertain(rows, question)
    )


@group.command()
@click.argument("text")
@option_one_account
@option_as_of
@reading
def find(question: Question, text: str, **_: Any) -> Answer:
    """Find users of all accounts, or of one, by a part of key, e-mail or name."""
    from seat_ledger.projections import users  # noqa: PLC0415

    within = question.account_nos
    rows = users.find(question.reader, text, question.as_of, question.knowledge, within)
    count = counted(len(rows), "user matches", "users match")
    columns = [*cells("account"), *_COLUMNS]
    return question.answer(
        rows,
        columns,
        sentence=f"{count} {shown(text)}.",
        notes=_uncertain(rows, question),
        next_command=_history_of(rows, text),
    )


def _history_of(rows: list[dict[str, Any]], text: str) -> str:
    """The command for the seats of the user who is meant, where that is one."""
    likely = [row for row in rows if text in {row["user"], row["email"]}] or rows
    if len(likely) != 1:
        return ""
    key, account = as_word(likely[0]["user"]), as_word(likely[0]["account"])
    return f"seat-ledger user history {key} --account {account}"


def _uncertain(rows: list[dict[str, Any]], question: Question) -> list[str]:
    """What the moment leaves open of who has a seat (R85)."""
    windows = [window for row in rows for window in row["windows"]]
    return window_sentences(windows, question.zones)
