"""The lists that an operator declares, to be compared each night: a TOML file.

Each says of which account it is, by which mapping it is read, where its newest copy
is, and how old that may be. A list is true when its file's name says so, when it says
so itself, or when the command began that printed it; never by the date of a file (R83).
"""

from __future__ import annotations

import tomllib
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from seat_ledger.errors import InvalidInput
from seat_ledger.sources.mapping import MappingPart, problems
from seat_ledger.sources.times import parser

TAKEN_AT = "{taken_at}"
HELP = "seat-ledger help nightly"
_Doubt = Literal["empty", "missing-type", "page-left", "total", "vanished"]


class FileTime(MappingPart):
    """How the time in a file's name is written, and in which zone without an offset."""

    format: str
    zone: str | None = None


class DeclaredList(MappingPart):
    """One list: what it is about, where it comes from, and how old it may be.

    `hours` is that age; `minutes` is how long its command may run. With `record` what
    differs is recorded, and the list as evidence; without it is only reported.
    """

    account: str
    mapping: str
    file: str | None = None
    time: FileTime | None = None
    command: Annotated[list[str], Field(min_length=1)] | None = None
    hours: Annotated[float, Field(gt=0, le=24 * 366, strict=False)] = 26
    minutes: Annotated[float, Field(gt=0, le=24 * 60, strict=False)] = 10
    record: bool = False
    accept: tuple[_Doubt, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.file is None) == (self.command is None):
            raise ValueError("a list has either 'file' or 'command'")
        folder, _, name = (self.file or "").rpartition("/")
        if TAKEN_AT in folder or name.count(TAKEN_AT) > 1:
            raise ValueError(f"{TAKEN_AT} stands once in the file's name, at most")
        if (TAKEN_AT in name) != (self.time is not None):
            raise ValueError(
                f"{TAKEN_AT} in the file's name, and 'time' (format, zone), belong "
                "together"
            )
        return self


class DeclaredLists(MappingPart):
    """The whole file."""

    schema_: Annotated[Literal[1], Field(alias="schema")]
    lists: Annotated[list[DeclaredList], Field(alias="list", min_length=1)]


def read_declared(text: str, name: str) -> tuple[DeclaredList, ...]:
    """The lists that a text declares. Raises InvalidInput naming what is wrong."""
    try:
        specs = DeclaredLists.model_validate(tomllib.loads(text)).lists
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{name} is not TOML: {error}.", try_=HELP) from error
    except ValidationError as error:
        what = problems(error, "list")
        raise InvalidInput(f"{name}: {what}.", try_=HELP) from error
    for spec in specs:
        if spec.time is not None:
            parser(spec.time.format, spec.time.zone)
    return tuple(specs)
