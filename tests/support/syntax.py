"""Syntax trees of files, each parsed once for all tests that look at the source."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path


@cache
def tree_of(file: Path) -> ast.Module:
    """A file's syntax tree."""
    return ast.parse(file.read_text())


@cache
def nodes(file: Path) -> list[ast.AST]:
    """All of a file's syntax tree."""
    return [*ast.walk(tree_of(file))]
