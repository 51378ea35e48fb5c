"""Sets of tables side by side: made, served, kept for comparison, dropped.

A generation is a schema of its own, with its tables, indexes and definitions bound to
each other when it is made. Readers name it once, by their search path, and stay on it.
Other clients read views in the schema ``projection``; a switch points them to another
generation, in one short transaction.
"""

from __future__ import annotations

import json
import time
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from seat_ledger.errors import IntegrityFailure, SchemaMismatch
from seat_ledger.projections.engine.locks import INSTALL_LOCK
from seat_ledger.projections.engine.registry import (
    BY_NAME,
    DEFINING_ROOMS,
    PROJECTIONS,
    ROOMS,
    TOPICS,
    versions,
)
from seat_ledger.projections.engine.seat_types import STARTING
from seat_ledger.projections.engine.set_aside import SetAside
from seat_ledger.projections.engine.sql_files import filled, queries, text
from seat_ledger.projections.engine.user_directory import quiet
from seat_ledger.store import ownership
from seat_ledger.store.connection import connect

READER_ROLE = "seat_ledger_reader"
ACCOUNT_READER_ROLE = "seat_ledger_account_reader"

Connection = psycopg.Connection[Any]

PATIENCE = 5.0
"""Seconds in which whoever reads a generation may let go of it, to be dropped."""

OWN = (True, False)

LOCK_PAUSE = 0.1
"""Seconds in which that reader goes on undisturbed."""

_SERVED = (
    "SELECT number, position, "
    "coalesce((SELECT max(notification_id) FROM ledger.stored_events), 0), "
    "versions, moved_at FROM projection.generation WHERE state = 'served'"
)
_SERVED_ALONE = (
    "SELECT number, position, position, versions, NULL::timestamptz "
    "FROM projection.generation WHERE state = 'served'"
)


class Served(NamedTuple):
    """The generation that answers come from, and how far it and the store are.

    Whoever reads it knows which accounts are set aside in it, or of its own whether.
    """

    number: int
    checkpoint: int
    head: int
    versions: dict[str, str]
    moved_at: datetime | None
    """When the checkpoint came to where it is; None to who may not know."""
    aside: tuple[SetAside, ...] = ()

    @property
    def schema(self) -> str:
        """The schema of its tables."""
        return schema_of(self.number)

    @property
    def stale(self) -> list[str]:
        """The projections whose definition is not this program's."""
        current = versions()
        return [name for name, own in current.items() if self.versions.get(name) != own]

    @property
    def is_stale(self) -> bool:
        """Whether a rebuild is the way to tables that answer."""
        return bool(self.stale) or self.checkpoint > self.head


def schema_of(number: int, *, own: bool = False) -> str:
    """The schema of a generation's tables, or of those for an account's reader."""
    return f"projection_{number}_own" if own else f"projection_{number}"


def install(conninfo: str) -> bool:
    """Make the first, empty generation; return whether there was none.

    Tables of another definition are left as they are: they serve until a rebuild.
    """
    with connect(conninfo, role="projector", autocommit=True) as connection:
        if is_installed(connection):
            _let_publish(connection)
            return False
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [INSTALL_LOCK])
            if is_installed(connection):
                return False
            connection.execute("SET LOCAL client_min_messages = warning")
            _clear_the_way(connection)
            connection.execute(text("engine", "control.sql").encode())
            number = make(connection)
            for projection in PROJECTIONS:
                make_indexes(connection, number, projection.name)
            serve(connection, number)
        return True


def _let_publish(connection: Connection) -> None:
    """Give every table what tells its rows apart in a publication.

    One FOR ALL TABLES, whoever made it, would refuse every change of the others.
    """
    rows = connection.execute(
        "SELECT space.nspname, class.relname FROM pg_catalog.pg_class AS class "
        "JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace "
        "WHERE space.nspname = ANY (%s) AND class.relkind = 'r' "
        "AND class.relreplident = 'd' AND NOT EXISTS (SELECT "
        "FROM pg_catalog.pg_index WHERE indrelid = class.oid AND indisprimary)",
        [[name for name in ownership.ours(connection) if name != "ledger"]],
    ).fetchall()
    for row in rows:
        table = sql.Identifier(*row)
        connection.execute(
            sql.SQL("ALTER TABLE {} REPLICA IDENTITY FULL").format(table)
        )


def _clear_the_way(connection: Connection) -> None:
    """Drop what is left of views of ours that are served no more.

    Raises SchemaMismatch where anything is there, or depends on it, that is not.
    """
    ours = {f"{kind} {table.name}" for table in PROJECTIONS for kind in ("v", "r")}
    ours |= {"r rebuild"}
    for space in ownership.spaces(connection):
        if space.name not in {"projection", "projection_own"}:
            continue
        theirs = [is_own for is_own in space.holds if is_own not in ours]
        theirs += ownership.dependents(connection, space.name)
        if theirs or not (space.ours or space.is_free):
            raise SchemaMismatch(
                f"The database has a schema {space.name!r} that contains more than "
                f"Seat Ledger's objects: {', '.join(theirs[:5] or space.holds[:5])}. "
                "Nothing was changed.",
                try_="name another database, or rename that schema",
            )
        name = sql.Identifier(space.name)
        connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(name))


def is_installed(connection: Connection) -> bool:
    """Whether a first generation was made, as the last of all that a store needs."""
    row = connection.execute(
        "SELECT to_regclass('projection.generation') IS NOT NULL"
    ).fetchone()
    return bool(row and row[0])


def served(connection: Connection, *, sees_store: bool = True) -> Served:
    """The generation that is served. Raises SchemaMismatch (exit 12).

    Without `sees_store` its checkpoint stands for the store's head.
    """
    missing = SchemaMismatch(
        "The database has no Seat Ledger schema, or an older one.",
        try_="seat-ledger db migrate",
    )
    try:
        row = connection.execute(_SERVED if sees_store else _SERVED_ALONE).fetchone()
    except (
        psycopg.errors.UndefinedTable,
        psycopg.errors.UndefinedColumn,
        psycopg.errors.InvalidSchemaName,
    ) as error:
        raise missing from error
    if row is None:
        raise missing
    return Served(*row)


def check(generation: Served) -> None:
    """Raise SchemaMismatch (exit 12) for tables of another definition or store."""
    if generation.checkpoint > generation.head:
        raise SchemaMismatch(
            f"The projections are at position {generation.checkpoint}, beyond the "
            f"store's head {generation.head}: an older store was restored without "
            "them.",
            try_="seat-ledger projection rebuild",
        )
    if generation.stale:
        raise SchemaMismatch(
            f"The definition of {', '.join(generation.stale)} has changed since its "
            "table was built. The table was left as it is.",
            try_="seat-ledger projection rebuild",
        )


def check_policies(connection: Connection, number: int) -> None:
    """See that no policy hides rows of a generation: an answer would lack them, and
    say nothing of it. Raises IntegrityFailure.
    """
    row = connection.execute(
        "SELECT relname FROM pg_catalog.pg_class "
        "WHERE relnamespace = pg_catalog.to_regnamespace(%s) AND relrowsecurity "
        "ORDER BY 1 LIMIT 1",
        [schema_of(number)],
    ).fetchone()
    if row is not None:
        table = f"{schema_of(number)}.{row[0]}"
        raise IntegrityFailure(
            f"Somebody made a policy for {table}: it hides rows from who asks.",
            try_="see who made it and what for; then ALTER TABLE "
            f"{table} DISABLE ROW LEVEL SECURITY",
        )


def use(
    connection: Connection, number: int, *, own: bool = False, local: bool = False
) -> None:
    """Let names without a schema mean a generation's, for the whole session.

    With `own` they mean what a reader of single accounts may see of it; with `local`
    they do so for the transaction.
    """
    path = [schema_of(number, own=True)] * own + [schema_of(number)]
    connection.execute(
        sql.SQL("SET {} search_path TO {}").format(
            sql.SQL("LOCAL" if local else "SESSION"),
            sql.SQL(", ").join(map(sql.Identifier, path)),
        )
    )


def make(connection: Connection) -> int:
    """Make a generation's tables and definitions, empty; return its number."""
    number = _next_number(connection)
    _make_schema(connection, schema_of(number), ownership.GENERATION_MARK)
    use(connection, number, local=True)
    topics = sql.SQL(", ").join(map(sql.Literal, TOPICS))
    connection.execute(sql.SQL("CREATE TYPE topic_name AS ENUM ({})").format(topics))
    for room in ROOMS:
        connection.execute(queries(room, "tables.sql")["table"])
    types = BY_NAME["seat_type"]
    connection.execute(
        types.filling(types.decoded), {**STARTING, "after": 0, "until_position": 0}
    )
    quiet(connection, sql.Identifier(schema_of(number), "user_directory"))
    _vacuum(connection, "SET (autovacuum_enabled = off)")
    for room in DEFINING_ROOMS:
        connection.execute(text(room, "definition.sql").encode())
    if _has_role(connection, ACCOUNT_READER_ROLE):
        _make_own(connection, number)
    _let_publish(connection)
    connection.execute(
        "INSERT INTO projection.generation (number, state, versions, position) "
        "VALUES (%s, 'building', %s, 0)",
        [number, json.dumps(versions())],
    )
    return number


def _next_number(connection: Connection) -> int:
    """A number that no generation has, and no schema of that name, whosever it is."""
    row = connection.execute(
        "SELECT 1 + greatest("
        "(SELECT coalesce(max(number), 0) FROM projection.generation), "
        "(SELECT coalesce(max(substring(nspname from '[0-9]{1,8}')::integer), 0) "
        "FROM pg_catalog.pg_namespace "
        "WHERE nspname ~ '^projection_[0-9]{1,8}(_own)?$'))"
    ).fetchone()
    assert row is not None
    number: int = row[0]
    return number


def _make_schema(connection: Connection, schema: str, mark: str) -> None:
    name = sql.Identifier(schema)
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(name))
    connection.execute(
        sql.SQL("COMMENT ON SCHEMA {} IS {}").format(name, sql.Literal(mark))
    )


def _vacuum(connection: Connection, change: str) -> None:
    """Have the tables of the search path vacuumed by the server, or not.

    While they are filled a vacuum reads and logs for nothing what changes next.
    """
    for projection in PROJECTIONS:
        statement = f"ALTER TABLE {projection.name} {change}"
        connection.execute(statement.encode())


def _make_own(connection: Connection, number: int) -> None:
    """Make what readers of single accounts ask: the same names in a schema apart."""
    _make_schema(connection, schema_of(number, own=True), ownership.GENERATION_MARK)
    use(connection, number, own=True, local=True)
    connection.execute(text("engine", "own.sql").encode())
    for room in DEFINING_ROOMS:
        connection.execute(text(room, "definition.sql").encode())
    use(connection, number, local=True)


def make_indexes(connection: Connection, number: int, name: str) -> None:
    """Make the indexes of one table of a generation."""
    use(connection, number, local=True)
    for statement in BY_NAME[name].indexes():
        connection.execute(statement)


def serve(connection: Connection, number: int) -> None:
    """Point the views to a generation, inside the caller's transaction.

    The views come last, in one statement: whoever reads them waits for nothing else.
    """
    use(connection, number, local=True)
    _vacuum(connection, "RESET (autovacuum_enabled)")
    connection.execute(
        "UPDATE projection.generation SET state = 'kept' WHERE state = 'served'"
    )
    connection.execute(
        "UPDATE projection.generation SET state = 'served' WHERE number = %s", [number]
    )
    if _has_role(connection, READER_ROLE):
        _let_read(connection, READER_ROLE, schema_of(number))
    if _is_there(connection, schema_of(number, own=True)):
        _serve_own(connection, number)
    _point_views(connection, "projection")
    if _has_role(connection, READER_ROLE):
        _let_read(connection, READER_ROLE, "projection")
    if _is_there(connection, "projection_own"):
        _let_see_checkpoint(connection)


def _serve_own(connection: Connection, number: int) -> None:
    """Point the views of readers of single accounts to a generation."""
    if not _is_there(connection, "projection_own"):
        _make_schema(connection, "projection_own", ownership.SERVED_MARK)
    use(connection, number, own=True, local=True)
    _let_read(connection, ACCOUNT_READER_ROLE, schema_of(number, own=True))
    _let_use(connection, ACCOUNT_READER_ROLE, schema_of(number))
    _point_views(connection, "projection_own")
    _let_read(connection, ACCOUNT_READER_ROLE, "projection_own")
    _let_see_checkpoint(connection)
    use(connection, number, local=True)


_INHERITED = """
SELECT space.nspname, parent.relname
  FROM pg_catalog.pg_class AS parent
  JOIN pg_catalog.pg_namespace AS space ON space.oid = parent.relnamespace
 WHERE space.nspname ~ '^projection_[0-9]+_own$'
   AND parent.relkind = 'r'
"""


def renew_own(conninfo: str) -> None:
    """Replace what earlier versions made for readers of single accounts.

    Those were parents of the tables with policies: a plan over them showed how many
    rows of others a condition met.
    """
    with (
        connect(conninfo, role="projector", autocommit=True) as connection,
        connection.transaction(),
    ):
        parents = connection.execute(_INHERITED).fetchall()
        for schema, table in parents:
            child = sql.Identifier(schema.removesuffix("_own"), table)
            parent = sql.Identifier(schema, table)
            change = sql.SQL("ALTER TABLE {} NO INHERIT {}")
            connection.execute(change.format(child, parent))
        for schema in {schema for schema, _ in parents}:
            drop_own = sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema))
            connection.execute("SET LOCAL client_min_messages = warning")
            connection.execute(drop_own)
            number = int(schema.split("_")[1])
            _make_own(connection, number)
            if number in numbers(connection, "served"):
                _serve_own(connection, number)


def _point_views(connection: Connection, schema: str) -> None:
    """Make the views of a schema over the tables of the search path."""
    views = {
        name: filled(view, schema=sql.Identifier(schema))
        for room in ROOMS
        for name, view in queries(room, "view.sql").items()
    }
    try:
        with connection.transaction():
            connection.execute(b";\n".join(views.values()))
    except psycopg.errors.InvalidTableDefinition:
        for name, view in views.items():
            _replace_view(connection, sql.Identifier(schema, name), view)


def _replace_view(connection: Connection, name: sql.Identifier, view: bytes) -> None:
    """Replace a view, or make it anew where its columns changed."""
    try:
        with connection.transaction():
            connection.execute(view)
    except psycopg.errors.InvalidTableDefinition:
        connection.execute(sql.SQL("DROP VIEW {}").format(name))
        connection.execute(view)


def _has_role(connection: Connection, role: str) -> bool:
    row = connection.execute(
        "SELECT 1 FROM pg_roles WHERE rolname = %s", [role]
    ).fetchone()
    return row is not None


def _is_there(connection: Connection, schema: str) -> bool:
    row = connection.execute(
        "SELECT 1 FROM pg_namespace WHERE nspname = %s", [schema]
    ).fetchone()
    return row is not None


def _let_use(connection: Connection, role: str, schema: str) -> None:
    connection.execute(
        sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(
            sql.Identifier(schema), sql.Identifier(role)
        )
    )


def _let_read(connection: Connection, role: str, schema: str) -> None:
    """Let a role read all that stands in a schema.

    Default privileges give nobody else of the ledger's anything, and take nothing.
    """
    space, reader = sql.Identifier(schema), sql.Identifier(role)
    roles = filter(partial(_has_role, connection), (READER_ROLE, ACCOUNT_READER_ROLE))
    others = sql.SQL(", ").join([sql.SQL("PUBLIC"), *map(sql.Identifier, roles)])
    for what in (sql.SQL("ALL TABLES IN SCHEMA {}"), sql.SQL("SCHEMA {}")):
        revoke = sql.SQL("REVOKE ALL ON {} FROM {}")
        connection.execute(revoke.format(what.format(space), others))
    _let_use(connection, role, schema)
    for right in ("SELECT ON ALL TABLES", "EXECUTE ON ALL FUNCTIONS"):
        connection.execute(
            sql.SQL("GRANT {} IN SCHEMA {} TO {}").format(sql.SQL(right), space, reader)
        )


def _let_see_checkpoint(connection: Connection) -> None:
    """Let readers of single accounts see how far the tables are.

    What stops them, and who rebuilds, may name other accounts.
    """
    _let_use(connection, ACCOUNT_READER_ROLE, "projection")
    connection.execute(
        sql.SQL(
            "GRANT SELECT (number, state, versions, position) "
            "ON projection.generation TO {}"
        ).format(sql.Identifier(ACCOUNT_READER_ROLE))
    )


def drop(connection: Connection, number: int) -> None:
    """Remove a generation; one that is served stays, whatever its caller believes.

    Raises psycopg's LockNotAvailable when somebody still reads it. It never waits long
    for one table while it holds another that the reader may want next. One that views
    of somebody else's read is left: they would go with it.
    """
    if any(ownership.dependents(connection, schema_of(number, own=own)) for own in OWN):
        return
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            _drop(connection, number)
        except psycopg.errors.LockNotAvailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(LOCK_PAUSE)
        else:
            return


_STATE_TO_DROP = """
SELECT state FROM projection.generation WHERE number = %s FOR UPDATE
"""
"""Waits for a switch whose reply was lost, and which the server may still commit."""


def _drop(connection: Connection, number: int) -> None:
    with connection.transaction():
        connection.execute("SET LOCAL lock_timeout = '100ms'")
        connection.execute("SET LOCAL client_min_messages = warning")
        row = connection.execute(_STATE_TO_DROP, [number]).fetchone()
        if row == ("served",):
            return
        names = {schema_of(number, own=own) for own in OWN}
        for name in sorted(names & {*ownership.ours(connection)}, reverse=True):
            connection.execute(
                sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name))
            )
        connection.execute(
            "DELETE FROM projection.generation WHERE number = %s", [number]
        )


def numbers(connection: Connection, state: str) -> list[int]:
    """The generations in a state, oldest first."""
    rows = connection.execute(
        "SELECT number FROM projection.generation WHERE state = %s ORDER BY number",
        [state],
    ).fetchall()
    return [row[0] for row in rows]
