"""The description of the API (OpenAPI 3.1), made from what the commands declare.

Parameters come from the commands' options, the documents of answers from
:mod:`.documents`. ``scripts/reference`` writes it to ``openapi.json``.
"""

from __future__ import annotations

import json
from functools import cache

import click

from seat_ledger import __version__
from seat_ledger.cli.api.command_schemas import recording_paths, recording_schemas
from seat_ledger.cli.api.documents import document_schema
from seat_ledger.cli.api.endpoints import (
    FORMS,
    LONGEST_VALUE,
    Endpoint,
    answered_endpoints,
    audit_endpoint,
    endpoints,
    status_endpoint,
)
from seat_ledger.cli.api.fields import Schema
from seat_ledger.cli.api.sent_files import MEDIA_TYPES
from seat_ledger.cli.options.session import FURTHEST

_JSON = "application/json"
_TAG: Schema = {"schema": {"type": "string"}}
_HEADERS: Schema = {
    "ETag": {
        "description": "Changes with what is recorded; of an answer that depends on "
        "the clock, with the minute too.",
        **_TAG,
    },
    "Seat-Ledger-Position": {
        "description": "The position up to which was known.",
        "schema": {"type": "integer"},
    },
    "Seat-Ledger-Exit": {
        "description": "The exit status of the command, where it is not 0: 3 for "
        "findings, 12 where an account is set aside.",
        "schema": {"type": "integer"},
    },
}
_PROBLEM: Schema = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "exit", "try"],
    "properties": {
        "type": {"type": "string", "description": "Where the code is explained."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {
            "type": "string",
            "description": "What was asked, and what stands in the way.",
        },
        "code": {
            "type": "string",
            "description": "A stable word, explained at /problems/CODE.",
        },
        "exit": {"type": "integer", "description": "The command line's exit status."},
        "try": {"type": ["string", "null"], "description": "What to do next."},
        "entries": {
            "type": "array",
            "items": {"type": "integer"},
            "description": "The entries that stand in the way, by position.",
        },
        "lines": {
            "type": "array",
            "items": {"type": "integer"},
            "description": "The lines of a batch that are part of it.",
        },
    },
}
PROBLEMS = {
    "400": "The request cannot be read.",
    "401": "The token is missing, or none that works.",
    "403": "The request is not admitted.",
    "404": "What was named is not in the ledger.",
    "405": "The method is not possible here.",
    "413": "The body is too large, or there must be none.",
    "414": "The address is too long.",
    "422": "A rule of the ledger refuses.",
    "429": "Too many requests: ask again after a second.",
    "500": "A bug, or a record that disagrees with itself.",
    "503": "Too busy, or the database does not answer: ask again later.",
}

_OF_RECORDING = {
    "409": "Somebody was first, or the key was used for another command.",
    "415": "The body is of a kind that is not read here.",
}


@cache
def document_text() -> str:
    """The description, as it is served."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def document() -> Schema:
    """The description."""
    paths = {path: {"get": _operation(e)} for path, e in endpoints().items()}
    paths[status_endpoint().path] = {"get": _operation(status_endpoint())}
    paths[audit_endpoint().path] = {"post": _audit_operation()}
    paths |= recording_paths(problems("409", "415", *PROBLEMS))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Seat Ledger",
            "version": __version__,
            "summary": "An event-sourced ledger of paid-seat history.",
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": {"Problem": _PROBLEM, **_documents(), **recording_schemas()},
            "responses": {
                f"Problem{status}": _problem(status)
                for status in (*PROBLEMS, *_OF_RECORDING)
            },
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of `token create`.",
                }
            },
        },
        "security": [{"token": []}, {}],
    }


_ABOUT = (
    "Each question of the command line has an address of the same words: "
    "`seat who` is `/v1/seat/who`. The document of an answer is that of "
    "`--format json`, key for key; keys are only ever added, so ignore those that you "
    "do not know. Each says `as_of` and `known_at`; moments are written as for the "
    "command line. A failure is a problem document (RFC 9457)."
)


def _problem(status: str) -> Schema:
    schema = {"$ref": "#/components/schemas/Problem"}
    content = {"application/problem+json": {"schema": schema}}
    return {
        "description": {**PROBLEMS, **_OF_RECORDING}[status],
        "content": content,
    }


def problems(*statuses: str) -> Schema:
    """Responses that say no."""
    return {
        status: {"$ref": f"#/components/responses/Problem{status}"}
        for status in (statuses or PROBLEMS)
    }


def _audit_operation() -> Schema:
    """The audit of a file: its body is the file, and it answers as a question does."""
    operation = _operation(audit_endpoint())
    file = {"type": "string", "format": "binary"}
    content = {kind: {"schema": file} for kind in MEDIA_TYPES}
    operation["requestBody"] = {"required": True, "content": content}
    operation["responses"] |= problems("415")
    return operation


def _operation(endpoint: Endpoint) -> Schema:
    group = endpoint.words.split()[0]
    help_text = " ".join((endpoint.command.help or "").split())
    summary = help_text.split(". ")[0].rstrip(".") + "."
    headers = {name: of for name, of in _HEADERS.items() if name != "ETag"}
    seen: Schema = {}
    if endpoint.is_tagged:
        headers = _HEADERS
        seen["304"] = {
            "description": "As before (If-None-Match).",
            "headers": {"ETag": _HEADERS["ETag"]},
        }
    return {
        "operationId": endpoint.operation_id,
        "tags": [group],
        "summary": summary,
        "description": help_text,
        "parameters": [
            *(_parameter(name, param) for name, param in endpoint.params.items()),
            _FORMAT,
        ],
        "responses": {
            "200": {
                "description": "The answer.",
                "headers": headers,
                "content": {
                    _JSON: {"schema": _reference(endpoint)},
                    "application/jsonl": {"schema": {"type": "string"}},
                    "text/csv": {"schema": {"type": "string"}},
                },
            },
            **seen,
            **problems(),
        },
    }


_FORMAT: Schema = {
    "name": "format",
    "in": "query",
    "required": False,
    "description": "The document, its rows alone as JSON Lines, or as CSV.",
    "schema": {"type": "string", "enum": list(FORMS), "default": "json"},
}


def _parameter(name: str, param: click.Parameter) -> Schema:
    schema = parameter_schema(name, param)
    about = schema.pop("description", "")
    written: Schema = {"name": name, "in": "query", "required": param.required}
    if about:
        written["description"] = about
    return {**written, "schema": schema}


def parameter_schema(name: str, param: click.Parameter) -> Schema:
    """The schema of a parameter, with what it means."""
    schema = _schema_of(param)
    if param.multiple:
        schema = {"type": "array", "items": schema}
    about = getattr(param, "help", None) or _ARGUMENTS.get(name, "")
    return {**schema, "description": about} if about else schema


_ARGUMENTS = {
    "account": "The account's key.",
    "invoice": "The invoice's number.",
    "position": "The position of an entry.",
    "seat": "A seat, such as sales/professional#7 (in an address # is %23).",
    "seat_type": "A seat type, such as sales/professional.",
    "text": "A part of a key, an e-mail or a name.",
    "user": "A user, by key or e-mail.",
    "what": "Which table.",
}


def _schema_of(param: click.Parameter) -> Schema:
    kind = param.type
    if isinstance(param, click.Option) and param.is_flag:
        return {"type": "boolean", "default": False}
    if isinstance(kind, click.Choice):
        schema: Schema = {"type": "string", "enum": [*kind.choices]}
        default = param.to_info_dict().get("default")
        return {**schema, "default": default} if isinstance(default, str) else schema
    if isinstance(kind, click.IntRange):
        most = FURTHEST if kind.max is None else kind.max
        return {"type": "integer", "minimum": kind.min, "maximum": most}
    return {"type": "string", "maxLength": LONGEST_VALUE}


def _name_of_schema(endpoint: Endpoint) -> str:
    return endpoint.operation_id.title().replace("_", "")


def _reference(endpoint: Endpoint) -> Schema:
    return {"$ref": f"#/components/schemas/{_name_of_schema(endpoint)}"}


def _documents() -> dict[str, Schema]:
    """The document of each question."""
    return {
        _name_of_schema(endpoint): document_schema(endpoint.words)
        for endpoint in answered_endpoints()
    }


if __name__ == "__main__":
    print(document_text(), end="")
