"""What a role may make, and where: planted everywhere, it runs with nobody's rights.

For each role, objects are made in every place where it may make them: schemas named
like logins, like `public` and like the ledger's own, with functions, operators, casts
and types that answer to the names which statements of the ledger use. Each of them
notes as whom it ran. Then every command runs as every greater role.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from seat_ledger.projections.engine import installation
from seat_ledger.store import access, schema
from tests.integration.test_roles import CYCLE, OPEN, TERMS, Login
from tests.support.waiting import drop_login

SEES = "SELECT rolname FROM pg_roles WHERE rolname = current_user"
CALLED = re.compile(r"\b([a-z_]+)\s*\(", re.IGNORECASE)
TYPES = (
    "text",
    "name",
    "integer",
    "bigint",
    "bytea",
    "jsonb",
    "uuid",
    "oid",
    "unknown",
)
OPERATORS = ("=", "<>", "<", ">", "||", "->>", "->", "~", "+", "-")


def names_called() -> list[str]:
    """Every word that a statement of the product calls like a function."""
    words: set[str] = set()
    for package in ("seat_ledger.store", "seat_ledger.store.schema", "projections"):
        for file in sorted(Path(str(resources.files(package))).rglob("*.sql")):
            words |= {word.lower() for word in CALLED.findall(file.read_text())}
        for file in sorted(Path(str(resources.files(package))).rglob("*.py")):
            words |= {word.lower() for word in CALLED.findall(file.read_text())}
    return sorted(words)


def builtins(connection: psycopg.Connection[Any]) -> list[tuple[str, str]]:
    """Functions of the server that those words may mean, with their arguments."""
    rows = connection.execute(
        "SELECT DISTINCT proname, pg_get_function_identity_arguments(oid) "
        "FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace "
        "AND prokind = 'f' AND proname = ANY (%s) AND provariadic = 0 "
        "AND prorettype <> 'internal'::regtype",
        [names_called()],
    ).fetchall()
    return [row for row in rows if "internal" not in row[1] and '"any"' not in row[1]]


class Planter:
    """Makes traps with the rights of a login, wherever it may."""

    def __init__(self, conninfo: str, mark: str) -> None:
        self.connection = psycopg.connect(conninfo, autocommit=True)
        self.mark = mark
        self.created = 0

    def plant(self, schemas: list[str]) -> None:
        for name in schemas:
            self._try(f'CREATE SCHEMA "{name}"')
            self._try(f'GRANT USAGE ON SCHEMA "{name}" TO PUBLIC')
            self._functions(name)
            self._operators(name)
            for kind in ("text", "uuid", "bigint", "jsonb"):
                self._try(f'CREATE DOMAIN "{name}".{kind} AS pg_catalog.int4')

    def _functions(self, name: str) -> None:
        for function, fields in builtins(self.connection):
            self._try(
                f'CREATE FUNCTION "{name}"."{function}"({fields}) '
                "RETURNS pg_catalog.text LANGUAGE plpgsql AS "
                f"$trap$ {self.note()} $trap$"
            )
        for kinds in (
            ["text"],
            ["text", "name"],
            ["text", "text"],
            ["text", "text", "text"],
        ):
            for function in ("format", "concat", "coalesce", "greatest", "count"):
                arguments = ", ".join(kinds)
                self._try(
                    f'CREATE FUNCTION "{name}"."{function}"({arguments}) RETURNS '
                    f"pg_catalog.text LANGUAGE plpgsql AS $trap$ {self.note()} $trap$"
                )

    def note(self) -> str:
        """The body of a function that tells who runs it, and takes roles back."""
        return (
            f"BEGIN RAISE WARNING '{self.mark} %', current_user; "
            f"PERFORM set_config('role', 'none', false); "
            f"RAISE EXCEPTION '{self.mark} ran'; END"
        )

    def _operators(self, name: str) -> None:
        for kind in ("text", "name", "int8", "uuid", "bytea", "jsonb"):
            self._try(
                f'CREATE FUNCTION "{name}".trap_{kind}(pg_catalog.{kind}, '
                f"pg_catalog.{kind}) RETURNS pg_catalog.bool LANGUAGE plpgsql AS "
                f"$trap$ {self.note()} $trap$"
            )
            for operator in OPERATORS:
                self._try(
                    f'CREATE OPERATOR "{name}".{operator} ('
                    f"LEFTARG = pg_catalog.{kind}, RIGHTARG = pg_catalog.{kind}, "
                    f'FUNCTION = "{name}".trap_{kind})'
                )

    def _try(self, statement: str) -> None:
        try:
            self.connection.execute(statement.encode())
        except psycopg.Error:
            return
        self.created += 1


@pytest.fixture
def logins(empty_database: str, server: str) -> Iterator[dict[str, Login]]:
    """A login for each role, and an owner of the database who migrates."""
    created: dict[str, Login] = {}
    with psycopg.connect(server, autocommit=True) as connection:
        for role in ("migrating", *access.ROLES):
            name = f"t_{role}_{uuid4().hex[:8]}"
            connection.execute(f"CREATE ROLE {name} LOGIN".encode())
            created[role] = Login(empty_database, name)
    schema.migrate(empty_database)
    installation.install(empty_database)
    with psycopg.connect(server, autocommit=True) as connection:
        for role in access.ROLES:
            connection.execute(
                f"GRANT seat_ledger_{role} TO {created[role].name}".encode()
            )
    yield created
    with psycopg.connect(empty_database, autocommit=True) as connection:
        for login in created.values():
            connection.execute(f"DROP OWNED BY {login.name} CASCADE".encode())
            drop_login(connection, login.name)


COMMANDS: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("superuser", ("db", "migrate")),
    ("writer", (*OPEN, *TERMS, *CYCLE)),
    ("writer", ("seat", "buy", "sales/professional", 2, "-a", "acme")),
    ("writer", ("user", "add", "ann", "-a", "acme", "--email", "a@x.example",
                "--name", "Ann")),
    ("writer", ("seat", "assign", "ann", "sales/professional", "-a", "acme")),
    ("writer", ("seat", "unassign", "ann", "sales/professional", "-a", "acme")),
    ("writer", ("user", "erase", "ann", "-a", "acme", "--reason", "x", "--yes")),
    ("writer", ("integrity", "seal")),
    ("writer", ("integrity", "verify")),
    ("superuser", ("db", "migrate")),
    ("superuser", ("account", "readers")),
    ("superuser", ("db", "status")),
    ("superuser", ("doctor",)),
)  # fmt: skip


@pytest.mark.both_versions
@pytest.mark.parametrize("role", ["projector", "reader", "writer", "owner"])
def test_what_a_role_plants_runs_with_nobody_elses_rights(
    empty_database: str, logins: dict[str, Login], role: str
) -> None:
    """The greater roles are logins of one role each, and the superuser who migrates."""
    mark = f"trap{uuid4().hex[:8]}"
    planter = Planter(logins[role].conninfo, mark)
    schemas = ["seat_ledger", "public", "ledger", "projection", "pg_temp"]
    schemas += [login.name for login in logins.values()]
    planter.plant(schemas)
    if role == "projector":
        assert planter.created > 500
    reset_migration(empty_database)
    greater = [who for who in ("superuser", "writer") if who != role]
    for who, words in COMMANDS:
        if who in greater:
            login = (
                logins["writer"] if who == "writer" else as_superuser(empty_database)
            )
            done = login.try_(*words)
            assert mark not in done.stderr, (role, who, words, done.stderr)
            assert "Traceback" not in done.stderr, done.stderr
            if role in {"projector", "reader"}:
                assert done.returncode in {0, 3}, (
                    words,
                    json.loads(done.stderr.splitlines()[-1]),
                )
    planter.connection.close()


def as_superuser(conninfo: str) -> Login:
    return Login(conninfo, "seat_ledger")


def reset_migration(conninfo: str) -> None:
    """Let `db migrate` have everything to do that it does at each run."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("DELETE FROM ledger.digest_key")


TABLES = """
SELECT format('%I.%I', space.nspname, made.relname)
  FROM pg_class AS made
  JOIN pg_namespace AS space ON space.oid = made.relnamespace
 WHERE space.nspname ~ '^projection' AND made.relkind = 'r'
"""


@pytest.mark.both_versions
def test_code_in_the_projectors_tables_never_meets_a_writer(
    empty_database: str, logins: dict[str, Login]
) -> None:
    """A writer's login reads no projection; doctor names a login that does both."""
    mark = f"trap{uuid4().hex[:8]}"
    planter = Planter(logins["projector"].conninfo, mark)
    connection = planter.connection
    connection.execute("SET ROLE seat_ledger_projector")
    connection.execute(
        "CREATE FUNCTION projection.trap() RETURNS trigger LANGUAGE plpgsql AS "
        f"$trap$ {planter.note()} $trap$".encode()
    )
    for (table,) in connection.execute(TABLES).fetchall():
        connection.execute(
            f"CREATE TRIGGER trap BEFORE INSERT OR UPDATE OR DELETE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION projection.trap()".encode()
        )
    connection.close()
    for who, words in COMMANDS:
        if who == "writer":
            done = logins["writer"].try_(*words)
            assert done.returncode == 0, (words, done.stderr)
            assert mark not in done.stderr
    for login, is_exposed in (
        (as_superuser(empty_database), True),
        (logins["writer"], False),
        (logins["projector"], False),
        (logins["reader"], False),
    ):
        rows = json.loads(login.try_("doctor").stdout)["rows"]
        (result,) = [row for row in rows if row["check"] == "boundaries"]
        assert result["ok"] is not is_exposed, result


@pytest.mark.both_versions
def test_every_function_of_the_ledger_says_what_its_names_mean(
    database: str,
) -> None:
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT oid::regprocedure::text, proconfig::text[], prosecdef, "
            "pronamespace::regnamespace::text "
            "FROM pg_proc WHERE pronamespace::regnamespace::text ~ "
            "'^(ledger|projection.*)$'"
        ).fetchall()
    assert len(rows) > 20
    for function, settings, runs_as_owner, space in rows:
        if space == "ledger" or runs_as_owner:
            assert "search_path=pg_catalog, pg_temp" in (settings or []), function


@pytest.mark.both_versions
def test_only_five_functions_run_with_their_owners_rights(database: str) -> None:
    """And none of those is for everybody."""
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT proname, has_function_privilege('public', oid, 'EXECUTE') "
            "FROM pg_proc WHERE prosecdef AND pronamespace = 'ledger'::regnamespace "
            "ORDER BY 1"
        ).fetchall()
    assert rows == [
        ("database_now", False),
        ("note_answered", False),
        ("readable_accounts", False),
        ("rewrite_person_keys", False),
        ("rewrite_user_names", False),
    ]
