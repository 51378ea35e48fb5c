"""What the definitions of the projections may not use."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PROJECTIONS = Path(__file__).parents[2] / "projections"
CLOCKS_AND_CHANCE = re.compile(
    r"\b(now|clock_timestamp|statement_timestamp|transaction_timestamp|timeofday"
    r"|random|gen_random_uuid|current_setting|to_char)\s*\("
    r"|\b(current_date|current_time|current_timestamp|localtime|localtimestamp)\b",
    re.IGNORECASE,
)
STATEMENTS = [
    *PROJECTIONS.glob("*/definition.sql"),
    *PROJECTIONS.glob("*/decode.sql"),
    *PROJECTIONS.glob("*/rows.sql"),
    *PROJECTIONS.glob("*/refresh.sql"),
    PROJECTIONS / "billing" / "figures.sql",
]


@pytest.mark.parametrize("file", STATEMENTS, ids=lambda file: "-".join(file.parts[-2:]))
def test_r75_what_fills_the_tables_asks_no_clock_locale_or_chance(file: Path) -> None:
    statements = re.sub(r"--.*", "", file.read_text())
    assert not CLOCKS_AND_CHANCE.findall(statements)
