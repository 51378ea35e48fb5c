"""The seat types: those of the start, and what is said of an unknown one (R80)."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from uuid import UUID

from seat_ledger.domain.values import (
    SeatType,
    account_id,
    as_word,
    parse_seat_type,
    shown,
)
from seat_ledger.errors import NotFound

CATALOGUE_KEY = "/catalogue"
"""What its stream is named after; no account can have this key."""

CATALOGUE_ID: UUID = account_id(CATALOGUE_KEY)
"""The id of the catalogue's stream."""

STARTING_TYPES = tuple(
    SeatType(f"{hub}/{tier}")
    for hub in ("sales", "service")
    for tier in ("starter", "professional", "enterprise")
)
"""The seat types of the source, there from the start (R80)."""

_NEAREST = 3
"""How many types a refusal names instead."""


def unknown_seat_type(text: str, seat_types: Iterable[str]) -> NotFound:
    """The refusal of a type that the catalogue does not have (R81)."""
    names = list(seat_types)
    nearest = difflib.get_close_matches(text, names, _NEAREST) or names
    return NotFound(
        "unknown_seat_type",
        f"There is no seat type {shown(text)}.",
        try_=f"use {' or '.join(nearest[:_NEAREST])}, or add it: "
        f"seat-ledger catalogue add {as_word(parse_seat_type(text))}",
    )
