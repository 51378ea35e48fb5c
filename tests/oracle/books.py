"""One account's entries, and what the rules read off them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.oracle.dates import Contract, Zones
from tests.oracle.entries import Entry, holding, known_at
from tests.oracle.timeline import Timeline


def zones(entries: list[Entry]) -> Zones:
    """The zone the account was opened in and every change, in order."""
    changes = sorted(_of(entries, "TimeZoneChanged"), key=lambda entry: entry.order)
    first = _of(entries, "AccountOpened")[0]["time_zone"]
    return Zones(first, tuple((e.at, e["time_zone"]) for e in changes))


def contract(entries: list[Entry]) -> Contract:
    """The anchor, the term and the cycle, and the zones that the bounds follow."""
    opened = _of(entries, "AccountOpened")[0]
    return Contract(
        opened["term_start"],
        opened["term_months"],
        opened["billing_cycle_months"],
        zones(entries),
    )


def renewals(entries: list[Entry]) -> int:
    """How many renewals were processed."""
    return len(_of(entries, "ContractRenewed"))


def _of(entries: list[Entry], topic: str) -> list[Entry]:
    return [entry for entry in entries if entry.topic == topic]


@dataclass
class Book:
    """An account: its entries in the order of recording, and the keys it has seen."""

    key: str
    entries: list[Entry] = field(default_factory=list)
    commands: dict[str, tuple[dict[str, Any], list[Entry]]] = field(
        default_factory=dict
    )

    @property
    def opened(self) -> Entry | None:
        return self.entries[0] if self.entries else None

    def timeline(self, position: int | None = None) -> Timeline:
        """What follows from what was known at a position (R41)."""
        return Timeline(holding(known_at(self.entries, position)))

    def latest(self) -> datetime:
        """The latest effective time of any entry."""
        return max(entry.at for entry in self.entries)
