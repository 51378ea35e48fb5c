"""Every parameter of every command, every field of every operation, every address.

The generators walk the program itself: the tree of commands with the types of their
parameters, the models of the operations, the pages of the console. Whatever is given is
answered or refused in words: no exit 70, no traceback, no answer of status 500.

    SEAT_LEDGER_FUZZ=200000 scripts/test -m long -s tests/property/test_fuzz_program.py
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import random
import re
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

import click
import pytest

from seat_ledger.cli.commands import import_file
from seat_ledger.cli.console import pages
from seat_ledger.cli.console.access import Gate
from seat_ledger.cli.console.application import Console
from seat_ledger.cli.main import main, program
from seat_ledger.cli.options import environment, stopping
from seat_ledger.commands.messages import OPERATIONS, Envelope
from tests.program import ANN, BUY, GIVE, OPEN, PRO
from tests.property import hostile

STATUSES = {0, 1, 2, 3, 4, 10, 11, 12, 130}
LONG = int(os.environ.get("SEAT_LEDGER_FUZZ", "200000"))
RARE = {
    *(("demo",), ("projection", "rebuild"), ("projection", "run")),
    *(("projection", "verify"), ("serve",)),
}
"""Commands that take long each time."""
PATIENCE = 300
"""Seconds after which a command is taken for one that does not end."""
ROUNDS = 3
"""How often a command that runs until it is stopped looks whether it is."""
NEVER = stopping.Stopping()
ENVIRONMENT = (
    *sorted(
        environment.PREFIX + name for name in environment.VARIABLES - {"DATABASE_URL"}
    ),
    *("HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "TERM", "COLUMNS", "NO_COLOR", "TZ"),
    *("TMPDIR", "USER", "LOGNAME", "LANG", "LC_ALL", "PYTHONIOENCODING", "PAGER"),
)


@pytest.fixture
def acme(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database with an account, and a folder of our own to write into."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEAT_LEDGER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SEAT_LEDGER_DATABASE_URL", database)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(stopping, "Stopping", SoonStopped)
    monkeypatch.setattr(import_file, "stopped_by_signals", stopped_by_nobody)
    monkeypatch.setenv("SEAT_LEDGER_RESULTS", str(tmp_path / "results.json"))
    file = tmp_path / "commands.jsonl"
    file.write_text("".join(json.dumps(item) + "\n" for item in (OPEN, BUY, ANN, GIVE)))
    done = ended(["import", str(file)])
    assert done[0] == 0, done
    assert ended(["projection", "run"])[0] == 0
    return database


@contextmanager
def stopped_by_nobody() -> Iterator[stopping.Stopping]:
    """An import has an end."""
    yield NEVER


class SoonStopped(stopping.Stopping):
    """Stopped, by nobody, once a command that has no end has gone a few rounds."""

    def __init__(self) -> None:
        super().__init__()
        self._rounds = 0

    def is_set(self) -> bool:
        self._rounds += 1
        return self._rounds > ROUNDS or super().is_set()

    def wait(self, timeout: float | None = None) -> bool:
        return super().wait(min(timeout or 0, 0.01)) or self.is_set()


class DoesNotEnd(BaseException):
    """A command runs for ever, and not `until_stopped`."""


def ended(words: list[str], stdin: bytes = b"") -> tuple[int, str, str]:
    """Run the program here, with something on its standard input."""

    def give_up(_number: int, _frame: object) -> None:
        raise DoesNotEnd(words)

    stdout, err, before = io.BytesIO(), io.StringIO(), sys.stdin
    out = io.TextIOWrapper(stdout, encoding="utf-8", write_through=True)
    sys.stdin = io.TextIOWrapper(io.BytesIO(stdin))
    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(PATIENCE)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            status = main(words)
    finally:
        signal.alarm(0)
        sys.stdin = before
    return status, stdout.getvalue().decode(), err.getvalue()


def check(status: int, err: str, what: object) -> None:
    stored = re.search(r"are in (\S+seat-ledger-\S+\.txt)", err)
    trace = Path(stored[1]).read_text(errors="replace")[-3000:] if stored else ""
    assert status in STATUSES, f"{what!r} ended with {status}: {err}\n{trace}"
    assert "Traceback" not in err, f"{what!r}: {err}"


# -- commands -----------------------------------------------------------------------


def leaves(
    command: click.Command, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that does something, by its words."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from leaves(inner, (*path, name))
    else:
        yield path, command


LEAVES = dict(leaves(program))


def files(folder: Path) -> list[str]:
    """Names of files that are there, odd, or nothing that can be read or written."""
    folder.joinpath("empty").touch()
    folder.joinpath("junk").write_bytes(bytes(range(256)) * 4)
    folder.joinpath("odd.csv").write_text("user,seat_type,ticked\nann,x,maybe\n")
    folder.joinpath("batch.jsonl").write_text('{"op": {}}\n')
    return [
        *("empty", "junk", "odd.csv", "batch.jsonl", "new.csv", "new.html", "new.json"),
        *(
            "-",
            ".",
            "/",
            "",
            "no/such/file",
            "/dev/null",
            "/dev/full",
            "/dev/zero",
            "/proc/self/mem",
        ),
        *("x" * 300, "\udcff", "new.xlsx", "new.parquet"),
    ]


def words_for(
    chance: random.Random, parameter: click.Parameter, names: list[str]
) -> str:
    """A value for a parameter: mostly of its type, or beyond it."""
    kind = parameter.type
    if isinstance(kind, click.Choice) and chance.random() < 0.85:
        return str(chance.choice(list(kind.choices)))
    if isinstance(kind, click.Path | click.File):
        return chance.choice(names)
    if parameter.name == "account" and chance.random() < 0.7:
        return "acme"
    if kind.name.startswith(("integer", "float")):
        return chance.choice(hostile.NUMBERS)
    return hostile.argument(chance)


def command_line(chance: random.Random, names: list[str]) -> list[str]:
    """A command with what it needs, and some of what it may have."""
    path = chance.choice(list(LEAVES))
    if path in RARE and chance.random() < 0.95:
        path = chance.choice(list(LEAVES))
    words, arguments = list(path), []
    for parameter in LEAVES[path].params:
        if parameter.name == "database" or parameter.expose_value is False:
            if parameter.name == "form" and chance.random() < 0.5:
                words += ["--format", chance.choice(("json", "jsonl", "csv"))]
            continue
        needed = parameter.required or isinstance(parameter, click.Argument)
        if chance.random() > (0.98 if needed else 0.3):
            continue
        values = [
            words_for(chance, parameter, names) for _ in range(max(1, parameter.nargs))
        ]
        if isinstance(parameter, click.Argument):
            arguments += values
        elif getattr(parameter, "is_flag", False):
            words.append(chance.choice(parameter.opts))
        else:
            words += [max(parameter.opts, key=len), *values]
    return [*words, "--", *arguments] if chance.random() < 0.8 else [*words, *arguments]


def fuzz_commands(folder: Path, seed: int, count: int) -> Counter[int]:
    chance, statuses = random.Random(seed), Counter[int]()
    names = files(folder)
    for _ in range(count):
        words = command_line(chance, names)
        status, _, err = ended(words, chance.choice((b"", b"y\n", b"x", b"{}\n\xff")))
        check(status, err, words)
        statuses[status] += 1
    return statuses


@pytest.mark.usefixtures("acme")
def test_no_command_line_ends_in_a_bug(tmp_path: Path) -> None:
    statuses = fuzz_commands(tmp_path, 1, 360)
    assert {0, 1, 2} <= statuses.keys()


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    "words",
    [
        ["events", "follow", "--after", "0"],
        ["deliver"],
        ["projection", "run", "--follow"],
        ["serve", "--port", "0"],
        ["serve", "--port", "0", "--api"],
    ],
    ids=" ".join,
)
def test_a_command_without_an_end_is_tried_like_any_other(words: list[str]) -> None:
    status, _, err = ended(words)
    assert status == 0, err


def each_parameter(kind: type[click.ParamType[Any]], odd: str) -> Iterator[list[str]]:
    """Command lines with an odd value for each parameter of a kind, one at a time."""
    for path, command in LEAVES.items():
        arguments = [
            param for param in command.params if isinstance(param, click.Argument)
        ]
        for parameter in command.params:
            if not isinstance(parameter.type, kind) or parameter.name == "database":
                continue
            words = ["1"] * len(arguments)
            if isinstance(parameter, click.Argument):
                words[arguments.index(parameter)] = odd
                yield [*path, "--", *words]
            else:
                yield [*path, max(parameter.opts, key=len), odd, "--", *words]


@pytest.mark.usefixtures("acme")
def test_no_text_that_cannot_be_stored_reaches_a_command() -> None:
    """By whatever parameter of whatever command, one at a time."""
    for line in each_parameter(click.types.StringParamType, "\udcff"):
        status, _, err = ended(line)
        assert (status, "lone surrogate" in err) == (2, True), (line, err)


@pytest.mark.usefixtures("acme")
def test_no_number_that_cannot_be_stored_reaches_a_command() -> None:
    lines = [*each_parameter(click.types.IntParamType, str(10**40))]
    assert len(lines) > 25
    for line in lines:
        status, _, err = ended(line)
        assert status == 2, (line, err)


@pytest.mark.usefixtures("acme")
def test_no_environment_ends_in_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(2)
    commands = [
        *(
            ["seat", "list", "-a", "acme"],
            ["integrity", "key"],
            ["user", "find", "ann"],
        ),
        *(
            ["seat", "buy", PRO, "1", "-a", "acme"],
            ["account", "list"],
            ["db", "status"],
        ),
        *(["integrity", "verify"], ["projection", "status"], ["doctor"]),
    ]
    odd = [
        word for word in hostile.WORDS if "\x00" not in word and "\ud800" not in word
    ]
    for _ in range(100):
        name, value = chance.choice(ENVIRONMENT), chance.choice(odd)
        words = chance.choice(commands)
        with monkeypatch.context() as changed:
            changed.setenv(name, value)
            status, _, err = ended(words)
        check(status, err, (name, value, words))


# -- lines of command files ------------------------------------------------------------

ENOUGH: dict[str, Any] = {
    "name": "X",
    "time_zone": "UTC",
    "term_start": "2025-03-05",
    "term_months": 12,
    "billing_cycle_months": 1,
    "mode": "peak",
    "user": "ann",
    "email": "b@acme.example",
    "hub": "sales",
    "seat_type": PRO,
    "quantity": 1,
    "invoice": "INV-1",
    "period": "2025-03-05",
    "unit_prices": {PRO: "90.00"},
    "currency": "EUR",
    "commands": [{"op": "grant_hub_access", "user": "ann", "hub": "sales"}],
}


def proper(op: str, chance: random.Random) -> dict[str, Any]:
    """A command of every operation that can be read, with fields it may have."""
    command: dict[str, Any] = {"op": op, "account": "acme", "expect": "refused"}
    for name, field in OPERATIONS[op].model_fields.items():
        if name in ENOUGH and (field.is_required() or chance.random() < 0.5):
            command[name] = ENOUGH[name]
        elif not field.is_required() and chance.random() < 0.3:
            command[name] = chance.choice(hostile.VALUES)
    for name in Envelope.model_fields:
        if name not in command and chance.random() < 0.2:
            command[name] = chance.choice(hostile.VALUES)
    if op == "batch":
        inner = chance.choices(sorted(OPERATIONS), k=chance.randrange(1, 4))
        command["commands"] = [in_a_batch(item, chance) for item in inner]
    return command


def in_a_batch(op: str, chance: random.Random) -> dict[str, Any]:
    """A line of a batch: what belongs to all of it is said outside."""
    line = {"op": "renew"} if op == "batch" else proper(op, chance)
    return {name: line[name] for name in line if name not in Envelope.model_fields}


def fuzz_lines(folder: Path, seed: int, count: int) -> Counter[str]:
    chance, outcomes, file = random.Random(seed), Counter[str](), folder / "fuzz.jsonl"
    left = count
    while left > 0:
        ops = chance.choices(sorted(OPERATIONS), k=min(left, 500))
        lines = [
            hostile.line_of(chance, hostile.mutated(chance, proper(op, chance)))
            for op in ops
        ]
        file.write_bytes(b"".join(line + b"\n" for line in lines))
        words = ["import", str(file), "--keep-going", "--format", "jsonl"]
        status, out, err = ended(words)
        message = [json.loads(row) for row in out.splitlines()]
        reached = message[-1]["line"] if message else 0
        check(
            status, err[-2000:], lines[reached : reached + 40] if status == 70 else ""
        )
        read = [line for line in lines if line.strip()]
        assert len(message) == len(read), (status, err[-900:], read[len(message) :][:2])
        outcomes.update(row["outcome"] for row in message)
        left -= len(lines)
    return outcomes


@pytest.mark.usefixtures("acme")
def test_no_line_of_a_command_file_ends_in_a_bug(tmp_path: Path) -> None:
    assert fuzz_lines(tmp_path, 3, 2500).total() > 2400


@pytest.mark.usefixtures("acme")
def test_no_line_of_a_batch_ends_in_a_bug(tmp_path: Path) -> None:
    chance, file = random.Random(4), tmp_path / "batch"
    for _ in range(90):
        ops = chance.choices(sorted(OPERATIONS), k=chance.randrange(1, 4))
        lines = [
            hostile.line_of(chance, hostile.mutated(chance, in_a_batch(op, chance)))
            for op in ops
        ]
        file.write_bytes(b"\n".join(lines))
        status, _, err = ended(["batch", str(file), "-a", "acme", "--dry-run"])
        check(status, err, lines)


# -- addresses of the console ------------------------------------------------

PARAMETERS = (
    *("account", "seat", "user", "period", "seat_type", "invoice", "position", "q"),
    *("from_position", "after", "skip", "mode", "granularity", "as_of", "known_at"),
    *("with_reversed", "lang", "go", "late", "compare", "unit_price", "currency", "x"),
)


def address(chance: random.Random) -> tuple[bytes, bytes]:
    """The path and the question of an address."""
    name = chance.choice([*pages.PAGES, "", "static/console.css", hostile.word(chance)])
    form = chance.choice(("", "", "", ".json", ".csv", ".html", ".", ".xml"))
    path = "/" + name + (form if name else "")
    pairs = []
    for parameter in chance.sample(PARAMETERS, k=chance.randrange(1, 7)):
        value = hostile.word(chance)[:500]
        if parameter == "account" and chance.random() < 0.8:
            value = "acme"
        raw = value.encode("utf-8", "surrogatepass")
        pairs.append(f"{parameter}={quote_from_bytes(raw)}")
    return path.encode("utf-8", "surrogatepass"), "&".join(pairs).encode()


async def answer_of(
    application: Any, path: bytes, question: bytes
) -> tuple[int, bytes]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return await asyncio.get_running_loop().create_future()  # says nothing more

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path.decode("utf-8", "replace"),
        "raw_path": path,
        "query_string": question,
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    await application(scope, receive, send)
    body = b"".join(item.get("body", b"") for item in sent[1:])
    return int(sent[0]["status"]), body


def fuzz_addresses(conninfo: str, seed: int, count: int) -> Counter[int]:
    chance, statuses = random.Random(seed), Counter[int]()
    message: list[tuple[str, str]] = []

    def report(what: str, **facts: object) -> None:
        if what == "bug":
            message.append((what, Path(str(facts["kept"])).read_text()[-3000:]))

    console = Console(conninfo, Gate((), None, None), log=report)

    async def ask() -> None:
        application = console.application()
        for _ in range(count):
            where = address(chance)
            status, body = await answer_of(application, *where)
            assert status < 500, (where, message, re.sub(b"<[^>]*>", b"", body)[-900:])
            assert not message, (where, message)
            statuses[status] += 1

    try:
        asyncio.run(ask())
    finally:
        console.close()
    return statuses


def test_no_address_of_the_console_ends_in_a_bug(acme: str) -> None:
    statuses = fuzz_addresses(acme, 5, 600)
    assert {200, 400, 404} <= statuses.keys()


@pytest.mark.long
def test_two_hundred_thousand_inputs_end_in_no_bug(acme: str, tmp_path: Path) -> None:
    """Mostly lines, which cost least; a fortieth commands, a thirteenth addresses."""
    commands, addresses = LONG // 40, LONG // 13
    message: dict[str, Counter[Any]] = {
        "lines": fuzz_lines(tmp_path, 8, LONG - commands - addresses)
    }
    assert ended(["projection", "run"])[0] == 0  # a page may be behind: 503, no bug
    message |= {
        "addresses": fuzz_addresses(acme, 7, addresses),
        "commands": fuzz_commands(tmp_path, 6, commands),
    }
    for what, counted in message.items():
        print(f"{what}: {counted.total():,} inputs, {dict(counted)}")
