"""Tables for people, drawn as wide as the terminal; `layout` decides what fits."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from seat_ledger.cli.output import times
from seat_ledger.cli.output.layout import Column, Layout, View, chosen, fit
from seat_ledger.cli.output.render import SumRow, harmless, is_plain, sums_below
from seat_ledger.domain.values import iso

if TYPE_CHECKING:
    from seat_ledger.cli.output.render import Answer
    from seat_ledger.domain.calendar import ZoneHistory

_NAMES_OF_THINGS = {
    *("entry", "entries", "position", "positions", "line", "number", "root", "until"),
    *("head", "checkpoint", "before", "ceiling", "cut off", "cut_off", "reversed by"),
    *("stuck_at", "pid", "port", "server", "version", "request_version"),
    *("from", "from_position", "until_position", "manifest"),
}
"""Columns and fields whose numbers name a thing, and are no quantities: not grouped."""
ABSENT = "-"
"""What a cell shows that has nothing; under what is not summed a sum shows nothing."""
UNBOUNDED = 10_000
"""How wide a table may be that no terminal shows: as wide as it wants."""


def draw(answer: Answer, view: View) -> None:
    """Print the sentence, the rows, and what stands below them."""
    terminal = sys.stdout.isatty()
    width = None if terminal else view.width or UNBOUNDED
    width = UNBOUNDED if view.is_wide else width
    console = Console(
        no_color=is_plain(),
        highlight=False,
        width=width,
        height=width,  # with both a terminal that can do little is no narrower
        soft_wrap=terminal,
    )
    rows = list(answer.rows if answer.in_table is None else answer.in_table)
    layout = Layout(())
    if rows and answer.columns:
        sums = sums_below(answer) if len(rows) > 1 else []
        columns = chosen(_columns(answer, rows, sums), view.columns)
        which = "In every row" if answer.in_table is None else "In the rows shown"
        layout = fit(_named(columns, sums), console.width, which)
    if answer.sentence:
        console.print(Text(harmless(answer.sentence), style="bold"))
    if layout.columns:
        _print(console, table_of(layout))
    for note in (*layout.notes, *answer.notes):
        console.print(Text(harmless(note), style="dim"))
    if answer.next_command:
        console.print(Text(f"Try: {harmless(answer.next_command)}", style="dim"))


def _on_clock(
    cells: list[list[Any]],
    titles: list[str],
    zones: ZoneHistory | None,
    *,
    exactly: bool,
) -> list[list[Any]]:
    """Instants on the clock of the answer, to the second where that tells them apart.

    When something was recorded is to the second: its entry says the order. All else
    stays as it is; `exactly` shows microseconds whatever the others are.
    """
    if zones is None:
        return cells
    is_coarse = [title == "recorded" and not exactly for title in titles]
    instants = {
        cell
        for column, coarse in zip(cells, is_coarse, strict=True)
        for cell in column
        if isinstance(cell, datetime) and not coarse
    }
    seconds = {instant.replace(microsecond=0) for instant in instants}
    is_exact = exactly or len(seconds) < len(instants)

    @cache
    def text(instant: datetime, *, coarse: bool) -> str:
        if coarse or not is_exact:
            instant = instant.replace(microsecond=0)
        return times.local(instant, zones)

    return [
        [
            text(cell, coarse=coarse) if isinstance(cell, datetime) else cell
            for cell in column
        ]
        for column, coarse in zip(cells, is_coarse, strict=True)
    ]


def _print(console: Console, table: Table) -> None:
    """Print a table, without the blanks that fill its lines up."""
    with console.capture() as captured:
        console.print(table)
    lines = captured.get().splitlines()
    console.file.write("\n".join(line.rstrip() for line in lines) + "\n")


def table_of(layout: Layout) -> Table:
    """The columns of a layout as they are drawn."""
    if layout.as_records:
        return _records(layout.columns)
    return _table(layout)


def _table(layout: Layout) -> Table:
    columns, between = layout.columns, layout.between
    widths = layout.widths or [None] * len(columns)
    titled = any(column.title for column in columns)
    table = Table(
        box=SIMPLE_HEAD if titled else None,
        pad_edge=False,
        header_style="dim",
        show_header=titled,
        padding=(0, between - 1 if titled else between, 0, 0),
    )
    for column, width in zip(columns, widths, strict=True):
        table.add_column(
            column.title,
            justify="right" if column.is_numeric else "left",
            overflow="fold",
            no_wrap=not column.can_wrap,
            width=width,
        )
    for cells in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*map(Text, cells))
    for cells in zip(*(column.sums for column in columns), strict=True):
        table.add_row(*map(Text, cells), style="bold")
    return table


def _records(columns: Sequence[Column]) -> Table:
    """A field a line, and an empty line between two rows."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 1))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    rows = [*zip(*(column.cells for column in columns), strict=True)]
    for cells in [*rows, *zip(*(column.sums for column in columns), strict=True)]:
        table.add_row()
        for column, cell in zip(columns, cells, strict=True):
            if cell:
                table.add_row(column.title, Text(cell))
    table.add_row()
    return table


def _named(columns: list[Column], sums: Sequence[SumRow]) -> list[Column]:
    """The columns with the rows of sums named in the first that has no figures; the
    currency with them where no column shows it.
    """
    texts = [column for column in columns if not column.is_numeric]
    varying = [column for column in texts if not column.is_constant]
    first = next(iter(varying or texts), None)
    if first is None or not sums:
        return columns
    shown = {cell for column in columns for cell in column.sums}
    names = [
        f"{total['sum'] or 'total'} {'' if code in shown else code}".rstrip()
        for total in sums
        for code in [total["currency"]]
    ]
    named = [cell or name for cell, name in zip(first.sums, names, strict=True)]
    return [
        column._replace(sums=named) if column is first else column for column in columns
    ]


def _columns(
    answer: Answer, rows: Sequence[Any], sums: Sequence[SumRow] = ()
) -> list[Column]:
    """The columns with something in them; in a list of fields each number stands under
    its field's name.
    """
    cells = [[value(row) for row in rows] for _, value in answer.columns]
    titles = [title for title, _ in answer.columns]
    is_one_thing = titles == ["", ""]
    cells = _on_clock(cells, titles, answer.zones, exactly=is_one_thing)
    if is_one_thing:
        names = [str(name) for name in cells[0]]
        shown = [_shown(v, name) for v, name in zip(cells[1], names, strict=True)]
        return [
            Column("", [harmless(name) for name in names], is_numeric=False),
            Column("", shown, _is_numeric(cells[1])),
        ]
    below = [
        ["" if cell in {None, ""} else _shown(cell, title) for cell in map(value, sums)]
        for title, value in answer.columns
    ]
    return [
        Column(
            title, [_shown(value, title) for value in values], _is_numeric(values), sum_
        )
        for title, values, sum_ in zip(titles, cells, below, strict=True)
        if any(value != "" for value in values)
    ]


def _is_numeric(values: list[object]) -> bool:
    """Whether a column holds figures; what is missing is none."""
    present = [
        value for value in values if value is not None and value not in (ABSENT, "")
    ]
    return bool(present) and all(
        isinstance(value, int | float) or (isinstance(value, str) and _figure(value))
        for value in present
    )


def _figure(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isdigit()


def _shown(value: object, name: str) -> str:
    if value is None or value == "":
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        is_quantity = abs(value) >= 10_000 and name not in _NAMES_OF_THINGS
        return f"{value:,}".replace(",", " ") if is_quantity else str(value)
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, list):
        return harmless(", ".join(str(part) for part in value)) or ABSENT
    return harmless(value) or ABSENT
