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
            "seat_type": {"type": "string"},
            "purchased": {"type": "integer"},
            "assigned": {"type": "integer"},
            "available": {"type": "integer"},
            "pending_reduction": {"type": "integer"},
            "assigned_least": {"type": "integer"},
            "assigned_most": {"type": "integer"},
        },
    },
}
_KINDS: tuple[tuple[Schema, str], ...] = (
    (
        TEXT,
        "account actor code currency email event granularity hub id invoice kind "
        "last_user mode name next_user price_for quantity_exact difference_exact "
        "reason seat seat_type state time_zone user verdict cause voids owed_by "
        "credited_by settled_because price_source price_since",
    ),
    (
        INSTANT,
        "recorded_at effective_at opened_at closed_at added_at removed_at from until "
        "held_from held_until held_after until_after purchased_at retires_at issued_at "
        "idle_since instant at next_renewal at_after from_after effective_after "
        "reduce_before unassignment_due",
    ),
    (DATE, "term_start period date renewal first_date"),
    (
        DECIMAL,
        "quantity quantity_least quantity_most quantity_before quantity_after amount "
        "quantity_before_least quantity_before_most quantity_after_least "
        "quantity_after_most amount_before amount_after amount_difference amount_least "
        "amount_most amount_until_renewal saved_per_period saved_per_term difference "
        "unit_price invoiced_quantity ledger_quantity",
    ),
    (
        WHOLE,
        "position assigned available purchased opening closing retired days seconds "
        "term_months billing_cycle_months renewals_processed number reversed_by lines "
        "corrections cut_off entry dates idle_days idle_seat_days opened_by closed_by "
        "assigned_opening assigned_peak assigned_closing days_until_renewal "
        "price_entry finding known_at pending_reduction most_held reduce_by in_days "
        "assigned_least assigned_most assigned_opening_least assigned_opening_most "
        "assigned_peak_least assigned_peak_most assigned_closing_least "
        "assigned_closing_most idle_days_least idle_days_most idle_seat_days_least "
        "idle_seat_days_most",
    ),
    (
        FLAG,
        "renewal_due reversed complete forecast allowed super_admin account_access "
        "exclusive",
    ),
    (POSITIONS, "entries"),
    (TEXTS, "hubs seats"),
    (OBJECT, "data"),
    (OBJECTS, "contract_changes price_parts notes windows pending_unassignments"),
    (TOTALS, "totals"),
)
_KIND_OF = {name: kind for kind, names in _KINDS for name in names.split()}
_OTHERWISE: dict[tuple[str, str], Schema] = {
    ("seat who", "purchased"): FLAG,
    ("account renewals", "renewal"): WHOLE,
    ("invoice list", "voided"): {"type": ["object", "integer", "string", "null"]},
}
"""Where a key means something else than in the other answers."""

_MEMBER = "account user id added_at super_admin account_access hubs seats"
_STAY = "user held_from assigned_by"
_HISTORY = f"seat {_STAY} reversed"
_EVENT = "position recorded_at effective_at event actor data"
_ALWAYS = {
    "account advise": "account seat_type purchased assigned available",
    "account list": "account name time_zone term_start purchased assigned available",
    "account renewals": "account name renewal date instant in_days renewal_due",
    "account show": "account name opened_at time_zone term_start totals renewal_due",
    "billing compare": "account seat_type mode entries",
    "billing counts": (
        "account seat_type from until opening purchased retired closing quantity "
        "quantity_exact complete mode"
    ),
    "billing idle": "seat seat_type from idle_days purchased_by",
    "billing periods": "period from until days seconds time_zone",
    "billing policy": "account from mode",
    "catalogue list": "seat_type hub exclusive state",
    "event list": _EVENT,
    "event replay": _EVENT,
    "event show": _EVENT,
    "invoice list": "invoice account position recorded_at",
    "invoice reproduce": "kind seat_type quantity unit_price amount entries",
    "invoice show": "kind seat_type quantity unit_price amount entries",
    "price history": "seat_type unit_price currency position recorded_at",
    "price list": "seat_type unit_price currency",
    "seat history": _HISTORY,
    "seat list": "seat seat_type purchased_at",
    "seat who": "account seat purchased",
    "user access": "account user seat_type allowed because because.code",
    "user find": _MEMBER,
    "user history": _HISTORY,
    "user list": _MEMBER,
}
"""Keys of a command's rows that are never null."""
_ALWAYS_INSIDE = {
    "holder": _STAY,
    **dict.fromkeys(
        ("assigned_by", "unassigned_by", "freed_by", "taken_by", "purchased_by"),
        "position actor recorded_at",
    ),
    "next_renewal": "number date instant",
    "called_then": "user",
}
"""The same of what is nested, wherever it stands."""

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
        for depth, part in enumerate(outer):
            path = outer[: depth + 1]
            nested: Schema = {"type": _kind(words, path, "object"), "properties": {}}
            place = place["properties"].setdefault(part, nested)
        kind = _OTHERWISE.get((words, name)) or _KIND_OF.get(last, {})
        if "type" in kind and is_always(words, name):
            kind = {**kind, "type": kind["type"][0]}
        if place["properties"].get(last, {}).get("properties") is None:
            place["properties"][last] = kind
    return row


def _kind(words: str, path: list[str], kind: str) -> Any:
    return kind if is_always(words, ".".join(path)) else [kind, "null"]


def is_always(words: str, name: str) -> bool:
    """Whether a key of a command's rows, or of what is nested there, is never null."""
    *outer, last = name.split(".")
    inside = _ALWAYS_INSIDE.get(outer[-1], "") if outer else ""
    return name in _ALWAYS.get(words, "").split() or last in inside.split()
