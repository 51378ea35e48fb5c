"""The ledger as its rules describe it: commands in, outcomes and answers out.

The oracle is slow and plain on purpose, and has none of the product's code. A driver
runs the same commands through both:

    outcome = oracle.execute(command, now)
    if outcome.accepted:
        oracle.recorded(positions)  # one for each of outcome.entries, in their order

Without a store beside it, `oracle.run(command)` counts positions 1, 2, 3…
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.oracle.answers import View
from tests.oracle.books import Book
from tests.oracle.deciding import Attempt, Outcome


class Oracle:
    """Every account, in one order of positions."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.now = now
        self.books: dict[str, Book] = {}
        self.head = 0
        self._waiting: tuple[Book, dict[str, Any], Outcome] | None = None

    def execute(self, command: dict[str, Any], now: datetime | None = None) -> Outcome:
        """What becomes of the command (CLI 4); accepted ones wait for `recorded`."""
        self._waiting = None
        fields = {name: fact for name, fact in command.items() if name != "expect"}
        book = self.books.get(fields["account"], Book(fields["account"]))
        first = book.commands.get(fields.get("idempotency_key", ""))
        if first is not None:
            return repeated(fields, *first)
        outcome = Attempt(book, fields, now or self.now()).run()
        if outcome.accepted:
            self._waiting = book, fields, outcome
        return outcome

    def recorded(self, positions: list[int] | None = None) -> None:
        """Take over what was accepted, at the positions that the store gave."""
        if self._waiting is None:
            return
        book, command, outcome = self._waiting
        self._waiting = None
        if positions is None:
            positions = [self.head + 1 + n for n in range(len(outcome.entries))]
        for entry, position in zip(outcome.entries, positions, strict=True):
            entry.position = position
            entry.reason = command.get("reason")
            entry.actor = command.get("actor") or entry.actor
        book.entries += sorted(outcome.entries, key=lambda entry: entry.position)
        self.books[book.key] = book
        self.head = max([self.head, *positions])
        if command.get("idempotency_key") is not None:
            book.commands[command["idempotency_key"]] = command, outcome.own

    def run(self, command: dict[str, Any], now: datetime | None = None) -> Outcome:
        """Execute and record, counting positions."""
        outcome = self.execute(command, now)
        if outcome.accepted and not outcome.repeated:
            self.recorded()
        return outcome

    def view(self, account: str, position: int | None = None) -> View:
        """An account as known at a position."""
        return View(self.books[account], position)


def repeated(
    fields: dict[str, Any], command: dict[str, Any], entries: list[Any]
) -> Outcome:
    """R73: the same command again returns the first result; another is refused."""
    if fields != command:
        return Outcome(accepted=False, codes={"idempotency_conflict"})
    return Outcome(accepted=True, entries=entries, repeated=True)
