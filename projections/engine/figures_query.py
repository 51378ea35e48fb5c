"""The one query that counts, over its sources of periods and of events."""

from __future__ import annotations

from seat_ledger.projections.engine.sql_files import queries

_FIGURES = queries("billing", "figures.sql") | queries("billing/audit", "sources.sql")


def counting(periods: str, source: str) -> bytes:
    """The query that counts; `periods` are selected or stored, events as known.

    With the source ``touched`` no more of what is kept is read than the periods need.
    """
    types = b""
    if source == "touched":
        types = b"touched_types AS (" + _FIGURES["touched_types"] + b"), "
    return (
        b"WITH period AS MATERIALIZED ("
        + _FIGURES[f"{periods}_periods"]
        + b"), "
        + types
        + b"step AS ("
        + _FIGURES[f"{source}_steps"]
        + b"), "
        b"held AS (" + _FIGURES[f"{source}_held"] + b"), " + _FIGURES["figures"]
    )
