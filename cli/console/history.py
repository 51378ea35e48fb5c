"""A history of holdings: which of them a page lists, and which its chart shows.

Names and acts are looked up for what is shown alone, so that a seat with thousands of
holders is answered as fast as one with two.
"""

from __future__ import annotations

from datetime import datetime

from seat_ledger.cli.console.request import PAGE, PageRequest, Pages
from seat_ledger.cli.output import charts
from seat_ledger.lazy import lazy
from seat_ledger.projections import holdings
from seat_ledger.projections.reader import Row


class History:
    """Bare holdings in order, and what a page or a twin wants of them.

    With `as_of` those that had begun by then, or may have (R85); reversed ones where
    they are asked for.
    """

    def __init__(
        self, request: PageRequest, every: list[Row], as_of: datetime | None
    ) -> None:
        self.request, self.every, self.as_of = request, every, as_of
        begun = every
        if as_of is not None:
            begun = holdings.begun(request.reader, every, as_of)
        self._begun = {id(row) for row in begun}
        self.listed = [row for row in begun if self._is_listed(row)]
        self.later = sum(
            1 for row in every if not row["reversed"] and id(row) not in self._begun
        )
        self.hidden = len(begun) - len(self.listed)
        self.skip = request.start(len(self.listed), at_end=True)

    @property
    def is_long(self) -> bool:
        """Whether it is more than a page."""
        return len(self.every) > PAGE

    @lazy
    def drawn(self) -> list[Row]:
        """What the chart shows: the whole of a short history, else what the page does.

        A short one is drawn beyond the moment too, which is marked in it.
        """
        shown = self.listed[self.skip : self.skip + PAGE]
        return self._described(shown if self.is_long else self.every)

    @lazy
    def rows(self) -> list[Row]:
        """What is answered: every row in a twin, a page of them on a page."""
        if not self.request.wants_page:
            return self._described(self.listed)
        if self.is_long:
            return self.drawn
        return [
            row
            for bare, row in zip(self.every, self.drawn, strict=True)
            if self._is_listed(row) and id(bare) in self._begun
        ]

    def pages(self, page: str, identity: dict[str, str]) -> Pages | None:
        """Where one is in a history of more than a page."""
        if len(self.listed) <= PAGE:
            return None
        params = {**identity, **self.request.filters}
        return self.request.paged(page, self.skip, len(self.listed), **params)

    def reach(self, held: list[Row]) -> tuple[datetime, datetime]:
        """The time that a chart of some rows covers."""
        now = self.request.knowledge.moment(self.request.now)
        ends = [row["held_until"] for row in held if row["held_until"]]
        points = [*(row["held_from"] for row in held), *ends]
        if not self.is_long:
            return charts.reach([*points, self.request.as_of], now)
        is_open = any(row["held_until"] is None for row in held)
        return charts.reach(points, now if is_open else max(points))

    def part_text(self) -> str:
        """That a chart shows a part, where it does."""
        if not self.is_long or len(self.listed) <= PAGE:
            return ""
        number, last = self.request.words.number, self.skip + len(self.rows)
        total = number(len(self.listed))
        first = number(self.skip + 1)
        return " " + self.request.words(
            "chart_part", first=first, last=number(last), total=total
        )

    def _described(self, rows: list[Row]) -> list[Row]:
        return holdings.described(self.request.about, rows)

    def _is_listed(self, row: Row) -> bool:
        return not row["reversed"] or self.request.shows_reversed
