"""The Python API follows from what commands declare, and keeps what it promised."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from scripts.python_api import modules
from scripts.python_surface import surface
from seat_ledger import AsyncReader, AsyncSeatLedger, Reader, SeatLedger
from seat_ledger.cli.api.endpoints import answered_endpoints
from seat_ledger.commands.messages import OPERATIONS

ROOT = Path(__file__).parents[2]
_VALUES = re.compile(r"Literal\[[^]]*\]")


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
    removed = promises(lines) - promises(current)
    assert not removed, (
        f"{removed}: this breaks programs: it needs the next major version"
    )
    added = [line for line in current if line not in lines]
    assert added == [], f"write these into {file}: they are a promise from now on"


def test_a_parameter_that_takes_more_values_breaks_nothing() -> None:
    few, many = ["f(a: \"Literal['x']\")"], ["f(a: \"Literal['x', 'y']\")"]
    assert promises(few) < promises(many)


def test_an_answer_that_has_more_values_is_another() -> None:
    few, many = ["Row.a: Literal['x']"], ["Row.a: Literal['x', 'y']"]
    assert not promises(few) & promises(many)


def promises(lines: Iterable[str]) -> set[tuple[str, str]]:
    """Each line; once for each of the values that a parameter can have."""
    return {
        (_VALUES.sub("Literal", line), value) if "(" in line else (line, "")
        for line in lines
        for value in re.findall(r"'[^']*'", "".join(_VALUES.findall(line))) or [""]
    }
