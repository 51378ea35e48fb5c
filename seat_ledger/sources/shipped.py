"""The mappings that come with the program."""

from __future__ import annotations

from functools import cache
from importlib import resources

from seat_ledger.sources.mapping import SourceMapping, read_mapping

_FOLDER = "mappings"
_SUFFIX = ".toml"


@cache
def shipped_names() -> tuple[str, ...]:
    """The names of the mappings that the program brings."""
    folder = resources.files(__package__).joinpath(_FOLDER)
    return tuple(
        sorted(
            entry.name.removesuffix(_SUFFIX)
            for entry in folder.iterdir()
            if entry.name.endswith(_SUFFIX)
        )
    )


def shipped_text(name: str) -> str:
    """The TOML of a mapping that the program brings."""
    folder = resources.files(__package__).joinpath(_FOLDER)
    return folder.joinpath(f"{name}{_SUFFIX}").read_text("utf-8")


def shipped_mapping(name: str) -> SourceMapping:
    """A mapping that the program brings."""
    return read_mapping(shipped_text(name), name)
