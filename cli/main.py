"""The program: finds the command, runs it, and says plainly what went wrong."""

from __future__ import annotations

import difflib
import importlib
import io
import json
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

import click

from cli.session import Session, option_database
from seat_ledger import __version__
from seat_ledger.errors import LedgerError, OutputClosed, SystemRefused

COMMANDS = {
    "account": ("cli.account:group", "Open, renew and look at accounts."),
    "batch": ("cli.batch:batch", "Record several commands as one step."),
    "billing": ("cli.billing:group", "Periods, billable seats, and why."),
    "db": ("cli.db:group", "The database: start, stop, migrate."),
    "demo": ("cli.demo:demo", "Import a shipped history, and ask it questions."),
    "doctor": ("cli.doctor:doctor", "Say what works and what does not."),
    "event": ("cli.event:group", "The journal; reversals."),
    "export": (
        "cli.exporting:export",
        "Whole tables as CSV, JSON Lines or Parquet.",
    ),
    "help": ("cli.topics:help_", "Concepts, audits, operations, formats."),
    "import": ("cli.importing:import_", "Record the commands of a file."),
    "integrity": (
        "cli.integrity:group",
        "Tamper evidence: seal, verify, prove, check a proof.",
    ),
    "invoice": ("cli.invoice:group", "Issue, show, reproduce and audit invoices."),
    "projection": ("cli.projection:group", "The tables that answers come from."),
    "report": ("cli.reporting:report", "A report of an account, to pass on."),
    "seat": ("cli.seat:group", "Buy, assign and look at seats."),
    "serve": ("cli.console.command:serve", "The console: answers in a browser."),
    "user": ("cli.user:group", "Add, change and look at users."),
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
        found = COMMANDS.get(name)
        if found is None:
            return None
        module, attribute = found[0].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, told) for name, (_, told) in COMMANDS.items()])

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one may be meant."""
        if args and args[0] not in COMMANDS:
            close = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean '{close[0]}'?" if close else ""
            raise click.UsageError(f"There is no command '{args[0]}'.{hint}", context)
        return super().resolve_command(context, args)


@click.group(cls=Commands, context_settings=SETTINGS, epilog=EPILOG)
@option_database
@click.version_option(__version__, prog_name="seat-ledger")
def program() -> None:
    """An event-sourced ledger of paid-seat history.

    Who held which seat when, what was billable by which rule, and what was known
    at the time.
    """


def main(args: list[str] | None = None) -> int:  # noqa: PLR0911  one per outcome
    """Run the program; return its exit status (CLI 2)."""
    session = Session()
    arguments = sys.argv[1:] if args is None else args
    wants_json = _wants_json(arguments)
    try:
        result = program.main(
            arguments,
            prog_name="seat-ledger",
            standalone_mode=False,
            obj=session,
            auto_envvar_prefix="SEAT_LEDGER",
        )
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as stopped:
        return stopped.exit_code
    except (click.Abort, KeyboardInterrupt):
        print("Interrupted.", file=sys.stderr)
        return 130
    except click.ClickException as error:
        if wants_json:
            return _tell_json("usage", 2, error.format_message(), None)
        return _tell_usage(error)
    except (BrokenPipeError, SystemExit):
        _let_output_go()  # click turns a broken pipe into SystemExit
        return 0
    except LedgerError as error:
        if isinstance(error, OutputClosed):
            _let_output_go()
        return tell(error, as_json=wants_json)
    except OSError as error:
        _let_output_go()
        what = f"{error.filename}: " if error.filename else ""
        return tell(SystemRefused(f"{what}{error.strerror}."), as_json=wants_json)
    except Exception as error:  # noqa: BLE001  the server, or the last resort: a bug
        from seat_ledger.store.connection import explained  # noqa: PLC0415

        told = explained(session.database or session.embedded, error)
        return _bug(error) if told is None else tell(told, as_json=wants_json)


def _let_output_go() -> None:
    """What is still to be written can be written nowhere: say nothing more of it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def tell(error: LedgerError, *, as_json: bool) -> int:
    """Say what went wrong, on stderr; return the exit status."""
    if as_json:
        return _tell_json(error.code, error.exit_code, error.message, error.try_)
    from cli.render import say  # noqa: PLC0415

    lines: tuple[int, ...] = getattr(error, "lines", ())
    where = f" (line {', '.join(map(str, lines))} of the batch)" if lines else ""
    say(f"Error: {error.message}{where}")
    if error.try_:
        say(f"Try: {error.try_}")
    return error.exit_code


def _tell_usage(error: click.ClickException) -> int:
    """Say how a command is used, and what of it was typed wrongly."""
    from cli.render import say  # noqa: PLC0415

    told = io.StringIO()
    error.show(told)
    say(told.getvalue().rstrip("\n"))
    return 2


def _tell_json(code: str, status: int, message: str, hint: str | None) -> int:
    told = {"type": "error", "code": code, "exit": status, "message": message}
    print(json.dumps({**told, "try": hint}), file=sys.stderr)
    return status


def _wants_json(arguments: list[str]) -> bool:
    pairs = zip(arguments, [*arguments[1:], ""], strict=True)
    named = os.environ.get("SEAT_LEDGER_FORMAT") in {"json", "jsonl"}
    return named or any(
        one in {"--format=json", "--format=jsonl"}
        or (one == "--format" and two in {"json", "jsonl"})
        for one, two in pairs
    )


def _bug(error: BaseException) -> int:
    """A bug is no answer."""
    print(
        f"Error: this is a bug in seat-ledger ({type(error).__name__}). "
        f"What is known of it is in {keep_traceback(error)}.",
        file=sys.stderr,
    )
    return 70


def keep_traceback(error: BaseException) -> Path:
    """Keep a bug's traceback in a file of its own; return where."""
    kept = "".join(traceback.format_exception(error))
    handle, name = tempfile.mkstemp(prefix="seat-ledger-", suffix=".txt")
    with os.fdopen(handle, "w", errors="backslashreplace") as file:
        file.write(kept)
    return Path(name)


def _open_what_is_closed() -> None:
    """Give a program that was started without an input or outputs empty ones."""
    if sys.stdin is None:
        sys.stdin = os.fdopen(os.open(os.devnull, os.O_RDONLY))
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


def run() -> Any:
    """The entry point of the installed program."""
    _open_what_is_closed()
    sys.exit(main())


if __name__ == "__main__":
    run()
