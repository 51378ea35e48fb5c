"""What is tried again: where somebody else, or a lost connection, was in the way."""

from __future__ import annotations

import pytest

from seat_ledger.commands.retrying import TRIES_WITHOUT_SERVER, Retry
from seat_ledger.errors import Conflict, DatabaseRefused, LedgerError, Unavailable


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (Conflict("moved"), 5),
        (Unavailable("away"), TRIES_WITHOUT_SERVER),
        (DatabaseRefused("locked, after 30 s"), 1),
        (LedgerError("wrong"), 1),
    ],
)
def test_an_attempt_is_repeated_where_that_may_help(
    error: LedgerError, attempts: int
) -> None:
    made = []

    def attempt() -> None:
        made.append(error)
        raise error

    with pytest.raises(type(error)):
        Retry(5, lambda *_: 0.0).run(attempt)
    assert len(made) == attempts
