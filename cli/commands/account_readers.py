"""Who may read single accounts of the database, and nothing of the others."""

from __future__ import annotations

from typing import Any

import click

from seat_ledger.cli.options.session import (
    current_session,
    option_account,
    option_one_account,
    options_of_answering,
    options_of_listing,
)
from seat_ledger.cli.output.printing import emit
from seat_ledger.cli.output.render import Answer, cells, harmless
from seat_ledger.domain.wording import counted
from seat_ledger.store import account_readers


@click.command("let-read")
@click.argument("login")
@option_account
@options_of_answering
def let_read(login: str, account: str) -> None:
    """Allow a database login to read this account and no other.

    LOGIN is an existing login or role of the server. It is granted the role
    seat_ledger_account_reader, and can use the reading commands and the views of the
    schema projection_own. Needs the rights of the owner of the ledger's tables.
    """
    grant = account_readers.let_read(current_session().ready(), login, account)
    may = "may read" if grant.is_new else "could already read"
    notes = []
    if grant.sees_all:
        notes.append(
            f"{harmless(login)} sees every account anyway: it is a superuser, "
            "bypasses row-level security, or is a member of a role that does."
        )
    if not grant.can_be_queried:
        notes.append(
            "The tables were built by an earlier version, so there is nothing to read "
            "yet: seat-ledger projection rebuild"
        )
    row = {"login": login, "account": account, "is_new": grant.is_new}
    sentence = f"{harmless(login)} {may} {harmless(account)}."
    answer = Answer([row], sentence=sentence, notes=notes, columns=_COLUMNS[:2])
    emit(answer)


@click.command("stop-reading")
@click.argument("login")
@option_account
@options_of_answering
def stop_reading(login: str, account: str) -> None:
    """Stop a login from reading this account, in open sessions too."""
    could = account_readers.stop_reading(current_session().ready(), login, account)
    row = {"login": login, "account": account, "could": could}
    no_longer = "may no longer read" if could else "had no permission to read"
    sentence = f"{harmless(login)} {no_longer} {harmless(account)}."
    emit(Answer([row], sentence=sentence, columns=_COLUMNS[:2]))


@click.command()
@option_one_account
@options_of_listing
def readers(account: str | None) -> None:
    """List the logins that may read single accounts, since when, and who allowed it."""
    grants = account_readers.granted(current_session().ready(), account)
    rows = [grant._asdict() for grant in grants]
    lost = [grant.login for grant in grants if not grant.works]
    notes = []
    if lost:
        notes.append(
            "Grants whose login or role no longer exists, to be revoked: "
            f"{', '.join(lost)}. A new login with the same name would be able to read "
            "again."
        )
    answer = Answer(
        rows, _COLUMNS, sentence=f"{counted(len(rows), 'grant')}.", notes=notes
    )
    emit(answer)


_COLUMNS: list[Any] = cells("login", "account", "granted_at", "granted_by")
