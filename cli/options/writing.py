"""How commands are recorded: the options they share, and what they print."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from seat_ledger.cli.options.session import (
    current_session,
    default_actor,
    options_of,
    options_of_answering,
)
from seat_ledger.cli.output import times
from seat_ledger.cli.output.csv_headers import RECORDED
from seat_ledger.cli.output.printing import emit
from seat_ledger.cli.output.render import Answer, Column, cells
from seat_ledger.domain.nearest import did_you_mean
from seat_ledger.domain.values import as_word, shown
from seat_ledger.domain.wording import counted
from seat_ledger.errors import (
    CommandRefused,
    InvalidInput,
    LedgerError,
    NotFound,
    OutcomeUnknown,
)

if TYPE_CHECKING:
    from seat_ledger.commands.service import CommandService, RecordedEvent, Result
    from seat_ledger.domain.calendar import ZoneHistory
    from seat_ledger.domain.invoice_draft import ComputeInvoice
    from seat_ledger.projections.reader import ConnectedReader

F = TypeVar("F", bound=Callable[..., Any])


Describe = Callable[..., Answer]
"""What was recorded, in other words than those of :func:`recorded_answer`."""


def writing(op: str, describe: Describe | None = None) -> Callable[[F], F]:
    """Turn a function into a writing command; its options are the command's own fields.

    The function may return other fields instead.

    What the user did not say stays out of the command, so that the same words from
    the command line and from a file are the same command (R73).
    """

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def call(**options: Any) -> None:
            shared = {name: options.pop(name) for name in _SHARED}
            dry_run = options.pop("dry_run")
            fields = function(**options) or options
            record({"op": op, **fields, **shared}, dry_run, describe=describe)

        return records(op)(cast("F", options_of_writing(call)))

    return decorate


def records(op: str) -> Callable[[F], F]:
    """Say of a command which operation it records."""

    def decorate(function: F) -> F:
        vars(function)["operation"] = op
        return function

    return decorate


_SHARED = ("effective_at", "actor", "reason", "idempotency_key")
options_of_writing = options_of(
    options_of_answering,
    click.option(
        "--effective-at",
        metavar="T",
        help="When it took effect for the customer; by default now.",
    ),
    click.option(
        "--actor",
        metavar="WHO",
        envvar="SEAT_LEDGER_ACTOR",
        show_envvar=True,
        help="Who does this: user:KEY or system:NAME; by default system and your "
        "login name.",
    ),
    click.option("--reason", metavar="TEXT", help="Why."),
    click.option(
        "--idempotency-key",
        metavar="KEY",
        help="A repeated command with the same key is recorded only once.",
    ),
    click.option(
        "--dry-run",
        is_flag=True,
        help="Show what would be recorded, without recording it.",
    ),
)
"""The options of every writing command."""


def record(
    command: dict[str, Any],
    dry_run: bool = False,
    compute_invoice: ComputeInvoice | None = None,
    describe: Describe | None = None,
    *,
    is_from_state: bool = False,
) -> None:
    """Record a command and print its events with their positions.

    Fields that are None are not given. `is_from_state` says that the command was put
    together from what is recorded: the same words make another one afterwards.
    """
    session = current_session()
    command = {name: value for name, value in command.items() if value is not None}
    with (
        session.ledger() as ledger,
        _in_words_of_options(),
        _way_on(is_from_state),
        _naming_nearest(str(command.get("account"))),
    ):
        result = ledger.execute(
            command,
            dry_run=dry_run,
            default_actor=default_actor(),
            compute_invoice=compute_invoice,
        )
        in_table = session.format == "table"
        zones = clock_of(ledger, command.get("account"), result, load=in_table)
        answer = (describe or recorded_answer)(command, result, dry_run, zones)
        if in_table and not dry_run:
            answer.notes = [*answer.notes, *take_back(ledger, command, result)]
    emit(answer, session.format)


@contextmanager
def one_of_several(before: int) -> Iterator[None]:
    """Where one of several commands fails, say that those before it are recorded.

    For commands of which each is one of its own, and the same again records nothing.
    """
    try:
        yield
    except LedgerError as error:
        if before:
            message = error.message
            if error.wrote_nothing:
                message = message.removesuffix("Nothing was written.").rstrip()
                message += " Nothing more was written."
            steps = counted(before, "step")
            error.message = f"{message} What was recorded before it stays: {steps}."
            error.args = (error.message,)
            error.try_ = (
                "repeat the same once the cause is gone: nothing is recorded twice"
            )
        raise


@contextmanager
def _way_on(is_from_state: bool) -> Iterator[None]:
    """Where nobody knows what became of a command, do not let it be repeated blindly
    when the same words would make another one.
    """
    try:
        yield
    except OutcomeUnknown as error:
        if is_from_state:
            error.try_ = "see 'seat-ledger event list': if it is not there, repeat it"
        raise


@contextmanager
def _naming_nearest(account: str) -> Iterator[None]:
    """Where there is no such account or user, name those that are called nearly so."""
    try:
        yield
    except NotFound as error:
        near = _accounts_near(account) if error.code == "account_not_found" else []
        if error.code == "user_not_found" and "reference" in error.details:
            near = _users_near(account, str(error.details["reference"]))
        if near:
            error.try_ = f"{did_you_mean(near)}Otherwise {error.try_}"
        raise


def accounts_alike(account: str) -> list[str]:
    """The other accounts whose keys differ by case or composition alone.

    None where that cannot be asked now: nothing depends on it.
    """
    return _advice(lambda reader: reader.accounts_alike(account, reader.knowledge()))


def _accounts_near(account: str) -> list[str]:
    """The accounts that may be meant by a key that there is not; none as above."""
    return _advice(lambda reader: reader.accounts_near(account, reader.knowledge()))


def _users_near(account: str, reference: str) -> list[str]:
    """The users of the account that may be meant; none as above."""

    def query(reader: ConnectedReader) -> list[str]:
        known_at = reader.knowledge()
        return reader.users_near(reader.account(account, known_at), reference, known_at)

    return _advice(query)


def _advice(query: Callable[[ConnectedReader], list[str]]) -> list[str]:
    try:
        with current_session().reader() as reader:
            return query(reader)
    except Exception:  # noqa: BLE001  a command does not fail for want of advice
        return []


def look_alike(account: str, other: str) -> str:
    """The warning that a new account looks like another one."""
    return (
        f"Warning: there is an account {shown(other)}, from which {shown(account)} "
        "differs by case or by how accents are composed alone. Keys are compared "
        "exactly: these are two accounts."
    )


@contextmanager
def _in_words_of_options() -> Iterator[None]:
    """Let an error name the options that were typed, not the fields of a file."""
    try:
        yield
    except InvalidInput as error:
        words = {
            param.name: max(param.opts, key=len)
            if isinstance(param, click.Option)
            else param.human_readable_name
            for param in click.get_current_context().command.params
        }
        text = re.sub(r"^\w+: (.)", lambda begin: begin[1].upper(), error.message)
        text = re.sub(r"'(\w+)'", lambda name: words.get(name[1], name[0]), text)
        raise InvalidInput(text, try_=error.try_) from error


def clock_of(
    ledger: CommandService,
    account: str | None,
    result: Result,
    *,
    load: bool = False,
) -> ZoneHistory:
    """The account's own clock, on which a table shows what was recorded in it.

    `load` reads the account for it where that was not needed to record.
    """
    from seat_ledger.domain.calendar import ZoneHistory  # noqa: PLC0415

    for recorded in result.events:
        if recorded.topic == "AccountOpened":
            return ZoneHistory(recorded.event.time_zone)  # type: ignore[attr-defined]
    return ledger.zones_of(account, load=load) or ZoneHistory("UTC")


def recorded_answer(
    command: dict[str, Any], result: Result, dry_run: bool, zones: ZoneHistory
) -> Answer:
    """What was recorded, as an answer on the account's clock."""
    account = command.get("account")
    rows = [_row(each, account) for each in (*result.due, *result.events)]
    return Answer(
        rows,
        [column for column in _COLUMNS if _has_content(column, rows)],
        sentence=_sentence(command, result, dry_run),
        notes=[times.clock(zones)] if rows else [],
        zones=zones,
        header=RECORDED,
        extra={
            "positions": list(result.positions),
            "repeated": result.repeated,
            "dry_run": dry_run,
        },
    )


def _has_content(column: Column, rows: list[dict[str, Any]]) -> bool:
    """Whether a column says anything of an event of these, which may have no user."""
    _, value = column
    return any(value(row) not in {None, ""} for row in rows)


def _sentence(command: dict[str, Any], result: Result, dry_run: bool) -> str:
    count = len(result.events)
    events = counted(count, "event")
    for_all = "all accounts" if command["op"] == "set_price" else "the catalogue"
    where = command.get("account", for_all)
    if dry_run:
        return f"Would record {events} in {where}. Nothing was written."
    if result.repeated:
        return f"Already recorded under this key: {events} in {where}."
    if not count:
        return f"Nothing was due in {where}."
    return f"Recorded {events} in {where}."


MOST_TRIED = 200
"""Entries whose reversal is tried before it is named."""


def take_back(
    ledger: CommandService, command: dict[str, Any], result: Result
) -> Iterator[str]:
    """How to undo what was recorded: reversed, or what is done instead (R47).

    The reversal that is named was tried; where it is refused, its message says why.
    One of very many entries would take longer than recording them did: what is named
    then is the trial.
    """
    account = command.get("account")
    if result.repeated or account is None or not result.positions:
        return
    instead = [recorded.event.INSTEAD for recorded in result.events]
    if not any(instead):
        first, last = result.positions[0], result.positions[-1]
        entries = "-".join(map(str, dict.fromkeys((first, last))))
        reversal = (
            f"seat-ledger event reverse {entries} --account {as_word(account)} "
            "--reason WHY"
        )
        if len(result.positions) > MOST_TRIED:
            yield f"To see whether it can be taken back: {reversal} --dry-run"
            return
        refusal = _refusal(ledger, account, range(first, last + 1))
        if refusal is None:
            yield f"To take it back: {reversal}"
        elif isinstance(refusal, CommandRefused):
            yield f"Not reversible: {refusal.message}"
            if refusal.try_:
                yield f"Instead: {refusal.try_}."
    for text in filter(None, dict.fromkeys(instead)):
        yield f"Not reversible. Instead: {text}."


def reversal(entries: Sequence[int]) -> dict[str, Any]:
    """The command that reverses entries in one step."""
    lines = [{"op": "reverse", "entry": entry} for entry in entries]
    return lines[0] if len(lines) == 1 else {"op": "batch", "commands": lines}


def _refusal(
    ledger: CommandService, account: str, entries: Sequence[int]
) -> LedgerError | None:
    """Why entries that were recorded just now cannot be reversed.

    They are recorded whatever becomes of this: a failure is no more than no answer.
    """
    command = {**reversal(entries), "account": account, "reason": "tried"}
    try:
        ledger.execute(command, dry_run=True, default_actor=default_actor())
    except LedgerError as error:
        return error
    return None


_BESIDE = (
    "v",
    "effective_at",
    "actor",
    "reason",
    "idempotency_key",
    "account",
    "user",
    "nonce",
    "sealed",
)


def _row(recorded: RecordedEvent, account: str | None) -> dict[str, Any]:
    event = recorded.event
    data = event.model_dump(mode="json", exclude_none=True)
    for name in _BESIDE:
        data.pop(name, None)
    if recorded.topic == "UserAdded":  # kept sealed; shown to whoever gave it
        data = {"email": event.email or None, "name": event.name, **data}  # type: ignore[attr-defined]
    elif recorded.topic == "UserRenamed":
        names = ("user_key", "email", "name")
        new = {name: getattr(event, name) for name in names}
        data = {"user" if n == "user_key" else n: v for n, v in new.items() if v} | data
    number = data.pop("number", None)
    if "request" in data:  # known by its version here, elsewhere by its position
        data["request_version"] = data.pop("request")
    seat = f"{data['seat_type']}#{number}" if number else None
    return {
        "position": recorded.position,
        "recorded_at": recorded.recorded_at,
        "effective_at": event.effective_at,
        "event": recorded.topic,
        "account": account,
        "user": recorded.user,
        "seat": seat,
        "actor": recorded.actor,
        "reason": event.reason,
        "data": data,
    }


def _what(row: dict[str, Any]) -> str:
    """What an event says besides its user and its seat."""
    if row["event"] == "EntryReversed":
        data = row["data"]
        holds = f"; entry {data['root']} holds again" if data["holds"] else ""
        return f"entry {data['entry']} reversed{holds}"
    shown = (
        (name, value)
        for name, value in row["data"].items()
        if name != "seat_type" or not row["seat"]
    )
    return "  ".join(f"{name}={value}" for name, value in shown)


_COLUMNS = (
    *cells("entry=position", "event", "effective=effective_at", "user", "seat"),
    ("what", _what),
)
