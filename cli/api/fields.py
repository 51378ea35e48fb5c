"""What stands in an answer: its keys, and what kind of value each has.

The keys of rows are those of CSV's headers (:mod:`..output.csv_headers`); here is what
these keys hold, and what stands in a document beside its rows. The API's description
and the published schemas come from here. A test holds it against real answers.

A name with a dot is a value inside a nested one, ``[]`` marks a list of nested ones,
and ``?`` what is not always there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from seat_ledger.cli.output.csv_headers import DATES, DECIMALS

Schema = dict[str, Any]

TEXT: Schema = {"type": ["string", "null"]}
INSTANT: Schema = {"type": ["string", "null"], "format": "date-time"}
DATE: Schema = {"type": ["string", "null"], "format": "date"}
SINCE: Schema = {
    **TEXT,
    "description": "A date, or an instant; null where it has always been so.",
}
DECIMAL: Schema = {"type": ["string", "null"], "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}
EXACT: Schema = {"type": ["string", "null"], "pattern": r"^-?[0-9]+/[0-9]+$"}
WHOLE: Schema = {"type": ["integer", "null"]}
NUMBER: Schema = {"type": ["number", "null"]}
FLAG: Schema = {"type": ["boolean", "null"]}
POSITIONS: Schema = {"type": ["array", "null"], "items": {"type": "integer"}}
TEXTS: Schema = {"type": ["array", "null"], "items": {"type": "string"}}
BY_NAME: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
NUMBERS: Schema = {"type": "object", "additionalProperties": {"type": "number"}}
OBJECT: Schema = {"type": ["object", "null"]}
COMMANDS: Schema = {"type": "array", "items": {"type": "object"}}
_KINDS: tuple[tuple[Schema, str], ...] = (
    (
        TEXT,
        "account actor cause change check checkpoint code created_by credited_by "
        "currency digest email engine erased error event export file folder found "
        "generation "
        "granted_by granularity group home hub id invoice kind last_error last_user "
        "ledger login manifest message mode name next_user note op origin outcome "
        "owed_by price_for price_source problem projection reason report role "
        "root seat seat_type secret sentence settled_because sha256 share source "
        "state status stream subject subscription_id time_zone title token token_id "
        "topic try tzdata url user verdict voids when",
    ),
    (
        INSTANT,
        "added_at at at_after closed_at created_at delivered_at due effective_after "
        "effective_at ends_at exported_at from from_after granted_at held_after "
        "held_from held_until idle_since instant issued_at opened_at purchased_after "
        "purchased_at recorded_at reduce_before removed_at requested_at retires_at "
        "revoked_at sealed_at since stuck_since taken_at unassignment_due until "
        "until_after",
    ),
    (DATE, " ".join(DATES)),
    (SINCE, "price_since"),
    (DECIMAL, " ".join(DECIMALS)),
    (EXACT, "difference_exact quantity_exact"),
    (
        WHOLE,
        "accounts added age_seconds allowed_seconds assigned assigned_closing "
        "assigned_closing_least assigned_closing_most assigned_least assigned_most "
        "assigned_opening assigned_opening_least assigned_opening_most assigned_peak "
        "assigned_peak_least assigned_peak_most attempts available before behind "
        "billing_cycle_months buckets bytes ceiling changes checkpoints closed_by "
        "closing compared corrected_later corrections could count cut_off dates "
        "dates_billed_twice days days_until_renewal dead_letters differences "
        "earlier_events elsewhere entry events figures files finding findings "
        "from_position handed_over head held "
        "holders idle_days idle_days_least idle_days_most idle_seat_days "
        "idle_seat_days_least idle_seat_days_most in_days incomplete issued_position "
        "known_at lag_events line lines match missing more_findings most_held "
        "most_held_least most_held_most reduce_by_least reduce_by_most "
        "new_bytes new_files not_known_at_issue not_priced number of_accounts "
        "opened_by opening over pending_reduction periods pid position price_entry "
        "program purchased purchased_by reduce_by removed_files renewals "
        "renewals_processed retired retired_by reversed_by rows sealed seconds "
        "stuck_at term_months "
        "to_renew unassigned under unexpected unpriced until_position version voided "
        "within_windows witnessed wrong_at_issue",
    ),
    (NUMBER, "cpu_seconds events_per_second lag_seconds peak_mib"),
    (
        FLAG,
        "account_access allowed complete dry_run exclusive fits followed forecast "
        "full holds initialised is_new reads renewal_due repeated reversed revoked "
        "running stopped super_admin switched too_old works",
    ),
    (POSITIONS, "entries positions recorded_later"),
    (TEXTS, "covers hubs ignored lacking rebuilding resumed seats"),
    (BY_NAME, "columns unit_prices"),
    (NUMBERS, "phases"),
    (OBJECT, "data"),
    (COMMANDS, "commands"),
)
_KIND_OF: dict[str, Schema] = {
    name: kind for kind, names in _KINDS for name in names.split()
}
_OTHERWISE: dict[tuple[str, str], Schema] = {
    ("account list", "next_renewal"): INSTANT,
    ("account renewals", "renewal"): WHOLE,
    ("account show", "contract_changes.renewal"): WHOLE,
    ("db migrate", "applied"): TEXT,
    ("db status", "schema"): WHOLE,
    ("db status", "server"): WHOLE,
    ("doctor", "ok"): {"type": ["boolean", "string", "null"]},
    ("finding list", "period"): TEXT,
    ("integrity seal", "seconds"): NUMBER,
    ("integrity verify beside", "seconds"): NUMBER,
    ("invoice audit", "events"): POSITIONS,
    ("invoice audit", "issued_at"): TEXT,
    ("invoice audit", "period"): TEXT,
    ("invoice audit", "within_windows"): FLAG,
    ("invoice audit beside", "explained.period"): TEXT,
    ("invoice audit beside", "explained.seats.quantity"): EXACT,
    ("invoice audit beside", "explained.seats.until"): DATE,
    ("invoice audit beside", "explained.seats.until_after"): DATE,
    ("invoice audit beside", "explained.within_windows"): FLAG,
    ("lake export", "manifest"): WHOLE,
    ("lake rebuild beside", "manifest"): WHOLE,
    ("lake rebuild beside", "seconds"): NUMBER,
    ("lake status beside", "manifest"): WHOLE,
    ("lake verify beside", "manifest"): WHOLE,
    ("projection rebuild", "seconds"): NUMBER,
    ("projection rebuild beside", "error"): OBJECT,
    ("projection rebuild beside", "seconds"): NUMBER,
    ("projection rebuild beside", "accounts_compared"): WHOLE,
    ("projection rebuild beside", "generation"): WHOLE,
    ("projection run", "checkpoint"): WHOLE,
    ("projection status", "checkpoint"): WHOLE,
    ("projection status", "generation"): WHOLE,
    ("projection status", "version"): TEXT,
    ("seat who", "purchased"): FLAG,
    ("source compare", "age_seconds"): NUMBER,
    ("source compare", "changes"): {
        "type": "object",
        "additionalProperties": {"type": "integer"},
    },
    ("token create", "accounts"): TEXTS,
    ("token list", "accounts"): TEXTS,
}
"""Where a key means something else than in the other answers, and those beside rows."""

_MEMBER = "account user id added_at super_admin account_access hubs seats"
_STAY = "user held_from assigned_by"
_HISTORY = "seat user reversed"
_EVENT = "position recorded_at effective_at event actor data"
_ALWAYS = {
    "account attention": "kind count accounts",
    "account advise": "account seat_type purchased assigned available",
    "account list": "account name time_zone term_start purchased assigned available",
    "account renewals": (
        "account name renewal date instant in_days renewal_due to_renew"
    ),
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
    "invoice audit": (
        "account seat_type invoiced_quantity ledger_quantity ledger_quantity_at_issue "
        "verdict cause events"
    ),
    "invoice list": "invoice account position recorded_at",
    "invoice reproduce": "kind seat_type quantity unit_price amount entries",
    "invoice show": "kind seat_type quantity unit_price amount entries",
    "price history": "seat_type unit_price currency position recorded_at",
    "price list": "seat_type unit_price currency",
    "projection status": (
        "projection checkpoint head lag_events lag_seconds state generation followed"
    ),
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
    "called_then": "user",
    "renewal_lines": "seat_type to_renew period periods",
    "totals": (
        "seat_type purchased assigned available pending_reduction assigned_least "
        "assigned_most"
    ),
}
"""The same of what is nested, wherever it stands."""
_INSIDE = {
    "contract_changes": "renewal term_months billing_cycle_months anchor from",
    "notes": "position recorded_at actor note",
    "pending_unassignments": (
        "seat user email name kind period due requested_at requested_by.position "
        "requested_by.actor requested_by.reason requested_by.recorded_at"
    ),
    "price_parts": (
        "period quantity quantity_exact unit_price currency amount amount_least "
        "amount_most price_source price_entry price_since"
    ),
    "renewal_lines": (
        "seat_type to_renew period periods unit_price currency price_source "
        "price_entry price_since amount"
    ),
    "set_aside": "account position event stream version reason since",
    "totals": (
        "seat_type purchased assigned available pending_reduction assigned_least "
        "assigned_most"
    ),
    "windows": "seat user email name change effective_after effective_at",
}
"""The keys of a list of nested values, wherever it stands."""
_ONLY_WHERE_SO = {
    "db status": "running home initialised pid server schema program",
    "integrity check-proof": (
        "position stream version topic recorded_at state earlier_events"
    ),
    "invoice reproduce": "voids quantity_least quantity_most",
    "invoice show": "voids quantity_least quantity_most",
    "seat who": "windows",
}
_NOT_ALWAYS = {
    (words, name) for words, names in _ONLY_WHERE_SO.items() for name in names.split()
}
"""Keys that a row has only where they say something."""


def keys_within(prefix: str, names: str) -> str:
    """The keys of a nested value, or of a list of them, as this page writes them."""
    return " ".join(f"{prefix}.{name}" for name in names.split())


def object_of(words: str, names: Iterable[str]) -> Schema:
    """The schema of an object with these keys, in the answer of a command."""
    return _object(names, "", words, nullable=False)


def _object(names: Iterable[str], place: str, words: str, *, nullable: bool) -> Schema:
    inner: dict[str, list[str]] = {}
    for name in names:
        first, _, remaining = name.partition(".")
        inner.setdefault(first, []).extend(filter(None, [remaining]))
    properties: Schema = {}
    required = []
    for first, nested in inner.items():
        key = first.rstrip("?[]")
        at = f"{place}{key}"
        if "?" not in first and (words, at) not in _NOT_ALWAYS:
            required.append(key)
        value = _value(key, first.endswith("[]"), nested, at, words)
        if "type" in value and _is_always(words, at):
            value = {**value, "type": value["type"][0]}
        properties[key] = value
    kind = ["object", "null"] if nullable else "object"
    return {"type": kind, "required": required, "properties": properties}


def _value(key: str, is_list: bool, nested: list[str], at: str, words: str) -> Schema:
    """What stands under a key."""
    if not nested and (words, at) in _OTHERWISE:
        return _OTHERWISE[words, at]
    if not nested and key in _INSIDE:
        is_list, nested = True, _INSIDE[key].split()
    if is_list:
        items = _object(nested, f"{at}.", words, nullable=False)
        return {"type": ["array", "null"], "items": items}
    if nested:
        return _object(nested, f"{at}.", words, nullable=True)
    return _KIND_OF[key]


def _is_always(words: str, name: str) -> bool:
    """Whether a key of a command's rows, or of what is nested there, is never null."""
    *outer, last = name.split(".")
    inside = _ALWAYS_INSIDE.get(outer[-1], "") if outer else ""
    return name in _ALWAYS.get(words, "").split() or last in inside.split()


def plain_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """A model's schema without titles, and with what it refers to in place."""
    definitions = schema.get("$defs", {})

    def resolved(value: Any) -> Any:
        if isinstance(value, list):
            return [resolved(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "$ref" in value:
            return resolved(definitions[value["$ref"].rpartition("/")[2]])
        return {
            key: resolved(item)
            for key, item in value.items()
            if key != "$defs" and not (key == "title" and isinstance(item, str))
        }

    plain: dict[str, Any] = resolved(schema)
    return plain
