"""Questions by HTTP: the answer is the command line's, byte for byte."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click
import jsonschema_rs
import psycopg
import pytest

from seat_ledger.cli.api.endpoints import endpoints
from seat_ledger.cli.api.openapi import document, document_text
from seat_ledger.cli.api.problems import OF_HTTP
from seat_ledger.cli.console.access import Gate
from seat_ledger.cli.main import COMMANDS
from seat_ledger.cli.main import program as command_line
from seat_ledger.cli.options.session import ReadingFunction
from seat_ledger.errors import REFUSALS
from tests.api.api_server import Client, serving
from tests.console.served import HOSTILE_KEY, INVOICE
from tests.in_process import Program
from tests.program import PRO

ROOT = Path(__file__).parents[2]
PINNED = {"known_at": "80"}
AT = {**PINNED, "as_of": "2025-05-01"}
ACME = {"account": "acme"}
FIGURE = {**ACME, "period": "2025-06-05", "seat_type": PRO, **PINNED}
NO_SEATS = "sales/enterprise"
PRICES = [f"{PRO}=90", "service/starter=9"]
HOLDINGS = ["SeatAssigned", "SeatUnassigned"]
QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    ("account advise", {**ACME, **PINNED}),
    ("account attention", PINNED),
    ("account list", AT),
    ("account renewals", {"within": "2y", **PINNED}),
    ("account show", {**ACME, **AT}),
    ("account show", {"account": HOSTILE_KEY, **AT}),
    ("billing compare", {**ACME, "known_at": ["60", "80"], "mode": "peak"}),
    ("billing counts", {**ACME, **PINNED, "unit_price": PRICES}),
    ("billing counts", {"all": "true", "mode": "all", **PINNED}),
    ("billing explain", FIGURE),
    ("billing explain", {**FIGURE, "mode": "day_peak"}),
    ("billing explain", {**FIGURE, "seat_type": NO_SEATS}),
    ("billing idle", {**ACME, **AT}),
    ("billing periods", {**ACME, **PINNED}),
    ("billing policy", {**ACME, **PINNED}),
    ("catalogue list", PINNED),
    ("event list", PINNED),
    ("event list", {**ACME, **PINNED, "type": HOLDINGS, "last": "2"}),
    ("event replay", {**ACME, **PINNED}),
    ("event show", {"position": "70", **PINNED}),
    ("export", {"what": "journal", **PINNED}),
    ("export", {"what": "holdings", **PINNED}),
    ("finding list", {"all": "true", **PINNED}),
    ("invoice list", PINNED),
    ("invoice reproduce", {"invoice": INVOICE}),
    ("invoice show", {"invoice": INVOICE}),
    ("price history", PINNED),
    ("price list", {**ACME, **AT}),
    ("seat history", {**ACME, **AT, "seat": f"{PRO}#1", "with_reversed": "true"}),
    ("seat list", {**ACME, **AT}),
    ("seat who", {**ACME, **AT, "seat": f"{PRO}#1"}),
    ("seat who", {**ACME, **PINNED, "user": "ann", "during": "2025"}),
    ("user access", {**ACME, **AT, "user": "ann", "seat_type": PRO}),
    ("user find", {"text": "ann", **AT}),
    ("user history", {**ACME, **PINNED, "user": "ann"}),
    ("user list", {**ACME, **AT}),
]  # fmt: skip


def path_of(words: str) -> str:
    return "/v1/" + words.replace(" ", "/")


def words_of(command: str, params: dict[str, Any]) -> list[str]:
    """The same question as the command line takes it."""
    endpoint = endpoints()[path_of(command)]
    words = command.split()
    for name, param in endpoint.params.items():
        fields = params.get(name, [])
        for text in fields if isinstance(fields, list) else [fields]:
            if isinstance(param, click.Argument):
                words.append(text)
            elif getattr(param, "is_flag", False):
                words.append(param.opts[0])
            else:
                words += [param.opts[0], text]
    return words


@pytest.mark.parametrize(("command", "params"), QUESTIONS)
def test_an_answer_is_the_command_lines_in_every_form(
    program: Program, api: Client, command: str, params: dict[str, Any]
) -> None:
    for form in ("json", "jsonl", "csv"):
        done = program.run(*words_of(command, params), "--format", form)
        assert done.status == 0, done.err
        answered = api.ask(path_of(command), **params, format=form)
        assert answered.status == 200, answered.text
        if "as_of" in params or "as_of" not in endpoints()[path_of(command)].params:
            assert answered.text == done.out
        if form == "json":
            schemas = {"components": document()["components"]}
            name = endpoints()[path_of(command)].operation_id.title().replace("_", "")
            schema = {"$ref": f"#/components/schemas/{name}", **schemas}
            jsonschema_rs.validate(schema, answered.json())
            known_at = answered.json()["known_at"]["position"]
            assert answered.headers["Seat-Ledger-Position"] == str(known_at)


def test_every_question_of_the_command_line_has_an_address() -> None:
    context = click.Context(command_line)
    reading, files = set(), set()

    def leaves(command: click.Command, words: str) -> None:
        if isinstance(command, click.Group):
            for name, inner in command.commands.items():
                leaves(inner, f"{words} {name}")
        elif ReadingFunction.of(command) is not None:
            reading.add(words)
            if any(
                p.required and isinstance(p.type, click.Path) for p in command.params
            ):
                files.add(words)

    for name in COMMANDS:
        command = command_line.get_command(context, name)
        assert command is not None
        leaves(command, name)
    assert files == {"invoice audit", "report"}
    assert {e.words for e in endpoints().values()} == reading - files
    assert {command for command, _ in QUESTIONS} == reading - files


def test_the_description_in_the_repository_is_that_of_the_program(api: Client) -> None:
    stored = (ROOT / "cli/api/openapi.json").read_text("utf-8")
    assert stored == document_text(), "run scripts/reference"
    assert api.ask("/openapi.json").text == stored


def test_a_parameter_means_what_its_option_means(api: Client) -> None:
    who = path_of("seat who")
    seat = {"seat": f"{PRO}#1", **ACME}
    assert api.ask(who, **seat, as_of="last march").status == 200
    assert api.ask(who, **seat, as_of="-x").problem() == (400, "invalid_input")
    late = api.ask(path_of("event list"), late="false", limit="1").json()["rows"]
    assert [row["position"] for row in late] == [1]
    assert len(api.ask(path_of("event list"), late="1").json()["rows"]) > 0


@pytest.mark.parametrize(
    ("path", "params", "problem"),
    [
        ("seat who", {**ACME, "seat": "x"}, (400, "invalid_input")),
        ("seat who", {**ACME}, (400, "invalid_input")),
        ("seat who", {"seat": f"{PRO}#1"}, (400, "invalid_input")),
        ("seat who", {**ACME, "seat": f"{PRO}#999"}, (404, "seat_not_found")),
        ("seat who", {"seat": f"{PRO}#1", "account": "no"}, (404, "account_not_found")),
        ("seat list", {**ACME, "acount": "acme"}, (400, "invalid_input")),
        ("seat list", {"account": ["acme", "acme"]}, (400, "invalid_input")),
        ("seat list", {**ACME, "format": "xml"}, (400, "invalid_input")),
        ("seat list", {**ACME, "known_at": "9999"}, (422, "position_beyond_head")),
        ("seat list", {**ACME, "as_of": "x\x00"}, (400, "invalid_input")),
        ("seat list", {**ACME, "as_of": "9" * 3000}, (400, "invalid_input")),
        ("event list", {"limit": "many"}, (400, "invalid_input")),
        ("event list", {"from_position": "-1"}, (400, "invalid_input")),
        ("event list", {"late": "perhaps"}, (400, "invalid_input")),
        ("event list", {"output": "/etc/passwd"}, (400, "invalid_input")),
        ("export", {"what": "journal", "output": "/tmp/x.csv"}, (400, "invalid_input")),
        ("billing counts", {}, (400, "invalid_input")),
        ("billing counts", {**ACME, "period": "1999-01"}, (404, "unknown_period")),
        ("seat buy", ACME, (404, "no_such_address")),
        ("invoice audit", {"file": "/etc/passwd"}, (405, "method_not_allowed")),
        ("no such", {}, (404, "no_such_address")),
    ],
)  # fmt: skip
def test_a_question_that_cannot_be_answered_is_a_problem(
    api: Client, path: str, params: dict[str, Any], problem: tuple[int, str]
) -> None:
    answered = api.ask(path_of(path), **params)
    assert answered.problem() == problem
    kind = answered.json()["type"]
    assert problem[1] in api.ask(kind).text


def test_requests_that_are_no_questions_are_refused(api: Client) -> None:
    path = path_of("account list")
    assert api.send("POST", path).problem() == (405, "method_not_allowed")
    assert api.send("GET", path, b"x").problem() == (413, "body_not_allowed")
    assert api.send("GET", path + "?" + "a" * 9000).problem()[0] in {414, 400}
    assert api.send("GET", path, Host="evil.test").problem() == (403, "not_admitted")
    assert api.send("GET", path, Host="localhost").status == 200
    assert api.send("HEAD", path).text == ""


def test_the_servers_environment_answers_nobody(
    api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEAT_LEDGER_ACCOUNT", "acme")
    assert api.ask(path_of("account show")).problem() == (400, "invalid_input")
    assert api.ask(path_of("seat list")).problem() == (400, "invalid_input")


def test_an_answer_has_a_tag_that_changes_with_what_is_recorded(
    program: Program, api: Client
) -> None:
    path = path_of("seat list") + "?account=acme"
    pinned = f"{path}&known_at=80&as_of=2025-05-01"
    first = api.send("GET", pinned)
    assert not first.headers["ETag"].startswith("W/")
    again = api.send("GET", pinned, If_None_Match=first.headers["ETag"])
    assert (again.status, again.text) == (304, "")
    assert again.headers["ETag"] == first.headers["ETag"]
    for moving in (path, f"{path}&known_at=80&as_of=today", f"{path}&known_at=80"):
        assert api.send("GET", moving).headers["ETag"].startswith("W/"), moving
    bought = {"op": "buy_seats", "account": "acme", "seat_type": PRO, "quantity": 1}
    program.record(bought | {"effective_at": "2025-09-01"})
    program.json("account", "list")  # catches up
    later = api.send("GET", pinned, If_None_Match=first.headers["ETag"])
    assert (later.status, later.text) == (200, first.text)
    assert later.headers["ETag"] != first.headers["ETag"]


def test_a_tag_is_of_no_other_story_with_the_same_position(
    program: Program, api: Client
) -> None:
    """An older store that was restored gives positions again."""
    pinned = path_of("seat list") + "?account=acme&known_at=80&as_of=2025-05-01"
    tag = api.send("GET", pinned).headers["ETag"]
    with psycopg.connect(program.conninfo, autocommit=True) as connection:
        connection.execute(
            "UPDATE projection.generation SET moved_at = clock_timestamp()"
        )
    assert api.send("GET", pinned, If_None_Match=tag).status == 200


@pytest.mark.parametrize(
    ("path", "params", "words"),
    [
        ("export", {"what": "seats"}, "The value of 'what': 'seats' is not one of"),
        ("event list", {"last": "true"}, "The value of 'last': 'true' is not a whole"),
        ("event list", {"limit": "-1"}, "The value of 'limit': -1 is not in"),
        ("seat list", {**ACME, "known_at": "99999"}, "omit known_at"),
        ("billing counts", {}, "Name an account, or use all."),
        ("seat list", {**ACME, "as_of": "9" * 3000}, "has 3,000 characters"),
        ("user find", {"text": "a\x01"}, "The value of 'text' has a character"),
    ],
)
def test_a_problem_speaks_of_parameters(
    api: Client, path: str, params: dict[str, Any], words: str
) -> None:
    answered = api.ask(path_of(path), **params)
    answered.problem()
    document = answered.json()
    assert words in f"{document['detail']} {document['try']}"


def test_the_page_needs_nothing_from_elsewhere(api: Client) -> None:
    page = api.ask("/").text
    assert "<script" not in page
    assert re.findall(r'(?:src|href)="(?!#|/)', page) == []
    for endpoint in endpoints().values():
        assert f"GET {endpoint.path}<" in page
    assert "text/css" in api.ask("/static/api.css").headers["Content-Type"]


def test_the_server_says_how_it_is(api: Client) -> None:
    assert api.ask("/healthz").text == "ok\n"
    assert api.ask("/readyz").text == "ready\n"
    with serving("host=/nonexistent dbname=x") as lost:
        assert lost.ask("/healthz").status == 200
        assert lost.ask("/readyz").problem() == (503, "database_unreachable")
        answered = lost.ask(path_of("account list"))
        assert answered.problem() == (503, "database_unreachable")
        assert answered.headers["Retry-After"]
        assert "nonexistent" not in answered.text


def test_with_redact_nobody_is_named(program: Program) -> None:
    with serving(program.conninfo, redact=True, gate=Gate()) as client:
        for command, params in QUESTIONS:
            text = client.ask(path_of(command), **params).text
            assert "Jansen" not in text, command
            assert "ann@" not in text, command


def test_the_log_has_a_line_for_each_request_without_its_query(api: Client) -> None:
    api.forget()
    api.ask(path_of("user find"), text="ann")
    facts = api.logged()
    assert (facts["path"], facts["status"]) == ("/v1/user/find", 200)
    assert "ann" not in json.dumps(facts)


def test_every_code_is_explained_at_its_address(api: Client) -> None:
    for code in (*REFUSALS, *OF_HTTP, "invalid_input", "conflict", "busy"):
        explained = api.ask(f"/problems/{code}")
        assert explained.status == 200
        assert explained.text.startswith(f"{code}: ")
    assert api.ask("/problems/<b>").problem() == (404, "no_such_address")
