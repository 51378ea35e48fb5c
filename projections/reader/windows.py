"""What was derived from dated lists, as answers show it."""

from __future__ import annotations

from collections.abc import Sequence

from seat_ledger.projections.reader import AccountQuestion, Row, utc

_NAMES = ("user", "email", "name")
_CHANGES = {
    "SeatPurchased": "bought",
    "SeatAssigned": "assigned",
    "SeatUnassigned": "unassigned",
}


def named_windows(question: AccountQuestion, rows: Sequence[Row]) -> list[Row]:
    """Derived entries, with the seat, whom they are about, and both ends (R85)."""
    people = question.reader.people(
        (row["user_no"] for row in rows if row["user_no"] is not None),
        question.known_at,
        question.as_of,
    )
    nobody = dict.fromkeys(_NAMES)
    return [
        {
            "seat": f"{row['seat_type']}#{row['number']}",
            **{name: people.get(row["user_no"], nobody)[name] for name in _NAMES},
            "change": _CHANGES[row["topic"]],
            "effective_after": utc(row["effective_after"]),
            "effective_at": utc(row["effective_at"]),
        }
        for row in rows
    ]
