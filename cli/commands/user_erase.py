"""A person erased: who it was can be read nowhere any more, and no figure changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from seat_ledger.cli.options.session import (
    Session,
    confirm,
    current_session,
    default_actor,
    option_account,
)
from seat_ledger.cli.options.writing import (
    clock_of,
    options_of_writing,
    recorded_answer,
    take_back,
)
from seat_ledger.cli.output.printing import emit
from seat_ledger.cli.output.render import harmless
from seat_ledger.cli.output.times import clock, local
from seat_ledger.errors import LedgerError

if TYPE_CHECKING:
    from seat_ledger.commands.service import CommandService, Result


@click.command()
@click.argument("user")
@option_account
@click.option("--yes", is_flag=True, help="Do not ask.")
@options_of_writing
def erase(user: str, account: str, yes: bool, dry_run: bool, **shared: Any) -> None:
    """Erase a user's identity permanently; USER is a key, an e-mail or an id.

    Destroys the key that encrypts key, e-mail and name. The person appears as erased-…
    everywhere; counts, intervals and invoices stay as they are. Needs --reason, and a
    user who holds no seat. See 'seat-ledger help erasure'.
    """
    command = {"op": "erase_user", "account": account, "user": user, **shared}
    command = {name: value for name, value in command.items() if value is not None}
    session = current_session()
    with session.ledger() as ledger:
        actor = default_actor()
        meant = command
        if not yes and not dry_run:
            trial = ledger.execute(command, dry_run=True, default_actor=actor)
            _confirm(session, account, user)
            # Somebody else may be called so while the question waits for its answer.
            ids = [str(recorded.event.originator_id) for recorded in trial.events]
            meant = {**command, "user": ids[0]} if ids else command
        result = ledger.execute(meant, dry_run=dry_run, default_actor=actor)
        zones = clock_of(ledger, account, result, load=True)
        failed: Exception | None = None
        notes: list[str] = []
        if not dry_run:
            try:
                notes = [*take_back(ledger, command, result)]
                notes += _afterwards(session, ledger, result)
            except Exception as error:  # noqa: BLE001  the erasure itself is recorded
                failed = _unfinished(session, error)
    answer = recorded_answer(command, result, dry_run, zones)
    if not dry_run:
        answer.sentence = _sentence(account, result)
        answer.extra["erased"] = result.erased
    answer.notes = [*answer.notes, *notes]
    emit(answer)
    if failed is not None:
        raise failed


def _unfinished(session: Session, error: Exception) -> Exception:
    """What to say where the erasure is recorded, and what follows on it failed."""
    from seat_ledger.store.connection import explained  # noqa: PLC0415

    failed = error if isinstance(error, LedgerError) else None
    failed = failed or explained(session.address, error)
    if failed is None:
        return error
    failed.message = (
        "The erasure is recorded and the key destroyed, but the projections may still "
        f"contain the person: {failed.message}"
    )
    failed.try_ = (
        f"{failed.try_}; then erase again, which completes it"
        if failed.try_
        else "once the cause is gone, erase again: that completes it"
    )
    return failed


def _confirm(session: Session, account: str, user: str) -> None:
    """Ask on stderr whether it is meant; raise InvalidInput or CommandRefused."""
    for line in _who(session, account, user):
        click.echo(line, err=True)
    confirm(
        f"Erase {harmless(user)} of {harmless(account)}? This cannot be undone",
        "erased",
    )


def _who(session: Session, account: str, user: str) -> list[str]:
    """Everybody who was ever called so, by id; nothing where no table can say it."""
    from seat_ledger.projections import users  # noqa: PLC0415
    from seat_ledger.projections.reader import AccountQuestion  # noqa: PLC0415

    try:
        with session.reader() as reader:
            knowledge = reader.knowledge()
            facts = reader.account(account, knowledge)
            rows = users.ever_called(AccountQuestion(reader, facts, knowledge), user)
    except LedgerError:
        return []
    lines = [
        f"  {row['id']}  {row['name']} <{row['email']}>  from "
        f"{local(row['added_at'], facts.zones)} to "
        f"{local(row['removed_at'], facts.zones)}"
        for row in rows
    ]
    if lines:
        lines.append(f"  {clock(facts.zones)}")
    if len(rows) > 1:
        lines.append("The last of them will be erased; name another one by its id.")
    return [harmless(line) for line in lines]


def _afterwards(session: Session, ledger: CommandService, result: Result) -> list[str]:
    """Take the person out of the tables too, and say what could not be destroyed."""
    from seat_ledger.projections.engine import installation  # noqa: PLC0415

    notes = []
    forgotten = installation.forget(session.conninfo())
    if not forgotten.tables:
        notes.append(
            "The projections contain the person until a login that may write catches "
            "up: seat-ledger projection run"
        )
    elif not (forgotten.files and result.cleared):
        notes.append(
            "A table is locked, so old pages of its file still contain the person; "
            "erase again once it is free."
        )
    for recorded in result.events:
        plain = ledger.plain_entry(recorded.event.originator_id)
        if plain is not None:
            notes.append(
                f"Entry {plain} is of a version in plain text: the stored event "
                "still holds key, e-mail and name, which no answer shows."
            )
    notes.append(
        "Backups made before this still contain the key. See 'seat-ledger help "
        "erasure'."
    )
    return notes


def _sentence(account: str, result: Result) -> str:
    if not result.events or result.repeated:
        return f"Already erased in {account}: {result.erased}."
    return f"Erased: this user of {account} reads as {result.erased} from now on."
