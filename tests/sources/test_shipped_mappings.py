"""Each shipped mapping, on an invented export in its vendor's shape.

What is expected stands beside the export, in `NAME.expected.jsonl`.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from seat_ledger.sources.mapping import EVENTS, SNAPSHOT
from seat_ledger.sources.shipped import mapping_named, shipped_names
from tests.sources.exported import (
    EXPORTS,
    converted,
    export_of,
    lines_of_list,
    listed,
)

OPTIONS: dict[str, dict[str, Any]] = {}


def result_of(name: str) -> list[dict[str, Any]]:
    content, options = export_of(name).read_bytes(), OPTIONS.get(name, {})
    kind = mapping_named(name).kind
    if kind == EVENTS:
        return converted(content, name, **options)
    assert kind == SNAPSHOT
    return lines_of_list(listed(content, name, **options))


@pytest.mark.parametrize("name", shipped_names())
def test_an_export_of_the_vendor_gives_what_stands_beside_it(name: str) -> None:
    expected = (EXPORTS / f"{name}.expected.jsonl").read_text().splitlines()
    assert result_of(name) == [json.loads(line) for line in expected]
