"""The fields of operations: what may be written into them, and what may not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from seat_ledger.commands.messages import OPERATIONS, read_command
from seat_ledger.errors import InvalidInput


def integers(schema: Any) -> Iterator[dict[str, Any]]:
    """Every part of a schema that is a whole number."""
    if isinstance(schema, dict):
        if schema.get("type") == "integer":
            yield schema
        for part in schema.values():
            yield from integers(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from integers(part)


@pytest.mark.parametrize("op", sorted(OPERATIONS))
def test_every_number_of_an_operation_is_one_that_a_store_can_hold(op: str) -> None:
    for schema in integers(OPERATIONS[op].model_json_schema()):
        assert 0 <= schema["minimum"] <= schema["maximum"] <= 2**62, schema


FINDING = {
    "op": "open_finding", "account": "acme", "invoice": "V-1", "period": "2025-04",
    "product": "Pro", "verdict": "over", "cause": "wrong_at_issue",
    "invoiced_quantity": "4", "ledger_quantity": "3.5", "currency": "EUR",
    "known_at": 5,
}  # fmt: skip
LIST = {
    "op": "observe_snapshot", "account": "acme", "effective_at": "2025-03-25",
    "source": "list", "covers": ["sales/professional"], "digest": "0" * 64,
    "rows": 1, "holders": 1, "totals": {"sales/professional": 1},
}  # fmt: skip


@pytest.mark.parametrize(
    ("command", "name", "odd"),
    [
        *((FINDING, name, "Ann Jansen") for name in ("period", "currency")),
        *((FINDING, f"{whose}_quantity", "Ann") for whose in ("invoiced", "ledger")),
        (LIST, "totals", {"Ann Jansen": 1}),
        ({"op": "rename_user", "account": "acme", "user": "a"}, "new_user", "b c"),
    ],
)
def test_what_is_no_free_text_takes_none(
    command: dict[str, Any], name: str, odd: Any
) -> None:
    """What others see, in a redacted console or by a webhook, is of a form."""
    stored = command.get(name, "b")
    assert read_command({**command, name: stored}).operation.op == command["op"]
    with pytest.raises(InvalidInput) as refused:
        read_command({**command, name: odd})
    assert name in refused.value.message
    assert "user:KEY" not in refused.value.message
