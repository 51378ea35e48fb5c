"""What commands print with --format json is what the published schemas say (CLI 2)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from importlib import resources
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

import click
import jsonschema_rs
import pytest

from seat_ledger.cli.api.published import published, text_of
from seat_ledger.cli.main import COMMANDS
from seat_ledger.cli.main import program as command_line
from seat_ledger.cli.options.session import ReadingFunction
from seat_ledger.cli.output import schemas
from seat_ledger.commands.service import CommandService
from tests.in_process import Program, run
from tests.property.comparison import Comparison
from tests.property.histories import opening
from tests.support import windows
from tests.support.lives import a_life
from tests.support.questions import name_of, questions

EXPORTS = Path(__file__).parents[1] / "sources" / "exports"
LIST = EXPORTS / "gitlab-seats.csv"
PRO, AT = "sales/professional", ("--taken-at", "2026-03-01T12:00Z")
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


def is_json(command: click.Command) -> bool:
    """Whether a command prints a document."""
    return any(
        "--format" in param.opts and "json" in getattr(param.type, "choices", ())
        for param in command.params
    )


def test_every_command_with_a_document_has_a_schema() -> None:
    for words, command in every_command():
        done = run("help", "schema", *words.split())
        assert (done.status == 0) == is_json(command), words
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
    for words in a_life(program):
        done = program.run(*words)
        assert done.status == 0, (words, done.err)


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


def from_files(folder: Path) -> Iterator[tuple[Any, ...]]:
    """What is recorded from a file, and what an audit found."""
    late, acme = ("--account", "late"), ("--account", "acme")
    add = {"op": "add_user", "user": "dan", "email": "dan@acme.example", "name": "Dan"}
    commands = folder / "commands.jsonl"
    commands.write_text(json.dumps(add) + "\n")
    yield "batch", commands, *acme, "--dry-run"
    commands.write_text(json.dumps({"account": "acme", **add}) + "\n")
    yield "import", commands, "--dry-run"
    yield "import", commands
    yield "import", commands
    ticked = folder / "ticked.csv"
    ticked.write_text(f"user,seat_type,ticked\ndan,{PRO},yes\n")
    yield "seat", "save", ticked, *acme, "--dry-run"
    yield "seat", "save", ticked, *acme
    since = ("--effective-at", "2025-01-01")
    yield "catalogue", "add", "gitlab/premium", *since
    for words in ("--check", "--dry-run"):
        yield "snapshot", LIST, "--with", "gitlab-seats", *acme, *AT, words
    lists = folder / "sources.toml"
    lists.write_text(
        'schema = 1\n[[list]]\naccount = "acme"\nmapping = "gitlab-seats"\n'
        'file = "seats-{taken_at}.csv"\ntime = { format = "%Y-%m-%d", zone = "UTC" }\n'
    )
    (folder / "seats-2026-03-01.csv").write_bytes(LIST.read_bytes())
    yield "source", "compare", "--sources", lists
    bill = folder / "late.csv"
    bill.write_text(
        "account,invoice,issued_at,period,seat_type,quantity,unit_price,amount\n"
        f"late,B-1,2025-06-01,2025-04-05,{PRO},9,9.00,81.00\n"
        f"late,B-1,2025-06-01,2025-05-05,{PRO},9,9.00,81.00\n"
    )
    yield "invoice", "audit", bill, "--keep"
    yield "finding", "note", 1, *late, "--note", "sent a letter", "--disputed"
    yield "finding", "settle", 1, *late, "--credited-by", "CN-1"
    yield "finding", "list", "--all"


def operations(program: Program, folder: Path) -> Iterator[tuple[Any, ...]]:
    """What an operator asks and changes, each by what the one before printed."""
    lake, report = folder / "lake", folder / "acme.html"
    yield ("doctor",)
    yield "db", "status"
    yield "db", "migrate"
    yield "projection", "status"
    yield "projection", "run"
    yield "projection", "rebuild", "--workers", 1
    yield "projection", "verify"
    yield "projection", "resume"
    yield "account", "readers"
    yield "token", "create", "--actor", "system:a", "--role", "reader"
    yield "token", "list"
    token = program.json("token", "list")["rows"][0]["token_id"]
    yield "token", "revoke", token
    yield "token", "list"
    yield "subscription", "add", "https://example.com/hook"
    yield "subscription", "list"
    hook = program.json("subscription", "list")["rows"][0]["subscription_id"]
    for verb in ("pause", "resume", "replay"):
        yield "subscription", verb, hook, *(("--after", 0) if verb == "replay" else ())
    yield "subscription", "list"
    yield "report", "--account", "acme", "--term", "--output", report
    yield "lake", "export", lake
    yield "lake", "status", lake
    yield "lake", "verify", lake
    yield "lake", "rebuild", lake, "--output", folder / "tables", "--workers", 1
    yield "integrity", "seal", "--processes", 1
    yield "integrity", "verify"
    proof = folder / "proof.json"
    assert program.run("integrity", "prove", 1, "--output", proof).status == 0
    yield "integrity", "check-proof", proof


WITHOUT_DATABASE: list[tuple[Any, ...]] = [
    ("source", "list"),
    ("source", "check", EXPORTS / "hubspot-users-csv.csv"),
]
NOT_ASKED = {
    "account let-read": "needs another login of the server; test_account_readers",
    "account stop-reading": "the same",
    "db start": "needs an embedded server; test_first_start",
    "db stop": "the same",
}
"""Commands with a document that are not tried here, and why."""


def test_every_document_of_a_working_day_is_as_its_schema_says(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEAT_LEDGER_HOME", str(tmp_path / "home"))
    program = Program(database, tmp_path)
    tried = {name_of(words) for words in WITHOUT_DATABASE}
    wrong: list[str] = []
    for words in chain(
        a_life(program), from_files(tmp_path), operations(program, tmp_path)
    ):
        tried.add(name_of(words))
        wrong += differences(program, words)
    assert not wrong, "\n".join(dict.fromkeys(wrong))
    with_documents = {words for words, command in every_command() if is_json(command)}
    reading = {w for w, c in every_command() if ReadingFunction.of(c) is not None}
    assert with_documents - reading - tried == set(NOT_ASKED)


@pytest.mark.parametrize("words", WITHOUT_DATABASE, ids=str)
def test_what_needs_no_database_is_as_its_schema_says(words: tuple[Any, ...]) -> None:
    done = run(*words, "--format", "json")
    assert done.status == 0, done.err
    errors = validator(name_of(words)).iter_errors(json.loads(done.out))
    assert [error.message for error in errors] == []
