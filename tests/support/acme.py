"""One account, with short words for its commands, over any ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from seat_ledger.domain.account import Account
from seat_ledger.domain.events import LedgerEvent
from seat_ledger.domain.values import account_id, parse_seat
from seat_ledger.errors import CommandRefused
from tests.support.in_memory import InMemoryLedger

PRO, STARTER, SERVICE = "sales/professional", "sales/starter", "service/enterprise"
TERMS = {
    "name": "Acme",
    "time_zone": "UTC",
    "term_start": "2025-03-05",
    "term_months": 12,
    "billing_cycle_months": 1,
}


class AcmeCommands:
    """Short words for commands; `execute` and the questions are the ledger's."""

    def execute(self, fields: dict[str, Any]) -> tuple[int, ...]:
        raise NotImplementedError

    def do(self, op: str, **fields: Any) -> tuple[int, ...]:
        return self.execute({"op": op, "account": "acme", **fields})

    def no(self, code: str, op: str, **fields: Any) -> CommandRefused:
        with pytest.raises(CommandRefused) as refused:
            self.do(op, **fields)
        assert refused.value.code == code, refused.value.message
        assert refused.value.message
        return refused.value

    def buy(self, quantity: int = 1, at: str = "2025-03-05", of: str = PRO) -> Any:
        return self.do("buy_seats", seat_type=of, quantity=quantity, effective_at=at)

    def add(self, *keys: str, at: str = "2025-03-05", **fields: Any) -> Any:
        for key in keys:
            who = {"user": key, "email": f"{key}@x.example", "name": key}
            added = self.do("add_user", **{**who, "effective_at": at, **fields})
        return added

    def give(self, user: str, at: str, of: str = PRO, **fields: Any) -> Any:
        return self.do(
            "assign_seat", user=user, seat_type=of, effective_at=at, **fields
        )

    def take(self, user: str, at: str, of: str = PRO) -> Any:
        return self.do("unassign_seat", user=user, seat_type=of, effective_at=at)

    def reverse(self, entry: int) -> int:
        return self.do("reverse", entry=entry, reason="wrong")[0]


class InMemoryAcme(AcmeCommands):
    """The account over a ledger in memory."""

    def __init__(self, ledger: InMemoryLedger) -> None:
        self.ledger = ledger
        self.do("open_account", **TERMS)

    def execute(self, fields: dict[str, Any]) -> tuple[int, ...]:
        return self.ledger.execute(fields)

    def holder(self, seat: str, at: str, known_at: int | None = None) -> str | None:
        """Who held a seat at an instant, by the events up to a position."""
        account = Account(account_id("acme"))
        for event in self.ledger.events[:known_at]:
            if event.originator_id == account.id:
                account.apply(event)
        moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
        held = account.seat(parse_seat(seat)).track.at(moment)
        unit = self.ledger.units["acme"]
        return unit.user(held.user).user_key if held is not None else None

    def recorded(self, *topics: str) -> list[LedgerEvent]:
        """The events so far; of these topics alone where some are named."""
        return [e for e in self.ledger.events if not topics or e.TOPIC in topics]

    def seats_under_contract(self, seat_type: str = PRO) -> int:
        """How many seats of a type are under contract now."""
        account = self.ledger.units["acme"].account
        assert account is not None
        lives = [life for seat in account.pool(seat_type).seats for life in [seat.life]]
        return sum(
            life is not None and life.starts <= self.ledger.now < life.ends
            for life in lives
        )
