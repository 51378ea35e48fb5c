"""A source's log becomes command lines (CLI 4): read, mapped by rules, put in order.

Nothing is passed over: each row is mapped, ignored for a reason, or stops the
conversion with its line (R82). A line that stands twice is one; what bears one id and
is not the same stops it as well.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from typing import Any, get_args

import orjson

from seat_ledger.commands.messages import OPERATIONS, Batch, IssueInvoice
from seat_ledger.domain.values import MAX_TEXT_LENGTH, check_key, shown
from seat_ledger.errors import InvalidInput
from seat_ledger.sources.fields import Fields, getter, is_fixed
from seat_ledger.sources.mapping import EVENTS, Rule, SourceMapping
from seat_ledger.sources.ordering import TimeSorter
from seat_ledger.sources.reading import SourceReader
from seat_ledger.sources.refusals import UnreadableRow
from seat_ledger.sources.repeats import Repeats
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
    through_table,
    whole_number,
    yes_or_no,
)

_OPS = tuple(
    op
    for op, operation in OPERATIONS.items()
    if operation.IN_FILE and operation not in {Batch, IssueInvoice}
)
_CHECKS: dict[str, Callable[[str], str]] = {
    "user": checked_key,
    "email": checked_email,
    "seat_type": checked_seat_type,
}
Command = dict[str, Any]


class Conversion:
    """The command lines of one log, in the order of their times.

    `account` replaces the mapping's own; all rows must then be of one account of the
    source. `tally` is whole once `lines` has been read.
    """

    def __init__(
        self, reader: SourceReader, file: str, *, account: str | None = None
    ) -> None:
        mapping = reader.mapping
        if mapping.kind != EVENTS:
            raise InvalidInput(
                f"The mapping {mapping.source} reads a {mapping.kind}, not a log of "
                "events.",
                try_=_INSTEAD[mapping.kind],
            )
        self.reader, self.file, self.tally = reader, file, RowTally()
        self._maker = CommandMaker(mapping, account)
        self._rules = RuleBook(mapping, self._maker.of_rule)

    def lines(self) -> Iterator[bytes]:
        """Every command line, once all rows are read. Raises InvalidInput."""
        with TimeSorter() as sorter:
            try:
                repeated = self._read(sorter)
            except UnreadableRow as error:
                self.tally.refused += 1
                raise self.reader.located(error, self.file) from error
            finally:
                self.tally.rows = self.reader.rows
            for _, number, _, text in sorter.lines():
                if number not in repeated:
                    yield text

    def _read(self, sorter: TimeSorter) -> set[int]:
        """Read and map all rows; the numbers of entries that repeat another."""
        tally, rules, maker = self.tally, self._rules, self._maker
        none = self.reader.shape.none or (
            self.reader.mapping.changes and self.reader.mapping.changes.none
        )
        repeats, numbers = Repeats(), array("Q")
        reader, mapped = self.reader, 0
        rule_for, line_of, note, add = (
            rules.rule_for,
            maker.line,
            repeats.note,
            sorter.add,
        )
        for line, fields in reader.entries():
            tally.entries += 1
            if fields is None:
                tally.ignored[none or ""] += 1
                continue
            rule = rule_for(fields)
            if rule.make is None:
                tally.ignored[rule.ignore or ""] += 1
                continue
            order, id_, text = line_of(fields, rule.make(fields))
            tally.mapped = mapped = mapped + 1
            numbers.append(line)
            note(id_, text, mapped)
            add((order, mapped, reader.rows, text))
        for name, count in self.reader.ignored.items():
            tally.ignored[f"of the stream {shown(name)}, which is not read"] += count
        repeated, conflict = repeats.again()
        if conflict is not None:
            tally.mapped -= 1
            raise UnreadableRow(
                f"the row has the id of line {numbers[conflict[0] - 1]} and says "
                "something else.",
                "expected: an id of its own for each row ('id' in the mapping)",
                numbers[conflict[1] - 1],
            )
        if repeated:
            tally.mapped -= len(repeated)
            tally.ignored["the same row again"] += len(repeated)
        return repeated


_INSTEAD = {
    "snapshot": "seat-ledger snapshot FILE --with MAPPING --taken-at T",
    "bill": "seat-ledger invoice convert FILE --with MAPPING --issued-at T",
}


class CommandMaker:
    """Makes commands of rows: the operation by a rule, the rest the same for all."""

    def __init__(self, mapping: SourceMapping, account: str | None) -> None:
        assert mapping.time is not None
        assert mapping.id is not None
        self._mapping, self._values = mapping, Values(mapping)
        self._time_field = getter(mapping.time.from_)
        self._time_path = mapping.time.from_
        self._parse_time = parser(mapping.time.format, mapping.time.zone)
        self._id = self._values.required(f"{mapping.source}:{mapping.id}", "id")
        self._actor = (
            self._values.text(mapping.actor, "actor") if mapping.actor else None
        )
        self._account = accounts(self._values, account)

    def line(self, row: Fields, operation: Command) -> tuple[int, str, bytes]:
        """A command line of a row, with its time and its id. Raises UnreadableRow."""
        written = self._time_field(row)
        if written is None or written == "":
            raise UnreadableRow(
                f"the time {self._time_path} is missing.",
                "expected: a time in each row",
            )
        order, effective_at = self._parse_time(written)
        id_ = self._id(row)
        operation["account"] = self._account(row)
        operation["effective_at"] = effective_at
        if self._actor is not None:
            actor = self._actor(row)
            if actor is not None:
                operation["actor"] = checked_text(actor)
        operation["idempotency_key"] = id_
        if len(id_) > MAX_TEXT_LENGTH or not id_.isprintable():
            checked_text(id_)
        # What orjson gives holds more memory than its length; a copy of it does not.
        return order, id_, orjson.dumps(operation) + b"\n"

    def of_rule(self, rule: Rule, what: str) -> Callable[[Fields], Command]:
        """How a rule makes its operation. Raises InvalidInput for a field of none."""
        if rule.steps is None:
            return self._operation(rule.op, rule.fields, what, account=True)
        steps = []
        for n, step in enumerate(rule.steps, start=1):
            fields = dict(step)
            op = fields.pop("op", None)
            if op in OPERATIONS and not OPERATIONS[op].IN_BATCH:
                raise InvalidInput(
                    f"{what}, step {n}: {op} is not allowed in a batch.",
                    try_="give it a rule of its own",
                )
            steps.append(self._operation(op, fields, f"{what}, step {n}"))

        def make(row: Fields) -> Command:
            commands = [step(row) for step in steps]
            return {"op": "batch", "account": "", "commands": commands}

        return make

    def _operation(
        self,
        op: str | None,
        fields: dict[str, Any],
        what: str,
        *,
        account: bool = False,
    ) -> Callable[[Fields], Command]:
        """How an operation is made; `account` leaves a place for its account."""
        op = checked_op(op, _OPS, what)
        basis: Command = {"op": op, "account": ""} if account else {"op": op}
        parts = []
        for name, spec in self._with_person(op, fields).items():
            value_of = self._value(op, name, spec, what)
            basis[name] = self._fixed(value_of) if is_fixed(spec) else None
            if not is_fixed(spec):
                parts.append((name, value_of))

        def make(row: Fields) -> Command:
            command = basis.copy()
            for name, value_of in parts:
                command[name] = value_of(row)
            return command

        return make

    def _fixed(self, value_of: ValueOf) -> Any:
        """A value that is the same for all rows. Raises InvalidInput."""
        try:
            return value_of({})
        except UnreadableRow as error:
            raise InvalidInput(
                f"{self._mapping.source}: {error.message}", try_=error.expected
            ) from error

    def _with_person(self, op: str, fields: dict[str, Any]) -> dict[str, Any]:
        """The fields of an operation, with whom it is about where it does not say."""
        person, model = self._mapping.person, OPERATIONS[op].model_fields
        if person is None:
            return fields
        about: dict[str, Any] = {
            "user": person.user,
            "email": person.email,
            "name": person.name,
        }
        names = ("user", "email", "name") if op == "add_user" else ("user",)
        added: dict[str, Any] = {
            name: about[name]
            for name in names
            if name in model and name not in fields and about[name] is not None
        }
        if "add_if_needed" in model and person.email is not None:
            added["add_if_needed"] = {"email": person.email, "name": person.name}
        return {**added, **fields}

    def _value(self, op: str, name: str, spec: Any, what: str) -> ValueOf:
        model = OPERATIONS[op].model_fields
        if name not in model or name in {"op", "effective_at"}:
            raise InvalidInput(
                f"{what}: {op} has no field {shown(name)} to give.",
                try_=f"its fields are {', '.join(n for n in model if n != 'op')}",
            )
        place = f"{name} of {what}"
        if isinstance(spec, bool | int):
            return lambda _: spec
        if name == "seats":
            seats = [self._values.required(seat, place) for seat in spec]
            return lambda row: [checked_seat_type(seat(row)) for seat in seats]
        if name == "add_if_needed":
            return self._new_person(spec, place)
        text_of = self._values.required(spec, place)
        kinds = get_args(model[name].annotation) or (model[name].annotation,)
        if bool in kinds:
            return lambda row: yes_or_no(text_of(row), name)
        if int in kinds:
            return lambda row: whole_number(text_of(row), name)
        check = _CHECKS.get(name, checked_text)
        return lambda row: check(text_of(row))

    def _new_person(self, spec: dict[str, Any], what: str) -> ValueOf:
        """E-mail and name of somebody whom the ledger may not know yet."""
        email = self._values.required(spec["email"], f"email in {what}")
        name = self._values.text(spec["name"], what) if spec.get("name") else None

        def make(row: Fields) -> dict[str, str]:
            address = checked_email(email(row))
            text = name(row) if name is not None else None
            return {"email": address, "name": checked_text(text or address)}

        return make


def accounts(values: Values, account: str | None) -> Callable[[Fields], str]:
    """Which account a row is of: the source's own, or the one that is given.

    With `account`, all rows must have one and the same account of the source.
    """
    mapping = values.mapping
    if mapping.account is None:
        if account is None:
            raise InvalidInput(
                f"The mapping {mapping.source} does not say which account the rows are "
                "of.",
                try_="give --account",
            )
        key = check_key(account, "account")
        return lambda _: key
    text_of = values.required(mapping.account.from_, "account")
    if account is not None:
        return _single(text_of, check_key(account, "account"))
    if mapping.account.table is not None:
        table = mapping.tables.get(mapping.account.table, {})
        text_of = through_table(text_of, mapping.account.table, table)
    return lambda row: checked_key(text_of(row))


def _single(text_of: Callable[[Fields], str], account: str) -> Callable[[Fields], str]:
    first: list[str] = []

    def read(row: Fields) -> str:
        text = text_of(row)
        if not first:
            first.append(text)
        if text != first[0]:
            raise UnreadableRow(
                f"the row is of {shown(text)}, those before it of {shown(first[0])}; "
                f"--account names one account, {shown(account)}.",
                "leave the others out of the file, or give the mapping a table of "
                "accounts instead of --account",
            )
        return account

    return read
