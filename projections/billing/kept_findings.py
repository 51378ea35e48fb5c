"""The findings of audits that are kept: open, disputed, or settled by what (R93)."""

from __future__ import annotations

from typing import Any

from seat_ledger.projections.reader import ConnectedReader, Knowledge, Row, utc

STATES = ("open", "disputed", "settled")


def listed(
    reader: ConnectedReader, known_at: Knowledge, account_no: int | None
) -> list[Row]:
    """The findings as known, of an account or of every one, in the order of opening."""
    numbers = None if account_no is None else [account_no]
    entries = reader.ask("billing", "findings", known_at, account_nos=numbers)
    actors = reader.actors(entry["actor"] for entry in entries)
    findings: dict[tuple[int, int], Row] = {}
    for entry in entries:
        details, actor = entry["details"], actors[entry["actor"]]
        key = entry["account_no"], details["finding"]
        if entry["topic"] == "FindingOpened":
            findings[key] = _opened(entry, details, actor)
            continue
        row = findings[key]
        if entry["topic"] == "FindingNoted":
            row["notes"].append(
                {
                    "position": entry["position"],
                    "recorded_at": utc(entry["recorded_at"]),
                    "actor": actor,
                    "note": details["note"],
                }
            )
            if details.get("disputed"):
                row["state"] = "disputed"
        else:
            row |= {
                "state": "settled",
                "credited_by": details.get("credited_by"),
                "settled_because": entry["reason"],
            }
    return list(findings.values())


def _opened(entry: Row, details: dict[str, Any], actor: str) -> Row:
    difference = details.get("difference")
    owed_by = None
    if difference is not None and difference.strip("-0."):
        owed_by = "customer" if difference.startswith("-") else "vendor"
    return {
        "account": entry["account_key"],
        "finding": details["finding"],
        "state": "open",
        "invoice": details["invoice"],
        "period": details["period"],
        "seat_type": details["product"],
        "verdict": details["verdict"],
        "cause": details["cause"],
        "invoiced_quantity": details["invoiced_quantity"],
        "ledger_quantity": details["ledger_quantity"],
        "difference": difference,
        "currency": details.get("currency"),
        "owed_by": owed_by,
        "credited_by": None,
        "settled_because": None,
        "notes": [],
        "known_at": details["known_at"],
        "position": entry["position"],
        "recorded_at": utc(entry["recorded_at"]),
        "actor": actor,
    }
