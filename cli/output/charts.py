"""Charts as SVG, drawn as text: step functions and timelines.

Nothing is fetched and no style is inlined: colours are presentation attributes that
a stylesheet may override by class. Each chart carries its title and a description in
words, for those who cannot see it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

from seat_ledger.domain.calendar import (
    ZoneHistory,
    add_months,
    local_date,
    resolve_date,
)

WIDTH = 720
_LEFT, _RIGHT, _TOP, _FOOT = 52, 40, 12, 26
"""What stands around the lines: half of the last label has room on the right, at the
size that it has on a narrow screen too (:data:`NARROW_SIZE`)."""
NARROW_SIZE = 16
"""How large the labels of both axes are where a stylesheet shrinks the chart."""
_LANE = 26
_LEAST_ROOM = 3
_TURNING = (0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
_BANNED = dict.fromkeys(
    [*range(9), 11, 12, *range(14, 32), *range(0x7F, 0xA0), 0xFFFE, 0xFFFF, *_TURNING]
)
"""What XML cannot hold, and what would turn the text around it."""
COLOURS = ("#1f5fa8", "#b34a00", "#35705a", "#7a3b8f", "#8a6d00", "#5b5b5b")
"""Dark enough on white for text of any size, and told apart by dashes as well."""
GRID = "#868e98"
"""Seen on white, at three to one."""
_DASHES = ("", "6 3", "2 2", "8 2 2 2", "1 3", "10 4")

Tick = tuple[datetime, str]


class Series(NamedTuple):
    """A step function: from each instant on, so many."""

    name: str
    points: Sequence[tuple[datetime, int]]


class _Look(NamedTuple):
    """How a line is drawn: by its class where a stylesheet is, else by its colour."""

    kind: str
    colour: str
    dash: str

    def path(self, course: str) -> str:
        """The line of a course."""
        dashes = f' stroke-dasharray="{self.dash}"' if self.dash else ""
        return (
            f'<path class="{self.kind}" d="{course}" fill="none" '
            f'stroke="{self.colour}" stroke-width="2"{dashes}/>'
        )


class ChartSpan(NamedTuple):
    """One interval on a lane; an open end is None."""

    starts: datetime
    ends: datetime | None
    text: str
    href: str = ""
    kind: str = ""


class ChartLane(NamedTuple):
    """One line of a timeline, and what lies on it."""

    name: str
    spans: Sequence[ChartSpan]


@dataclass(frozen=True)
class Frame:
    """What every chart has: its time axis, its words, and a moment to mark."""

    starts: datetime
    ends: datetime
    title: str
    description: str
    ticks: Sequence[Tick] = field(default_factory=tuple)
    marked: datetime | None = None
    marked_as: str = ""

    def x(self, instant: datetime) -> float:
        """Where an instant lies on the axis, in the chart's units."""
        whole = (self.ends - self.starts) / timedelta(microseconds=1)
        part = (min(max(instant, self.starts), self.ends) - self.starts) / timedelta(
            microseconds=1
        )
        return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * part / max(whole, 1), 1)


def ticks_of(
    starts: datetime,
    ends: datetime,
    zones: ZoneHistory,
    label_of: Callable[[date], str],
) -> list[Tick]:
    """At most eight marks, on the first instants of months of the account's dates."""
    first = local_date(starts, zones.at(starts)).replace(day=1)
    last = local_date(ends, zones.at(ends))
    months = (last.year - first.year) * 12 + last.month - first.month + 1
    every = next((n for n in (1, 2, 3, 6, 12, 24, 60) if months / n <= 8), 120)
    offset = -((first.month - 1) % min(every, 12))
    days = [add_months(first, offset + n) for n in range(0, months + every, every)]
    marks = [(resolve_date(day, zones).astimezone(UTC), label_of(day)) for day in days]
    return [(at, label) for at, label in marks if starts <= at < ends]


def step_chart(series: Sequence[Series], frame: Frame, height: int = 220) -> str:
    """Several step functions over one time axis, with a legend and whole numbers."""
    top = max((count for line in series for _, count in line.points), default=0)
    scale = _scale(max(top, 1))
    legend = _FOOT + 18
    base = height - legend

    def y(count: int) -> float:
        return round(base - (base - _TOP) * count / scale[-1], 1)

    parts = [*_grid(frame, base, ((y(count), str(count)) for count in scale))]
    for number, line in enumerate(series):
        colour, dash = COLOURS[number % 6], _DASHES[number % 6]
        look = _Look(f"series s{number % 6}", colour, dash)
        parts += _steps(line, frame, y, look)
        parts += _legend(line.name, number, len(series), height, look)
    return _svg(frame, height, [*parts, *_mark(frame, base)])


def span_chart(lanes: Sequence[ChartLane], frame: Frame) -> str:
    """A timeline: a lane a line, and on it bars with texts and links."""
    base = _TOP + _LANE * max(len(lanes), 1)
    parts = list(_grid(frame, base, ()))
    for number, lane in enumerate(lanes):
        top = _TOP + _LANE * number
        parts += _lane(lane, frame, top)
    linked = any(span.href for lane in lanes for span in lane.spans)
    role = "group" if linked else "img"
    return _svg(frame, base + _FOOT, [*parts, *_mark(frame, base)], role)


def _lane(lane: ChartLane, frame: Frame, top: int) -> Iterator[str]:
    if lane.name:
        yield _text(_LEFT - 4, top + 17, lane.name, "end")
    beside = list(_beside(lane, frame, top))
    yield from beside
    for span in lane.spans:
        starts, width = _extent(span, frame)
        bar = (
            f'<rect class="bar {span.kind}" x="{starts}" y="{top + 3}" '
            f'width="{width:.1f}" height="{_LANE - 6}" rx="3" fill="{COLOURS[0]}"/>'
        )
        room = int(width / 7)
        if room >= _LEAST_ROOM and not beside:
            short = span.text if len(span.text) <= room else span.text[: room - 1] + "…"
            bar += (
                f'<text class="on-bar" x="{starts + 5}" y="{top + 17}" '
                f'font-size="12" fill="#ffffff">{_safe(short)}</text>'
            )
        content = f"<title>{_safe(span.text)}</title>{bar}"
        if span.href:
            yield f'<a href={_attribute(span.href)} tabindex="-1">{content}</a>'
        else:
            yield f"<g>{content}</g>"


def _extent(span: ChartSpan, frame: Frame) -> tuple[float, float]:
    """Where a bar begins, and how wide it is."""
    starts = frame.x(span.starts)
    ends = frame.x(frame.ends if span.ends is None else span.ends)
    return starts, max(ends - starts, 2)


def _beside(lane: ChartLane, frame: Frame, top: int) -> Iterator[str]:
    """The text of a lane's bars beside them, where none of them has room for it."""
    extents = [_extent(span, frame) for span in lane.spans]
    texts = {span.text for span in lane.spans}
    if len(texts) != 1:
        return
    (text,) = texts
    room = 7 * len(text)
    if any(width >= room for _, width in extents):
        return
    begins = min(starts for starts, _ in extents)
    ends = max(starts + width for starts, width in extents)
    if ends + room < WIDTH - _RIGHT:
        yield _text(ends + 5, top + 17, text, "start")
    elif begins > room + 5:
        yield _text(begins - 5, top + 17, text, "end")


def _steps(
    series: Series, frame: Frame, y: Callable[[int], float], look: _Look
) -> Iterator[str]:
    before = [point for point in series.points if point[0] <= frame.starts]
    inside = [point for point in series.points if frame.starts < point[0] < frame.ends]
    count = before[-1][1] if before else 0
    path = [f"M{frame.x(frame.starts)} {y(count)}"]
    for at, count in inside:
        path += [f"H{frame.x(at)}", f"V{y(count)}"]
    path.append(f"H{frame.x(frame.ends)}")
    yield look.path("".join(path))


def _legend(
    name: str, number: int, many: int, height: int, look: _Look
) -> Iterator[str]:
    room = (WIDTH - _LEFT - _RIGHT) / max(many, 1)
    x, y = round(_LEFT + room * number, 1), height - 8
    yield look.path(f"M{x} {y - 4}h24")
    yield _text(x + 30, y, name, "start")


def _grid(
    frame: Frame, base: float, lines: Iterable[tuple[float, str]]
) -> Iterator[str]:
    for y, label in lines:
        yield (
            f'<path class="grid" d="M{_LEFT} {y}H{WIDTH - _RIGHT}" stroke="{GRID}"/>'
        )
        yield _text(_LEFT - 6, y + 4, label, "end", "label tick")
    for at, label in frame.ticks:
        x = frame.x(at)
        yield f'<path class="grid" d="M{x} {_TOP}V{base}" stroke="{GRID}"/>'
        yield _text(x, base + 16, label, "middle", "label tick")
    yield f'<path class="axis" d="M{_LEFT} {base}H{WIDTH - _RIGHT}" stroke="#5f6772"/>'


def _mark(frame: Frame, base: float) -> Iterator[str]:
    if frame.marked is None or not frame.starts <= frame.marked <= frame.ends:
        return
    x = frame.x(frame.marked)
    yield (
        f"<g><title>{_safe(frame.marked_as)}</title>"
        f'<path class="mark" d="M{x} {_TOP - 6}V{base}" stroke="#b00020" '
        f'stroke-width="2"/></g>'
    )


def _scale(top: int) -> list[int]:
    """Whole numbers from nought to at least `top`, about five of them."""
    power = 1
    while top / power > 50:
        power *= 10
    step = next(n * power for n in (1, 2, 5, 10) if top / (n * power) <= 5)
    return list(range(0, top + step, step))


def _text(x: float, y: float, text: str, anchor: str, kind: str = "label") -> str:
    return (
        f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}" font-size="12" '
        f'fill="#454c55">{_safe(text)}</text>'
    )


def _svg(frame: Frame, height: float, parts: Sequence[str], role: str = "img") -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="{role}" '
        f'viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}" '
        f'font-family="sans-serif" '
        f"aria-label={_attribute(f'{frame.title}. {frame.description}')}>"
        f"<title>{_safe(frame.title)}</title><desc>{_safe(frame.description)}</desc>"
        f"{''.join(parts)}</svg>"
    )


def _safe(text: str) -> str:
    """A foreign text inside an element: escaped, and without what XML cannot hold."""
    return escape(text.translate(_BANNED))


def _attribute(text: str) -> str:
    return quoteattr(text.translate(_BANNED))


def reach(points: Sequence[datetime], now: datetime) -> tuple[datetime, datetime]:
    """An axis that holds all points and now, with a little room at its end."""
    first = min([*points, now])
    last = max([*points, now])
    if last - first < timedelta(days=1):
        first -= timedelta(days=1)
    return first, last + (last - first) / 30
