"""A ledger in which whatever text may be written freely tells where it came from.

Each operation is recorded with a mark in every field that takes one: tried field by
field, so that an operation or a field that is invented later is marked too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from seat_ledger.commands.messages import OPERATIONS, Envelope
from seat_ledger.commands.service import CommandService
from seat_ledger.errors import LedgerError
from seat_ledger.projections.billing.invoice_computation import Drafting
from seat_ledger.projections.reader import ConnectedReader

MARK = "marker"
PRO, STARTER = "sales/professional", "service/starter"
INVOICE = "INV-1"
NOT_MARKED = {"op", "account", "invoice", "credited_by", "seat_type", "hub", "commands"}
"""What names things, and is shown to everybody: SECURITY.md."""


def mark(*places: str) -> str:
    """A text that may be a key, an e-mail, a name or a reason."""
    return f"{MARK}.{'.'.join(places)}@{MARK}.test"


ANN, BOB, EVE, ZED = (mark("user", name) for name in ("ann", "bob", "eve", "zed"))


def story() -> list[dict[str, Any]]:
    """Every operation at least once, with people who are called by marks."""

    def does(op: str, at: str | None = None, **fields: Any) -> dict[str, Any]:
        moment = {} if at is None else {"effective_at": at}
        return {"op": op, "account": "acme", **moment, **fields}

    def person(user: str, at: str, **fields: Any) -> dict[str, Any]:
        called = {"user": user, "email": f"mail.{user}", "name": f"Name {user}"}
        return does("add_user", at, **called, **fields)

    terms = {"term_start": "2025-03-05", "term_months": 12, "billing_cycle_months": 1}
    seat = {"seat_type": PRO}
    prices = {"unit_prices": {PRO: "90.00", STARTER: "9.00"}, "currency": "EUR"}
    finding = {
        "invoice": "V-1", "period": "2025-04-05", "product": "Pro", "verdict": "over",
        "cause": "wrong_at_issue", "invoiced_quantity": "4", "ledger_quantity": "3",
        "difference": "90.00", "currency": "EUR", "known_at": 5,
    }  # fmt: skip
    listed = {"source": "list", "covers": [PRO], "digest": "0" * 64, "rows": 1}
    return [
        does("open_account", name="Acme", time_zone="Europe/Amsterdam", **terms),
        {"op": "add_seat_type", "seat_type": "lab/one"},
        {"op": "withdraw_seat_type", "seat_type": "lab/one"},
        does("buy_seats", "2025-03-05", **seat, quantity=4),
        does("buy_seats", "2025-03-05", seat_type=STARTER, quantity=1),
        person(ANN, "2025-03-05", super_admin=True),
        person(BOB, "2025-03-06"),
        does("grant_hub_access", "2025-03-07", user=BOB, hub="service"),
        does("set_permissions", "2025-03-07", user=BOB, account_access=True),
        does("assign_seat", "2025-03-08", **seat, user=ANN, actor=f"user:{ANN}"),
        does("unassign_seat", "2025-03-20", **seat, user=ANN),
        does("assign_seat", "2025-03-21", **seat, user=BOB),
        does("assign_seat", "2025-03-22", **seat, user=EVE,
             add_if_needed={"email": f"mail.{EVE}", "name": f"Name {EVE}"}),
        person(ZED, "2025-03-09"),
        does("remove_user", "2025-03-10", user=ZED),
        does("reduce_seats", "2025-03-22", **seat, quantity=1),
        does("cancel_reduction", "2025-03-23", **seat),
        does("set_time_zone", time_zone="Europe/Paris"),
        does("set_billing_policy", mode="peak"),
        does("set_price", "2025-03-05", **seat, unit_price="90.00", currency="EUR"),
        does("observe_snapshot", "2025-03-25", **listed, holders=1, totals={PRO: 2}),
        does("issue_invoice", invoice=INVOICE, period="2025-03-05", **prices),
        does("issue_invoice", invoice="INV-2", period="2025-04-05", **prices),
        does("void_invoice", invoice="INV-2", reason="wrong"),
        does("open_finding", **finding),
        does("note_finding", finding=1, note="n", disputed=True),
        does("settle_finding", finding=1, credited_by="V-2"),
        does("revoke_hub_access", "2025-06-02", user=BOB, hub="service"),
        does("unassign_seat", "2025-06-10", **seat, user=EVE, at_period_end=True),
        does("cancel_unassignment", "2025-06-11", **seat, user=EVE),
        does("rename_user", "2025-06-12", user=BOB, name="New"),
        does("change_contract", renewal=2, term_months=6),
        does("batch", commands=[
            does("unassign_seat", "2025-07-01", **seat, user=EVE),
            does("revoke_hub_access", "2025-07-02", user=EVE, hub="sales"),
            does("remove_user", "2025-07-02", user=EVE),
        ]),
        does("reverse", entry="@revoke_hub_access", reason="wrong"),
        does("renew"),
        does("close_account", end_holdings=True),
    ]  # fmt: skip


def values_with(text: str, name: str, annotation: Any, stored: Any) -> Iterator[Any]:
    """Values with a text in them that a field of this kind may take."""
    kind = str(annotation)
    if "dict[" in kind:
        first = next(iter((stored or {}).values()), "1.00")
        yield {**(stored or {}), text: first}
    elif "list[" in kind:
        yield [*(stored or ()), text]
    elif "str" in kind:
        yield f"system:{text}" if name == "actor" else text


class MarkedLedger:
    """Records the story with as many marks as it takes; remembers which those are."""

    def __init__(self, conninfo: str) -> None:
        self.conninfo = conninfo
        self.ledger = CommandService(conninfo)
        self.drafting = Drafting(lambda: ConnectedReader(conninfo))
        self.positions: dict[str, int] = {}
        self.places: set[tuple[str, str]] = set()

    def record(self) -> MarkedLedger:
        """Record all of it."""
        with self.ledger, self.drafting:
            for command in story():
                self._record(command)
        return self

    def _record(self, command: dict[str, Any]) -> None:
        op = command["op"]
        for name, value in command.items():
            if isinstance(value, str) and value.startswith("@"):
                command[name] = self.positions[value[1:]]
        for line in command.get("commands", ()):
            line.pop("account")
            line["reason"] = mark(op, line["op"])
        marked = self._marked(command)
        result = self.ledger.execute(marked, compute_invoice=self.drafting)
        self.positions[op] = result.positions[0] if result.positions else 0

    def _marked(self, command: dict[str, Any]) -> dict[str, Any]:
        """The command with a mark in each field in which it may be recorded so."""
        op, result = command["op"], dict(command)
        own = OPERATIONS[op].model_fields | Envelope.model_fields
        for name, field in own.items():
            stored = result.get(name)
            if name in NOT_MARKED or MARK in str(stored):
                continue
            for value in values_with(mark(op, name), name, field.annotation, stored):
                tried = {**result, name: value}
                if self._is_accepted(tried):
                    result = tried
                    self.places.add((op, name))
        return result

    def _is_accepted(self, command: dict[str, Any]) -> bool:
        try:
            self.ledger.execute(command, dry_run=True, compute_invoice=self.drafting)
        except LedgerError:
            return False
        return True
