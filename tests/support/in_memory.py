"""The rules without a database: commands decided over aggregates in memory.

What the store adds (concurrency, durability, lookups) is tested elsewhere; what a
command may do is decided here by the very code that decides it there.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from seat_ledger.commands.handler import Caller, CommandHandler
from seat_ledger.commands.messages import read_command
from seat_ledger.commands.unit_of_work import Recorded, UnitOfWork
from seat_ledger.domain.catalogue import Catalogue
from seat_ledger.domain.events import EntryReversed, InvoiceIssued, LedgerEvent
from seat_ledger.domain.head import NO_HEAD, Head
from seat_ledger.domain.user import User
from seat_ledger.domain.values import account_id
from seat_ledger.errors import CommandRefused, EntryRef

NOW = datetime(2026, 10, 1, tzinfo=UTC)


class InMemoryLedger:
    """A ledger of events in a list; the position of an event is its place there."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now
        self.events: list[LedgerEvent] = []
        self.catalogue = Catalogue()
        self.units: dict[str, UnitOfWork] = {}
        self.results: dict[tuple[UUID, str], tuple[bytes, tuple[int, ...]]] = {}

    def execute(self, fields: dict[str, Any]) -> tuple[int, ...]:
        """Record a command and return the positions of its events.

        Raises CommandRefused and NotFound, as the real ledger does.
        """
        command = read_command(fields)
        key = command.envelope.account
        unit = self.units.get(key) or UnitOfWork(account_id(key), self)
        name = (unit.account_id, command.envelope.idempotency_key or "")
        if command.envelope.idempotency_key is not None and name in self.results:
            return self._repeated(command.digest, name)
        try:
            decision = CommandHandler(
                unit, command, now=self.now, caller=Caller()
            ).decide()
        except CommandRefused as refusal:
            named = map(self._position, refusal.blockers)
            refusal.details["entries"] = sorted(filter(None, named))
            raise
        for aggregate in decision.changed:
            aggregate.collect_events()
        _check_valid(decision.events)
        unit.move(unit.next)
        self.units[key] = unit
        self.events += decision.events
        last = len(self.events)
        positions = tuple(range(last - len(decision.events) + 1, last + 1))
        result = positions[decision.due :]
        if command.envelope.idempotency_key is not None:
            self.results[name] = (command.digest, result)
        return result

    def _repeated(self, digest: bytes, name: tuple[UUID, str]) -> tuple[int, ...]:
        first, positions = self.results[name]
        if first != digest:
            raise CommandRefused("idempotency_conflict", f"{name[1]!r} was used.")
        return positions

    def _position(self, entry: EntryRef) -> int | None:
        """Where an entry stands; nowhere when the refused command made it up."""
        for position, event in enumerate(self.events, 1):
            if (str(event.originator_id), event.originator_version) == entry:
                return position
        return None

    # -- what a unit of work asks its source for --------------------------------

    def load_user(self, user_id: UUID) -> User:
        """Every user is in memory: none is ever loaded."""
        raise AssertionError(user_id)

    def user_ids(self, account: UUID, reference: str) -> tuple[list[UUID], list[UUID]]:
        """Every name is in memory: none is ever looked up."""
        raise AssertionError(account, reference)

    def is_of_account(self, account: UUID, user_id: UUID) -> bool:
        """Whether an event of the account names the user."""
        return any(
            event.originator_id == user_id and getattr(event, "account", 0) == account
            for event in self.events
        )

    def entry_at(
        self, account: UUID, position: int
    ) -> tuple[Recorded, Recorded] | None:
        """The account's entry at a position, and the root of its chain."""
        if position > len(self.events):
            return None
        event = self.events[position - 1]
        if (getattr(event, "account", None) or event.originator_id) != account:
            return None
        entry = Recorded(position, event)
        if not isinstance(event, EntryReversed):
            return entry, entry
        return entry, Recorded(event.root, self.events[event.root - 1])

    def entry_of(self, stream: UUID, version: int) -> Recorded | None:
        """The entry of a stream's version."""
        position = self._position(EntryRef(str(stream), version))
        if position is None:
            return None
        return Recorded(position, self.events[position - 1])

    def positions_under(self, account: UUID, key: str) -> Sequence[int] | None:
        """The positions that were recorded under a command's key."""
        _, positions = self.results.get((account, key), (b"", None))
        return positions

    def positions_of(self, entries: Sequence[EntryRef]) -> list[int]:
        """The positions of entries that are named by stream and version, in order."""
        return sorted(filter(None, map(self._position, entries)))

    def has_invoice(self, invoice: str) -> bool:
        """Whether an invoice has this number (R64)."""
        return any(
            isinstance(event, InvoiceIssued) and event.invoice == invoice
            for event in self.events
        )

    def head_of(self, account: UUID) -> tuple[Head, int]:
        """Where the account is, and the last position."""
        heads = [u.head for u in self.units.values() if u.account_id == account]
        return (heads or [NO_HEAD])[0], len(self.events)


def _check_valid(events: Sequence[LedgerEvent]) -> None:
    """What an aggregate makes, unchecked, is what the store reads again (R74)."""
    for event in events:
        fields = {name: getattr(event, name) for name in type(event).model_fields}
        assert type(event).model_validate(fields) == event
