"""Accounts: opened, renewed, moved to another zone; and what they have."""

from __future__ import annotations

from collections import Counter
from typing import Any

import click

from seat_ledger.cli.commands import account_readers
from seat_ledger.cli.commands.account_attention import attention
from seat_ledger.cli.commands.account_renewals import advise, renewals
from seat_ledger.cli.options import completing
from seat_ledger.cli.options.naming_accounts import (
    AccountArgument,
    AccountOption,
    accept_either_way,
)
from seat_ledger.cli.options.session import (
    Question,
    current_session,
    default_actor,
    option_account,
    option_as_of,
    reading,
)
from seat_ledger.cli.options.writing import (
    accounts_alike,
    look_alike,
    one_of_several,
    options_of_writing,
    record,
    records,
    writing,
)
from seat_ledger.cli.output import times
from seat_ledger.cli.output.csv_headers import RENEWED
from seat_ledger.cli.output.printing import emit
from seat_ledger.cli.output.render import Answer, cells, print_message
from seat_ledger.cli.output.windows import between_columns, window_sentences
from seat_ledger.domain.counting_rules import GRANULARITIES, MODES
from seat_ledger.domain.wording import counted
from seat_ledger.errors import CommandRefused, Conflict


@click.group(epilog="Example: seat-ledger account show acme")
def group() -> None:
    """Open, renew and look at accounts."""


@group.command("open")
@click.argument("account", cls=AccountArgument)
@click.option("--name", required=True, help="The customer's name.")
@click.option(
    "--time-zone",
    required=True,
    metavar="ZONE",
    shell_complete=completing.time_zones,
    help="An IANA time zone.",
)
@click.option(
    "--term-start",
    required=True,
    metavar="DATE",
    help="The first date of the first term.",
)
@click.option(
    "--term-months",
    required=True,
    type=int,
    help="The length of a term in months, 1 to 240.",
)
@click.option(
    "--billing-cycle-months",
    required=True,
    type=int,
    help="Months between invoices, 1 to 120.",
)
@writing("open_account")
def open_(account: str, **_: Any) -> None:
    """Open an account under a key."""
    for other in accounts_alike(account):
        print_message(look_alike(account, other))


@group.command("set-time-zone")
@click.argument("time_zone", shell_complete=completing.time_zones)
@option_account
@writing("set_time_zone")
def set_time_zone(**_: Any) -> None:
    """Change the time zone in which the account's later bounds are computed."""


@group.command(
    "set-billing-policy",
    help="Change the counting rule for periods that begin from now on.\n\n"
    f"Modes: {', '.join(MODES)}.",
)
@click.argument("mode", shell_complete=completing.modes)
@click.option(
    "--granularity",
    type=click.Choice(GRANULARITIES),
    help="Whether shares are counted by day or by second.",
)
@option_account
@writing("set_billing_policy")
def set_billing_policy(**_: Any) -> None:
    """Change the counting rule for periods that begin from now on (R50)."""


@group.command("change-contract")
@option_account
@click.option(
    "--renewal",
    required=True,
    type=int,
    metavar="N",
    help="The number of the renewal from which the change applies.",
)
@click.option("--term-months", type=int, help="Length of a term, 1 to 240.")
@click.option(
    "--billing-cycle-months", type=int, help="Months between invoices, 1 to 120."
)
@click.option(
    "--anchor",
    metavar="DATE",
    help="The date from which bounds are counted after that.",
)
@writing("change_contract")
def change_contract(**_: Any) -> None:
    """Change the term, billing cycle or anchor from a renewal on."""


@group.command()
@option_account
@click.option(
    "--end-holdings",
    is_flag=True,
    default=None,
    help="End the holdings in the same step.",
)
@writing("close_account")
def close(**_: Any) -> None:
    """End an account: its seats are retired, no renewal follows."""


@group.command()
@click.option(
    "--account", "-a", cls=AccountOption, metavar="KEY", help="The account's key."
)
@click.option("--due", is_flag=True, help="Renew every account with a renewal due.")
@options_of_writing
@records("renew")
def renew(account: str | None, *, due: bool, dry_run: bool, **shared: Any) -> None:
    """Process due renewals, of one account or (--due) of all.

    With them go the unassignments that were requested for a period's end.

    --due skips and reports accounts that are set aside because one of their events
    cannot be read.
    """
    if account is not None:
        record({"op": "renew", "account": account, **shared}, dry_run)
        return
    if not due:
        raise click.UsageError("Name an --account, or use --due for all.")
    fields = {name: value for name, value in shared.items() if value is not None}
    _renew_all(fields, dry_run)


def _renew_all(fields: dict[str, Any], dry_run: bool) -> None:
    session = current_session()
    with session.reader() as reader:
        now = reader.database_now()
        waiting = [a for a in reader.accounts(reader.knowledge()) if a.renewal_due(now)]
    rows: list[dict[str, Any]] = []
    if waiting:
        with session.ledger() as ledger:
            for facts in waiting:
                with one_of_several(0 if dry_run else len(rows)):
                    rows.append(_renewed(ledger, facts.key, fields, dry_run))
    columns = [
        *cells("account", "renewals", "seats retired=retired", "unassigned"),
        *cells("refused=error"),
    ]
    aside = sum(1 for row in rows if row["error"] == "account_set_aside")
    failed = sum(1 for row in rows if row["error"] is not None) - aside
    done = len(rows) - failed - aside
    count = counted(done, "account")
    sentence = f"{count} {'would be renewed' if dry_run else 'renewed'}."
    if failed:
        sentence += f" {failed} could not be renewed."
    if aside:
        count = counted(aside, "account is", "accounts are")
        sentence += f" {count} set aside and skipped."
    code = 1 if failed else 0
    answer = Answer(rows, columns, sentence=sentence, exit_code=code, header=RENEWED)
    emit(answer)


def _renewed(
    ledger: Any, account: str, fields: dict[str, Any], dry_run: bool
) -> dict[str, Any]:
    """Renew one account; what stands in its way does not stop the others."""
    try:
        result = ledger.execute(
            {"op": "renew", "account": account, **fields},
            dry_run=dry_run,
            default_actor=default_actor(),
        )
    except (CommandRefused, Conflict) as error:
        print_message(f"{account}: {error.message}")
        none: dict[str, Any] = {"renewals": 0, "retired": 0, "positions": []}
        return {"account": account, **none, "error": error.code, "unassigned": 0}
    count = Counter(event.topic for event in result.events)
    return {
        "account": account,
        "renewals": count["ContractRenewed"],
        "retired": count["SeatRetired"],
        "positions": list(result.positions),
        "error": None,
        "unassigned": count["SeatUnassigned"],
    }


@group.command("list")
@option_as_of
@reading
def list_(question: Question, **_: Any) -> Answer:
    """Every account, with its totals."""
    from seat_ledger.projections import accounts  # noqa: PLC0415

    rows = accounts.listed(question.reader, question.as_of, question.knowledge)
    columns = [
        *cells("account", "name", "time_zone", "term_start", "purchased"),
        *cells("assigned"),
        *between_columns(rows, "assigned"),
        *cells("available", "next renewal=renewal_date"),
        *cells(
            *(["due=renewal_due"] if any(row["renewal_due"] for row in rows) else [])
        ),
    ]
    return question.answer(
        rows,
        columns,
        sentence=f"{counted(len(rows), 'account')}.",
        notes=[times.OWN_DATES],
    )


def _months(count: int) -> str:
    return counted(count, "month")


def _change(change: dict[str, Any]) -> str:
    """A change of the contract at a renewal, in words (R96)."""
    parts = [
        f"terms of {_months(change['term_months'])}" if change["term_months"] else "",
        f"billed every {_cycle(change)}" if change["billing_cycle_months"] else "",
        f"anchor {change['anchor']}" if change["anchor"] else "",
    ]
    return f"From renewal {change['renewal']} on: {', '.join(filter(None, parts))}."


def _leaving(zones: Any, pending: dict[str, Any]) -> str:
    """A pending unassignment in words (R98)."""
    entry = f"entry {pending['requested_by']['position']}"
    if pending["due"] is None:
        return f"{pending['user']} was to leave {pending['seat']} ({entry})."
    when = times.spelled(pending["due"], zones)
    return f"{pending['user']} is to leave {pending['seat']} on {when} ({entry})."


def _cycle(row: dict[str, Any]) -> str:
    return _months(row["billing_cycle_months"]).removeprefix("1 ")


@group.command()
@click.argument("account", cls=AccountArgument, envvar="SEAT_LEDGER_ACCOUNT")
@option_as_of
@reading
def show(question: Question, **_: Any) -> Answer:
    """One account: contract, next renewal and what is pending for it, totals."""
    from seat_ledger.projections import accounts  # noqa: PLC0415

    account = question.account
    if unknown := question.unknown():
        return question.answer([], sentence=unknown)
    row = accounts.show(question.about)
    renewal = row["next_renewal"]
    sentence = (
        f"{row['name']} ({row['account']}): terms of {_months(row['term_months'])} "
        f"from {row['term_start']}, billed every {_cycle(row)}; "
        + (
            f"closed at {times.spelled(row['closed_at'], account.zones)}."
            if row["closed_at"]
            else f"renewal {renewal['number']} is on "
            f"{times.spelled(renewal['instant'], account.zones)}."
        )
    )
    columns = [
        *cells("type=seat_type", "purchased", "assigned"),
        *between_columns(row["totals"], "assigned"),
        *cells("available", "to be retired=pending_reduction"),
    ]
    notes = [_change(change) for change in row["contract_changes"]]
    notes += [_leaving(account.zones, item) for item in row["pending_unassignments"]]
    notes += window_sentences(row["windows"], account.zones)
    return question.answer(
        [row], columns, sentence=sentence, notes=notes, in_table=row["totals"]
    )


for _command in (
    attention,
    renewals,
    advise,
    account_readers.readers,
    account_readers.let_read,
    account_readers.stop_reading,
):
    group.add_command(_command)
for _command in group.commands.values():
    accept_either_way(_command)
