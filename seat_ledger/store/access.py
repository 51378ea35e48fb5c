"""Roles with as few rights as their work needs.

``owner`` has the tables of the write side, ``writer`` appends and reads, ``projector``
keeps the read side, ``reader`` reads what is served, ``account_reader`` reads it of
single accounts (:mod:`seat_ledger.store.account_readers`). Commands take on the
smallest role that suffices, where the login is a member of it
(:mod:`seat_ledger.store.connection`).
Where the login may not make roles everything works as the login itself.
"""

from __future__ import annotations

import re
from importlib import resources
from typing import Any, NamedTuple

import psycopg

from seat_ledger.store import ownership
from seat_ledger.store.connection import become

ROLES = ("owner", "writer", "projector", "reader")
_PART = re.compile(r"^-- ([a-z]+) --$", re.MULTILINE)
_PATH = "SET LOCAL search_path = pg_catalog, pg_temp"
"""Nobody who may make objects elsewhere decides what a name means here."""

_OWN = """
CREATE FUNCTION pg_temp.own(space oid, schema name, owner name) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT 'TABLE' AS kind, oid::regclass::text AS name
          FROM pg_class
         WHERE relnamespace = space AND relkind IN ('r', 'v', 'm', 'p')
           AND relowner <> owner::text::regrole
         UNION ALL
        SELECT 'ROUTINE', oid::regprocedure::text
          FROM pg_proc
         WHERE pronamespace = space AND proowner <> owner::text::regrole
         UNION ALL
        SELECT 'TYPE', kind.oid::regtype::text
          FROM pg_type AS kind
          LEFT JOIN pg_class AS of ON of.oid = kind.typrelid
         WHERE kind.typnamespace = space AND kind.typowner <> owner::text::regrole
           AND (kind.typtype IN ('e', 'd') OR of.relkind = 'c')
    LOOP
        EXECUTE format('ALTER %s %s OWNER TO %I', one.kind, one.name, owner);
    END LOOP;
END;
$$;
"""


class Access(NamedTuple):
    """What could be set up, and in words what could not."""

    granted: bool
    unavailable: tuple[str, ...] = ()


def grant(connection: psycopg.Connection[Any]) -> Access:
    """Make the roles and give them their rights, as far as the login may.

    Nothing is half granted: each part is done, or left out and reported.
    """
    parts = _parts()
    unavailable = []
    try:
        with connection.transaction():
            connection.execute("SET LOCAL client_min_messages = warning")
            connection.execute(_PATH)
            connection.execute(parts["roles"])
            connection.execute(_OWN)
            _name_schemas(connection)
            connection.execute(parts["owners"])
            connection.execute(parts["grants"])
            connection.execute("DROP FUNCTION pg_temp.own(oid, name, name)")
    except psycopg.errors.InsufficientPrivilege:
        return Access(granted=False, unavailable=(_NO_ROLES,))
    for part, lacking in _OPTIONAL.items():
        try:
            with connection.transaction():
                _name_schemas(connection)
                connection.execute(_PATH)
                connection.execute(parts[part])
        except psycopg.errors.InsufficientPrivilege:
            unavailable.append(lacking)
    return Access(granted=True, unavailable=tuple(unavailable))


def _name_schemas(connection: psycopg.Connection[Any]) -> None:
    """Tell what follows in the transaction which schemas are the ledger's."""
    connection.execute(
        "SELECT pg_catalog.set_config('seat_ledger.schemas', %s, true)",
        [",".join(ownership.ours(connection))],
    )


class LoginRights(NamedTuple):
    """As which roles a login can act here, and what it lacks, in words."""

    login: str
    roles: tuple[str, ...]
    lacking: str | None


def login_rights(connection: psycopg.Connection[Any]) -> LoginRights:
    """As which roles the login of a connection can act."""
    row = connection.execute("SELECT session_user").fetchone()
    assert row is not None
    acting = []
    for role in ("writer", "projector", "reader"):
        become(connection, role)
        current = connection.execute("SELECT current_user").fetchone()
        if current == (f"seat_ledger_{role}",):
            acting.append(role)
    connection.execute("RESET ROLE")
    if not acting and _reads_single_accounts(connection):
        acting.append("reader of single accounts")
    lacking = None
    if not acting:
        lacking = "The login is not a member of any of the ledger's roles."
    return LoginRights(row[0], tuple(acting), lacking)


_EXPOSED = """
SELECT session_user,
       CASE WHEN own.rolsuper THEN 'do everything'
            WHEN pg_has_role(own.oid, 'seat_ledger_owner', 'MEMBER')
            THEN 'change the tables of the write side'
            WHEN pg_has_role(own.oid, 'seat_ledger_writer', 'MEMBER')
            THEN 'append' END AS may,
       ARRAY(SELECT other.rolname::text
               FROM pg_catalog.pg_roles AS other
              WHERE other.rolcanlogin
                AND NOT other.rolsuper
                AND other.oid <> own.oid
                AND NOT pg_has_role(other.oid, own.oid, 'MEMBER')
                AND pg_has_role(other.oid, 'seat_ledger_projector', 'MEMBER')
                AND (has_database_privilege(other.oid, current.oid, 'CONNECT')
                     OR pg_has_role(other.oid, current.datdba, 'MEMBER'))
              ORDER BY 1) AS others
  FROM pg_catalog.pg_roles AS own
  JOIN pg_catalog.pg_database AS current ON current.datname = current_database()
 WHERE own.rolname = session_user
   AND EXISTS (SELECT FROM pg_catalog.pg_roles
                WHERE rolname = 'seat_ledger_projector')
   AND EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'seat_ledger_owner')
   AND EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'seat_ledger_writer')
   AND (pg_has_role(own.oid, 'seat_ledger_projector', 'MEMBER')
        OR pg_has_role(own.oid, 'seat_ledger_reader', 'MEMBER'))
"""


def exposed_to(connection: psycopg.Connection[Any]) -> tuple[str, str, list[str]]:
    """The login, what it may do, and which logins could make it do that for them.

    Whoever is of the projector's role owns the tables that are read, and may put code
    there, which runs in the session of whoever reads or fills them. SET ROLE does not
    hold such code back: it can be taken back. So a login that may more than the
    projector should not read there while others are of that role. Roles belong to the
    server: of its logins those count that may connect to this database, or may allow
    themselves to, as its owner can from any other.
    """
    row = connection.execute(_EXPOSED).fetchone()
    if row is None or row[1] is None:
        return str(row[0] if row else "this login"), "", []
    return row[0], row[1], list(row[2])


def _reads_single_accounts(connection: psycopg.Connection[Any]) -> bool:
    row = connection.execute(
        "SELECT FROM pg_roles WHERE rolname = 'seat_ledger_account_reader' "
        "AND pg_has_role(session_user, oid, 'USAGE')"
    ).fetchone()
    return row is not None


_NO_ROLES = (
    "This login may not create the ledger's roles, so commands run with all of its "
    "rights. Have somebody with CREATEROLE run 'seat-ledger db migrate'."
)
_OPTIONAL = {
    "single": "This login may not create the role for readers of single accounts.",
    "making": (
        "This login may not allow the projector to create schemas in this database, "
        "so a rebuild runs with the login's own rights."
    ),
    "connecting": (
        "This login does not own the database, so everybody who may log in to the "
        "server may connect to it and can block every append with a lock."
    ),
    "watching": "The projector may not see who delays a switch (pg_read_all_stats).",
}


def _parts() -> dict[str, bytes]:
    text = resources.files(__package__).joinpath("access.sql").read_text("utf-8")
    pieces = _PART.split(text)[1:]
    return {
        name: sql.encode() for name, sql in zip(pieces[::2], pieces[1::2], strict=True)
    }
