"""The charts of an account: purchased against assigned, and who held which seat."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from seat_ledger.cli.output import charts
from seat_ledger.cli.output.i18n import Words
from seat_ledger.cli.reports.content import Chart, Holding, Pictured
from seat_ledger.domain.values import FOREVER
from seat_ledger.projections import accounts
from seat_ledger.projections.billing import intervals
from seat_ledger.projections.reader import AccountFacts, AccountQuestion


def pictured(
    question: AccountQuestion, starts: datetime, ends: datetime, words: Words
) -> Pictured:
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
        looks = _Looks(account, seat_type, words)
        frame = looks.frame(starts, ends, points)
        pairs.append(
            Chart(
                seat_type,
                looks.steps(points, frame),
                looks.holders(of_type, mine, frame),
                len({life.number for life in of_type}),
            )
        )
    return Pictured(account.key, account.zones, pairs, holdings)


class _Looks(NamedTuple):
    """How the charts of one seat type are drawn, in a language."""

    account: AccountFacts
    seat_type: str
    words: Words

    def frame(
        self,
        starts: datetime,
        ends: datetime,
        points: Sequence[tuple[datetime, int, int]],
    ) -> charts.Frame:
        """What both have: their time axis, and the words of the first."""
        before = [point for point in points if point[0] <= starts]
        most = max((point[2] for point in points[max(0, len(before) - 1) :]), default=0)
        last = points[-1] if points else (starts, 0, 0)
        zones, words = self.account.zones, self.words
        return charts.Frame(
            starts,
            ends,
            self._text("report_steps_title"),
            words(
                "report_steps_text",
                starts=words.spelled(starts, zones),
                ends=words.spelled(ends, zones),
                most=words.number(most),
                purchased=words.number(last[1]),
                assigned=words.number(last[2]),
            ),
            charts.ticks_of(starts, ends, zones, words.month),
        )

    def _text(self, key: str) -> str:
        return self.words(key, account=self.account.key, seat_type=self.seat_type)

    def steps(
        self, points: Sequence[tuple[datetime, int, int]], frame: charts.Frame
    ) -> str:
        """Purchased against assigned."""
        series = {
            "column_purchased": [(at, bought) for at, bought, _ in points],
            "column_assigned": [(at, held) for at, _, held in points],
        }
        return charts.step_chart(
            [charts.Series(self.words(key), course) for key, course in series.items()],
            frame,
        )

    def holders(
        self,
        lives: Sequence[intervals.CountedInterval],
        held: Sequence[Holding],
        frame: charts.Frame,
    ) -> str:
        """A lane for each seat: pale while under contract, dark while it is held."""
        spans: dict[int, list[charts.ChartSpan]] = {}
        for life in lives:
            lane = spans.setdefault(life.number, [])
            ends = None if life.ends >= frame.ends else life.ends
            lane.append(
                charts.ChartSpan(max(life.starts, frame.starts), ends, "", "", "idle")
            )
        for holding in held:
            lasts = holding.ends is None or holding.ends >= frame.ends
            number = int(holding.seat.partition("#")[2])
            starts = max(holding.starts, frame.starts)
            spans.setdefault(number, []).append(
                charts.ChartSpan(
                    starts, None if lasts else holding.ends, self._holding(holding)
                )
            )
        lanes = [charts.ChartLane(f"#{n}", spans[n]) for n in sorted(spans)]
        words = self.words
        texts = (
            self._text("report_holders_title"),
            words(
                "report_holders_text",
                seats=words.counted("seats", len(lanes)),
                holdings=words.counted("holdings", len(held)),
            ),
        )
        whole = charts.Frame(frame.starts, frame.ends, *texts, frame.ticks)
        return charts.span_chart(lanes, whole)

    def _holding(self, holding: Holding) -> str:
        zones = self.account.zones
        return self.words(
            "report_holding",
            name=holding.name,
            user=holding.user,
            starts=self.words.instant(holding.starts, zones),
            ends=self.words.instant(holding.ends, zones),
        )
