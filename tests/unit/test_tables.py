"""Tables: nothing is broken over two lines; what does not fit becomes records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from seat_ledger.cli.output.layout import Column, View, chosen, fit
from seat_ledger.cli.output.render import Answer, cells
from seat_ledger.cli.output.tables import draw, table_of
from seat_ledger.domain.calendar import ZoneHistory
from seat_ledger.errors import InvalidInput

SEATS = Column("seat", ["sales/professional#1", "sales/professional#12"], False)
FROM = Column("held from", ["2025-03-05 00:00", "2025-03-06 09:00"], False)
WHY = Column("reason", ["the last day was a week earlier", "-"], False)
NONE = Column("retires", ["-", "-"], False)
FIGURE = Column("idle days", ["783", "28"], True)


def drawn(width: int, *columns: Column) -> list[str]:
    console = Console(width=width, no_color=True)
    with console.capture() as captured:
        console.print(table_of(fit(columns, width)))
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


def test_a_row_that_does_not_fit_is_a_record_and_nothing_is_left_out() -> None:
    item = [column._replace(cells=column.cells[:1]) for column in (SEATS, FROM, NONE)]
    lines = drawn(36, *item)
    assert lines[1].split() == ["seat", "sales/professional#1"]
    assert lines[2].split() == ["held", "from", "2025-03-05", "00:00"]
    assert lines[3].split() == ["retires", "-"]


def test_a_list_says_once_what_is_the_same_in_every_row() -> None:
    same = Column("time zone", ["Europe/Amsterdam"] * 2, False)
    zero = Column("bought", ["0", "0"], True)  # a figure stays where it is
    layout = fit([SEATS, FROM, same, zero], 60)
    assert [column.title for column in layout.columns] == [
        "seat",
        "held from",
        "bought",
    ]
    assert layout.notes == ["In every row: time zone Europe/Amsterdam."]
    assert fit([SEATS, FROM, same, zero], 100).notes == ()


def test_a_list_that_does_not_fit_leaves_columns_out_and_says_which() -> None:
    amount = Column("amount", ["1.00", "2.00"], True)
    layout = fit([SEATS, WHY, FROM, FIGURE, amount], 50)
    titles = [column.title for column in layout.columns]
    assert titles == ["seat", "held\nfrom", "amount"]  # what it is read for stays
    assert layout.notes == ["Not shown here: reason, idle days (--wide shows all)."]
    assert not layout.as_records
    assert fit([SEATS, FROM, amount], 25).as_records


def test_no_column_is_left_out_that_alone_tells_two_rows_apart() -> None:
    mode = Column("mode", ["contracted", "contracted", "peak"], False)
    by = Column("by", ["day", "second", "-"], False)
    days = Column("days", ["28"] * 3, True)
    starter = Column("sales/starter", ["2.5"] * 3, True)
    layout = fit([days, mode, by, starter], 30)
    assert [each.name for each in layout.columns] == ["mode", "by", "sales/starter"]
    assert layout.notes == ["Not shown here: days (--wide shows all)."]
    layout = fit([days, mode, by, starter], 22)
    assert [each.name for each in layout.columns] == ["mode", "by"]


def test_what_is_left_out_is_shown_again_where_a_wider_column_made_room() -> None:
    name = Column("name", ["Acme", "Kea"], False)
    zone = Column("time zone", ["America/Los_Angeles", "Pacific/Auckland"], False)
    lines = drawn(60, SEATS, FROM, zone, name)
    text = "".join(lines)
    assert "Acme" in text
    assert "Los_Angeles" not in text


def test_a_person_is_broken_between_name_and_address_and_nowhere_else() -> None:
    ada = "Ada Jones <ada@acme.example>"
    lines = drawn(64, SEATS, FROM, Column("holder", [ada, "-"], False))
    assert any("<ada@acme.example>" in line and "Ada" not in line for line in lines)


def test_columns_are_chosen_by_their_titles() -> None:
    assert chosen([SEATS, FROM, FIGURE], ["idle_days", "seat"]) == [FIGURE, SEATS]
    assert chosen([SEATS, FROM], []) == [SEATS, FROM]
    with pytest.raises(InvalidInput, match="'colour'") as refused:
        chosen([SEATS, FROM], ["colour"])
    assert "seat, held-from" in str(refused.value.try_)


def test_instants_are_to_the_second_unless_that_makes_two_of_them_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def shown(*instants: datetime) -> str:
        answer = Answer(
            [{"at": instant} for instant in instants],
            cells("at"),
            zones=ZoneHistory("Europe/Amsterdam"),
        )
        draw(answer, View())
        return capsys.readouterr().out

    at = datetime(2025, 4, 4, 21, 59, 59, 999999, tzinfo=UTC)
    assert "2025-04-04 23:59:59\n" in shown(at)
    assert "2025-04-04 23:59:59.999999\n" in shown(at, at - timedelta(microseconds=1))
    assert "2025-04-05 00:00\n" in shown(at + timedelta(microseconds=1))
    answer = Answer([{"at": at, "recorded": at - timedelta(microseconds=1)}],
                    cells("at", "recorded"), zones=ZoneHistory("UTC"))  # fmt: skip
    draw(answer, View())
    assert ".999" not in capsys.readouterr().out


@pytest.mark.parametrize("nothing", [None, "", []])
def test_a_cell_with_nothing_in_it_shows_one_sign(
    capsys: pytest.CaptureFixture[str], nothing: object
) -> None:
    """Whatever nothing is made of; where nothing is summed, nothing stands."""
    rows = [{"what": "bought", "amount": "1.00"}, {"what": nothing, "amount": nothing}]
    sums = [{"amount": "1.00", "sum": "total"}]
    draw(Answer(rows, cells("no", "what", "amount"), sums=sums), View())
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["-", "bought", "1.00"] in lines
    assert ["-", "-", "-"] in lines
    assert ["total", "1.00"] in lines
