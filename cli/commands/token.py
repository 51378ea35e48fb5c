"""Tokens of programs that call the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seat_ledger.cli.options.session import (
    current_session,
    options_of_answering,
    options_of_listing,
)
from seat_ledger.cli.output import times
from seat_ledger.cli.output.printing import emit
from seat_ledger.cli.output.render import Answer, cells
from seat_ledger.domain.moments import parse_moment
from seat_ledger.domain.values import check_key, iso, shown
from seat_ledger.domain.wording import counted
from seat_ledger.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from seat_ledger.projections.reader import ConnectedReader
    from seat_ledger.store.tokens import ListedToken


@click.group(
    epilog="Example: seat-ledger token create --actor system:payroll --role reader"
)
def group() -> None:
    """Tokens of programs that call the API."""


@group.command()
@click.option(
    "--actor",
    required=True,
    metavar="WHO",
    help="The actor it acts as, system:NAME; what it records has this actor.",
)
@click.option(
    "--role",
    required=True,
    type=click.Choice(["reader", "writer"]),
    help="Whether it may only ask questions, or also record commands.",
)
@click.option(
    "--account",
    "-a",
    "accounts",
    multiple=True,
    metavar="KEY",
    help="Only this account; can be repeated. Other accounts are invisible to it.",
)
@click.option("--ends", metavar="T", help="The moment at which it stops working.")
@options_of_answering
def create(actor: str, role: str, accounts: tuple[str, ...], ends: str | None) -> None:
    """Create a token, and show it once: only a digest of it is kept.

    Needs the rights of the owner of the ledger's tables.
    """
    from seat_ledger.store import tokens  # noqa: PLC0415

    for account in accounts:
        check_key(account, "account")
    conninfo = current_session().ready()
    with current_session().reader() as reader:
        now = reader.database_now()
        missing = _not_opened(reader, accounts)
    ends_at = None if ends is None else parse_moment(ends, times.UTC_ZONES, now)
    if ends_at is not None and ends_at <= now:
        raise InvalidInput(f"--ends {iso(ends_at)} is over already.")
    token_id, token = tokens.create(
        conninfo,
        actor,
        may_write=role == "writer",
        accounts=accounts or None,
        ends_at=ends_at,
    )
    row = {
        "token_id": token_id,
        "token": token,
        "actor": actor,
        "role": role,
        "accounts": list(accounts) or None,
        "ends_at": ends_at,
    }
    emit(
        Answer(
            [row],
            cells("token_id", "token"),
            sentence=f"A token that acts as {actor}, {_may(role, accounts)}.",
            notes=[
                "Keep it now: it is not shown again. Send it as "
                "'Authorization: Bearer TOKEN', over TLS alone.",
                *(f"There is no account {shown(account)} yet." for account in missing),
            ],
            next_command="seat-ledger serve --api",
        )
    )


def _not_opened(reader: ConnectedReader, accounts: tuple[str, ...]) -> list[str]:
    """Those accounts that were never opened: a slip, or they are still to come."""
    missing = []
    for account in accounts:
        try:
            reader.account(account, reader.knowledge())
        except NotFound:
            missing.append(account)
    return missing


def _may(role: str, accounts: tuple[str, ...]) -> str:
    may = "may ask and record" if role == "writer" else "may ask"
    which = f"in {', '.join(accounts)}" if accounts else "in every account"
    return f"{may} {which}"


_COLUMNS = cells(
    *("token_id", "actor", "role", "accounts", "created_at", "created_by", "ends_at"),
    "state",
)


@group.command("list")
@options_of_listing
def list_() -> None:
    """List the tokens, what they may do, and whether they still work."""
    from seat_ledger.store import tokens  # noqa: PLC0415

    stored = tokens.listed(current_session().ready())
    rows = [
        {
            "token_id": token.token_id,
            "actor": token.actor,
            "role": "writer" if token.may_write else "reader",
            "accounts": None if token.accounts is None else list(token.accounts),
            "created_at": token.created_at,
            "created_by": token.created_by,
            "ends_at": token.ends_at,
            "revoked_at": token.revoked_at,
            "state": _state(token),
        }
        for token in stored
    ]
    working = sum(1 for row in rows if row["state"] == "works")
    sentence = f"{counted(len(rows), 'token')}, {working} of them working."
    emit(Answer(rows, _COLUMNS, sentence=sentence))


def _state(token: ListedToken) -> str:
    if token.revoked_at is not None:
        return "revoked"
    return "works" if token.works else "ended"


@group.command()
@click.argument("token_id", metavar="ID")
@options_of_answering
def revoke(token_id: str) -> None:
    """Revoke a token; a running server stops accepting it within two seconds."""
    from seat_ledger.store import tokens  # noqa: PLC0415

    did = tokens.revoke(current_session().ready(), token_id)
    verb = "works no longer" if did else "was revoked before"
    row = {"token_id": token_id, "revoked": did}
    emit(Answer([row], cells("token_id", "revoked"), sentence=f"{token_id} {verb}."))
