"""One account's entries, and what the rules read off them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.oracle.contract import Contract, Terms, all_terms
from tests.oracle.dates import FAR, Zones
from tests.oracle.entries import Entry, Person, holding, recorded_until
from tests.oracle.timeline import Timeline


def zones(entries: list[Entry]) -> Zones:
    """The zone the account was opened in and every change, in order."""
    changes = sorted(_of(entries, "TimeZoneChanged"), key=lambda entry: entry.order)
    first = _of(entries, "AccountOpened")[0]["time_zone"]
    return Zones(first, tuple((e.at, e["time_zone"]) for e in changes))


def contract(entries: list[Entry]) -> Contract:
    """What the bounds follow from: terms and cycles, their changes, zones, the end."""
    opened = _of(entries, "AccountOpened")[0]
    terms = Terms(
        number=0,
        day=opened["term_start"],
        anchor=opened["term_start"],
        base=0,
        term_months=opened["term_months"],
        cycle_months=opened["billing_cycle_months"],
    )
    current = holding(entries)
    changes = [entry.fields for entry in _of(current, "ContractChanged")]
    closed_at = next((e.at for e in _of(current, "AccountClosed")), FAR)
    return Contract(all_terms(terms, changes), zones(entries), closed_at)


def renewals(entries: list[Entry]) -> int:
    """How many renewals were processed."""
    return len(_of(entries, "ContractRenewed"))


def _of(entries: list[Entry], topic: str) -> list[Entry]:
    return [entry for entry in entries if entry.topic == topic]


def names_in(entry: Entry) -> list[str]:
    """The key and the e-mail that an addition or a renaming gives."""
    if entry.topic == "UserAdded":
        return [entry["user"].added.key, entry["user"].added.email]
    return [entry.fields[part] for part in ("key", "email") if part in entry.fields]


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
        return Timeline(holding(recorded_until(self.entries, position)))

    def contract(self, position: int | None = None) -> Contract:
        """What the bounds follow from, as known at a position."""
        return contract(recorded_until(self.entries, position))

    def renewals(self) -> int:
        """How many renewals were processed."""
        return renewals(self.entries)

    def people(self) -> list[Person]:
        """Everybody who was ever added."""
        return [entry["user"] for entry in _of(self.entries, "UserAdded")]

    def knows(self, reference: str) -> bool:
        """Whether anybody was ever called so, at whatever position it became known."""
        recorded = [
            name
            for entry in _of(self.entries, "UserAdded")
            + _of(self.entries, "UserRenamed")
            if entry["user"].erased is None
            for name in names_in(entry)
        ]
        erased = [person.erased.key for person in self.people() if person.erased]
        return reference.casefold() in {name.casefold() for name in recorded + erased}

    def latest(self) -> datetime:
        """The latest effective time of any entry."""
        return max(entry.at for entry in self.entries)
