"""Questions as tools for assistants: bounded answers, each with how to repeat it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

import click

from seat_ledger.cli.api.answering import ApiQuestion, ApiRequest
from seat_ledger.cli.api.endpoints import Endpoint, endpoint_of
from seat_ledger.cli.api.openapi import parameter_schema
from seat_ledger.cli.output.failures import advice
from seat_ledger.cli.output.render import document, to_json
from seat_ledger.domain.values import iso
from seat_ledger.errors import InvalidInput, LedgerError
from seat_ledger.projections.reader.pool import PooledReader

TOOLS = (
    "seat who",
    "seat history",
    "user history",
    "user access",
    "billing counts",
    "billing explain",
    "invoice show",
    "event list",
)
MOST_ROWS = 100
LONGEST = 200_000
"""Characters of an answer."""
_LEFT_OUT = {"columns", "wide", "all", "year", "by"}
_SPANS = {"since", "until", "during"}


class Tool(NamedTuple):
    """A question that an assistant may ask."""

    endpoint: Endpoint

    @property
    def name(self) -> str:
        """Its name."""
        return self.endpoint.operation_id

    @property
    def description(self) -> str:
        """What it answers."""
        return " ".join((self.endpoint.command.help or "").split())

    @property
    def input_schema(self) -> dict[str, Any]:
        """What it takes."""
        params = {
            name: param
            for name, param in self.endpoint.params.items()
            if name not in _LEFT_OUT
        }
        return {
            "type": "object",
            "properties": {
                name: parameter_schema(name, param) for name, param in params.items()
            },
            "required": [name for name, param in params.items() if param.required],
            "additionalProperties": False,
        }

    def answer(
        self, reader: PooledReader, arguments: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The answer's document, with its sentence, and the command that repeats it.

        Of its rows the first hundred; `more_rows` says whether there are others.
        Raises LedgerError.
        """
        query = [*self._query(arguments)]
        request = ApiRequest(self.endpoint, query)
        question = ApiQuestion(reader, dict(request.options))
        answer = request.answer(question)
        rows = [*islice(answer.rows, MOST_ROWS + 1)]
        answer.rows = rows[:MOST_ROWS]
        fixed = {"known_at": str(question.knowledge.position)}
        if answer.as_of is not None and _SPANS.isdisjoint(name for name, _ in query):
            fixed["as_of"] = iso(answer.as_of)
        result = {
            "answer": answer.sentence,
            "repeat": repeating_command(self.endpoint, query, fixed),
            **document(answer),
            "more_rows": len(rows) > MOST_ROWS,
        }
        return _bounded(result)

    def _query(self, arguments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        offered = self.input_schema["properties"]
        for name, value in arguments.items():
            if name not in offered:
                raise InvalidInput(
                    f"{self.name} has no parameter '{name}'.",
                    try_=f"use these: {', '.join(offered)}",
                )
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, dict | list):
                    raise InvalidInput(f"The value of '{name}' cannot be read.")
                if item is not None:
                    yield name, _as_text(item)


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def tools() -> dict[str, Tool]:
    """Every tool by its name."""
    every = (Tool(endpoint_of(words)) for words in TOOLS)
    return {tool.name: tool for tool in every}


def tool_of(name: str) -> Tool:
    """A tool by its name. Raises InvalidInput."""
    tool = tools().get(name)
    if tool is None:
        raise InvalidInput(
            f"There is no tool '{name[:100]}'.",
            try_=f"use one of {', '.join(tools())}",
        )
    return tool


def _bounded(result: dict[str, Any]) -> dict[str, Any]:
    """The same with as many rows as there is room for. Raises InvalidInput."""
    while len(to_json(result)) > LONGEST:
        if len(result["rows"]) <= 1:
            raise InvalidInput(
                "The answer is too long.",
                try_="name a shorter time, or run the command in a terminal",
            )
        half = len(result["rows"]) // 2
        result = {**result, "rows": result["rows"][:half], "more_rows": True}
    return result


def repeating_command(
    endpoint: Endpoint, query: Iterable[tuple[str, str]], fixed: Mapping[str, str]
) -> str:
    """The command line that gives this very answer again, whatever is recorded later.

    `fixed` are the moments that it was for, however they were named (R41, R78).
    """
    query = [(name, text) for name, text in query if name not in fixed]
    words, arguments = ["seat-ledger", *endpoint.words.split()], []
    for name, text in [*query, *fixed.items()]:
        param = endpoint.params[name]
        if isinstance(param, click.Argument):
            arguments.append(text)
        elif getattr(param, "is_flag", False):
            words += [option_of(name)] * (text == "true")
        else:
            words += [option_of(name), text]
    if any(argument.startswith("-") for argument in arguments):
        arguments.insert(0, "--")
    return shlex.join([*words, *arguments])


def option_of(name: str) -> str:
    """A parameter as the command line writes it."""
    return f"--{name.replace('_', '-')}"


def sentence_of(error: LedgerError) -> str:
    """A failure in words, with what to do."""
    return f"{error.message} {advice(error.try_)}." if error.try_ else error.message
