"""Tables as people have them: CSV in several guises, and workbooks.

A row is a dictionary of its cells by the mapping's names of the columns. Nothing is
detected that could be two things: the separator is the one with which the header has
the columns that the mapping needs.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from seat_ledger.domain.values import shown
from seat_ledger.errors import MissingExtra
from seat_ledger.sources.mapping import FileShape
from seat_ledger.sources.refusals import UnreadableRow

MAX_CELL = 1 << 20
"""Characters of a cell: a column may hold a whole JSON record."""

MAX_WORKBOOK = 2 << 30
MAX_SHARED = 256 << 20
_DECLARED = 4_096
"""Bytes of a workbook unpacked, and of the texts that it keeps in memory."""

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_SEPARATOR_LINE = re.compile(r"sep=(.)\s*", re.ASCII | re.IGNORECASE)
_EXACT = 10**15
"""Whole numbers below it are exact in a workbook, which keeps 15 digits."""

TableRows = Iterator[tuple[int, dict[str, Any]]]


def encoding_of(head: bytes, shape: FileShape) -> str:
    """How the text of a file is encoded: by its mark, else as the mapping says."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise UnreadableRow(
            "the file is UTF-32.",
            "expected: CSV in UTF-8, or in UTF-16 with its byte order mark",
        )
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if b"\0" in head:
        raise UnreadableRow(
            "the file holds NUL bytes, so it is not UTF-8 text.",
            "expected: CSV in UTF-8, or in UTF-16 with its byte order mark",
        )
    return shape.encoding or "utf-8"


def csv_rows(lines: TextLines, shape: FileShape) -> TableRows:
    """The rows of a CSV file with their lines. Raises UnreadableRow."""
    csv.field_size_limit(MAX_CELL)
    try:
        separator, header = _header(lines, shape)
        names = column_names(header, shape)
        yield from _cells(
            csv.reader(lines, delimiter=separator, strict=True), names, lines
        )
    except UnicodeDecodeError as error:
        raise UnreadableRow(
            f"a byte cannot be read as {lines.encoding}.",
            "save the file as CSV in UTF-8, or name its encoding in the mapping",
            lines.number,
        ) from error


class TextLines:
    """The lines of a text, counted as an editor counts them.

    Each is decoded by itself, so that what cannot be is named by its line.
    `is_broken_off` once a line had no end.
    """

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self.number, self.encoding = 0, encoding
        self.is_broken_off = False
        self._stream = stream

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._stream.readline(MAX_CELL)
        if not line:
            raise StopIteration
        self.number += 1
        if self.number == 1 and _has_old_ends(line):
            raise UnreadableRow(
                "the lines end with a carriage return alone.",
                "save the file with line ends of LF or CRLF, as CSV in UTF-8",
                1,
            )
        if len(line) >= MAX_CELL:
            raise UnreadableRow(
                f"the line has more than {MAX_CELL:,} bytes.",
                "expected: one row per line, ended by a line break",
                self.number,
            )
        text = line.decode(self.encoding)
        if self.number == 1:
            self.encoding = self.encoding.removesuffix("-sig")
        self.is_broken_off = text[-1] not in "\r\n"
        return text


def _has_old_ends(line: bytes) -> bool:
    """Whether lines end as on a Macintosh of old, so that a file is one line."""
    return b"\r" in line.rstrip(b"\r\n")


def _header(lines: TextLines, shape: FileShape) -> tuple[str, list[str]]:
    """The separator and the cells of the first line that is not empty."""
    for line in lines:
        if not line.strip():
            continue
        declared = _SEPARATOR_LINE.fullmatch(line)
        text = next(lines, "") if declared else line
        choices = [declared[1]] if declared else list(SEPARATORS)
        headers = {choice: _split(text, choice) for choice in choices}
        best = max(choices, key=lambda choice: _fitting(headers[choice], shape))
        return best, headers[best]
    raise UnreadableRow("the file is empty.", _header_of(shape.has), 1)


def _split(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line.strip("\r\n")], delimiter=separator), [])
    except csv.Error:
        return []


def _fitting(header: list[str], shape: FileShape) -> tuple[int, int]:
    name_of = _names(shape)
    return len({name_of(cell) for cell in header} & set(shape.has)), len(header)


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


def _names(shape: FileShape) -> Callable[[str], str]:
    """Gives the mapping's name of a column by its header, whichever it is."""
    headers = {_folded(name): name for name in [*shape.has, *shape.columns]}
    begins: list[tuple[str, str]] = []
    for name, aliases in shape.columns.items():
        for alias in map(_folded, aliases):
            if alias.endswith("*"):
                begins.append((alias[:-1], name))
            else:
                headers[alias] = name

    def name_of(header: str) -> str:
        text = _folded(header)
        if text in headers:
            return headers[text]
        names = [name for start, name in begins if text.startswith(start)]
        return names[0] if names else header.strip()

    return name_of


def column_names(header: Iterable[object], shape: FileShape) -> list[str]:
    """The mapping's names of a file's columns. Raises UnreadableRow."""
    cells = ["" if cell is None else str(cell).strip() for cell in header]
    name_of = _names(shape)
    names = [name_of(cell) for cell in cells]
    missing = [name for name in shape.has if name not in names]
    if missing:
        raise UnreadableRow(
            f"the header has no {_columns(missing)}; it has {_columns(cells[:30])}.",
            f"expected: {_columns(shape.has)}; another language's headers belong "
            "into [file.columns] of the mapping",
        )
    if shape.optional is not None:
        allowed = {*shape.has, *shape.optional}
        others = [name for name in names if name not in allowed]
        if others:
            raise UnreadableRow(
                f"the header has the {_columns(others)}.",
                f"expected: {_columns(shape.has)}, and perhaps "
                f"{_columns(shape.optional)}",
            )
    twice = [name for name in names if name and names.count(name) > 1]
    if twice:
        raise UnreadableRow(
            f"the column {shown(twice[0])} comes twice.", "name each column once"
        )
    return names


def _header_of(names: list[str]) -> str:
    return f"expected: a header with {_columns(names)}" if names else "export it again"


def _columns(names: list[str]) -> str:
    word = "column" if len(names) == 1 else "columns"
    return f"{word} {', '.join(shown(name) for name in names)}"


def _cells(reader: Any, names: list[str], lines: TextLines) -> TableRows:
    began = lines.number + 1
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise UnreadableRow(
                f"the line cannot be read as CSV ({error}).",
                'expected: cells in ", with a quote inside written as ""',
                began,
            ) from error
        if cells is None:
            return
        if any(cells):
            if len(cells) != len(names):
                raise UnreadableRow(
                    f"the line has {len(cells)} cells, the header {len(names)}.",
                    "expected: a cell for each column",
                    began,
                )
            if lines.is_broken_off and not cells[-1] and len(cells) > 1:
                raise UnreadableRow(
                    f"the last line has no end and nothing in {shown(names[-1])}.",
                    "export the file again; or, if it is whole, end it with a line "
                    "break",
                    began,
                )
            yield began, dict(zip(names, cells, strict=True))
        began = lines.number + 1


def workbook_rows(stream: BinaryIO, shape: FileShape) -> TableRows:
    """The rows of a workbook's sheet with their numbers. Raises UnreadableRow."""
    yield from _of_sheet(workbook_values(stream, shape), shape)


def workbook_values(
    stream: BinaryIO, shape: FileShape
) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """The values of a workbook's sheet as they are, with the rows' numbers.

    Raises UnreadableRow, and MissingExtra without openpyxl.
    """
    with opened_workbook(stream) as book:
        for number, cells in sheet_rows(_sheet(book, shape)):
            yield number, tuple(cell.value for cell in cells)


@contextmanager
def opened_workbook(stream: BinaryIO) -> Iterator[Any]:
    """A workbook, to be read from its first row on.

    Raises UnreadableRow, and MissingExtra without openpyxl.
    """
    try:
        from openpyxl import load_workbook  # noqa: PLC0415  an extra
    except ImportError as error:
        raise MissingExtra(
            "Reading a workbook needs the package openpyxl, which is not installed.",
            try_="pip install 'seat-ledger[sources]', or save the sheet as CSV",
        ) from error
    content = stream if stream.seekable() else io.BytesIO(_whole(stream))
    _check_archive(content)
    try:
        book = load_workbook(content, read_only=True)
    except Exception as error:
        raise _no_workbook(error) from error
    try:
        yield book
    finally:
        book.close()


def _no_workbook(error: Exception) -> UnreadableRow:
    return UnreadableRow(
        f"the file cannot be read as a workbook ({type(error).__name__}).",
        "expected: an .xlsx file; save it again, or as CSV",
    )


def _whole(stream: BinaryIO) -> bytes:
    """What a pipe gives, which a workbook needs whole."""
    content = stream.read(MAX_SHARED + 1)
    if len(content) > MAX_SHARED:
        raise UnreadableRow(
            f"the workbook has more than {MAX_SHARED:,} bytes.",
            "name the file itself, or save the sheet as CSV",
        )
    return content


def sheet_rows(sheet: Any) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """The cells of a sheet's rows, with the rows' numbers. A formula is no value: what
    a workbook keeps of its result may be old, or missing. Raises UnreadableRow.
    """
    rows = enumerate(sheet.iter_rows(), start=1)
    while True:
        try:
            number, cells = next(rows, (0, ()))
        except Exception as error:
            raise _no_workbook(error) from error
        if not number:
            return
        formula = next((cell for cell in cells if cell.data_type == "f"), None)
        if formula is not None:
            raise UnreadableRow(
                f"the cell {formula.coordinate} holds a formula.",
                "expected: values: paste them over the formulas, or save the sheet "
                "as CSV",
                number,
            )
        yield number, cells


def _check_archive(content: BinaryIO) -> None:
    """Refuse a workbook that unpacks to more than is read, or declares entities."""
    try:
        with zipfile.ZipFile(content) as archive:
            members = archive.infolist()
            declares = any(
                b"<!DOCTYPE" in archive.open(member).read(_DECLARED)
                for member in members
                if member.filename.endswith((".xml", ".rels"))
            )
    except (RuntimeError, NotImplementedError, zlib.error, EOFError) as error:
        raise _no_workbook(error) from error
    except zipfile.BadZipFile as error:
        raise UnreadableRow(
            "the file is a damaged workbook, or a cut-off one.",
            "expected: a whole .xlsx file",
        ) from error
    content.seek(0)
    if declares:
        raise UnreadableRow(
            "the workbook declares entities of its own, which no spreadsheet writes.",
            "open it in a spreadsheet and save the sheet as CSV",
        )
    shared = sum(m.file_size for m in members if "sharedStrings" in m.filename)
    if shared > MAX_SHARED or sum(m.file_size for m in members) > MAX_WORKBOOK:
        raise UnreadableRow(
            "the workbook unpacks to more than is read.", "save the sheet as CSV"
        )


def _sheet(book: Any, shape: FileShape) -> Any:
    if shape.sheet is None:
        if len(book.sheetnames) > 1:
            raise UnreadableRow(
                f"the workbook has several sheets: {', '.join(book.sheetnames)}.",
                "name one of them as 'sheet' in the mapping's [file]",
            )
        return book.worksheets[0]
    if shape.sheet not in book.sheetnames:
        raise UnreadableRow(
            f"the workbook has no sheet {shown(shape.sheet)}.",
            f"its sheets are {', '.join(book.sheetnames)}",
        )
    return book[shape.sheet]


def _of_sheet(
    rows: Iterable[tuple[int, tuple[Any, ...]]], shape: FileShape
) -> TableRows:
    names: list[str] | None = None
    for number, cells in rows:
        if all(cell is None for cell in cells):
            continue
        if names is None:
            names = column_names(cells, shape)
            continue
        padded = [*cells, *([None] * (len(names) - len(cells)))]
        yield (
            number,
            {
                name: _cell(value, number)
                for name, value in zip(names, padded, strict=False)
            },
        )
    if names is None:
        raise UnreadableRow("the sheet is empty.", _header_of(shape.has), 1)


def _cell(value: Any, number: int) -> Any:
    """A cell as the text that CSV would have; a date stays one."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        if abs(value) >= _EXACT:
            raise UnreadableRow(
                f"the number {value} has more than 15 digits, which a workbook does "
                "not keep.",
                "expected: a text in such a cell: export CSV instead",
                number,
            )
        return str(int(value)) if value == int(value) else repr(value)
    return value
