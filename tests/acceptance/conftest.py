"""An account that rules are tried on."""

from __future__ import annotations

import pytest

from seat_ledger.commands.service import CommandService
from tests.acme import Acme


@pytest.fixture
def acme(database: str, ledger: CommandService) -> Acme:
    """An open account in UTC: terms of twelve months from 5 March 2025."""
    return Acme(database, ledger)
