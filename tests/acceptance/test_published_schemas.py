"""What commands print with --format json is what the published schemas say (CLI 2)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from importlib import resources
from pathlib import Path
from random import Random
from typing import Any

import click
import jsonschema_rs
import pytest

from seat_ledger.application import CommandService
from seat_ledger.cli.api.published import published, text_of
from seat_ledger.cli.main import COMMANDS
from seat_ledger.cli.main import program as command_line
from seat_ledger.cli.options.session import ReadingFunction
from seat_ledger.cli.topics import schemas
from tests.in_process import Program, run
from tests.property.comparison import Comparison
from tests.property.histories import opening
from tests.support import windows
from tests.support.lives import a_life
from tests.support.questions import name_of, questions

EXPORTS = Path(__file__).parents[1] / "sources" / "exports"
HISTORY = resources.files("seat_ledger.cli.commands.demo") / "history.jsonl"


def test_the_published_schemas_are_those_of_this_version() -> None:
    files = {words: schemas.read(words) for words, _ in published()}
    assert files == {words: text_of(schema) for words, schema in published()}, (
        "scripts/reference writes them"
    )
    assert schemas.names() == sorted(word.replace(" ", "-") for word in files)


def leaves(command: click.Command, words: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from leaves(inner, f"{words} {name}".strip())
    else:
        yield words, command


def every_command() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(command_line)
    for name in COMMANDS:
        command = command_line.get_command(context, name)
        assert command is not None
        yield from leaves(command, name)


def test_every_command_with_a_document_has_a_schema() -> None:
    for words, command in every_command():
        forms = {form for param in command.params if "--format" in param.opts
                 for form in getattr(param.type, "choices", ())}  # fmt: skip
        done = run("help", "schema", *words.split())
        assert (done.status == 0) == ("json" in forms), words
        if done.status == 0:
            schema = json.loads(done.out)
            jsonschema_rs.meta.validate(schema)
            assert "row" in schema["$defs"], words
    assert "billing-counts\n" in run("help", "schema").out


# -- against real answers -------------------------------------------------------------


def closed(schema: Any) -> Any:
    """The schema without room for any key that it does not name."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(value) for name, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type"):
        inner.setdefault("additionalProperties", False)
    return inner


@cache
def validator(words: str) -> Any:
    text = schemas.read(words) or schemas.read(schemas.OF_RECORDING)
    assert text is not None
    return jsonschema_rs.validator_for(closed(json.loads(text)), validate_formats=True)


def differences(program: Program, words: tuple[Any, ...]) -> Iterator[str]:
    """Where an answer is not as its schema says."""
    done = program.run(*words, "--format", "json")
    assert done.status in {0, 3}, (words, done.err)
    for error in validator(name_of(words)).iter_errors(json.loads(done.out)):
        place = "/".join("*" if isinstance(part, int) else str(part)
                         for part in error.instance_path)  # fmt: skip
        yield f"{name_of(words)}: {place}: {error.message[:200]}"


def record_demo(program: Program) -> None:
    done = program.run("import", HISTORY)
    assert done.status == 0, done.err


def record_windows(program: Program) -> None:
    program.import_(windows.commands(exact=False))


def record_life(program: Program) -> None:
    """What is recorded by commands; their answers are as their schema says, too."""
    wrong = [line for words in a_life(program) for line in differences(program, words)]
    assert not wrong, "\n".join(dict.fromkeys(wrong))


def record_random(seed: int) -> Callable[[Program], None]:
    def record(program: Program) -> None:
        random = Random(seed)
        with CommandService(program.conninfo) as ledger:
            comparison = Comparison(ledger, random)
            comparison.step(opening(random, comparison.account))
            for _ in range(60):
                comparison.step(comparison.author.command())

    return record


LEDGERS: dict[str, Callable[[Program], None]] = {
    "empty": lambda _: None,
    "demo": record_demo,
    "windows": record_windows,
    "life": record_life,
    **{f"random {seed}": record_random(seed) for seed in range(3)},
}


@pytest.mark.parametrize("ledger", LEDGERS)
def test_every_answer_is_as_its_schema_says(
    database: str, tmp_path: Path, ledger: str
) -> None:
    program = Program(database, tmp_path)
    LEDGERS[ledger](program)
    asked = [*questions(program, tmp_path, 1 if ledger == "demo" else 2)]
    wrong = [line for words in asked for line in differences(program, words)]
    assert not wrong, "\n".join(dict.fromkeys(wrong))
    if ledger == "life":
        reading = {w for w, c in every_command() if ReadingFunction.of(c) is not None}
        assert reading - {"report"} <= {name_of(words) for words in asked}


def operations(program: Program, folder: Path) -> Iterator[tuple[Any, ...]]:
    """What an operator asks and changes, each by what the one before printed."""
    lake, report = folder / "lake", folder / "acme.html"
    yield ("doctor",)
    yield "projection", "status"
    yield "projection", "verify"
    yield "account", "readers"
    yield "token", "create", "--actor", "system:a", "--role", "reader"
    yield "token", "list"
    token = program.json("token", "list")["rows"][0]["token_id"]
    yield "token", "revoke", token
    yield "token", "list"
    yield "subscription", "add", "https://example.com/hook"
    yield "subscription", "list"
    hook = program.json("subscription", "list")["rows"][0]["subscription_id"]
    for verb in ("pause", "resume", "list"):
        yield "subscription", verb, *([] if verb == "list" else [hook])
    yield "report", "--account", "acme", "--term", "--output", report
    yield "lake", "export", lake
    yield "lake", "status", lake
    yield "lake", "verify", lake


def test_what_an_operator_asks_and_changes_is_as_its_schema_says(
    database: str, tmp_path: Path
) -> None:
    program = Program(database, tmp_path)
    record_life(program)
    key = program.json("account", "list")["rows"][0]["account"]
    asked = (
        tuple(key if word == "acme" else word for word in words)
        for words in operations(program, tmp_path)
    )
    wrong = [line for words in asked for line in differences(program, words)]
    assert not wrong, "\n".join(dict.fromkeys(wrong))


@pytest.mark.parametrize(
    "words",
    [("source", "list"), ("source", "check", EXPORTS / "hubspot-users-csv.csv")],
    ids=str,
)
def test_what_needs_no_database_is_as_its_schema_says(words: tuple[Any, ...]) -> None:
    done = run(*words, "--format", "json")
    assert done.status == 0, done.err
    errors = validator(name_of(words)).iter_errors(json.loads(done.out))
    assert [error.message for error in errors] == []
