"""The values of a rule: texts, perhaps through a table, checked as commands need."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from seat_ledger.domain.email import check_email
from seat_ledger.domain.values import check_key, check_text, shown
from seat_ledger.errors import InvalidInput, LedgerError
from seat_ledger.sources.fields import Fields, TextOf, template
from seat_ledger.sources.mapping import Lookup, SourceMapping, TextSpec
from seat_ledger.sources.refusals import UnreadableRow

ValueOf = Callable[[Fields], Any]
"""A value of a row; None where a field of it is missing or empty."""

_SPEC: TypeAdapter[TextSpec] = TypeAdapter(TextSpec)
_SEAT_TYPE = re.compile(r"[a-z0-9_-]{1,40}/[a-z0-9_-]{1,40}", re.ASCII)
_WHOLE = re.compile(r"\d{1,9}", re.ASCII)


class Values:
    """Makes values of a mapping's specifications."""

    def __init__(self, mapping: SourceMapping) -> None:
        self.mapping = mapping

    def text(self, spec: object, what: str) -> TextOf:
        """The text of a specification. Raises InvalidInput for one that is none."""
        try:
            read = _SPEC.validate_python(spec, strict=False)
        except ValidationError as error:
            raise InvalidInput(
                f"{what}: {shown(spec)} is not text.",
                try_='write "a text with {fields}", or {from = "{field}", table = …}',
            ) from error
        if isinstance(read, list):
            return _first_of([self.text(entry, what) for entry in read])
        if isinstance(read, Lookup):
            return self._looked_up(read, what)
        return template(read)

    def _looked_up(self, lookup: Lookup, what: str) -> TextOf:
        table = self.mapping.tables.get(lookup.table)
        if table is None:
            raise InvalidInput(
                f"{what}: the mapping has no table {shown(lookup.table)}.",
                try_=f"write it as [tables.{lookup.table}]",
            )
        return through_table(self.text(lookup.from_, what), lookup.table, table)

    def required(self, spec: object, what: str) -> Callable[[Fields], str]:
        """The same, refused where it is missing."""
        source = shown(spec if isinstance(spec, str) else str(spec))

        def missing() -> str:
            if "{--user}" in source:
                raise UnreadableRow(
                    f"the {what} is missing: the file does not say whom it is about.",
                    "name the user: --user KEY",
                )
            raise UnreadableRow(
                f"the {what} is missing: {source} has an empty field.",
                "expected: a value in each row that this rule is for",
            )

        if isinstance(spec, str):
            return cast("Callable[[Fields], str]", template(spec, missing))
        text_of = self.text(spec, what)

        def read(row: Fields) -> str:
            text = text_of(row)
            if text is None:
                missing()
            return cast("str", text)

        return read


T = TypeVar("T", str, "str | None")


def through_table(
    text_of: Callable[[Fields], T], name: str, table: Mapping[str, str]
) -> Callable[[Fields], T]:
    """A text of a row as a table has it; what it has not is refused."""

    def read(row: Fields) -> T:
        text = text_of(row)
        if text is None:
            return text
        value = table.get(text)
        if value is None:
            raise UnreadableRow(
                f"{shown(text)} is not in the table '{name}'.",
                f"expected: one of {', '.join(list(table)[:12]) or 'its values'}; "
                f"add it to [tables.{name}] of the mapping",
            )
        return value

    return read


def _first_of(choices: list[TextOf]) -> TextOf:
    def read(row: Fields) -> str | None:
        for text_of in choices:
            text = text_of(row)
            if text is not None:
                return text
        return None

    return read


_REMEMBERED = 65_536
"""Texts that are checked once where a log has them often: a set of them is half of what
`lru_cache` takes, and a text that is checked again costs more than one forgotten.
"""


def _once(check: Callable[[str], object]) -> Callable[[str], str]:
    """Gives the text back that passes a check; what passed is not checked again."""
    passed: set[str] = set()

    @wraps(check)
    def checked(text: str) -> str:
        if text in passed:
            return text
        check(text)
        if len(passed) >= _REMEMBERED:
            passed.clear()
        passed.add(text)
        return text

    return checked


@_once
def checked_key(text: str) -> None:
    """A user's or an account's key. Raises UnreadableRow."""
    _check(check_key, text, "a key of 1 to 100 characters without white space")


@_once
def checked_email(text: str) -> None:
    """An e-mail address. Raises UnreadableRow."""
    _check(check_email, text, "an address such as ann@acme.example")


@_once
def checked_text(text: str) -> None:
    """A text as an event can store it. Raises UnreadableRow."""
    _check(check_text, text, "a text of at most 2,000 characters")


@_once
def checked_seat_type(text: str) -> None:
    """A seat type by its form (R81); the catalogue is the ledger's.

    Raises UnreadableRow.
    """
    if not _SEAT_TYPE.fullmatch(text):
        raise UnreadableRow(
            f"{shown(text)} is not a seat type.",
            "expected: hub/tier, each of a-z 0-9 - _",
        )


def whole_number(text: str, what: str) -> int:
    """A count. Raises UnreadableRow."""
    if not _WHOLE.fullmatch(text):
        raise UnreadableRow(
            f"the {what} {shown(text)} is not a whole number.",
            "expected: a number such as 12",
        )
    return int(text)


def yes_or_no(text: str, what: str) -> bool:
    """A truth value as JSON or a table writes it. Raises UnreadableRow."""
    value = {"true": True, "false": False}.get(text.lower())
    if value is None:
        raise UnreadableRow(
            f"the {what} {shown(text)} is neither true nor false.",
            "expected: true or false; other words go through a table",
        )
    return value


def _check(check: Callable[[str], object], text: str, expected: str) -> None:
    try:
        check(text)
    except LedgerError as error:
        raise UnreadableRow(error.message, f"expected: {expected}") from error
