"""The document of each command (CLI 2), as a schema: its rows, and what is beside them.

The keys of rows are those of CSV's headers; what they hold says :mod:`.fields`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from seat_ledger.cli.api.fields import (
    INSTANT,
    Schema,
    keys_within,
    object_of,
    plain_schema,
)
from seat_ledger.cli.output.csv_headers import RECORDED, RENEWED, header_of
from seat_ledger.cli.output.schemas import OF_RECORDING
from seat_ledger.domain.events import LedgerEvent
from seat_ledger.projections.exports import FIELDS

_MONEY = "currency amount figures"
_TOTALS = (
    "seat_type purchased assigned available pending_reduction assigned_least "
    "assigned_most"
)
_OF_NO_SEAT = (
    "account seat_type period from until mode granularity quantity quantity_exact "
    "unit_price amount"
)
"""Keys of a figure that are there where the type had no seat too."""


def _figure_keys() -> str:
    """The keys of a figure; most are only there where there was a seat to count."""
    return " ".join(
        name if name in _OF_NO_SEAT.split() else f"{name}?"
        for name in header_of("billing counts")
    )


_BESIDE = {
    "account attention": "totals?[].currency totals?[].amount",
    "account renewals": "totals[].currency totals[].amount",
    "account advise": (
        f"{keys_within('totals[]', 'currency amount_until_renewal')} "
        f"{keys_within('totals[]', 'saved_per_period saved_per_term')}"
    ),
    "billing compare": (
        "between[].position between[].recorded_at "
        f"{keys_within('totals[]', 'currency amount_before amount_after')} "
        "totals[].amount_difference"
    ),
    "billing counts": (
        f"{keys_within('by_rule?[]', f'mode granularity not_priced {_MONEY}')} "
        f"not_priced? {keys_within('totals?[]', _MONEY)} "
        f"{keys_within('groups?[]', f'group not_priced {_MONEY}')}"
    ),
    "billing explain": (
        f"{keys_within('figure', _figure_keys())} "
        f"{keys_within('highest', 'at at_after entry held')} windows"
    ),
    "billing idle": (
        "complete? forecast? windows? "
        f"{keys_within('totals[]', 'currency amount amount_until_renewal')} "
        f"{keys_within('between?[]', 'seat_type idle_days_least idle_days_most')}"
    ),
    "billing policy": "in_force.mode in_force.granularity",
    "db migrate": "lacking",
    "finding list": "totals[].currency totals[].difference",
    "integrity verify": (
        "events sealed checkpoints elsewhere witnessed more_findings seconds"
    ),
    "invoice audit": (
        "lines findings? incomplete? unpriced? within_windows? columns? ignored? "
        f"{keys_within('verdicts?', 'match over under missing unexpected')} "
        f"{keys_within('causes?', 'wrong_at_issue corrected_later not_known_at_issue')}"
        f" {keys_within('totals?[]', 'currency invoiced_amount ledger_amount')} "
        f"{keys_within('totals?[]', 'difference not_priced')} "
        f"{keys_within('wrong_totals?[]', 'line amount added_amount')} "
        f"{keys_within('explained?[]', 'line invoice account period seat_type')} "
        f"{keys_within('explained?[]', 'verdict cause currency within_windows')} "
        f"{keys_within('explained?[]', 'ledger_quantity_least ledger_quantity_most')} "
        f"{keys_within('explained?[]', 'owed_amount owed_by recorded_later sentence')} "
        f"{keys_within('explained?[].seats[]', 'seat user first first_after until')} "
        f"{keys_within('explained?[].seats[]', 'until_after when dates quantity')} "
        f"{keys_within('explained?[].seats[]', 'opened_by closed_by')}"
    ),
    "invoice list": "totals[].currency totals[].amount",
    "invoice show": (
        "invoice account period from until time_zone days seconds mode granularity "
        "currency amount unit_prices cut_off tzdata digest checkpoint.events "
        "checkpoint.root position issued_at recorded_at "
        f"{keys_within('corrections[]', 'period seat_type quantity quantity_exact')} "
        "corrections[].amount corrections[].entries"
    ),
    "lake rebuild": (
        "ledger manifest share buckets events seconds cpu_seconds peak_mib"
    ),
    "lake status": "manifest ledger exported_at",
    "lake verify": "manifest ledger",
    "projection rebuild": (
        "events seconds events_per_second ceiling digest generation switched "
        "handed_over phases resumed error engine accounts_compared"
    ),
    "projection status": "rebuilding",
    "projection verify": "full accounts complete of_accounts",
    "seat history": keys_within(
        "life", "purchased_at purchased_after purchased_by retires_at retired_by"
    ),
    "seat list": "totals",
    "seat save": (
        f"positions? repeated? dry_run? {keys_within('before[]', _TOTALS)} "
        f"{keys_within('after[]', _TOTALS)}"
    ),
    "seat who": "from? until? windows?",
    "snapshot": (
        f"commands? {keys_within('snapshot', 'source taken_at digest covers rows')} "
        "snapshot.holders snapshot.position"
    ),
    "user erase": "positions repeated dry_run erased?",
}
_BESIDE["invoice reproduce"] = _BESIDE["invoice show"]
_RECORDED = "positions repeated dry_run"
_UNDERSTOOD = (
    "line account invoice issued_at period seat_type quantity unit_price amount "
    "currency"
)
"""A row of what is understood of a vendor's file."""
_COMMON: Schema = {
    "schema_version": {"type": "integer"},
    "as_of": {**INSTANT, "description": "The moment that is answered for."},
    "known_at": {
        "type": "object",
        "required": ["position", "recorded_at"],
        "properties": {
            "position": {"type": ["integer", "null"]},
            "recorded_at": INSTANT,
        },
        "description": "Up to where is known.",
    },
}
_WHERE_SO: Schema = {
    "renewal_due": {
        "type": "boolean",
        "description": "Whether a renewal waits to be processed (R38).",
    },
    "store_head": {
        "type": "integer",
        "description": "How far the store is, where the answer is not that far.",
    },
    "set_aside": {
        **object_of("", ["set_aside"])["properties"]["set_aside"],
        "description": "Accounts of which an event cannot be read (R74).",
    },
}


def document_schema(words: str) -> Schema:
    """The schema of a command's document (CLI 2)."""
    forms = [object_of(words, names) for names in _forms_of_rows(words)]
    for form in forms:
        _describe_data(form)
    rows = forms[0] if len(forms) == 1 else {"anyOf": forms}
    names = _BESIDE.get(words, _RECORDED if words == OF_RECORDING else "").split()
    beside = object_of(f"{words} beside", names)
    return {
        "type": "object",
        "required": [*_COMMON, "rows", *beside["required"]],
        "properties": {
            **_COMMON,
            **_WHERE_SO,
            "rows": {"type": "array", "items": rows},
            **beside["properties"],
        },
    }


def _forms_of_rows(words: str) -> Iterator[tuple[str, ...]]:
    """The keys of a command's rows; several where its options ask for other rows."""
    if words in {OF_RECORDING, "seat save", "user erase"}:
        yield RECORDED
    else:
        yield header_of(words)
    if words == OF_RECORDING:
        yield RENEWED
    if words == "export":
        yield from (tuple(field.name for field in fields) for fields in FIELDS.values())
    if words == "invoice audit":
        yield tuple(_UNDERSTOOD.split())


def _describe_data(row: Schema) -> None:
    """Say what stands under `data`, where a row has it."""
    if "data" in row["properties"]:
        row["properties"]["data"] = _data()


_OF_ENVELOPE = {"v", "effective_at", "actor", "reason", "nonce", "sealed"}
_SHOWN_AS = {"user_key": ("user",), "request": ("request", "request_version")}


@cache
def _data() -> Schema:
    """An event's own fields: those of every event, each where the event has it."""
    kinds: dict[str, list[Schema]] = {}
    for event in _subclasses(LedgerEvent):
        fields = plain_schema(event.model_json_schema())["properties"]
        for name, schema in fields.items():
            if name in _OF_ENVELOPE:
                continue
            written = {k: v for k, v in schema.items() if k not in {"default", "title"}}
            for shown in _SHOWN_AS.get(name, (name,)):
                of_name = kinds.setdefault(shown, [])
                if written not in of_name:
                    of_name.append(written)
    properties = {
        name: of_name[0] if len(of_name) == 1 else {"anyOf": of_name}
        for name, of_name in sorted(kinds.items())
    }
    return {
        "type": "object",
        "description": "The event's own fields; entries are named by position.",
        "properties": properties,
    }


def _subclasses(event: type[LedgerEvent]) -> Iterator[type[LedgerEvent]]:
    for inner in event.__subclasses__():
        yield inner
        yield from _subclasses(inner)
