"""The seat types that there are, offered or withdrawn (R80, R81)."""

from __future__ import annotations

from seat_ledger.domain.values import SeatType
from seat_ledger.projections.reader import ConnectedReader, Knowledge, Row, utc


def listed(reader: ConnectedReader, known_at: Knowledge) -> list[Row]:
    """The seat types as known at a position, each offered or withdrawn (R80)."""
    rows = reader.ask("catalogue", "listed", known_at)
    actors = reader.actors(row["actor"] for row in rows if row["actor"] is not None)
    return [
        {
            "seat_type": row["listed"],
            "hub": SeatType(row["listed"]).hub,
            "exclusive": row["exclusive"],
            "state": "withdrawn" if row["topic"] == "SeatTypeWithdrawn" else "offered",
            "effective_at": utc(row["effective_at"]),
            "recorded_at": utc(row["recorded_at"]),
            "position": row["position"],
            "actor": actors.get(row["actor"]),
            "reason": row["reason"],
        }
        for row in rows
    ]
