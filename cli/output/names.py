"""What a person is called in an answer's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def called(name: str, email: str | None) -> str:
    """A person with the e-mail; of an erased one there is only one word left, and a
    service may have none (R99).
    """
    return name if email in {name, None} else f"{name} <{email}>"


def person_in(row: Mapping[str, Any]) -> str:
    """The person of a row, by name; one who is hidden goes by the number."""
    return called(row["name"] or row["user"], row["email"])
