"""What every command shares: where the ledger lives, and the options it takes."""

from __future__ import annotations

import functools
import getpass
import os
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cli import times
from cli.render import FORMATS, Answer
from seat_ledger.calendar import parse_moment
from seat_ledger.errors import SchemaMismatch
from seat_ledger.values import check_text

if TYPE_CHECKING:
    from projections.reader import AccountFacts, Knowledge, Reader
    from seat_ledger.application import SeatLedger

F = TypeVar("F", bound=Callable[..., Any])


class Session:
    """One run of the program: its database, its output format, its clock."""

    def __init__(self) -> None:
        self.database: str | None = None
        self.embedded = ""
        self.format = "table"

    def conninfo(self) -> str:
        """The database that was named, or the embedded server, made if need be."""
        if self.database:
            return self.database
        from seat_ledger.store.embedded import EmbeddedServer  # noqa: PLC0415

        self.embedded = EmbeddedServer().ensure_running()
        return self.embedded

    def prepare(self) -> None:
        """Make the schema of the embedded database at first use."""
        from projections import engine  # noqa: PLC0415
        from seat_ledger.store import schema  # noqa: PLC0415

        conninfo = self.conninfo()
        schema.migrate(conninfo)
        engine.install(conninfo)

    def ready(self) -> str:
        """The connection string of a database whose schema is this program's."""
        self.check_schema()
        return self.conninfo()

    def reader(self, *, patient: bool = False) -> Reader:
        """A connection for questions, caught up to the head.

        `patient` catches up however much is missing.
        """
        from projections.reader import Reader  # noqa: PLC0415
        from seat_ledger.store import schema  # noqa: PLC0415

        try:
            reader = Reader(self.conninfo(), patient=patient)
        except SchemaMismatch:
            if self.database or not self._is_new():
                raise
            self.prepare()
            reader = Reader(self.conninfo(), patient=patient)
        schema.check(reader.connection)
        return reader

    def ledger(self) -> SeatLedger:
        """The write side."""
        from seat_ledger.application import SeatLedger  # noqa: PLC0415

        self.check_schema()
        return SeatLedger(self.conninfo())

    def check_schema(self) -> None:
        """Make sure of the schema, or make it where the embedded server is ours."""
        from seat_ledger.store import schema  # noqa: PLC0415
        from seat_ledger.store.connection import connect  # noqa: PLC0415

        with connect(self.conninfo(), autocommit=True) as connection:
            try:
                schema.check(connection)
            except SchemaMismatch:
                if self.database or schema.status_of(connection).applied > 0:
                    raise
                self.prepare()

    def _is_new(self) -> bool:
        from seat_ledger.store import schema  # noqa: PLC0415

        return schema.status(self.conninfo()).applied == 0


def default_actor() -> str:
    """Who acts where nobody is named: the login name (R36)."""
    try:
        return f"system:{getpass.getuser()}"
    except (KeyError, OSError):
        return f"system:uid-{os.geteuid()}"


def option_database(function: F) -> F:
    """``--database``, on the program and on each command."""

    def take(context: click.Context, _: click.Parameter, value: str | None) -> None:
        if value:
            context.find_object(Session).database = value  # type: ignore[union-attr]

    return click.option(
        "--database",
        metavar="URL",
        envvar="SEAT_LEDGER_DATABASE_URL",
        show_envvar=True,
        expose_value=False,
        callback=take,
        help="The PostgreSQL to use; without it an embedded one.",
    )(function)


def option_format(function: F) -> F:
    """``--format``."""

    def take(context: click.Context, _: click.Parameter, value: str) -> str:
        context.find_object(Session).format = value  # type: ignore[union-attr]
        return value

    return click.option(
        "--format",
        "form",
        type=click.Choice(FORMATS),
        default="table",
        envvar="SEAT_LEDGER_FORMAT",
        show_envvar=True,
        show_default=True,
        expose_value=False,
        is_eager=True,
        callback=take,
        help="How to print the answer.",
    )(function)


def option_account(function: F) -> F:
    """``--account``, required."""
    return click.option(
        "--account",
        "-a",
        required=True,
        metavar="KEY",
        envvar="SEAT_LEDGER_ACCOUNT",
        show_envvar=True,
        help="The account's key.",
    )(function)


def option_known_at(function: F) -> F:
    """``--known-at``."""
    return click.option(
        "--known-at",
        metavar="K",
        help="Answer with what was known then: a position or a moment.",
    )(function)


def option_as_of(function: F) -> F:
    """``--as-of``."""
    return click.option(
        "--as-of",
        metavar="T",
        help="The moment asked about; now if left out. See 'seat-ledger help time'.",
    )(function)


def reading(function: F) -> F:
    """The options of every reading command, and the printing of its answer."""
    return option_known_at(printing(function))


def printing(function: F) -> F:
    """The same for a command that takes what is known in its own way."""

    @functools.wraps(function)
    def call(**given: Any) -> None:
        from cli.render import emit  # noqa: PLC0415

        session = click.get_current_context().find_object(Session)
        assert session is not None
        for name, value in given.items():
            if isinstance(value, str):
                check_text(value, name)
        with session.reader() as reader:
            answer: Answer = function(Question(reader, given), **given)
            emit(answer, session.format)
            code = answer.exit_code
        if code:
            raise click.exceptions.Exit(code)

    return option_database(option_format(call))  # type: ignore[return-value]


class Question:
    """A reading command's reader, with its moments resolved when asked for."""

    def __init__(self, reader: Reader, given: dict[str, Any]) -> None:
        self.reader = reader
        self.given = given
        self.now = reader.database_now()
        self.zones = times.UTC_ZONES

    @functools.cached_property
    def known(self) -> Knowledge:
        """What the answer may use (R41, R78)."""
        said = self.given.get("known_at")
        return self.reader.knowledge() if said is None else self.knowledge_of(said)

    def knowledge_of(self, said: str) -> Knowledge:
        """What was known at a position or moment, as people write it."""
        return self.reader.knowledge(times.knowledge(said, self._zones(), self.now))

    @functools.cached_property
    def account(self) -> AccountFacts:
        """The account asked about, as known."""
        return self.reader.account(self.given["account"], self.known)

    @functools.cached_property
    def as_of(self) -> datetime:
        """The moment asked about."""
        said = self.given.get("as_of")
        if said is None:
            return self.now
        zones = self.account.zones if self.given.get("account") else times.UTC_ZONES
        return parse_moment(said, zones, self.now)

    def _zones(self) -> Any:
        """The zones in which "known at" is read: the account's, as known now."""
        if not self.given.get("account"):
            return times.UTC_ZONES
        head = self.reader.knowledge()
        return self.reader.account(self.given["account"], head).zones

    def _renewal_due(self) -> bool:
        """Whether the account waits for a renewal, as known (R38)."""
        return self.account.renewal_due(self.known.moment(self.now))

    def footer(self) -> str:
        """Both clocks of the answer, in words."""
        zones = self.account.zones if self.given.get("account") else times.UTC_ZONES
        which = "now" if self.known.is_head else "then"
        return (
            f"As known at position {self.known.position} ({which}).   "
            f"Times in {zones.current}."
        )

    def answer(self, rows: Any, columns: Any = (), **words: Any) -> Answer:
        """An answer with both clocks filled in."""
        extra = words.pop("extra", {})
        if self.given.get("account") and self._renewal_due():
            extra = {**extra, "renewal_due": True}
        notes = [*words.pop("notes", ()), self.footer()]
        if extra.get("renewal_due"):
            notes.append("A renewal is due: seat-ledger account renew --due")
        return Answer(
            rows,
            columns,
            as_of=self.as_of if "as_of" in self.given else None,
            known=(self.known.position, self.known.recorded_at),
            extra=extra,
            notes=notes,
            **words,
        )
