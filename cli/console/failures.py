"""What a visitor is told of a failure, and what the operator is."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable

from seat_ledger.cli.output.failures import keep_traceback
from seat_ledger.cli.output.i18n import words_of
from seat_ledger.errors import (
    CommandRefused,
    Conflict,
    IntegrityFailure,
    InvalidInput,
    LedgerError,
    Locked,
    NotAllowed,
    NotFound,
    OutcomeUnknown,
    SchemaMismatch,
    Unavailable,
)
from seat_ledger.projections.reader.pool import Busy

Log = Callable[..., None]
RETRY_AFTER = 5
MOST_FILES = 20
_OF_THE_SERVER = (Unavailable, NotAllowed, SchemaMismatch, Conflict, Locked)
"""Failures of the database or its set-up: nothing that a visitor asked is wrong."""


class UnreadableRequest(InvalidInput):
    """An address or a form that cannot be read, in a sentence of the catalogue."""

    def __init__(
        self, key: str, /, *, try_: str | None = None, **fields: object
    ) -> None:
        super().__init__(words_of("en")(f"error_text_{key}", **fields), try_=try_)


def status_of(error: LedgerError) -> int:
    """The status of an answer that says no."""
    if isinstance(error, NotFound):
        return 404
    if isinstance(error, InvalidInput):
        return 400
    if isinstance(error, CommandRefused):
        return 409
    if isinstance(error, _OF_THE_SERVER):
        return 503
    return 503 if error.exit_code in {11, 12} else 500


def for_visitor(error: LedgerError, log: Log, *, redact: bool) -> LedgerError:
    """The failure without what is the operator's alone, who is told it.

    What the database said may name hosts, logins and values; a record that disagrees
    with itself may be quoted.
    """
    hidden = isinstance(error, _OF_THE_SERVER) and not isinstance(error, Busy)
    if not hidden and not (redact and isinstance(error, IntegrityFailure)):
        return error
    log("failed", code=error.code, reason=error.message, hint=error.try_)
    plain = LedgerError((type(error).__doc__ or "").strip().partition("\n")[0])
    plain.code, plain.exit_code = error.code, error.exit_code
    if error.wrote_nothing and not isinstance(error, Conflict):  # which says so
        plain.message += " Nothing was written."
    # What an unknown outcome advises names what the caller named alone.
    plain.try_ = error.try_ if isinstance(error, OutcomeUnknown) else _way_out(error)
    return plain


def _way_out(error: LedgerError) -> str:
    """What a visitor can do about a failure that is the operator's."""
    if isinstance(error, Unavailable | Conflict | Locked):
        return "try again in a moment; the server's log says what failed"
    return "ask whoever runs the server: its log says what failed"


class BugFiles:
    """Tracebacks of bugs: a file for each that is new, and not many."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self._files: dict[tuple[str, str, int], str] = {}
        self._lock = threading.Lock()

    def keep(self, error: BaseException) -> None:
        """Log of a bug, and of the file that its traceback stands in."""
        kind, where = type(error).__name__, _place(error)
        with self._lock:
            file = self._files.get((kind, *where))
            if file is None and len(self._files) < MOST_FILES:
                file = _traceback_file(error)
                self._files[(kind, *where)] = file
        self.log("bug", kind=kind, kept=file, place=f"{where[0]}:{where[1]}")


def _place(error: BaseException) -> tuple[str, int]:
    """Where an error was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    return (frames[-1].filename, frames[-1].lineno or 0) if frames else ("", 0)


def _traceback_file(error: BaseException) -> str:
    try:
        return str(keep_traceback(error))
    except OSError as failure:  # no room for it
        return f"not kept: {failure.strerror}"
