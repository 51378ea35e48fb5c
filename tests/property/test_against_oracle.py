"""The product and the oracle agree, command by command and answer by answer."""

from __future__ import annotations

import os
from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from seat_ledger.commands.service import CommandService
from seat_ledger.projections.reader import ConnectedReader
from seat_ledger.store.settings import Settings
from tests.property.comparison import Comparison
from tests.property.histories import opening
from tests.support.places import is_newest

EXAMPLES = int(os.environ.get("SEAT_LEDGER_EXAMPLES", "26"))
COMMANDS = 30
QUESTIONS = int(os.environ.get("SEAT_LEDGER_QUESTIONS", "20000"))
FIRST_SEED = int(os.environ.get("SEAT_LEDGER_SEED", "0"))


class Machine(RuleBasedStateMachine):
    """Hypothesis drives the commands, and shrinks what fails to a few of them."""

    database = ""
    ledger: CommandService
    reader: ConnectedReader | None = (
        None  # of one history, so that its statements are prepared
    )
    accepted = 0
    tried = 0
    questions = 0

    @initialize(random=st.randoms(use_true_random=False))
    def open(self, random: Random) -> None:
        self.comparison = Comparison(self.ledger, random)
        self.comparison.step(opening(random, self.comparison.account))

    @rule(random=st.randoms(use_true_random=False), commands=st.integers(1, 3))
    def command(self, random: Random, commands: int) -> None:
        self.comparison.random = self.comparison.author.random = random
        for _ in range(commands):
            self.comparison.step(self.comparison.author.command())

    @rule(random=st.randoms(use_true_random=False))
    def ask(self, random: Random) -> None:
        self.comparison.random = random
        if self.reader is None:
            self.reader = ConnectedReader(self.database)
        else:
            self.reader.catch_up()
        self.comparison.same_answers(self.reader, 2)

    def teardown(self) -> None:
        if self.reader is not None:
            self.reader.connection.close()
        if hasattr(self, "comparison"):
            type(self).accepted += self.comparison.accepted
            type(self).tried += len(self.comparison.script)
            type(self).questions += self.comparison.questions


@pytest.mark.both_versions
def test_product_and_oracle_agree(database: str) -> None:
    """On the older server a quarter of the histories: they use every statement."""
    examples = EXAMPLES if is_newest(database) else max(1, EXAMPLES // 4)
    often = Settings(snapshot_every=5)
    with CommandService(database, often) as ledger:
        machine = type("Machine", (Machine,), {"database": database, "ledger": ledger})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=COMMANDS,
                database=None,
                derandomize=os.environ.get("SEAT_LEDGER_EXAMPLES") is None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    print(f"{machine.tried} commands, {machine.questions} questions, no difference")
    # Long histories refuse more: 19 % of the commands of a run were recorded once.
    assert machine.accepted > 0.1 * machine.tried


@pytest.mark.long
@pytest.mark.both_versions
@pytest.mark.parametrize("together", [None, 0.9], ids=["life", "same_instants"])
def test_thousands_of_questions_agree(database: str, together: float | None) -> None:
    """Seed by seed, unshrunk: a seed that differs is named and can be run alone."""
    questions, seed, different = 0, FIRST_SEED, []
    with CommandService(database, Settings(snapshot_every=5)) as ledger:
        while questions < QUESTIONS and len(different) < 5:
            comparison = Comparison(ledger, Random(seed))
            if together is not None:
                comparison.author.together = together
            try:
                comparison.step(opening(comparison.random, comparison.account))
                with ConnectedReader(database) as reader:
                    for _ in range(12):
                        for _ in range(4):
                            comparison.step(comparison.author.command())
                        reader.catch_up()
                        comparison.same_answers(reader, 2)
            except (AssertionError, pytest.fail.Exception) as difference:
                different.append(f"seed {seed}: {difference}")
            questions += comparison.questions
            seed += 1
    print(f"{seed - FIRST_SEED} histories, {questions} questions")
    assert different == [], "\n".join(different)
