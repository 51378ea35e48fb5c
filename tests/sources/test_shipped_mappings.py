"""Each shipped mapping, on an invented export in its vendor's shape.

What is expected stands beside the export, in `NAME.expected.jsonl`.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from seat_ledger.sources.bills import Bill
from seat_ledger.sources.choosing import draft_of, fits_of
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


def result_of(name: str, content: bytes) -> list[dict[str, Any]]:
    options = OPTIONS.get(name, {})
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
    content = export_of(name).read_bytes()
    assert result_of(name, content) == [json.loads(line) for line in expected]


@pytest.mark.parametrize("name", shipped_names())
@pytest.mark.parametrize(
    "dressed",
    [
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.encode("utf-16"),
        lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
        lambda text: gzip.compress(text.encode("utf-16")),
        lambda text: text.replace("\n", "\r\n").encode(),
    ],
)
def test_an_export_says_the_same_however_its_text_is_written(
    name: str, dressed: Callable[[str], bytes]
) -> None:
    """As by a redirection in PowerShell, which writes UTF-16, or by an editor."""
    plain = export_of(name).read_bytes()
    content = dressed(plain.decode("utf-8-sig"))
    assert result_of(name, content) == result_of(name, plain)
    fits = [fit.name for fit in fits_of(io.BytesIO(content), name) if fit.tally]
    assert name in fits
    assert draft_of(io.BytesIO(content), name) == draft_of(io.BytesIO(plain), name)
