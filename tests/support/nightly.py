"""True histories seen through nightly lists: what happened, and what was derived."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from seat_ledger.domain.events import HoldingEvent, SnapshotObserved
from seat_ledger.domain.values import FOREVER, account_id, iso
from seat_ledger.sources.reconciliation import (
    AccountList,
    HeldSeat,
    LedgerSide,
    ListedSeat,
    Member,
    Reconciliation,
)
from tests.support.acme import TERMS
from tests.support.in_memory import InMemoryLedger

BUSINESS = "copilot/business"
START = datetime(2025, 3, 5, tzinfo=UTC)


class TrueHolding(NamedTuple):
    """Who really held a seat, from when to when; FOREVER where it did not end."""

    user: str
    starts: datetime
    ends: datetime


@dataclass
class TrueHistory:
    """Users who get and lose their seats, at most once between two nights."""

    nights: int
    holdings: list[TrueHolding] = field(default_factory=list)
    starts: datetime = START

    @classmethod
    def drawn(
        cls,
        rng: random.Random,
        nights: int = 8,
        users: int = 6,
        starts: datetime = START,
    ) -> TrueHistory:
        history = cls(nights, starts=starts)
        for n in range(users):
            open_since = None
            for night in range(nights):
                if rng.random() < 0.4:
                    seconds = rng.randrange(1, 86_400)
                    at = starts + timedelta(days=night, seconds=seconds)
                    if open_since is None:
                        open_since = at
                    else:
                        history.holdings.append(TrueHolding(f"u{n}", open_since, at))
                        open_since = None
            if open_since is not None:
                history.holdings.append(TrueHolding(f"u{n}", open_since, FOREVER))
        return history

    def night(self, number: int) -> datetime:
        return self.starts + timedelta(days=number + 1)

    def holders(self, at: datetime) -> list[str]:
        return sorted(h.user for h in self.holdings if h.starts <= at < h.ends)

    def since(self, at: datetime) -> dict[str, datetime]:
        """Since when whoever held a seat then has had it."""
        return {h.user: h.starts for h in self.holdings if h.starts <= at < h.ends}

    def log(self) -> Iterator[tuple[datetime, str, str]]:
        """Each change, in order: when, what, and whose."""
        changes = [(h.starts, "assign_seat", h.user) for h in self.holdings]
        changes += [
            (h.ends, "unassign_seat", h.user)
            for h in self.holdings
            if h.ends is not FOREVER
        ]
        return iter(sorted(changes))


class DerivedHolding(NamedTuple):
    """A holding as the ledger has it, with the windows of its ends (R85)."""

    user: str
    starts: datetime
    starts_after: datetime | None
    ends: datetime
    ends_after: datetime | None


class NightlyLedger:
    """A ledger in memory that is fed by lists, and perhaps by a log."""

    def __init__(self) -> None:
        self.ledger = InMemoryLedger()
        self.ledger.execute({"op": "add_seat_type", "seat_type": BUSINESS})
        self.do("open_account", **{**TERMS, "term_start": "2025-03-05"})

    def do(self, op: str, **fields: Any) -> tuple[int, ...]:
        return self.ledger.execute({"op": op, "account": "acme", **fields})

    def record(self, at: datetime, op: str, user: str) -> None:
        """A line of the log, as 'convert' writes it."""
        fields: dict[str, Any] = {"user": user, "seat_type": BUSINESS}
        if op == "assign_seat":
            person = {"email": f"{user}@x.example", "name": user}
            fields |= {"buy_if_needed": True, "add_if_needed": person}
        self.do(op, effective_at=iso(at), **fields)

    def compare(
        self,
        at: datetime,
        holders: list[str],
        since: Mapping[str, datetime] | None = None,
    ) -> Reconciliation:
        """A list held against the ledger; its rows may say since when."""
        dated = since or {}
        seats = [
            ListedSeat(n, user, BUSINESS, f"{user}@x.example", user, dated.get(user))
            for n, user in enumerate(holders, start=1)
        ]
        listed = AccountList("acme", at, [BUSINESS], seats)
        return Reconciliation(listed, self.side(at), lambda _: True)

    def observe(
        self,
        at: datetime,
        holders: list[str],
        since: Mapping[str, datetime] | None = None,
    ) -> Reconciliation:
        """A list reconciled and recorded."""
        result = self.compare(at, holders, since)
        observation = {
            "op": "observe_snapshot",
            "source": "test",
            "covers": [BUSINESS],
            "digest": "0" * 64,
            "rows": len(holders),
            "holders": len(holders),
            "totals": {BUSINESS: len(holders)},
            "effective_at": iso(at),
        }
        key = f"snapshot:{iso(at)}"
        commands = [*result.operations(), observation]
        self.do("batch", commands=commands, idempotency_key=key)
        return result

    def side(self, at: datetime) -> LedgerSide:
        """What the ledger knows as of an instant."""
        unit = self.ledger.units["acme"]
        account = unit.account
        assert account is not None
        held, ended = [], {}
        members = {}
        for user_id, user in unit.users.items():
            if user.membership is not None and user.membership.starts <= at:
                access = [i for i in user.track("copilot").intervals if i.starts <= at]
                hubs = {"copilot": access[-1].starts} if access else {}
                members[user.user_key] = Member(user.membership.starts, hubs)
            for holding in account.held_by(user_id, "copilot"):
                if holding.starts <= at < holding.ends:
                    held.append(HeldSeat(user.user_key, BUSINESS, holding.starts))
                elif holding.ends <= at:
                    ended[user.user_key, BUSINESS] = holding.ends
        observed = [
            event.effective_at
            for event in self.ledger.events
            if isinstance(event, SnapshotObserved) and event.effective_at < at
        ]
        live = [
            seat
            for seat in account.pool(BUSINESS).seats
            if seat.life is not None and seat.life.starts <= at
        ]
        return LedgerSide(
            account.opened_at,
            held,
            members,
            {BUSINESS: len(live)},
            {BUSINESS: observed[-1]} if observed else {},
            ended,
            {
                BUSINESS: [
                    max(
                        [
                            seat.life.starts,
                            *(held.ends for held in seat.track.intervals),
                        ]
                    )
                    for seat in live
                    if seat.life is not None and seat.is_free(at, FOREVER)
                ]
            },
        )

    def bought(self) -> int:
        """How many seats are under contract."""
        account = self.ledger.units["acme"].account
        assert account is not None
        return len(account.pool(BUSINESS).seats)

    def holdings(self) -> list[DerivedHolding]:
        """Every holding that is recorded, with its windows."""
        unit = self.ledger.units["acme"]
        account = unit.account
        assert account is not None
        events = {
            event.originator_version: event
            for event in self.ledger.events
            if event.originator_id == account_id("acme")
        }

        def after(version: int) -> datetime | None:
            event = events.get(version)
            return event.effective_after if isinstance(event, HoldingEvent) else None

        return [
            DerivedHolding(
                user.user_key,
                holding.starts,
                after(holding.opened),
                holding.ends,
                after(holding.closed),
            )
            for user_id, user in unit.users.items()
            for holding in account.held_by(user_id, "copilot")
        ]
