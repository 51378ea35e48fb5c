"""One word, one meaning: names of classes, and of what is imported."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

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
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(str(file.relative_to(ROOT)))
    assert {name: at for name, at in places.items() if len(at) > 1} == {}


def test_no_import_renames_a_part_of_the_product() -> None:
    renamed = [
        f"{file.relative_to(ROOT)}: {name.name} as {name.asname}"
        for file in MODULES
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("seat_ledger")
        for name in node.names
        if name.asname is not None
    ]
    assert renamed == []
