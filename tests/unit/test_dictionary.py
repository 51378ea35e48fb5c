"""One word, one meaning: names of classes, of what is imported, and of all else."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.support.syntax import nodes

ROOT = Path(__file__).parents[2]
MODULES = [
    file
    for room in ("seat_ledger", "projections", "cli")
    for file in sorted((ROOT / room).rglob("*.py"))
    if file.resolve() == file
]


def test_a_class_name_stands_once_in_the_product() -> None:
    places = defaultdict(list)
    for file in MODULES:
        for node in nodes(file):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(str(file.relative_to(ROOT)))
    assert {name: at for name, at in places.items() if len(at) > 1} == {}


def test_no_import_renames_a_part_of_the_product() -> None:
    renamed = [
        f"{file.relative_to(ROOT)}: {name.name} as {name.asname}"
        for file in MODULES
        for node in nodes(file)
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("seat_ledger")
        for name in node.names
        if name.asname is not None
    ]
    assert renamed == []


FORBIDDEN = {
    *("told", "said", "say", "tell", "asked", "wanted", "found", "standing", "given"),
    *("kept", "some", "made", "gone", "come", "upto", "rest"),
}
"""Words that name nothing: CONTRIBUTING.md says what to write instead."""
ALONE = FORBIDDEN | {"one", "known"}
ALLOWED = {"NotFound", "connection_made"}
"""The error's name in every field; a method that asyncio calls."""
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def _parts(name: str) -> list[str]:
    if name.lstrip("_")[:1].isupper() and not name.isupper():
        return [part.lower() for part in re.findall("[A-Z][a-z]*", name)]
    return [part for part in name.lower().split("_") if part]


def _is_forbidden(name: str) -> bool:
    parts = _parts(name)
    alone = len(parts) == 1 and parts[0] in ALONE
    return name not in ALLOWED and (alone or not FORBIDDEN.isdisjoint(parts))


def _bound(node: ast.AST) -> Iterator[str]:
    """The names that a node of the syntax tree binds."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name
        case ast.arg():
            yield node.arg
        case ast.Name(ctx=ast.Store()):
            yield node.id
        case ast.Attribute(ctx=ast.Store()):
            yield node.attr
        case ast.ExceptHandler(name=str(name)) | ast.alias(asname=str(name)):
            yield name


def _names(files: list[Path]) -> list[str]:
    return [
        f"{file.relative_to(ROOT)}: {name}"
        for file in files
        for node in nodes(file)
        for name in _bound(node)
    ]


def _forbidden(names: list[str]) -> list[str]:
    return [name for name in names if _is_forbidden(name.partition(": ")[2])]


def test_names_are_the_words_of_the_field() -> None:
    assert _forbidden(_names(MODULES)) == []


def test_names_in_tests_are_too_but_for_five_in_a_thousand() -> None:
    names = _names(TESTS)
    forbidden = _forbidden(names)
    assert len(forbidden) * 1000 <= 5 * len(names), forbidden
