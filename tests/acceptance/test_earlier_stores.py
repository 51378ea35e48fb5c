"""A store that an earlier version made is migrated, and answers as it did there.

`store-0.1.0.sql.gz` is the demo history as version 0.1.0 recorded it, with an invoice;
`answers-0.1.0.json.gz` is what that version answered.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.program import Program

GOLDEN = Path(__file__).parents[1] / "golden"


def differences(before: Any, now: Any, path: str = "") -> list[str]:
    """Where an answer differs; keys may have been added."""
    if isinstance(before, dict) and isinstance(now, dict):
        return [
            difference
            for key, value in before.items()
            for difference in differences(value, now.get(key, "…"), f"{path}.{key}")
        ]
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        return [
            difference
            for place, (item, other) in enumerate(zip(before, now, strict=True))
            for difference in differences(item, other, f"{path}[{place}]")
        ]
    return [] if before == now else [f"{path}: {before!r} is {now!r} now"]


@pytest.mark.both_versions
def test_a_store_of_version_0_1_0_is_migrated_and_answers_the_same(
    empty_database: str, tmp_path: Path
) -> None:
    program = Program(empty_database)
    dump = tmp_path / "store.sql"
    dump.write_bytes(gzip.decompress((GOLDEN / "store-0.1.0.sql.gz").read_bytes()))
    restored = program.run("db", "tool", "psql", "-q", "-v", "ON_ERROR_STOP=1", "-f",
                           dump)  # fmt: skip
    assert restored.returncode == 0, restored.stderr
    migrated = program.run("db", "migrate")
    assert migrated.returncode == 0, migrated.stderr
    rebuilt = program.run("projection", "rebuild", "--results", tmp_path / "r.json")
    assert rebuilt.returncode == 0, rebuilt.stderr

    answers = gzip.decompress((GOLDEN / "answers-0.1.0.json.gz").read_bytes())
    for answer in json.loads(answers):
        rows = program.json(*answer["command"])["rows"]
        assert not differences(answer["rows"], rows), answer["command"]
