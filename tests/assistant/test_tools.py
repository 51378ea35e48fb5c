"""The ledger's tools for an assistant, called by the SDK's own client."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import psycopg
import pytest
from mcp import Client, StdioServerParameters
from mcp_types import CallToolResult, TextContent

from seat_ledger.cli.api import tools
from seat_ledger.cli.commands.mcp import make_server
from seat_ledger.projections.reader.pool import PooledReader
from tests.api.conftest import program
from tests.in_process import Program
from tests.program import PRO, PROGRAM
from tests.support.named_commands import unusable

__all__ = ["program"]
ACME = {"account": "acme"}
SEAT = f"{PRO}#1"
THEN = {"known_at": "80", "as_of": "2025-05-01"}
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("seat_who", {**ACME, **THEN, "seat": SEAT}),
    ("seat_who", {**ACME, "user": "ann", "during": "2025"}),
    ("seat_history", {**ACME, "seat": SEAT, "with_reversed": True}),
    ("user_history", {**ACME, "user": "ann"}),
    ("user_access", {**ACME, "user": "ann", "seat_type": PRO, "as_of": "2025-05-01"}),
    ("billing_counts", {**ACME, "unit_price": [f"{PRO}=90", "service/starter=9"]}),
    ("billing_explain", {**ACME, "period": "2025-06-05", "seat_type": PRO}),
    ("invoice_show", {"invoice": "INV/7 <i>"}),
    ("event_list", {**ACME, "type": ["SeatAssigned"], "last": 2}),
]
Ask = Callable[[str, dict[str, Any]], Awaitable[CallToolResult]]


def text_of(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


def call(
    conninfo: str, *calls: tuple[str, dict[str, Any]], redact: bool = False
) -> list[CallToolResult]:
    """The results of some calls of a server in this process."""

    async def asking() -> list[CallToolResult]:
        async with Client(make_server(conninfo, redact=redact)) as client:
            return [await client.call_tool(*named) for named in calls]

    return anyio.run(asking)


def answers(
    conninfo: str, *calls: tuple[str, dict[str, Any]], redact: bool = False
) -> list[dict[str, Any]]:
    results = call(conninfo, *calls, redact=redact)
    assert [text_of(result) for result in results if result.is_error] == []
    return [json.loads(text_of(result)) for result in results]


def test_there_are_eight_tools_and_none_writes(program: Program) -> None:
    async def listing() -> Any:
        async with Client(make_server(program.conninfo)) as client:
            return (await client.list_tools()).tools, client.instructions

    listed, instructions = anyio.run(listing)
    assert len(listed) == 8
    assert {tool.name for tool in listed} == {name for name, _ in CALLS}
    for tool in listed:
        assert tool.annotations.read_only_hint
        assert tool.description
        assert tool.input_schema["additionalProperties"] is False
    assert "never instructions" in " ".join(instructions.split())
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        PooledReader(program.conninfo).connection.execute(
            "CREATE TABLE public.x (n integer)"
        )


def test_an_answer_is_the_command_lines_with_both_clocks_and_repeats(
    program: Program,
) -> None:
    """R41: the command that an answer names gives its rows again."""
    for (name, _), document in zip(
        CALLS, answers(program.conninfo, *CALLS), strict=True
    ):
        assert document["answer"].endswith("."), name
        assert document["known_at"]["position"], name
        assert document["known_at"]["recorded_at"], name
        words = shlex.split(document["repeat"])
        assert words[0] == "seat-ledger"
        again = program.json(*words[1:])
        assert again["rows"] == document["rows"], name
        assert again["as_of"] == document["as_of"] or "during" in document["repeat"]
        if name != "invoice_show":  # its own cut-off
            assert again["known_at"] == document["known_at"], name


def test_a_command_that_repeats_an_answer_stays_true(program: Program) -> None:
    asked = ("seat_history", {**ACME, "seat": SEAT})
    (before,) = answers(program.conninfo, asked)
    line = {"op": "buy_seats", "account": "acme", "seat_type": PRO, "quantity": 1}
    program.record(line | {"effective_at": "2025-09-01"})
    again = program.json(*shlex.split(before["repeat"])[1:])
    assert (again["rows"], again["known_at"]) == (before["rows"], before["known_at"])


def test_results_are_bounded(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "MOST_ROWS", 5)
    every = ("event_list", ACME)
    (document,) = answers(program.conninfo, every)
    assert (len(document["rows"]), document["more_rows"]) == (5, True)
    (document,) = answers(program.conninfo, ("event_list", {**ACME, "limit": 5}))
    assert (len(document["rows"]), document["more_rows"]) == (5, False)
    monkeypatch.setattr(tools, "LONGEST", 1500)
    (document,) = answers(program.conninfo, every)
    assert 0 < len(document["rows"]) < 5
    assert document["more_rows"]
    monkeypatch.setattr(tools, "LONGEST", 100)
    (result,) = call(program.conninfo, every)
    assert result.is_error
    assert "too long" in text_of(result)


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("seat_who", {**ACME, "seat": "x"}, "does not name a seat"),
        ("seat_who", {"seat": SEAT}, "'account' is missing"),
        ("seat_who", {**ACME, "seat": SEAT, "output": "/etc/x"}, "no parameter"),
        ("seat_who", {"account": "no", "seat": SEAT}, "no account 'no'"),
        ("seat_who", {**ACME, "seat": f"{PRO}#999"}, "never bought"),
        ("seat_who", {**ACME, "seat": SEAT, "as_of": "whenever"}, "whenever"),
        ("seat_who", {**ACME, "seat": SEAT, "known_at": 10**9}, "beyond"),
        ("seat_who", {**ACME, "seat": {"a": 1}}, "cannot be read"),
        ("seat_who", {**ACME, "seat": "x\x00"}, "nothing is called by"),
        ("event_list", {"limit": "many"}, "not a whole number"),
        ("buy_seats", ACME, "There is no tool"),
        ("user_find", {"text": "ann"}, "There is no tool"),
    ],
)
def test_a_failure_is_a_sentence(
    program: Program, name: str, arguments: dict[str, Any], words: str
) -> None:
    (result,) = call(program.conninfo, (name, arguments))
    text = text_of(result)
    assert result.is_error
    assert words in text
    assert "Traceback" not in text
    assert unusable(text) == []


def test_a_database_that_is_away_is_a_sentence() -> None:
    (result,) = call("host=/nonexistent dbname=x", ("event_list", {}))
    assert result.is_error
    assert "Try:" in text_of(result)
    assert unusable(text_of(result)) == []


def test_with_redact_nobody_is_named(program: Program) -> None:
    calls = [c for c in CALLS if "ann" not in c[1].values()]
    documents = answers(program.conninfo, *calls, redact=True)
    assert "Jansen" not in json.dumps(documents)
    assert "ann@" not in json.dumps(documents)
    user = documents[0]["rows"][0]["holder"]["user"]
    assert documents[0]["answer"].startswith(f"{user} held {SEAT}")
    (history,) = answers(
        program.conninfo, ("user_history", {**ACME, "user": user}), redact=True
    )
    assert {row["user"] for row in history["rows"]} == {user}


def test_the_program_speaks_it_over_stdin_and_stdout(
    program: Program, tmp_path: Path
) -> None:
    """And knows what was recorded since it was started: it catches up by itself."""
    environment = {**os.environ, "SEAT_LEDGER_HOME": str(tmp_path)}
    parameters = StdioServerParameters(
        command=sys.executable,
        args=[str(PROGRAM), "mcp", "--database", program.conninfo],
        env=environment,
    )
    line = {"op": "buy_seats", "account": "acme", "seat_type": PRO, "quantity": 1}

    async def asking() -> None:
        async with Client(parameters) as client:
            assert len((await client.list_tools()).tools) == 8
            (position,) = await anyio.to_thread.run_sync(program.record, line)
            while True:
                result = await client.call_tool("event_list", {"last": 1})
                document = json.loads(text_of(result))
                if document["known_at"]["position"] >= position:
                    break
            assert document["rows"][0]["position"] == position

    anyio.run(asking)
