"""One history twice: as lists saw it, with windows, and as it was (R85, R89).

Where an answer about the two differs, it rests on a window, and has to show that.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.program import ANN, BUY, OPEN, PRO

INSIDE = "2025-03-11"
"""A moment at which Bob may have had his seat already."""
LEAVING = "2025-03-16"
"""A moment at which Cat may have left hers."""


class Derived(NamedTuple):
    """What lists saw: after when, and by when."""

    op: str
    user: str
    after: str
    at: str

    def command(self, *, exact: bool) -> dict[str, Any]:
        fields = {"op": self.op, "account": "acme", "user": self.user, "seat_type": PRO}
        if exact:
            return {**fields, "effective_at": self.after.replace(":07Z", ":30Z")}
        return {**fields, "effective_after": self.after, "effective_at": self.at}


DERIVED = [
    Derived("assign_seat", "bob", "2025-03-10T02:07Z", "2025-03-12T02:05Z"),
    Derived("unassign_seat", "cat", "2025-03-15T02:07Z", "2025-03-17T02:05Z"),
    Derived("unassign_seat", "bob", "2025-03-20T02:07Z", "2025-03-22T02:05Z"),
    Derived("assign_seat", "cat", "2025-04-10T02:07Z", "2025-04-12T02:05Z"),
]
LATE = [
    Derived("assign_seat", "dan", "2025-03-24T02:07Z", "2025-03-26T02:05Z"),
    Derived("unassign_seat", "dan", "2025-03-28T02:07Z", "2025-03-30T02:05Z"),
]
"""Recorded when the period had been invoiced: a correction rests on it."""
START = "2025-03-05"


def commands(*, exact: bool) -> list[dict[str, Any]]:
    """The history, as lists saw it or as it was."""
    people = [
        {**ANN, "user": user, "email": f"{user}@acme.example", "name": user.title()}
        for user in ("ann", "bob", "cat", "dan")
    ]
    fields = [
        {"op": "assign_seat", "account": "acme", "user": user, "seat_type": PRO,
         "seat": f"{PRO}#{number}", "effective_at": "2025-03-06T09:00Z"}
        for number, user in ((1, "ann"), (3, "cat"))
    ]  # fmt: skip
    access = [
        {"op": "grant_hub_access", "account": "acme", "user": user, "hub": "sales",
         "effective_at": START}
        for user in ("ann", "bob", "cat", "dan")
    ]  # fmt: skip

    def invoice(number: str, period: str) -> dict[str, Any]:
        return {"op": "issue_invoice", "account": "acme", "invoice": number,
                "period": period, "unit_prices": {PRO: "90.00"},
                "currency": "EUR"}  # fmt: skip

    return [
        {**OPEN, "time_zone": "UTC", "term_months": 240},
        {"op": "set_billing_policy", "account": "acme", "mode": "time_weighted",
         "effective_at": START},
        {**BUY, "quantity": 4},
        *people,
        *access,
        *fields,
        *(derived.command(exact=exact) for derived in DERIVED),
        invoice("INV-1", "2025-03-05"),
        *(derived.command(exact=exact) for derived in LATE),
        invoice("INV-2", "2025-04-05"),
    ]  # fmt: skip


# -- telling what differs -------------------------------------------------------------

NOW = re.compile(
    r"\b20(2[6-9]|[3-9]\d)-\d\d-\d\d[T ][\d:.]+Z?|[0-9a-f]{64}|[0-9a-f-]{36}"
)
"""When something was recorded, digests and random ids: they differ in any case."""
WINDOW_TEXT = re.compile(r"02:07|\d to \d|between")
"""How a text says that it rests on a window: the other end, or two quantities."""


def hidden(seen: Any, exact: Any, above: bool = False, path: str = "") -> Iterator[str]:
    """Where two documents differ, and nothing in the first or around says why."""
    says = above or _says(seen)
    if isinstance(seen, dict) and isinstance(exact, dict):
        for key in seen.keys() | exact.keys():
            at = f"{path}.{key}"
            if key == "windows" or key.endswith(_MARKS) or at.endswith(_AS_ISSUED):
                continue
            of_rows = at in SUMS and _says(seen.get("rows"))
            yield from hidden(seen.get(key), exact.get(key), says or of_rows, at)
    elif isinstance(seen, list) and isinstance(exact, list) and len(seen) == len(exact):
        for n, (item, other) in enumerate(zip(seen, exact, strict=True)):
            yield from hidden(item, other, above, f"{path}[{n}]")
    elif seen != exact and not says:
        yield f"{path}: {seen} / {exact}"


_MARKS = ("_after", "_least", "_most")
SUMS = (".amount", ".totals", ".by_rule")
"""Sums of the rows beside them, which say what they rest on."""
_AS_ISSUED = (".data.lines", ".data.corrections")
"""An invoice as it was recorded: 'invoice show' says what its lines rest on."""


def _says(row: Any) -> bool:
    if isinstance(row, list):
        return any(map(_says, row))
    if not isinstance(row, dict):
        return False
    if any(row.get(key) for key in row if key == "windows" or key.endswith("_after")):
        return True
    return any(
        row[key] != row.get(f"{key.removesuffix('_least')}_most")
        for key in row
        if key.endswith("_least")
    )


def hidden_in(form: str, seen: str, exact: str) -> Iterator[str]:
    if form == "json":
        yield from hidden(json.loads(seen), json.loads(exact))
    elif form == "csv":
        rows = [list(csv.DictReader(io.StringIO(text))) for text in (seen, exact)]
        plain = [[_row(row) for row in each] for each in rows]
        yield from hidden(*plain)
    elif not WINDOW_TEXT.search(seen):
        yield seen


def _row(row: dict[str, str]) -> dict[str, Any]:
    """A row of CSV, in which a cell of JSON is what it says."""
    return {
        key: json.loads(cell) if cell[:1] in {"[", "{"} else cell or None
        for key, cell in row.items()
    }
