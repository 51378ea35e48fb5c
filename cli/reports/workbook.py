"""A report as a workbook: real dates and numbers, and no cell that is a formula."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any

from seat_ledger.cli.output.listing import EPOCH, MOST_ROWS, SETTINGS, is_number
from seat_ledger.cli.output.render import starts_as_formula
from seat_ledger.cli.reports.content import Content, ReportColumn
from seat_ledger.domain.values import iso

_AT_ONCE = 500
_FORMATS = {
    "text": {},
    "number": {"num_format": "0.############"},
    "money": {"num_format": "0.00####"},
    "date": {"num_format": "yyyy-mm-dd"},
    "instant": {"num_format": "yyyy-mm-dd hh:mm:ss"},
}
_HOLDERS = (
    ReportColumn("account"),
    ReportColumn("seat"),
    ReportColumn("user"),
    ReportColumn("name"),
    ReportColumn("held from", "instant"),
    ReportColumn("held until", "instant"),
    ReportColumn("assigned by entry", "number"),
    ReportColumn("unassigned by entry", "number"),
    ReportColumn("begun after", "instant"),
    ReportColumn("ended after", "instant"),
)


def write_workbook(
    content: Content, target: Path | IO[bytes], provenance: Iterable[Any]
) -> None:
    """Write the workbook. The same content gives the same bytes."""
    import xlsxwriter  # noqa: PLC0415

    recorded = content.known_at[1]
    created = recorded.astimezone(UTC).replace(tzinfo=None) if recorded else EPOCH
    place = str(target) if isinstance(target, Path) else target
    with xlsxwriter.Workbook(place, SETTINGS) as book:
        book.set_properties({"title": content.title, "created": created})
        sheets = _Sheets(book)
        _cover(sheets, content)
        for table in content.summary:
            sheets.below("Summary", table.title, table.columns, table.rows)
        if content.findings is not None:
            sheets.table("Findings", content.findings.columns, content.findings.rows)
        cells = (line.cells for line in content.lines())
        sheets.table("Lines", content.columns, cells)
        sheets.table("Holders", _HOLDERS, _holdings(content))
        titles = [column.title for column in content.columns]
        places = [titles.index(title) for title in content.named_by]
        columns = (*(content.columns[place] for place in places), *content.parts)
        sheets.table("Events", columns, _parts(content, places))
        columns = (ReportColumn("what"), ReportColumn("value"))
        sheets.table("Provenance", columns, provenance)


def _cover(sheets: _Sheets, content: Content) -> None:
    rows = [("Report", content.title), ("Answer", content.sentence)]
    rows += [*content.facts, *(("Note", note) for note in content.notes)]
    if content.left_out:
        rows.append(("Note", content.left_out))
    rows.append(("Times", "UTC; intervals exclude their end"))
    sheets.table("Cover", (ReportColumn("Seat Ledger report"), ReportColumn("")), rows)


def _holdings(content: Content) -> Iterator[Sequence[Any]]:
    for account in content.pictured:
        yield from account.holdings


def _parts(content: Content, places: Sequence[int]) -> Iterator[Sequence[Any]]:
    """What the lines open into, each with what tells its line apart."""
    lines = content.lines()
    while group := list(islice(lines, _AT_ONCE)):
        for line, parts in zip(group, content.opened(group), strict=True):
            for part in parts:
                yield (*(line.cells[place] for place in places), *part)


class _Sheets:
    """The sheets of a workbook, written row by row."""

    def __init__(self, book: Any) -> None:
        self.book = book
        self.formats = {kind: book.add_format(look) for kind, look in _FORMATS.items()}
        self.quoted = book.add_format({"quote_prefix": True})
        self.quoted_wrapped = book.add_format(
            {"quote_prefix": True, "text_wrap": True, "valign": "top"}
        )
        self.head = book.add_format({"bold": True, "bottom": 1, "bg_color": "#EEF3F9"})
        self.wrapped = book.add_format({"text_wrap": True, "valign": "top"})
        self.places: dict[str, tuple[Any, int]] = {}

    def table(
        self, name: str, columns: Sequence[ReportColumn], rows: Iterable[Sequence[Any]]
    ) -> None:
        """A sheet with a frozen header; what does not fit goes on to another."""
        remaining = iter(rows)
        number = 0
        while True:
            number += 1
            batch = islice(remaining, MOST_ROWS)
            first = next(batch, None)
            if first is None and number > 1:
                return
            sheet = self.book.add_worksheet(name if number == 1 else f"{name} {number}")
            self._header(sheet, 0, columns)
            sheet.freeze_panes(1, 0)
            if name == "Cover":
                sheet.set_column(0, 0, 22)
                sheet.set_column(1, 1, 110, self.wrapped)
            else:
                sheet.set_column(0, _width(columns) - 1, 19)
            if name == "Findings":
                sheet.set_column(len(columns) - 1, len(columns) - 1, 110, self.wrapped)
            row = 0
            for row, cells in enumerate(_all(first, batch), 1):
                self._row(sheet, row, columns, cells)
            if row and name not in {"Cover", "Provenance"}:
                sheet.autofilter(0, 0, row, _width(columns) - 1)

    def below(
        self,
        name: str,
        title: str,
        columns: Sequence[ReportColumn],
        rows: Sequence[Sequence[Any]],
    ) -> None:
        """A table below the others of a sheet."""
        if name not in self.places:
            sheet = self.book.add_worksheet(name)
            sheet.set_column(0, 0, 60)
            sheet.set_column(1, 8, 19)
            sheet.write_string(0, 0, name, self.head)
            sheet.freeze_panes(1, 0)
            self.places[name] = (sheet, 2)
        sheet, at = self.places[name]
        sheet.write_string(at, 0, title, self.head)
        self._header(sheet, at + 1, columns)
        for n, cells in enumerate(rows, at + 2):
            self._row(sheet, n, columns, cells)
        self.places[name] = (sheet, at + len(rows) + 4)

    def _header(self, sheet: Any, row: int, columns: Sequence[ReportColumn]) -> None:
        titles = []
        for column in columns:
            if column.kind == "instant":
                titles += [f"{column.title} (UTC)", f"{column.title}, exactly"]
            else:
                titles.append(column.title)
        for n, title in enumerate(titles):
            sheet.write_string(row, n, title, self.head)

    def _row(
        self,
        sheet: Any,
        row: int,
        columns: Sequence[ReportColumn],
        cells: Sequence[Any],
    ) -> None:
        """A row; beside an instant its text, since a date holds no microseconds."""
        n = 0
        for column, cell in zip(columns, cells, strict=True):
            if cell is not None:
                self._cell(sheet, row, n, column.kind, cell)
            n += 1
            if column.kind == "instant":
                if cell is not None:
                    sheet.write_string(row, n, iso(cell))
                n += 1

    def _cell(self, sheet: Any, row: int, n: int, kind: str, cell: Any) -> None:
        look = self.formats[kind]
        if kind in {"number", "money"} and is_number(cell):
            sheet.write_number(row, n, float(cell), look)
        elif kind == "date" and _is_date(cell):
            day = date.fromisoformat(cell)
            at = datetime(day.year, day.month, day.day)  # noqa: DTZ001  a date
            sheet.write_datetime(row, n, at, look)
        elif isinstance(cell, datetime) and cell.year >= 1900:
            naive = cell.astimezone(UTC).replace(tzinfo=None)
            sheet.write_datetime(row, n, naive, look)
        else:
            self._text(sheet, row, n, str(cell))

    def _text(self, sheet: Any, row: int, n: int, text: str) -> None:
        """A text; one that would be a formula once it is edited keeps its mark."""
        if not starts_as_formula(text):
            sheet.write_string(row, n, text)
        elif sheet.name == "Cover":
            sheet.write_string(row, n, text, self.quoted_wrapped)
        else:
            sheet.write_string(row, n, text, self.quoted)


def _width(columns: Sequence[ReportColumn]) -> int:
    """How many columns of a sheet they take."""
    return len(columns) + sum(column.kind == "instant" for column in columns)


def _all(first: Any, remaining: Iterable[Any]) -> Iterator[Any]:
    if first is not None:
        yield first
        yield from remaining


def _is_date(cell: Any) -> bool:
    try:
        return date.fromisoformat(str(cell)).year >= 1900
    except ValueError:
        return False
