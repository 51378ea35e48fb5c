"""Every command that a page of documentation shows or names is one of the program."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from seat_ledger.cli.main import program
from tests.support.named_commands import unusable, why_not

ROOT = Path(__file__).parents[2]
PAGES = [
    *sorted((ROOT / "cli" / "topics").rglob("*.md")),
    *(ROOT / name for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md")),
]
OPENAPI = ROOT / "cli" / "api" / "openapi.json"
FENCED = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINE = re.compile(r"\s*(?:\$ |sudo |[A-Z_]+=\S+ )*seat-ledger (.*)")
REDIRECTED = re.compile(r"\s+(?:#|\||2?>|<|&|;)(?:\s|&|$)")
INLINE = re.compile(r"`seat-ledger ([^`]*)`")
OPTION = re.compile(r"(?<!\S)[\[(]?(--?[a-z][a-z-]*)")


def shown() -> Iterator[tuple[str, str]]:
    """The lines that stand in a block, to be typed as they are."""
    for page in PAGES:
        for block in FENCED.findall(re.sub(r"\\\n\s*", " ", page.read_text())):
            for line in block.splitlines():
                if typed := LINE.match(line):
                    yield page.name, REDIRECTED.split(typed[1])[0]


def mentioned() -> Iterator[tuple[str, str]]:
    """The commands that stand in a sentence: bare, or with what they may take."""
    for page in PAGES:
        prose = " ".join(FENCED.sub("", page.read_text()).split())
        for command in INLINE.findall(prose):
            yield page.name, command


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")


def test_a_line_of_a_block_runs_as_it_stands() -> None:
    lines = sorted({*shown()})
    assert len(lines) > 60
    whys = [(page, line, why_not(line)) for page, line in lines]
    missing = re.compile(r"'[^']+' does not exist")
    assert [each for each in whys if each[2] and not missing.search(each[2])] == []


def commands_of(words: list[str]) -> Iterator[click.Command]:
    """The commands that the first words name; `one|other` names both."""
    groups: list[tuple[click.Command, list[str]]] = [(program, words)]
    while groups:
        command, left = groups.pop()
        context = click.Context(command)
        if not isinstance(command, click.Group) or not left:
            yield command
            continue
        for name in left[0].split("|"):
            inner = command.get_command(context, name)
            assert inner is not None, f"unknown command {name!r}"
            groups.append((inner, left[1:]))


def test_a_command_in_a_sentence_is_there_with_each_option_that_it_names() -> None:
    commands = sorted({*mentioned()})
    assert len(commands) > 60
    wrong = []
    for page, text in commands:
        try:
            found = [*commands_of(text.split())]
        except AssertionError as error:
            wrong.append((page, text, str(error)))
            continue
        for command in found:
            taken = {name for param in command.params for name in param.opts}
            taken |= {"--help", "-h"}
            unknown = [name for name in OPTION.findall(text) if name not in taken]
            wrong += [(page, text, name) for name in unknown]
    assert wrong == []


def texts(document: Any) -> Iterator[str]:
    if isinstance(document, str):
        yield document
    elif isinstance(document, dict | list):
        inner = document.values() if isinstance(document, dict) else document
        for each in inner:
            yield from texts(each)


def test_a_command_in_the_description_of_the_api_runs() -> None:
    named = [text for text in texts(json.loads(OPENAPI.read_text()))
             if "seat-ledger " in text]  # fmt: skip
    assert [problem for text in named for problem in unusable(text)] == []
