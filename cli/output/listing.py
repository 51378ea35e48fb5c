"""The rows of an answer as a workbook: CSV's columns, with real numbers and dates.

Below the rows stand the totals that the answer has; a second sheet says what was asked
and known. No cell is a formula.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from importlib import import_module
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

from seat_ledger.cli.output import times
from seat_ledger.cli.output.csv_headers import DATES, DECIMALS
from seat_ledger.cli.output.layout import View
from seat_ledger.cli.output.render import (
    Answer,
    columns_and_rows,
    readable,
    starts_as_formula,
    sums_below,
)
from seat_ledger.domain.calendar import ZoneHistory, instants_of, local_time
from seat_ledger.domain.values import iso

SETTINGS = {
    "strings_to_formulas": False,
    "strings_to_numbers": False,
    "strings_to_urls": False,
    "constant_memory": True,
}
EPOCH = datetime(2000, 1, 1)  # noqa: DTZ001  a workbook's times have no zone
HEAD = {"bold": True, "bottom": 1, "bg_color": "#EEF3F9"}
SUM = {"bold": True, "top": 1}
"""How the first row of a sheet looks, and a row of sums."""
MOST_ROWS = 1_000_000
_MOST_TEXT = 32_000
_FIRST_YEAR, _LAST_YEAR = 1900, 9998
_NUMBER = re.compile(r"-?\d+(?:\.(\d+))?", re.ASCII)


@contextmanager
def workbook_at(target: Path | IO[bytes]) -> Iterator[Any]:
    """A workbook that is written once it is whole. Raises OSError.

    The library would write it piece by piece, has errors of its own for a disk that is
    full, and tries once more when it is taken out of memory.
    """
    xlsxwriter = import_module("xlsxwriter")  # slow, and of an extra

    whole = io.BytesIO()
    with xlsxwriter.Workbook(whole, SETTINGS) as book:
        yield book
    if isinstance(target, Path):
        target.write_bytes(whole.getbuffer())
    else:
        target.write(whole.getbuffer())


def write_listing(answer: Answer, path: Path, view: View) -> None:
    """Write an answer's rows as a workbook.

    Raises InvalidInput for a column that is not there.
    """
    header, rows = columns_and_rows(answer, view=view, in_words=True)
    recorded = answer.known_at[1] if answer.known_at else None
    created = recorded.astimezone(UTC).replace(tzinfo=None) if recorded else EPOCH
    with workbook_at(path) as book:
        book.set_properties({"title": answer.sentence[:255], "created": created})
        sheets = _Listing(book, header, answer.zones or times.UTC_ZONES)
        sheets.rows(rows)
        sheets.totals(sums_below(answer))
        sheets.about(answer)


class _Listing:
    """The sheets of a listing, written row by row."""

    def __init__(self, book: Any, header: Sequence[str], zones: ZoneHistory) -> None:
        self.book = book
        self.header = header
        self.zones = zones
        self.looks: dict[str, Any] = {}
        self.sheet: Any = None
        self.at = 0

    def rows(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """A sheet of rows; what does not fit goes on to another."""
        remaining = iter(rows)
        number = 0
        while (first := next(remaining, None)) is not None or not number:
            number += 1
            self._begin("Rows" if number == 1 else f"Rows {number}")
            batch = chain([first] if first is not None else (), remaining)
            for row in islice(batch, MOST_ROWS):
                self._row(row)
            if self.at > 1 and self.header:
                self.sheet.autofilter(0, 0, self.at - 1, len(self.header) - 1)

    def totals(self, totals: Iterable[Mapping[str, Any]]) -> None:
        """The sums of the answer, by currency, each under its column, if it has one."""
        for total in totals:
            row = {name: total.get(name) for name in self.header}
            if DECIMALS.isdisjoint(name for name in row if row[name] is not None):
                continue
            if row[self.header[0]] is None:
                row[self.header[0]] = total.get("sum") or "total"
            self._row(row, is_total=True)

    def about(self, answer: Answer) -> None:
        """What was asked, answered and known."""
        position = answer.known_at[0] if answer.known_at else None
        clock = None if answer.zones else times.clock(self.zones)
        facts = [
            ("answer", answer.sentence),
            ("as of", answer.as_of),
            ("known at position", position),
            *(("note", note) for note in [*answer.notes, clock]),
        ]
        self.header = ("about", "value")
        self._begin("About")
        self.sheet.set_column(1, 1, 110, self._look("", text_wrap=True))
        for what, value in facts:
            if value not in {None, ""}:
                self._row({"about": what, "value": value})

    def _begin(self, name: str) -> None:
        self.sheet, self.at = self.book.add_worksheet(name), 1
        self.sheet.freeze_panes(1, 0)
        self.sheet.set_column(0, max(len(self.header) - 1, 0), 19)
        head = self.book.add_format(HEAD)
        for n, title in enumerate(self.header):
            self.sheet.write_string(0, n, title, head)

    def _row(self, row: Mapping[str, Any], *, is_total: bool = False) -> None:
        for n, name in enumerate(self.header):
            value = row.get(name)
            if value is not None and value != "":
                self._cell(n, name.rpartition(".")[2], value, is_total)
        self.at += 1

    def _cell(self, n: int, name: str, value: Any, is_total: bool) -> None:
        """A cell by what it holds: what a workbook cannot hold exactly is a text."""
        if isinstance(value, bool):
            self.sheet.write_boolean(self.at, n, value, self._look("", is_total))
            return
        if isinstance(value, str) and name in DATES:
            value = _as_date(value)
        if isinstance(value, datetime):
            value = self._on_clock(value)
        places = _places(value, name)
        if places is not None:
            form = f"#,##0.{'0' * places}" if places else "0"
            look = self._look(form, is_total)
            self.sheet.write_number(self.at, n, float(value), look)
        elif isinstance(value, datetime):
            form = "yyyy-mm-dd hh:mm:ss" + (".000" if value.microsecond else "")
            self.sheet.write_datetime(self.at, n, value, self._look(form, is_total))
        elif isinstance(value, date) and value.year >= _FIRST_YEAR:
            look = self._look("yyyy-mm-dd", is_total)
            self.sheet.write_datetime(self.at, n, value, look)
        else:
            self._text(n, str(value), is_total)

    def _on_clock(self, instant: datetime) -> datetime | str:
        """An instant as the account's clocks show it; as a text where they show that
        time twice, which a date cell cannot tell apart.
        """
        if not _FIRST_YEAR < instant.year <= _LAST_YEAR:
            return iso(instant)
        zone_name = self.zones.at(instant)
        wall = local_time(instant.astimezone(UTC), zone_name)
        if len(instants_of(wall, zone_name)) > 1:
            return times.local(instant, self.zones)
        return wall

    def _text(self, n: int, text: str, is_total: bool) -> None:
        """A text; one that would be a formula once it is edited keeps its mark."""
        if len(text) > _MOST_TEXT:  # no spreadsheet takes more than 32,767
            text = f"{text[:_MOST_TEXT]}… (a text of {len(text):,}; CSV has them all)"
        look = self._look(
            "",
            is_total,
            quote_prefix=starts_as_formula(text),
            text_wrap=self.sheet.name == "About",
        )
        self.sheet.write_string(self.at, n, readable(text), look)

    def _look(self, form: str, is_total: bool = False, **more: object) -> Any:
        """How a cell looks: its format of numbers, a sum's line above, and more."""
        look: dict[str, Any] = {name: True for name, wished in more.items() if wished}
        look |= SUM if is_total else {}
        look |= {"num_format": form} if form else {}
        key = str(look)
        if key not in self.looks:
            self.looks[key] = self.book.add_format(look)
        return self.looks[key]


def is_number(cell: Any) -> bool:
    """Whether a cell is a number that a workbook keeps to the last digit."""
    digits = str(cell).strip("-").replace(".", "")
    return digits.isdigit() and len(digits.strip("0")) <= 15


def _places(value: Any, name: str) -> int | None:
    """How many places a number is written with; None for what is no number."""
    if isinstance(value, int | float) or (isinstance(value, str) and name in DECIMALS):
        written = _NUMBER.fullmatch(str(value))
        if written and is_number(value):
            return len(written[1] or "")
    return None


def _as_date(text: str) -> date | str:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return text
