"""A mapping: how the files of one source are read, as a TOML file that people read.

It is declarative. Texts are literal but for fields in braces; a value goes through a
table or it does not; a row meets the first rule whose conditions hold. There is no
code in it, and nothing that it does not say is guessed.
"""

from __future__ import annotations

import tomllib
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from seat_ledger.domain.values import shown
from seat_ledger.errors import InvalidInput

MAX_BYTES = 1 << 20
"""The largest mapping that is read."""

EVENTS, SNAPSHOT, BILL = "events", "snapshot", "bill"
HOLDS, LACKS, NOBODY, TOTAL = "holds", "lacks", "nobody", "total"
LINE = "line"

Name = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]


class MappingPart(BaseModel):
    """A table of a file: strict, and without words that mean nothing."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, populate_by_name=True
    )


class Lookup(MappingPart):
    """A text that a table turns into another; what the table has not is refused."""

    from_: Annotated[str, Field(alias="from")]
    table: str


TextSpec = str | Lookup | list[str | Lookup]
"""A text of a row; of a list the first that has all of its fields."""


class TimeField(MappingPart):
    """Where a time stands, how it is written, and in which zone without an offset."""

    from_: Annotated[str, Field(alias="from")]
    format: str
    zone: str | None = None


class FileShape(MappingPart):
    """What the files look like; `has` are the columns or fields that identify them.

    ``a|b`` in `has` is one field or the other. `rows` is the path of the list of rows
    in a document, or of an object whose fields are the rows: `keyed` names the field
    that the key becomes. `each` makes an entry of each element of a list in a row.
    `columns` gives other headers of a column; one may end with ``*``. With `optional`
    no columns are allowed but those and `has`.
    """

    format: Literal["table", "json"]
    has: Annotated[list[str], Field(min_length=1)]
    rows: str | None = None
    keyed: str | None = None
    each: str | None = None
    each_column: list[str] | None = None
    each_part: str | None = None
    separator: str | None = None
    none: str | None = None
    optional: list[str] | None = None
    columns: dict[str, list[str]] = {}
    sheet: str | None = None
    encoding: str | None = None
    stream: str | None = None
    json_in: list[str] = []
    """Columns or fields that hold JSON as a text."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        ways = [self.each, self.each_column, self.each_part]
        several = sum(way is not None for way in ways)
        if several > 1:
            raise ValueError("use one of each, each_column and each_part")
        if several and self.none is None:
            raise ValueError("say in 'none' why a row without an entry is ignored")
        if (self.each_part is None) != (self.separator is None):
            raise ValueError("each_part and separator belong together")
        return self


class PageMarks(MappingPart):
    """What a list says of itself, by paths in what stands around its rows.

    `total` is how many `counts` there are: rows, or seats, where a person counts once.
    `next` is there where a page follows; `taken_at` is when the list was true;
    `purchased` is how many seats of a type are bought.
    """

    total: str | None = None
    counts: Literal["rows", "seats"] = "rows"
    next: str | None = None
    taken_at: TimeField | None = None
    purchased: dict[str, str] = {}


class Changes(MappingPart):
    """Two lists in a row, before and after: an entry for each value in only one.

    `pattern` finds the values by named groups, which are fields of the entry; `change`
    is ``added`` or ``removed`` there.
    """

    before: str
    after: str
    pattern: str
    none: str


class Rule(MappingPart):
    """What becomes of the rows for which all of `when` hold.

    Either `op` with its fields, or several of them in `steps` as one batch, or the
    reason why they are ignored or refused.
    """

    when: dict[str, str | bool | int | list[str]] = {}
    op: str | None = None
    steps: list[dict[str, Any]] | None = None
    ignore: str | None = None
    refuse: str | None = None
    fields: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _gathered(cls, data: Any) -> Any:
        """Everything beside the rule's own words is a field of the operation."""
        if not isinstance(data, dict):
            return data
        own = {name: value for name, value in data.items() if name in _OWN_WORDS}
        fields = {name: value for name, value in data.items() if name not in own}
        return {**own, "fields": fields}

    @model_validator(mode="after")
    def _check(self) -> Self:
        outcomes = [self.op, self.steps, self.ignore, self.refuse]
        if sum(outcome is not None for outcome in outcomes) != 1:
            raise ValueError("a rule has one of op, steps, ignore and refuse")
        if self.fields and self.op is None:
            names = ", ".join(self.fields)
            raise ValueError(
                f"only a rule with an op has other fields, such as {names}"
            )
        if "" in (self.ignore, self.refuse):
            raise ValueError("say why: the reason is empty")
        return self


_OWN_WORDS = frozenset({"when", "op", "steps", "ignore", "refuse"})


class AccountField(MappingPart):
    """Which account a row belongs to: a text of the row, perhaps through a table."""

    from_: Annotated[str, Field(alias="from")]
    table: str | None = None


class PersonFields(MappingPart):
    """Who a row is about: key, e-mail and name of somebody the ledger may not know.

    `kind` says of a list's row ``person`` or ``service``: a service needs no e-mail and
    may share one (R99).
    """

    user: TextSpec
    email: TextSpec | None = None
    name: TextSpec | None = None
    kind: TextSpec | None = None


class Sums(MappingPart):
    """How the rows of a bill become lines: what is added up, what must be the same.

    Sums are exact; `quantity_places` and `amount_places` say to how many places the
    vendor rounds them, half up, once for a line.
    """

    invoice: str | None = None
    date: TimeField
    quantity: str
    amount: str
    unit_price: str
    currency: str | None = None
    decimal: Literal[".", ","] = "."
    quantity_places: Annotated[int, Field(ge=0, le=12)] | None = None
    amount_places: Annotated[int, Field(ge=0, le=12)] | None = None


class SourceMapping(MappingPart):
    """A whole mapping. `source` begins its idempotency keys: it never changes.

    `patterns` are regular expressions for fields: where one fits a field whole, its
    named groups are fields as well.
    """

    schema_: Annotated[Literal[1], Field(alias="schema")]
    kind: Literal["events", "snapshot", "bill"]
    source: Name
    title: str
    file: FileShape
    account: AccountField | None = None
    time: TimeField | None = None
    id: str | None = None
    actor: TextSpec | None = None
    person: PersonFields | None = None
    covers: list[str] = []
    page: PageMarks = PageMarks()
    changes: Changes | None = None
    patterns: dict[str, str] = {}
    sums: Sums | None = None
    tables: dict[str, dict[str, str]] = {}
    rule: Annotated[list[Rule], Field(min_length=1)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind == EVENTS and (self.time is None or self.id is None):
            raise ValueError("a mapping of events says 'time' and 'id'")
        if self.kind == BILL and self.sums is None:
            raise ValueError("a mapping of a bill says 'sums'")
        return self


def read_mapping(text: str, name: str) -> SourceMapping:
    """Read a mapping. Raises InvalidInput naming what is wrong, and where."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(
            f"{name} is not TOML: {error}.", try_="seat-ledger help mappings"
        ) from error
    try:
        return SourceMapping.model_validate(document)
    except ValidationError as error:
        raise InvalidInput(
            f"{name}: {problems(error, 'mapping')} "
            f"(kind: {shown(document.get('kind'))}).",
            try_="seat-ledger help mappings",
        ) from error


def problems(error: ValidationError, what: str) -> str:
    """What is wrong with a mapping, or another such file, as a sentence without end."""
    texts = []
    for problem in error.errors(include_url=False, include_context=False)[:3]:
        place = ".".join(
            f"{part + 1}" if isinstance(part, int) else str(part)
            for part in problem["loc"]
        )
        kind = problem["type"]
        if kind == "missing":
            text = f"'{place}' is missing"
        elif kind == "extra_forbidden":
            text = f"'{place}' is not a word of a {what}"
        else:
            message = problem["msg"].removeprefix("Value error, ")
            text = f"'{place}': {message}" if place else message
        texts.append(text)
    return "; ".join(texts)
