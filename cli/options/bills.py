"""Bills of vendors: how they are to be read, and what their names mean here."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from seat_ledger.cli.inputs.bill_words import COLUMN_NAMES, BillReading
from seat_ledger.domain.money import grouped
from seat_ledger.domain.values import as_word, fold, shown
from seat_ledger.errors import InvalidInput

if TYPE_CHECKING:
    from seat_ledger.cli.inputs.invoice_file import InvoiceFile, TotalLine
    from seat_ledger.projections.reader import ConnectedReader

_OURS = (*COLUMN_NAMES, "granularity")
_BESIDE_A_MAPPING = (
    "account", "invoice", "issued_at", "mode", "granularity", "currency",
)  # fmt: skip


class NameResolver:
    """What a file's accounts and seat types are in the ledger.

    A type is known without regard to case, spaces and signs: ``Sales Professional`` is
    ``sales/professional``. A name that is no account's key is looked up among the
    accounts' keys and names, of some or of all, without regard to case and signs. What
    fits nothing stays as it is written.
    """

    def __init__(
        self, reader: ConnectedReader, account_nos: Collection[int] | None = None
    ) -> None:
        self.reader, self.account_nos = reader, account_nos
        self.read_as: dict[tuple[str, str], str] = {}
        self._accounts: dict[str, str] | None = None
        self._keys: set[str] = set()
        self._unknown: set[str] = set()
        self._looked_up = 0
        self.aliases: dict[str, str] = {}

    def __call__(self, kind: str, name: str) -> str:
        """The key or type that is meant."""
        key = kind, name
        if key not in self.read_as:
            find = self._seat_type if kind == "seat_type" else self._account
            self.read_as[key] = find(name)
        return self.read_as[key]

    def _seat_type(self, name: str) -> str:
        types = [str(seat_type) for seat_type in self.reader.types.numbers]
        if name in types:
            return name
        fitting = [type_ for type_ in types if _bare(type_) == _bare(name)]
        return fitting[0] if len(fitting) == 1 else name

    def _account(self, name: str) -> str:
        if not re.search(r"[\s/#]", name):
            return self._by_key(name)
        if not self.reader.has_names:
            raise InvalidInput(
                f"{shown(name)} is an account's name, and a lake has their keys alone.",
                try_=f"--alias {shown(f'{name}=KEY')}",
            )
        return self._by_name().get(_letters(name), name)

    def _by_key(self, key: str) -> str:
        """An account's key, or the one that is meant by what is none."""
        if self._is_key(key):
            return key
        self._unknown.add(key)
        by_name = self._by_name() if self.reader.has_names else {}
        return by_name.get(_letters(key), key)

    def _is_key(self, key: str) -> bool:
        """Whether an account has a key; where a file names many, all are read once."""
        self._looked_up += 1
        if self._looked_up > _ONE_BY_ONE and self.reader.has_names:
            self._by_name()
        is_read = key in self._keys
        return is_read or self.reader.has_account(key, self.reader.knowledge())

    def _by_name(self) -> dict[str, str]:
        """The accounts' keys by the letters of their names; those of two mean none."""
        if self._accounts is None:
            keys: dict[str, set[str]] = {}
            known_at = self.reader.knowledge()
            for account in self.reader.accounts(known_at, self.account_nos):
                self._keys.add(account.key)
                for text in (account.name, account.key):
                    keys.setdefault(_letters(text), set()).add(account.key)
            self._accounts = {
                name: next(iter(of_name))
                for name, of_name in keys.items()
                if len(of_name) == 1
            }
        return self._accounts

    def hints(self) -> Iterator[str]:
        """For names that the ledger does not have: the nearest that it has."""
        types = [str(seat_type) for seat_type in self.reader.types.numbers]
        for kind, name in self.read_as:
            read_as = self.read_as[kind, name]
            is_account = kind == "account"
            if is_account:
                if name not in self._unknown and not re.search(r"[\s/#]", read_as):
                    continue
                is_there = self.reader.has_names and read_as in self._keys
            else:
                is_there = read_as in types
            if not is_there:
                near = (
                    self._account_near(name) if is_account else _type_near(name, types)
                )
                self.aliases[name] = near
                yield _did_you_mean(name, near)

    def _account_near(self, name: str) -> str:
        """The account that may be meant: by its key or name, or by the first word."""
        by_name = self._by_name() if self.reader.has_names else {}
        near = _near(_letters(name), by_name)
        if near:
            return by_name[near]
        first = _letters(name.strip().partition(" ")[0])
        keys = {key for text, key in by_name.items() if text.startswith(first)}
        return keys.pop() if len(first) >= _LEAST and len(keys) == 1 else ""


def _near(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name.lower(), names, 1)
    return near[0] if near else ""


def _type_near(name: str, types: Sequence[str]) -> str:
    """The type that may be meant: by how its words begin, or by its spelling."""
    letters = _letters(name).lower()
    begun = [type_ for type_ in types if _letters(type_).startswith(letters)]
    is_enough = len(letters) >= _LEAST and len(begun) == 1
    return begun[0] if is_enough else _near(name, types)


def _did_you_mean(name: str, near: str) -> str:
    if not near:
        return f"The ledger has no {shown(name)}: --alias {shown(f'{name}=…')}."
    return (
        f"The ledger has no {shown(name)}. Did you mean {near}? "
        f"--alias {shown(f'{name}={near}')}"
    )


_LEAST = 3
"""So many letters of a first word may mean an account."""
_ONE_BY_ONE = 100
"""So many keys are looked up each by itself."""


def _letters(name: str) -> str:
    """A name as names are compared: ``Acme B.V.`` is ``Acme BV``."""
    return re.sub(r"[\W_]+", "", fold(name)) or name


def _bare(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", text.lower()).strip()


def bill_reading(options: Mapping[str, Any]) -> BillReading:
    """How the file is to be read, as the options say. Raises UsageError."""
    columns = _pairs("--column", options["headers"])
    defaults = _pairs("--set", options["defaults"])
    for option, names in (("--column", columns), ("--set", defaults)):
        unknown = [name for name in names if name not in _OURS]
        if unknown:
            raise click.UsageError(
                f"{option} names {unknown[0]}; our columns are {', '.join(_OURS)}."
            )
    mapping = options.get("mapping")
    if mapping is not None:
        _check_with_mapping(columns, defaults, options["date_format"])
    aliases = _pairs("--alias", options["aliases"])
    return BillReading(columns, defaults, aliases, options["date_format"], mapping)


def _check_with_mapping(
    columns: Mapping[str, str], defaults: Mapping[str, str], date_format: str | None
) -> None:
    """Refuse what a mapping says already, and the lack of what none says."""
    if columns or date_format is not None:
        raise click.UsageError(
            "With --with the mapping says what the columns and dates are; leave out "
            "--column and --date-format."
        )
    for name in defaults:
        if name not in _BESIDE_A_MAPPING:
            raise click.UsageError(
                f"With --with the mapping says {name}; --set is for "
                f"{', '.join(_BESIDE_A_MAPPING)}."
            )
    if "issued_at" not in defaults:
        raise click.UsageError(
            "With --with, say when the invoice was issued: --set issued_at=2026-11-02."
        )


def _pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, sign, value = text.rpartition("=")
        if option != "--alias":
            name, sign, value = text.partition("=")
        if not (sign and name.strip() and value.strip()):
            raise click.UsageError(f"Write {option} as NAME=VALUE, not {shown(text)}.")
        pairs[name.strip()] = value.strip()
    return pairs


def total_in_words(total: TotalLine) -> str:
    """That a line of a total was left out, and whether it is right."""
    where, amount = f"{total.file}:{total.line}", grouped(total.amount)
    if total.agrees:
        return f"{where}: a total of {amount}, which is right; it is left out."
    return (
        f"{where}: a total of {amount}, but the lines above add up to "
        f"{grouped(total.added)}."
    )


def understood(invoices: InvoiceFile, names: NameResolver) -> list[str]:
    """What was understood of a file that was read, a sentence each."""
    reading = invoices.reading
    notes = [f"Separated by {invoices.separator}."] if invoices.separator else []
    notes += invoices.remarks
    notes += [
        f"{ours} is the column {shown(theirs)}."
        for ours, theirs in invoices.columns.items()
        if ours != theirs
    ]
    notes += [f"{ours} is {shown(text)} in every line." for ours, text in
              reading.defaults.items()]  # fmt: skip
    notes += [
        f"{shown(name)} is read as {read_as}."
        for (_, name), read_as in names.read_as.items()
        if name != read_as
    ]
    if reading.date_format:
        notes.append(f"Dates are read as {reading.date_format}.")
    if invoices.ignored:
        notes.append(f"Columns not used: {', '.join(invoices.ignored)}.")
    notes += [total_in_words(total) for total in invoices.totals]
    return notes


def options_of_reading(reading: BillReading) -> str:
    """How a file was read, as the words of a command that reads it so again."""
    words = [
        f"{option} {as_word(text)}"
        for option, text in (
            ("--with", reading.mapping),
            ("--date-format", reading.date_format),
        )
        if text
    ]
    for option, pairs in (
        ("--column", reading.columns),
        ("--set", reading.defaults),
        ("--alias", reading.aliases),
    ):
        words += [
            f"{option} {as_word(f'{name}={text}')}" for name, text in pairs.items()
        ]
    return "".join(f" {word}" for word in words)
