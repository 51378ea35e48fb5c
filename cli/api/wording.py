"""What the command line says of its options, in the names of parameters and fields."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cache

from seat_ledger.cli.api.problems import HttpProblem
from seat_ledger.commands.messages import OPERATIONS, Envelope
from seat_ledger.errors import LedgerError

_OPTION = re.compile(r"(?<![\w-])--([a-z]+(?:-[a-z]+)*)")


@contextmanager
def naming(names: Collection[str]) -> Iterator[None]:
    """Raise what is raised inside in words of `names`, where it speaks of options.

    What HTTP itself refuses speaks of the options of who runs the server.
    """
    try:
        yield
    except HttpProblem:
        raise
    except LedgerError as error:
        error.message = as_names(error.message, names)
        error.args = (error.message,)
        if error.try_ is not None:
            error.try_ = as_names(error.try_, names)
        raise


def as_names(text: str, names: Collection[str]) -> str:
    """A text whose options are called by `names`; a command line in it stays one."""
    words, command, arguments = text.partition("seat-ledger ")
    return _OPTION.sub(lambda option: _name(option, names), words) + command + arguments


def _name(option: re.Match[str], names: Collection[str]) -> str:
    name = option[1].replace("-", "_")
    return name if name in names else option[0]


@cache
def fields() -> frozenset[str]:
    """The name of every field that a command may have."""
    operations = (operation.model_fields for operation in OPERATIONS.values())
    return frozenset(Envelope.model_fields).union(*operations)
