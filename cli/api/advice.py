"""What to do about a problem over HTTP: addresses in place of commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import click
from click.core import ParameterSource

from seat_ledger.cli.api.endpoints import Endpoint, endpoints
from seat_ledger.cli.api.wording import fields
from seat_ledger.cli.main import program
from seat_ledger.cli.options.session import Session
from seat_ledger.cli.output.render import to_json

_COMMAND = re.compile(
    r"(?<!\S)'seat-ledger (?P<quoted>(?:[^'\n]|'[^'\s]+')*?)'(?![\w/])"
    r"|(?<![\w'/])seat-ledger (?P<bare>[a-z][^\n]*?)(?=$|\n|   |; |, | \(|\))"
)
_READS = "help "
_EXPLAINED = "--help"


def for_clients(text: str) -> str:
    """A text whose commands are what a client can send; what is the operator's alone
    says that it is done on the server.
    """
    if "seat-ledger " not in text:
        return text
    return _COMMAND.sub(_in_requests, text)


def _in_requests(match: re.Match[str]) -> str:
    words = (match["quoted"] or match["bare"]).rstrip(".")
    if words.startswith(_READS):
        return match[0]
    request = _request_of(words)
    if request is None:
        request = f"on the server, '{match[0].strip(chr(39))}'"
    return request + "." * match[0].endswith(".")


def _request_of(words: str) -> str | None:
    """The request that does what a command line does; None where there is none."""
    command, path, arguments = _command_of(words)
    operation: str = getattr(command.callback, "operation", "")
    if operation and _EXPLAINED in arguments:
        return "/openapi.json"
    endpoint = endpoints().get("/v1/" + path.replace(" ", "/"))
    if endpoint is None and not operation:
        return None
    try:
        context = command.make_context(path, arguments, obj=Session())
    except click.ClickException:
        return None
    return _address(endpoint, context) if endpoint else _recorded(operation, context)


def _address(endpoint: Endpoint, context: click.Context) -> str:
    query = urlencode([*_query(endpoint, context)], quote_via=quote)
    return f"GET {endpoint.path}?{query}" if query else f"GET {endpoint.path}"


def _recorded(operation: str, context: click.Context) -> str | None:
    body = {name: value for name, value in _options(context) if name in fields()}
    if "account" in context.params and "account" not in body:
        return None
    return f"POST /v1/commands with {to_json({'op': operation, **body})}"


def _command_of(text: str) -> tuple[click.Command, str, list[str]]:
    """The command of a command line, its words, and its arguments."""
    words, path = shlex.split(text), list[str]()
    command: click.Command = program
    node = click.Context(program, obj=Session())
    while isinstance(command, click.Group):
        inner = command.get_command(node, words[0]) if words else None
        if inner is None:
            break
        path.append(words.pop(0))
        command = inner
    return command, " ".join(path), words


def _options(context: click.Context) -> Iterator[tuple[str, Any]]:
    """What a command line says, by the names that its command has for it."""
    for name, value in context.params.items():
        if context.get_parameter_source(name) == ParameterSource.COMMANDLINE:
            yield name, value


def _query(endpoint: Endpoint, context: click.Context) -> Iterator[tuple[str, str]]:
    """The parameters of an address that say what a command line does."""
    options = dict(_options(context))
    for public, param in endpoint.params.items():
        if param.name not in options:
            continue
        value = options[param.name]
        values = value if isinstance(value, tuple) else (value,)
        for each in values:
            yield public, str(each).lower() if isinstance(each, bool) else str(each)
