"""A shipped history of three accounts, and a question for each of the three users."""

from __future__ import annotations

import shlex
from importlib import resources
from pathlib import Path

import click

from cli.render import say
from cli.session import Session, option_database

QUESTIONS = (
    (
        "Support: who held this seat on 20 September, and who took it from them?",
        "seat who 'service/starter#2' --account acme --as-of 2025-09-20",
    ),
    (
        "Support: the whole story of that seat, with what was corrected later.",
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
        "Operations: is everything that was recorded in the tables that answer?",
        "projection status",
    ),
)


@click.command()
@option_database
def demo() -> None:
    """Import a shipped history, and ask it a question for each kind of user."""
    from cli.main import program  # noqa: PLC0415  the program calls us

    context = click.get_current_context()
    session = context.find_object(Session)
    assert session is not None
    with resources.as_file(_history()) as history:
        count = _import(session, history)
    told = f"{count:,} commands are new" if count else "everything was in place"
    print(f"Three accounts with fourteen months of history: {told}.\n")
    for question, command in QUESTIONS:
        print(f"# {question}\n$ seat-ledger {command}")
        program.main(shlex.split(command), standalone_mode=False, obj=session)
        print()
    if not session.database:
        print("The embedded server still runs; it takes the next command at once.")
        print("  seat-ledger db stop      ends it")
        print("  seat-ledger db destroy   removes it with all its data")


def _history() -> Path:
    found = resources.files("cli.demo").joinpath("history.jsonl")
    assert isinstance(found, Path)
    return found


def _import(session: Session, history: Path) -> int:
    """Import the history; return how many commands were not there before."""
    recorded = 0
    with session.ledger() as ledger, history.open("rb") as lines:
        for outcome in ledger.import_lines(lines):
            recorded += outcome.outcome == "recorded"
            if outcome.stops:
                say(f"history.jsonl:{outcome.line}: {outcome.message}")
    return recorded
