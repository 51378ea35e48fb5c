"""The lines of a command file: read, put together in batches, and what became of them.

A line without an idempotency key gets one from the digest of what the lines up to and
including it say: white space, a byte order mark, line ends, the order of a line's
fields and empty lines say nothing.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from seat_ledger.commands.messages import Command, parse_in_order, read_command
from seat_ledger.errors import InvalidInput, LedgerError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

MAX_OPERATIONS = 20_000
"""Operations of a batch: a line may be a command of many."""

MAX_BYTES = 4 << 20
"""Bytes of the lines of a batch: what is read of them stays in memory."""

LONGEST = 1.0
"""Seconds in which the lines of a batch come; slower ones wait for no more of them."""


class ImportLine(NamedTuple):
    """A line of the file, read: a command, or why it is none; and its length.

    `key_of_bytes` is what an earlier program recorded it under.
    """

    number: int
    key: str
    key_of_bytes: str | None
    command: Command | None
    error: LedgerError | None
    op: str | None
    size: int


class LineOutcome(NamedTuple):
    """What became of a line: ``recorded``, ``repeated`` or ``refused``.

    `stops` says that it ends the import unless that keeps going.
    """

    line: int
    op: str | None
    outcome: str
    positions: tuple[int, ...]
    code: str | None = None
    message: str | None = None
    try_: str | None = None
    stops: bool = False
    exit_code: int = 0


class LineBatch(NamedTuple):
    """Lines that are decided and appended together.

    `is_last_for_now`: whoever wrote them may wait for what becomes of them.
    """

    lines: list[ImportLine]
    is_last_for_now: bool


def failed(line: ImportLine, error: LedgerError, *, stops: bool) -> LineOutcome:
    """The outcome of a line that is refused, or unreadable."""
    return LineOutcome(
        line.number,
        line.op,
        "refused",
        (),
        error.code,
        error.message,
        error.try_,
        stops=stops,
        exit_code=error.exit_code if stops else 0,
    )


class KeyChain:
    """What the lines without a key of their own are recorded under, one by one.

    `with_bytes`: whether lines may be recorded as an earlier program named them.
    """

    def __init__(self, *, with_bytes: bool = True) -> None:
        self.number = 0
        self._digest = hashlib.sha256()
        self._digest_of_bytes = hashlib.sha256() if with_bytes else None

    def count(self, raw: bytes) -> int:
        """Take in a line as it stands; return its number."""
        self.number += 1
        if self._digest_of_bytes is not None:
            self._digest_of_bytes.update(raw.rstrip(b"\r\n") + b"\n")
        return self.number

    def add(self, digest: bytes) -> str:
        """Take in what the line says; return its key."""
        # What a line says is as long for each, so that nothing can be shifted.
        self._digest.update(digest)
        return f"lines:{self._digest.hexdigest()[:40]}"

    @property
    def key_of_bytes(self) -> str | None:
        """What an earlier program recorded the line under."""
        if self._digest_of_bytes is None:
            return None
        return f"import:{self._digest_of_bytes.hexdigest()[:40]}"


def read_lines(
    lines: Iterable[bytes | None], keys: KeyChain | None = None
) -> Iterator[ImportLine | None]:
    """The lines of a file, read; empty ones are left out.

    None stands where the next line is not there yet, and is handed on.
    """
    keys = keys or KeyChain()
    for raw in lines:
        if raw is None:
            yield None
            continue
        number = keys.count(raw)
        if text := text_of(raw):
            content = read_content(text)
            key = keys.add(digest_of(content, text))
            yield named_line(number, content, len(raw), key, keys.key_of_bytes)


def text_of(raw: bytes) -> bytes:
    """What a line says; nothing where it is empty."""
    return raw.removeprefix(_BYTE_ORDER_MARK).strip()


Content = tuple[Command | None, LedgerError | None, str | None]
"""What a line is: a command, or why it is none; and its operation."""


def digest_of(content: Content, text: bytes) -> bytes:
    """What a line adds to the keys of those from it on."""
    command = content[0]
    return command.digest if command else hashlib.sha256(text).digest()


def named_line(
    number: int, content: Content, size: int, key: str, key_of_bytes: str | None
) -> ImportLine:
    """A line with its own key, or with those that its place in the file gives it."""
    command, error, op = content
    if command is not None and (own := command.envelope.idempotency_key):
        key, key_of_bytes = own, None
    return ImportLine(number, key, key_of_bytes, command, error, op, size)


def read_content(text: bytes) -> Content:
    """What a line is that says something."""
    op = None
    try:
        fields, in_order = parse_in_order(text)
        op = fields.get("op") if isinstance(fields.get("op"), str) else None
        command = read_command(fields, in_order)
        if command.erases:
            raise InvalidInput(
                "erase_user is not allowed in a file: it cannot be undone, and the "
                "file would still name the erased person.",
                try_="seat-ledger user erase --help",
            )
    except LedgerError as error:
        # Where it was raised, all that was read of the line is still held.
        error.__traceback__ = error.__cause__ = error.__context__ = None
        return None, error, op
    return command, None, op


def batches_of(lines: Iterable[ImportLine | None], most: int) -> Iterator[LineBatch]:
    """The lines in batches of so many; of fewer that are long, or come slowly."""
    batch: list[ImportLine] = []
    operations, size, began, is_reported = 0, 0, 0.0, True
    for line in lines:
        if line is not None:
            began = began if batch else time.monotonic()
            batch.append(line)
            operations += 1 if line.command is None else len(line.command.lines)
            size += line.size
        is_slow = line is None or time.monotonic() - began > LONGEST
        is_full = (
            len(batch) >= most or operations >= MAX_OPERATIONS or size >= MAX_BYTES
        )
        if is_full or (is_slow and (batch or not is_reported)):
            yield LineBatch(batch, is_slow)
            batch, operations, size, is_reported = [], 0, 0, is_slow
    if batch:
        yield LineBatch(batch, is_last_for_now=False)
