"""What is declared of operations is also done."""

from __future__ import annotations

import inspect

import pytest

from seat_ledger.commands.handler import CommandHandler
from seat_ledger.commands.messages import OPERATIONS, OpenAccount, Operation
from seat_ledger.domain.aggregate import Act

APPLIED = [
    operation
    for operation in OPERATIONS.values()
    if not operation.OF_CATALOGUE
    and operation not in {OpenAccount, OPERATIONS["batch"]}
]


@pytest.mark.parametrize("operation", APPLIED, ids=lambda operation: operation.OP)
def test_the_handler_applies_every_operation_to_an_account(
    operation: type[Operation],
) -> None:
    method = getattr(CommandHandler, f"_{operation.OP}")
    hints = inspect.get_annotations(method, eval_str=True)
    assert hints == {"op": operation, "act": Act, "return": None}
