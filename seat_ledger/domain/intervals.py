"""Intervals out of entries: what opens, what closes, and what they make together.

An interval is made of an opening and a closing entry. The k-th opening pairs with the
k-th closing, both in the order of their instants; so two entries at one instant need
no order between them. An open end is :data:`~seat_ledger.domain.values.FOREVER`.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from seat_ledger.domain.values import FOREVER, SeatRef


class Interval(NamedTuple):
    """``[starts, ends)``, opened and closed by entries of these versions.

    `closed` is 0 while the end is open. `user` is the holder's id, `subject` the
    seat that is held or the hub that is entered.
    """

    starts: datetime
    ends: datetime
    opened: int
    closed: int
    user: str
    subject: SeatRef | str

    def overlaps(self, starts: datetime, ends: datetime) -> bool:
        """Whether it overlaps ``[starts, ends)``; an empty one does where it lies
        strictly inside the other, and stands in nobody's way elsewhere (R46).
        """
        return self.starts < ends and starts < self.ends

    def is_within(self, other: Interval) -> bool:
        """Whether it lies within `other`; an empty one may lie exactly at its end."""
        return other.starts <= self.starts and self.ends <= other.ends


class Mark(NamedTuple):
    """One entry that opens or closes something: its instant and its version."""

    at: datetime
    version: int


class Life(NamedTuple):
    """From when to when something exists, by which entries; open end FOREVER."""

    starts: datetime
    ends: datetime
    opened: int
    closed: int


class Track:
    """The intervals of one seat, or of one user's access to one hub, in order.

    Several entries at one instant pair in the order of their versions, so the short
    ways below are for entries that lie after all others.

    Openings and closings come and go (an entry may be reversed); `loose` keeps the
    closings that close nothing, which no valid timeline has.
    """

    __slots__ = ("intervals", "loose", "open_ends", "subject")

    def __init__(self, subject: SeatRef | str) -> None:
        self.subject = subject
        self.intervals: list[Interval] = []
        self.loose: list[tuple[str, Mark]] = []
        self.open_ends = 0

    def opening(self, user: str, mark: Mark) -> Changed:
        """Let an opening entry hold; return what it changed."""
        last = self.intervals[-1] if self.intervals else None
        if not self.loose and (last is None or last.ends <= mark.at > last.starts):
            new = Interval(mark.at, FOREVER, mark.version, 0, user, self.subject)
            self.intervals.append(new)
            self.open_ends += 1
            return (), (new,)
        opens, closes = self._marks(user)
        return self._pair(user, [*opens, mark], closes)

    def closing(self, user: str, mark: Mark) -> Changed:
        """Let a closing entry hold; return what it changed."""
        last = self.intervals[-1] if self.intervals else None
        if (
            last is not None
            and last.ends is FOREVER
            and last.user == user
            and last.starts < mark.at
            and self.open_ends == 1
            and not self.loose
        ):
            new = Interval(
                last.starts, mark.at, last.opened, mark.version, user, self.subject
            )
            self.intervals[-1] = new
            self.open_ends = 0
            return (last,), (new,)
        opens, closes = self._marks(user)
        return self._pair(user, opens, [*closes, mark])

    def without(self, user: str, mark: Mark) -> Changed:
        """Take an entry out that no longer holds; return what it changed."""
        last = self.intervals[-1] if self.intervals else None
        if last is not None and last.opened == mark.version and not last.closed:
            self.intervals.pop()
            self.open_ends -= 1
            return (last,), ()
        opens, closes = self._marks(user)
        return self._pair(
            user,
            [held for held in opens if held.version != mark.version],
            [held for held in closes if held.version != mark.version],
        )

    def _marks(self, user: str) -> tuple[list[Mark], list[Mark]]:
        mine = [held for held in self.intervals if held.user == user]
        opens = [Mark(held.starts, held.opened) for held in mine]
        closes = [Mark(held.ends, held.closed) for held in mine if held.closed]
        closes += [mark for owner, mark in self.loose if owner == user]
        return opens, closes

    def _pair(self, user: str, opens: list[Mark], closes: list[Mark]) -> Changed:
        """Pair the k-th opening with the k-th closing, and replace the user's part."""
        before = tuple(held for held in self.intervals if held.user == user)
        others = [held for held in self.intervals if held.user != user]
        loose = [(owner, mark) for owner, mark in self.loose if owner != user]
        after: list[Interval] = []
        left = iter(sorted(closes))
        close = next(left, None)
        for mark in sorted(opens):
            while close is not None and close.at < mark.at:
                loose.append((user, close))
                close = next(left, None)
            ends, closed = close if close is not None else (FOREVER, 0)
            after.append(
                Interval(mark.at, ends, mark.version, closed, user, self.subject)
            )
            close = next(left, None) if close is not None else None
        loose += [(user, mark) for mark in ([close, *left] if close else [])]
        self.intervals = sorted([*others, *after])
        self.loose = loose
        self.open_ends = sum(1 for held in self.intervals if not held.closed)
        return before, tuple(after)

    def at(self, instant: datetime) -> Interval | None:
        """The interval that contains an instant, if there is one."""
        for held in reversed(self.intervals):
            if held.starts <= instant < held.ends:
                return held
        return None

    def live_from(self, instant: datetime) -> Interval | None:
        """The first open-ended interval that is live at an instant."""
        for held in self.intervals[-2:]:
            if held.ends is FOREVER and held.starts <= instant:
                return held
        return next(
            (
                held
                for held in self.intervals
                if held.ends is FOREVER and held.starts <= instant
            ),
            None,
        )


Changed = tuple[tuple[Interval, ...], tuple[Interval, ...]]
"""The intervals that went, and those that came."""


def in_way(
    intervals: Sequence[Interval], starts: datetime, ends: datetime
) -> list[Interval]:
    """The intervals that ``[starts, ends)`` would overlap, in order."""
    return [held for held in intervals if held.overlaps(starts, ends)]


def insert(intervals: list[Interval], new: Interval) -> None:
    """Put an interval into a list that is in order."""
    if not intervals or intervals[-1] <= new:
        intervals.append(new)
    else:
        insort(intervals, new)


def remove(intervals: list[Interval], old: Interval) -> None:
    """Take an interval out of a list that is in order."""
    if intervals[-1] == old:
        intervals.pop()
    else:
        del intervals[bisect_left(intervals, old)]
