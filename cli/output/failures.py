"""How a failure is reported: on stderr, in words or as JSON; a bug in a file."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from pathlib import Path

from seat_ledger.errors import LedgerError


def print_failure(error: LedgerError, *, as_json: bool) -> int:
    """Report what went wrong, on stderr; return the exit status."""
    if as_json:
        return print_json_failure(
            error.code, error.exit_code, error.message, error.try_
        )
    from seat_ledger.cli.output.render import harmless, print_message  # noqa: PLC0415

    lines: tuple[int, ...] = getattr(error, "lines", ())
    where = f" (line {', '.join(map(str, lines))} of the batch)" if lines else ""
    print_message(f"Error: {harmless(error.message)}{where}")
    if error.try_:
        print_message(harmless(advice(error.try_)))
    return error.exit_code


def advice(text: str) -> str:
    """What to do as a line says it; some errors say what was expected instead."""
    if text.startswith("expected:"):
        return text[0].upper() + text[1:]
    return f"Try: {text}"


def print_json_failure(code: str, status: int, message: str, hint: str | None) -> int:
    """Report a failure as the last line of stderr (CLI 2); return the exit status."""
    failure = {"type": "error", "code": code, "exit": status, "message": message}
    print(json.dumps({**failure, "try": hint}), file=sys.stderr)
    return status


_LONGEST_TRACEBACK = 100_000


def keep_traceback(error: BaseException) -> Path:
    """Keep a bug's traceback in a file of its own; return where."""
    text = "".join(traceback.format_exception(error))
    if len(text) > _LONGEST_TRACEBACK:
        half = _LONGEST_TRACEBACK // 2
        text = f"{text[:half]}\n[…]\n{text[-half:]}"
    handle, name = tempfile.mkstemp(prefix="seat-ledger-", suffix=".txt")
    with os.fdopen(handle, "w", errors="backslashreplace") as file:
        file.write(text)
    return Path(name)


def bug_in_words(error: BaseException) -> str:
    """Where the traceback of a bug is kept."""
    return (
        f"this is a bug in seat-ledger ({type(error).__name__}). The details are in "
        f"{keep_traceback(error)}."
    )
