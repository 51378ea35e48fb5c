"""The published schema of command files and the reader of them agree on every line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from pydantic import ValidationError

from seat_ledger.cli.output import schemas
from seat_ledger.cli.output.pages import text_of
from seat_ledger.commands.messages import OPERATIONS, parse_line, read_command
from seat_ledger.errors import InvalidInput

PRO, ANN = "sales/professional", {"user": "ann"}
LINES: dict[str, dict[str, Any]] = {
    "open_account": {
        "name": "Acme BV", "time_zone": "Europe/Amsterdam",
        "term_start": "2025-03-05", "term_months": 12, "billing_cycle_months": 1,
    },
    "set_billing_policy": {"mode": "peak", "granularity": None},
    "set_time_zone": {"time_zone": "Europe/Paris"},
    "renew": {},
    "add_user": {
        **ANN, "email": "ann@acme.example", "name": "Ann", "kind": "person",
        "super_admin": False, "account_access": True, "seats": [PRO],
        "buy_if_needed": False,
    },
    "set_permissions": {**ANN, "super_admin": True, "account_access": True},
    "grant_hub_access": {**ANN, "hub": "sales"},
    "revoke_hub_access": {**ANN, "hub": "sales"},
    "remove_user": ANN,
    "rename_user": {**ANN, "new_user": "eva", "email": "e@x.example", "name": "Eva"},
    "buy_seats": {"seat_type": PRO, "quantity": 3},
    "reduce_seats": {"seat_type": PRO, "quantity": 3},
    "cancel_reduction": {"seat_type": PRO},
    "assign_seat": {
        **ANN, "seat_type": PRO, "seat": f"{PRO}#7", "buy_if_needed": False,
        "add_if_needed": {"email": "ann@acme.example", "name": "Ann"},
        "effective_after": "2025-03-01",
    },
    "unassign_seat": {
        **ANN, "seat_type": PRO, "at_period_end": False, "effective_after": None,
    },
    "cancel_unassignment": {**ANN, "seat_type": PRO},
    "observe_snapshot": {
        "source": "s", "covers": [PRO], "digest": "a" * 64, "rows": 2, "holders": 2,
        "totals": {PRO: 2},
    },
    "reverse": {"entry": 41},
    "issue_invoice": {
        "invoice": "INV-7", "period": "2025-06-05", "corrections_only": False,
        "unit_prices": {PRO: "90.00"}, "currency": "EUR",
    },
    "void_invoice": {"invoice": "INV-7"},
    "add_seat_type": {"seat_type": "copilot/business", "exclusive": True},
    "withdraw_seat_type": {"seat_type": "copilot/business"},
    "set_price": {"seat_type": PRO, "unit_price": "90.00", "currency": "EUR"},
    "open_finding": {
        "invoice": "B-1", "period": "2025-03-05", "product": PRO, "nth": 1,
        "verdict": "over", "cause": "wrong_at_issue", "invoiced_quantity": "2",
        "ledger_quantity": "1", "difference": "90.00", "currency": "EUR",
        "known_at": 7,
    },
    "note_finding": {"finding": 1, "note": "a letter was sent", "disputed": True},
    "settle_finding": {"finding": 1, "credited_by": "CN-1"},
    "change_contract": {
        "renewal": 2, "term_months": 24, "billing_cycle_months": 3,
        "anchor": "2026-01-31",
    },
    "close_account": {"end_holdings": True},
    "batch": {"commands": [{"op": "unassign_seat", **ANN, "seat_type": PRO}]},
}  # fmt: skip
BESIDE = {
    "effective_at": "2025-06-01",
    "actor": "system:import",
    "reason": "because",
    "idempotency_key": "k1",
    "correlation_id": "c1",
    "expect": "refused",
}
OTHERS: list[Any] = [
    None,
    True,
    1,
    -1,
    1.5,
    10**6,
    "",
    "x y",
    "2025-3-5",
    [],
    ["x"],
    {},
]
VALIDATOR = jsonschema_rs.validator_for(
    json.loads(schemas.read(schemas.COMMANDS) or "")
)


def valid(op: str) -> dict[str, Any]:
    line = {"op": op, **LINES[op], **BESIDE}
    return line if OPERATIONS[op].OF_CATALOGUE else {**line, "account": "acme"}


def varied(line: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The line without each of its fields, with others in its place, with one more."""
    yield line
    yield {**line, "more": 1}
    for name in line:
        yield {key: value for key, value in line.items() if key != name}
        yield from ({**line, name: other} for other in OTHERS)


def has_shape(line: dict[str, Any]) -> bool:
    """Whether each field of a line is there and of its kind, as the reader finds.

    What fields mean together, and what only the domain knows, is no matter of shape.
    """
    try:
        read_command(parse_line(json.dumps(line).encode()))
    except InvalidInput as error:
        return not any(_of_shape(cause) for cause in _causes(error))
    return OPERATIONS[line["op"]].IN_FILE


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _of_shape(error: BaseException) -> bool:
    if isinstance(error, ValidationError):
        return any(
            problem["type"] != "value_error" or "is written like" in problem["msg"]
            for problem in error.errors(include_url=False)
        )
    message = getattr(error, "message", "")
    return any(part in message for part in (" op ", "no 'op'", "is not allowed in",
                                            "belongs to no account"))  # fmt: skip


def test_every_operation_of_a_file_is_tried() -> None:
    assert LINES.keys() == {op for op, kind in OPERATIONS.items() if kind.IN_FILE}


@pytest.mark.parametrize("op", LINES)
def test_a_line_is_valid_where_it_is_read(op: str) -> None:
    assert VALIDATOR.is_valid(valid(op)), [
        error.message for error in VALIDATOR.iter_errors(valid(op))
    ]
    wrong = 0
    for line in varied(valid(op)):
        assert VALIDATOR.is_valid(line) == has_shape(line), line
        wrong += not VALIDATOR.is_valid(line)
    assert wrong > 20


@pytest.mark.parametrize("op", LINES)
def test_a_line_of_a_batch_is_valid_where_it_is_read(op: str) -> None:
    inner = {"op": op, **LINES[op]}
    for line in varied(inner):
        batch = {"op": "batch", "account": "acme", "commands": [line]}
        assert VALIDATOR.is_valid(batch) == has_shape(batch), batch
    if not OPERATIONS[op].IN_BATCH:
        assert not VALIDATOR.is_valid({**valid("batch"), "commands": [inner]})


def test_what_is_no_command_is_not_valid() -> None:
    for line in ({}, {"op": "erase_user", "account": "acme", "user": "ann"},
                 {"op": "nothing"}, {"op": 1}, {"account": "acme"}):  # fmt: skip
        assert not VALIDATOR.is_valid(line), line


@pytest.mark.parametrize("topic", ["command-files", "contract"])
def test_the_examples_of_the_help_pages_are_valid(topic: str) -> None:
    lines = [line for line in text_of(topic).splitlines() if line.startswith('{"op"')]
    assert len(lines) > 3
    for line in lines:
        VALIDATOR.validate(json.loads(line))
