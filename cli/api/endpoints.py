"""Endpoints, made of the commands' own declarations: there is no second list of them.

A reading command is an address of its words (``seat who`` is ``/v1/seat/who``); its
arguments and options are parameters of the same names, with ``_`` for ``-``. What names
a file on the server's disk is no parameter, and a command that needs one no endpoint.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import click

from seat_ledger.cli.api.wording import as_names, naming
from seat_ledger.cli.main import program
from seat_ledger.cli.options.naming_accounts import NAMED
from seat_ledger.cli.options.session import (
    ReadingFunction,
    Session,
    check_texts,
    function_for_server,
)
from seat_ledger.cli.output.render import FORMATS
from seat_ledger.domain.values import shown
from seat_ledger.domain.wording import counted
from seat_ledger.errors import InvalidInput

FORMS = tuple(form for form in FORMATS if form != "table")
LONGEST_VALUE = 400
_NOT_OFFERED = {"database", "form", NAMED}
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_LONG = {"event replay"}
"""Answers that may be long though they are about one account."""
STATUS, AUDIT = "projection status", "invoice audit"
_UNTAGGED = {STATUS, AUDIT}
"""What changes without anything being recorded, or is not asked for by its address."""


class Endpoint(NamedTuple):
    """A reading command as an address: its words, its parameters, what answers it."""

    words: str
    command: click.Command
    reading: ReadingFunction
    params: Mapping[str, click.Parameter]

    @property
    def path(self) -> str:
        """Its address."""
        return "/v1/" + self.words.replace(" ", "/")

    @property
    def operation_id(self) -> str:
        """Its name in a generated client."""
        return re.sub(r"[^a-z]+", "_", self.words)

    @property
    def is_tagged(self) -> bool:
        """Whether the answer has a tag, by which it is asked for again."""
        return self.words not in _UNTAGGED

    def is_long(self, options: Mapping[str, Any]) -> bool:
        """Whether the answer may be as long as the ledger."""
        is_about_all = self.reading.of_all and not options.get("account")
        return is_about_all or self.words in _LONG

    def context(self, query: Iterable[tuple[str, str]], form: str) -> click.Context:
        """The command with its options, read as the command line reads them.

        Raises InvalidInput.
        """
        session = Session()
        session.format = form
        words = [*self._words(query)]
        with naming(self.params):
            try:
                context = self.command.make_context(self.words, words, obj=session)
            except click.UsageError as error:
                raise self.usage(error) from error
            check_texts(context.params)
            return context

    def usage(self, error: click.UsageError) -> InvalidInput:
        """Wrong usage in an API's words: parameters instead of options."""
        wrong = getattr(error, "param", None)
        for name, param in self.params.items():
            if error.message and wrong is not None and wrong.name == param.name:
                return InvalidInput(f"The value of '{name}': {error.message}")
        return InvalidInput(as_names(error.format_message(), self.params))

    def _words(self, query: Iterable[tuple[str, str]]) -> Iterator[str]:
        """The parameters of an address as words of a command line."""
        values = _gathered(query, self.params)
        arguments = []
        for name, param in self.params.items():
            texts = values.get(name, [])
            if param.required and not texts:
                raise InvalidInput(
                    f"The parameter '{name}' is missing.", try_=f"add {name}=…"
                )
            if len(texts) > 1 and not param.multiple:
                raise InvalidInput(
                    f"The parameter '{name}' is given twice.", try_="give it once"
                )
            if isinstance(param, click.Argument):
                arguments += texts
            elif isinstance(param, click.Option) and param.is_flag:
                yield from _flag(name, param, texts)
            else:
                yield from (f"{_long_option(param)}={text}" for text in texts)
        yield "--"
        yield from arguments


def _flag(name: str, param: click.Option, texts: Sequence[str]) -> Iterator[str]:
    for text in texts:
        if text not in _FLAGS:
            raise InvalidInput(
                f"The parameter '{name}' is true or false.", try_=f"{name}=true"
            )
        if _FLAGS[text]:
            yield _long_option(param)
        elif param.secondary_opts:
            yield param.secondary_opts[0]


def _gathered(
    query: Iterable[tuple[str, str]], params: Mapping[str, Any]
) -> dict[str, list[str]]:
    """The values of each parameter. Raises InvalidInput for one that is not there."""
    values: dict[str, list[str]] = {}
    for name, text in query:
        if name not in params:
            known_names = ", ".join(params) or "none"
            raise InvalidInput(
                f"There is no parameter {shown(name)} here.",
                try_=f"use these: {known_names}",
            )
        if len(text) > LONGEST_VALUE:
            raise InvalidInput(
                f"The value of '{name}' has {counted(len(text), 'character')}.",
                try_=f"send at most {LONGEST_VALUE}",
            )
        if _CONTROL.search(text):
            raise InvalidInput(
                f"The value of '{name}' has a character that nothing is called by.",
                try_="write it without control characters",
            )
        values.setdefault(name, []).append(text)
    return values


def _name_of(option: str) -> str:
    return option.lstrip("-").replace("-", "_")


def _long_option(param: click.Parameter) -> str:
    return next(option for option in param.opts if option.startswith("--"))


def _public_name(param: click.Parameter) -> str:
    """The name of a parameter in an address."""
    if isinstance(param, click.Argument):
        return str(param.name)
    return _name_of(_long_option(param))


@cache
def endpoints() -> dict[str, Endpoint]:
    """Every endpoint that reads, by its address."""
    context = click.Context(program, info_name="seat-ledger")
    every = [*_leaves(program, context, ())]
    return {endpoint.path: endpoint for endpoint in filter(None, every)}


@cache
def answered_endpoints() -> tuple[Endpoint, ...]:
    """The same with those that are not asked by their parameters alone, by words."""
    every = [*endpoints().values(), status_endpoint(), audit_endpoint()]
    return tuple(sorted(every, key=lambda endpoint: endpoint.words))


@cache
def status_endpoint() -> Endpoint:
    """How far the tables are, of which no account is asked and no moment (R74)."""
    command = copy.copy(_command_of(STATUS))
    command.params, command.add_help_option = [], False
    reading = ReadingFunction(function_for_server(command), of_all=False)
    return Endpoint(STATUS, command, reading, {})


@cache
def audit_endpoint() -> Endpoint:
    """The audit of a file that is sent; what it would write or keep is not offered."""
    command = _command_of(AUDIT)
    reading = ReadingFunction.of(command)
    assert reading is not None
    return _offered(
        AUDIT, command, reading, without={"file", "keep", "language", "mapping"}
    )


@cache
def endpoint_of(words: str) -> Endpoint:
    """The endpoint of a question by its words; only its own command is imported."""
    if words == STATUS:
        return status_endpoint()
    endpoint = _endpoint(words, _command_of(words))
    assert endpoint is not None
    return endpoint


def _command_of(words: str) -> click.Command:
    context = click.Context(program, info_name="seat-ledger")
    command: click.Command | None = program
    for word in words.split():
        assert isinstance(command, click.Group)
        command = command.get_command(context, word)
    assert command is not None
    return command


def _leaves(
    group: click.Group, context: click.Context, words: tuple[str, ...]
) -> Iterator[Endpoint | None]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from _leaves(command, context, (*words, name))
        elif command is not None:
            yield _endpoint(" ".join((*words, name)), command)


def _endpoint(words: str, command: click.Command) -> Endpoint | None:
    reading = ReadingFunction.of(command)
    needs_file = any(
        param.required and isinstance(param.type, click.Path)
        for param in command.params
    )
    if reading is None or needs_file:
        return None
    return _offered(words, command, reading)


def _offered(
    words: str,
    command: click.Command,
    reading: ReadingFunction,
    without: Collection[str] = (),
) -> Endpoint:
    """An endpoint with the command's parameters, but files and what is left out."""
    params, others = {}, []
    for param in command.params:
        if param.name in _NOT_OFFERED:
            continue
        own = copy.copy(param)
        own.envvar = None  # the server's own environment answers nobody
        if isinstance(param.type, click.Path) or param.name in without:
            others.append(own)  # is there for the function, and never has a value
        else:
            params[_public_name(param)] = own
    server = copy.copy(command)
    optional = [param for param in others if not param.required]
    server.params = [*params.values(), *optional]
    server.add_help_option = False
    return Endpoint(words, server, reading, params)
