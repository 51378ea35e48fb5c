"""Code that the projector's login plants in tables and types that it owns.

PostgreSQL runs it with the rights of whoever uses the table, so nobody with greater
rights may: neither a writer's command nor what a superuser is told to run.
"""

from __future__ import annotations

import json
from uuid import uuid4

import psycopg
import pytest

from tests.integration import test_planted
from tests.integration.test_planted import COMMANDS, Planter, as_superuser
from tests.integration.test_roles import Login

logins = test_planted.logins

TABLES = """
SELECT space.nspname, made.relname
  FROM pg_class AS made
  JOIN pg_namespace AS space ON space.oid = made.relnamespace
 WHERE space.nspname ~ '^projection' AND made.relkind = 'r'
"""
CODE = """
CREATE TYPE projection.trapped AS ENUM ('x')
CREATE FUNCTION projection.trap() RETURNS trigger LANGUAGE plpgsql AS $trap$ {note} $trap$
CREATE FUNCTION projection.event() RETURNS event_trigger LANGUAGE plpgsql AS $trap$ {note} $trap$
CREATE FUNCTION projection.row() RETURNS boolean LANGUAGE plpgsql AS $trap$ {note} $trap$
CREATE FUNCTION projection.cast(projection.trapped) RETURNS text LANGUAGE plpgsql AS $trap$ {note} $trap$
CREATE FUNCTION projection.cast(text) RETURNS projection.trapped LANGUAGE plpgsql AS $trap$ {note} $trap$
CREATE FUNCTION projection.cast(uuid) RETURNS projection.trapped LANGUAGE plpgsql AS $trap$ {note} $trap$
"""  # noqa: E501
IN_TABLES: dict[str, tuple[str, ...]] = {
    "triggers": (
        "CREATE TRIGGER trap BEFORE INSERT OR UPDATE OR DELETE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION projection.trap()",
    ),
    "rules": tuple(
        f"CREATE RULE trap_{event} AS ON {event} TO {{table}} "
        "DO ALSO SELECT projection.row()"
        for event in ("INSERT", "UPDATE", "DELETE")
    ),
    "policies": (
        "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        "CREATE POLICY trap ON {table} USING (projection.row())",
    ),
    "views in their place": (
        "ALTER TABLE {table} RENAME TO behind_{number}",
        "CREATE VIEW {table} AS SELECT * FROM {schema}.behind_{number} "
        "WHERE projection.row()",
    ),
    "columns with checks": (
        "ALTER TABLE {table} ADD CONSTRAINT trap CHECK (projection.row()) NOT VALID",
    ),
}
OF_TYPES = (
    "CREATE CAST (projection.trapped AS text) "
    "WITH FUNCTION projection.cast(projection.trapped) AS IMPLICIT",
    "CREATE CAST (text AS projection.trapped) "
    "WITH FUNCTION projection.cast(text) AS IMPLICIT",
    "CREATE CAST (uuid AS projection.trapped) "
    "WITH FUNCTION projection.cast(uuid) AS ASSIGNMENT",
)
NOT_ALLOWED = (
    "CREATE EVENT TRIGGER trap ON ddl_command_start "
    "EXECUTE FUNCTION projection.event()",
    "CREATE EVENT TRIGGER trap ON sql_drop EXECUTE FUNCTION projection.event()",
    "CREATE CAST (text AS bytea) WITHOUT FUNCTION AS IMPLICIT",
    "CREATE CAST (bytea AS text) WITH FUNCTION projection.cast(text) AS IMPLICIT",
    "CREATE RULE trap AS ON INSERT TO ledger.stored_events "
    "DO ALSO SELECT projection.row()",
    "CREATE POLICY trap ON ledger.user_name USING (projection.row())",
    "CREATE TRIGGER trap BEFORE INSERT ON ledger.recorded_command "
    "EXECUTE FUNCTION projection.trap()",
)


@pytest.fixture
def planter(logins: dict[str, Login]) -> Planter:
    """Whoever may project, with code at hand that notes as whom it runs."""
    planter = Planter(logins["projector"].conninfo, f"trap{uuid4().hex[:8]}")
    planter.connection.execute("SET ROLE seat_ledger_projector")
    for line in CODE.strip().splitlines():
        planter.connection.execute(line.format(note=planter.note()).encode())
    return planter


def check_nobody_runs_it(logins: dict[str, Login], conninfo: str, mark: str) -> None:
    """Neither a writer nor who migrates; doctor says so before it reads anything."""
    for who, words in COMMANDS:
        login = logins["writer"] if who == "writer" else as_superuser(conninfo)
        done = login.try_(*words)
        assert mark not in done.stderr + done.stdout, (who, words)
        if who == "writer":
            assert done.returncode == 0, (words, done.stderr)
    rows = json.loads(as_superuser(conninfo).try_("doctor").stdout)["rows"]
    assert [row["ok"] for row in rows if row["check"] == "boundaries"] == [False]


@pytest.mark.both_versions
@pytest.mark.parametrize("kind", IN_TABLES)
def test_code_in_the_projectors_tables_runs_with_nobody_elses_rights(
    empty_database: str, logins: dict[str, Login], planter: Planter, kind: str
) -> None:
    tables = planter.connection.execute(TABLES).fetchall()
    assert len(tables) > 10
    for number, (schema, table) in enumerate(tables):
        place = {"schema": schema, "table": f"{schema}.{table}", "number": number}
        for statement in IN_TABLES[kind]:
            planter.connection.execute(statement.format(**place).encode())
    planter.connection.close()
    check_nobody_runs_it(logins, empty_database, planter.mark)


@pytest.mark.both_versions
def test_casts_of_the_projectors_types_run_with_nobody_elses_rights(
    empty_database: str, logins: dict[str, Login], planter: Planter
) -> None:
    for statement in OF_TYPES:
        planter.connection.execute(statement.encode())
    planter.connection.close()
    check_nobody_runs_it(logins, empty_database, planter.mark)


@pytest.mark.both_versions
@pytest.mark.parametrize("role", ["reader", "projector", "writer"])
def test_no_role_plants_what_runs_for_a_whole_database(
    logins: dict[str, Login], planter: Planter, role: str
) -> None:
    """Event triggers, casts between types of the server, code on the write side."""
    with psycopg.connect(logins[role].conninfo, autocommit=True) as connection:
        for statement in NOT_ALLOWED:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())
    planter.connection.close()
