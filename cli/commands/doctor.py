"""What works and what does not, a line each."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from seat_ledger.cli.commands import server_checks
from seat_ledger.cli.commands.server_checks import (
    Check,
    Connection,
    DoctorWarning,
    connected,
)
from seat_ledger.cli.commands.source_compare import ages
from seat_ledger.cli.options.environment import unknown
from seat_ledger.cli.options.session import (
    Session,
    current_session,
    options_of_listing,
)
from seat_ledger.cli.output.printing import emit
from seat_ledger.cli.output.render import Answer, cells, harmless
from seat_ledger.domain.clock import utc_now
from seat_ledger.domain.values import as_word
from seat_ledger.domain.wording import counted
from seat_ledger.errors import LedgerError, NotAllowed
from seat_ledger.integrity import service
from seat_ledger.projections.engine import generations, installation, user_directory
from seat_ledger.projections.engine.user_directory import PERSONAL
from seat_ledger.store import schema, statistics
from seat_ledger.store.access import exposed_to, login_rights
from seat_ledger.store.connection import connect, explained, is_trusted, password_of
from seat_ledger.store.logging_settings import logged_values
from seat_ledger.store.store_status import store_status
from seat_ledger.store.streams import breaks


class NotChecked(LedgerError):
    """The database cannot be reached, so this could not be asked."""


class NotSafe(NotChecked):
    """Not read by this login: others can put code into those tables (boundaries)."""


class NotComparable(NotChecked):
    """The schema is another version's, and so are its keys and checks (schema)."""


@click.command()
@options_of_listing
def doctor() -> None:
    """Check what works and what does not; exit 3 if something does not."""
    session = current_session()
    rows: list[dict[str, Any]] = []
    for name, check in CHECKS.items():
        failed = {row["check"] for row in rows if not row["ok"]}
        if "database" in failed and name not in WITHOUT_DATABASE:
            check = _unasked  # noqa: PLW2901
        elif "boundaries" in failed and name in OF_PROJECTIONS:
            check = _unsafe  # noqa: PLW2901
        elif "schema" in failed and name == "guards":
            check = _older  # noqa: PLW2901
        rows.append(_checked(name, check, session))
    wrong = [row for row in rows if row["ok"] is False]
    columns = [("", _state), *cells("check", "found", "try")]
    code = 3 if wrong else 0
    sentence = _summary(rows, wrong)
    emit(Answer(rows, columns, sentence=sentence, exit_code=code), session.format)


def _summary(rows: list[dict[str, Any]], wrong: list[dict[str, Any]]) -> str:
    if wrong:
        return f"{len(wrong)} of {len(rows)} checks found a problem."
    warnings = sum(_state(row) == "WARNING" for row in rows)
    return (
        f"Everything works; see the warnings ({warnings})." if warnings else "All well."
    )


def _checked(name: str, check: Check, session: Session) -> dict[str, Any]:
    try:
        return {"check": name, "ok": True, "found": check(session), "try": None}
    except NotChecked as error:
        return {"check": name, "ok": None, "found": error.message, "try": None}
    except DoctorWarning as error:
        return {**_wrong(name, error), "ok": True}
    except LedgerError as error:
        return _wrong(name, error)
    except Exception as error:  # a check goes on, whatever the login may not see
        failure = explained(session.address, error)
        if failure is None:
            raise
        if isinstance(failure, NotAllowed):  # what it may not see is no fault
            result = "not shown to this login"
            return {"check": name, "ok": True, "found": result, "try": None}
        return _wrong(name, failure)


def _state(row: dict[str, Any]) -> str:
    if row["ok"] is None:
        return "NOT CHECKED"
    if not row["ok"]:
        return "WRONG"
    return "WARNING" if row["try"] else "OK"


def _wrong(name: str, error: LedgerError) -> dict[str, Any]:
    return {"check": name, "ok": False, "found": error.message, "try": error.try_}


def _unasked(_: Session) -> str:
    raise NotChecked


def _unsafe(_: Session) -> str:
    raise NotSafe


def _older(_: Session) -> str:
    raise NotComparable


def _python(_: Session) -> str:
    return platform.python_version()


def _packages(_: Session) -> str:
    names = ("eventsourcing", "psycopg", "pydantic", "click", "tzdata")
    return ", ".join(f"{name} {version(name)}" for name in names)


@connected
def _server(connection: Connection) -> str:
    row = connection.execute("SHOW server_version").fetchone()
    return f"PostgreSQL {row[0]} at {connection.info.host}"


@connected
def _clock(connection: Connection) -> str:
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    away = abs((row[0] - utc_now()).total_seconds())
    if away > 60:
        raise LedgerError(
            f"The clocks of this machine and the server are {away:.0f} s apart.",
            try_="synchronise them by NTP: effective times are judged by the server's "
            "clock",
        )
    return f"{away:.1f} s apart"


@connected
def _positions(connection: Connection) -> str:
    """Whether the next event will stand behind the last, by position and by clock."""
    store = store_status(connection)
    if store.is_set_back:
        raise LedgerError(
            f"The next position is {store.next_position}, but the last event is at "
            f"{store.last_position}: the sequence of positions was set back, as a "
            "failover or a restore may do. Nothing can be recorded.",
            try_="seat-ledger db migrate",
        )
    if store.is_full:
        raise LedgerError(
            "The sequence of positions is at its end, as only a setval can bring it "
            "there. Nothing can be recorded.",
            try_="set it back behind the last event: SELECT setval("
            f"'ledger.stored_events_notification_id_seq', {store.last_position})",
        )
    if store.clock_behind.total_seconds() > 1:
        raise LedgerError(
            "The last event, or the latest moment that was asked about, lies "
            f"{store.clock_behind.total_seconds():,.0f} s ahead of the server's clock, "
            "which was fast before or has been set back since. Until the clock catches "
            "up, events are recorded right after it.",
            try_="set the server's clock by NTP; see 'seat-ledger help time'",
        )
    return f"the next is {store.next_position}"


def _schema(session: Session) -> str:
    session.check_schema()
    applied, latest = schema.status(session.conninfo())
    return f"{applied} of {latest}"


@connected
def _projections(connection: Connection) -> str:
    generations.check(generations.served(connection))
    row = installation.status(connection)[0]
    if row["reason"]:
        raise LedgerError(row["reason"], try_="seat-ledger projection status")
    behind = row["lag_events"]
    return f"{behind:,} behind (the next question catches up)" if behind else "current"


def _readable(session: Session) -> str:
    """Whether every event can be read, and no account is set aside (R74)."""
    with session.reader(patient=True) as reader:
        aside = reader.aside
    if aside:
        keys = " ".join(as_word(account.account_key) for account in aside)
        raise LedgerError(
            " ".join(account.sentence() for account in aside),
            try_="use the program version that wrote the event, or restore it from a "
            f"backup; then: seat-ledger projection resume {keys}",
        )
    return "every event, of every account"


@connected
def _streams(connection: Connection) -> str:
    """Whether the versions of each stream follow one another."""
    gaps = breaks(connection)
    if gaps:
        named = "; ".join(gap.sentence() for gap in gaps[:3])
        raise LedgerError(
            f"{counted(len(gaps), 'event does', 'events do')} not follow the previous "
            f"event of their stream: {named}{' …' * (len(gaps) > 3)}.",
            try_="restore the store from a backup",
        )
    return "every version follows the one before it"


@connected
def _trust(connection: Connection) -> str:
    if connection.info.host.startswith("/"):
        return "a Unix socket"
    if is_trusted(connection):
        raise LedgerError(
            f"The server at {connection.info.host} lets this login in over the "
            "network without authentication (trust).",
            try_="change pg_hba.conf from trust to scram-sha-256",
        )
    how = "over TLS" if connection.pgconn.ssl_in_use else "without TLS"
    return f"the server authenticates logins, {how}"


def _secrets(_: Session) -> str:
    """A password among a program's arguments is shown to every user of the machine."""
    words = (word.removeprefix("--database=") for word in sys.argv[1:])
    if any(password_of(word) for word in words):
        raise LedgerError(
            "The database's password is on the command line, where every user of this "
            "machine can read it.",
            try_="put it into ~/.pgpass, or the address into SEAT_LEDGER_DATABASE_URL",
        )
    return "none on the command line"


@connected
def _roles(connection: Connection) -> str:
    rights = login_rights(connection)
    if rights.lacking:
        raise LedgerError(
            f"{rights.lacking} Commands run with all the rights of {rights.login}.",
            try_="have somebody who may create roles run 'seat-ledger db migrate', "
            "then GRANT the roles to the login",
        )
    return f"{rights.login} acts as {', '.join(rights.roles)}"


def _seals(session: Session) -> str:
    """Whether what is sealed and what is kept elsewhere is all there."""
    report = service.status(session.conninfo(), session.database)
    if report.lacking:
        raise LedgerError(report.lacking, try_=report.try_)
    return report.message


def _witnesses(session: Session) -> str:
    """Whether checkpoints are kept where neither the data nor the key is."""
    report = service.witnesses_elsewhere(session.conninfo(), session.database)
    if report.lacking:
        raise DoctorWarning(
            report.lacking,
            try_="name a folder on another machine in SEAT_LEDGER_WITNESS",
        )
    return report.message


def _environment(_: Session) -> str:
    """Whether a variable is set that is named like ours, and that nothing reads."""
    names = unknown()
    if names:
        raise DoctorWarning(
            f"Nothing reads {', '.join(map(harmless, names))}: no setting has that "
            "name.",
            try_="see 'Settings' in the reference, and the options in --help",
        )
    return "every SEAT_LEDGER_ variable is a setting"


def _lists(session: Session) -> str:
    """Whether there is a list of each declared source that is new enough (R88)."""
    declared = os.environ.get("SEAT_LEDGER_SOURCES")
    if not declared:
        return "none declared (SEAT_LEDGER_SOURCES)"
    rows = ages(session, Path(declared))
    old = [row["message"] for row in rows if row["too_old"]]
    if old:
        raise LedgerError(
            " ".join(old),
            try_="see why the export is not there, then: seat-ledger source compare "
            f"--sources {as_word(declared)}",
        )
    return "; ".join(row["message"] for row in rows)


@connected
def _persons(connection: Connection) -> str:
    """Whether keys are where the record says: a restore may bring too many, or few."""
    generations.use(connection, generations.served(connection).number)
    keys = user_directory.keys(connection)
    if keys.locked:
        raise LedgerError(
            f"{keys.locked:,} of {counted(keys.users, 'user')} "
            f"{'reads' if keys.locked == 1 else 'read'} as erased although "
            "nobody erased them: their keys are missing.",
            try_="restore the table ledger.person_key from its own backup, then: "
            "seat-ledger projection rebuild",
        )
    if keys.opened:
        raise LedgerError(
            f"{counted(keys.opened, 'erased user has', 'erased users have')} a key "
            "again, brought back by a restore: "
            f"{', '.join(keys.again or [])}{' …' * (keys.opened > 3)}.",
            try_="erase each again: seat-ledger user erase erased-… -a ACCOUNT",
        )
    if keys.unnamed:
        raise LedgerError(
            f"{keys.unnamed:,} of {counted(keys.users, 'user')} cannot be found by key "
            "or e-mail.",
            try_="restore the table ledger.user_name from its own backup",
        )
    return f"{counted(keys.users, 'user')}, {keys.erased:,} of them erased"


@connected
def _copies(connection: Connection) -> str:
    """Whether values that an erasure must reach are copied where it does not reach."""
    columns = statistics.columns_with_statistics(connection, PERSONAL)
    if columns:
        raise LedgerError(
            f"The server's statistics hold, or will hold, values of {columns[0]}"
            f"{_more_columns(len(columns) - 1)}, which "
            "no erasure reaches.",
            try_="'seat-ledger db migrate' as a superuser; or run 'seat-ledger "
            "projection rebuild' twice",
        )
    return "no statistics of keys, e-mails and names"


def _logging(session: Session) -> str:
    """What the server's log holds of what it is sent."""
    with connect(session.conninfo(), autocommit=True) as connection:
        settings = logged_values(connection)
    if not settings:
        return "statements are logged without their parameters, or not at all"
    return (
        f"{', '.join(settings)}: the server's log contains reasons, references and "
        "account keys; personal data only encrypted for the session"
    )


@connected
def _boundaries(connection: Connection) -> str:
    """Whether this login could run code that a login of fewer rights has planted."""
    login, may, others = exposed_to(connection)
    if not others:
        return f"nobody with fewer rights can plant code that {login} would run"
    raise LedgerError(
        f"{login} can {may}, and reads tables that {', '.join(others[:3])} can put "
        "code into (triggers, views): SET ROLE does not prevent that.",
        try_="use a separate login for each task: one that migrates, one in "
        "seat_ledger_writer, one in seat_ledger_projector, one in "
        "seat_ledger_reader; only the first may be a superuser. Run doctor as each",
    )


WITHOUT_DATABASE = {"python", "packages", "environment", "database", "secrets"}
OF_PROJECTIONS = {"events", "projections", "persons", "lists"}

CHECKS: dict[str, Check] = {
    "python": _python,
    "packages": _packages,
    "environment": _environment,
    "database": _server,
    "access": _trust,
    "clock": _clock,
    "server": server_checks.writable,
    "schema": _schema,
    "guards": server_checks.guarded,
    "rights": server_checks.rights,
    "boundaries": _boundaries,  # before anything of the projections is read
    "positions": _positions,
    "events": _readable,
    "streams": _streams,
    "ownership": server_checks.owned,
    "publications": server_checks.published,
    "projections": _projections,
    "roles": _roles,
    "secrets": _secrets,
    "copies": _copies,
    "logging": _logging,
    "seals": _seals,
    "witnesses": _witnesses,
    "persons": _persons,
    "lists": _lists,
}


def _more_columns(count: int) -> str:
    return f" and {counted(count, 'more column')}" if count else ""
