"""What measures the product is a part of it, and moves with it."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from scripts import benches

NAMES = sorted(file.stem for file in Path(benches.__path__[0]).glob("*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_every_bench_can_be_imported(name: str) -> None:
    importlib.import_module(f"scripts.benches.{name}")
