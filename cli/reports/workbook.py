"""A report as a workbook: real dates and numbers, and no cell that is a formula."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from itertools import islice
from math import ceil
from pathlib import Path
from typing import IO, Any

from seat_ledger.cli.output.listing import (
    EPOCH,
    HEAD,
    MOST_ROWS,
    SUM,
    is_number,
    workbook_at,
)
from seat_ledger.cli.output.render import starts_as_formula
from seat_ledger.cli.reports.content import Content, ReportColumn, Table
from seat_ledger.cli.reports.sheet_charts import add_charts
from seat_ledger.domain.calendar import ZoneHistory, local_time
from seat_ledger.domain.values import iso

_AT_ONCE = 500
_A4 = 9
_LETTERS, _LINE = 100, 15
"""What fits on a line of a wide column, and how high a line is."""
_UTC = ZoneHistory("UTC")
ZonedRow = tuple[Sequence[Any], ZoneHistory]
"""The cells of a row, and the zones in which its times are shown."""
_FORMATS = {
    "text": {},
    "number": {"num_format": "0.############"},
    "entry": {"num_format": "0"},
    "money": {"num_format": "#,##0.00####"},
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
    ReportColumn("assigned by entry", "entry"),
    ReportColumn("unassigned by entry", "entry"),
    ReportColumn("begun after", "instant"),
    ReportColumn("ended after", "instant"),
)


def write_workbook(
    content: Content, target: Path | IO[bytes], provenance: Iterable[Any]
) -> None:
    """Write the workbook. The same content gives the same bytes."""
    recorded = content.known_at[1]
    created = recorded.astimezone(UTC).replace(tzinfo=None) if recorded else EPOCH
    with workbook_at(target) as book:
        book.set_properties({"title": content.title, "created": created})
        sheets = _Sheets(book, content)
        _cover(sheets, content)
        for table in content.summary:
            sheets.below("summary", table)
        add_charts(sheets, content)
        if content.findings is not None:
            findings = content.findings
            sheets.table("findings", findings.columns, _utc(findings.rows))
        lines = ((line.cells, content.zones_of_line(line)) for line in content.lines())
        sheets.table("lines", content.columns, lines, content.sums)
        sheets.table("holders", _HOLDERS, _holdings(content))
        titles = [column.title for column in content.columns]
        places = [titles.index(title) for title in content.named_by]
        columns = (*(content.columns[place] for place in places), *content.parts)
        sheets.table("events", columns, _parts(content, places))
        columns = (ReportColumn("what"), ReportColumn("value"))
        sheets.table("provenance", columns, _utc(provenance))


def _utc(rows: Iterable[Sequence[Any]]) -> Iterator[ZonedRow]:
    """Rows without instants."""
    for row in rows:
        yield row, _UTC


def _cover(sheets: _Sheets, content: Content) -> None:
    words = content.words
    rows = [(words("cover_report"), content.title)]
    rows += [(words("cover_answer"), content.sentence), *content.in_short]
    rows += content.facts
    notes = [*content.notes, content.left_out]
    rows += [(words("cover_note"), note) for note in notes if note]
    rows.append((words("cover_times"), words("cover_times_text")))
    columns = (ReportColumn("what"), ReportColumn("value"))
    sheets.table("cover", columns, _utc(rows))


def _holdings(content: Content) -> Iterator[ZonedRow]:
    for account in content.pictured:
        for holding in account.holdings:
            yield holding, account.zones


def _parts(content: Content, places: Sequence[int]) -> Iterator[ZonedRow]:
    """What the lines open into, each with what tells its line apart."""
    lines = content.lines()
    while group := list(islice(lines, _AT_ONCE)):
        for line, parts in zip(group, content.opened(group), strict=True):
            named = [line.cells[place] for place in places]
            for part in parts:
                yield (*named, *part), content.zones_of_line(line)


class _Sheets:
    """The sheets of a workbook, written row by row."""

    def __init__(self, book: Any, content: Content) -> None:
        self.book = book
        self.words = content.words
        self.formats = {
            kind: book.add_format({**look, "num_format": self._format(kind)})
            for kind, look in _FORMATS.items()
        }
        self.below_lines = {
            kind: book.add_format({**SUM, **look, "num_format": self._format(kind)})
            for kind, look in _FORMATS.items()
        }
        self.quoted = book.add_format({"quote_prefix": True})
        self.quoted_wrapped = book.add_format(
            {"quote_prefix": True, "text_wrap": True, "valign": "top"}
        )
        self.head = book.add_format(HEAD)
        self.wrapped = book.add_format({"text_wrap": True, "valign": "top"})
        self.places: dict[str, tuple[Any, int]] = {}

    def _format(self, kind: str) -> str:
        """How numbers and dates of a kind are shown, in the report's language."""
        look = str(_FORMATS[kind].get("num_format", "General"))
        return look.replace("yyyy-mm-dd", self.words("date_cells"))

    def sheet(self, name: str, number: int = 1) -> Any:
        """Another sheet, by its name in the catalogue."""
        title = self.words(f"sheet_{name}")
        title = title if number == 1 else f"{title} {number}"
        sheet = self.book.add_worksheet(title)
        sheet.set_landscape()
        sheet.set_paper(_A4)
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0)
        return sheet

    def table(
        self,
        name: str,
        columns: Sequence[ReportColumn],
        rows: Iterable[ZonedRow],
        sums: Sequence[Sequence[Any]] = (),
    ) -> None:
        """A sheet with a frozen header; what does not fit goes on to another.

        Below all rows stand their sums.
        """
        remaining = iter(rows)
        number = row = 0
        sheet = None
        while True:
            number += 1
            batch = islice(remaining, MOST_ROWS)
            first = next(batch, None)
            if first is None and number > 1:
                for n, cells in enumerate(sums if row else (), row + 1):
                    self.row(sheet, n, columns, cells, None)
                return
            sheet = self.sheet(name, number)
            self._header(sheet, 0, columns)
            sheet.freeze_panes(1, 0)
            if name == "cover":
                sheet.set_column(0, 0, 22)
                sheet.set_column(1, 1, 110, self.wrapped)
            else:
                sheet.set_column(0, _width(columns) - 1, 19)
            if name == "findings":
                sheet.set_column(len(columns) - 1, len(columns) - 1, 110, self.wrapped)
            row = 0
            for row, (cells, zones) in enumerate(_all(first, batch), 1):
                if name in {"cover", "findings"}:
                    lines = ceil(len(str(cells[-1])) / _LETTERS)
                    sheet.set_row(row, _LINE * max(1, lines))
                self.row(sheet, row, columns, cells, zones)
            if row and name not in {"cover", "provenance"}:
                sheet.autofilter(0, 0, row, _width(columns) - 1)

    def below(self, name: str, table: Table) -> tuple[str, int]:
        """A table below the others of a sheet: the sheet's name and its first row."""
        if name not in self.places:
            sheet = self.sheet(name)
            sheet.set_column(0, 0, 60)
            sheet.set_column(1, 8, 19)
            sheet.write_string(0, 0, self.words(f"sheet_{name}"), self.head)
            sheet.freeze_panes(1, 0)
            self.places[name] = (sheet, 2)
        sheet, at = self.places[name]
        sheet.write_string(at, 0, table.title, self.head)
        self._header(sheet, at + 1, table.columns)
        for n, cells in enumerate(table.rows, at + 2):
            self.row(sheet, n, table.columns, cells, _UTC)
        self.places[name] = (sheet, at + len(table.rows) + 4)
        return sheet.name, at + 2

    def _header(self, sheet: Any, row: int, columns: Sequence[ReportColumn]) -> None:
        titles = []
        for column in columns:
            title = column.titled(self.words)
            titles.append(title)
            if column.kind == "instant":
                titles.append(self.words("column_exactly", title=title))
        for n, title in enumerate(titles):
            sheet.write_string(row, n, title, self.head)

    def row(
        self,
        sheet: Any,
        row: int,
        columns: Sequence[ReportColumn],
        cells: Sequence[Any],
        zones: ZoneHistory | None,
    ) -> None:
        """A row, of sums without zones; beside an instant its text in UTC, since a date
        holds no microseconds and does not say which of two like times it is.
        """
        n = 0
        for column, cell in zip(columns, cells, strict=True):
            if cell is not None:
                self._cell(sheet, (row, n), column.kind, cell, zones)
            n += 1
            if column.kind == "instant":
                if cell is not None:
                    sheet.write_string(row, n, iso(cell))
                n += 1

    def _cell(
        self,
        sheet: Any,
        place: tuple[int, int],
        kind: str,
        cell: Any,
        zones: ZoneHistory | None,
    ) -> None:
        look = (self.formats if zones else self.below_lines)[kind]
        if kind in {"number", "money", "entry"} and is_number(cell):
            sheet.write_number(*place, float(cell), look)
        elif kind == "date" and _is_date(cell):
            day = date.fromisoformat(cell)
            at = datetime(day.year, day.month, day.day)  # noqa: DTZ001  a date
            sheet.write_datetime(*place, at, look)
        elif zones and isinstance(cell, datetime) and 1900 < cell.year < 9999:
            wall = local_time(cell.astimezone(UTC), zones.at(cell))
            sheet.write_datetime(*place, wall, look)
        else:
            self._text(sheet, place, str(cell), None if zones else look)

    def _text(
        self, sheet: Any, place: tuple[int, int], text: str, plain: Any = None
    ) -> None:
        """A text; one that would be a formula once it is edited keeps its mark."""
        is_long = len(text) > _LETTERS or sheet.name == self.words("sheet_cover")
        if not starts_as_formula(text):
            sheet.write_string(*place, text, self.wrapped if is_long else plain)
        else:
            look = self.quoted_wrapped if is_long else self.quoted
            sheet.write_string(*place, text, look)


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
