"""A shipped history of three accounts, and a question for each of the three users."""

from __future__ import annotations

import shlex
from importlib import resources
from pathlib import Path

import click

from seat_ledger.cli.commands.demo.vendor import vendor_demo
from seat_ledger.cli.options.session import Session, option_database
from seat_ledger.cli.output.render import print_message
from seat_ledger.domain.wording import counted

QUESTIONS = (
    (
        "Support: who held this seat on 20 September, and who took it away?",
        "seat who 'service/starter#2' --account acme --as-of 2025-09-20",
    ),
    (
        "Support: the whole history of that seat, with later corrections.",
        "seat history 'service/starter#2' --account acme --with-reversed",
    ),
    (
        "The billing auditor: what was billable in the last period of the first term?",
        "billing counts --account acme --period 2026-02-05 "
        "--unit-price sales/enterprise=120.00 --currency EUR",
    ),
    (
        "The billing auditor: and after the renewal, which retired one seat?",
        "billing counts --account acme --period 2026-03-05 "
        "--unit-price sales/enterprise=120.00 --currency EUR",
    ),
    (
        "Operations: are the tables up to date with everything that was recorded?",
        "projection status",
    ),
)

_AUDIT = (
    "The billing auditor: were these invoices right, when they were issued and now?"
)
WIDTH = 100
"""Characters of a line where no terminal says how many it has."""
HEAD = 3380
"""The last position of the history in a ledger that has no other."""


@click.command()
@click.option(
    "--vendor",
    is_flag=True,
    help="Begin with a vendor's own files: nightly lists, an audit log and a bill.",
)
@option_database
def demo(*, vendor: bool) -> None:
    """Import a sample history, and answer a question of each kind of user."""
    context = click.get_current_context()
    session = context.find_object(Session)
    program = context.find_root().command
    assert session is not None
    session.view = session.view._replace(width=WIDTH)
    if vendor:
        vendor_demo(context, session)
        return
    count, last = _import(session, _shipped("history.jsonl"))
    news = (
        f"{counted(count, 'command is', 'commands are')} new"
        if count
        else "everything was in place"
    )
    print(f"Three accounts with fourteen months of history: {news}.\n")
    audit = (_AUDIT, shlex.join(["invoice", "audit", str(_shipped("invoices.csv"))]))
    for question, command in (*QUESTIONS, *([audit] if last == HEAD else [])):
        print(f"# {question}\n$ seat-ledger {command}")
        program.main(shlex.split(command), standalone_mode=False, obj=session)
        session.exit_code = 0  # what an audit finds in a demonstration is no failure
        print()
    if last != HEAD:
        print(f"The sample invoices ({_shipped('invoices.csv')}) name positions of a")
        print("ledger that has only this history; this one has more before it.\n")
    if not session.database:
        print(
            "The embedded server keeps running, so that the next command starts fast."
        )
        print("  seat-ledger db stop      ends it")
        print("  seat-ledger db destroy   removes it with all its data")


def _shipped(name: str) -> Path:
    file = resources.files("seat_ledger.cli.commands.demo").joinpath(name)
    assert isinstance(file, Path)
    return file


def _import(session: Session, history: Path) -> tuple[int, int]:
    """Import the history; return how many commands are new, and the last position."""
    from seat_ledger.importing.files import import_file  # noqa: PLC0415

    recorded = last = 0
    with session.ledger() as ledger, history.open("rb") as lines:
        for outcome in import_file(ledger, lines):
            recorded += outcome.outcome == "recorded"
            last = max((last, *outcome.positions))
            if outcome.stops:
                print_message(f"history.jsonl:{outcome.line}: {outcome.message}")
    return recorded, last
