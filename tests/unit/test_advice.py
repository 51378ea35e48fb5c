"""What a problem of the API advises can be sent by who asked, or is the operator's."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

import seat_ledger
from seat_ledger.cli.api.advice import for_clients
from seat_ledger.cli.api.endpoints import endpoints
from seat_ledger.commands.messages import OPERATIONS

ROOT = Path(seat_ledger.__file__).parent


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("see 'seat-ledger user list -a acme'", "see GET /v1/user/list?account=acme"),
        (
            "see 'seat-ledger event show 7'.",
            "see GET /v1/event/show?position=7.",
        ),
        (
            "record it: seat-ledger account renew --account acme",
            'record it: POST /v1/commands with {"op": "renew", "account": "acme"}',
        ),
        (
            "seat-ledger account renew --due",
            "on the server, 'seat-ledger account renew --due'",
        ),
        ("seat-ledger db migrate", "on the server, 'seat-ledger db migrate'"),
        ("see 'seat-ledger help time'", "see 'seat-ledger help time'"),
    ],
)
def test_a_command_is_what_a_client_can_send(text: str, advice: str) -> None:
    assert for_clients(text) == advice


def advised() -> Iterator[str]:
    """Every text of the program that names a command, with KEY for what it fills in."""
    for file in sorted(ROOT.rglob("*.py")):
        tree = ast.parse(file.read_text("utf-8"))
        joined = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
        inside = {id(part) for node in joined for part in ast.walk(node)}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                parts = [
                    str(part.value) if isinstance(part, ast.Constant) else "KEY"
                    for part in node.values
                ]
                yield "".join(parts)
            elif isinstance(node, ast.Constant) and id(node) not in inside:
                yield str(node.value)


def test_no_advice_of_the_program_leaves_a_client_with_a_command() -> None:
    requests = commands = 0
    for text in advised():
        if "\n" in text or not re.search(r"\bseat-ledger [a-z]+ [a-z]", text):
            continue
        advice = for_clients(text)
        left = re.sub(r"on the server, 'seat-ledger |seat-ledger help ", "", advice)
        assert "seat-ledger " not in left, text
        for address in re.findall(r"GET (/v1/[^\s.,;]+)", advice):
            parts = urlsplit(address)
            endpoints()[parts.path].context(parse_qsl(parts.query), "json")
            requests += 1
        for body in re.findall(r"POST /v1/commands with (\{.*?\})", advice):
            assert json.loads(body)["op"] in OPERATIONS
            commands += 1
    assert requests > 10
    assert commands > 1
