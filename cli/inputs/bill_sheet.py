"""The sheet of a vendor's workbook as the text of a CSV file.

A cell shows a number to the places of its format, and with the currency that the
format names: what is ``90`` in it stands as ``90.00 \u20ac`` on the screen.
"""

from __future__ import annotations

import csv
import io
import re
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, BinaryIO

from seat_ledger.cli.inputs.bill_words import (
    FEWEST,
    HEAD,
    BillReading,
    fitting,
    plain_sum,
)
from seat_ledger.domain.money import Currency
from seat_ledger.domain.values import shown
from seat_ledger.domain.wording import counted, enumerated
from seat_ledger.errors import InvalidInput
from seat_ledger.sources.refusals import UnreadableRow
from seat_ledger.sources.tables import opened_workbook, sheet_rows

OF_A_CELL = "\u2396"
"""The decimal sign of a number that is none of a text: the cell of a workbook."""
_PLACES = 12
_BRACKET = re.compile(r"\[\$([^\]-]*)(?:-([0-9A-Fa-f]+))?\]")
_LITERAL = re.compile(r'"([^"]*)"')
_SHOWN_PLACES = re.compile(r"[0#?]\.([0#?]+)")
_OF_LOCALE = {
    ("$", "409"): "USD",
    ("$", "1009"): "CAD",
    ("$", "C09"): "AUD",
    ("$", "1409"): "NZD",
    ("\u00a5", "411"): "JPY",
    ("\u00a5", "804"): "CNY",
}
"""Signs that several currencies have, by the country that the format names."""


def sheet_as_csv(
    file: BinaryIO, name: str, reading: BillReading, most: int | None
) -> tuple[BinaryIO, list[str]]:
    """The sheet of a workbook that has the lines, and what is to be known of that.

    Raises InvalidInput, also of one with more than `most` rows.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    try:
        with opened_workbook(file) as book:
            sheet, remarks = _sheet_of_lines(book, name, reading)
            for number, cells in sheet_rows(sheet):
                if most is not None and number > most:
                    raise too_many(name, most)
                writer.writerow([_text(cell) for cell in cells])
    except UnreadableRow as error:
        raise error.at(name, 1) from error
    return io.BytesIO(text.getvalue().encode()), remarks


def too_many(name: str, most: int) -> InvalidInput:
    """The refusal of a file that has more rows than are read."""
    return InvalidInput(
        f"{name} has more than {counted(most, 'row')}.",
        try_="audit it with 'seat-ledger invoice audit FILE', or a part of it",
    )


def _sheet_of_lines(
    book: Any, name: str, reading: BillReading
) -> tuple[Any, list[str]]:
    """The sheet that names the columns; the only one whatever it says."""
    sheets = book.worksheets
    if len(sheets) == 1:
        return sheets[0], []
    with_lines = [sheet for sheet in sheets if _has_header(sheet, reading)]
    if len(with_lines) != 1:
        titles = enumerated(shown(sheet.title) for sheet in with_lines or sheets)
        which = "several of them name" if with_lines else "none of them names"
        raise InvalidInput(
            f"{name} has several sheets, and {which} the columns of a bill: {titles}.",
            try_="save the sheet of the lines as a file of its own",
        )
    sheet = with_lines[0]
    others = enumerated(shown(each.title) for each in sheets if each is not sheet)
    return sheet, [f"{name}: the sheet {shown(sheet.title)} is read, not {others}."]


def _has_header(sheet: Any, reading: BillReading) -> bool:
    """Whether one of a sheet's first rows names columns."""
    rows = sheet.iter_rows(max_row=HEAD + 1, values_only=True)
    return any(
        fitting((str(cell) for cell in row if cell is not None), reading) >= FEWEST
        for row in rows
    )


def _text(cell: Any) -> str:
    """A cell of a workbook as a file would have it."""
    value = cell.value
    if isinstance(value, datetime):
        at_midnight = (value.hour, value.minute, value.second) == (0, 0, 0)
        return value.date().isoformat() if at_midnight else value.isoformat(" ")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number(value, *_as_formatted(cell.number_format or ""))
    return "" if value is None else str(value).replace("\n", " ")


def _number(value: float, places: int, currency: str) -> str:
    """A number to the places that are shown, or as many as it needs."""
    number = round(Decimal(str(value)), _PLACES).normalize()
    needed = -int(number.as_tuple().exponent)
    text = f"{number:.{max(places, needed, 0)}f}".replace(".", OF_A_CELL)
    return f"{text} {currency}".rstrip()


@cache
def _as_formatted(number_format: str) -> tuple[int, str]:
    """To how many places a format shows a number, and the currency it names, if any."""
    positive = number_format.split(";", 1)[0]
    bracket = _BRACKET.search(positive)
    signs = [bracket[1].strip()] if bracket else []
    if bracket and bracket[2]:
        country = bracket[2].upper().lstrip("0")
        signs.insert(0, _OF_LOCALE.get((signs[0], country), ""))
    signs += _LITERAL.findall(positive)
    without = _LITERAL.sub("", _BRACKET.sub("", positive))
    signs += re.findall(r"[A-Z]{3}|[^\w\s]", without.replace("\\", ""))
    places = _SHOWN_PLACES.search(without)
    if "%" in without or "E" in without:
        return 0, ""
    code = next(filter(None, map(_currency, signs)), "")
    return (len(places[1]) if places else 0), code


def _currency(sign: str) -> str:
    """The code of a currency by its sign, or itself; empty for other words."""
    code = plain_sum(sign)[1] or ""
    try:
        Currency.named(code or None)
    except InvalidInput:
        return ""
    return code
