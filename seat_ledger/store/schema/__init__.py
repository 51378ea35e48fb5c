"""The schema of the write side: numbered plain-SQL migrations, and their runner.

Each migration runs in one transaction together with the row that records it, and
forward only. Migrations are never edited once they are released: their digest is
kept, and a database that has another one is not this program's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib import resources
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from seat_ledger.domain.values import fold
from seat_ledger.errors import SchemaMismatch
from seat_ledger.store import access, ownership
from seat_ledger.store.connection import connect
from seat_ledger.store.statistics import rewrite_statistics
from seat_ledger.store.store_status import APPEND_LOCK

_LOCK = 7365617430

_HISTORY = """
CREATE TABLE IF NOT EXISTS ledger.schema_migration (
    number integer PRIMARY KEY,
    name text NOT NULL,
    digest text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""


class Migration(NamedTuple):
    """One numbered step of the schema."""

    number: int
    name: str
    sql: str

    @property
    def digest(self) -> str:
        """What tells this migration from an edited one."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


class SchemaStatus(NamedTuple):
    """How far a database's schema is, and how far this program's goes."""

    applied: int
    of_program: int


def migrations() -> list[Migration]:
    """Every migration of this program, in order."""
    numbered = []
    for file in resources.files(__package__).iterdir():
        if file.name.endswith(".sql"):
            number, _, name = file.name.removesuffix(".sql").partition("_")
            numbered.append(Migration(int(number), name, file.read_text("utf-8")))
    return sorted(numbered)


_DIGEST_KEY = """
INSERT INTO ledger.digest_key (key)
SELECT sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
              || uuid_send(gen_random_uuid()))
    ON CONFLICT DO NOTHING
"""
"""Makes the secret of the commands' digests anew where a restore left it out."""


_POSITIONS = """
SELECT pg_catalog.setval('ledger.stored_events_notification_id_seq', stored.last)
  FROM (SELECT max(notification_id) AS last FROM ledger.stored_events) AS stored,
       ledger.stored_events_notification_id_seq AS sequence
 WHERE stored.last > sequence.last_value
    OR (stored.last = sequence.last_value AND NOT sequence.is_called)
"""
"""Sets the sequence of positions behind the last event, where it was set back."""


def _create_schema(connection: psycopg.Connection[Any]) -> None:
    """Create the schema where there is none: else the owner's rights on it suffice."""
    row = connection.execute("SELECT to_regnamespace('ledger') IS NULL").fetchone()
    if row is not None and row[0]:
        connection.execute("CREATE SCHEMA ledger")


def migrate(
    conninfo: str,
    *,
    up_to: int | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> list[str]:
    """Bring the schema up to this program's; return the names of what was applied.

    `up_to` stops at a number, for tests. `report` is called with a sentence for each
    right that the login could not give. Raises SchemaMismatch for a database that is
    newer than the program, was migrated by another one, or is too old a server.
    """
    with connect(conninfo, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        connection.execute("SET client_min_messages = warning")
        ownership.check(connection, tuple(migration.sql for migration in migrations()))
        with connection.transaction():
            _create_schema(connection)
            connection.execute(_HISTORY)
        applied = _applied(connection)
        _check_history(applied)
        done = []
        for migration in migrations():
            if migration.number in applied or migration.number > (up_to or 10**6):
                continue
            with connection.transaction():
                connection.execute(migration.sql.encode())
                if migration.name in _BY_PROGRAM:
                    _BY_PROGRAM[migration.name](connection)
                connection.execute(
                    "INSERT INTO ledger.schema_migration (number, name, digest) "
                    "VALUES (%s, %s, %s)",
                    [migration.number, migration.name, migration.digest],
                )
            done.append(f"{migration.number:04}_{migration.name}")
        if done and applied:
            rewrite_statistics(connection)
        if up_to is None:
            for lacking in access.grant(connection).unavailable:
                report(lacking)
            connection.execute(_DIGEST_KEY)
            with connection.transaction():
                connection.execute(
                    "SELECT pg_catalog.pg_advisory_xact_lock(%s)", [APPEND_LOCK]
                )
                connection.execute(_POSITIONS)
        return done


def _fold_names(connection: psycopg.Connection[Any]) -> None:
    """Fold the keys and e-mails that are recorded already, in the program's way."""
    rows = connection.execute(
        "SELECT user_id, user_key, folded_email FROM ledger.user_name"
    )
    folded = [(fold(key), fold(email), user_id) for user_id, key, email in rows]
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE ledger.user_name SET folded_key = %s, folded_email = %s "
            "WHERE user_id = %s",
            folded,
        )
    connection.execute("ALTER TABLE ledger.user_name ALTER folded_key SET NOT NULL")


_BY_PROGRAM = {"folded_names": _fold_names}
"""What a migration leaves to the program, after its SQL and in its transaction."""


def status(conninfo: str) -> SchemaStatus:
    """How far the schema is. An empty database has applied 0."""
    with connect(conninfo, autocommit=True) as connection:
        return status_of(connection)


def status_of(connection: psycopg.Connection[tuple[object, ...]]) -> SchemaStatus:
    """How far the schema is, asked on an open connection."""
    applied = _applied(connection)
    return SchemaStatus(max(applied, default=0), migrations()[-1].number)


def ledger_id(connection: psycopg.Connection[tuple[object, ...]]) -> UUID:
    """Which ledger this is, whatever its address; a copy of it has the same."""
    row = connection.execute("SELECT ledger_id FROM ledger.identity").fetchone()
    if row is None:
        raise SchemaMismatch(
            "The ledger's identity (ledger.identity) is missing.",
            try_="restore the table from a backup",
        )
    return UUID(str(row[0]))


def check(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Raise SchemaMismatch unless the schema is this program's."""
    schema = status_of(connection)
    if schema.applied < schema.of_program:
        raise SchemaMismatch(
            f"The database's schema is at {schema.applied}, the program's at "
            f"{schema.of_program}.",
            try_="seat-ledger db migrate",
        )
    if schema.applied > schema.of_program:
        raise _newer(schema.applied, schema.of_program)


def _newer(applied: int, of_program: int) -> SchemaMismatch:
    return SchemaMismatch(
        f"The database's schema is at {applied}, newer than the program's "
        f"{of_program}.",
        try_="use the newer program",
    )


def _applied(connection: psycopg.Connection[tuple[object, ...]]) -> dict[int, str]:
    row = connection.execute(
        "SELECT to_regclass('ledger.schema_migration') IS NOT NULL"
    ).fetchone()
    if row is None or not row[0]:
        return {}
    try:
        rows = connection.execute(
            "SELECT number, digest FROM ledger.schema_migration"
        ).fetchall()
    except psycopg.errors.UndefinedColumn:  # somebody else's: `migrate` says of whose
        return {}
    return {int(str(number)): str(digest) for number, digest in rows}


def _check_history(applied: dict[int, str]) -> None:
    own = {migration.number: migration for migration in migrations()}
    if applied and max(applied) > max(own):
        raise _newer(max(applied), max(own))
    for number, digest in applied.items():
        if own[number].digest != digest:
            raise SchemaMismatch(
                f"Migration {number} of this database is not this program's.",
                try_="use the program that migrated it, or restore a backup",
            )
