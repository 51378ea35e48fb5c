"""Every event of the ledger: the public record. Read this module first.

Events are past-tense facts, frozen, and never edited or deleted (R40). Each says
when it was true for the customer (``effective_at``), who caused it (``actor``) and,
where given, why (``reason``). The instant at which the ledger wrote it down
(``recorded_at``) is set by the database and is no part of the event.

Events name a person by the user's id. Key, e-mail and name stand in
:class:`UserAdded` and :class:`UserRenamed` alone, and are stored only encrypted
(:mod:`.personal_data`).
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from seat_ledger.domain.counting_rules import GRANULARITIES, MODES
from seat_ledger.domain.invoice_draft import LineKind

Text = Annotated[str, Field(max_length=2000)]
Count = Annotated[int, Field(ge=1)]
EntryPosition = Annotated[int, Field(ge=1)]
UserId = Annotated[
    str,
    StringConstraints(
        pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
    ),
]
"""A user's id as text: the id of the user's stream."""
if TYPE_CHECKING:
    CountingMode = str
    Granularity = str
else:
    CountingMode = Literal[MODES]
    Granularity = Literal[GRANULARITIES]

ExactQuantity = Annotated[str, StringConstraints(pattern=r"^-?[0-9]+/[1-9][0-9]*$")]
Price = Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)?$")]
Money = Annotated[str, StringConstraints(pattern=r"^-?[0-9]+(\.[0-9]+)?$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""A SHA-256, in lower hexadecimal digits."""

_set_values = BaseModel.__dict__["__dict__"].__set__
_set_named = BaseModel.__dict__["__pydantic_fields_set__"].__set__
_set_extra = BaseModel.__dict__["__pydantic_extra__"].__set__
_set_private = BaseModel.__dict__["__pydantic_private__"].__set__
"""What a model consists of, set as the library does and at a third of its time."""

EVENT_CLASSES: dict[str, type[LedgerEvent]] = {}
"""Every event class by its topic; filled as the classes are defined."""


class LedgerEvent(BaseModel):
    """Something that happened, in the stream of an account or of a user.

    ``originator_id`` and ``originator_version`` say which stream and where in it;
    the store keeps them beside the state. ``v`` is the version of the state's form.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    TOPIC: ClassVar[str]  # the class's name, stored in every row: never renamed
    VERSION: ClassVar[int] = 1  # raised only together with an upcaster
    INSTEAD: ClassVar[str | None] = None  # what to do where it is not reversible (R47)
    HAS_PARTS: ClassVar[bool] = False  # its values are not all plain ones
    ABSENT: ClassVar[dict[str, Any]]  # every field in order, with what it is by default

    originator_id: UUID = Field(exclude=True)
    originator_version: int = Field(exclude=True, ge=1)
    v: int = 1
    effective_at: AwareDatetime
    actor: Text
    reason: Text | None = None
    idempotency_key: Text | None = None
    correlation_id: Text | None = None

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Register the class under its name; what ends in Event is a kind of them."""
        topic = cls.TOPIC = cls.__name__
        if topic.endswith("Event"):
            return
        if EVENT_CLASSES.setdefault(topic, cls) is not cls:
            raise TypeError(f"two event classes have the topic {topic}")
        cls.ABSENT = {name: field.default for name, field in cls.model_fields.items()}

    @classmethod
    def from_checked(cls, fields: dict[str, Any]) -> Self:
        """An event as an aggregate makes it, of values that were checked as they came.

        They are not checked again. What is read is validated, and so is what has parts.
        """
        if cls.HAS_PARTS:
            return cls.model_validate(fields)
        event = object.__new__(cls)
        _set_values(event, {**cls.ABSENT, **fields})
        _set_named(event, set(fields))
        _set_extra(event, None)
        _set_private(event, None)
        return event


class AccountEvent(LedgerEvent):
    """An event of an account's stream; ``originator_id`` is the account's id."""


class SeatEvent(AccountEvent):
    """An event about one seat: its type and its number (DOMAIN 1)."""

    seat_type: str
    number: Count


class DerivableEvent(SeatEvent):
    """An event that may be derived from a dated list.

    Then it happened after `effective_after`, the last evidence to the contrary, and not
    later than it is effective (R85).
    """

    VERSION = 2

    effective_after: AwareDatetime | None = None


class HoldingEvent(DerivableEvent):
    """An event about who holds a seat; `user` is the user's id."""

    user: UserId


class CatalogueEvent(LedgerEvent):
    """An event of the catalogue's stream, which belongs to no account (R80)."""

    INSTEAD = "withdraw the seat type, or add it again"

    seat_type: str


class UserEvent(LedgerEvent):
    """An event of a user's stream; `account` is the id of the user's account."""

    account: UUID


class AccountOpened(AccountEvent):
    """The customer has an account: a contract of terms, billed by cycles (R22)."""

    INSTEAD = "open another account"

    account_key: str
    name: Text
    time_zone: str
    term_start: date
    term_months: Count
    billing_cycle_months: Count


class TimeZoneChanged(AccountEvent):
    """Bounds after this instant lie in another zone (R09)."""

    INSTEAD = "set the time zone again, from an instant after the last change"

    time_zone: str


class BillingPolicyChanged(AccountEvent):
    """Periods that begin from now on are counted by another rule (R50)."""

    mode: CountingMode
    granularity: Granularity | None = None


class SeatPurchased(DerivableEvent):
    """The seat is under contract, and billable, from this instant (R14)."""


class SeatReductionRequested(AccountEvent):
    """`quantity` seats shall be retired at the renewal of that number (R16, R17)."""

    seat_type: str
    quantity: Count
    renewal: Count


class SeatReductionCancelled(AccountEvent):
    """The request is taken back (R18); `request` is its version in this stream."""

    seat_type: str
    request: Count


class ContractRenewed(AccountEvent):
    """The next term began; `renewal` counts from 1 (R06, R21)."""

    INSTEAD = "reverse the seats it retired (SeatRetired)"

    renewal: Count


class ContractChanged(AccountEvent):
    """Other lengths, or another anchor, from the renewal of that number on (R96).

    What is absent stays as it was. It is effective at the renewal's instant.
    """

    renewal: Count
    term_months: Count | None = None
    billing_cycle_months: Count | None = None
    anchor: date | None = None


class AccountClosed(AccountEvent):
    """The account ends: its seats are retired, no renewal follows (R97).

    The `holdings` that it ends are the entries that follow it in this stream, and
    after them the seats that it retires.
    """

    holdings: Annotated[int, Field(ge=0)] = 0


class SeatRetired(SeatEvent):
    """The seat left the contract at the renewal (R21), or with the account (R97)."""

    renewal: Count | None = None


class SeatAssigned(HoldingEvent):
    """The user holds the seat from this instant until a later event ends it."""


class SeatUnassigned(HoldingEvent):
    """The user no longer holds the seat; it stays purchased and billable (S11).

    Where it carries out what was requested for a period's end (R98), `request` is the
    request's version in this stream.
    """

    request: Count | None = None


class UnassignmentRequested(SeatEvent):
    """The user shall hold the seat until the billing period ends (R98).

    `period` is the period's first local date: where its end moves, this moves with it.
    """

    user: UserId
    period: date


class UnassignmentCancelled(SeatEvent):
    """The request is taken back (R98); `request` is its version in this stream."""

    user: UserId
    request: Count


class SnapshotObserved(AccountEvent):
    """A source listed who holds what, and the list was true then (R83, R86).

    `covers` are the seat types that it is complete for, `digest` the SHA-256 of what it
    says, `rows` and `holders` how many it has, `totals` how many hold a seat of each
    type. It changes nothing, and is evidence also where nothing changed.
    """

    source: Text
    covers: tuple[str, ...]
    digest: Digest
    rows: Annotated[int, Field(ge=0)]
    holders: Annotated[int, Field(ge=0)]
    totals: dict[str, int]


class InvoicePart(BaseModel):
    """A part of what an invoice says."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class InvoiceLine(InvoicePart):
    """One line: a seat type in the period, or what a correction changed (R43).

    `quantity` is exact, in lowest terms; `period` the period's first local date;
    `voids` the number of the voided invoice that it takes a line of back (R94).
    """

    kind: LineKind
    period: date
    seat_type: str
    quantity: ExactQuantity
    unit_price: Price
    amount: Money
    entries: tuple[EntryPosition, ...] | None = None
    voids: Text | None = None


class InvoiceDates(InvoicePart):
    """Local dates in a row that begin 24 hours apart: the first, and how many."""

    day: date
    starts: AwareDatetime
    count: Annotated[int, Field(ge=1)]


class InvoiceCorrection(InvoicePart):
    """A correction that changed no amount and so made no line (R44)."""

    period: date
    seat_type: str
    quantity: ExactQuantity
    amount: Money
    entries: tuple[EntryPosition, ...]


class InvoiceIssued(AccountEvent):
    """A period was invoiced, as known at the position `cut_off` (R60, R64).

    One of corrections alone has no period, bounds, zone, mode or dates (R100).

    `period` is the period's first local date, `from` and `until` its bounds,
    `time_zone` the zone of the first of them, `digest` the SHA-256 of the inputs.
    `tree_size` and `tree_root` name a signed checkpoint that covers the cut-off: how
    many events were sealed, and the root hash over them. `dates` are the period's
    local dates as the zone data of `tzdata` had them: later zone data changes nothing.
    """

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    HAS_PARTS = True
    INSTEAD = (
        "void the invoice, or record the correction: it becomes a line of the next "
        "invoice"
    )

    invoice: Text
    period: date | None = None
    from_: AwareDatetime | None = Field(default=None, alias="from")
    until: AwareDatetime | None = None
    time_zone: str | None = None
    mode: CountingMode | None = None
    granularity: Granularity | None = None
    currency: str
    unit_prices: dict[str, Price]
    cut_off: EntryPosition
    tzdata: str
    digest: Digest
    lines: tuple[InvoiceLine, ...]
    corrections: tuple[InvoiceCorrection, ...]
    dates: tuple[InvoiceDates, ...] | None = None
    tree_size: EntryPosition | None = None
    tree_root: Digest | None = None


class InvoiceVoided(AccountEvent):
    """An invoice is to be credited whole; its period may be issued again (R94).

    `issued` is the version of its InvoiceIssued in this stream.
    """

    INSTEAD = "issue what it billed again under a new number"

    invoice: Text
    issued: Count


class UserAdded(UserEvent):
    """The account has one more user. With UserRenamed the event with personal data.

    The store keeps `sealed` and its `nonce` (base64), which hold the user's key,
    e-mail and name under a key of the person's own; the three are in plain here, and
    read as ``erased-…`` when that key is gone. Version 1 held them in plain. A user of
    the `kind` service is nobody (R99): a shared mailbox, a room, a device.
    """

    VERSION = 2

    user_key: str = Field(exclude=True)
    email: Text = Field(exclude=True)
    name: Text = Field(exclude=True)
    super_admin: bool = False
    account_access: bool = False
    kind: Literal["service"] | None = None
    nonce: str | None = None
    sealed: str | None = None


class UserRenamed(UserEvent):
    """The user has another key, e-mail or name from this instant on (R95).

    What is absent stays as it was. The texts are stored as those of UserAdded are, in
    `sealed` and its `nonce`, under the key of the person.
    """

    user_key: str | None = Field(default=None, exclude=True)
    email: Text | None = Field(default=None, exclude=True)
    name: Text | None = Field(default=None, exclude=True)
    nonce: str | None = None
    sealed: str | None = None


class PermissionsChanged(UserEvent):
    """The user's permissions are these; one that is absent stays as it was."""

    super_admin: bool | None = None
    account_access: bool | None = None


class HubAccessGranted(UserEvent):
    """The user may enter the hub (S7); a seat needs it (R25)."""

    hub: str


class HubAccessRevoked(UserEvent):
    """The user may no longer enter the hub."""

    hub: str


class UserRemoved(UserEvent):
    """The user has left the account; the history stays (R32)."""


class UserErased(UserEvent):
    """The person's key was destroyed: nobody can read any more who it was.

    It changes no interval and no figure, and cannot be reversed.
    """

    INSTEAD = "add the person again: what was destroyed cannot be restored"


class SeatTypeAdded(CatalogueEvent):
    """Seats of this type can be bought from now on (R80, R81).

    `exclusive` says whether a user holds at most one live seat of the type's hub.
    """

    exclusive: bool


class SeatTypeWithdrawn(CatalogueEvent):
    """No more seats of this type are bought; those that are there run on (R80)."""


class PriceSet(LedgerEvent):
    """One seat of the type costs this for one whole billing period, from now on (R90).

    In an account's stream it is the account's own; in the ledger's own stream it is
    for all accounts, and with a `first_date` holds from that local date on in each.
    """

    seat_type: str
    unit_price: Price
    currency: str
    first_date: date | None = None


class FindingEvent(AccountEvent):
    """An event about a finding of an audit, by its number in the account (R93)."""

    INSTEAD: ClassVar[str | None] = "note or settle the finding, and say why"

    finding: Count


class FindingOpened(FindingEvent):
    """An audit found that an invoice from elsewhere differs from the ledger (R62).

    `product` is the seat type as the invoice names it, `nth` which of several lines of
    the same period and product, `known_at` the position that it was audited at.
    `difference` is what was invoiced less what the ledger bills; absent where that has
    no price.
    """

    invoice: Text
    period: Text
    product: Text
    nth: Count
    verdict: Literal["over", "under", "missing", "unexpected"]
    cause: Literal["wrong_at_issue", "corrected_later", "not_known_at_issue"]
    invoiced_quantity: Text
    ledger_quantity: Text
    difference: Money | None = None
    currency: Text | None = None
    known_at: EntryPosition


class FindingNoted(FindingEvent):
    """Something was noted about a finding; with `disputed` the vendor was told."""

    note: Text
    disputed: bool = False


class FindingSettled(FindingEvent):
    """A finding is done with: credited by an invoice, or given up for a reason."""

    INSTEAD = "audit the invoice again: another difference opens another finding"

    credited_by: Text | None = None


class EntryReversed(LedgerEvent):
    """The entry at position `entry` never held, or holds again (R40, R47).

    `root` is the position of the entry at the end of the chain of reversals,
    `root_version` its version in this stream, and `holds` whether it holds after
    this. ``effective_at`` is the root's. `account` stands in users' streams.
    """

    account: UUID | None = None
    entry: EntryPosition
    entry_version: Count
    root: EntryPosition
    root_version: Count
    holds: bool
