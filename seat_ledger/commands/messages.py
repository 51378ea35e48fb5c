"""The commands of a command file (CLI 4) as they are read.

A command is an envelope (which account, who, under which key) around one operation;
a batch is an envelope around several. Form is checked here and is ``invalid_input``
where it is wrong; what needs the ledger's knowledge is refused later, by rule.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, TypeVar

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
)

from seat_ledger.domain.catalogue import check_seat_type
from seat_ledger.domain.counting_rules import COUNTING_RULES
from seat_ledger.domain.events import CountingMode, Digest, Granularity
from seat_ledger.domain.money import parse_price, places_of
from seat_ledger.domain.seat_types import CATALOGUE_KEY
from seat_ledger.domain.values import (
    MAX_SEATS_PER_COMMAND,
    BillingPolicy,
    check_invoice_number,
    check_key,
    check_text,
    fold,
    repeated_name,
    shown,
)
from seat_ledger.domain.wording import counted
from seat_ledger.errors import InvalidInput

Key = Annotated[
    str,
    StringConstraints(pattern=r"^[^\s\x00-\x1f\x7f-\x9f/#]{1,100}$"),
]
Text = Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00]*$")]
Reference = Annotated[
    str, StringConstraints(min_length=1, max_length=2000, pattern=r"^[^\x00]*$")
]
Actor = Annotated[
    str, StringConstraints(max_length=2000, pattern=r"^(user|system):[^\x00]+$")
]
Count = Annotated[int, Field(ge=0, le=2**62)]
Ordinal = Annotated[int, Field(ge=1, le=2**62)]
Seats = Annotated[int, Field(ge=1, le=MAX_SEATS_PER_COMMAND)]
F = TypeVar("F")
M = TypeVar("M", bound=BaseModel)
MAX_LINE = 1 << 20
MAX_BATCH = 10_000
"""The longest line of a command file that is read, in bytes."""

_DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER = r"-?[0-9]+(\.[0-9]+)?"
_LABEL = "[0-9]{4}-[0-9]{2}(-[0-9]{2})?"
_DATES = rf"{_LABEL}(\.\.[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})?"
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def _iso_date(value: object) -> date:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise ValueError("a date is written like 2025-03-05")
    return date.fromisoformat(value)


def _within_calendar(value: date) -> date:
    if not 1900 <= value.year <= 2900:
        raise ValueError("the year must lie between 1900 and 2900")
    return value


def _invoice_number(value: str) -> str:
    try:
        return check_invoice_number(value)
    except InvalidInput as error:
        raise ValueError(error.message.rstrip(".")) from error


def _schema_of(pattern: str, **more: str) -> WithJsonSchema:
    """What the schema of a text of one form says."""
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$", **more})


def _written_as(pattern: str, words: str) -> AfterValidator:
    """A text of one form, and no other: what people could write freely is no part."""
    form = re.compile(pattern)

    def check(value: str) -> str:
        if not form.fullmatch(value):
            raise ValueError(words)
        return value

    return AfterValidator(check)


InvoiceNumber = Annotated[str, AfterValidator(_invoice_number)]
Decimal = Annotated[
    Text,
    _written_as(_NUMBER, "a number is written like 13.6"),
    _schema_of(_NUMBER),
]
Label = Annotated[
    Text,
    _written_as(_LABEL, "a period is written like 2025-03 or 2025-03-05"),
    _schema_of(_LABEL),
]
LabelOrDates = Annotated[
    Text,
    _written_as(
        _DATES,
        "what an invoice bills is written like 2025-03, 2025-03-05 or "
        "2025-03-05..2025-04-04",
    ),
    _schema_of(_DATES),
]
Date = Annotated[
    date,
    BeforeValidator(_iso_date),
    AfterValidator(_within_calendar),
    _schema_of(_DATE.pattern, format="date"),
]


OPERATIONS: dict[str, type[Operation]] = {}
"""Every operation by its word; filled as the classes are defined."""


class Operation(BaseModel):
    """One operation: what is asked, from when on, and why.

    `IN_BATCH` and `IN_FILE` say where it may stand; `TIMELESS` that it has no
    effective time of its own, so that no renewal is due for it; `CLOSES` that it
    comes before openings of the same instant (R28); `NEEDS_RECORDED` that it builds
    on what is recorded already; `FOR_ALL` that without an account it is for all of
    them, and recorded in the ledger's own stream, as what is `OF_CATALOGUE` always is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    OP: ClassVar[str]
    IN_BATCH: ClassVar[bool] = True
    IN_FILE: ClassVar[bool] = True
    TIMELESS: ClassVar[bool] = False
    CLOSES: ClassVar[bool] = False
    NEEDS_RECORDED: ClassVar[bool] = False
    OF_CATALOGUE: ClassVar[bool] = False
    FOR_ALL: ClassVar[bool] = False
    AFTER_CLOSING: ClassVar[bool] = False

    op: str
    effective_at: Text | None = None
    reason: Text | None = None

    @property
    def closes(self) -> bool:
        """Whether it comes before openings of the same instant (R28)."""
        return self.CLOSES

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Register the class under its own word: ``AddUser`` is ``add_user``."""
        cls.OP = _CAPITAL.sub("_", cls.__name__).lower()
        OPERATIONS[cls.OP] = cls

    def facts(self) -> dict[str, Any]:
        """The fields that are its own, by name."""
        names = type(self).model_fields.keys() - Operation.model_fields.keys()
        return {name: getattr(self, name) for name in names}

    def check(self) -> None:
        """Refuse what no field alone shows. Raises InvalidInput."""


class OpenAccount(Operation):
    """Open the account under the envelope's key (R39)."""

    IN_BATCH = False

    name: Text
    time_zone: Text
    term_start: Date
    term_months: Annotated[int, Field(ge=1, le=240)]
    billing_cycle_months: Annotated[int, Field(ge=1, le=120)]


class SetTimeZone(Operation):
    """Move later bounds to another zone (R09)."""

    IN_BATCH = False

    time_zone: Text


class SetBillingPolicy(Operation):
    """Count the periods that begin from now on by another rule (R50).

    Without a granularity the first of the mode's is meant, where it has any.
    """

    IN_BATCH = False

    mode: CountingMode
    granularity: Granularity | None = None

    def check(self) -> None:
        """Refuse a granularity that the mode has not."""
        granularities = COUNTING_RULES[self.mode].granularities
        if self.granularity is not None and self.granularity not in granularities:
            raise InvalidInput(
                f"set_billing_policy: the mode {self.mode} has no granularity; leave "
                "it out.",
                try_="omit 'granularity'",
            )

    @property
    def policy(self) -> BillingPolicy:
        """The policy that is meant."""
        default = COUNTING_RULES[self.mode].granularities[0]
        return BillingPolicy(self.mode, self.granularity or default)


class Renew(Operation):
    """Process every renewal that is due (R37)."""

    AFTER_CLOSING = True
    IN_BATCH = False


class AddUser(Operation):
    """Add a user, with seats if asked (S6, S7)."""

    user: Key
    email: Text | None = None
    name: Text
    kind: Literal["person", "service"] = "person"
    super_admin: bool = False
    account_access: bool = False
    seats: Annotated[list[Text], Field(max_length=100)] = []
    buy_if_needed: bool = False

    def check(self) -> None:
        """Refuse a person without an e-mail; a service needs none (R99)."""
        if self.email is None and self.kind == "person":
            raise InvalidInput(
                "add_user: the field 'email' is missing.",
                try_="give the person's e-mail, or say that it is a service",
            )


class SetPermissions(Operation):
    """Change what a user may do; what is absent stays."""

    user: Reference
    super_admin: bool | None = None
    account_access: bool | None = None

    def check(self) -> None:
        """Refuse a change that leaves everything as it is."""
        if self.super_admin is None and self.account_access is None:
            raise InvalidInput(
                "set_permissions: give 'super_admin' or 'account_access', or both."
            )


class GrantHubAccess(Operation):
    """Give a user access to a hub."""

    user: Reference
    hub: Text


class RevokeHubAccess(Operation):
    """Take away a user's access to a hub."""

    CLOSES = True

    user: Reference
    hub: Text


class RemoveUser(Operation):
    """Take a user out of the account (S10)."""

    CLOSES = True

    user: Reference


class RenameUser(Operation):
    """Give a user another key, e-mail or name; the person stays (R95)."""

    user: Reference
    new_user: Key | None = None
    email: Text | None = None
    name: Text | None = None

    def check(self) -> None:
        """Refuse a renaming that names nothing."""
        if self.new_user is None and self.email is None and self.name is None:
            raise InvalidInput("rename_user: give 'new_user', 'email' or 'name'.")


class EraseUser(Operation):
    """Let nobody read any more who a user was; `user` may be an id too."""

    AFTER_CLOSING = True
    IN_BATCH = False
    IN_FILE = False
    TIMELESS = True

    user: Reference

    def check(self) -> None:
        """Refuse an instant: an erasure has none of its own."""
        if self.effective_at is not None:
            raise InvalidInput(
                "erase_user: an erasure takes effect when it is recorded."
            )


def _check_window(operation: Operation, effective_after: str | None) -> None:
    """Refuse a window that has no end (R85)."""
    if effective_after is not None and operation.effective_at is None:
        raise InvalidInput(
            f"{operation.op}: 'effective_after' needs an 'effective_at', where the "
            "window ends."
        )


class BuySeats(Operation):
    """Put more seats under contract."""

    seat_type: Text
    quantity: Seats
    effective_after: Text | None = None

    def check(self) -> None:
        """Refuse a window that has no end."""
        _check_window(self, self.effective_after)


class ReduceSeats(Operation):
    """Ask for fewer seats from the next renewal on (S11)."""

    seat_type: Text
    quantity: Seats


class CancelReduction(Operation):
    """Take back the latest pending reduction (R18)."""

    seat_type: Text


class NewPerson(BaseModel):
    """E-mail and name of somebody who may not be a user yet."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    email: Text
    name: Text


class AssignSeat(Operation):
    """Give a user a seat (S3), bought first if asked (S5, S8).

    With `add_if_needed` somebody who is not a user at that time is added under the key.
    """

    user: Reference
    seat_type: Text
    seat: Text | None = None
    buy_if_needed: bool = False
    add_if_needed: NewPerson | None = None
    effective_after: Text | None = None

    def check(self) -> None:
        """Refuse a named seat that may be another one, and a key that is none."""
        _check_window(self, self.effective_after)
        if self.add_if_needed is not None:
            check_key(self.user, "user")
        if self.seat is not None and self.buy_if_needed:
            raise InvalidInput(
                "assign_seat: 'seat' and 'buy_if_needed' exclude each other."
            )


class UnassignSeat(Operation):
    """Take a seat from a user; it stays purchased (S11).

    With `at_period_end` the user holds it until the billing period ends (R98).
    """

    CLOSES = True

    user: Reference
    seat_type: Text
    at_period_end: bool = False
    effective_after: Text | None = None

    @property
    def closes(self) -> bool:
        """What is only requested ends nothing yet."""
        return not self.at_period_end

    def check(self) -> None:
        """Refuse a window without an end, and one for what is yet to come."""
        _check_window(self, self.effective_after)
        if self.at_period_end and self.effective_after is not None:
            raise InvalidInput(
                "unassign_seat: 'at_period_end' and 'effective_after' exclude each "
                "other."
            )


class CancelUnassignment(Operation):
    """Take back the unassignment that is pending for a period's end (R98)."""

    user: Reference
    seat_type: Text


class ObserveSnapshot(Operation):
    """Record that a source listed who holds what, at the effective time (R86)."""

    source: Text
    covers: Annotated[list[Text], Field(min_length=1, max_length=1000)]
    digest: Digest
    rows: Count
    holders: Count
    totals: Annotated[dict[str, Count], Field(max_length=1000)]

    def check(self) -> None:
        """Refuse a list that does not say when it was true, or counts other types."""
        if self.effective_at is None:
            raise InvalidInput("observe_snapshot: 'effective_at' is missing.")
        if others := self.totals.keys() - set(self.covers):
            raise InvalidInput(
                f"observe_snapshot: 'totals' names {shown(min(others))}, which "
                "'covers' does not."
            )


class Reverse(Operation):
    """Reverse an entry, or all that a command recorded (R40)."""

    AFTER_CLOSING = True
    TIMELESS = True
    NEEDS_RECORDED = True

    entry: Ordinal | None = None
    entry_key: Text | None = None

    def check(self) -> None:
        """Refuse none or two of both ways to name entries."""
        if (self.entry is None) == (self.entry_key is None):
            raise InvalidInput("reverse: give either 'entry' or 'entry_key'.")


class IssueInvoice(Operation):
    """Invoice a period that has ended, once (R60, R64); or corrections alone (R100)."""

    AFTER_CLOSING = True
    IN_BATCH = False
    NEEDS_RECORDED = True

    invoice: InvoiceNumber
    period: Text | None = None
    corrections_only: bool = False
    unit_prices: Annotated[dict[str, Text], Field(max_length=1000)] | None = None
    currency: Text | None = None

    def check(self) -> None:
        """Refuse neither or both of a period and corrections alone, an unknown
        currency, and a price that is none.
        """
        if (self.period is None) != self.corrections_only:
            raise InvalidInput(
                f"{self.OP}: give either 'period' or 'corrections_only'."
            )
        try:
            if self.currency is not None:
                places_of(self.currency)
            for price in (self.unit_prices or {}).values():
                parse_price(price)
        except InvalidInput as error:
            raise InvalidInput(
                f"{self.OP}: {error.message}", try_=error.try_
            ) from error


class AddSeatType(Operation):
    """Add a seat type to the catalogue, or offer it again (R80, R81)."""

    OF_CATALOGUE = True
    IN_BATCH = False

    seat_type: Text
    exclusive: bool | None = None

    def check(self) -> None:
        """Refuse what cannot be a type's name."""
        check_seat_type(self.seat_type)


class WithdrawSeatType(Operation):
    """Stop the sale of a seat type (R80)."""

    OF_CATALOGUE = True
    IN_BATCH = False

    seat_type: Text


def _check_currency(op: str, currency: str) -> None:
    try:
        places_of(currency)
    except InvalidInput as error:
        raise InvalidInput(f"{op}: {error.message}", try_=error.try_) from error


class SetPrice(Operation):
    """Say what a seat of a type costs from now on, in the account or in all (R90)."""

    FOR_ALL: ClassVar[bool] = True

    seat_type: Text
    unit_price: Text
    currency: Text

    def check(self) -> None:
        """Refuse an unknown currency, and a price that is none."""
        try:
            places_of(self.currency)
            parse_price(self.unit_price)
        except InvalidInput as error:
            raise InvalidInput(
                f"{self.OP}: {error.message}", try_=error.try_
            ) from error


class OpenFinding(Operation):
    """Keep a finding of an audit, unless it is kept already (R93)."""

    AFTER_CLOSING = True
    TIMELESS = True

    invoice: Text
    period: LabelOrDates
    product: Text
    nth: Ordinal = 1
    verdict: Literal["over", "under", "missing", "unexpected"]
    cause: Literal["wrong_at_issue", "corrected_later", "not_known_at_issue"]
    invoiced_quantity: Decimal
    ledger_quantity: Decimal
    difference: Decimal | None = None
    currency: Text | None = None
    known_at: Ordinal

    def check(self) -> None:
        """Refuse an unknown currency."""
        if self.currency is not None:
            _check_currency(self.OP, self.currency)


class NoteFinding(Operation):
    """Note something about a finding that is open (R93)."""

    AFTER_CLOSING = True
    TIMELESS = True

    finding: Ordinal
    note: Text
    disputed: bool = False


class SettleFinding(Operation):
    """Be done with a finding: credited by an invoice, or for a reason (R93)."""

    AFTER_CLOSING = True
    TIMELESS = True

    finding: Ordinal
    credited_by: Text | None = None

    def check(self) -> None:
        """Refuse an end that says neither by which invoice nor why."""
        if self.credited_by is None and not self.reason:
            raise InvalidInput(
                f"{self.OP}: give 'credited_by', or a 'reason'.",
                try_="name the invoice that credits it, or say why it is given up",
            )


class ChangeContract(Operation):
    """Have other lengths, or another anchor, from a renewal on (R96)."""

    IN_BATCH = False

    renewal: Annotated[int, Field(ge=1, le=10_000)]
    term_months: Annotated[int, Field(ge=1, le=240)] | None = None
    billing_cycle_months: Annotated[int, Field(ge=1, le=120)] | None = None
    anchor: Date | None = None

    def check(self) -> None:
        """Refuse a change that leaves everything as it is."""
        if not (self.term_months or self.billing_cycle_months or self.anchor):
            raise InvalidInput(
                "change_contract: give 'term_months', 'billing_cycle_months' or "
                "'anchor'."
            )


class CloseAccount(Operation):
    """End the account, its holdings with it if asked (R97)."""

    end_holdings: bool = False


class VoidInvoice(Operation):
    """Have an issued invoice credited whole by the next one (R94)."""

    AFTER_CLOSING = True

    invoice: InvoiceNumber


class Batch(Operation):
    """Several operations as one step: all of them or none (S9, R28, R29)."""

    IN_BATCH = False

    commands: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MAX_BATCH)]


class Envelope(BaseModel):
    """For which account a command is, who gives it, and under which key."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    account: Key
    actor: Actor | None = None
    idempotency_key: (
        Annotated[str, StringConstraints(min_length=1, max_length=2000)] | None
    ) = None
    correlation_id: Text | None = None
    expect: Literal["refused"] | None = None


class Command(NamedTuple):
    """A command as it was given, read."""

    envelope: Envelope
    operation: Operation
    lines: tuple[Operation, ...]
    digest: bytes
    digest_as_written: bytes

    @property
    def needs_recorded(self) -> bool:
        """Whether a line of it builds on what is recorded already."""
        if len(self.lines) == 1:
            return self.lines[0].NEEDS_RECORDED
        return any(line.NEEDS_RECORDED for line in self.lines)

    @property
    def erases(self) -> bool:
        """Whether it destroys what tells who somebody was."""
        return type(self.operation) is EraseUser

    @property
    def op(self) -> str:
        """The word of the operation."""
        return self.operation.op

    def names(self) -> Iterator[str]:
        """Every key or e-mail that the command names a user by, folded."""
        actor = self.envelope.actor or ""
        if actor.startswith("user:"):
            yield fold(actor.removeprefix("user:"))
        for line in self.lines:
            fields = line.__dict__  # asking a model for a field it lacks is slow
            if (user := fields.get("user")) is not None:
                yield fold(user)
            if (new := fields.get("add_if_needed")) is not None:
                yield fold(new.email)
            if isinstance(line, AddUser | RenameUser) and line.email:
                yield fold(line.email)
            if isinstance(line, RenameUser) and line.new_user:
                yield fold(line.new_user)


_ENVELOPE = tuple(Envelope.model_fields)


def parse_line(text: bytes) -> dict[str, Any]:
    """The object that a line of a command file is. Raises InvalidInput."""
    return parse_in_order(text)[0]


def parse_in_order(text: bytes) -> tuple[dict[str, Any], bytes]:
    """The same, and its text with the fields in one order, as digests are of."""
    if len(text) > MAX_LINE:
        raise InvalidInput(
            f"The line has more than {counted(MAX_LINE, 'byte')}.",
            try_="write one command per line",
        )
    try:
        fields = orjson.loads(text.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        hint = "write a command as one JSON object, in UTF-8"
        if text.startswith(b"\x1f\x8b"):
            hint = "the file is compressed: unpack it first"
        raise InvalidInput(f"This is not JSON: {error}.", try_=hint) from error
    if not isinstance(fields, dict):
        raise InvalidInput(
            f"A command is a JSON object, not {shown(_json(fields))}.",
            try_='write it like {"op": "renew", "account": "acme"}',
        )
    try:
        in_order = _sorted(fields)
    except orjson.JSONEncodeError as error:
        raise InvalidInput(
            "This is nested too deeply to be a command.",
            try_="write one command per line",
        ) from error
    # Without an escape a text has two quotation marks wherever it is written.
    if b"\\" in text or in_order.count(b'"') != text.count(b'"'):
        _check_fields_once(text)
    return fields, in_order


def _check_fields_once(text: bytes) -> None:
    """Refuse an object that gives a field twice: nobody knows which is meant."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        twice = repeated_name(pairs)
        if twice is not None:
            raise InvalidInput(
                f"The field {shown(twice)} appears twice in one command.",
                try_="give each field once",
            )
        return dict(pairs)

    json.loads(text, object_pairs_hook=once)


def read_command(fields: Mapping[str, Any], in_order: bytes = b"") -> Command:
    """Read a command from the object that was given, and its text if that is there.

    Raises InvalidInput naming the field that is wrong.
    """
    if not isinstance(fields, dict):
        raise InvalidInput(
            'A command must be a JSON object, such as {"op": "renew", …}.'
        )
    remaining = dict(fields)
    envelope = {key: remaining.pop(key) for key in _ENVELOPE if key in remaining}
    operation = read_operation(remaining)
    read = _read_envelope(envelope, operation)
    lines: tuple[Operation, ...] = (operation,)
    if isinstance(operation, Batch):
        lines = tuple(read_line(operation, n, line) for n, line in _numbered(operation))
    return Command(read, operation, lines, *_digests(fields, in_order))


def _read_envelope(fields: dict[str, Any], operation: Operation) -> Envelope:
    """Who gives the command, and for which account; the catalogue is no account's."""
    account = fields.get("account")
    if not (operation.OF_CATALOGUE or (operation.FOR_ALL and account is None)):
        if len(fields) == 1 and isinstance(account, str):
            return _read(_of_account, account, operation.op)
        return _checked(_read(_validated(Envelope), fields, operation.op))
    if account is not None:
        raise InvalidInput(
            f"{operation.op}: the catalogue belongs to no account.",
            try_="omit 'account'",
        )
    named = {**fields, "account": "catalogue"}
    envelope = _checked(_read(_validated(Envelope), named, operation.op))
    return envelope.model_copy(update={"account": CATALOGUE_KEY})


@lru_cache(maxsize=4096)
def _of_account(account: str) -> Envelope:
    """The envelope that names an account and nothing else: one for all its commands.

    Raises ValidationError.
    """
    return Envelope(account=account)


def _checked(envelope: Envelope) -> Envelope:
    """An envelope whose texts can be stored. Raises InvalidInput."""
    for name in ("idempotency_key", "correlation_id"):
        if text := getattr(envelope, name):
            check_text(text, name)
    return envelope


def _digests(fields: Mapping[str, Any], in_order: bytes) -> tuple[bytes, bytes]:
    """What makes two commands the same: all that was given, `expect` apart (R73).

    A field that is null is not given; the second digest is as earlier programs
    recorded it, with such fields.
    """
    same, text = fields, in_order
    if "expect" in fields:
        same = {key: value for key, value in fields.items() if key != "expect"}
        text = b""
    text = text or _sorted(same)
    as_written = hashlib.sha256(text).digest()
    if b"null" not in text:  # nearly every command
        return as_written, as_written
    return hashlib.sha256(_sorted(_without_nulls(same))).digest(), as_written


def _sorted(fields: Mapping[str, Any]) -> bytes:
    return orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _without_nulls(item) for key, item in value.items() if item is not None
        }
    return (
        [_without_nulls(item) for item in value] if isinstance(value, list) else value
    )


def read_operation(fields: Mapping[str, Any]) -> Operation:
    """Read one operation. Raises InvalidInput."""
    op = fields.get("op")
    operation = OPERATIONS.get(op) if isinstance(op, str) else None
    if operation is None:
        what = "no 'op'" if op is None else f"an unknown op {shown(op)}"
        raise InvalidInput(
            f"The command has {what}.", try_="use one of " + ", ".join(_in_a_file())
        )
    read = _read(_validated(operation), fields, operation.OP)
    read.check()
    return read


def _in_a_file() -> list[str]:
    return [op for op, operation in OPERATIONS.items() if operation.IN_FILE]


def _numbered(batch: Batch) -> enumerate[dict[str, Any]]:
    return enumerate(batch.commands, start=1)


def read_line(batch: Batch, number: int, fields: dict[str, Any]) -> Operation:
    """Read one line of a batch; what it does not say it takes from the batch."""
    try:
        line = operation_of_batch(fields)
    except InvalidInput as error:
        raise InvalidInput(
            f"Line {number} of the batch: {error.message}", try_=error.try_
        ) from error
    taken = {
        name: getattr(batch, name)
        for name in ("effective_at", "reason")
        if getattr(line, name) is None
    }
    return line.model_copy(update=taken) if any(taken.values()) else line


def operation_of_batch(fields: Mapping[str, Any]) -> Operation:
    """Read a line of a batch by itself. Raises InvalidInput."""
    op = fields.get("op")
    if isinstance(op, str) and op in OPERATIONS and not OPERATIONS[op].IN_BATCH:
        raise InvalidInput(
            f"{op} is not allowed in a batch.", try_="run it as a separate command"
        )
    return read_operation(fields)


def _validated(model: type[M]) -> Callable[[Mapping[str, Any]], M]:
    return model.__pydantic_validator__.validate_python


def _read(validate: Callable[[F], M], fields: F, op: str) -> M:
    try:
        return validate(fields)
    except ValidationError as error:
        raise InvalidInput(_in_words(error, op), try_=_FIELDS) from error


_FIELDS = "seat-ledger help command-files"
"""Where the fields of each operation stand."""


def _in_words(error: ValidationError, op: str) -> str:
    """What is wrong with a command, in one sentence for a person."""
    problems = []
    for problem in error.errors(include_url=False, include_context=False)[:3]:
        name = ".".join(str(part) for part in problem["loc"][:2])
        is_unknown = problem["type"] == "extra_forbidden"
        problems.append(
            f"unknown field '{name}'"
            if is_unknown
            else f"'{name}' {_problem(problem, name)}"
        )
    return f"{op}: " + "; ".join(problems) + "."


def _problem(problem: Any, name: str) -> str:
    kind, value = problem["type"], problem["input"]
    if kind == "missing":
        return "is missing"
    if isinstance(value, str):
        try:
            (check_key if name in _KEYS else check_text)(value, name)
        except InvalidInput as error:
            return "cannot be used: " + error.message.rstrip(".")
    text = shown(value if isinstance(value, str) else _json(value))
    if kind == "int_type" and isinstance(value, float) and value.is_integer():
        return f"is {text}: is too large, or not written as a whole number"
    if kind in _EXPECTED:
        return f"is {text}: {_EXPECTED[kind]}"
    reason = problem["msg"].removeprefix("Value error, ")
    return f"is {text}: {reason[:1].lower()}{reason[1:]}"


_KEYS = {"account", "user", "new_user"}
_EXPECTED = {
    "string_pattern_mismatch": "write user:KEY or system:NAME",  # only actors come here
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "int_type": "must be a whole number, without quotes",
    "int_from_float": "must be a whole number",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "dict_type": "must be an object",
    "list_type": "must be a list",
}
"""What is expected instead, where the library's own words read badly."""


def _json(value: object) -> str:
    """A value as it stands in a command file."""
    return json.dumps(value, default=str)
