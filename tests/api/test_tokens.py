"""Tokens: whoever has none of this ledger learns nothing, and of what it may not see
there is no sign.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest

from seat_ledger.cli.api.admission import RateLimit
from seat_ledger.cli.api.problems import HttpProblem
from seat_ledger.cli.console.access import Gate
from seat_ledger.store.tokens import TokenRegister, digest_of
from tests.api.api_server import Client, Replied, serving
from tests.api.test_reading import QUESTIONS, path_of
from tests.console.served import HOSTILE_KEY
from tests.in_process import Program
from tests.support.waiting import drop_login

BILLING = ("--actor", "system:billing", "--role", "reader")


def create(program: Program, *words: str) -> dict[str, Any]:
    (row,) = program.json("token", "create", *words)["rows"]
    return row


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def closed(program: Program) -> Iterator[Client]:
    """A server that answers nobody without a token."""
    with serving(program.conninfo, needs_token=True) as client:
        yield client


def test_a_token_asks_as_its_actor(program: Program, closed: Client) -> None:
    row = create(program, *BILLING)
    path = path_of("account list")
    answered = closed.ask(path)
    assert answered.problem() == (401, "token_required")
    assert answered.headers["WWW-Authenticate"] == "Bearer"
    assert closed.logged()["actor"] is None
    assert closed.send("GET", path, **bearer(row["token"])).status == 200
    assert closed.logged()["actor"] == "system:billing"


def test_the_store_has_a_digest_and_nothing_that_works(
    program: Program, shared_database: str
) -> None:
    row = create(program, *BILLING)
    listed = program.run("token", "list", "--format", "json").out
    assert row["token"] not in listed
    assert row["token_id"] in listed
    with psycopg.connect(shared_database) as connection:
        stored = connection.execute(
            "SELECT digest, t::text FROM ledger.api_token AS t WHERE token_id = %s",
            [row["token_id"]],
        ).fetchone()
    assert stored is not None
    assert stored[0] == digest_of(row["token"])
    assert row["token"][-43:] not in stored[1]


def test_what_is_no_token_is_none(program: Program, closed: Client) -> None:
    token = create(program, *BILLING)["token"]
    path = path_of("account list")
    other = token[:-1] + ("A" if token[-1] != "A" else "B")
    wrong = [token[:-1], token + "x", other, f"slt_{'0' * 12}_{token[17:]}", "", "é"]
    for text in wrong:
        headers = {"Authorization": f"Bearer {text}".encode().decode("latin-1")}
        assert closed.send("GET", path, **headers).problem() == (401, "token_invalid")
    for header in (token, f"Basic {token}", f"Token {token}"):
        answered = closed.send("GET", path, Authorization=header)
        assert answered.problem() == (401, "token_invalid")


def test_a_token_that_ended_or_was_revoked_works_no_longer(
    program: Program, closed: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seat_ledger.store.tokens.REMEMBERED", 0.0)
    path = path_of("account list")
    revoked = create(program, *BILLING)
    assert closed.send("GET", path, **bearer(revoked["token"])).status == 200
    assert program.json("token", "revoke", revoked["token_id"])["rows"][0]["revoked"]
    ended = create(program, *BILLING, "--ends", "2999-01-01")
    with psycopg.connect(program.conninfo) as connection:
        connection.execute(
            "UPDATE ledger.api_token SET ends_at = now() - interval '1 s' "
            "WHERE token_id = %s",
            [ended["token_id"]],
        )
    for row in (revoked, ended):
        answered = closed.send("GET", path, **bearer(row["token"]))
        assert answered.problem() == (401, "token_invalid")
    states = {r["token_id"]: r["state"] for r in program.json("token", "list")["rows"]}
    assert states[revoked["token_id"]] == "revoked"
    assert states[ended["token_id"]] == "ended"
    again = program.json("token", "revoke", revoked["token_id"])["rows"]
    assert again == [{"token_id": revoked["token_id"], "revoked": False}]


def test_a_revoked_token_is_recognised_for_two_seconds_at_most(
    program: Program,
) -> None:
    moments = iter([0.0, 1.9, 2.1])
    register = TokenRegister(program.conninfo, clock=lambda: next(moments))
    row = create(program, *BILLING)
    assert register.find(row["token"]) is not None
    assert register.recall(row["token"])[0]
    assert not register.recall(row["token"])[0]
    register.close()


def test_a_token_in_an_address_is_refused_and_not_logged(
    program: Program, closed: Client
) -> None:
    token = create(program, *BILLING)["token"]
    closed.forget()
    encoded = token.replace("_", "%5F")
    for path in (
        f"/v1/account/list?token={token}",
        f"/v1/account/list?x={encoded}",
        f"/v1/{token}",
        f"/v1/{encoded}",
    ):
        answered = closed.send("GET", path, **bearer(token))
        assert answered.problem() == (400, "token_in_address")
        assert token not in answered.text
    closed.send("GET", "/v1/account/list", **bearer(token[:-1]))
    facts = [closed.logged() for _ in range(5)]
    assert token[:-1] not in json.dumps(facts)


def test_of_other_accounts_there_is_no_sign(program: Program, closed: Client) -> None:
    headers = bearer(create(program, *BILLING, "--account", "acme")["token"])
    for command, params in QUESTIONS:
        query = urlencode(params, doseq=True)
        answered = closed.send("GET", f"{path_of(command)}?{query}", **headers)
        if params.get("account", "acme") == "acme":
            assert answered.status == 200, (command, answered.text)
            assert accounts_in(answered.json()) <= {"acme"}, command
        else:
            assert answered.problem() == (404, "account_not_found")
        assert "zed" not in answered.text, command

    def ask(path: str) -> Replied:
        return closed.send("GET", f"/v1/{path}", **headers)

    assert ask("event/show?position=2").problem() == (404, "entry_not_found")
    assert ask("event/show?position=9999").problem() == (404, "entry_not_found")
    assert ask("user/find?text=zed").json()["rows"] == []
    same = ask("seat/list?account=acme&known_at=80&as_of=2025-05-01").text
    moments = ("--known-at", "80", "--as-of", "2025-05-01")
    words = ("seat", "list", "-a", "acme", *moments, "--format", "json")
    assert same == program.run(*words).out


def accounts_in(value: Any) -> set[str]:
    """Every account that a document names."""
    if isinstance(value, list):
        return set().union(*map(accounts_in, value))
    if not isinstance(value, dict):
        return set()
    own = {value[name] for name in ("account", "account_key") if value.get(name)}
    return own.union(*map(accounts_in, value.values()))


def test_one_readers_accounts_are_not_the_next_ones(
    program: Program, closed: Client
) -> None:
    acme = create(program, *BILLING, "--account", "acme")["token"]
    other = create(program, *BILLING, "--account", HOSTILE_KEY)["token"]
    nobody = create(program, *BILLING, "--account", "nobody")["token"]
    for _ in range(3):
        for token, expected in (
            (acme, {"acme"}),
            (other, {HOSTILE_KEY}),
            (nobody, set()),
        ):
            answered = closed.send("GET", path_of("account list"), **bearer(token))
            assert {row["account"] for row in answered.json()["rows"]} == expected


def test_only_who_may_read_everything_may_name_accounts(program: Program) -> None:
    """A login that reads single accounts cannot widen them by the server's setting."""
    with psycopg.connect(program.conninfo, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS t_api_narrow")
        connection.execute("CREATE ROLE t_api_narrow LOGIN")
        connection.execute("GRANT seat_ledger_account_reader TO t_api_narrow")
    narrow = program.conninfo.replace("user=seat_ledger", "user=t_api_narrow")
    assert narrow != program.conninfo
    try:
        with psycopg.connect(narrow, autocommit=True) as connection:
            connection.execute("SET ROLE seat_ledger_account_reader")
            connection.execute(
                "SELECT set_config('seat_ledger.accounts', "
                "'{' || gen_random_uuid() || '}', false)"
            )
            row = connection.execute("SELECT ledger.readable_accounts()").fetchone()
            assert row == ([],)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("SELECT FROM ledger.api_token")
    finally:
        with psycopg.connect(program.conninfo, autocommit=True) as connection:
            connection.execute("DROP OWNED BY t_api_narrow")
            drop_login(connection, "t_api_narrow")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--actor", "user:ann", "--role", "reader"), "invalid_input"),
        (("--actor", "ann", "--role", "reader"), "invalid_input"),
        (("--actor", "system:", "--role", "reader"), "invalid_input"),
        (("--actor", "system:x", "--role", "king"), "usage"),
        ((*BILLING, "--ends", "2001-01-01"), "invalid_input"),
        ((*BILLING, "--account", "a b"), "invalid_input"),
    ],
)
def test_a_token_that_cannot_be_is_refused(
    program: Program, words: tuple[str, ...], code: str
) -> None:
    program.refused(code, "token", "create", *words, status=2)


def test_a_token_of_an_account_that_is_not_there_says_so(program: Program) -> None:
    """It may be opened later; and it may be a slip."""
    done = program.run("token", "create", *BILLING, "-a", "acme", "-a", "acmee")
    assert "no account 'acmee' yet" in done.out + done.err
    assert "'acme' yet" not in done.out + done.err


def test_of_an_account_that_is_not_there_a_token_learns_no_others(
    program: Program, closed: Client
) -> None:
    headers = bearer(create(program, *BILLING, "--account", "acmee")["token"])
    answered = closed.send("GET", "/v1/seat/list?account=acmee", **headers)
    assert answered.problem() == (404, "account_not_found")
    assert "'acme'" not in answered.text


def test_a_token_that_is_not_there_cannot_be_revoked(program: Program) -> None:
    program.refused("token_not_found", "token", "revoke", "nothing")


def test_too_many_requests_are_ordered_to_wait(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one that sends tokens that are none, too; a good one still comes through."""
    monkeypatch.setattr("seat_ledger.cli.api.admission.FAILURES_A_SECOND", 0.5)
    token = create(program, *BILLING)["token"]
    path = path_of("catalogue list")
    with serving(program.conninfo, rate=1) as client:
        limited = next(a for a in (client.ask(path) for _ in range(500))
                       if a.status == 429)  # fmt: skip
        assert limited.problem() == (429, "too_many_requests")
        assert limited.headers["Retry-After"] == "1"
        wrong = (client.send("GET", path, **bearer("slt_x")) for _ in range(500))
        assert any(answered.status == 429 for answered in wrong)
        assert client.send("GET", path, **bearer(token)).status == 200


def test_a_limit_lets_so_many_through_each_second() -> None:
    limit = RateLimit(10)
    for _ in range(20):
        limit.take("a", 0.0)
    with pytest.raises(HttpProblem):
        limit.take("a", 0.0)
    limit.take("b", 0.0)
    for _ in range(10):
        limit.take("a", 1.0)
    with pytest.raises(HttpProblem):
        limit.take("a", 1.0)


def test_a_trusted_proxy_stays_the_only_one_that_is_served(program: Program) -> None:
    token = create(program, *BILLING)["token"]
    gate = Gate((ipaddress.ip_network("192.0.2.1"),))
    with serving(program.conninfo, gate=gate) as client:
        path = path_of("account list")
        assert client.ask(path).problem() == (403, "not_admitted")
        answered = client.send("GET", path, **bearer(token))
        assert answered.problem() == (403, "not_admitted")
