"""One account as large as any: twenty years, 40,000 people, and a seat that all want.

Its pages are the hardest that the console has to answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from random import Random

from scripts.benches.generator import TYPES, Shop, Somebody, Written
from seat_ledger.domain.calendar import BillingCalendar, ZoneHistory

KEY = "giant"
EVENTS = 400_000
YEARS = 20
BEGINS = date(2005, 1, 31)
ZONE = "Europe/Amsterdam"
SEATS = 300
WANTED = 1
"""The number of the seat that goes from hand to hand."""


class Giant(Shop):
    """An account with a contract of twenty terms, billed each month."""

    def __init__(self, events: int) -> None:
        super().__init__(KEY, Random(11))
        self.zone, self.term_start, self.cycle = ZONE, BEGINS, 1
        self.calendar = BillingCalendar(BEGINS, 12, self.cycle, ZoneHistory(ZONE))
        self.opens = self.calendar.renewal(0).instant
        self.renews = self.calendar.renewal(1).instant
        self.types, self.seats = TYPES[:1] + TYPES[2:], SEATS
        self.bought = dict.fromkeys(self.types, 0)
        self.free = {kind: [] for kind in self.types}
        self.pending = dict.fromkeys(self.types, 0)
        self.most = events // 10
        self.wanted_by: Somebody | None = None

    def step(self, at: datetime, position: int) -> Iterator[Written]:
        """One to four events of one command."""
        if self.version == 0:
            yield from self.opening()
            return
        if at >= self.renews:
            yield from self.renew()
            return
        roll, kind = self.random.random(), self.one_of(self.types)
        if self.users < 10 or (roll > 0.84 and self.users < self.most):
            yield self.add(at)
        elif roll < 0.0005:
            yield self.buy(kind, at)
        elif roll < 0.005:
            yield from self.remove(at)
        elif roll < 0.52:
            yield from self.assign(kind, at, position)
        else:
            yield from self.unassign(kind, at)

    def taken(self, free: list[int]) -> int:
        """The seat that all want, if it is free."""
        if WANTED in free:
            free.remove(WANTED)
            return WANTED
        return super().taken(free)

    def give(self, who: Somebody, hub: str, kind: str, number: int) -> None:
        super().give(who, hub, kind, number)
        if number == WANTED and kind == self.types[0]:
            self.wanted_by = who

    def leaving(self, holders: list[Somebody]) -> int:
        """Now and then whoever has the seat that all want."""
        if self.wanted_by in holders and self.random.random() < 0.1:
            return holders.index(self.wanted_by)
        return super().leaving(holders)


def giant_history(events: int, after: int) -> Iterator[Written]:
    """At least `events` events of the one account, behind the position `after`."""
    shop = Giant(events)
    at, written = shop.opens, 0
    step = timedelta(days=365.25 * YEARS) / max(1, events) * 1.25
    while written < events:
        at += step
        for one in shop.step(at, after + written + 1):
            written += 1
            yield one
