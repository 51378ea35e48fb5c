"""Which columns of a table fit beside each other, and how.

No id, figure or instant is ever cut or broken over two lines. Where the columns do not
fit as they are, those without any content go first; then those that have the same in
every row, which a note says once; then titles and texts are wrapped at words. Where
that is not enough, what of one row does not fit stands in a note, or it is shown as a
record, a field a line, where that is most of it; and of a list some columns are left
out, which a note says too. Very long words of texts, such as addresses, are broken
before a list becomes records.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from seat_ledger.errors import InvalidInput

WIDE, TIGHT = 3, 2
"""Between two columns, in characters: as a rule, and where room is short."""
TEXT_WIDTH = 12
"""To how many characters a column of texts may shrink."""
FOLDED_WIDTH = 20
"""To how many a word of a text may be broken, such as an address beside a name."""
_FEWEST = 3
"""So many columns tell rows apart without the first, where that is always the same."""
_WHOLE = re.compile(r"[\d\s.,+-]+(?:[:\d]+)*|\d{4}-\d\d-\d\d.*|present", re.ASCII)
"""Figures and instants: what has blanks, and is never broken at them."""
_CURRENCY = re.compile(r" [A-Z]{3}$")
_FIRST_TO_GO = (
    *("name", "recorded", "hubs", "time zone", "term start", "to be retired"),
    *(
        "reason",
        "freed by",
        "given by",
        "taken by",
        "entries",
        "entry",
        "cause",
        "account",
    ),
    *(
        "next user",
        "ledger at issue",
        "lines",
        "peak held",
        "opening",
        "days",
        "price",
        "by",
    ),
    "complete",
)
"""Titles of what is left out before anything else, in this order."""
_NEVER_TO_GO = {
    *("verdict", "difference", "amount", "quantity", "reduce by", "a term", "type"),
    *("before", "after", "amount difference"),
}
"""Titles of what a list is read for."""


class View(NamedTuple):
    """What of a table is to be seen: named columns, and whether all of their width.

    Where no terminal shows it, it is as wide as it wants, or has a `width` of its own.
    """

    columns: tuple[str, ...] = ()
    is_wide: bool = False
    width: int | None = None


class Column(NamedTuple):
    """A column as it is drawn: its title and its cells, in words; sums below them.

    One that `folds` breaks words that are longer than :data:`FOLDED_WIDTH` too.
    """

    title: str
    cells: list[str]
    is_numeric: bool
    sums: Sequence[str] = ()
    folds: bool = False

    @property
    def is_text(self) -> bool:
        """Whether a cell is prose."""
        return any(len(cell.split()) > 3 for cell in self.cells)

    @property
    def can_wrap(self) -> bool:
        """Whether a cell may be broken at a blank: it is no figure and no instant."""
        return self.is_text or any(
            " " in cell and not _WHOLE.fullmatch(cell) for cell in self.cells
        )

    @property
    def has_content(self) -> bool:
        """Whether any cell says something."""
        return any(cell not in {"", "-"} for cell in self.cells)

    @property
    def is_constant(self) -> bool:
        """Whether several rows all say the same, and that is no figure."""
        return len(self.cells) > 1 and len({*self.cells}) == 1 and not self.is_numeric

    @property
    def width(self) -> int:
        """Of its widest cell or title; some letters are two characters wide."""
        return max(map(_length, [*self.title.split("\n"), *self.cells, *self.sums]))

    @property
    def name(self) -> str:
        """Its title on one line, without the currency that an amount's has."""
        return _CURRENCY.sub("", self.title_on_a_line)

    @property
    def title_on_a_line(self) -> str:
        """Its title, on however many lines it is shown."""
        return self.title.replace("/\n", "/").replace("\n", " ")

    def narrowed(self) -> Column:
        """The same with a title on as many lines as it has words, a type on two."""
        title = self.title.replace(" ", "\n").replace("/", "/\n")
        return self._replace(title=title)

    @property
    def least(self) -> int:
        """The least width at which nothing is broken that must not be."""
        cells = self.cells
        if self.can_wrap:
            cells = [word for cell in self.cells for word in cell.split()]
        if self.folds and self.can_wrap:
            cells = [word[:FOLDED_WIDTH] for word in cells]
        if self.is_text:
            cells = [*cells, " " * TEXT_WIDTH]
        parts = [*self.title.split("\n"), *cells, *self.sums]
        return max(map(_length, parts), default=0)


class Layout(NamedTuple):
    """Columns as they are drawn, so far apart; and what a reader has to know of it."""

    columns: Sequence[Column]
    between: int = WIDE
    as_records: bool = False
    notes: Sequence[str] = ()
    widths: Sequence[int | None] = ()


def chosen(columns: list[Column], names: Sequence[str]) -> list[Column]:
    """The columns of these titles, in this order; all where none is named.

    Raises InvalidInput.
    """
    by_title = {_folded(column.title): column for column in columns}
    wished = names_chosen(list(by_title), [_folded(name) for name in names])
    return [by_title[title] for title in wished] if names else columns


def names_chosen(names: Sequence[str], wished: Sequence[str]) -> Sequence[str]:
    """The names that are wished, in that order; all where none is.

    Raises InvalidInput for one that is not there.
    """
    for name in wished:
        if name not in names:
            raise InvalidInput(
                f"There is no column {name!r} here.",
                try_=f"name some of: {', '.join(names)}",
            )
    return wished or names


def _folded(title: str) -> str:
    return title.strip().lower().replace(" ", "-").replace("_", "-")


def fit(columns: Sequence[Column], width: int, rows: str = "In every row") -> Layout:
    """The columns as they fit into a width; a note names the `rows` that are alike."""
    if _sum([column.width for column in columns], WIDE) <= width:
        return Layout(columns)
    telling = [column for column in columns if column.has_content] or columns
    varying = [column for column in telling if not column.is_constant]
    if len(varying) < _FEWEST:
        varying = [telling[0], *(each for each in varying if each is not telling[0])]
    constant = [column for column in telling if column not in varying]
    notes = _in_note(rows, constant)
    if _sum([column.width for column in varying], WIDE) <= width:
        return Layout(varying, notes=notes)
    narrow = [column.narrowed() for column in varying]
    if _least(narrow) <= width:
        return Layout(narrow, TIGHT, notes=notes, widths=_shared(narrow, width))
    is_list = len(varying[0].cells) > 1
    squeezed = (
        _list_squeezed(narrow, width) if is_list else _row_squeezed(narrow, width)
    )
    if squeezed is None:
        return Layout(columns, as_records=True)
    return squeezed._replace(notes=[*notes, *squeezed.notes])


def _list_squeezed(columns: Sequence[Column], width: int) -> Layout | None:
    """A list without some columns, or with long words broken; None if neither fits.

    Rows that differ by more than their figures go on doing so, if that fits in any way.
    """
    folded = [column._replace(folds=True) for column in columns]
    ways = [(tried, apart) for apart in (True, False) for tried in (columns, folded)]
    for tried, apart in ways:
        hidden = _too_much(tried, width, apart=apart)
        shown = [column for column in tried if column not in hidden]
        if len(shown) >= 2 and _least(shown) <= width:
            names = [c.title_on_a_line for c in tried if c in hidden]
            text = f"Not shown here: {', '.join(names)} (--wide shows all)."
            widths = _shared(shown, width)
            return Layout(shown, TIGHT, notes=[text] if names else [], widths=widths)
    return None


def _row_squeezed(columns: Sequence[Column], width: int) -> Layout | None:
    """One row with a part of it in a note; None where that would be most of it."""
    hidden = _too_much(columns, width)
    shown = [column for column in columns if column not in hidden]
    if len(shown) < max(2, len(hidden)) or _least(shown) > width:
        return None
    beside = [column for column in columns if column in hidden]
    notes = _in_note("Besides", beside)
    return Layout(shown, TIGHT, notes=notes, widths=_shared(shown, width))


def _in_note(where: str, columns: Sequence[Column]) -> list[str]:
    """What a note says once of what every row, or the only one, has."""
    if not columns:
        return []
    facts = (f"{c.title.replace(chr(10), ' ')} {c.cells[0]}" for c in columns)
    return [f"{where}: {', '.join(facts)}."]


def _too_much(
    columns: Sequence[Column], width: int, *, apart: bool = False
) -> list[Column]:
    """What is left out, so that the rest fits; if `apart`, nothing that tells rows."""
    order = {title: place for place, title in enumerate(_FIRST_TO_GO)}
    last = len(order)

    def place(column: Column) -> tuple[int, int]:
        at = order.get(column.name, last)
        return at, -columns.index(column)

    hidden: list[Column] = []
    head = [] if len({*columns[0].cells}) > 1 else columns[:1]
    for column in sorted([*head, *columns[1:]], key=place):
        if column.name in _NEVER_TO_GO:
            continue
        if _least([each for each in columns if each not in hidden]) <= width:
            break
        shown = [each for each in columns if each not in hidden]
        if apart and _alike([c for c in shown if c is not column]) > _alike(shown):
            continue
        hidden.append(column)
    return _left_out(columns, hidden, width)


def _left_out(
    columns: Sequence[Column], hidden: list[Column], width: int
) -> list[Column]:
    """The same without those for which there is room once wider ones are left out."""
    if len(columns) - len(hidden) < 2:
        return hidden
    for column in reversed(hidden):
        fewer = [each for each in hidden if each is not column]
        if _least([each for each in columns if each not in fewer]) <= width:
            hidden = fewer
    return hidden


def _alike(columns: Sequence[Column]) -> int:
    """How many rows have the same as another in all but their figures."""
    texts = [column.cells for column in columns if not column.is_numeric]
    rows = list(zip(*texts, strict=True))
    return len(rows) - len({*rows})


def _shared(columns: Sequence[Column], width: int) -> list[int | None]:
    """How wide each column is that can be broken; the room left goes where most lacks.

    None for one that is as wide as it is.
    """
    widths = [column.least for column in columns]
    full = {at: each.width for at, each in enumerate(columns) if each.can_wrap}
    for _ in range(width - _sum(widths, TIGHT)):
        lacking = ((full[at] - widths[at], -at) for at in full)
        most, at = max(lacking, default=(0, 0))
        if most <= 0:
            break
        widths[-at] += 1
    return [each if at in full else None for at, each in enumerate(widths)]


def _least(columns: Sequence[Column]) -> int:
    return _sum([column.least for column in columns], TIGHT)


def _sum(widths: Sequence[int], between: int) -> int:
    return sum(widths) + between * len(widths)


def _length(text: str) -> int:
    """How many characters of a terminal a text takes; some letters take two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415  slow, and every start comes by

    return cell_len(text)
