"""The program: finds the command, runs it, and says plainly what went wrong."""

from __future__ import annotations

import importlib
import io
import os
import sys
from itertools import pairwise
from typing import Any

import click

from seat_ledger import __version__
from seat_ledger.cli.options import environment
from seat_ledger.cli.options.examples import show_examples
from seat_ledger.cli.options.session import Session, check_values_of, option_database
from seat_ledger.cli.output.failures import (
    advice,
    bug_in_words,
    print_failure,
    print_json_failure,
)
from seat_ledger.cli.output.streams import ReaderLeft, drop_output, prepare
from seat_ledger.cli.output.usage import hint, unknown_command
from seat_ledger.errors import (
    LedgerError,
    OutputClosed,
    OutputNotWritten,
    SystemRefused,
    system_reason,
    way_out,
)

COMMANDS = {
    "account": ("commands.account:group", "Open, renew and look at accounts."),
    "batch": ("commands.batch:batch", "Record several commands as one step."),
    "billing": ("commands.billing:group", "Periods, billable seats, and why."),
    "catalogue": ("commands.catalogue:group", "The seat types that there are."),
    "completion": (
        "commands.completion:completion",
        "Completion for your shell: bash, zsh or fish.",
    ),
    "convert": (
        "commands.convert:convert",
        "Turn a source's log into command lines, to be imported.",
    ),
    "db": ("commands.db:group", "The database: start, stop, migrate."),
    "deliver": (
        "commands.subscription:deliver",
        "Deliver events to all subscribers.",
    ),
    "demo": ("commands.demo:demo", "Import a shipped history, and ask it questions."),
    "doctor": ("commands.doctor:doctor", "Check what works and what does not."),
    "event": ("commands.event:group", "The journal; reversals."),
    "events": ("commands.events:group", "Events for other programs, as they come."),
    "export": (
        "commands.export:export",
        "Whole tables as CSV, JSON Lines or Parquet.",
    ),
    "finding": ("commands.finding:group", "What audits found: kept, settled."),
    "help": ("commands.help:help_", "Concepts, audits, operations, formats."),
    "import": ("commands.import_file:import_", "Record the commands of a file."),
    "integrity": (
        "commands.integrity:group",
        "Tamper evidence: seal, verify, prove, check a proof.",
    ),
    "invoice": ("commands.invoice:group", "Issue, show, reproduce and audit invoices."),
    "lake": (
        "commands.lake:group",
        "The journal as Parquet files; bulk work without the database.",
    ),
    "mcp": ("commands.mcp:mcp", "Questions as tools for an assistant."),
    "price": ("commands.price:group", "What a seat costs: the price book."),
    "projection": ("commands.projection:group", "The tables that answers come from."),
    "report": ("commands.report:report", "A report on an account, to pass on."),
    "seat": ("commands.seat:group", "Buy, assign and look at seats."),
    "serve": ("commands.serve:serve", "The console: answers in a browser."),
    "source": (
        "commands.source:group",
        "Mappings of vendors' files: which fits, and a draft.",
    ),
    "snapshot": (
        "commands.snapshot:snapshot",
        "Hold a dated list of holders against the ledger.",
    ),
    "subscription": (
        "commands.subscription:group",
        "Subscribers that hear of events by webhook.",
    ),
    "token": ("commands.token:group", "Tokens of programs that call the API."),
    "user": ("commands.user:group", "Add, change and look at users."),
}
SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
EPILOG = """\b
Examples:
  seat-ledger account open acme --name "Acme BV" --time-zone Europe/Amsterdam \\
      --term-start 2025-03-05 --term-months 12 --billing-cycle-months 1
  seat-ledger seat buy sales/professional 10 --account acme
  seat-ledger seat who 'sales/professional#7' --account acme --as-of 2026-03-14
  seat-ledger billing counts --account acme --term
"""


class Commands(click.Group):
    """Groups whose members are imported when they are called."""

    def list_commands(self, _: click.Context) -> list[str]:
        """Every command's name."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        entry = COMMANDS.get(name)
        if entry is None:
            return None
        module, attribute = entry[0].split(":")
        imported = importlib.import_module(f"seat_ledger.cli.{module}")
        command: click.Command = getattr(imported, attribute)
        check_values_of(command)
        show_examples(command, name)
        return command

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, summary) for name, (_, summary) in COMMANDS.items()]
            )

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one may be meant."""
        if args and args[0] not in COMMANDS and not context.resilient_parsing:
            raise unknown_command(context, args[0])
        return super().resolve_command(context, args)


@click.group(cls=Commands, context_settings=SETTINGS, epilog=EPILOG)
@option_database
@click.version_option(__version__, prog_name="seat-ledger")
@click.pass_context
def program(context: click.Context) -> None:
    """An event-sourced ledger of paid-seat history.

    Who held which seat when, what was billable by which rule, and what was known
    at the time.
    """
    if context.invoked_subcommand != "help":
        environment.check()


def main(args: list[str] | None = None) -> int:  # noqa: PLR0911  one per outcome
    """Run the program; return its exit status (CLI 2)."""
    session = Session()
    arguments = sys.argv[1:] if args is None else args
    wants_json = _wants_json(arguments)
    try:
        result = program.main(
            arguments, prog_name="seat-ledger", standalone_mode=False, obj=session
        )
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as stopped:
        return stopped.exit_code
    except (click.Abort, KeyboardInterrupt) as error:
        session.may_record &= "--dry-run" not in arguments
        return _interrupted(error, session, as_json=wants_json)
    except click.ClickException as error:
        named = _naming_commands(error)
        if wants_json:
            return print_json_failure("usage", 2, named.format_message(), hint(named))
        return _usage(named)
    except ReaderLeft:  # what was found is found all the same
        drop_output()
        return session.exit_code
    except SystemExit as ended:  # click's way out of completion
        return ended.code if isinstance(ended.code, int) else 0
    except Exception as error:  # noqa: BLE001  whatever it is, it is told in words
        return _failed(error, session, as_json=wants_json)


def _interrupted(error: BaseException, session: Session, *, as_json: bool) -> int:
    """Say that Ctrl-C ended a command; of one that records, that nobody can tell."""
    is_at_question = isinstance(error, click.Abort) and error.__cause__ is None
    message, hint = "Interrupted.", None
    if session.may_record and not is_at_question:
        message += " What was under way may have been recorded, whole or not at all."
        hint = (
            "see 'seat-ledger event list' before you repeat it; with an idempotency "
            "key, and in a file, nothing is recorded twice"
        )
    if as_json:
        return print_json_failure("interrupted", 130, message, hint)
    print("\n".join(filter(None, (message, hint and f"Try: {hint}"))), file=sys.stderr)
    return 130


def _failed(error: Exception, session: Session, *, as_json: bool) -> int:
    """Say what ended a command; a bug is what nothing here has words for."""
    if isinstance(error, LedgerError):
        if isinstance(error, OutputClosed | OutputNotWritten):
            drop_output()
        return print_failure(error, as_json=as_json)
    if isinstance(error, OSError):
        drop_output()
        what = f"{error.filename}: " if error.filename else ""
        refused = SystemRefused(f"{what}{system_reason(error)}.")
        where = "there" if what else "in the folder for temporary files (TMPDIR)"
        refused.try_ = way_out(error, "", where) or None
        return print_failure(refused, as_json=as_json)
    from seat_ledger.store.connection import explained  # noqa: PLC0415

    failure = explained(session.address, error)
    return _bug(error) if failure is None else print_failure(failure, as_json=as_json)


def _naming_commands(error: click.ClickException) -> click.ClickException:
    """The same; of a command that is like none of its group's, with all of them.

    Of an option, those that end so are named: --seat-type for --type.
    """
    context, text = getattr(error, "ctx", None), error.format_message()
    if isinstance(error, click.NoSuchOption) and context is not None:
        ending = f"-{error.option_name.lstrip('-')}"
        options = [name for param in context.command.params for name in param.opts]
        longer = [name for name in options if name.endswith(ending)]
        if longer:
            return click.NoSuchOption(
                error.option_name, possibilities=longer, ctx=context
            )
    group = context and context.command
    is_unlike = text.startswith("No such command") and "Did you mean" not in text
    if not (isinstance(group, click.Group) and is_unlike):
        return error
    return click.UsageError(f"{text} There are: {', '.join(group.commands)}.", context)


def _usage(error: click.ClickException) -> int:
    """Say how a command is used, and what of it was typed wrongly."""
    from seat_ledger.cli.output.render import print_message  # noqa: PLC0415

    text = io.StringIO()
    error.show(text)
    print_message(text.getvalue().rstrip("\n"))
    if instead := hint(error):
        print_message(advice(instead))
    return 2


def _wants_json(arguments: list[str]) -> bool:
    if os.environ.get("SEAT_LEDGER_FORMAT") in {"json", "jsonl"}:
        return True
    named = [
        word.partition("=")[2] for word in arguments if word.startswith("--format=")
    ]
    named += [
        following for word, following in pairwise(arguments) if word == "--format"
    ]
    return not {"json", "jsonl"}.isdisjoint(named)


def _bug(error: BaseException) -> int:
    """A bug is no answer."""
    print(f"Error: {bug_in_words(error)}", file=sys.stderr)
    return 70


def run() -> Any:
    """The entry point of the installed program."""
    prepare()
    status = main()
    try:
        sys.stdout.flush()
    except ReaderLeft:
        drop_output()
    except OutputNotWritten as error:
        drop_output()
        status = status or print_failure(error, as_json=False)
    sys.exit(status)


if __name__ == "__main__":
    run()
