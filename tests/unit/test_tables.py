"""Tables: nothing is broken over two lines; what does not fit becomes records."""

from __future__ import annotations

import pytest
from rich.console import Console

from seat_ledger.cli.output.tables import Column, fitting

SEATS = Column("seat", ["sales/professional#1", "sales/professional#12"], False)
FROM = Column("held from", ["2025-03-05 00:00", "2025-03-06 09:00"], False)
WHY = Column("reason", ["the last day was a week earlier", "-"], False)
NONE = Column("retires", ["-", "-"], False)
FIGURE = Column("idle days", ["783", "28"], True)


def drawn(width: int, *columns: Column) -> list[str]:
    console = Console(width=width, no_color=True)
    with console.capture() as captured:
        console.print(fitting(columns, width))
    lines = [line.rstrip() for line in captured.get().splitlines()]
    assert max(map(len, lines)) <= width
    return lines


def test_where_there_is_room_a_row_is_a_line() -> None:
    lines = drawn(120, SEATS, FROM, WHY, NONE, FIGURE)
    (row,) = [line for line in lines if SEATS.cells[1] in line]
    assert all(cell in row for cell in (FROM.cells[1], "28"))


@pytest.mark.parametrize("width", [100, 80, 60, 40])
def test_ids_figures_and_instants_stay_whole_at_any_width(width: int) -> None:
    text = "\n".join(drawn(width, SEATS, FROM, WHY, NONE, FIGURE))
    for column in (SEATS, FROM, FIGURE):
        for cell in column.cells:
            assert cell in text


def test_where_room_is_short_titles_wrap_and_empty_columns_go() -> None:
    lines = drawn(78, SEATS, FROM, WHY, NONE, FIGURE)
    assert not any("retires" in line for line in lines)
    assert not any("idle days" in line for line in lines)
    assert any("idle" in line for line in lines)


def test_where_there_is_no_room_a_row_becomes_a_record() -> None:
    lines = drawn(40, SEATS, FROM, NONE)
    assert lines[1].split() == ["seat", "sales/professional#1"]
    assert lines[2].split() == ["held", "from", "2025-03-05", "00:00"]
    assert lines[4] == ""
