"""What the README tells people to type works as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.program import Program

ROOT = Path(__file__).parents[2]


def first_session() -> str:
    """The commands of the section of that name."""
    section = (ROOT / "README.md").read_text().split("## A first session", 1)[1]
    return section.split("```sh\n", 1)[1].split("```", 1)[0]


def commands_of(topic: str) -> str:
    """Every line of a page that is to be typed."""
    text = (ROOT / "cli" / "topics" / f"{topic}.md").read_text()
    return "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))


def test_a_vendors_list_becomes_an_answer_as_the_page_says(
    database: str, tmp_path: Path
) -> None:
    environment = Program(database).environment
    folders = (str(Path(sys.executable).parent), environment.get("PATH", os.defpath))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands_of("first-list")],
        cwd=tmp_path,
        env={**environment, "PATH": os.pathsep.join(folders)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "seats-12.json can be read with github-copilot-seats" in done.stdout
    assert "list and ledger agree" in done.stdout
    assert (
        "copilot/business#2: it was not bought yet at 2026-10-12 02:00, and was by "
        "2026-10-13 02:00." in done.stdout
    )
    assert "(between 1.6129 and 1.6452 in truth)" in done.stdout


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
