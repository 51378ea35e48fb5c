"""The charts of an account: purchased against assigned, and who held which seat."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from seat_ledger.cli.output import charts, times
from seat_ledger.cli.reports.content import Chart, Holding, Pictured
from seat_ledger.domain.values import FOREVER
from seat_ledger.projections import accounts
from seat_ledger.projections.billing import intervals
from seat_ledger.projections.reader import AccountFacts, AccountQuestion

MONTHS = [
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
]


def month(day: date) -> str:
    """A month as a chart's axis says it, in no locale."""
    return f"{MONTHS[day.month - 1]} {day.year}"


def pictured(question: AccountQuestion, starts: datetime, ends: datetime) -> Pictured:
    """An account's charts over a span of time, a pair for each type."""
    reader, account, _, _ = question
    span = intervals.CountedSpan(reader.types.all, starts, ends)
    lives = intervals.lives(question, span)
    held = intervals.holdings(question, span)
    people = reader.people(
        holding.user_no for holding in held if holding.user_no is not None
    )
    windows = reader.windows(
        entry for holding in held for entry in (holding.opened, holding.closed)
    )
    holdings = [
        Holding(
            account.key,
            holding.seat,
            people[holding.user_no]["user"],
            people[holding.user_no]["name"],
            holding.starts,
            None if holding.ends == FOREVER else holding.ends,
            holding.opened,
            holding.closed,
            windows.get(holding.opened),
            windows.get(holding.closed),
        )
        for holding in held
        if holding.user_no is not None
    ]
    steps = accounts.steps(question)
    pairs = []
    for seat_type in dict.fromkeys(life.seat_type for life in lives):
        points = [
            (row["at"], row["purchased"], row["assigned"])
            for row in steps
            if row["seat_type"] == seat_type and row["at"] < ends
        ]
        of_type = [life for life in lives if life.seat_type == seat_type]
        mine = [
            holding for holding in holdings if holding.seat.startswith(f"{seat_type}#")
        ]
        frame = _frame(account, seat_type, starts, ends, points)
        pairs.append(
            Chart(
                seat_type,
                _steps(points, frame),
                _holders(account, seat_type, of_type, mine, frame),
                len({life.number for life in of_type}),
            )
        )
    return Pictured(account.key, account.zones, pairs, holdings)


def _frame(
    account: AccountFacts,
    seat_type: str,
    starts: datetime,
    ends: datetime,
    points: Sequence[tuple[datetime, int, int]],
) -> charts.Frame:
    before = [point for point in points if point[0] <= starts]
    most = max((point[2] for point in points[max(0, len(before) - 1) :]), default=0)
    last = points[-1] if points else (starts, 0, 0)
    return charts.Frame(
        starts,
        ends,
        f"{account.key}, {seat_type}: purchased and assigned seats",
        f"From {times.spelled(starts, account.zones)} until "
        f"{times.spelled(ends, account.zones)}; at most {most} assigned at once; "
        f"at the end {last[1]} purchased and {last[2]} assigned.",
        charts.ticks_of(starts, ends, account.zones, month),
    )


def _steps(points: Sequence[tuple[datetime, int, int]], frame: charts.Frame) -> str:
    return charts.step_chart(
        [
            charts.Series("purchased", [(at, bought) for at, bought, _ in points]),
            charts.Series("assigned", [(at, held) for at, _, held in points]),
        ],
        frame,
    )


def _holders(
    account: AccountFacts,
    seat_type: str,
    lives: Sequence[intervals.CountedInterval],
    held: Sequence[Holding],
    frame: charts.Frame,
) -> str:
    """A lane for each seat: pale while it is under contract, dark while it is held."""
    spans: dict[int, list[charts.ChartSpan]] = {}
    for life in lives:
        lane = spans.setdefault(life.number, [])
        ends = None if life.ends >= frame.ends else life.ends
        lane.append(
            charts.ChartSpan(max(life.starts, frame.starts), ends, "", "", "idle")
        )
    for holding in held:
        ends = (
            None if holding.ends is None or holding.ends >= frame.ends else holding.ends
        )
        text = (
            f"{holding.name} ({holding.user}): "
            f"{times.local(holding.starts, account.zones)} to "
            f"{times.local(holding.ends, account.zones)}"
        )
        number = int(holding.seat.partition("#")[2])
        starts = max(holding.starts, frame.starts)
        spans.setdefault(number, []).append(charts.ChartSpan(starts, ends, text))
    lanes = [charts.ChartLane(f"#{number}", spans[number]) for number in sorted(spans)]
    words = (
        f"{account.key}, {seat_type}: who held which seat",
        f"{len(lanes)} seats, {len(held)} holdings; each is listed below.",
    )
    whole = charts.Frame(frame.starts, frame.ends, *words, frame.ticks)
    return charts.span_chart(lanes, whole)
