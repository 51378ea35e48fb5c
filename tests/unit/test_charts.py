"""Charts: no label is cut, and none stands on another, on a narrow screen neither."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from seat_ledger.cli.output import charts
from seat_ledger.cli.output.i18n import words_of
from seat_ledger.domain.calendar import ZoneHistory, add_months

LABEL = re.compile(
    r'<text class="label tick" x="([\d.]+)" y="[\d.]+" text-anchor="(\w+)"[^>]*>([^<]*)'
)
OF_A_LETTER = 0.55
"""How wide a letter is on average, of its size."""
SHEETS = ("cli/console/static/console.css", "cli/reports/templates/report.css")


@pytest.mark.parametrize("language", ["en", "nl"])
@pytest.mark.parametrize("months", [*range(1, 30), 60, 119])
def test_the_labels_of_an_axis_are_whole_and_apart(months: int, language: str) -> None:
    words, zones = words_of(language), ZoneHistory("Europe/Amsterdam")
    for month in range(1, 13):
        first = datetime(2025, month, 1, tzinfo=UTC)
        last = datetime.combine(add_months(first.date(), months), first.timetz())
        for starts, ends in ((first, last), (first.replace(day=2), last)):
            ticks = charts.ticks_of(starts, ends, zones, words.month)
            frame = charts.Frame(starts, ends, "t", "d", ticks)
            series = [charts.Series("seats", [(starts, 9_999)])]
            svg = charts.step_chart(series, frame)
            spans = [_span(*match) for match in LABEL.findall(svg)]
            assert all(left >= 0 and right <= charts.WIDTH for left, right in spans)
            below = sorted(spans[-len(ticks) :]) if ticks else []
            assert all(one[1] < other[0] for one, other in pairwise(below))


def _span(x: str, anchor: str, text: str) -> tuple[float, float]:
    """From where to where a label reaches, as large as on a narrow screen."""
    width = len(text) * charts.NARROW_SIZE * OF_A_LETTER
    left = float(x) - width * {"middle": 0.5, "end": 1}[anchor]
    return left, left + width


@pytest.mark.parametrize("sheet", SHEETS)
def test_a_stylesheet_makes_the_labels_of_a_narrow_chart_as_large(sheet: str) -> None:
    css = (Path(__file__).parents[2] / sheet).read_text()
    assert f".tick {{ font-size: {charts.NARROW_SIZE}px; }}" in css
