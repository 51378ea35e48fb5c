"""Standard input and outputs, whatever the program was started with.

Messages never fail: where nobody can read them, they are dropped, and the exit status
says the rest. An answer that cannot be written fails with a sentence. Text that an
output's encoding cannot show is escaped, and no data is ever cut because of it.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from contextlib import suppress
from typing import Any, TextIO

from seat_ledger.errors import OutputNotWritten

_UTF_8 = "utf-8"
_READER_LEFT = frozenset({errno.EPIPE, errno.ECONNRESET, errno.ESHUTDOWN})


class ReaderLeft(Exception):
    """Whoever read the output has enough of it. No OSError: click ends those itself."""


class Output(io.TextIOWrapper):
    """Standard output: what cannot be written is told in a sentence.

    Raises ReaderLeft where the reader left, OutputNotWritten for any other reason.
    """

    def write(self, text: str, /) -> int:
        """Write text."""
        try:
            return super().write(text)
        except OSError as error:
            raise _not_written(error) from error

    def flush(self) -> None:
        """Write what is waiting."""
        try:
            super().flush()
        except OSError as error:
            raise _not_written(error) from error


def _not_written(error: OSError) -> Exception:
    if error.errno in _READER_LEFT:
        return ReaderLeft()
    return OutputNotWritten(
        f"Standard output cannot be written: {error.strerror}. What the command "
        "recorded stays recorded.",
        try_="free some space, or write the output elsewhere; repeat the question for "
        "what was cut off",
    )


class Messages(io.TextIOWrapper):
    """Standard error: a message that nobody can read is dropped."""

    def write(self, text: str, /) -> int:
        """Write text, if that can be."""
        with suppress(OSError, ValueError):
            return super().write(text)
        return len(text)

    def flush(self) -> None:
        """Write what is waiting, if that can be."""
        with suppress(OSError, ValueError):
            super().flush()


def prepare() -> None:
    """Set the three streams up, before anything else is done."""
    if sys.stdin is None:
        sys.stdin = os.fdopen(os.open(os.devnull, os.O_RDONLY))
    sys.stdout = Output(
        _binary(sys.stdout),
        encoding=getattr(sys.stdout, "encoding", _UTF_8),
        errors="backslashreplace",
        line_buffering=getattr(sys.stdout, "line_buffering", False),
    )
    sys.stderr = Messages(
        _binary(sys.stderr),
        encoding=getattr(sys.stderr, "encoding", _UTF_8),
        errors="backslashreplace",
        line_buffering=True,
    )


def _binary(stream: Any) -> Any:
    """The bytes below a stream; nowhere for one that was closed at the start."""
    if stream is None:
        return io.BufferedWriter(io.FileIO(os.open(os.devnull, os.O_WRONLY), "w"))
    return stream.detach()


def drop_output() -> None:
    """What is still to be written can be written nowhere: say nothing more of it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with suppress(OSError, ValueError):
        os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def write_data(text: str, *, is_json: bool) -> None:
    """Write data to standard output, whole whatever its encoding is.

    JSON is escaped where the output is not UTF-8; other data is UTF-8 there, as in any
    file that is passed on.
    """
    if not _is_utf_8(sys.stdout):
        if is_json:
            text = text.encode("ascii", "json-escape").decode("ascii")
        elif isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding=_UTF_8)
    elif is_json and not text.isascii():  # what no encoding has: half a character
        text = text.encode(_UTF_8, "json-escape").decode(_UTF_8)
    sys.stdout.write(text)


def _is_utf_8(stream: TextIO) -> bool:
    try:
        return codecs.lookup(stream.encoding or _UTF_8).name == _UTF_8
    except LookupError:
        return False


def _json_escape(error: UnicodeError) -> tuple[str, int]:
    """Characters as JSON writes them in ASCII."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    pairs = zip(units[::2], units[1::2], strict=True)
    return "".join(f"\\u{high:02x}{low:02x}" for high, low in pairs), error.end


codecs.register_error("json-escape", _json_escape)
