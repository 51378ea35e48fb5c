"""What the tests of faults have in common."""

from __future__ import annotations

import pytest

from seat_ledger.commands.service import CommandService
from tests.program import ANN, BUY, OPEN

BOB = {**ANN, "user": "bob", "email": "bob@acme.example"}


@pytest.fixture
def acme(database: str) -> str:
    """A database with an account, a seat, and two people without one."""
    with CommandService(database) as ledger:
        for item in (OPEN, BUY, ANN, BOB):
            ledger.execute(item)
    return database
