"""SIGKILL at each step of a catch-up and of a rebuild, then compared."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import Any

import pytest

from seat_ledger.commands.service import CommandService
from seat_ledger.projections.engine import installation
from seat_ledger.projections.engine.rebuild import PHASES, rebuild
from seat_ledger.store.connection import connect
from tests.faults import phases
from tests.integration.tables import (
    BOTH_ENGINES,
    PRO,
    clients,
    differences,
    digests,
    fill,
    head,
    states_and_schemas,
    wait_for_the_killed,
)
from tests.support.waiting import AT_MOST, end_others


def run_until_killed(
    work: Callable[[str, str], None], conninfo: str, step: str
) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.acts", "tests.faults.phases"])
    process = context.Process(target=work, args=(conninfo, step))
    others = clients(conninfo)
    process.start()
    process.join(AT_MOST)
    assert process.exitcode == -9
    wait_for_the_killed(conninfo, others)


@BOTH_ENGINES
def test_a_rebuild_killed_at_any_phase_leaves_the_served_tables_right(
    database: str, ledger: CommandService, bulk: Any
) -> None:
    fill(ledger, "acme", "boats")
    with connect(database, autocommit=True) as connection:
        installation.catch_up(connection)
    act, steps = phases.rebuild, phases.REBUILD
    if bulk:
        act, steps = phases.rebuild_by_duckdb, phases.BY_DUCKDB
    for step in steps:
        before = digests(database)
        run_until_killed(act, database, step)
        assert digests(database) == before, step
        rows, _ = states_and_schemas(database)
        left = [number for state, number in rows if state == "building"]
        assert len(left) == (0 if step == "after the switch" else 1), step
        ledger.buy_seats("acme", seat_type=PRO, quantity=1)
        result = rebuild(database, bulk=bulk)
        assert result.error is None
        rows, schemas = states_and_schemas(database)
        assert [state for state, _ in rows] == ["kept", "served"], step
        assert schemas == [number for _, number in rows], step
        assert result.ceiling == head(database)
        assert differences(database) == [], step


def test_an_interrupt_that_costs_the_connection_leaves_no_tables_either(
    database: str, ledger: CommandService
) -> None:
    """As where a lock times out before the interrupt's cancellation is there."""
    fill(ledger, "acme")

    def interrupt(phase: str) -> None:
        if phase == PHASES["switch"]:
            with connect(database, autocommit=True) as other:
                end_others(other)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild(database, at=interrupt)
    rows, _ = states_and_schemas(database)
    assert [state for state, _ in rows] == ["served"]


@pytest.mark.parametrize("step", phases.CATCH_UP)
def test_a_catch_up_killed_at_any_step_goes_on_as_if_nothing_were(
    database: str, ledger: CommandService, step: str
) -> None:
    fill(ledger, "acme", "boats")
    for _ in range(2):
        run_until_killed(phases.catch_up, database, step)
        assert differences(database) == []
    with connect(database, autocommit=True) as connection:
        result = installation.catch_up(connection)
    expected = 2 * 7 if step == "committed" else 0
    assert result.checkpoint == head(database) > expected
    assert differences(database) == []
    stored = digests(database)
    assert rebuild(database).error is None
    assert digests(database) == stored
