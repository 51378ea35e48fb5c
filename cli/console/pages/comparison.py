"""What changed between two states of knowledge, and because of which entries."""

from __future__ import annotations

from typing import Any

from seat_ledger.cli.console.pages.pricing import typed, typed_prices
from seat_ledger.cli.console.request import PAGE, Page, PageRequest
from seat_ledger.projections.billing import CountsQuery, compare, invoices
from seat_ledger.projections.billing.invoices import Issued
from seat_ledger.projections.billing.totals import changes_added


def compared(request: PageRequest) -> Page:
    """Figures that differ between an earlier state and this one.

    The earlier one is that of the address, or of the last invoice.
    """
    facts = request.account
    issued = invoices.issued(request.reader, facts, request.knowledge.position)
    before = request.params.get("before") or _last_cut_off(issued)
    identity = {"account": facts.key} | ({"before": before} if before else {})
    identity |= typed(request)
    title = request.words("compare_of", account=facts.key)
    earlier = request.knowledge_of(before) if before else request.knowledge
    states = sorted((earlier, request.knowledge), key=lambda state: state.position)
    how = typed_prices(request)
    query = CountsQuery(how=how)
    between = states[0], states[1]
    rows = compare.compare(request.reader, facts.key, between, request.now, query)
    newest = rows[::-1]
    skip = request.start(len(rows))

    def fill() -> dict[str, Any]:
        return {
            "rows": newest[skip : skip + PAGE],
            "before": before,
            "typed": typed(request),
            "currency": how.currency.code,
            "states": states,
            "invoices": [
                (invoice.invoice, invoice.cut_off) for invoice in issued[:-_MOST:-1]
            ],
            "is_priced": any(row["amount_difference"] for row in rows),
            **request.paged("compare", skip, len(rows), **identity),
        }

    extra: dict[str, Any] = {
        "between": [
            {"position": state.position, "recorded_at": state.recorded_at}
            for state in states
        ],
        "totals": changes_added(rows),
    }
    answer = request.answer(rows, extra=extra)
    return Page("compare", title, answer, fill, identity)


_MOST = 6
"""How many invoices are offered as the earlier state, and one more."""


def _last_cut_off(issued: list[Issued]) -> str:
    """The position up to which the last invoice knew; nothing without one."""
    return str(issued[-1].cut_off) if issued else ""
