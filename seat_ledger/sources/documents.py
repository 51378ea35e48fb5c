"""JSON as sources write it: lines, one document or several, and wrapped records.

Documents are read piece by piece, so that a list of any length takes little memory:
``[…]``, ``{"seats": […]}``, pages one after the other as ``gh api --paginate`` prints
them, and a list of pages. What stands around a list of rows is kept as a page.
"""

from __future__ import annotations

import codecs
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from itertools import chain
from typing import Any, BinaryIO

import orjson

from seat_ledger.domain.values import repeated_name, shown
from seat_ledger.sources.refusals import UnreadableRow

MAX_LINE = 64 << 20
_PIECE = 1 << 16
_BEGINS = '{["-0123456789tfnNI'
_SPACE = re.compile(r"[ \t\n\r]*")

Page = dict[str, Any]
Documents = Iterator[tuple[int, Any]]
"""Values with the lines in which they begin."""

_RECORD = "RECORD"
_MESSAGES = frozenset(
    {
        _RECORD, "SCHEMA", "STATE", "ACTIVATE_VERSION", "BATCH", "LOG", "SPEC",
        "CONNECTION_STATUS", "CATALOG", "TRACE", "CONTROL",
    }
)  # fmt: skip
"""The types of Singer's and Airbyte's messages."""


def json_lines(stream: BinaryIO) -> Documents:
    """An object a line. Raises UnreadableRow."""
    number = 0
    loads = orjson.loads
    read_line = partial(stream.readline, MAX_LINE + 1)
    first = read_line().removeprefix(codecs.BOM_UTF8)
    for line in chain([first] if first else [], iter(read_line, b"")):
        number += 1
        if line.isspace():
            continue
        try:
            value = loads(line)
        except orjson.JSONDecodeError as error:
            if len(line) > MAX_LINE:
                raise UnreadableRow(
                    f"the line has more than {MAX_LINE:,} bytes.",
                    "expected: a JSON object per line",
                    number,
                ) from error
            raise _no_json(error, number, at_end=not line.endswith(b"\n")) from error
        if not _has_each_field_once(line, value):
            check_fields(line, number)
        yield number, value


def check_fields(text: bytes | str, line: int | None = None) -> None:
    """Check that no object of a JSON text has a field twice. Raises UnreadableRow."""
    try:
        _CHECKED.decode(text if isinstance(text, str) else text.decode())
    except UnreadableRow as error:
        error.line = line
        raise


def _has_each_field_once(line: bytes, value: Any) -> bool:
    """Whether that can be seen at once: a line ends as many names as it has fields.

    Where white space may stand before a colon, or a text looks like the end of a name,
    the answer is False, and `check_fields` knows.
    """
    if b"\t" in line or (b" " in line and b'" ' in line):
        return False
    if b"\r" in line and b'"\r' in line:
        return False
    names = line.count(b'":')
    is_flat = value.__class__ is dict and names == len(value)
    return is_flat or names == _fields_in(value)


def _fields_in(value: Any) -> int:
    if value.__class__ is dict:
        count = len(value)
        for inner in value.values():
            if inner.__class__ is dict or inner.__class__ is list:
                count += _fields_in(inner)
        return count
    return sum(map(_fields_in, value)) if value.__class__ is list else 0


def _object(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, each field of which stands once in it. Raises UnreadableRow."""
    twice = repeated_name(fields)
    if twice is not None:
        raise _twice(twice)
    return dict(fields)


def _twice(name: str, line: int | None = None) -> UnreadableRow:
    return UnreadableRow(
        f"the field {shown(name)} stands twice in one object: which one counts?",
        "expected: each field of an object once",
        line,
    )


_CHECKED = json.JSONDecoder(object_pairs_hook=_object, parse_int=str, parse_float=str)


def _no_json(error: Exception, line: int, *, at_end: bool) -> UnreadableRow:
    cut = " The file ends there: it is cut off." if at_end else ""
    return UnreadableRow(
        f"this is not JSON: {error}.{cut}", "expected: JSON in UTF-8", line
    )


class DocumentReader:
    """Documents one after the other; the rows of each under `path`, if it has one."""

    def __init__(
        self,
        stream: BinaryIO,
        path: str | None,
        *,
        keyed: str | None = None,
        exact: bool = False,
    ) -> None:
        self._text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
        self._path = tuple(path.split(".")) if path else ()
        self._keyed = keyed
        self._decoder = json.JSONDecoder(
            parse_float=Decimal if exact else None, object_pairs_hook=_object
        )
        self._buffer, self._place, self._ended = "", 0, False
        self._line, self._counted = 1, 0
        self.pages: list[Page] = []

    def rows(self) -> Documents:
        """Every row, and documents without a list as rows. Raises UnreadableRow."""
        try:
            while self._peek():
                yield from self._document()
        except UnicodeDecodeError as error:
            raise UnreadableRow(
                "a byte cannot be read as UTF-8.",
                "expected: JSON in UTF-8",
                self._at(),
            ) from error
        finally:
            self._text.detach()

    def _document(self) -> Documents:
        if self._peek() == "[":
            yield from self._elements(inner=True)
        elif self._path and self._peek() == "{":
            page: Page = {}
            began = self._at()
            has_rows = False
            for row in self._members(page, self._path):
                has_rows = True
                yield row
            if has_rows or self._was_page:
                self.pages.append(page)
            else:
                yield began, page
        else:
            yield self._at(), self._value()

    def _elements(self, *, inner: bool) -> Documents:
        """The elements of a list; pages among them are opened."""
        self._place += 1
        if self._peek() == "]":
            self._place += 1
            return
        while True:
            if inner and self._path and self._peek() == "{":
                yield from self._document()
            else:
                self._peek()
                yield self._at(), self._value()
            if self._separator("]"):
                return

    def _keyed_rows(self, name: str) -> Documents:
        """The fields of an object as rows, each with its key as a field."""
        names: set[str] = set()
        self._place += 1
        if self._peek() == "}":
            self._place += 1
            return
        while True:
            began, key = self._name(names)
            self._peek()
            row = self._value()
            yield began, {**row, name: key} if isinstance(row, dict) else row
            if self._separator("}"):
                return

    def _members(self, page: Page, path: tuple[str, ...]) -> Documents:
        """The fields of an object into `page`; the rows at the end of `path`."""
        self._was_page = False
        was_page = False
        names: set[str] = set()
        self._place += 1
        if self._peek() == "}":
            self._place += 1
            return
        while True:
            _, key = self._name(names)
            first = self._peek()
            if key == path[0] and len(path) == 1 and first == "[":
                was_page = True
                yield from self._elements(inner=False)
            elif self._keyed and path == (key,) and first == "{":
                was_page = True
                yield from self._keyed_rows(self._keyed)
            elif key == path[0] and len(path) > 1 and first == "{":
                inner: Page = {}
                yield from self._members(inner, path[1:])
                was_page = was_page or self._was_page
                page[key] = inner
            else:
                page[key] = self._value()
            if self._separator("}"):
                self._was_page = was_page
                return

    def _name(self, names: set[str]) -> tuple[int, str]:
        """The name of the next field and its line; `names` are those before it."""
        self._peek()
        began, name = self._at(), self._value()
        if not isinstance(name, str) or self._peek() != ":":
            raise self._broken()
        if name in names:
            raise _twice(name, began)
        names.add(name)
        self._place += 1
        return began, name

    def _separator(self, end: str) -> bool:
        """Step over a comma, or over the end; whether it was the end."""
        char = self._peek()
        if char not in {",", end}:
            raise self._broken()
        self._place += 1
        return char == end

    def _value(self) -> Any:
        while True:
            try:
                value, end = self._decoder.raw_decode(self._buffer, self._place)
            except RecursionError as error:
                raise UnreadableRow(
                    "the JSON is nested too deeply.",
                    "expected: a list of rows",
                    self._at(),
                ) from error
            except UnreadableRow as error:
                error.line = self._at()
                raise
            except ValueError as error:
                if not isinstance(error, json.JSONDecodeError):
                    raise UnreadableRow(
                        "a number has more digits than can be read.",
                        "expected: a number of at most 15 digits, or a text",
                        self._at(),
                    ) from error
                begins = self._buffer[self._place : self._place + 1]
                if self._ended or begins not in _BEGINS:  # else it may go on
                    raise self._broken() from error
            else:
                if end < len(self._buffer) or self._ended:
                    self._place = end
                    return value
            self._read(len(self._buffer) - self._place)

    def _peek(self) -> str:
        """The next character that is no white space; '' at the end."""
        while True:
            space = _SPACE.match(self._buffer, self._place)
            self._place = space.end() if space else self._place
            if self._place < len(self._buffer):
                return self._buffer[self._place]
            if self._ended:
                return ""
            self._read(0)

    def _read(self, waiting: int) -> None:
        """Read on; more at a time where much is waiting to become whole."""
        if waiting > MAX_LINE:
            raise UnreadableRow(
                f"a value has more than {MAX_LINE:,} characters.",
                "a list of rows is expected: name its place in 'rows' of the mapping",
                self._at(),
            )
        self._at()
        piece = self._text.read(max(_PIECE, waiting))
        self._ended = not piece
        self._buffer = self._buffer[self._place :] + piece
        self._place = self._counted = 0

    def _at(self) -> int:
        """The line of the present place."""
        self._line += self._buffer.count("\n", self._counted, self._place)
        self._counted = self._place
        return self._line

    def _broken(self) -> UnreadableRow:
        begins = self._buffer[self._place : self._place + 40]
        line = self._at()
        if not begins:
            return UnreadableRow(
                "the JSON ends in the middle: the file is cut off.",
                "expected: the whole file, up to its last bracket",
                line,
            )
        may_be_cut = self._ended and begins[0] in _BEGINS
        cut = " The file may be cut off." if may_be_cut else ""
        return UnreadableRow(
            f"this is not JSON: {shown(begins)}.{cut}",
            "expected: JSON in UTF-8",
            line,
        )


def is_message(value: Any) -> bool:
    """Whether an object is a message of Singer or Airbyte."""
    return (
        isinstance(value, dict)
        and value.get("type") in _MESSAGES
        and (value["type"] != _RECORD or isinstance(value.get("record"), dict))
    )


class RecordMessages:
    """The records of a stream of Singer's or Airbyte's messages.

    Messages of the other types say nothing of rows, but for a trace of an error and a
    stream that says that it is incomplete: these stop the reading.
    """

    def __init__(self, messages: Documents, stream: str | None) -> None:
        self._messages, self._selected, self._stream = messages, stream, stream
        self.ignored: Counter[str] = Counter()
        """Records of other streams than the selected one, by stream."""
        self._announced: set[str | None] = set()
        """The streams that a message is about: one may have no record today."""

    def rows(self) -> Documents:
        """The records. Raises UnreadableRow."""
        line = 1
        for line, message in self._messages:
            if not is_message(message):
                raise UnreadableRow(
                    "this is not a message of Singer or Airbyte, unlike those before "
                    "it.",
                    "expected: an object with 'type', and 'record' for a record",
                    line,
                )
            if message["type"] != _RECORD:
                _check_whole(message, line)
                self._announced.add(_stream_of(message))
                continue
            record = message["record"]
            is_airbyte = isinstance(record.get("data"), dict) and "emitted_at" in record
            name = str(record.get("stream") if is_airbyte else message.get("stream"))
            if self._is_selected(name, line):
                self._announced.add(name)
                yield line, record["data"] if is_airbyte else record
        if self.ignored and self._selected not in self._announced:
            names = ", ".join(shown(name) for name in sorted(self.ignored)[:20])
            raise UnreadableRow(
                f"no message is of the stream {shown(self._selected)}; there are "
                f"{names}.",
                "name the one to read with --stream",
                line,
            )

    def _is_selected(self, name: str, line: int) -> bool:
        if self._stream is None:
            self._stream = name
        if name == self._stream:
            return True
        if self._selected is None:
            raise UnreadableRow(
                f"the record is of the stream {shown(name)}, those before it of "
                f"{shown(self._stream)}.",
                "name the one to read with --stream",
                line,
            )
        self.ignored[name] += 1
        return False


def _stream_of(message: dict[str, Any]) -> str | None:
    """Which stream a message other than a record is about, where it says so."""
    place: Any = message
    for key in ("trace", "stream_status", "stream_descriptor"):
        place = place.get(key) if isinstance(place, dict) else None
    name = place.get("name") if isinstance(place, dict) else message.get("stream")
    return name if isinstance(name, str) else None


def _check_whole(message: dict[str, Any], line: int) -> None:
    trace = message.get("trace")
    if message["type"] != "TRACE" or not isinstance(trace, dict):
        return
    status = trace.get("stream_status") or {}
    if trace.get("type") == "ERROR" or status.get("status") == "INCOMPLETE":
        raise UnreadableRow(
            "the source says that it failed: the records are not all there.",
            "run it again until it completes",
            line,
        )
