"""A small ledger with friendly and hostile names, for all the tests of a file."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.api.api_server import Client, serving
from tests.console.served import late, story
from tests.in_process import Program


@pytest.fixture(scope="module")
def program(
    shared_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Program]:
    """The command line over the story."""
    monkeypatch = pytest.MonkeyPatch()
    home = f"{os.environ['SEAT_LEDGER_TEST_HOME']}/keys"
    monkeypatch.setenv("SEAT_LEDGER_HOME", home)
    result = Program(shared_database, tmp_path_factory.mktemp("api"))
    result.import_([*story(), late()])
    result.json("account", "list")  # catches up
    yield result
    monkeypatch.undo()


@pytest.fixture(scope="module")
def api(program: Program) -> Iterator[Client]:
    """The API over the same."""
    with serving(program.conninfo) as client:
        yield client
