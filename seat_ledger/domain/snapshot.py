"""An account's state as one document, so that a big account is loaded fast.

A snapshot holds the whole timeline, past and future, so a backdated change never
makes it stale; it is a cache and can be thrown away at any time.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from datetime import date, datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from seat_ledger.domain.account import Account
from seat_ledger.domain.calendar import ContractChange, ZoneChange, ZoneHistory
from seat_ledger.domain.events import EVENT_CLASSES, AccountOpened, LedgerEvent
from seat_ledger.domain.findings import RegisteredFinding
from seat_ledger.domain.intervals import Interval, Mark
from seat_ledger.domain.invoice_register import Invoiced, InvoicedPeriod
from seat_ledger.domain.price_book import ListPrice, PriceList
from seat_ledger.domain.seats import Request, Seat, SeatPool, UnassignmentRequest
from seat_ledger.domain.values import FOREVER, BillingPolicy, SeatRef, SeatType, hub_of

Document = dict[str, Any]
SNAPSHOT_TOPIC = "AccountSnapshot:7"


class WrittenSnapshot(NamedTuple):
    """A snapshot as the store keeps it; later changes of the account change it not."""

    originator_id: UUID
    originator_version: int
    state: bytes


class AccountSnapshot(NamedTuple):
    """The state of an account after one of its events."""

    originator_id: UUID
    originator_version: int
    state: Document

    @property
    def topic(self) -> str:
        """What tells this form of snapshot from later ones."""
        return SNAPSHOT_TOPIC

    @classmethod
    def of(cls, account: Account) -> AccountSnapshot:
        """Write an account down."""
        users: dict[str, int] = {}
        document: Document = {
            "opened": _event(account.opening),
            "zones": [[c.effective_at, c.zone] for c in account.zones.changes],
            "renewals": account.renewals,
            "contract_changes": account.contract_changes,
            "closed": account.closed,
            "policies": account.billing.policies,
            "prices": account.billing.prices.prices,
            "findings": account.findings.findings,
            "invoices": account.billing.register.invoices,
            "voids": account.billing.register.voids,
            "unassignments": [
                _unassignment(request, users)
                for request in account.unassignments.values()
            ],
            "pools": {
                str(seat_type): _pool(pool, users)
                for seat_type, pool in account.pools.items()
            },
            "reversals": list(account.reversals.items()),
            "reversed": [_event(event) for event in account.reversed.values()],
        }
        document["users"] = list(users)
        return cls(account.id, account.version, document)

    def written(self) -> WrittenSnapshot:
        """The snapshot as it is kept."""
        state = orjson.dumps(self.state, default=tuple)
        return WrittenSnapshot(self.originator_id, self.originator_version, state)

    def restore(self) -> Account:
        """The account that was written down; the document is used up."""
        account = Account(self.originator_id)
        collecting = gc.isenabled()
        gc.disable()  # thousands of entries come, and no garbage
        try:
            self._fill(account)
        finally:
            if collecting:
                gc.enable()
        account.snapshot_at = account.version
        account.may_have_windows = True  # nobody wrote down whether it has
        return account

    def _fill(self, account: Account) -> None:
        state = self.state
        opened = _read_event(self.originator_id, state["opened"])
        assert isinstance(opened, AccountOpened)
        account.apply(opened)
        changes = (ZoneChange(_instant(at), name) for at, name in state["zones"])
        account.contract_changes = [
            (renewal, version, _contract_change(item))
            for renewal, version, item in state["contract_changes"]
        ]
        account.closed = _mark(state["closed"]) if state["closed"] else None
        account.set_zones(ZoneHistory(opened.time_zone, tuple(changes)))
        account.renewals = [_mark(mark) for mark in state["renewals"]]
        account.billing.policies = [
            (_mark(item), BillingPolicy(*policy)) for item, policy in state["policies"]
        ]
        account.billing.prices = PriceList(map(_list_price, state["prices"]))
        account.findings.findings = [
            RegisteredFinding(number, (*line[:3], line[3]), difference, settled)
            for number, line, difference, settled in state["findings"]
        ]
        register = account.billing.register
        register.invoices = [_invoiced(item) for item in state["invoices"]]
        register.voids = {
            number: _mark(item) for number, item in state["voids"].items()
        }
        for seat_type, pool in state["pools"].items():
            _restore_pool(account, SeatType(seat_type), pool, state["users"])
        for item in state["unassignments"]:
            request = _restored_unassignment(item, state["users"])
            account.keep_request(request.mark.version, request)
        for hubs in account.held.values():
            for held in hubs.values():
                held.sort()
        account.reversals = dict(state["reversals"])
        account.reversed = {
            event.originator_version: event
            for event in (
                _read_event(self.originator_id, item) for item in state["reversed"]
            )
        }
        account.version = self.originator_version


def _event(event: LedgerEvent) -> list[Any]:
    fields = event.model_dump(mode="json", exclude_none=True)
    return [event.TOPIC, event.originator_version, fields]


def _read_event(stream: UUID, item: list[Any]) -> LedgerEvent:
    topic, version, fields = item
    return EVENT_CLASSES[topic].model_validate(
        {**fields, "originator_id": stream, "originator_version": version}, strict=False
    )


def _pool(pool: SeatPool, users: dict[str, int]) -> Document:
    held = [
        [
            seat.ref.number,
            users.setdefault(holding.user, len(users)),
            holding.starts,
            holding.ends if holding.closed else None,
            holding.opened,
            holding.closed,
        ]
        for seat in pool.seats
        for holding in seat.track.intervals
    ]
    return {
        "seats": [[seat.purchased, seat.retired] for seat in pool.seats],
        "held": held,
        "requests": [
            [r.mark, r.quantity, r.renewal, r.cancelled] for r in pool.requests
        ],
        "last_change": pool.last_change,
    }


def _restore_pool(
    account: Account, seat_type: SeatType, document: Document, users: list[str]
) -> None:
    pool, hub = account.pool(seat_type), hub_of(seat_type)
    lives = enumerate(_used_up(document["seats"]), start=1)
    for number, (purchased, retired) in lives:
        seat = Seat(SeatRef(seat_type, number))
        bought = _mark(purchased) if purchased else None
        seat.live(bought, tuple(map(_mark, retired)))
        pool.seats.append(seat)
    for number, user_index, starts, ends, opened, closed in _used_up(document["held"]):
        track, user = pool.seats[number - 1].track, users[user_index]
        until = FOREVER if ends is None else _instant(ends)
        holding = Interval(_instant(starts), until, opened, closed, user, track.subject)
        track.intervals.append(holding)
        track.open_ends += not closed
        account.held.setdefault(user, {}).setdefault(hub, []).append(holding)
    pool.free = [seat.ref.number for seat in pool.seats if seat.is_free_at_last]
    for mark, quantity, renewal, cancelled in document["requests"]:
        request = Request(_mark(mark), quantity, renewal)
        request.cancelled = _mark(cancelled) if cancelled else None
        pool.requests.append(request)
    last = document["last_change"]
    pool.last_change = _instant(last) if last else None


def _used_up(items: list[Any]) -> Iterator[Any]:
    """The items in their order, each let go: a big account is not there twice."""
    items.reverse()
    while items:
        yield items.pop()


def _unassignment(request: UnassignmentRequest, users: dict[str, int]) -> list[Any]:
    return [
        request.mark,
        request.seat,
        users.setdefault(request.user, len(users)),
        request.period,
        request.reason,
        request.cancelled,
        request.carried_out,
    ]


def _restored_unassignment(item: list[Any], users: list[str]) -> UnassignmentRequest:
    mark, (seat_type, number), user_index, period, reason, *ends = item
    cancelled, carried_out = (_mark(end) if end else None for end in ends)
    return UnassignmentRequest(
        _mark(mark),
        SeatRef(SeatType(seat_type), number),
        users[user_index],
        date.fromisoformat(period),
        reason,
        cancelled,
        carried_out,
    )


def _mark(item: list[Any]) -> Mark:
    return Mark(_instant(item[0]), item[1])


def _contract_change(item: list[Any]) -> ContractChange:
    renewal, term, cycle, anchor = item
    return ContractChange(
        renewal, term, cycle, date.fromisoformat(anchor) if anchor else None
    )


def _list_price(item: list[Any]) -> ListPrice:
    effective_at, entry, seat_type, currency, unit_price, _ = item
    return ListPrice(_instant(effective_at), entry, seat_type, currency, unit_price)


def _invoiced(item: list[Any]) -> Invoiced:
    version, invoice, billed, currency, issued_at, lines, credits_ = item
    period = None
    if billed is not None:
        label, starts, ends = billed
        bounds = _instant(starts), _instant(ends)
        period = InvoicedPeriod(date.fromisoformat(label), *bounds)
    return Invoiced(
        version,
        invoice,
        period,
        currency,
        _instant(issued_at),
        lines,
        tuple(credits_),
    )


_instant = lru_cache(1 << 12)(datetime.fromisoformat)
"""Instants are kept with ``+00:00``: the parser then gives UTC itself. Many entries are
of one instant."""
