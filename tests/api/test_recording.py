"""Commands by HTTP: what is recorded, repeated, refused, and by whom."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import psycopg
import pytest

from seat_ledger.cli.api import recording
from seat_ledger.cli.api.openapi import document
from seat_ledger.cli.api.recording import LONGEST_BODY
from seat_ledger.cli.options.session import Session
from tests.api.api_server import Client, serving
from tests.in_process import Program
from tests.program import PRO
from tests.support.waiting import AT_MOST, wait_for_end

OPEN = {
    "op": "open_account",
    "name": "Bolt",
    "time_zone": "Europe/Amsterdam",
    "term_start": "2025-03-05",
    "term_months": 12,
    "billing_cycle_months": 1,
}
LONGEST_HEAD = 1 << 16
BUY = {"op": "buy_seats", "account": "acme", "seat_type": PRO, "quantity": 1}
ANN = {"op": "assign_seat", "account": "acme", "user": "ann", "seat_type": PRO}


def token(program: Program, *words: str, role: str = "writer") -> str:
    words = ("--actor", "system:provisioning", "--role", role, *words)
    (row,) = program.json("token", "create", *words)["rows"]
    return str(row["token"])


@pytest.fixture(scope="module")
def writing(program: Program) -> Iterator[Client]:
    """A server that records, and a client with a token that may."""
    with serving(program.conninfo, writes=True, rate=100_000) as client:
        client.headers = {"Authorization": f"Bearer {token(program)}"}
        yield client


def test_a_lost_connection_is_the_databases_wherever_it_is_lost(
    writing: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(_session: Session) -> None:
        raise psycopg.errors.AdminShutdown("terminating connection")

    assert writing.post(BUY).status == 201
    with monkeypatch.context() as patch:
        patch.setattr(recording, "ASIDE_AGE", -1.0)
        patch.setattr(Session, "set_aside", lost)
        answer = writing.post(BUY)
    assert (answer.status, answer.json()["code"]) == (503, "database_unreachable")


def count(program: Program) -> int:
    return len(program.json("event", "list")["rows"])


def test_a_command_is_recorded_once_and_in_the_tokens_name(
    program: Program, writing: Client
) -> None:
    first = writing.post(BUY, Idempotency_Key="order-1")
    assert first.status == 201, first.text
    again = writing.post(BUY, Idempotency_Key='"order-1"')
    assert again.status == 200
    assert (first.json()["repeated"], again.json()["repeated"]) == (False, True)
    assert again.json()["positions"] == first.json()["positions"]
    (position,) = first.json()["positions"]
    (event,) = program.json("event", "show", str(position))["rows"]
    assert (event["event"], event["actor"]) == ("SeatPurchased", "system:provisioning")
    schema = {"$ref": "#/components/schemas/Recorded"}
    schemas = {"components": document()["components"]}
    for answered in (first, again):
        jsonschema_rs.validate({**schema, **schemas}, answered.json())


def test_the_document_is_that_of_the_command_line(
    program: Program, writing: Client
) -> None:
    words = ("seat", "buy", PRO, "1", "-a", "acme", "--dry-run", "--format", "json")
    done = program.run(*words, "--actor", "system:provisioning",
                       "--effective-at", "2025-10-01")  # fmt: skip
    before = count(program)
    tried = writing.post(
        {**BUY, "effective_at": "2025-10-01"}, "/v1/commands?dry_run=true"
    )
    assert (tried.status, tried.text) == (200, done.out)
    assert tried.json()["dry_run"]
    assert count(program) == before


def test_an_answer_says_what_is_recorded_whoever_asks_again(
    program: Program, writing: Client
) -> None:
    """Who it is about and who caused it, as the journal has it (R36, R73)."""
    zoe = {"op": "add_user", "account": "acme", "user": "zoe", "name": "Zoe",
           "email": "zoe@acme.example", "actor": None}  # fmt: skip
    assign = {"op": "assign_seat", "account": "acme", "user": "zoe", "seat_type": PRO,
              "buy_if_needed": True, "reason": "new"}  # fmt: skip
    another = f"Bearer {token(program, '--actor', 'system:another')}"
    for command, key in ((zoe, "zoe-1"), (assign, "zoe-2")):
        first = writing.post(command, Idempotency_Key=key).json()
        again = writing.post(command, Idempotency_Key=key, Authorization=another)
        assert (again.status, again.json()["rows"]) == (200, first["rows"])
        for row in first["rows"]:
            (event,) = program.json("event", "show", row["position"])["rows"]
            assert row["actor"] == event["actor"] == "system:provisioning"
            assert row["user"] == event["user"]
    program.json("user", "set-permissions", "zoe", "-a", "acme", "--account-access")
    words = ("user", "set-permissions", "zoe", "-a", "acme", "--super-admin",
             "--actor", "user:zoe", "--idempotency-key", "zoe-3")  # fmt: skip
    rows = [program.json(*words)["rows"] for _ in range(2)]
    assert rows[0] == rows[1]
    assert (rows[0][0]["user"], rows[0][0]["actor"]) == ("zoe", "user:zoe")


def test_the_same_key_with_another_command_is_a_conflict(writing: Client) -> None:
    assert writing.post(BUY, Idempotency_Key="order-2").status == 201
    other = writing.post({**BUY, "quantity": 2}, Idempotency_Key="order-2")
    assert other.problem() == (409, "idempotency_conflict")


def test_a_refusal_says_what_stands_in_the_way(writing: Client) -> None:
    refused = writing.post({**BUY, "op": "cancel_reduction"} | {"quantity": 1})
    assert refused.problem() == (400, "invalid_input")
    first = writing.post({**ANN, "user": "grace", "seat_type": "sales/starter"})
    assert first.problem()[0] == 422
    second = writing.post({**ANN, "user": "nobody"})
    assert second.problem() == (422, "user_not_found")
    refused = writing.post({"op": "reverse", "account": "acme", "entry": 3,
                            "reason": "x"})  # fmt: skip
    assert refused.problem() == (422, "reversal_blocked")
    assert refused.json()["entries"]
    assert writing.post({**BUY, "account": "no"}).problem() == (
        404,
        "account_not_found",
    )


def test_a_refusal_speaks_of_fields(writing: Client) -> None:
    reverse = {"op": "reverse", "account": "acme", "entry": 1}
    dear = {"op": "assign_seat", "account": "acme", "user": "ann"}
    dear |= {"seat_type": "sales/enterprise"}
    for command, advice in ((reverse, "give reason"), (dear, "buy_if_needed")):
        answered = writing.post(command)
        answered.problem()
        assert advice in answered.json()["try"]


def test_a_batch_is_one_step_and_names_its_lines(
    program: Program, writing: Client
) -> None:
    line = {"op": "assign_seat", "user": "ann", "seat_type": PRO,
            "effective_at": "2025-09-01"}  # fmt: skip
    left = {**line, "op": "unassign_seat", "effective_at": "2025-09-02"}
    batch = {"account": "acme", "reason": "a day", "commands": [line, left]}
    recorded = writing.post(batch, "/v1/batches")
    assert recorded.status == 201, recorded.text
    assert len(recorded.json()["positions"]) == 2
    before = count(program)
    both = {**batch, "commands": [{**line, "effective_at": "2025-09-03"}, line]}
    refused = writing.post(both, "/v1/batches")
    assert refused.problem()[0] == 422
    assert refused.json()["lines"]
    assert count(program) == before
    assert writing.post({**BUY}, "/v1/batches").problem() == (400, "invalid_input")


def test_an_invoice_is_issued_by_the_api_too(program: Program, writing: Client) -> None:
    prices = {PRO: "90.00", "service/starter": "9.00"}
    invoice = {"op": "issue_invoice", "account": "acme", "invoice": "A-1"}
    invoice |= {"period": "2025-04-05", "currency": "EUR"}
    issued = writing.post({**invoice, "unit_prices": prices})
    assert issued.status == 201, issued.text
    assert program.json("invoice", "reproduce", "A-1")["invoice"] == "A-1"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", (400, "invalid_input")),
        (b"{", (400, "invalid_input")),
        (b"[]", (400, "invalid_input")),
        (b"\xff\xfe{}", (400, "invalid_input")),
        (b'{"op": "renew", "account": "\xc3"}', (400, "invalid_input")),
        (b'{"op": "renew", "op": "renew", "account": "acme"}', (400, "invalid_input")),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, (400, "invalid_input")),
        (b'{"op": ["renew"], "account": {}}', (400, "invalid_input")),
        (b'{"op": "buy_seats", "account": "acme", "quantity": 1e400}',
         (400, "invalid_input")),
        (b'{"op": "renew", "account": "acme", "actor": ["x"]}', (403, "not_allowed")),
        (b'{"op": "renew", "account": "acme", "actor": "user:ann"}',
         (403, "not_allowed")),
        (b'{"op": "renew", "account": "acme", "expect": "refused"}',
         (400, "invalid_input")),
        (b'{"op": "erase_user", "account": "acme", "user": "ann", "reason": "x"}',
         (400, "invalid_input")),
        (b'{"op": "renew", "account": "acme", "reason": "%s"}' % (b"x" * LONGEST_BODY),
         (413, "body_too_large")),
    ],
)  # fmt: skip
def test_a_body_that_is_no_command_is_a_problem(
    writing: Client, body: bytes, problem: tuple[int, str]
) -> None:
    assert writing.post(body).problem() == problem


def test_what_is_no_request_to_record_is_refused(writing: Client) -> None:
    body = json.dumps(BUY).encode()
    wrong = writing.send("POST", "/v1/commands", body, Content_Type="text/csv")
    assert wrong.problem() == (415, "unsupported_media_type")
    assert writing.ask("/v1/commands").problem() == (405, "method_not_allowed")
    twice = writing.post({**BUY, "idempotency_key": "a"}, Idempotency_Key="b")
    assert twice.problem() == (400, "invalid_input")
    for query in ("dry_run=perhaps", "dry_run=1&dry_run=1", "dryrun=1"):
        answered = writing.post(BUY, f"/v1/commands?{query}")
        assert answered.problem() == (400, "invalid_input")


def test_a_body_of_a_hundred_megabytes_is_refused_before_it_is_read(
    writing: Client,
) -> None:
    """By its length where it names one, else as soon as it is too long."""
    start = (
        f"POST /v1/commands HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
        f"application/json\r\nAuthorization: {writing.headers['Authorization']}\r\n"
    )
    for framing in ("Content-Length: 100000000\r\n\r\n",
                    "Transfer-Encoding: chunked\r\n\r\n"):  # fmt: skip
        with socket.create_connection(
            ("127.0.0.1", writing.port), AT_MOST
        ) as connection:
            connection.sendall((start + framing).encode())
            if "chunked" in framing:
                part = b"10000\r\n" + b"x" * 65536 + b"\r\n"
                for _ in range(20):
                    try:
                        connection.sendall(part)
                    except OSError:
                        break
            assert connection.recv(4096).startswith(b"HTTP/1.1 413")


def exchanged(writing: Client, *lines: str, body: bytes, ends: bool) -> bytes:
    """The answer to a client that writes its own HTTP, and may say that it `ends`."""
    start = [
        "POST /v1/commands HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        f"Authorization: {writing.headers['Authorization']}",
        *lines,
    ]
    with socket.create_connection(("127.0.0.1", writing.port), AT_MOST) as connection:
        connection.sendall("\r\n".join([*start, "", ""]).encode() + body)
        if ends:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer


def test_a_body_of_two_lengths_is_refused_and_nothing_follows_it(
    program: Program, writing: Client
) -> None:
    """What a proxy could read as two requests is answered as one, and closed."""
    before = count(program)
    body = json.dumps(BUY).encode()
    chunked = b"%x\r\n%b\r\n0\r\n\r\nGET /v1/account/list HTTP/1.1\r\n\r\n"
    answer = exchanged(
        writing, "Transfer-Encoding: chunked", f"Content-Length: {len(body)}",
        body=chunked % (len(body), body), ends=False,
    )  # fmt: skip
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"length_unclear" in answer
    assert answer.count(b"HTTP/1.1") == 1
    assert count(program) == before


def test_a_client_that_ends_within_its_body_is_no_bug(writing: Client) -> None:
    writing.forget()
    exchanged(writing, "Content-Length: 100", body=b"{", ends=True)
    assert writing.logged()["status"] == 400
    answer = exchanged(
        writing, "Transfer-Encoding: chunked", body=b"zz\r\n", ends=False
    )
    assert b'"request_unreadable"' in answer
    assert writing.logged()["status"] == 400
    writing.settle()
    assert writing.log == []


@pytest.mark.parametrize(
    "sent",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nA B: c\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nA: ".ljust(LONGEST_HEAD + 1, b"x"),
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    ],
)
def test_what_is_no_http_request_is_a_problem_too(writing: Client, sent: bytes) -> None:
    answer = b""
    with socket.create_connection(("127.0.0.1", writing.port), AT_MOST) as connection:
        connection.sendall(sent)
        while part := connection.recv(65536):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"content-type: application/problem+json" in head.lower()
    assert b"x-content-type-options: nosniff" in head.lower()
    assert json.loads(body)["code"] == "request_unreadable"


def test_what_a_body_or_a_key_is_not_read_as_is_refused(writing: Client) -> None:
    zipped = writing.post(BUY, Content_Encoding="gzip")
    assert zipped.problem() == (415, "unsupported_media_type")
    plain = writing.post(BUY, Content_Encoding="identity", Idempotency_Key="plain")
    assert plain.status == 201
    assert writing.post(BUY, Idempotency_Key="\xe9").problem() == (400, "invalid_input")


def test_no_token_no_write(program: Program, writing: Client) -> None:
    before = count(program)
    mine = writing.headers
    try:
        writing.headers = {}
        assert writing.post(BUY).problem() == (401, "token_required")
        reader = token(program, role="reader")
        writing.headers = {"Authorization": f"Bearer {reader}"}
        assert writing.post(BUY).problem() == (403, "not_allowed")
        other = token(program, "--account", "bolt")
        writing.headers = {"Authorization": f"Bearer {other}"}
        assert writing.post(BUY).problem() == (404, "account_not_found")
        added = writing.post({"op": "add_seat_type", "seat_type": "x/y"})
        assert added.problem() == (403, "not_allowed")
        assert count(program) == before
        assert writing.post({**OPEN, "account": "bolt"}).status == 201
    finally:
        writing.headers = mine


def test_a_server_without_writes_does_not_record(program: Program, api: Client) -> None:
    key = {"Authorization": f"Bearer {token(program)}"}
    assert api.post(BUY, **key).problem() == (403, "writing_off")
    done = program.run("serve", "--allow-writes")
    assert done.status == 2
    assert "--api" in done.err


def test_of_many_who_want_the_last_seat_one_gets_it(
    program: Program, writing: Client
) -> None:
    """R30, by HTTP: the others are refused, and nobody is answered with a failure."""
    lines: list[dict[str, Any]] = [{**OPEN, "account": "rush"}]
    lines += [{**BUY, "account": "rush", "effective_at": "2025-03-05"}]
    lines += [
        {"op": "add_user", "account": "rush", "user": f"u{n}", "name": "U",
         "email": f"u{n}@rush.test", "effective_at": "2025-03-05"}
        for n in range(8)
    ]  # fmt: skip
    program.import_(lines)
    statuses: list[int] = []

    def assign(user: str) -> None:
        line = {**ANN, "account": "rush", "user": user, "effective_at": "2025-03-06"}
        statuses.append(writing.post(line).status)

    threads = [threading.Thread(target=assign, args=(f"u{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    wait_for_end(threads)
    assert sorted(statuses) == [201, *[422] * 7]
