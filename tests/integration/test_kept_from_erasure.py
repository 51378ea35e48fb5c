"""What is attached to the projections keeps nothing from an erasure in silence."""

from __future__ import annotations

import psycopg
import pytest

from tests.program import ANN, OPEN, Program

NULL_TRIGGER = """
CREATE FUNCTION {schema}.keep() RETURNS trigger LANGUAGE plpgsql AS
    $keep$ BEGIN RETURN NULL; END $keep$;
CREATE TRIGGER keeps BEFORE UPDATE ON {schema}.user_directory
    FOR EACH ROW EXECUTE FUNCTION {schema}.keep()
"""
ATTACHED = {
    "policy": (
        "ALTER TABLE {schema}.user_directory ENABLE ROW LEVEL SECURITY, "
        "FORCE ROW LEVEL SECURITY; "
        "CREATE POLICY hides ON {schema}.user_directory USING (false)",
        "ALTER TABLE {schema}.user_directory DISABLE ROW LEVEL SECURITY, "
        "NO FORCE ROW LEVEL SECURITY",
    ),
    "rule": (
        "CREATE RULE keeps AS ON UPDATE TO {schema}.user_directory DO INSTEAD NOTHING",
        "DROP RULE keeps ON {schema}.user_directory",
    ),
    "trigger": (NULL_TRIGGER, "DROP TRIGGER keeps ON {schema}.user_directory"),
}


@pytest.mark.parametrize("what", ATTACHED)
@pytest.mark.parametrize("which", ["min", "max"])
def test_what_keeps_rows_from_an_erasure_is_reported_by_it(
    database: str, what: str, which: str
) -> None:
    """In the served tables, and in the kept ones of the generation before."""
    program = Program(database)
    assert program.lines(OPEN, ANN).returncode == 0
    assert program.run("user", "list", "-a", "acme").returncode == 0
    assert program.run("projection", "rebuild").returncode == 0
    attach, detach = ATTACHED[what]
    with psycopg.connect(database, autocommit=True) as connection:
        row = connection.execute(
            f"SELECT 'projection_' || {which}(number) FROM projection.generation"
        ).fetchone()
        assert row is not None
        schema = row[0]
        connection.execute(attach.format(schema=schema))
        erase = ["user", "erase", "ann", "-a", "acme", "--reason", "asked", "--yes"]
        done = program.run(*erase)
        assert done.returncode in {1, 3}, done.stderr
        assert "may still contain the person" in done.stderr
        assert "erase again, which completes it" in done.stderr
        assert f"{schema}.user_directory" in program.run("doctor").stdout
        named = f"SELECT count(*) FROM {schema}.user_directory WHERE user_key = 'ann'"
        connection.execute(detach.format(schema=schema))
        assert connection.execute(named).fetchone() == (1,)
        id_ = (
            "SELECT originator_id FROM ledger.stored_events WHERE topic = 'UserErased'"
        )
        (user,) = connection.execute(id_).fetchone() or ()
        erase[2] = str(user)
        assert program.run(*erase).returncode == 0
        assert connection.execute(named).fetchone() == (0,)


def test_a_policy_ends_the_answer_that_it_would_shorten(database: str) -> None:
    program = Program(database)
    assert program.lines(OPEN, ANN).returncode == 0
    assert "ann" in program.run("user", "list", "-a", "acme").stdout
    with psycopg.connect(database, autocommit=True) as connection:
        attach, _ = ATTACHED["policy"]
        connection.execute(attach.format(schema="projection_1"))
    for command in (
        ["user", "list", "-a", "acme"],
        ["projection", "verify"],
        ["billing", "counts", "-a", "acme"],
    ):
        done = program.run(*command)
        assert (done.returncode, done.stdout) == (3, ""), done
        assert "a policy for projection_1.user_directory" in done.stderr
