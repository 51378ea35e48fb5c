"""How far the tables are that answers come from."""

from __future__ import annotations

from typing import Any

from seat_ledger.cli.console.request import Page, PageRequest
from seat_ledger.projections.engine import installation


def projections(asked: PageRequest) -> Page:
    """Checkpoint, lag and last rebuild of each projection."""
    rows = installation.status(asked.reader.connection)
    if asked.visitor.accounts is not None or asked.hides_people:
        # what stops them may name an account, or quote an event
        rows = [{**row, "reason": None} for row in rows]
    asked.is_about_all()
    made = installation.made_at(asked.reader.connection)
    answer = asked.answer(rows, extra={"rebuilt_at": made["made_at"]})

    def fill() -> dict[str, Any]:
        return {"rows": rows, **made}

    return Page("projections", asked.words("projections"), answer, fill)
