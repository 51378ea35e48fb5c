"""The law and those who cite it: `seat_ledger/RULES.md`, the code and the tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RULES = (ROOT / "seat_ledger" / "RULES.md").read_text()
RULE = re.compile(r"(?<![A-Za-z0-9])[Rr]\d{2,3}(?![A-Za-z0-9])")
PRODUCT = ("seat_ledger", "projections", "cli", "scripts")


def defined() -> list[str]:
    """The rules of the document, in the order in which they stand there."""
    return re.findall(r"^- \*\*(R\d+)\*\*", RULES, re.MULTILINE)


def not_built_yet() -> set[str]:
    return set(RULE.findall(RULES.split("## 6. Not built yet", 1)[1]))


def cited_in(*folders: str) -> dict[str, Path]:
    """Each rule that a Python, SQL or Markdown file cites, with one such file."""
    return {
        rule.upper(): path
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in {".py", ".sql", ".md"} and path.name != "RULES.md"
        for rule in RULE.findall(path.read_text())
    }


def test_each_rule_is_defined_once() -> None:
    assert len(defined()) == len(set(defined()))
    assert "R01" in defined()


@pytest.mark.parametrize("folder", [*PRODUCT, "tests"])
def test_every_rule_that_is_cited_exists(folder: str) -> None:
    cited = cited_in(folder)
    unknown = {rule: path for rule, path in cited.items() if rule not in defined()}
    assert not unknown


def test_every_rule_is_named_by_a_test_or_not_built_yet() -> None:
    untested = set(defined()) - cited_in("tests").keys() - not_built_yet()
    assert not untested
