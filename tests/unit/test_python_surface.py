"""The Python API follows from what commands declare, and keeps what it promised."""

from __future__ import annotations

from pathlib import Path

from scripts.python_api import modules
from scripts.python_surface import surface
from seat_ledger import AsyncReader, AsyncSeatLedger, Reader, SeatLedger
from seat_ledger.cli.api.endpoints import answered_endpoints
from seat_ledger.commands.messages import OPERATIONS

ROOT = Path(__file__).parents[2]


def test_the_modules_are_what_the_commands_declare() -> None:
    for name, text in modules().items():
        stored = (ROOT / "seat_ledger/client" / name).read_text()
        assert stored == text, f"{name}: run scripts/reference"


def test_every_operation_and_question_is_a_method() -> None:
    ops = {op for op, operation in OPERATIONS.items() if operation.IN_FILE}
    questions = {endpoint.operation_id for endpoint in answered_endpoints()}
    for recording, asking in (
        (SeatLedger, Reader),
        (AsyncSeatLedger, AsyncReader),
    ):
        assert ops <= {*dir(recording)}
        assert questions <= {*dir(asking)}


def test_what_is_public_stays_as_it_is() -> None:
    """Semantic versioning: what a released version had is never taken away."""
    file = ROOT / "tests/golden/python-api.txt"
    lines = file.read_text().splitlines()
    current = surface()
    removed = [line for line in lines if line not in current]
    assert removed == [], "this breaks programs: it needs the next major version"
    added = [line for line in current if line not in lines]
    assert added == [], f"write these into {file}: they are a promise from now on"
