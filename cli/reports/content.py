"""What stands in a report, whatever it looks like."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from seat_ledger.cli.output.i18n import Words
from seat_ledger.domain.calendar import ZoneHistory


class ReportColumn(NamedTuple):
    """A column: its title, and whether its cells are texts, numbers, dates, instants,
    or the numbers of lines and entries, which nothing is counted by.

    A number may come as a decimal string; an instant is aware. What a page says in
    another place is no column there. It shows the row's field of that name, or `field`.
    `is_data`: its title is a name of the ledger's, the same in every language.
    """

    title: str
    kind: str = "text"
    on_page: bool = True
    field: str = ""
    is_data: bool = False

    @property
    def key(self) -> str:
        """The field of a row that it shows."""
        return self.field or self.title.replace(" ", "_")

    def titled(self, words: Words) -> str:
        """Its title in a language."""
        return self.title if self.is_data else words.column(self.title)


def cells_of(columns: Sequence[ReportColumn], row: dict[str, Any]) -> tuple[Any, ...]:
    """The cells of a row: for each column the field that it shows."""
    return tuple(row[column.key] for column in columns)


def sums_of(columns: Sequence[ReportColumn], row: dict[str, Any]) -> tuple[Any, ...]:
    """The cells of a row of sums, empty where it has none."""
    return tuple(row.get(column.key) for column in columns)


@dataclass(frozen=True)
class Table:
    """A small table with a title."""

    title: str
    columns: Sequence[ReportColumn]
    rows: Sequence[Sequence[Any]]


class PlottedTable(NamedTuple):
    """A table that a workbook draws as well: a group of bars for each row."""

    table: Table
    subtype: str = "clustered"


class ReportLine(NamedTuple):
    """A line of the report: its cells, its tone, and what it opens into.

    `tone` is "" for what is in order, and `remark` says then what is not. `source` is
    what the line was made from.
    """

    cells: Sequence[Any]
    tone: str
    source: Any
    remark: str = ""


class Chart(NamedTuple):
    """One seat type of an account: purchased against assigned, and who held what."""

    seat_type: str
    steps: str
    holders: str
    lanes: int


class Holding(NamedTuple):
    """Who held a seat from when to when; with the other ends of windows (R85)."""

    account: str
    seat: str
    user: str
    name: str
    starts: datetime
    ends: datetime | None
    assigned: int
    unassigned: int | None
    starts_after: datetime | None = None
    ends_after: datetime | None = None


@dataclass
class Pictured:
    """An account with its charts; `zones` are those that its times are shown in."""

    account: str
    zones: ZoneHistory
    charts: list[Chart]
    holdings: list[Holding]


@dataclass
class Content:
    """A report: the answer in a sentence, then what it is made of.

    `lines` are asked for anew by each reader of them; `opened` says what some lines
    open into, as rows of the columns `parts`; `part` is the text that counts them.
    `sums` stand below all lines, a row for each currency (R93).
    `named_by` are the titles of the columns that tell lines apart; `findings` are those
    of an audit, in words; `plotted` is what a workbook draws. `in_short` is what a
    manager reads, each with its heading. `zones_of` are the zones of an account, by its
    key. Titles of columns are those of the code, which `words` has in the report's
    language; texts are in it already.
    """

    words: Words
    title: str
    sentence: str
    in_short: Sequence[tuple[str, str]]
    facts: Sequence[tuple[str, str]]
    summary: Sequence[Table]
    columns: Sequence[ReportColumn]
    lines: Callable[[], Iterator[ReportLine]]
    parts: Sequence[ReportColumn]
    opened: Callable[[Sequence[ReportLine]], list[list[Sequence[Any]]]]
    pictured: Sequence[Pictured]
    known_at: tuple[int, datetime | None]
    zones_of: Callable[[str], ZoneHistory]
    named_by: Sequence[str]
    notes: Sequence[str] = field(default_factory=tuple)
    left_out: str = ""
    part: str = "report_entries"
    sums: Sequence[Sequence[Any]] = ()
    findings: Table | None = None
    plotted: Sequence[PlottedTable] = ()

    def zones_of_line(self, line: ReportLine) -> ZoneHistory:
        """The zones in which a line's times are shown."""
        return self.zones_of(line.source["account"])
