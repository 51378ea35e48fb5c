"""The one query that counts, over its sources of periods and of events."""

from __future__ import annotations

from seat_ledger.projections.engine.sql_files import filled, part, queries, with_parts

_FIGURES = (
    queries("billing", "figures.sql")
    | queries("billing", "bounds.sql")
    | queries("billing/audit", "sources.sql")
)
FIGURES = filled("WITH {figures}", figures=part(_FIGURES["figures"]))
"""The query over the named queries of its sources, which the statement has."""


BOUNDS = ("least", "most")
"""Sources in which windows close at the one end or the other (R89)."""


def counting(periods: str, source: str) -> bytes:
    """The query that counts; `periods` are selected or stored, events as known or not.

    With the source ``touched`` no more of what is stored is read than the periods need.
    """
    return filled(
        "WITH {sources}, {figures}",
        sources=with_parts(sources_of(periods, source)),
        figures=part(_FIGURES["figures"]),
    )


def sources_of(periods: str, source: str) -> list[tuple[str, bytes]]:
    """The named queries that the figures are counted from."""
    names = [("period", f"{periods}_periods")]
    if source in BOUNDS:
        names += [("bounded", f"{source}_held"), ("bounded_seat", f"{source}_seats")]
        source = "bounded"
    names += [("touched_types", "touched_types")] * (source == "touched")
    names += [("step", f"{source}_steps"), ("held", f"{source}_held")]
    return [(name, _FIGURES[block]) for name, block in names]
