"""The findings of audits that are kept: open, disputed, or settled by what (R93)."""

from __future__ import annotations

from typing import Any

from seat_ledger.cli.console import sorting
from seat_ledger.cli.console.pages.attention import amounts
from seat_ledger.cli.console.request import PAGE, Page, PageRequest
from seat_ledger.projections.billing import kept_findings
from seat_ledger.projections.reader import Row

COLUMNS = {
    "finding": lambda row: (row["account"], row["finding"]),
    "state": sorting.text("state"),
    "invoice": sorting.text("invoice"),
    "period": sorting.text("period"),
    "seat_type": sorting.text("seat_type"),
    "difference": sorting.money("difference"),
    "entry": sorting.value("position"),
}


def findings(request: PageRequest) -> Page:
    """The findings of an account, or of all that may be seen; settled ones if asked."""
    words = request.words
    names = {"account", "all"} & request.params.keys()
    identity = {name: request.params[name] for name in sorted(names)}
    number, title = None, words("findings")
    if "account" in identity:
        number = request.account.no
        title = words("findings_of", account=request.account.key)
    else:
        request.is_about_all()
    every = _every(request, number)
    open_ = [row for row in every if row["state"] != "settled"]
    order = sorting.Sorting(request, "findings", identity, COLUMNS)
    rows = order.applied(every if "all" in identity else open_)
    skip = request.start(len(rows))

    def fill() -> dict[str, Any]:
        return {
            "rows": rows[skip : skip + PAGE],
            "open": len(open_),
            "settled": len(every) - len(open_),
            "sums": amounts(request, open_, "difference"),
            "order": order,
            **request.paged("findings", skip, len(rows), **order.identity),
        }

    return Page("findings", title, request.answer(rows), fill, order.identity)


def _every(request: PageRequest, number: int | None) -> list[Row]:
    """The kept findings of an account, or of those that may be seen and no other."""
    reader, known_at = request.reader, request.knowledge
    if number is not None or request.account_nos is None:
        return kept_findings.listed(reader, known_at, number)
    return [
        row
        for no in request.account_nos
        for row in kept_findings.listed(reader, known_at, no)
    ]
