"""Fields of a row by path, and texts with fields in them.

A path is the name of a column or of a field; a dot leads into what is nested, and
``target[type=AppUser].id`` takes the element of a list whose ``type`` is ``AppUser``,
``emails.1`` the first.
A text such as ``gh-{user_id}`` is itself, with each path in braces replaced.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from operator import methodcaller
from typing import Any

from seat_ledger.domain.values import shown
from seat_ledger.errors import InvalidInput
from seat_ledger.sources.refusals import UnreadableRow

Fields = Mapping[str, Any]
Getter = Callable[[Fields], Any]
"""The value of a path in a row; None where there is none."""

TextOf = Callable[[Fields], str | None]
"""A text of a row; None where a field of it is missing or empty."""

_STEP = re.compile(r"([^\[\]]+)((?:\[[^\[\]=]+=[^\[\]]*\])*)")
_FILTER = re.compile(r"\[([^\[\]=]+)=([^\[\]]*)\]")
_EXACT = 2**53
_IN_BRACES = re.compile(r"\{([^{}]+)\}")


def getter(path: str) -> Getter:
    """How the value of a path is got. Raises InvalidInput for what is no path."""
    steps = [_step(text, path) for text in path.split(".")]
    if len(steps) == 1 and not steps[0][1]:
        return methodcaller("get", path)
    if not any(filters or name.isdecimal() for name, filters in steps):
        return partial(_of_fields, path, [name for name, _ in steps])
    return partial(_nested, path, steps)


def _of_fields(path: str, names: list[str], row: Fields) -> Any:
    """The value of a path of fields alone, which most are; otherwise as `_nested`."""
    if path in row:
        return row[path]
    value: Any = row
    for name in names:
        if value.__class__ is not dict:
            return None
        value = value.get(name)
    return value


Filters = tuple[tuple[str, str], ...]


def _step(text: str, path: str) -> tuple[str, Filters]:
    match = _STEP.fullmatch(text)
    if match is None:
        raise InvalidInput(
            f"{shown(path)} is not a path.",
            try_="write names with dots between them, such as actor.id or "
            "target[type=User].id",
        )
    return match[1], tuple((key, value) for key, value in _FILTER.findall(match[2]))


def _nested(path: str, steps: list[tuple[str, Filters]], row: Fields) -> Any:
    """The value of a path; a field whose own name is the path goes first."""
    if path in row:
        return row[path]
    value: Any = row
    for name, filters in steps:
        if isinstance(value, Mapping):
            value = value.get(name)
        elif isinstance(value, list) and name.isdecimal():
            value = value[int(name) - 1] if 0 < int(name) <= len(value) else None
        else:
            return None
        if filters:
            value = _selected(path, value, filters)
        if value is None:
            return None
    return value


def _selected(path: str, value: Any, filters: Filters) -> Any:
    elements = value if isinstance(value, list) else [value]
    matches = [
        element
        for element in elements
        if isinstance(element, Mapping)
        and all(as_text(element.get(key), path) == text for key, text in filters)
    ]
    if len(matches) > 1:
        raise UnreadableRow(
            f"{len(matches)} elements match {path}.", "the mapping expects one"
        )
    return matches[0] if matches else None


def as_text(value: Any, path: str) -> str:
    """A field as text; '' where it is missing. Raises UnreadableRow for a list."""
    if value.__class__ is int:
        return str(value)
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _plain_number(value, path)
    if not value and value in (None, [], {}):
        return ""
    if isinstance(value, list | dict):
        what = "a list" if isinstance(value, list) else "a group of fields"
        raise UnreadableRow(
            f"the field {shown(path)} holds {what}.",
            "the mapping expects a single value there",
        )
    return str(value)


def _plain_number(value: float, path: str) -> str:
    if abs(value) >= _EXACT:  # JSON's reader made a float of a number too long
        raise UnreadableRow(
            f"the number in the field {shown(path)} is too long to be exact.",
            "expected: a number of at most 15 digits, or a text",
        )
    return str(int(value)) if value.is_integer() else repr(value)


def _nothing() -> str | None:
    return None


def is_fixed(spec: object) -> bool:
    """Whether a specification is the same for all rows."""
    return isinstance(spec, bool | int) or (isinstance(spec, str) and "{" not in spec)


def template(text: str, missing: Callable[[], str | None] = _nothing) -> TextOf:
    """How a text with fields is made for a row. Raises InvalidInput.

    Where a field is missing or empty, `missing` is called, which may raise.
    """
    pieces = _IN_BRACES.split(text)
    if any("{" in piece or "}" in piece for piece in pieces[::2]):
        raise InvalidInput(
            f"{shown(text)} has a brace without its other one.",
            try_="write a field as {name}",
        )
    fields = [(path, getter(path)) for path in pieces[1::2]]
    if not fields:
        return lambda _: text
    if len(fields) == 1:
        return _with_one_field(*fields[0], pieces[0], pieces[2], missing)
    form = "%s".join(piece.replace("%", "%%") for piece in pieces[::2])

    def text_of(row: Fields) -> str | None:
        values = []
        for path, get in fields:
            value = get(row)
            if value.__class__ is not int:
                if value.__class__ is not str:
                    value = as_text(value, path)
                value = value.strip()
                if not value:
                    return missing()
            values.append(value)
        return form % tuple(values)

    return text_of


def _with_one_field(
    path: str, get: Getter, before: str, after: str, missing: Callable[[], str | None]
) -> TextOf:
    def text_of(row: Fields) -> str | None:
        value = get(row)
        if value.__class__ is not int:
            if value.__class__ is not str:
                value = as_text(value, path)
            value = value.strip()
            if not value:
                return missing()
        return f"{before}{value}{after}"

    return text_of
