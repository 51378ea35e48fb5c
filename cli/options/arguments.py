"""The arguments of a call by Python, as they stand in a command file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from seat_ledger.commands.messages import OPERATIONS
from seat_ledger.domain.values import iso


def command_of(op: str, account: str | None, fields: dict[str, Any]) -> dict[str, Any]:
    """A command of what was given: what was left out is no part of it (R73)."""
    declared = OPERATIONS[op].model_fields
    command: dict[str, Any] = {"op": op}
    if account is not None:
        command["account"] = account
    for name, value in fields.items():
        default = declared[name].default if name in declared else None
        if value is not None and value not in ((), default):
            command[name] = value
    return command


def as_json(value: Any) -> Any:
    """A value as it stands in a command file: moments and amounts as texts."""
    if isinstance(value, datetime):
        return value.isoformat() if value.tzinfo is None else iso(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Mapping):
        return {name: as_json(field) for name, field in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    return value
