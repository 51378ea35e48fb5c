"""The words of the domain as values: seat types, seats, actors, keys and texts.

Instants are aware :class:`~datetime.datetime` objects in UTC with microseconds
(R01); a naive one never gets past this module.
"""

from __future__ import annotations

import re
import shlex
import unicodedata
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from seat_ledger.domain.wording import counted
from seat_ledger.errors import InvalidInput, NotFound

FOREVER = datetime.max.replace(tzinfo=UTC)
"""Stands for an open end inside comparisons; never stored, never shown."""

MAX_KEY_LENGTH = 100
MAX_TEXT_LENGTH = 2000
MAX_SEATS_PER_COMMAND = 10_000
MAX_EVENTS_PER_COMMAND = 20_000
"""All other appends wait while one is written."""
MAX_LINES_ABOUT_ONE, MAX_RENAMINGS_AT_ONCE = 500, 100
"""Of one batch about one user: each line looks at what those before it made of them."""


_ACCOUNTS = UUID("5d3c1e0a-6a4e-5f0b-9d51-0f4f6f0d7a11")
_BAD_IN_KEY = re.compile(r"[\s\x00-\x1f\x7f-\x9f/#]")
_BAD_IN_NUMBER = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SEAT_TYPE = re.compile(r"[a-z0-9_-]{1,40}/[a-z0-9_-]{1,40}", re.ASCII)
_SEAT = re.compile(r"([^#]+)#([1-9][0-9]{0,8})", re.ASCII)


class SeatType(str):
    """A kind of seat, written ``hub/tier``; each type is a pool of its own (S1)."""

    __slots__ = ()

    @property
    def hub(self) -> str:
        """The hub: ``sales`` of ``sales/professional``."""
        return hub_of(self)

    @property
    def tier(self) -> str:
        """The tier: ``professional`` of ``sales/professional``."""
        return self.partition("/")[2]


class SeatRef(NamedTuple):
    """One purchased place: its type and its number, never reused."""

    seat_type: SeatType
    number: int

    def __str__(self) -> str:
        return f"{self.seat_type}#{self.number}"


class BillingPolicy(NamedTuple):
    """By which rule seats are counted; `granularity` None where a mode has none."""

    mode: str
    granularity: str | None

    def __str__(self) -> str:
        return f"{self.mode} by {self.granularity}" if self.granularity else self.mode


DEFAULT_POLICY = BillingPolicy("contracted", "day")
"""The policy of an account that was never given another (R50)."""


def fields_of(thing: object, *names: str) -> dict[str, Any]:
    """Some attributes of a thing under their own names, in the order of these."""
    return {name: getattr(thing, name) for name in names}


@cache
def hub_of(seat_type: str) -> str:
    """The hub of a seat type."""
    return seat_type.partition("/")[0]


def parse_seat_type(text: str) -> SeatType:
    """Read ``hub/tier`` (R81); whether there is such a type is not looked up.

    Raises NotFound (``unknown_seat_type``).
    """
    if text in {"starter", "professional", "enterprise"}:
        raise NotFound(
            "unknown_seat_type",
            f"{shown(text)} is a tier, and a seat type is hub/tier.",
            try_=f"write its hub before it: sales/{text} or service/{text}; all types: "
            "seat-ledger catalogue list",
        )
    if not _SEAT_TYPE.fullmatch(text):
        raise NotFound(
            "unknown_seat_type",
            f"There is no seat type {shown(text)}.",
            try_="write hub/tier, each of 1 to 40 of a-z, 0-9, '-' and '_', as in "
            "sales/professional",
        )
    return SeatType(text)


def parse_seat(text: str) -> SeatRef:
    """Read ``hub/tier#number``.

    Raises InvalidInput for another form, NotFound where the type cannot be one.
    """
    match = _SEAT.fullmatch(text)
    if match is None:
        raise InvalidInput(
            f"{shown(text)} does not name a seat.",
            try_="write the seat type, '#' and a number, as in sales/professional#7",
        )
    return SeatRef(parse_seat_type(match[1]), int(match[2]))


def check_key(text: str, what: str = "key") -> str:
    """A key: 1 to 100 characters, no white space, control, ``/`` or ``#``.

    Keys are compared exactly (DOMAIN 2). Raises InvalidInput.
    """
    if not 1 <= len(text) <= MAX_KEY_LENGTH:
        raise InvalidInput(
            f"The {what} {shown(text)} has {counted(len(text), 'character')}; a key "
            f"has 1 to {MAX_KEY_LENGTH}."
        )
    if _BAD_IN_KEY.search(text) or _SURROGATE.search(text):
        raise InvalidInput(
            f"The {what} {shown(text)} contains a character that a key cannot have: "
            "white space, a control character, '/' or '#'."
        )
    return text


def check_invoice_number(text: str) -> str:
    """An invoice's number: 1 to 100 printable characters, compared exactly.

    Unlike a key it may hold ``/``, ``#`` and inner spaces. Raises InvalidInput.
    """
    if not 1 <= len(text) <= MAX_KEY_LENGTH or text != text.strip():
        raise InvalidInput(
            f"An invoice number has 1 to {MAX_KEY_LENGTH} characters, and does not "
            "begin or end with white space."
        )
    if _BAD_IN_NUMBER.search(text) or _SURROGATE.search(text):
        raise InvalidInput("An invoice number cannot contain control characters.")
    return text


def check_text(text: str, what: str = "text") -> str:
    """A free text: at most 2,000 characters, no NUL, no lone surrogate.

    PostgreSQL could never read such a text as JSON again. Raises InvalidInput.
    """
    if len(text) > MAX_TEXT_LENGTH:
        raise InvalidInput(
            f"The {what} has {counted(len(text), 'character')}; at most "
            f"{MAX_TEXT_LENGTH:,} are allowed."
        )
    if "\x00" in text or (not text.isascii() and _SURROGATE.search(text)):
        raise InvalidInput(
            f"The {what} {shown(text)} contains a NUL or a lone surrogate, which "
            "cannot be stored."
        )
    return text


def repeated_name(pairs: list[tuple[str, Any]]) -> str | None:
    """The first name that an object of JSON has twice: nobody knows which counts."""
    if len(dict(pairs)) == len(pairs):
        return None
    names = [name for name, _ in pairs]
    return next(name for name in names if names.count(name) > 1)


def shown(text: object, limit: int = 60) -> str:
    """A foreign text as a message may show it: quoted, escaped, not too long."""
    quoted = ascii(str(text)) if not str(text).isprintable() else f"'{text}'"
    return quoted if len(quoted) <= limit else quoted[: limit - 2] + "…'"


def as_word(text: str) -> str:
    """A foreign text as one word of a command to try, whatever a shell sees in it."""
    return shlex.quote(text)


@lru_cache(maxsize=65536)
def account_id(key: str) -> UUID:
    """The id of the account opened under the key: a name-based UUID."""
    return uuid5(_ACCOUNTS, key)


def fold(text: str) -> str:
    """A text as it is compared: without case, and however it is composed (R35).

    The one folding: full case folding of the canonical form. What SQL compares is
    folded here first, and kept so.
    """
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFD", text).casefold()
    return unicodedata.normalize("NFC", folded)


def utc(instant: datetime) -> datetime:
    """The same instant with :data:`datetime.UTC` itself as its zone."""
    return instant if instant.tzinfo is UTC else instant.astimezone(UTC)


def iso(instant: datetime) -> str:
    """An instant in RFC 3339, UTC, with ``Z``; a fraction only where there is one."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
