"""Unassignments that wait for the end of a billing period (R98).

Choices where the rules leave room:

- a request is of the holding of its seat and user that contains its instant; it means
  nothing where there is none, or where that holding has an end of its own;
- it names its period, whose end moves with a zone or a contract that changes, and is
  not carried out before its own instant;
- it is carried out once: where that is reversed, the holding runs on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tests.oracle.contract import Contract
from tests.oracle.dates import FAR
from tests.oracle.entries import Entry
from tests.oracle.timeline import Interval, Timeline


@dataclass(frozen=True)
class Notice:
    """A request, what became of it, and when it is due."""

    entry: Entry
    cancelled: Entry | None
    carried_out: Entry | None
    holding: Interval | None
    due_at: datetime

    @property
    def waits(self) -> bool:
        """Whether it is still to be carried out."""
        ended = self.cancelled is not None or self.carried_out is not None
        return not ended and self.holding is not None and self.holding.open

    @property
    def ends(self) -> datetime:
        """Until when it is pending, where it is not carried out yet."""
        ending = [e.at for e in (self.cancelled, self.carried_out) if e is not None]
        return min(ending, default=FAR if self.waits else self.entry.at)

    def pending(self, instant: datetime) -> bool:
        return self.entry.at <= instant < self.ends


def notices(
    timeline: Timeline, contract: Contract, entries: list[Entry]
) -> list[Notice]:
    """Every request that holds; `entries` are all, reversed ones included."""
    return [
        _notice(entry, timeline, contract, entries)
        for entry in timeline.of("UnassignmentRequested")
    ]


def _notice(
    entry: Entry, timeline: Timeline, contract: Contract, entries: list[Entry]
) -> Notice:
    cancelled = [
        e for e in timeline.of("UnassignmentCancelled") if e["request"] is entry
    ]
    carried_out = [
        e
        for e in entries
        if e.topic == "SeatUnassigned" and e.fields.get("request") is entry
    ]
    holdings = [
        holding
        for holding in timeline.holdings
        if holding.seat == entry.seat
        and holding.person is entry["user"]
        and holding.contains(entry.at)
    ]
    return Notice(
        entry,
        cancelled[0] if cancelled else None,
        carried_out[0] if carried_out else None,
        holdings[0] if holdings else None,
        max(entry.at, contract.end_of(entry["period"])),
    )
