"""The mappings that the program brings, and those of files."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path

from seat_ledger.domain.values import shown
from seat_ledger.errors import InvalidInput
from seat_ledger.sources.mapping import MAX_BYTES, SourceMapping, read_mapping
from seat_ledger.store.input_files import read_text

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


def mapping_named(name: str) -> SourceMapping:
    """The mapping of a shipped name, or of a file. Raises InvalidInput."""
    if name in shipped_names():
        return read_mapping(shipped_text(name), name)
    try:
        text = read_text(Path(name), MAX_BYTES)
    except FileNotFoundError as error:
        raise InvalidInput(
            f"There is no mapping {shown(name)}: it is neither a shipped name nor a "
            "file.",
            try_="seat-ledger source list",
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidInput(
            f"The mapping {shown(name)} cannot be read: {reason}.",
            try_="name a TOML file, or one of 'seat-ledger source list'",
        ) from error
    return read_mapping(text, Path(name).name)
