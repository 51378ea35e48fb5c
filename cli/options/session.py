"""What every command shares: where the ledger lives, and the options it takes."""

from __future__ import annotations

import functools
import getpass
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click
from click.core import ParameterSource

from seat_ledger.cli.options.naming_accounts import AccountOption
from seat_ledger.cli.output import times
from seat_ledger.cli.output.files import check_target, need
from seat_ledger.cli.output.layout import View
from seat_ledger.cli.output.render import FILES, FORMATS, Answer, print_message
from seat_ledger.cli.output.streams import ReaderLeft
from seat_ledger.cli.output.windows import window_sentences
from seat_ledger.domain.calendar import local_date
from seat_ledger.domain.moments import parse_moment, parse_span
from seat_ledger.domain.values import FOREVER, check_text, shown
from seat_ledger.errors import CommandRefused, InvalidInput, SchemaMismatch
from seat_ledger.lazy import lazy

if TYPE_CHECKING:
    from uuid import UUID

    from seat_ledger.commands.service import CommandService
    from seat_ledger.domain.calendar import ZoneHistory
    from seat_ledger.projections.engine.generations import Connection
    from seat_ledger.projections.engine.set_aside import SetAside
    from seat_ledger.projections.reader import (
        AccountFacts,
        AccountQuestion,
        ConnectedReader,
        Knowledge,
    )
    from seat_ledger.store.embedded import EmbeddedServer

F = TypeVar("F", bound=Callable[..., Any])
FURTHEST = 2**62
"""What no store can count to."""
_WHOLE = {"table", "json"}
"""Formats with a place for what no row is about."""


class FilePath(click.Path):
    """The name of a file: at least one character."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Read it, or fail as click does."""
        if not os.fspath(value):
            self.fail("The name of the file is empty.", param, ctx)
        return super().convert(value, param, ctx)


class FiniteNumber(click.FloatRange):
    """A number within bounds, and a finite one: no bound keeps NaN out."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read it, or fail as click does."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


class FreeText(click.types.StringParamType):
    """A text that can be stored and printed; an option's has a character at least.

    An empty one is a variable of a script that was not set: what would be limited by it
    is not to be answered, sealed or served without that limit.
    """

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Read it, or fail as click does. Raises InvalidInput."""
        text = super().convert(value, param, ctx)
        is_option = isinstance(param, click.Option)
        if not text and is_option and param.name not in _MAY_BE_EMPTY:
            self.fail("It is empty: give a value, or leave it out.", param, ctx)
        return check_text(text, (param and param.name) or "text")


_MAY_BE_EMPTY = {"reason"}
"""Options whose empty text is judged by what they are for."""


def _countable(number: int, kind: click.ParamType[Any], param: Any, ctx: Any) -> int:
    if abs(number) > FURTHEST:
        kind.fail(f"{number} is too large a number.", param, ctx)
    return number


class WholeNumber(click.types.IntParamType):
    """A number that a store can hold."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Read it, or fail as click does."""
        return _countable(super().convert(value, param, ctx), self, param, ctx)


class Count(click.IntRange):
    """A number from `least` on that a store can hold."""

    def __init__(self, least: int) -> None:
        super().__init__(min=least)

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Read it, or fail as click does."""
        try:
            value = int(value)
        except ValueError:
            self.fail(f"{shown(str(value))} is not a whole number.", param, ctx)
        return _countable(super().convert(value, param, ctx), self, param, ctx)


POSITION = Count(0)
"""A place in the journal, there or not; 0 is before the first event."""
COUNT = Count(0)
SIZE = Count(1)


_TEXT, _NUMBER = FreeText(), WholeNumber()


def check_values_of(command: click.Command) -> None:
    """Have every text and number that a command takes, by whatever parameter, checked.

    But the address of a database, which may hold a password: no message repeats it.
    """
    for inner in getattr(command, "commands", {}).values():
        check_values_of(inner)
    for parameter in command.params:
        is_text = type(parameter.type) is click.types.StringParamType
        if is_text and parameter.name != "database":
            parameter.type = _TEXT
        elif type(parameter.type) is click.types.IntParamType:
            parameter.type = _NUMBER


class Session:
    """One run of the program: its database, its output format, its clock."""

    def __init__(self) -> None:
        self.database: str | None = None
        self.embedded = ""
        self.format = "table"
        self.target: Path | None = None
        self.view = View()
        self.exit_code = 0
        self.may_record = False
        """Whether the write side was opened."""

    def conninfo(self) -> str:
        """The database that was named, or the embedded server, made if need be."""
        if self.database:
            return self.database
        self.embedded = embedded_server().ensure_running()
        return self.embedded

    @property
    def address(self) -> str:
        """The database that was named, or the embedded server as far as it is known."""
        return self.database or self.embedded

    def prepare(self) -> None:
        """Make the schema of the embedded database at first use."""
        from seat_ledger.projections.engine import installation  # noqa: PLC0415
        from seat_ledger.store import schema  # noqa: PLC0415

        conninfo = self.conninfo()
        with self.in_words():
            schema.migrate(conninfo)
            installation.install(conninfo)

    def ready(self) -> str:
        """The connection string of a database whose schema is this program's."""
        self.check_schema()
        return self.conninfo()

    def reader(self, *, patient: bool = False) -> ConnectedReader:
        """A connection for questions, caught up to the head.

        `patient` catches up however much is missing.
        """
        from seat_ledger.projections.reader import ConnectedReader  # noqa: PLC0415
        from seat_ledger.store import schema  # noqa: PLC0415
        from seat_ledger.store.connection import connect  # noqa: PLC0415

        with self.in_words():
            try:
                reader = ConnectedReader(self.conninfo(), patient=patient)
            except SchemaMismatch:
                with connect(self.conninfo(), autocommit=True) as connection:
                    if not self._is_new(connection):
                        raise
                self.prepare()
                reader = ConnectedReader(self.conninfo(), patient=patient)
            schema.check(reader.connection)
        return reader

    def ledger(self) -> CommandService:
        """The write side, opened on what one connection has shown."""
        from seat_ledger.commands.service import CommandService  # noqa: PLC0415
        from seat_ledger.store import guards  # noqa: PLC0415

        with self._checked() as connection:
            guards.check(connection)  # the store refuses what it must
            aside = _aside_as_seen(connection)
        self.may_record = True
        return CommandService(self.conninfo(), set_aside=aside, is_reached=True)

    def set_aside(self) -> dict[UUID, str]:
        """Why nothing is to be recorded in some accounts, as far as one may see it."""
        from seat_ledger.store.connection import connect  # noqa: PLC0415

        with (
            self.in_words(),
            connect(self.conninfo(), autocommit=True) as connection,
        ):
            return _aside_as_seen(connection)

    def check_schema(self) -> None:
        """Make sure of the schema, or make it where the embedded server is ours."""
        with self._checked():
            pass

    @contextmanager
    def _checked(self) -> Iterator[Connection]:
        """A connection to a database whose schema is this program's."""
        from seat_ledger.store import schema  # noqa: PLC0415
        from seat_ledger.store.connection import connect  # noqa: PLC0415

        with (
            self.in_words(),
            connect(self.conninfo(), autocommit=True) as connection,
        ):
            if self._is_new(connection):
                self.prepare()
            schema.check(connection)
            yield connection

    @contextmanager
    def in_words(self) -> Iterator[None]:
        """Raise what the database says in words, whoever opened the session."""
        from seat_ledger.store.connection import in_words  # noqa: PLC0415

        with in_words(lambda: self.address):
            yield

    def _is_new(self, connection: Connection) -> bool:
        """Whether this is the embedded database before its first use has ended.

        The projections are made last: a process that was killed or a disk that was full
        may have left a part of the schema.
        """
        from seat_ledger.projections.engine import generations  # noqa: PLC0415

        return not (self.database or generations.is_installed(connection))


def _aside_as_seen(connection: Connection) -> dict[UUID, str]:
    """Why nothing is to be recorded in some accounts, as the reader's role sees it."""
    from seat_ledger.projections.engine.status import aside_as_seen  # noqa: PLC0415
    from seat_ledger.store.connection import become  # noqa: PLC0415

    become(connection, "reader")
    accounts = aside_as_seen(connection)
    return {account.account_id: account.sentence() for account in accounts}


def embedded_server() -> EmbeddedServer:
    """The embedded server of the home folder. Raises InvalidInput.

    PostgreSQL keeps the folder's name in files that have a line for each thing: with a
    line break in it, whoever starts the server waits for it in vain.
    """
    from seat_ledger.store.embedded import EmbeddedServer  # noqa: PLC0415

    server = EmbeddedServer()
    if any(not character.isprintable() for character in str(server.home)):
        raise InvalidInput(
            f"The home folder {shown(str(server.home))} has a line break or another "
            "control character in its name.",
            try_="set SEAT_LEDGER_HOME to a folder with a plain name",
        )
    return server


def current_session() -> Session:
    """The session of the command that runs."""
    session = click.get_current_context().find_object(Session)
    assert session is not None
    return session


def confirm(question: str, lost: str) -> None:
    """Ask on stderr whether it is meant; `lost` says what would be: "removed".

    Raises CommandRefused for a no, and InvalidInput without an answer.
    """
    try:
        meant = click.confirm(question, err=True)
    except (click.Abort, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"This cannot be undone and needs a confirmation. Nothing was {lost}.",
            try_="answer y, or add --yes",
        ) from error
    if not meant:
        raise CommandRefused("not_confirmed", f"Nothing was {lost}.")


def session_of(url: str | None) -> Session:
    """A session on a database: the one that is named, or that of the environment."""
    if url == "":
        raise InvalidInput("The URL is empty: it names no database.", try_="omit it")
    session = Session()
    session.database = url or os.environ.get("SEAT_LEDGER_DATABASE_URL")
    return session


def closed(what: str, name: str) -> InvalidInput:
    """What is answered by an object that is used after it was closed."""
    return InvalidInput(f"This {what} is closed.", try_=f"open another: {name}.open()")


def default_actor() -> str:
    """Who acts where nobody is named: the login name (R36)."""
    try:
        name = check_text(getpass.getuser(), "login name")
    except (KeyError, OSError, ImportError, InvalidInput):
        name = ""
    is_plain = name.isprintable() and len(name) <= 100
    return f"system:{name}" if name and is_plain else f"system:uid-{os.geteuid()}"


def option_database(function: F) -> F:
    """``--database``, on the program and on each command."""

    def take(context: click.Context, _: click.Parameter, value: str | None) -> None:
        session = context.find_object(Session)
        assert session is not None
        is_typed = (
            context.get_parameter_source("database") is ParameterSource.COMMANDLINE
        )
        if is_typed and not value:
            raise InvalidInput(
                "--database is empty: it names no database.",
                try_="name one, or omit --database",
            )
        # Before the command or behind it: what is typed goes before the environment.
        if value and (is_typed or not session.database):
            session.database = value

    return click.option(
        "--database",
        metavar="URL",
        envvar="SEAT_LEDGER_DATABASE_URL",
        show_envvar=True,
        expose_value=False,
        callback=take,
        help="The PostgreSQL database to use; by default an embedded one.",
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


def option_output(function: F) -> F:
    """``--output``: the answer as a file, in the form that its name says.

    A command with an ``--output`` of its own writes something else there.
    """

    def take(context: click.Context, _: click.Parameter, value: Path | None) -> None:
        if value is None:
            return
        check_target(value, "An answer", *FILES)
        form = value.suffix.lower().removeprefix(".")
        session = context.find_object(Session)
        assert session is not None
        is_typed = context.get_parameter_source("form") is ParameterSource.COMMANDLINE
        if is_typed and session.format != form:
            raise click.UsageError(
                f"--format {session.format} and {value.name} differ: with --output the "
                "file's name says the format."
            )
        if form == "xlsx":
            need("xlsxwriter", "reports", "An answer as .xlsx")
        session.format, session.target = form, value

    if "output" in function.__annotations__:
        return function
    return click.option(
        "--output",
        metavar="FILE",
        type=FilePath(path_type=Path),
        expose_value=False,
        callback=take,
        help="Write the answer's rows to this file: .xlsx, .csv, .json or .jsonl.",
    )(function)


def option_columns(function: F) -> F:
    """``--columns`` and ``--wide``."""

    def choose(context: click.Context, _: click.Parameter, value: str | None) -> None:
        names = (name.strip() for name in (value or "").split(","))
        session = context.find_object(Session)
        assert session is not None
        session.view = session.view._replace(columns=tuple(filter(None, names)))

    def widen(context: click.Context, _: click.Parameter, value: bool) -> None:
        session = context.find_object(Session)
        assert session is not None
        session.view = session.view._replace(is_wide=value)

    columns = click.option(
        "--columns",
        metavar="NAMES",
        expose_value=False,
        callback=choose,
        help="Show only these columns of a table or CSV, such as seat,holder.",
    )
    wide = click.option(
        "--wide",
        is_flag=True,
        expose_value=False,
        callback=widen,
        help="Show every column of a table, however wide the terminal is.",
    )
    return columns(wide(function))


option_account = click.option(
    "--account",
    "-a",
    cls=AccountOption,
    required=True,
    metavar="KEY",
    envvar="SEAT_LEDGER_ACCOUNT",
    show_envvar=True,
    help="The account's key.",
)
option_one_account = click.option(
    "--account", "-a", cls=AccountOption, metavar="KEY", help="Only this account."
)
option_known_at = click.option(
    "--known-at",
    metavar="K",
    help="Use only what was known then: a position or a moment.",
)
option_as_of = click.option(
    "--as-of",
    metavar="T",
    help="The moment to answer for; by default now. See 'seat-ledger help time'.",
)

option_metrics = click.option(
    "--metrics",
    type=FilePath(dir_okay=False, path_type=Path),
    envvar="SEAT_LEDGER_METRICS",
    show_envvar=True,
    help="A text file for Prometheus' node exporter.",
)


def options_of(*options: Callable[..., Any]) -> Callable[[F], F]:
    """Several options as one, in the order in which the help shows them."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


option_span = options_of(
    click.option(
        "--since", "--from", "since", metavar="T", help="From this moment on."
    ),
    click.option("--until", metavar="T", help="Before this moment, itself excluded."),
    click.option(
        "--during",
        metavar="SPAN",
        help="Within a time such as 'last march', 2026 or 2026-03..2026-05.",
    ),
)
"""A stretch of time, by its ends or by one word for it."""


def span_of(
    options: Mapping[str, Any], zones: ZoneHistory, now: datetime
) -> tuple[datetime | None, datetime | None]:
    """The ends of the time that is named; None where open. Raises UsageError."""
    since, until, during = (options[name] for name in ("since", "until", "during"))
    if not during:
        ends = [text and parse_moment(text, zones, now) for text in (since, until)]
        if all(ends) and ends[1] < ends[0]:
            raise click.UsageError("--until is before --since.")
        return ends[0] or None, ends[1] or None
    if since or until:
        raise click.UsageError("Use either --during, or --since and --until.")
    span = parse_span(during, zones, now)
    return span.begins, max(span.ends, span.begins + timedelta(microseconds=1))


options_of_printing = options_of(option_format, option_columns)
options_of_answering = options_of(option_database, options_of_printing)
"""The options of every command that prints an answer."""
options_of_local_listing = options_of(option_format, option_output, option_columns)
"""Those of a listing that needs no database."""
options_of_listing = options_of(option_database, options_of_local_listing)
"""Those of every command that lists or checks, and changes nothing: also as a file."""


ReaderFor = Callable[[Session, Mapping[str, Any]], "ConnectedReader"]
"""Who answers a question with these options."""


def by_database(session: Session, _: Mapping[str, Any]) -> ConnectedReader:
    """The database of the session."""
    return session.reader()


def reading(function: F, *, reader_for: ReaderFor = by_database) -> F:
    """The options of every reading command, and the printing of its answer."""
    return option_known_at(printing(function, reader_for=reader_for))


def reading_of_accounts(function: F, *, reader_for: ReaderFor = by_database) -> F:
    """The same for an answer that finds out itself which accounts it is about."""
    return option_known_at(printing(function, of_all=False, reader_for=reader_for))


def printing(
    function: F, *, of_all: bool = True, reader_for: ReaderFor = by_database
) -> F:
    """The same for a command that takes what is known in its own way.

    One that is not given an account is about all of them; `of_all` says otherwise.
    """
    reading_function = ReadingFunction(function, of_all)

    @functools.wraps(function)
    def call(**options: Any) -> None:
        from seat_ledger.cli.output.printing import emit  # noqa: PLC0415

        session = current_session()
        with reader_for(session, options) as reader:
            question = Question(reader, options)
            answer = reading_function.answer(question)
            try:
                emit(answer)
            except (click.exceptions.Exit, ReaderLeft):
                question.check_whole()
                raise
            question.check_whole()

    call.reading_function = reading_function  # type: ignore[attr-defined]
    return options_of_listing(call)  # type: ignore[return-value]


def check_texts(options: Mapping[str, Any]) -> None:
    """Make sure that the texts among the options are readable. Raises InvalidInput."""
    for name, value in options.items():
        if isinstance(value, str):
            check_text(value, name)


class ReadingFunction(NamedTuple):
    """What answers a reading command, whoever asks: a terminal, or a server."""

    function: Callable[..., Answer]
    of_all: bool

    @classmethod
    def of(cls, command: click.Command) -> ReadingFunction | None:
        """That of a command; None where the command is no reading one."""
        return getattr(command.callback, "reading_function", None)

    def answer(self, question: Question) -> Answer:
        """The answer to a question, by its options. Raises LedgerError, UsageError."""
        options = question.options
        if question.reader.aside and self.of_all and not options.get("account"):
            question.is_about_all()
        answer: Answer = self.function(question, **options)
        return answer


def serve_by(command: click.Command, function: Callable[..., Answer]) -> None:
    """Have a server ask this function, where a command's own is a terminal's alone."""
    command.callback.for_server = function  # type: ignore[union-attr]  # it has one


def function_for_server(command: click.Command) -> Callable[..., Answer]:
    """What :func:`serve_by` named."""
    function: Callable[..., Answer] = command.callback.for_server  # type: ignore[union-attr]  # it has one
    return function


class Question:
    """A reading command's reader, with its moments resolved when asked for."""

    def __init__(self, reader: ConnectedReader, options: dict[str, Any]) -> None:
        self.reader = reader
        self.options = options
        self.now = reader.database_now()
        self.aside: dict[UUID, SetAside] = {}
        self.only_account: str | None = None

    @lazy
    def knowledge(self) -> Knowledge:
        """What the answer may use (R41, R78); of an account set aside, what is read."""
        text = self.options.get("known_at")
        knowledge = self.reader.knowledge() if text is None else self.knowledge_of(text)
        return self._readable(knowledge)

    def knowledge_of(self, text: str) -> Knowledge:
        """What was known at a position or moment, as people write it."""
        return self.reader.knowledge(times.knowledge(text, self.zones_now(), self.now))

    def _readable(self, knowledge: Knowledge) -> Knowledge:
        """The same, but not beyond what can be read of the one account (R74)."""
        key = self.options.get("account")
        if not key:
            return knowledge
        aside = self.reader.aside_of(key)
        if aside is None or aside.position > knowledge.position:
            return knowledge
        self.aside[aside.account_id] = aside
        before = self.reader.knowledge(aside.position - 1)
        return before._replace(is_head=False, until=knowledge.until)

    def is_about(self, keys: Iterable[str]) -> None:
        """Note accounts that the answer is about, where they are set aside."""
        for key in keys if self.reader.aside else ():
            aside = self.reader.aside_of(key)
            if aside is not None and aside.position <= self.knowledge.position:
                self.aside[aside.account_id] = aside

    def is_about_only(self, key: str | None) -> None:
        """Note the one account that the answer is about; its times are on its clock."""
        self.only_account = key
        self.is_about([key] if key else ())

    def is_about_all(self) -> None:
        """Note all accounts that are set aside, for an answer about every account."""
        for aside in self.reader.aside_at(self.knowledge):
            self.aside[aside.account_id] = aside

    def aside_documents(self) -> list[dict[str, Any]]:
        """What the answer lacks, as its document says it."""
        return [account.document() for account in self.aside.values()]

    def check_whole(self) -> None:
        """Raise AccountSetAside where the answer lacks what cannot be read (R74)."""
        if self.aside:
            from seat_ledger.projections.reader import AccountSetAside  # noqa: PLC0415

            raise AccountSetAside(*self.aside.values())

    @lazy
    def account(self) -> AccountFacts:
        """The account asked about, as known."""
        return self.reader.account(self.options["account"], self.knowledge)

    @property
    def account_nos(self) -> list[int] | None:
        """The account that alone may be answered of; None for all."""
        return [self.account.no] if self.options.get("account") else None

    @property
    def is_now(self) -> bool:
        """Whether it is asked of now, with all that is known."""
        return self.options.get("as_of") is None and self.knowledge.is_head

    @lazy
    def as_of(self) -> datetime:
        """The moment asked about."""
        text = self.options.get("as_of")
        if text is None:
            return self.now
        return parse_moment(text, self.zones, self.now)

    @property
    def about(self) -> AccountQuestion:
        """The account, as known, at the moment asked about."""
        from seat_ledger.projections.reader import AccountQuestion  # noqa: PLC0415

        return AccountQuestion(self.reader, self.account, self.knowledge, self.as_of)

    @property
    def about_now(self) -> AccountQuestion:
        """The same now, whatever moment is asked about."""
        return self.about._replace(as_of=self.now)

    @property
    def about_ever(self) -> AccountQuestion:
        """The same without a moment where none is named: of all that is recorded."""
        named = self.options.get("as_of") is not None
        return self.about if named else self.about._replace(as_of=FOREVER)

    @property
    def today(self) -> date:
        """The local date on the clock of the answer."""
        return local_date(self.now, self.zones.at(self.now))

    @property
    def zones(self) -> ZoneHistory:
        """The one clock of the answer: the account's, or UTC where it is of several."""
        if self.options.get("account"):
            return self.account.zones
        if self.only_account is None:
            return times.UTC_ZONES
        return self.reader.account(self.only_account, self.knowledge).zones

    def zones_of(self, row: Mapping[str, Any]) -> ZoneHistory:
        """The zones of a row's account; of the answer where it names none."""
        key = row.get("account")
        return self.reader.zones(key, self.knowledge) if key else self.zones

    def settle(self, before: datetime | None) -> None:
        """Let no event be recorded before an instant any more (R78).

        To be called before what is known is resolved: the reader may move on.
        """
        if before is not None:
            self.reader.knowledge(before - timedelta(microseconds=1))

    def zones_now(self) -> ZoneHistory:
        """The zones in which "known at" is read: the account's, as known now."""
        if not self.options.get("account"):
            return times.UTC_ZONES
        head = self.reader.knowledge()
        return self.reader.account(self.options["account"], head).zones

    def _renewal_due(self) -> bool:
        """Whether the account waits for a renewal, as known (R38)."""
        return self.account.renewal_due(self.knowledge.moment(self.now))

    def remark(self, message: str) -> None:
        """Say on stderr what stands beside an answer that is data (CLI 2)."""
        if current_session().format != "table":
            print_message(message)

    def unknown(self) -> str:
        """That nothing of the account was known yet, where that is so (R79)."""
        account, position = self.account, self.knowledge.position
        if account.is_known:
            return ""
        return f"Nothing was known of {account.key} at position {position}."

    def footer(self) -> str:
        """Both clocks of the answer, in words."""
        which = self._head() if self.knowledge.is_head else "then"
        return (
            f"As known at position {self.knowledge.position} ({which}).   "
            f"{times.clock(self.zones)}"
        )

    def _head(self) -> str:
        """What the last that is known is: now, or how far this server has come."""
        if self.reader.is_behind:
            return f"not the latest: the store is at {self.reader.store_head}"
        if self.reader.is_standby:
            return "as far as this standby server has caught up"
        return "now"

    def answer(self, rows: Any, columns: Any = (), **words: Any) -> Answer:
        """An answer with both clocks filled in.

        `windows` are those that its moment lies in (R85). CSV has no place for what no
        row is about: they are a message there.
        """
        extra = words.pop("extra", {})
        windows: list[dict[str, Any]] | None = words.pop("windows", None)
        if windows is not None:
            extra = {**extra, "windows": windows}
            sentences = window_sentences(windows, self.zones)
            words["notes"] = [*words.get("notes", ()), *sentences]
            session = current_session()
            for sentence in sentences if session.format not in _WHOLE else ():
                print_message(sentence)
        if self.options.get("account") and self._renewal_due():
            extra = {**extra, "renewal_due": True}
        if self.knowledge.is_head and self.reader.is_behind:
            extra = {**extra, "store_head": self.reader.store_head}
        notes = [*words.pop("notes", ()), self.footer()]
        if extra.get("renewal_due"):
            notes.append("A renewal is due: seat-ledger account renew --due")
        if self.aside:
            extra = {**extra, "set_aside": self.aside_documents()}
            notes += [
                f"Set aside at position {account.position}: what is known of "
                f"{account.account_key} ends before it."
                for account in self.aside.values()
            ]
        return Answer(
            rows,
            columns,
            as_of=self.as_of if "as_of" in self.options else None,
            known_at=(self.knowledge.position, self.knowledge.recorded_at),
            extra=extra,
            notes=notes,
            zones=self.zones,
            **words,
        )
