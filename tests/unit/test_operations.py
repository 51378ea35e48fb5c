"""The fields of operations: what may be written into them, and what may not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from seat_ledger.commands.messages import OPERATIONS, read_command
from seat_ledger.errors import CommandRefused, InvalidInput
from tests.support.acme import TERMS
from tests.support.in_memory import InMemoryLedger


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


PERSON = {"user": "ann", "email": "ann@x.example", "name": "Ann"}


def renamed(count: int) -> list[dict[str, Any]]:
    """Renamings of one user, whose keys lead from one to the next."""
    keys = ["ann", *(f"ann-{n}" for n in range(count))]
    return [
        {"op": "rename_user", "user": was, "new_user": key}
        for was, key in pairwise(keys)
    ]


def come_and_gone(count: int) -> list[dict[str, Any]]:
    pair = [{"op": "add_user", **PERSON}, {"op": "remove_user", "user": "ann"}]
    lines = (line for _ in range(count) for line in pair)
    return [
        {**line, "effective_at": f"2025-04-{1 + n // 1440:02} {n // 60 % 24}:{n % 60}"}
        for n, line in enumerate(lines)
    ]


@pytest.mark.parametrize(
    "lines",
    [renamed(101), come_and_gone(251), [{"op": "remove_user", "user": "a"}] * 501],
)
def test_a_batch_does_not_go_on_and_on_about_one_user(
    lines: list[dict[str, Any]],
) -> None:
    """Each line looks at what those before it made of the user, and others wait."""
    ledger = InMemoryLedger()
    ledger.execute({"op": "open_account", "account": "acme", **TERMS})
    if "rename_user" in str(lines):
        added = {"op": "add_user", "account": "acme", "effective_at": "2025-03-05"}
        ledger.execute({**added, **PERSON})
    batch = {"op": "batch", "account": "acme", "effective_at": "2025-04-01"}
    with pytest.raises(CommandRefused) as refused:
        ledger.execute({**batch, "commands": lines})
    assert refused.value.code == "too_many_lines"


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
