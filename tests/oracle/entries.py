"""The list of entries, and which of them hold.

An entry is what the ledger wrote down; entries are never changed. Whether one holds
follows from the reversals that name it, and from those that name these, and so on.

Choices where the rules leave room:

- an entry holds when no reversal *that itself holds* names it (R47: reversing a
  reversal makes the entry hold again, unless another reversal of it still holds).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Seat = tuple[str, int]
REVERSAL = "EntryReversed"


@dataclass(frozen=True)
class Names:
    """What a person is called: by key exactly, by e-mail without case."""

    key: str
    email: str
    name: str


@dataclass(eq=False)
class Person:
    """One holder: the same key added again later is another person (R35)."""

    added: Names
    kind: str = "person"
    erased: Names | None = None

    @property
    def is_service(self) -> bool:
        return self.kind == "service"

    @property
    def key(self) -> str:
        """The key of the addition, or what is left of it after erasure."""
        return (self.erased or self.added).key

    def erase(self, label: str) -> None:
        """From now on no other name is known, at any position."""
        self.erased = Names(label, label, label)

    def __repr__(self) -> str:
        return self.key


@dataclass(eq=False)
class Entry:
    """One event: its place in the store, what it says, and when it was true."""

    position: int
    topic: str
    at: datetime
    fields: dict[str, Any] = field(default_factory=dict)
    actor: str = "system:oracle"
    reason: str | None = None
    key: str | None = None

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]

    def __repr__(self) -> str:
        facts = " ".join(f"{k}={v}" for k, v in self.fields.items())
        return f"#{self.position} {self.at.isoformat()} {self.topic} {facts}"

    @property
    def order(self) -> tuple[datetime, int]:
        """The order of application (R70)."""
        return self.at, self.position

    @property
    def seat(self) -> Seat:
        return self.fields["seat_type"], self.fields["number"]

    @property
    def root(self) -> Entry:
        """The entry at the end of a chain of reversals."""
        here = self
        while here.topic == REVERSAL:
            here = here["entry"]
        return here


def holds(entry: Entry, entries: list[Entry]) -> bool:
    """Whether no reversal that itself holds names this entry."""
    reversals = [other for other in entries if other.topic == REVERSAL]
    return _holds(entry, reversals)


def _holds(entry: Entry, reversals: list[Entry]) -> bool:
    naming = [reversal for reversal in reversals if reversal["entry"] is entry]
    return not any(_holds(reversal, reversals) for reversal in naming)


def holding(entries: list[Entry]) -> list[Entry]:
    """The entries that hold, without reversals, in the order of application."""
    reversals = [entry for entry in entries if entry.topic == REVERSAL]
    facts = [entry for entry in entries if entry.topic != REVERSAL]
    current = [entry for entry in facts if _holds(entry, reversals)]
    return sorted(current, key=lambda entry: entry.order)


def recorded_until(entries: list[Entry], position: int | None) -> list[Entry]:
    """What was recorded up to a position (R41)."""
    return [e for e in entries if position is None or e.position <= position]
