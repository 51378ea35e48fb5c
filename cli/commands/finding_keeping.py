"""Keeping the findings of an audit: one step for each account (R93)."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Any

from seat_ledger.cli.options.session import current_session, default_actor
from seat_ledger.cli.options.writing import one_of_several
from seat_ledger.domain.wording import counted
from seat_ledger.errors import NotFound

if TYPE_CHECKING:
    from seat_ledger.projections.billing.audit import Spool

_AT_ONCE = 1_000
_FIELDS = ("invoice", "period", "verdict", "cause", "invoiced_quantity")
_MORE = ("ledger_quantity", "difference", "currency")


def keep_findings(spool: Spool, position: int) -> str:
    """Record what an audit found, and say how many findings are new."""
    by_account: dict[str, list[dict[str, Any]]] = {}
    seen: Counter[tuple[str, ...]] = Counter()
    for row in spool.answers(findings=True):
        line = (row["account"], row["invoice"], row["period"], row["seat_type"])
        seen[line] += 1
        fields = {name: row[name] for name in (*_FIELDS, *_MORE)}
        by_account.setdefault(row["account"], []).append(
            {
                "op": "open_finding",
                "product": row["seat_type"],
                "nth": seen[line],
                "known_at": max(position, 1),
                **{name: value for name, value in fields.items() if value is not None},
            }
        )
    opened = repeated = steps = 0
    unknown = []
    with current_session().ledger() as ledger:
        for account, commands in by_account.items():
            remaining = iter(commands)
            while batch := list(islice(remaining, _AT_ONCE)):
                command = {"op": "batch", "account": account, "commands": batch}
                try:
                    with one_of_several(steps):
                        result = ledger.execute(command, default_actor=default_actor())
                except NotFound:
                    unknown.append(account)
                    break
                steps += 1
                opened += len(result.events)
                repeated += len(batch) - len(result.events)
    text = f"{counted(opened, 'finding')} opened, {repeated} kept already."
    if unknown:
        text += f" Not kept, because there is no such account: {', '.join(unknown)}."
    return text
