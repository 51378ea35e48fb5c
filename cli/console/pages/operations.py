"""How far the tables are that answers come from."""

from __future__ import annotations

from typing import Any

from seat_ledger.cli.console.request import Page, PageRequest
from seat_ledger.projections.engine import installation


def projections(request: PageRequest) -> Page:
    """Checkpoint, lag and last rebuild of each projection."""
    rows = installation.status(request.reader.connection)
    if request.visitor.accounts is not None or request.hides_people:
        # what stops them may name an account, or quote an event
        rows = [{**row, "reason": None} for row in rows]
    request.is_about_all()
    built = installation.served_times(request.reader.connection)
    answer = request.answer(rows, extra={"rebuilt_at": built["made_at"]})

    def fill() -> dict[str, Any]:
        seal = None
        if request.visitor.accounts is None:
            seal = installation.last_seal(request.reader.connection)
        return {"rows": rows, "seal": seal, **built}

    return Page("projections", request.words("projections"), answer, fill)
