"""A list of who holds what, as a source exports it (R83).

The list is read whole: persons that stand in it twice are put together, and what it
says of itself (its length, a page that follows) is held against what is there. What
that means for the ledger is decided elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from seat_ledger.domain.values import fold, shown
from seat_ledger.domain.wording import enumerated
from seat_ledger.errors import InvalidInput
from seat_ledger.sources.conversion import accounts
from seat_ledger.sources.fields import Fields, as_text, getter
from seat_ledger.sources.mapping import (
    HOLDS,
    LACKS,
    NOBODY,
    SNAPSHOT,
    TOTAL,
    Rule,
    TimeField,
)
from seat_ledger.sources.reading import SourceReader
from seat_ledger.sources.refusals import UnreadableRow
from seat_ledger.sources.rules import RuleBook, checked_op
from seat_ledger.sources.tally import RowTally
from seat_ledger.sources.times import parser
from seat_ledger.sources.values import (
    ValueOf,
    Values,
    checked_email,
    checked_key,
    checked_seat_type,
    checked_text,
    whole_number,
)

PERSON, SERVICE = "person", "service"
_KINDS = f"{PERSON} or {SERVICE}"
_FIELDS = {
    HOLDS: {
        "user",
        "email",
        "name",
        "kind",
        "seat_type",
        "assigned_at",
        "cancelled_at",
    },
    LACKS: {"user", "email", "name", "kind", "seat_type"},
    NOBODY: {"seat_type"},
    TOTAL: {"seat_type", "purchased", "remaining"},
}


class ListedPool(NamedTuple):
    """The seats of one type in an account."""

    account: str
    seat_type: str


class ListedHolder(NamedTuple):
    """Somebody who holds a seat, as the list says; `line` is the first of the rows.

    `assigned_at` and `cancelled_at` are instants, or local times of the account, as a
    command may have them (CLI 2); None where the list does not say.
    """

    line: int
    pool: ListedPool
    user: str
    email: str | None
    name: str | None
    assigned_at: str | None
    cancelled_at: str | None
    is_service: bool = False


class Doubt(NamedTuple):
    """A reason to think that a list is not whole: a word for it, and the sentence."""

    code: str
    message: str


@dataclass
class HolderList:
    """A list, read: its holders in the order of the file, and what else it says.

    `lacking` are those who hold no seat of a type, where it says so by word.
    `unnamed` counts seats whose holders the list does not name, `purchased` is how many
    are bought where it says so, `remaining` how many of them nobody holds.
    """

    holders: list[ListedHolder] = field(default_factory=list)
    lacking: list[ListedHolder] = field(default_factory=list)
    unnamed: Counter[ListedPool] = field(default_factory=Counter)
    purchased: dict[ListedPool, int] = field(default_factory=dict)
    remaining: dict[ListedPool, int] = field(default_factory=dict)
    taken_at: str | None = None
    doubts: list[Doubt] = field(default_factory=list)
    tally: RowTally = field(default_factory=RowTally)

    @property
    def counted(self) -> dict[ListedPool, int]:
        """The pools of which the list says how many seats are bought, or left."""
        return {**self.remaining, **self.purchased}


def read_holders(
    reader: SourceReader, file: str, *, account: str | None = None
) -> HolderList:
    """Read a list. Raises InvalidInput, with the line that cannot be read."""
    mapping = reader.mapping
    if mapping.kind != SNAPSHOT:
        raise InvalidInput(
            f"The mapping {mapping.source} reads no list of holders.",
            try_="seat-ledger source list",
        )
    return _ListReading(reader, file, account).result()


class _ListReading:
    """One reading of a list."""

    def __init__(self, reader: SourceReader, file: str, account: str | None) -> None:
        self.reader, self.file, self.mapping = reader, file, reader.mapping
        self.read = HolderList()
        self._values = Values(self.mapping)
        self._account = accounts(self._values, account)
        self._pools: dict[tuple[str, str], ListedPool] = {}
        self._rules = RuleBook(self.mapping, self._of_rule)
        self._holders: dict[tuple[ListedPool, str], ListedHolder] = {}
        self._orders: dict[tuple[ListedPool, str], int] = {}
        self._users: dict[str, tuple[str, int]] = {}
        self._emails: dict[str, tuple[str, int]] = {}

    def result(self) -> HolderList:
        """The list."""
        read, reader = self.read, self.reader
        try:
            for line, fields in reader.entries():
                self._take(line, fields)
            read.holders = list(self._holders.values())
            self._page_marks()
        except UnreadableRow as error:
            raise reader.located(error, self.file) from error
        read.tally.rows = reader.rows
        for name, count in reader.ignored.items():
            read.tally.ignored[f"of the stream {shown(name)}, which is not read"] = (
                count
            )
        return read

    def _take(self, line: int, fields: Fields | None) -> None:
        tally = self.read.tally
        tally.entries += 1
        if fields is None:
            tally.ignored[self.reader.shape.none or ""] += 1
            return
        rule = self._rules.rule_for(fields)
        if rule.make is None:
            tally.ignored[rule.ignore or ""] += 1
            return
        rule.make(fields)(line, self._account(fields))
        tally.mapped += 1

    def _of_rule(
        self, rule: Rule, what: str
    ) -> Callable[[Fields], Callable[[int, str], None]]:
        op = checked_op(rule.op, _FIELDS, what)
        person = self.mapping.person
        fields = dict(rule.fields)
        names_person = op in {HOLDS, LACKS}
        if names_person and person is not None:
            about = person.model_dump()
            fields = {**{k: v for k, v in about.items() if v is not None}, **fields}
        unknown = set(fields) - _FIELDS[op]
        if unknown:
            raise InvalidInput(
                f"{what}: {op} has no field {shown(min(unknown))}.",
                try_=f"its fields are {', '.join(sorted(_FIELDS[op]))}",
            )
        parts = {
            name: self._value(name, spec, f"{name} of {what}")
            for name, spec in fields.items()
        }
        for name in ("seat_type", "user") if names_person else ("seat_type",):
            if name not in parts:
                raise InvalidInput(f"{what}: {op} needs the field {name}.")
        take = {
            HOLDS: self._holds,
            LACKS: self._lacks,
            NOBODY: self._nobody,
            TOTAL: self._total,
        }[op]

        def make(row: Fields) -> Callable[[int, str], None]:
            values = {name: value_of(row) for name, value_of in parts.items()}
            seat_type = values.pop("seat_type")
            return lambda line, account: take(
                line, self._pool(account, seat_type), values
            )

        return make

    def _pool(self, account: str, seat_type: str) -> ListedPool:
        """One object for each: rows are many, and pools few."""
        key = account, seat_type
        return self._pools.get(key) or self._pools.setdefault(key, ListedPool(*key))

    def _value(self, name: str, spec: Any, what: str) -> ValueOf:
        if name in {"assigned_at", "cancelled_at"}:
            return _time(TimeField.model_validate(spec))
        if name in {"purchased", "remaining"}:
            text_of = self._values.required(spec, what)
            return lambda row: whole_number(text_of(row), name)
        if name == "kind":
            text_of = self._values.required(spec, what)
            return lambda row: _kind(text_of(row))
        if name in {"user", "seat_type"}:
            text_of = self._values.required(spec, what)
            check = checked_key if name == "user" else checked_seat_type
            return lambda row: check(text_of(row))
        optional = self._values.text(spec, what)
        check = checked_email if name == "email" else checked_text

        def read(row: Fields) -> str | None:
            text = optional(row)
            return None if text is None else check(text)

        return read

    def _holds(self, line: int, pool: ListedPool, values: dict[str, Any]) -> None:
        user, email = values["user"], values.get("email")
        is_service = values.get("kind") == SERVICE
        if not is_service:
            self._check_email(user, email, line)
        since, until = values.get("assigned_at"), values.get("cancelled_at")
        holder = ListedHolder(
            line, pool, user, email, values.get("name"), since and since.text,
            until and until.text, is_service,
        )  # fmt: skip
        key = pool, user
        earlier = self._holders.get(key)
        if earlier is None:
            self._holders[key] = holder
            self._orders[key] = since.order if since else 0
            return
        # Two rows of one holding: it began with the first, and ends with the last.
        if since is not None and since.order < self._orders[key]:
            earlier = earlier._replace(assigned_at=since.text)
            self._orders[key] = since.order
        if until is None:
            earlier = earlier._replace(cancelled_at=None)
        self._holders[key] = earlier

    def _lacks(self, line: int, pool: ListedPool, values: dict[str, Any]) -> None:
        user, email, name = values["user"], values.get("email"), values.get("name")
        is_service = values.get("kind") == SERVICE
        if not is_service:
            self._check_email(user, email, line)
        holder = ListedHolder(line, pool, user, email, name, None, None, is_service)
        self.read.lacking.append(holder)

    def _check_email(self, user: str, email: str | None, line: int) -> None:
        if email is None:
            return
        folded = fold(email)
        if folded == email:
            folded = email  # the text that is kept anyhow
        other, first = self._users.setdefault(folded, (user, line))
        if other != user:
            raise UnreadableRow(
                f"{shown(user)} has the e-mail address of {shown(other)} in line "
                f"{first}.",
                "expected: an address of its own for each id, or a kind that says "
                "which is a service",
            )
        address, first = self._emails.setdefault(user, (folded, line))
        if address != folded:
            raise UnreadableRow(
                f"{shown(user)} has another e-mail address in line {first}.",
                "expected: one address for an id",
            )

    def _nobody(self, _line: int, pool: ListedPool, _values: dict[str, Any]) -> None:
        self.read.unnamed[pool] += 1

    def _total(self, _line: int, pool: ListedPool, values: dict[str, Any]) -> None:
        for name in ("purchased", "remaining"):
            if name in values:
                into: dict[ListedPool, int] = getattr(self.read, name)
                if into.setdefault(pool, values[name]) != values[name]:
                    raise UnreadableRow(
                        f"{pool.seat_type} is {name} {values[name]} here, and "
                        f"{into[pool]} in an earlier row.",
                        "expected: one total for a type",
                    )

    # -- what the list says of itself ---------------------------------------------

    def _page_marks(self) -> None:
        marks, pages = self.mapping.page, self.reader.pages
        if not self.read.tally.mapped:
            self._doubt("empty", "The list holds nobody.")
        if not pages:
            return
        last = pages[-1]
        if marks.next is not None and _at(last, marks.next):
            self._doubt("page-left", "The last page says that another one follows.")
        if marks.total is not None:
            self._check_total(marks.total, pages)
        if marks.taken_at is not None:
            time = _time(marks.taken_at)(last)
            self.read.taken_at = time and time.text
        for seat_type, path in marks.purchased.items():
            account = self._account(last)
            pool = ListedPool(checked_key(account), checked_seat_type(seat_type))
            text = _at(last, path)
            if text:
                self.read.purchased[pool] = whole_number(text, path)

    def _check_total(self, path: str, pages: list[dict[str, Any]]) -> None:
        totals = list(dict.fromkeys(_at(page, path) for page in pages))
        if len(totals) > 1:
            texts = enumerated(totals)
            self._doubt("total", f"Its pages say different totals ({path}: {texts}).")
            return
        read = self.read
        if self.mapping.page.counts == "seats":
            there = len(read.holders) + sum(read.unnamed.values())
        else:
            there = self.reader.rows
        if not totals[0]:
            self._doubt("total", f"It does not say its total ({path}).")
        elif whole_number(totals[0], path) != there:
            self._doubt(
                "total",
                f"It says that there are {totals[0]} ({path}), and has {there}.",
            )

    def _doubt(self, code: str, message: str) -> None:
        self.read.doubts.append(Doubt(code, message))


def _kind(text: str) -> str:
    if text not in {PERSON, SERVICE}:
        raise UnreadableRow(f"{shown(text)} is no kind.", f"expected: {_KINDS}")
    return text


def _at(page: Fields, path: str) -> str:
    return as_text(getter(path)(page), path)


def _time(spec: TimeField) -> ValueOf:
    get, parse = getter(spec.from_), parser(spec.format, spec.zone)

    def read(row: Fields) -> Any:
        value = get(row)
        return None if value is None or value == "" else parse(value)

    return read
