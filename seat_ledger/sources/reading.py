"""The rows of a file, whatever form it has: opened, unwrapped, and made entries.

A row is what the file has: a line of a table, an object of a list. An entry is what a
rule is about: the row, or one of several that it holds.
"""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain, starmap
from operator import methodcaller
from typing import Any, BinaryIO, cast

import orjson

from seat_ledger.domain.values import shown
from seat_ledger.errors import InvalidInput
from seat_ledger.sources.documents import (
    DocumentReader,
    Documents,
    Page,
    RecordMessages,
    check_fields,
    is_message,
    json_lines,
)
from seat_ledger.sources.fields import as_text, getter
from seat_ledger.sources.mapping import SourceMapping
from seat_ledger.sources.refusals import UnreadableRow
from seat_ledger.sources.tables import TextLines, csv_rows, encoding_of, workbook_rows

_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_HEAD, _PIECE = 1 << 20, 1 << 16


SourceEntry = tuple[int, dict[str, Any] | None]
"""The line of a row, and what a rule is about; None for a row without an entry."""

Step = Callable[[dict[str, Any]], None]
"""What is done to a row before rules see it."""


class SourceReader:
    """The entries of one file, read once as a mapping says.

    `rows` counts the file's rows as they are read, `pages` are what stood around its
    lists, and `ignored` counts what was left out before any rule.
    """

    def __init__(
        self,
        stream: BinaryIO,
        mapping: SourceMapping,
        *,
        options: Mapping[str, str] | None = None,
        message_stream: str | None = None,
    ) -> None:
        self.mapping, self.shape = mapping, mapping.file
        self.rows = 0
        self.line = 1
        self.pages: list[Page] = []
        self.ignored: Counter[str] = Counter()
        self._stream = stream
        self._lines: TextLines | None = None
        self._options = dict(options or {})
        self._selected = message_stream or self.shape.stream

    def located(self, error: UnreadableRow, file: str) -> InvalidInput:
        """An error with the file and the line that was read last."""
        is_last = error.line is None or error.line >= self.line
        at_end = self._lines is not None and self._lines.is_broken_off and is_last
        return error.at(file, self.line, at_end=at_end)

    def entries(self) -> Iterator[SourceEntry]:
        """Every entry in the file's order. Raises UnreadableRow."""
        steps, expand = self._steps(), _expansion(self.mapping)
        for line, row in self._rows():
            self.line = line
            self.rows += 1
            for step in steps:
                step(row)
            if expand is None:
                yield line, row
                continue
            count = 0
            for fields in expand(row):
                count += 1
                yield line, fields
            if not count:
                yield line, None

    def _steps(self) -> list[Step]:
        """What is done to each row: its form is checked, and fields are added."""
        steps: list[Step] = []
        if self.shape.format == "json":
            steps.append(_fields_checked(self.shape.has))
        steps += map(_object_read, self.shape.json_in)
        steps += starmap(_fields_matched, self.mapping.patterns.items())
        if self._options:
            steps.append(methodcaller("update", self._options))
        return steps

    def _rows(self) -> Documents:
        stream, head = _opened(self._stream)
        if self.shape.format == "table":
            if head.startswith(_ZIP):
                return workbook_rows(stream, self.shape)
            self._lines = TextLines(stream, encoding_of(head, self.shape))
            return csv_rows(self._lines, self.shape)
        if head.startswith(_ZIP):
            raise UnreadableRow(
                "the file is a workbook, or another ZIP archive.",
                "expected: JSON",
            )
        if b"\0" in head[:64]:
            raise UnreadableRow(
                "the file holds NUL bytes, so it is not UTF-8 text.",
                "expected: JSON in UTF-8, or in UTF-16 with its byte order mark",
            )
        return self._documents(stream, head)

    def _documents(self, stream: BinaryIO, head: bytes) -> Documents:
        exact = self.mapping.kind == "bill"
        first = _first_line(head)
        if is_message(first):
            messages = RecordMessages(json_lines(stream), self._selected)
            self.ignored = messages.ignored
            return messages.rows()
        path = self.shape.rows
        is_page = path is not None and getter(path)(first or {}) is not None
        if first is not None and not is_page and not exact:
            return json_lines(stream)
        reader = DocumentReader(stream, path, keyed=self.shape.keyed, exact=exact)
        self.pages = reader.pages
        return reader.rows()


def _fields_checked(has: list[str]) -> Step:
    """Checks that a row is an object with the fields of the source."""
    names = [name for name in has if "|" not in name]
    choices = [set(name.split("|")) for name in has if "|" in name]

    def check(row: Any) -> None:
        if row.__class__ is not dict:
            raise UnreadableRow(
                f"a row is an object, not {shown(orjson.dumps(row).decode())}.",
                "expected: a JSON object",
            )
        for name in names:
            if name not in row:
                raise _other_fields(row, has)
        for choice in choices:
            if choice.isdisjoint(row):
                raise _other_fields(row, has)

    return check


def _other_fields(row: dict[str, Any], has: list[str]) -> UnreadableRow:
    names = ", ".join(shown(name) for name in list(row)[:20])
    has_fields = f"the row has the fields {names}." if names else "the row is empty."
    expected = ", ".join(name.replace("|", " or ") for name in has)
    return UnreadableRow(
        has_fields,
        f"expected: {expected}; see 'seat-ledger source check FILE'",
    )


def _object_read(name: str) -> Step:
    """Reads a field that holds JSON as a text."""

    def read(row: dict[str, Any]) -> None:
        row[name] = _object(row.get(name), name)

    return read


def _fields_matched(path: str, pattern: str) -> Step:
    """Adds the named groups of a pattern that fits a field whole."""
    get, ready = getter(path), compiled(pattern)

    def find(row: dict[str, Any]) -> None:
        match = ready.fullmatch(as_text(get(row), path).strip())
        if match is not None:
            row.update(match.groupdict())

    return find


def looks_like_table(stream: BinaryIO) -> bool:
    """Whether a file that can be read again is a table; else it is JSON."""
    _, head = _opened(stream)
    stream.seek(0)
    if head.startswith(_ZIP):
        return True
    return head.removeprefix(codecs.BOM_UTF8).lstrip()[:1] not in {b"{", b"["}


def _first_line(head: bytes) -> Any:
    """The object that the first line is, if it is one by itself."""
    line = head.removeprefix(codecs.BOM_UTF8).lstrip().split(b"\n", 1)[0]
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


class _Pieces(io.RawIOBase):
    """A stream of pieces of bytes that come one after the other."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces, self._piece = iter(pieces), b""

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer."""
        while not self._piece:
            try:
                self._piece = next(self._pieces)
            except StopIteration:
                return 0
        data, self._piece = self._piece[: len(buffer)], self._piece[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)


def _opened(stream: BinaryIO) -> tuple[BinaryIO, bytes]:
    """The stream and how it begins: unpacked where it is compressed, and in UTF-8
    where a mark says that it is UTF-16.
    """
    stream, head = _peeked(stream, 4)
    if head.startswith(_GZIP):
        stream, head = _peeked(cast("BinaryIO", _Unpacked(fileobj=stream)), 4)
    if head.startswith(_UTF16) and not head.startswith(codecs.BOM_UTF32_LE):
        stream = _stream_of(_recoded(stream))
    return _peeked(stream, _HEAD)


def _stream_of(pieces: Iterable[bytes]) -> BinaryIO:
    return cast("BinaryIO", io.BufferedReader(_Pieces(pieces), _PIECE))


def _recoded(stream: BinaryIO) -> Iterator[bytes]:
    """What is in UTF-16, in UTF-8 with its mark. Raises UnreadableRow."""
    decoder = codecs.getincrementaldecoder("utf-16")()
    yield codecs.BOM_UTF8
    try:
        for piece in iter(partial(stream.read, _PIECE), b""):
            yield decoder.decode(piece).encode()
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise UnreadableRow(
            "the file begins as UTF-16 and does not go on so: it is cut off.",
            "expected: the whole file, in UTF-8 or UTF-16",
        ) from error


def _peeked(stream: BinaryIO, size: int) -> tuple[BinaryIO, bytes]:
    try:
        place = stream.tell()
    except (OSError, ValueError):  # a pipe, or what is unpacked as it is read
        place = None
    head = stream.read(size)
    if place is not None and stream.seekable():
        stream.seek(place)
        return stream, head
    return _stream_of(chain([head], iter(partial(stream.read, _PIECE), b""))), head


class _Unpacked(gzip.GzipFile):
    """A compressed file, whose damage is told as such."""

    def seekable(self) -> bool:
        """Reading it again would unpack it again."""
        return False

    def read(self, size: int | None = -1) -> bytes:
        """Read on. Raises UnreadableRow."""
        try:
            return super().read(size)
        except (EOFError, OSError, zlib.error) as error:
            raise UnreadableRow(
                "the compressed file (gzip) is damaged or cut off.",
                "expected: the whole file; 'gzip -t FILE' checks it",
            ) from error


# -- entries -------------------------------------------------------------------------


def _object(value: Any, name: str) -> Any:
    """What a text of JSON says."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        read = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise UnreadableRow(
            f"{shown(name)} holds no JSON: {error}.",
            "expected: the whole cell; spreadsheets cut cells off at 32,767 characters",
        ) from error
    check_fields(value)
    return read


def _expansion(mapping: SourceMapping) -> Any:
    """How a row becomes entries; None where it is one itself."""
    shape = mapping.file
    steps = []
    if shape.each is not None:
        steps.append(_each_element(shape.each))
    if shape.each_column is not None:
        steps.append(_each_column(shape.each_column))
    if shape.each_part is not None:
        steps.append(_each_part(shape.each_part, shape.separator or ""))
    if mapping.changes is not None:
        steps.append(_each_change(mapping))
    if not steps:
        return None
    if len(steps) == 1:
        return steps[0]
    return lambda row: chain.from_iterable(steps[1](entry) for entry in steps[0](row))


def _each_element(path: str) -> Any:
    """The row once for each element of a list in it, as if it held only that."""
    names = path.split(".")
    get = getter(path)

    def expand(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if names[0] not in row:
            yield row
            return
        value = get(row)
        elements = value if isinstance(value, list) else [value]
        for number, element in enumerate(elements, start=1):
            if element is not None:
                yield {**_replaced(row, names, element), "#": number}

    return expand


def _replaced(row: dict[str, Any], names: list[str], value: Any) -> dict[str, Any]:
    name, *inner = names
    return {**row, name: _replaced(row[name], inner, value) if inner else value}


def _each_column(columns: list[str]) -> Any:
    def expand(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for name in columns:
            if as_text(row.get(name), name).strip():
                yield {**row, "column": name, "value": row[name]}

    return expand


def _each_part(path: str, separator: str) -> Any:
    get = getter(path)

    def expand(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        parts = as_text(get(row), path).split(separator)
        for part in dict.fromkeys(part.strip() for part in parts):
            if part:
                yield {**row, "part": part}

    return expand


def _each_change(mapping: SourceMapping) -> Any:
    changes = mapping.changes
    assert changes is not None
    before, after = getter(changes.before), getter(changes.after)
    pattern = compiled(changes.pattern)

    def values(value: Any, path: str) -> dict[str, dict[str, Any]]:
        text = as_text(value, path) if not isinstance(value, list) else str(value)
        return {match[0]: match.groupdict() for match in pattern.finditer(text)}

    def expand(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        old = values(before(row), changes.before)
        new = values(after(row), changes.after)
        number = 0
        for word, ours, others in (("removed", old, new), ("added", new, old)):
            for text in ours:
                if text not in others:
                    number += 1
                    yield {**row, **ours[text], "change": word, "#": number}

    return expand


def compiled(pattern: str) -> re.Pattern[str]:
    """A regular expression with named groups. Raises InvalidInput."""
    try:
        read = re.compile(pattern)
    except re.error as error:
        raise InvalidInput(
            f"{shown(pattern)} is not a regular expression: {error}.",
            try_="write it like 'SkuName=(?P<sku>[^,]+)'",
        ) from error
    if not read.groupindex or read.groups != len(read.groupindex):
        raise InvalidInput(
            f"The regular expression {shown(pattern)} has groups without names.",
            try_="name each group, as in '(?P<sku>[^,]+)'",
        )
    return read
