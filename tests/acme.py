"""One account over a real store, with short words for its commands."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from projections import holdings, journal
from projections.reader import Reader
from seat_ledger.application import SeatLedger
from seat_ledger.errors import CommandRefused
from seat_ledger.values import parse_seat

PRO, STARTER, SERVICE = "sales/professional", "sales/starter", "service/enterprise"


class Acme:
    """One account, with short words for its commands."""

    def __init__(self, conninfo: str, ledger: SeatLedger) -> None:
        self.conninfo, self.ledger = conninfo, ledger
        ledger.open_account(
            "acme",
            name="Acme",
            time_zone="UTC",
            term_start="2025-03-05",
            term_months=12,
            billing_cycle_months=1,
        )

    def do(self, op: str, **fields: Any) -> tuple[int, ...]:
        return self.ledger.execute({"op": op, "account": "acme", **fields}).positions

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

    def holder(self, seat: str, at: str, known_at: int | None = None) -> str | None:
        with Reader(self.conninfo) as reader:
            known = reader.knowledge(known_at)
            account = reader.account("acme", known)
            moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
            row = holdings.who(reader, account, parse_seat(seat), moment, known)
        return row["holder"]["user"] if row["holder"] else None

    def events(self) -> list[dict[str, Any]]:
        with Reader(self.conninfo) as reader:
            return list(journal.listed(reader, reader.knowledge()))
