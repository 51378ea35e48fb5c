"""What the README tells people to type works as it stands there."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.program import Program

ROOT = Path(__file__).parents[2]


def first_session() -> str:
    """The commands of the section of that name."""
    section = (ROOT / "README.md").read_text().split("## A first session", 1)[1]
    return section.split("```sh\n", 1)[1].split("```", 1)[0]


def test_the_first_session_runs_and_answers(database: str) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", first_session()],
        cwd=ROOT,
        env=Program(database).environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Ann <ann@shop.example> held sales/professional#1 of shop" in done.stdout
    assert "270.00" in done.stdout
    assert "onboarding" in done.stdout
