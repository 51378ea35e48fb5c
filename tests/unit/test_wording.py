"""What is said of numbers reads as people write it: 1 seat, 2 seats."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from seat_ledger.domain.wording import counted, enumerated

ROOT = Path(__file__).parents[2]
PRODUCT = [
    file
    for room in ("seat_ledger", "projections", "cli")
    for file in sorted((ROOT / room).rglob("*.py"))
]
NOUNS = (
    "seats|users|lines|events|accounts|entries|findings|rows|periods|days|people"
    "|commands|invoices|checkpoints|files|bytes|types|columns|prices|renewals|notes"
    "|figures|holders|keys|tables|addresses|documents|tokens|characters|facts|lists"
    "|months|contracts|subscribers|grants|renewals|dates|moments|results|charts"
)
PLURAL = re.compile(rf" (?:(?!has|names|the|and|among)[a-z]+ )?({NOUNS})\b")
"""Whatever one word stands between: ``{count} new events``."""
NO_COUNT = {"self.account_key", "verb", "figure.month.days"}
"""What is no number, or never one."""
VERB = re.compile(r" (?:more )?(are|were|have)\b")
"""Behind what has commas between its thousands, and so is a number."""


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 seats"), (1, "1 seat"), (2, "2 seats"), (1200, "1,200 seats")],
)
def test_a_number_and_what_it_counts(number: int, text: str) -> None:
    assert counted(number, "seat") == text


def test_a_plural_of_its_own_may_have_a_verb() -> None:
    forms = [counted(number, "entry is", "entries are") for number in (1, 3)]
    assert forms == ["1 entry is", "3 entries are"]


def test_what_is_enumerated_has_one_and() -> None:
    series = [enumerated("ABC"[:number]) for number in range(4)]
    assert series == ["", "A", "A and B", "A, B and C"]


def test_no_sentence_chains_its_parts_by_and() -> None:
    chained = re.compile(r"""['"] and (\w+ )?['"]\.join""")
    faults = [
        f"{file.relative_to(ROOT)}: {match[0]}"
        for file in PRODUCT
        for match in chained.finditer(file.read_text("utf-8"))
    ]
    assert faults == []


def test_no_sentence_has_a_plural_whatever_the_number() -> None:
    faults = [
        f"{file.relative_to(ROOT)}:{line}: {text}"
        for file in PRODUCT
        for line, text in _plurals(ast.parse(file.read_text("utf-8")))
    ]
    assert faults == []


NOT_ONE = {
    "error_text_too_many", "attention_sealed_long_ago", "chart_thinned", "days_of",
    "message_too_many_rows", "message_long_line", "message_long_cell", "message_cells",
    "message_currencies",
    "report_rules", "report_first_findings", "reproduced_same", "count_invoices",
    "count_accounts", "error_text_long_line", "line_bounds_twice.one",
}  # fmt: skip
"""Texts whose number is a limit, or more than one wherever they are shown."""
DUTCH = (
    "seats|gebruikers|regels|gebeurtenissen|accounts|boekingen|bevindingen|rijen"
    "|periodes|perioden|dagen|facturen|bestanden|bytes|types|kolommen|prijzen|cijfers"
    "|verlengingen|houders|tekens|feiten|lijsten|maanden|contracten|momenten|cellen"
    "|resultaten|grafieken"
)


@pytest.mark.parametrize(("language", "nouns"), [("en", NOUNS), ("nl", DUTCH)])
def test_texts_with_a_plural_have_a_singular(language: str, nouns: str) -> None:
    """One that counts has two forms, `.one` and `.many`, in each language."""
    path = ROOT / f"cli/output/texts/{language}.json"
    texts: dict[str, str] = json.loads(path.read_text("utf-8"))
    after_a_number = re.compile(rf"\{{(?!most\b)\w+\}} (?:[\w-]+ )?({nouns})\b")
    faults = [
        f"{key}: {text}"
        for key, text in texts.items()
        if after_a_number.search(text)
        and not key.endswith(".many")
        and key not in NOT_ONE
    ]
    assert faults == []


def _plurals(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Numbers in texts before a plural, but for limits, which are constants.

    Measurements, which have a format of their own, are no counts of things.
    """
    for text in ast.walk(tree):
        if not isinstance(text, ast.JoinedStr):
            continue
        for value, after in zip(text.values, text.values[1:], strict=False):
            if not isinstance(value, ast.FormattedValue):
                continue
            name = ast.unparse(value.value)
            is_limit = re.fullmatch(r"[\w.]*\b_?[A-Z][A-Z_]+(\[.*\])?", name)
            spec = ast.unparse(value.format_spec) if value.format_spec else ""
            is_limit = is_limit or name in NO_COUNT or name.startswith("between")
            is_limit = bool(is_limit) or spec not in {"", "f','"}
            behind = str(after.value) if isinstance(after, ast.Constant) else ""
            match = PLURAL.match(behind)
            if spec == "f','":
                match = match or VERB.match(behind)
            if match and not is_limit:
                yield value.lineno, f"{name}{match[0]}"
