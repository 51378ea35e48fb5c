"""A report as one HTML page: no script, nothing fetched, readable and printable."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from datetime import datetime
from importlib import resources
from itertools import islice
from typing import IO, Any

from seat_ledger.cli.reports import page_templates
from seat_ledger.cli.reports.content import Content, Pictured, ReportLine
from seat_ledger.domain.calendar import ZoneHistory

LINES = 2_000
"""As many lines as a page shows; the workbook has all of them."""
PARTS = 1_000
"""As many as a line opens into."""
LANES_OPEN = 15
_AT_ONCE = 200
_UTC = ZoneHistory("UTC")


def write_page(content: Content, file: IO[bytes]) -> None:
    """Write the page as it is made, piece by piece."""
    for text in page_texts(content):
        file.write(text.encode())


def page_texts(content: Content) -> Generator[str]:
    """The page as it is made, piece by piece."""
    from markupsafe import Markup  # noqa: PLC0415

    environment = page_templates()
    shown = _Shown(content)
    environment.filters["cell"] = shown.cell
    environment.filters["svg"] = Markup
    style = resources.files(__package__).joinpath("templates", "report.css")
    stream = environment.get_template("report.html").stream(
        content=content,
        style=Markup(style.read_text("utf-8")),  # noqa: S704  our own
        shown=shown,
        words=content.words,
        lanes_open=LANES_OPEN,
    )
    stream.enable_buffering(200)
    yield from stream


class _Shown:
    """The lines that fit on a page, in groups, with what they open into."""

    def __init__(self, content: Content) -> None:
        self.content = content
        self.left_out = 0

    def lines(self) -> Iterator[tuple[ReportLine, list[Any], int]]:
        """Each line with its parts, and how many of those are left out."""
        lines = self._fitting()
        while group := list(islice(lines, _AT_ONCE)):
            for line, parts in zip(group, self.content.opened(group), strict=True):
                yield line, parts[:PARTS], max(0, len(parts) - PARTS)

    def _fitting(self) -> Iterator[ReportLine]:
        """All lines where they fit; else what was found, and then the first others."""
        total = sum(1 for _ in self.content.lines())
        self.left_out = max(0, total - LINES)
        if not self.left_out:
            yield from self.content.lines()
            return
        findings = islice(
            (line_ for line_ in self.content.lines() if line_.tone), LINES
        )
        room = LINES
        for line in findings:
            room -= 1
            yield line
        yield from islice(
            (line_ for line_ in self.content.lines() if not line_.tone), room
        )

    def cell(self, value: Any, kind: str = "text", zones: ZoneHistory = _UTC) -> str:
        """A cell as it is read in the report's language."""
        if value is None:
            return "-"
        words = self.content.words
        if isinstance(value, datetime):
            return words.instant(value, zones)
        if kind == "date":
            return words.date(str(value))
        return words.figure(value) if kind in {"number", "money"} else str(value)

    @staticmethod
    def held(account: Pictured, seat_type: str) -> list[Any]:
        """The holdings of a type, to be listed below its chart."""
        return [row for row in account.holdings if row.seat.startswith(f"{seat_type}#")]
