"""Account keys are compared exactly (DOMAIN 2); what looks alike is pointed out."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest

from tests.in_process import Program
from tests.program import OPEN

CAFE = unicodedata.normalize("NFC", "Café-Straße")
ALIKE = [unicodedata.normalize("NFD", CAFE), CAFE.upper(), "café-STRASSE"]
TERMS = ("--term-start", "2025-03-05", "--term-months", 12)
CYCLE = ("--billing-cycle-months", 1)
NEW = ("--name", "Any", "--time-zone", "UTC", *TERMS, *CYCLE)


@pytest.fixture
def program(database: str, tmp_path: Path) -> Program:
    result = Program(database, tmp_path)
    result.record({**OPEN, "account": CAFE}, {**OPEN, "account": "other"})
    return result


def test_a_key_that_is_not_there_offers_the_account_that_looks_like_it(
    program: Program,
) -> None:
    for key in ALIKE:
        for words in (
            ("account", "show", key),
            ("seat", "list", "-a", key),
            ("seat", "buy", "sales/professional", 1, "-a", key),
        ):
            hint = program.refused("account_not_found", *words)["try"]
            assert f"did you mean '{CAFE}'?" in hint, words
    for words in (("user", "list"), ("seat", "buy", "sales/professional", 1)):
        near = program.refused("account_not_found", *words, "-a", "ohter")["try"]
        assert "did you mean 'other'?" in near
    hint = program.refused("account_not_found", "account", "show", "nobody")["try"]
    assert "did you mean" not in hint


def test_a_file_that_opens_accounts_which_look_like_others_is_warned_of(
    program: Program, tmp_path: Path
) -> None:
    keys = [*ALIKE, "plain", "Shop", "shop"]
    file = tmp_path / "accounts"
    file.write_text("".join(json.dumps({**OPEN, "account": k}) + "\n" for k in keys))
    for words in (("--dry-run",), (), ("--format", "json")):
        done = program.run("import", file, *words)
        assert done.status == 0, done.err
        warned = done.err.count("Warning: there is an account")
        # the four of the café, each with those before it, and the two shops
        assert warned == (0 if "json" in words else 5), done.err
        assert ("2 more such pairs" in done.err) == (warned == 5)
        assert "'plain'" not in done.err


def test_each_pair_that_was_recorded_is_warned_of_once(
    program: Program, tmp_path: Path
) -> None:
    """What was refused, or is recorded already, is no account of this file's."""
    file, wrong = tmp_path / "accounts", {"time_zone": "Nowhere/Here"}
    lines = [
        {**OPEN, "account": "Shop"},
        {**OPEN, "account": CAFE.upper(), **wrong},
        {**OPEN, "account": "OTHER", "name": "second", "term_months": "x"},
        {**OPEN, "account": "shop"},
        {**OPEN, "account": "shop", "name": "again"},
    ]
    text = "".join(f"\n{json.dumps(line)}\n" for line in lines)
    file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    for words, warned in (("--dry-run",), ["shop"]), ((), ["shop"]), ((), []):
        done = program.run("import", file, "--keep-going", *words)
        assert done.status == 1, done.err
        warnings = [w for w in done.err.splitlines() if w.startswith("Warning:")]
        assert len(warnings) == len(warned), done.err
        for account, warning in zip(warned, warnings, strict=True):
            assert f"there is an account 'Shop', from which '{account}'" in warning


def test_opening_an_account_that_looks_like_another_one_is_warned_of(
    program: Program,
) -> None:
    plain = program.run("account", "open", "unlike", *NEW)
    assert (plain.status, plain.err) == (0, "")
    for key in ALIKE[:2]:
        done = program.run("account", "open", key, *NEW)
        assert done.status == 0
        assert f"Warning: there is an account '{CAFE}'" in done.err
    keys = {row["account"] for row in program.json("account", "list")["rows"]}
    assert keys == {CAFE, "other", "unlike", *ALIKE[:2]}
