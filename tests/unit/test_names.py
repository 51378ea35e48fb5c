"""People in an answer's words: named, erased, without e-mail, hidden."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from seat_ledger.cli.output.names import person_in
from seat_ledger.cli.output.windows import window_sentences
from seat_ledger.domain.calendar import ZoneHistory

NAMES = [
    ({"user": "ann", "name": "Ann", "email": "a@x.example"}, "Ann <a@x.example>"),
    ({"user": "e-1", "name": "e-1", "email": "e-1"}, "e-1"),
    ({"user": "bot", "name": "Bot", "email": None}, "Bot"),
    ({"user": "user-7", "name": None, "email": None}, "user-7"),
]


@pytest.mark.parametrize(("row", "name"), NAMES)
def test_a_person_has_a_name_also_where_it_is_hidden(
    row: dict[str, Any], name: str
) -> None:
    assert person_in(row) == name
    ends = {
        "effective_after": datetime(2025, 3, 1, tzinfo=UTC),
        "effective_at": datetime(2025, 3, 2, tzinfo=UTC),
    }
    window = {**row, **ends, "seat": "sales/professional#1", "change": "assigned"}
    (sentence,) = window_sentences([window], ZoneHistory("UTC"))
    assert f": {name} was seen without it until" in sentence
