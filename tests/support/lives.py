"""All that may happen to an account: voided, renamed, erased, changed, closed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.in_process import Program

PRO, START = "sales/professional", "2025-03-05"
Words = tuple[Any, ...]


def _opened(key: str) -> Iterator[Words]:
    yield (
        "account", "open", key, "--name", key.title(),
        "--time-zone", "Europe/Amsterdam", "--term-start", START,
        "--term-months", 12, "--billing-cycle-months", 1,
    )  # fmt: skip
    yield "seat", "buy", PRO, 4, "--account", key, "--effective-at", START
    for user in ("ann", "bob", "cas"):
        email = ("--email", f"{user}@{key}.example", "--name", user.title())
        yield "user", "add", user, "-a", key, *email, "--effective-at", START
    for user, day in (("ann", "06"), ("bob", "07")):
        when = ("--effective-at", f"2025-03-{day}")
        yield "seat", "assign", user, PRO, "-a", key, *when


def a_life(program: Program) -> Iterator[Words]:
    """Writing commands, one after the other."""
    yield from _opened("acme")
    yield from _opened("late")
    acme, late = ("--account", "acme"), ("--account", "late")
    paid = ("--unit-price", f"{PRO}=90", "--currency", "EUR")
    yield "invoice", "issue", "INV-1", *acme, "--period", START, *paid
    why = ("--reason", "wrong")
    yield "invoice", "void", "INV-1", *acme, *why
    yield "seat", "unassign", "ann", PRO, *acme, "--effective-at", "2025-03-20", *why
    yield "invoice", "issue", "INV-2", *acme, "--period", START, *paid
    yield "seat", "buy", PRO, 1, *acme, "--effective-at", "2025-03-25"
    yield "invoice", "issue", "INV-3", *acme, "--period", "2025-04-05", *paid
    yield "user", "rename", "bob", *acme, "--key", "rob", "--effective-at", "2025-05-01"
    yield "user", "offboard", "ann", *acme, "--effective-at", "2025-06-01"
    yield "user", "erase", "ann", *acme, *why, "--yes"
    yield (
        "price",
        "set",
        PRO,
        95,
        "--for-all",
        "--currency",
        "EUR",
        "--effective-at",
        "2025-05-05",
    )
    yield "price", "set", PRO, 85, *acme, "--currency", "EUR", "--effective-at", START
    yield "catalogue", "add", "copilot/business"
    yield "account", "change-contract", *acme, "--renewal", 2, "--term-months", 24
    yield "account", "renew", *acme
    yield "account", "set-time-zone", "Asia/Tokyo", *acme
    yield "seat", "reduce", PRO, 1, *acme
    yield "account", "set-billing-policy", "day_peak", *acme
    yield "seat", "unassign", "rob", PRO, *acme, "--at-period-end"
    yield "account", "close", *late, "--effective-at", "2025-08-01", "--end-holdings"
    entry = program.json("event", "list", *acme)["rows"][-2]["position"]
    yield "event", "reverse", entry, *acme, *why
    yield "seat", "cancel-unassignment", "rob", PRO, *acme
    yield "user", "set-permissions", "cas", *acme, "--super-admin"
    yield "user", "grant", "cas", "sales", *acme
    yield "user", "revoke", "cas", "sales", *acme
    yield "seat", "move", "rob", "cas", PRO, *acme
    yield "catalogue", "add", "sales/lite"
    yield "seat", "upgrade", "cas", "sales/lite", *acme, "--buy-if-needed"
    yield "seat", "cancel-reduction", PRO, *acme
    yield "user", "revoke", "rob", "sales", *acme
    yield "user", "remove", "rob", *acme
    yield "catalogue", "withdraw", "copilot/business"
