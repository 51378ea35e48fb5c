"""The published JSON Schemas, as 'help schema' prints them."""

from __future__ import annotations

from importlib import resources

_PACKAGE = "seat_ledger.cli.topics.schemas"
COMMANDS, FAILURE, OF_RECORDING = "command", "error", "recorded"


def file_name(words: str) -> str:
    """The file of a schema: ``billing-counts.json``."""
    return f"{words.replace(' ', '-')}.json"


def names() -> list[str]:
    """The files that there are, without their ending."""
    files = resources.files(_PACKAGE).iterdir()
    return sorted(
        file.name.removesuffix(".json") for file in files if file.name.endswith(".json")
    )


def read(words: str) -> str | None:
    """The text of a schema; None where there is none of that name."""
    file = resources.files(_PACKAGE).joinpath(file_name(words))
    return file.read_text("utf-8") if file.is_file() else None
