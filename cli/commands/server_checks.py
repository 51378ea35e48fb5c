"""What `doctor` asks of the server itself: what it allows, what others made in it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from seat_ledger.cli.options.session import Session
from seat_ledger.errors import LedgerError
from seat_ledger.store import guards, ownership, schema
from seat_ledger.store.connection import connect


class DoctorWarning(LedgerError):
    """What works, and should be otherwise all the same: told, and no failure."""


Check = Callable[[Session], str]
Connection = Any


def connected(check: Callable[[Connection], str]) -> Check:
    """A check that asks the database, over a connection of its own."""

    @functools.wraps(check)
    def call(session: Session) -> str:
        with connect(session.conninfo(), autocommit=True) as connection:
            return check(connection)

    return call


_PUBLISHED = """
SELECT published.pubname,
       bool_or(published.schemaname = 'ledger'
               AND published.tablename IN ('person_key', 'digest_key')),
       array_agg(published.schemaname || '.' || published.tablename
                 ORDER BY published.tablename)
           FILTER (WHERE class.relreplident = 'n'
                      OR class.relreplident = 'd' AND NOT EXISTS (
                         SELECT
                           FROM pg_catalog.pg_index AS one
                          WHERE one.indrelid = class.oid AND one.indisprimary))
  FROM pg_catalog.pg_publication_tables AS published
  JOIN pg_catalog.pg_publication AS publication
    ON publication.pubname = published.pubname
   AND (publication.pubupdate OR publication.pubdelete)
  JOIN pg_catalog.pg_namespace AS space ON space.nspname = published.schemaname
  JOIN pg_catalog.pg_class AS class
    ON class.relnamespace = space.oid AND class.relname = published.tablename
 WHERE published.schemaname = ANY (%s)
 GROUP BY published.pubname
 ORDER BY published.pubname
"""


@connected
def writable(connection: Connection) -> str:
    """Whether the server takes writes, and who may connect."""
    row = connection.execute(
        "SELECT pg_catalog.pg_is_in_recovery(), "
        "pg_catalog.current_setting('transaction_read_only')::boolean, "
        "pg_catalog.has_database_privilege("
        "'public', pg_catalog.current_database(), 'CONNECT')"
    ).fetchone()
    assert row is not None
    standby, read_only, everybody = row
    if standby:
        return (
            "a standby server: it answers as far as it has caught up, and accepts no "
            "writes"
        )
    if read_only:
        raise LedgerError(
            "Sessions of this login are read only: nothing can be written.",
            try_="see why: SHOW default_transaction_read_only",
        )
    if everybody:
        return (
            "accepts writes; everybody who may log in to the server may connect to it"
        )
    return "accepts writes"


@connected
def owned(connection: Connection) -> str:
    """Whether the ledger's schemas hold what is the ledger's, and nothing else."""
    ownership.check(
        connection, tuple(migration.sql for migration in schema.migrations())
    )
    spaces = ownership.spaces(connection)
    reading = {
        space.name: views
        for space in spaces
        if space.ours and (views := ownership.dependents(connection, space.name))
    }
    for name, views in reading.items():
        if name not in ownership.FIXED:
            raise LedgerError(
                f"{', '.join(views[:3])} read the tables of {name}, which are kept "
                "for them but no longer updated after the next rebuild.",
                try_="have them read the views in the schema 'projection' instead",
            )
    foreign = [space.name for space in spaces if not space.ours]
    return "marked as the ledger's" + (
        f"; {', '.join(foreign)}: not Seat Ledger's, and left alone" if foreign else ""
    )


@connected
def published(connection: Connection) -> str:
    """Whether a publication stops the tables, or takes the secrets along."""
    rows = connection.execute(_PUBLISHED, [ownership.ours(connection)]).fetchall()
    for name, secrets, stopped in rows:
        if stopped:
            raise LedgerError(
                f"The publication {name} prevents every change to "
                f"{', '.join(stopped[:3])}{' …' * (len(stopped) > 3)}: it cannot tell "
                "their rows apart.",
                try_="seat-ledger db migrate",
            )
        if secrets:
            raise LedgerError(
                f"The publication {name} sends ledger.person_key or ledger.digest_key "
                "to its subscribers, where no erasure reaches them.",
                try_="publish the tables that you need by name, without those two",
            )
    return f"{len(rows)} publications of the ledger's tables" if rows else "nothing"


@connected
def guarded(connection: Connection) -> str:
    """Whether the store refuses what it must: keys, checks, triggers."""
    guards.check(connection)
    if others := guards.watching(connection):
        raise DoctorWarning(
            f"Somebody attached {', '.join(others[:3])}{' …' * (len(others) > 3)}: it "
            "runs with the rights of whoever records, rebuilds or migrates and sees "
            "what they write, or it hides rows from them.",
            try_="see who made it and what for; a login that may not change the schema "
            "cannot have made it",
        )
    return f"all of the {len(guards.GUARDS)} guards are in place"


@connected
def rights(connection: Connection) -> str:
    """Whether only the ledger's own roles may do anything on the write side."""
    for name, things in guards.strangers(connection).items():
        raise DoctorWarning(
            f"{name} has rights on {', '.join(things[:3])}"
            f"{' …' * (len(things) > 3)}, from default privileges or a grant by hand, "
            "beside those of the ledger's roles.",
            try_="take them back (REVOKE, ALTER DEFAULT PRIVILEGES … REVOKE), and "
            "grant a role of the ledger's instead: see 'seat-ledger help roles'",
        )
    return "only the ledger's roles have rights on the write side"
