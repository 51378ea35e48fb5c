"""The counts of a period, each written as its sentence in the rules says (R53, R55).

A figure is an exact rational. "At once" looks at every instant at which something
begins, and counts the intervals that contain it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from fractions import Fraction

from tests.oracle.dates import MICROSECOND, LocalDate, Period
from tests.oracle.timeline import Interval, Timeline


@dataclass(frozen=True)
class Counted:
    """One seat type in one period: what was under contract, and what was held."""

    period: Period
    lives: list[Interval]
    holdings: list[Interval]

    @classmethod
    def of(cls, timeline: Timeline, seat_type: str, period: Period) -> Counted:
        """Everything of the type that lasts for some time within the period."""
        lives = [life for life in timeline.lives if life.seat_type == seat_type]
        held = [held for held in timeline.holdings if held.seat_type == seat_type]
        return cls(
            period,
            [life for life in lives if touches(life, period)],
            [holding for holding in held if touches(holding, period)],
        )

    # -- at once --

    def at_once(self, instant: datetime) -> int:
        """How many seats are held at the instant."""
        return sum(1 for holding in self.holdings if holding.contains(instant))

    def most_at_once(self, starts: datetime, ends: datetime) -> int:
        """The most that are held at one instant of [starts, ends)."""
        begun = [h.starts for h in self.holdings if starts < h.starts < ends]
        return max(self.at_once(instant) for instant in [starts, *begun])

    # -- modes --

    def contracted_day(self) -> Fraction:
        touched = sum(
            1 for life in self.lives for day in self.period.dates if touches(life, day)
        )
        return Fraction(touched, len(self.period.dates))

    def contracted_second(self) -> Fraction:
        return sum((self._share(life) for life in self.lives), Fraction(0))

    def peak(self) -> Fraction:
        return Fraction(self.most_at_once(self.period.starts, self.period.ends))

    def snapshot_end(self) -> Fraction:
        return Fraction(just_before(self.holdings, self.period.ends))

    def start_plus_rises_day(self) -> Fraction:
        days = self.period.dates

        def remaining(instant: datetime) -> Fraction:
            left = sum(1 for day in days if day.ends > instant)
            return Fraction(left, len(days))

        return self._start_plus_rises(remaining)

    def start_plus_rises_second(self) -> Fraction:
        starts, ends = self.period.starts, self.period.ends

        def remaining(instant: datetime) -> Fraction:
            return ratio(ends - instant, ends - starts)

        return self._start_plus_rises(remaining)

    def _start_plus_rises(self, remaining: Callable[[datetime], Fraction]) -> Fraction:
        starts = self.period.starts
        highest = self.at_once(starts)
        figure = Fraction(highest)
        for instant in sorted({h.starts for h in self.holdings if h.starts > starts}):
            rise = self.at_once(instant) - highest
            if rise > 0:
                figure += rise * remaining(instant)
                highest += rise
        return figure

    def time_weighted(self) -> Fraction:
        return sum((self._share(holding) for holding in self.holdings), Fraction(0))

    def day_peak(self) -> Fraction:
        days = self.period.dates
        most = sum(self.most_at_once(day.starts, day.ends) for day in days)
        return Fraction(most, len(days))

    def day_touch(self) -> Fraction:
        pairs = {
            (holding.person, day.date)
            for holding in self.holdings
            for day in self.period.dates
            if touches(holding, day)
        }
        return Fraction(len(pairs), len(self.period.dates))

    def distinct(self) -> Fraction:
        return Fraction(len({holding.person for holding in self.holdings}))

    def _share(self, interval: Interval) -> Fraction:
        starts = max(interval.starts, self.period.starts)
        ends = min(interval.ends, self.period.ends)
        return ratio(ends - starts, self.period.ends - self.period.starts)

    def quantity(self, mode: str, granularity: str | None = None) -> Fraction:
        """The figure of a mode."""
        name = mode if granularity is None else f"{mode}_{granularity}"
        figure: Fraction = getattr(self, name)()
        return figure

    # -- the rest of the row (R55) --

    def figures(self) -> dict[str, int]:
        """The whole numbers that stand beside the quantity."""
        starts, ends = self.period.starts, self.period.ends
        return {
            "opening": sum(1 for life in self.lives if life.contains(starts)),
            "purchased": sum(1 for life in self.lives if starts < life.starts < ends),
            "retired": sum(1 for life in self.lives if starts < life.ends < ends),
            "closing": just_before(self.lives, ends),
            "assigned_opening": self.at_once(starts),
            "assigned_peak": self.most_at_once(starts, ends),
            "assigned_closing": just_before(self.holdings, ends),
            "idle_seat_days": sum(self._idle(life) for life in self.lives),
        }

    def _idle(self, life: Interval) -> int:
        """The dates on which the seat was under contract and held at no instant."""
        held = [holding for holding in self.holdings if holding.seat == life.seat]
        return sum(
            1
            for day in self.period.dates
            if touches(life, day) and not any(touches(h, day) for h in held)
        )


def touches(interval: Interval, span: Period | LocalDate) -> bool:
    """Whether some time of the interval lies within the span."""
    starts = max(interval.starts, span.starts)
    return starts < min(interval.ends, span.ends)


def just_before(intervals: list[Interval], end: datetime) -> int:
    """How many reach the end: ending there counts, starting there does not."""
    return sum(1 for interval in intervals if interval.starts < end <= interval.ends)


def ratio(part: timedelta, whole: timedelta) -> Fraction:
    return Fraction(part // MICROSECOND, whole // MICROSECOND)


def money(quantity: Fraction, price: str, places: int = 2) -> str:
    """R51: rounded once, half up, a tie goes up below zero too."""
    unit = Decimal(1).scaleb(-places)
    cents = quantity * Fraction(price) / Fraction(unit) + Fraction(1, 2)
    whole = cents.numerator // cents.denominator
    return str((whole * unit).quantize(unit, rounding=ROUND_FLOOR))
