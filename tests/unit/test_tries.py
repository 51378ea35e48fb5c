"""Every command that the product tells people to try is one that runs.

The texts are found in the source: wherever a text names a command, in quotation marks
or up to its end, that command is parsed by the program itself, with what it requires.
"""

from __future__ import annotations

import ast
import functools
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.named_commands import COMMAND, named_in, why_not
from tests.support.syntax import nodes, tree_of

ROOT = Path(__file__).parents[2]
SOURCES = [
    file
    for room in ("cli", "projections", "seat_ledger")
    for file in sorted((ROOT / room).rglob("*.py"))
]
PAGES = [
    *sorted((ROOT / "cli" / "console" / "templates").glob("*.html")),
    *sorted((ROOT / "cli" / "output" / "texts").glob("*.json")),
]
"""Templates and catalogues: what a page or a letter says in either language."""
VALUE = "1"
"""What stands for a value that is filled in: a key, a position and a number alike."""


def text_of(node: ast.expr) -> str | None:
    """A text as it is written, with a value in place of what is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = (
            part.value if isinstance(part, ast.Constant) else VALUE
            for part in node.values
        )
        return "".join(map(str, parts))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        both = text_of(node.left), text_of(node.right)
        whole = "".join(VALUE if text is None else text for text in both)
        return whole if "seat-ledger" in whole else None
    return None


def texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The texts of a module but its documentation, each whole."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.List):  # words that are put together elsewhere
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue  # a docstring
        text = text_of(node) if isinstance(node, ast.expr) else None
        if text is None:
            yield from texts(node)
        else:
            yield node.lineno, text  # type: ignore[attr-defined]


@functools.cache
def tries() -> list[tuple[str, str]]:
    """Where each command is named, and its words."""
    return sorted(set(commands()))


def commands() -> Iterator[tuple[str, str]]:
    for file in SOURCES:
        for line, text in texts(tree_of(file)):
            for words in named_in(text):
                yield f"{file.relative_to(ROOT)}:{line}", words
    for file in PAGES:
        for line, text in enumerate(file.read_text().splitlines(), 1):
            for words in named_in(re.sub(r'<[^>]*>|",?$', "   ", text)):
                yield f"{file.relative_to(ROOT)}:{line}", words


WORDS = re.compile(
    r"as_word\(|_keys\(|options_of_reading\(|iso\(|\['(position|finding|period|seat_type"
    r"|reduce_by|opened_by|name)'\]$|^(position|entries|entries\[0\]|key|keys|word|words"
    r"|command|seat|account|rule|REBUILD|token_id|subscription_id)$"
)
"""What may stand in a command as it is: a foreign text by `as_word`, maybe beforehand,
and what is a word whatever its value, as a number or a date is."""


def unquoted() -> Iterator[str]:
    """Where a text that somebody else wrote is put into a command as it is."""
    for file in SOURCES:
        module = file.read_text()
        for node in nodes(file):
            if not isinstance(node, ast.JoinedStr):
                continue
            before = ""
            for part in node.values:
                if isinstance(part, ast.Constant):
                    before += str(part.value)
                elif isinstance(part, ast.FormattedValue) and COMMAND.search(before):
                    value = ast.unparse(part.value)
                    if not WORDS.search(value) or (
                        value in QUOTED_BEFORE
                        and not re.search(rf"\b{value}\b.* = .*(as_word|_keys)", module)
                    ):
                        yield f"{file.relative_to(ROOT)}:{node.lineno}: {value}"


QUOTED_BEFORE = {"key", "keys", "word", "seat", "account"}


def test_a_foreign_text_is_one_word_of_a_command() -> None:
    """So a key with a blank or a quotation mark in it can be pasted."""
    assert list(unquoted()) == []


def test_the_places_are_listed() -> None:
    assert len(tries()) > 60
    words = {command for _, command in tries()}
    assert {"projection rebuild", "user list --account 1", "event show 1"} <= words
    assert "invoice audit FILE --keep" in words  # a template
    assert "serve --allowed-host NAAM" in words  # a catalogue


def test_a_command_that_is_named_is_one_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("SEAT_LEDGER_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    for file in ("FILE", "PROOF"):
        (tmp_path / file).touch()
    messages = [(place, command, why_not(command)) for place, command in tries()]
    assert [message for message in messages if message[2]] == []
