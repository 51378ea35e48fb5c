"""Each shipped mapping, on an invented export in its vendor's shape.

What is expected stands beside the export, in `NAME.expected.jsonl`.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from seat_ledger.sources.bills import Bill
from seat_ledger.sources.mapping import EVENTS, SNAPSHOT
from seat_ledger.sources.shipped import shipped_mapping, shipped_names
from tests.sources.exported import (
    EXPORTS,
    converted,
    export_of,
    lines_of_list,
    listed,
    source_reader,
)

OPTIONS: dict[str, dict[str, Any]] = {
    "hubspot-permission-history": {"options": {"--user": "hs-40012345"}},
}


def result_of(name: str) -> list[dict[str, Any]]:
    content, options = export_of(name).read_bytes(), OPTIONS.get(name, {})
    kind = shipped_mapping(name).kind
    if kind == EVENTS:
        return converted(content, name, **options)
    if kind == SNAPSHOT:
        return lines_of_list(listed(content, name, **options))
    bill = Bill(source_reader(content, name), name, account="acme", issued_at="41")
    bill.read()
    return list(bill.rows())


@pytest.mark.parametrize("name", shipped_names())
def test_an_export_of_the_vendor_gives_what_stands_beside_it(name: str) -> None:
    expected = (EXPORTS / f"{name}.expected.jsonl").read_text().splitlines()
    assert result_of(name) == [json.loads(line) for line in expected]
