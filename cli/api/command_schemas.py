"""The description of what records: the operations' own models, as schemas."""

from __future__ import annotations

from typing import Any

from seat_ledger.cli.api.fields import (
    DOCUMENT_FIELDS,
    POSITIONS,
    Schema,
    schema_of_rows,
)
from seat_ledger.cli.output.csv_headers import RECORDED
from seat_ledger.commands.messages import OPERATIONS, Batch, Envelope, Operation

_COMMAND, _LINE = "Command", "BatchLine"
_NOT_SENT = {"expect", "actor"}
"""Fields of an envelope that are a file's, or the token's."""


def recording_paths(problems: Schema) -> Schema:
    """The addresses that record."""
    document = {"$ref": "#/components/schemas/Recorded"}
    content = {"application/json": {"schema": document}}

    def post(operation_id: str, summary: str, schema: str) -> Schema:
        body = {"$ref": f"#/components/schemas/{schema}"}
        return {
            "operationId": operation_id,
            "tags": ["commands"],
            "summary": summary,
            "description": f"{summary} Needs a token with the role writer, and a "
            "server with --allow-writes. The document is that of the command line.",
            "security": [{"token": []}],
            "parameters": _PARAMETERS,
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": body}},
            },
            "responses": {
                "200": {
                    "description": "Recorded before under this key, or a dry run.",
                    "content": content,
                },
                "201": {"description": "Recorded.", "content": content},
                **problems,
            },
        }

    return {
        "/v1/commands": {"post": post("record", "Record a command.", _COMMAND)},
        "/v1/batches": {
            "post": post("record_batch", "Record several as one step.", "Batch")
        },
    }


_PARAMETERS: list[Schema] = [
    {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "A command that comes again with the same key is recorded only "
        "once, for ever (R73).",
        "schema": {"type": "string", "minLength": 1, "maxLength": 200},
    },
    {
        "name": "dry_run",
        "in": "query",
        "required": False,
        "description": "Say what would be recorded, and record nothing.",
        "schema": {"type": "boolean", "default": False},
    },
]


def recording_schemas() -> dict[str, Schema]:
    """The schemas of commands, of lines of a batch, and of what was recorded."""
    operations = [operation for operation in OPERATIONS.values() if operation.IN_FILE]
    commands = {
        f"Command_{operation.OP}": _command(operation) for operation in operations
    }
    lines = {
        f"Line_{operation.OP}": _fields(operation)
        for operation in operations
        if operation.IN_BATCH
    }
    return {
        **commands,
        **lines,
        _COMMAND: _one_of(commands),
        _LINE: _one_of(lines),
        "Batch": _batch(),
        "Recorded": {
            "type": "object",
            "required": ["schema_version", "rows", "positions", "repeated", "dry_run"],
            "properties": {
                **DOCUMENT_FIELDS,
                "rows": {"type": "array", "items": schema_of_rows("", RECORDED)},
                "positions": {**POSITIONS, "description": "Of the command's events."},
                "repeated": {"type": "boolean"},
                "dry_run": {"type": "boolean"},
            },
        },
    }


def _one_of(schemas: dict[str, Schema]) -> Schema:
    references = {
        name.partition("_")[2]: f"#/components/schemas/{name}" for name in schemas
    }
    return {
        "oneOf": [{"$ref": reference} for reference in references.values()],
        "discriminator": {"propertyName": "op", "mapping": references},
    }


def _fields(operation: type[Operation]) -> Schema:
    """The schema of an operation, named by its word."""
    schema = _plain(operation.model_json_schema())
    properties = {
        **schema["properties"],
        "op": {"const": operation.OP, "type": "string"},
    }
    if operation is Batch:
        properties["commands"] = _lines(properties["commands"])
    required = dict.fromkeys(["op", *schema.get("required", [])])
    about = " ".join((operation.__doc__ or "").split("\n\n")[0].split())
    return {
        "type": "object",
        "description": about,
        "properties": properties,
        "required": [*required],
        "additionalProperties": False,
    }


def _command(operation: type[Operation]) -> Schema:
    """The same with the fields around it: the account, the key."""
    schema = _fields(operation)
    envelope = _plain(Envelope.model_json_schema())["properties"]
    beside = {
        name: field
        for name, field in envelope.items()
        if name not in _NOT_SENT and not (operation.OF_CATALOGUE and name == "account")
    }
    required = [] if operation.OF_CATALOGUE else ["account"]
    return {
        **schema,
        "properties": {**beside, **schema["properties"]},
        "required": [*schema["required"], *required],
    }


def _batch() -> Schema:
    schema = _command(Batch)
    return {**schema, "required": [n for n in schema["required"] if n != "op"]}


def _lines(commands: Schema) -> Schema:
    return {**commands, "items": {"$ref": f"#/components/schemas/{_LINE}"}}


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """A model's schema without titles, and with what it refers to in place."""
    definitions = schema.get("$defs", {})

    def resolved(value: Any) -> Any:
        if isinstance(value, list):
            return [resolved(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "$ref" in value:
            return resolved(definitions[value["$ref"].rpartition("/")[2]])
        return {
            key: resolved(item)
            for key, item in value.items()
            if key != "$defs" and not (key == "title" and isinstance(item, str))
        }

    plain: dict[str, Any] = resolved(schema)
    return plain
