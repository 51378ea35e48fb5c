"""Tables for people: as wide as the terminal, or a record for each row.

No id, figure or instant is ever cut or broken over two lines. Where the columns do not
fit beside each other, titles and texts are wrapped at words, and columns without any
content are left out; where that is not enough, each row is shown as a record, a field
a line.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from seat_ledger.cli.output import times
from seat_ledger.cli.output.render import harmless, is_plain
from seat_ledger.domain.values import iso

if TYPE_CHECKING:
    from seat_ledger.cli.output.render import Answer
    from seat_ledger.domain.calendar import ZoneHistory

WIDE, TIGHT = 3, 2
"""Between two columns, in characters: as a rule, and where room is short."""
TEXT_WIDTH = 20
"""To how many characters a column of texts may shrink before rows become records."""
_NAMES_OF_THINGS = {
    *("entry", "entries", "position", "positions", "line", "number", "root", "until"),
    *("head", "checkpoint", "before", "ceiling", "cut off", "cut_off", "reversed by"),
    *("stuck_at", "pid", "port", "server", "version", "request_version"),
}
"""Columns and fields whose numbers name a thing, and are no quantities: not grouped."""
UNBOUNDED = 10_000
"""How wide a table may be that no terminal shows: as wide as it wants."""


class Column(NamedTuple):
    """A column as it is drawn: its title and its cells, in words."""

    title: str
    cells: list[str]
    is_numeric: bool

    @property
    def is_text(self) -> bool:
        """Whether a cell may be wrapped: it is prose, no id, figure or instant."""
        return any(len(cell.split()) > 3 for cell in self.cells)

    @property
    def has_content(self) -> bool:
        """Whether any cell says something."""
        return any(cell not in {"", "-"} for cell in self.cells)

    @property
    def width(self) -> int:
        """Of its widest cell or title."""
        return max(map(len, [self.title, *self.cells]))

    def narrowed(self) -> Column:
        """The same with a title on as many lines as it has words."""
        return self._replace(title=self.title.replace(" ", "\n"))

    @property
    def least(self) -> int:
        """The least width at which nothing is broken that must not be."""
        words = [word for cell in self.cells for word in cell.split()]
        cells = [*words, " " * TEXT_WIDTH] if self.is_text else self.cells
        return max(map(len, [*self.title.split("\n"), *cells]), default=0)


def draw(answer: Answer) -> None:
    """Print the sentence, the rows, and what stands below them."""
    terminal = sys.stdout.isatty()
    console = Console(
        no_color=is_plain(),
        highlight=False,
        width=None if terminal else UNBOUNDED,
        soft_wrap=terminal,
    )
    if answer.sentence:
        console.print(Text(harmless(answer.sentence), style="bold"))
    rows = list(answer.rows if answer.in_table is None else answer.in_table)
    if rows and answer.columns:
        columns = _columns(answer, rows)
        _print(console, fitting(columns, console.width))
    for note in answer.notes:
        console.print(Text(harmless(note), style="dim"))
    if answer.next_command:
        console.print(Text(f"Try: {harmless(answer.next_command)}", style="dim"))


def _on_clock(value: object, zones: ZoneHistory | None) -> object:
    """An instant on the clock of the answer; all else as it is."""
    if isinstance(value, datetime) and zones is not None:
        return times.local(value, zones)
    return value


def _print(console: Console, table: Table) -> None:
    """Print a table, without the blanks that fill its lines up."""
    with console.capture() as captured:
        console.print(table)
    lines = captured.get().splitlines()
    console.file.write("\n".join(line.rstrip() for line in lines) + "\n")


def fitting(columns: Sequence[Column], width: int) -> Table:
    """The columns as a table where they fit, else as records."""
    if _sum([column.width for column in columns], WIDE) <= width:
        return _table(columns, WIDE)
    narrow = [column.narrowed() for column in columns if column.has_content]
    if _sum([column.least for column in narrow], TIGHT) <= width:
        return _table(narrow, TIGHT)
    return _records(columns)


def _sum(widths: Sequence[int], between: int) -> int:
    return sum(widths) + between * len(widths)


def _table(columns: Sequence[Column], between: int) -> Table:
    titled = any(column.title for column in columns)
    table = Table(
        box=SIMPLE_HEAD if titled else None,
        pad_edge=False,
        header_style="dim",
        show_header=titled,
        padding=(0, between - 1 if titled else between, 0, 0),
    )
    for column in columns:
        table.add_column(
            column.title,
            justify="right" if column.is_numeric else "left",
            overflow="fold",
            no_wrap=not column.is_text,
            min_width=column.least if column.is_text else None,
        )
    for cells in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*map(Text, cells))
    return table


def _records(columns: Sequence[Column]) -> Table:
    """A field a line, and an empty line between two rows."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 1))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for cells in zip(*(column.cells for column in columns), strict=True):
        table.add_row()
        for column, cell in zip(columns, cells, strict=True):
            table.add_row(column.title, Text(cell))
    table.add_row()
    return table


def _columns(answer: Answer, rows: Sequence[Any]) -> list[Column]:
    """The columns; in a list of fields each number stands under its field's name."""
    cells = [
        [_on_clock(value(row), answer.zones) for row in rows]
        for _, value in answer.columns
    ]
    titles = [title for title, _ in answer.columns]
    if titles == ["", ""]:
        names = [str(name) for name in cells[0]]
        shown = [_shown(v, name) for v, name in zip(cells[1], names, strict=True)]
        return [
            Column("", [_shown(name, "") for name in names], is_numeric=False),
            Column("", shown, _is_numeric(cells[1])),
        ]
    return [
        Column(title, [_shown(value, title) for value in values], _is_numeric(values))
        for title, values in zip(titles, cells, strict=True)
    ]


def _is_numeric(values: list[object]) -> bool:
    """Whether a column holds figures; what is missing is none."""
    present = [value for value in values if value is not None and value != "-"]
    return bool(present) and all(
        isinstance(value, int | float) or (isinstance(value, str) and _figure(value))
        for value in present
    )


def _figure(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isdigit()


def _shown(value: object, name: str) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        is_quantity = abs(value) >= 10_000 and name not in _NAMES_OF_THINGS
        return f"{value:,}".replace(",", " ") if is_quantity else str(value)
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, list):
        return harmless(", ".join(str(part) for part in value)) or "-"
    return harmless(value)
