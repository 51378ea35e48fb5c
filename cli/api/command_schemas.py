"""The schemas of what records: the operations' own models, of the API and of files."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from seat_ledger.cli.api.documents import document_schema
from seat_ledger.cli.api.fields import Schema, plain_schema
from seat_ledger.cli.output.schemas import OF_RECORDING
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
        "Recorded": document_schema(OF_RECORDING),
    }


def file_schema() -> Schema:
    """The schema of a line of a command file (CLI 4), from the models that read it."""
    operations = [operation for operation in OPERATIONS.values() if operation.IN_FILE]
    commands = {operation.OP: _command(operation, ()) for operation in operations}
    batch = commands[Batch.OP]["properties"]
    batch["commands"] = {**batch["commands"], "items": {"$ref": "#/$defs/line"}}
    lines = {op.OP: _fields(op) for op in operations if op.IN_BATCH}
    return {
        **_by_operation(commands, "command"),
        "$defs": {
            **{f"command_{op}": schema for op, schema in commands.items()},
            **{f"line_{op}": schema for op, schema in lines.items()},
            "line": _by_operation(lines, "line"),
        },
    }


def _by_operation(operations: Iterable[str], prefix: str) -> Schema:
    """A schema that says of each operation which one its fields have."""
    return {
        "type": "object",
        "required": ["op"],
        "properties": {"op": {"enum": [*operations]}},
        "allOf": [
            {
                "if": {"properties": {"op": {"const": op}}, "required": ["op"]},
                "then": {"$ref": f"#/$defs/{prefix}_{op}"},
            }
            for op in operations
        ],
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
    schema = plain_schema(operation.model_json_schema())
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


def _command(
    operation: type[Operation], without: Collection[str] = _NOT_SENT
) -> Schema:
    """The same with the fields around it: the account, the key."""
    schema = _fields(operation)
    envelope = plain_schema(Envelope.model_json_schema())["properties"]
    beside = {name: kind for name, kind in envelope.items() if name not in without}
    if operation.OF_CATALOGUE:
        beside["account"] = {"type": "null"}
    elif operation.FOR_ALL:
        beside["account"] = {"anyOf": [beside["account"], {"type": "null"}]}
    is_of_one = not (operation.OF_CATALOGUE or operation.FOR_ALL)
    required = ["account"] if is_of_one else []
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
