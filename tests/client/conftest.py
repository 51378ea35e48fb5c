"""A small ledger, opened as a program in Python opens it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from seat_ledger import Reader, SeatLedger
from tests.api.conftest import program

__all__ = ["program"]


@pytest.fixture(scope="module")
def home() -> Iterator[None]:
    """A place for keys that is no user's."""
    monkeypatch = pytest.MonkeyPatch()
    path = f"{os.environ['SEAT_LEDGER_TEST_HOME']}/keys"
    monkeypatch.setenv("SEAT_LEDGER_HOME", path)
    yield
    monkeypatch.undo()


@pytest.fixture(scope="module")
def ledger(second_database: str, home: None) -> Iterator[SeatLedger]:  # noqa: ARG001
    """The write side of an empty ledger."""
    with SeatLedger.open(second_database, actor="system:shop") as opened:
        yield opened


@pytest.fixture(scope="module")
def reader(second_database: str, home: None) -> Iterator[Reader]:  # noqa: ARG001
    """The read side of the same."""
    with Reader.open(second_database) as opened:
        yield opened
