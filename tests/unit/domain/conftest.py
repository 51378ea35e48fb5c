"""An account that rules are tried on, in memory."""

from __future__ import annotations

import pytest

from tests.support.acme import InMemoryAcme
from tests.support.in_memory import InMemoryLedger


@pytest.fixture
def acme() -> InMemoryAcme:
    """An open account in UTC: terms of twelve months from 5 March 2025."""
    return InMemoryAcme(InMemoryLedger())
