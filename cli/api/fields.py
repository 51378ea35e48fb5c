"""What kind of value stands under each key of an answer, for the API's description.

The keys themselves are those of CSV's headers (:mod:`..output.csv_headers`); a test
holds the kinds against real answers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": ["string", "null"]}
INSTANT: Schema = {"type": ["string", "null"], "format": "date-time"}
DATE: Schema = {"type": ["string", "null"], "format": "date"}
DECIMAL: Schema = {"type": ["string", "null"], "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}
WHOLE: Schema = {"type": ["integer", "null"]}
FLAG: Schema = {"type": ["boolean", "null"]}
POSITIONS: Schema = {"type": ["array", "null"], "items": {"type": "integer"}}
TEXTS: Schema = {"type": ["array", "null"], "items": {"type": "string"}}
OBJECT: Schema = {"type": ["object", "null"]}
OBJECTS: Schema = {"type": ["array", "null"], "items": {"type": "object"}}
TOTALS: Schema = {
    "type": ["array", "null"],
    "items": {
        "type": "object",
        "properties": {
            "seat_type": TEXT,
            "purchased": WHOLE,
            "assigned": WHOLE,
            "available": WHOLE,
            "pending_reduction": WHOLE,
        },
    },
}
_KINDS: tuple[tuple[Schema, str], ...] = (
    (
        TEXT,
        "account actor code currency email event granularity hub id invoice kind "
        "last_user mode name next_user price_for quantity_exact difference_exact "
        "reason seat seat_type state time_zone user",
    ),
    (
        INSTANT,
        "recorded_at effective_at opened_at closed_at added_at removed_at from until "
        "held_from held_until held_after until_after purchased_at retires_at issued_at "
        "idle_since instant at next_renewal",
    ),
    (DATE, "term_start period date"),
    (
        DECIMAL,
        "quantity quantity_least quantity_most quantity_before quantity_after amount "
        "amount_before amount_after amount_difference difference unit_price",
    ),
    (
        WHOLE,
        "position assigned available purchased opening closing retired days seconds "
        "term_months billing_cycle_months renewals_processed number reversed_by lines "
        "corrections cut_off entry dates idle_days idle_seat_days opened_by closed_by "
        "assigned_opening assigned_peak assigned_closing days_until_renewal "
        "price_entry finding known_at",
    ),
    (
        FLAG,
        "renewal_due reversed complete forecast allowed super_admin account_access "
        "exclusive",
    ),
    (POSITIONS, "entries"),
    (TEXTS, "hubs seats"),
    (OBJECT, "data"),
    (OBJECTS, "contract_changes price_parts notes"),
    (TOTALS, "totals"),
)
_KIND_OF = {name: kind for kind, names in _KINDS for name in names.split()}
_OTHERWISE: dict[tuple[str, str], Schema] = {
    ("seat who", "purchased"): FLAG,
    ("invoice list", "voided"): {"type": ["object", "integer", "string", "null"]},
}
"""Where a key means something else than in the other answers."""

_KNOWN_AT: Schema = {
    "type": "object",
    "required": ["position", "recorded_at"],
    "properties": {"position": {"type": ["integer", "null"]}, "recorded_at": INSTANT},
}
DOCUMENT_FIELDS: Schema = {
    "schema_version": {"type": "integer"},
    "as_of": {**INSTANT, "description": "The moment that is answered for."},
    "known_at": {**_KNOWN_AT, "description": "Up to where is known."},
    "renewal_due": {
        "type": "boolean",
        "description": "Whether a renewal waits to be processed (R38).",
    },
    "store_head": {
        "type": "integer",
        "description": "How far the store is, where the answer is not that far.",
    },
    "set_aside": {
        "type": "array",
        "items": {"type": "object"},
        "description": "Accounts of which an event cannot be read (R74).",
    },
}


def schema_of_rows(words: str, names: Iterable[str]) -> Schema:
    """The schema of one row, by the dotted names that a command's rows have."""
    row: Schema = {"type": "object", "properties": {}}
    for name in names:
        *outer, last = name.split(".")
        place = row
        for part in outer:
            place = place["properties"].setdefault(
                part, {"type": ["object", "null"], "properties": {}}
            )
        kind = _OTHERWISE.get((words, name)) or _KIND_OF.get(last, {})
        if place["properties"].get(last, {}).get("properties") is None:
            place["properties"][last] = kind
    return row
