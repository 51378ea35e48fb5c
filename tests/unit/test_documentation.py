"""Documentation under test: what the program has, its reference has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from scripts.reference import reference
from seat_ledger.cli.main import COMMANDS, program
from seat_ledger.cli.options import environment
from seat_ledger.cli.options.session import Session
from seat_ledger.cli.output.pages import TOPICS
from seat_ledger.store.settings import Settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *ROOT.glob("*/*.md"),
    *ROOT.glob("cli/topics/*.md"),
]


def test_the_reference_is_what_the_program_says() -> None:
    stored = (ROOT / "cli" / "REFERENCE.md").read_text()
    assert stored == reference(), "run scripts/reference"


def test_every_setting_is_in_the_reference_or_the_readme() -> None:
    documented = reference() + "".join(text.read_text() for text in DOCUMENTS)
    for file in ROOT.glob("*/**/*.py"):
        if file.parts[len(ROOT.parts)] in {"seat_ledger", "projections", "cli"}:
            for name in re.findall(r'"(SEAT_LEDGER_[A-Z_]+)"', file.read_text()):
                assert name in documented, name


def test_every_setting_is_known_to_the_program() -> None:
    """One that is not in this list would be named by doctor as read by nothing."""
    named = {
        name.removeprefix(environment.PREFIX)
        for file in ROOT.glob("*/**/*.py")
        if file.parts[len(ROOT.parts)] in {"seat_ledger", "projections", "cli"}
        for name in re.findall(r'"(SEAT_LEDGER_[A-Z_]+)"', file.read_text())
    }
    of_store = {name.upper() for name in Settings.model_fields}
    assert of_store == environment.OF_STORE
    assert named - {environment.PREFIX} == environment.VARIABLES - of_store


def parameters() -> Iterator[tuple[str, click.Parameter]]:
    """Every parameter of every command, with the command's words."""

    def of(command: click.Command, path: str) -> Iterator[tuple[str, click.Parameter]]:
        for name, inner in getattr(command, "commands", {}).items():
            yield from of(inner, f"{path} {name}")
        for parameter in command.params:
            yield path, parameter

    context = click.Context(program)
    for name in COMMANDS:
        command = program.get_command(context, name)
        assert command is not None
        yield from of(command, name)


def test_every_option_says_what_it_does() -> None:
    for path, parameter in parameters():
        if isinstance(parameter, click.Option):
            assert parameter.help, (path, parameter.opts)


def test_no_number_with_a_fraction_may_be_none() -> None:
    """NaN is within every range, since no comparison with it holds."""
    numbers = [
        (path, parameter)
        for path, parameter in parameters()
        if isinstance(parameter.type, click.types.FloatParamType)
    ]
    assert numbers
    for _, parameter in numbers:
        for text in ("nan", "inf", "-inf"):
            with pytest.raises(click.BadParameter):
                parameter.type.convert(text, parameter, None)


def test_links_between_documents_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), (document, target)


def test_every_topic_is_linked_from_the_readme_and_shown_by_help() -> None:
    readme = (ROOT / "README.md").read_text()
    for topic in TOPICS:
        assert f"(cli/topics/{topic}.md)" in readme, topic
        shown = CliRunner().invoke(program, ["help", topic], obj=Session())
        assert shown.output == (ROOT / "cli" / "topics" / f"{topic}.md").read_text()


def test_no_address_in_the_lock_files() -> None:
    for lock in ROOT.glob("*.lock"):
        assert "://" not in lock.read_text()
