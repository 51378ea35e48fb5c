"""The charts of a workbook: seats and money per period, and what is owed by cause.

They are the spreadsheet's own, over the tables that stand beside them on their sheet.
"""

from __future__ import annotations

from typing import Any, Protocol

from seat_ledger.cli.output.charts import COLOURS
from seat_ledger.cli.reports.content import Content, PlottedTable, Table

_WIDE, _HIGH = 720, 320
_ROWS_OF_A_CHART = 18
"""As many rows of a sheet as a chart covers."""


class ChartSheets(Protocol):
    """The sheets of a workbook, as charts need them."""

    book: Any
    places: dict[str, tuple[Any, int]]

    def below(self, name: str, table: Table) -> tuple[str, int]:
        """A table below the others of a sheet: the sheet's name and its first row."""


def add_charts(sheets: ChartSheets, content: Content) -> None:
    """A sheet of charts, each beside the table that it shows; none of nothing."""
    for plotted in content.plotted:
        if plotted.table.rows:
            _add_chart(sheets, plotted)


def _add_chart(sheets: ChartSheets, plotted: PlottedTable) -> None:
    table = plotted.table
    name, first = sheets.below("charts", table)
    sheet, following = sheets.places["charts"]
    chart = sheets.book.add_chart({"type": "column", "subtype": plotted.subtype})
    last = first + len(table.rows) - 1
    for n in range(1, len(table.columns)):
        chart.add_series(
            {
                "name": [name, first - 1, n],
                "categories": [name, first, 0, last, 0],
                "values": [name, first, n, last, n],
                "fill": {"color": COLOURS[(n - 1) % len(COLOURS)]},
            }
        )
    chart.set_title({"name": table.title, "name_font": {"size": 12}})
    grid = {"visible": True, "line": {"color": "#DDDDDD"}}
    axis: dict[str, Any] = {"major_gridlines": grid}
    if not any(str(cell).startswith("-") for row in table.rows for cell in row[1:]):
        axis["min"] = 0
    chart.set_y_axis(axis)
    chart.set_legend({"position": "bottom"})
    chart.set_size({"width": _WIDE, "height": _HIGH})
    sheet.insert_chart(first - 2, len(table.columns) + 1, chart)
    sheets.places["charts"] = (sheet, max(following, first + _ROWS_OF_A_CHART))
