"""The mapping that an option names: one that the program brings, or a file."""

from __future__ import annotations

from pathlib import Path

from seat_ledger.domain.values import shown
from seat_ledger.errors import InvalidInput
from seat_ledger.sources.mapping import MAX_BYTES, SourceMapping, read_mapping
from seat_ledger.sources.shipped import shipped_mapping, shipped_names
from seat_ledger.store.input_files import read_text


def mapping_named(name: str) -> SourceMapping:
    """The mapping of a shipped name, or of a file. Raises InvalidInput."""
    if name in shipped_names():
        return shipped_mapping(name)
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
