"""The JSON Schemas that are published: a file for each document, and for command files.

``scripts/reference`` writes them to ``cli/schemas``; 'seat-ledger help schema' prints
them. Each says what this version writes; keys are only ever added, so a schema does not
forbid those of later versions.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from seat_ledger.cli.api.command_schemas import file_schema
from seat_ledger.cli.api.documents import document_schema
from seat_ledger.cli.api.fields import Schema
from seat_ledger.cli.output.csv_headers import HEADERS
from seat_ledger.cli.output.schemas import COMMANDS, FAILURE, OF_RECORDING, file_name

DIALECT = "https://json-schema.org/draft/2020-12/schema"
WITH_DOCUMENTS = (*HEADERS, "seat save", "user erase", OF_RECORDING)
_FAILURE: Schema = {
    "type": "object",
    "description": "The last line of stderr where a command fails.",
    "required": ["type", "code", "exit", "message", "try"],
    "properties": {
        "type": {"const": "error"},
        "code": {"type": "string"},
        "exit": {"type": "integer"},
        "message": {"type": "string"},
        "try": {"type": ["string", "null"]},
    },
}


def published() -> Iterator[tuple[str, Schema]]:
    """Each schema, by what it is of."""
    for words in sorted(WITH_DOCUMENTS):
        yield words, _of_document(words)
    yield COMMANDS, _headed(COMMANDS, "A line of a command file", file_schema())
    yield FAILURE, _headed(FAILURE, "Why a command failed", _FAILURE)


def text_of(schema: Schema) -> str:
    """A schema as its file has it."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def _of_document(words: str) -> Schema:
    """The schema of a document; that of its rows alone stands under ``$defs``."""
    schema = document_schema(words)
    rows = schema["properties"]["rows"]
    row, rows["items"] = rows["items"], {"$ref": "#/$defs/row"}
    title = f"seat-ledger {words} --format json"
    if words == OF_RECORDING:
        title = "What a command that records prints with --format json"
    return {**_headed(words, title, schema), "$defs": {"row": row}}


def _headed(words: str, title: str, schema: Schema) -> Schema:
    name = file_name(words).removesuffix(".json")
    head = {"$schema": DIALECT, "$id": f"urn:seat-ledger:{name}:1", "title": title}
    return {**head, **schema}


def write_to(folder: Path) -> None:
    """Write every schema, and remove what is none any more."""
    files = {file_name(words): text_of(schema) for words, schema in published()}
    for path in folder.glob("*.json"):
        if path.name not in files:
            path.unlink()
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")


if __name__ == "__main__":
    write_to(Path(sys.argv[1]))
