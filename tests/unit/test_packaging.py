"""What an installed wheel brings: one package, with all of its parts."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def folders_with_modules() -> set[str]:
    result = set()
    for top in ("seat_ledger", "projections", "cli"):
        for module in (ROOT / top).glob("**/__init__.py"):
            name = ".".join(module.parent.relative_to(ROOT).parts)
            result.add(name if top == "seat_ledger" else f"seat_ledger.{name}")
    return result


def test_the_wheel_brings_one_package_with_every_folder() -> None:
    packages = set(PROJECT["tool"]["setuptools"]["packages"])
    assert {name.partition(".")[0] for name in packages} == {"seat_ledger"}
    assert packages == folders_with_modules()


def test_every_file_that_is_no_module_is_packaged() -> None:
    patterns = PROJECT["tool"]["setuptools"]["package-data"]
    packaged = {
        file.resolve()
        for package, globs in patterns.items()
        for pattern in globs
        for file in ROOT.joinpath(*package.split(".")).glob(pattern)
    }
    missing = [
        file
        for top in ("seat_ledger", "projections", "cli")
        for file in (ROOT / top).rglob("*")
        if file.is_file()
        and file.suffix not in {".py", ".pyc"}
        and file.name not in {"README.md", "REFERENCE.md"}
        and file.resolve() not in packaged
    ]
    assert not missing
