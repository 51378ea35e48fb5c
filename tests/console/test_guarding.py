"""The console under those who mean ill or are many: names, lists, errors, slowness."""

from __future__ import annotations

import asyncio
import http.client
import ipaddress
import json
import queue
import re
import socket
import threading
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
import uvicorn
from program import PRO, Program
from served import HOSTILE_KEY, INVOICE, Answered, Console, Filled, filled, serving

from seat_ledger.cli.console.access import Gate, Refused, Visitor, host_of
from seat_ledger.cli.console.connections import HastyProtocol
from seat_ledger.cli.console.failures import MOST_FILES, BugFiles
from seat_ledger.cli.console.pages import PAGES
from seat_ledger.cli.console.queueing import Lane
from seat_ledger.cli.console.request import PageRequest
from seat_ledger.cli.output.i18n import words_of
from seat_ledger.cli.output.logs import logger
from seat_ledger.errors import NotFound
from seat_ledger.projections.engine.locks import APPEND_LOCK
from seat_ledger.projections.reader import Row
from seat_ledger.projections.reader.pool import Busy, PooledReader
from seat_ledger.store.connection import explained
from tests.support.waiting import AT_MOST, wait_for_end, wait_for_waiter, wait_until


@pytest.fixture(scope="module")
def written(shared_database: str) -> Filled:
    return filled(shared_database)


@pytest.fixture(scope="module")
def console(written: Filled) -> Iterator[Console]:
    with serving(written.conninfo, "--no-catch-up") as result:
        yield result


@pytest.fixture(scope="module")
def guarded(written: Filled) -> Iterator[Console]:
    options = ("--trusted-proxy", "127.0.0.1", "--accounts-header", "X-Accounts")
    named = ("--allowed-host", "Console.Example", "--no-catch-up")
    with serving(written.conninfo, *options, *named) as result:
        yield result


ALL = {"X-Forwarded-User": "auditor", "X-Accounts": "*"}


# -- by which name ------------------------------------------------------------------


def raw(console: Console, *lines: str) -> Answered:
    """A request as it is written, so that no client sets it right."""
    parts = urllib.parse.urlsplit(console.url)
    assert parts.hostname is not None
    with socket.create_connection((parts.hostname, parts.port or 0), 30) as sent:
        sent.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode())
        answer = http.client.HTTPResponse(sent)
        answer.begin()
        return Answered(answer.status, answer.read().decode(), answer.headers)


OTHER_NAMES = [
    "evil.example",
    "[::1].evil.example",
    "[::1]evil",
    "127.0.0.1.evil.example",
    "localhost.evil.example:80",
    "localhost:80@evil.example",
    "localhost:80:80",
    "localhost ",
    "local host",
    "",
]


@pytest.mark.parametrize("name", OTHER_NAMES)
@pytest.mark.parametrize("who", ["console", "guarded"])
def test_a_request_for_another_sites_name_is_refused(
    request: pytest.FixtureRequest, who: str, name: str
) -> None:
    result: Console = request.getfixturevalue(who)
    sent = [f"{key}: {value}" for key, value in ALL.items()]
    answer = raw(result, "GET /search?q=acme&go=1 HTTP/1.1", f"Host: {name}", *sent)
    if host_of(name.strip()) == "localhost":
        assert answer.status == 303
    else:
        assert answer.status in {400, 403}
        assert "acme" not in answer.text
        assert "Location" not in answer.headers


@pytest.mark.parametrize(
    "name", ["localhost", "LOCALHOST:80", "[::1]:80", "127.0.0.1", "console.example:9"]
)
def test_an_allowed_name_is_answered_and_redirects_stay_on_the_site(
    guarded: Console, name: str
) -> None:
    sent = [f"{key}: {value}" for key, value in ALL.items()]
    answer = raw(guarded, "GET /search?q=acme&go=1 HTTP/1.1", f"Host: {name}", *sent)
    assert answer.status == 303
    assert answer.headers["Location"] == "/account?account=acme"


def test_a_whole_address_is_asked_by_its_path_and_its_own_host(
    guarded: Console,
) -> None:
    """As whoever thinks this is a proxy writes it (RFC 9112, 3.2.2)."""
    sent = [f"{key}: {value}" for key, value in ALL.items()]
    for base, host, status in (
        ("http://console.example:9", "evil.example", 303),
        ("HTTP://LOCALHOST", "evil.example", 303),
        ("http://evil.example", "localhost", 403),
        ("http://localhost@evil.example", "localhost", 403),
        ("http://", "localhost", 403),
        ("ftp://localhost", "localhost", 404),
    ):
        asked = f"GET {base}/search?q=acme&go=1 HTTP/1.1"
        assert raw(guarded, asked, f"Host: {host}", *sent).status == status, base


@pytest.mark.parametrize("path", ["/seat/", "//evil.example/", "/\\evil.example", "/."])
def test_no_address_leads_to_another_site(console: Console, path: str) -> None:
    answer = raw(console, f"GET {path}?lang=en HTTP/1.1", "Host: localhost")
    assert answer.status == 404
    assert "Location" not in answer.headers
    for link in re.findall(r'(?:href|action)="([^"]*)"', answer.text):
        assert re.match(r"(/[a-z]|#)", link), link


def test_two_names_at_once_are_none(console: Console) -> None:
    host = "Host: localhost"
    assert raw(console, "GET / HTTP/1.1", host, host).status in {400, 403}
    assert raw(console, "GET / HTTP/1.0").status == 403


def test_a_question_with_a_body_is_refused(console: Console) -> None:
    host, body = "Host: localhost", "Content-Length: 1000000000"
    assert raw(console, "GET / HTTP/1.1", host, body).status == 413


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "OPTIONS"])
@pytest.mark.parametrize(
    "body",
    [
        ("Content-Length: 4", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Content-Length: 4"),
        ("Transfer-Encoding: chunked",),
        ("Content-Length: 5",),
    ],
)
def test_nothing_behind_a_body_is_taken_for_another_request(
    console: Console, method: str, body: tuple[str, ...]
) -> None:
    host = "Host: localhost"
    lines = [f"{method} / HTTP/1.1", host, *body, "", "0", ""]
    lines += ["GET /smuggled HTTP/1.1", host, "", ""]
    parts = urllib.parse.urlsplit(console.url)
    place = (parts.hostname or "", parts.port or 0)
    with socket.create_connection(place, timeout=AT_MOST) as sent:
        sent.sendall("\r\n".join(lines).encode())
        answers = b"".join(iter(lambda: sent.recv(65536), b""))
    assert answers.count(b"HTTP/1.1 ") == 1
    assert answers.startswith((b"HTTP/1.1 405 ", b"HTTP/1.1 413 ", b"HTTP/1.1 400 "))


# -- which accounts -------------------------------------------------------------------


def allowed(value: str) -> frozenset[str] | None:
    """The accounts that a header allows, as bytes on the wire are read."""
    headers = {"host": ["localhost"], "X-Forwarded-User": ["ann"], "X-A": [value]}
    proxy = ipaddress.ip_network("127.0.0.1")
    gate = Gate((proxy,), accounts_header="X-A")
    return gate.admit("127.0.0.1", lambda name: headers[name]).accounts


@pytest.mark.parametrize(
    ("value", "accounts"),
    [
        ("*", None),
        ("", frozenset()),
        ("acme", {"acme"}),
        ("acme  globex", {"acme", "globex"}),
        ("%2A", {"*"}),
        ("a%20b%C3%A9", {"a bé"}),
        ("a+b", {"a+b"}),
    ],
)
def test_the_accounts_of_a_header(value: str, accounts: set[str] | None) -> None:
    assert allowed(value) == accounts


@pytest.mark.parametrize(
    "value",
    [
        "acme *",
        "* *",
        "\xa0*",
        "acme\xa0globex",
        "acme\tglobex",
        "é",
        "%",
        "%zz",
        "%FF",
    ],
)
def test_a_header_that_is_not_encoded_lets_nobody_in(value: str) -> None:
    with pytest.raises(Refused, match="accounts"):
        allowed(value)


class Counting(PooledReader):
    """A reader that keeps how many rows each of its statements gave."""

    def run(self, statement: bytes, fields: Any) -> Iterator[Row]:
        rows = list(super().run(statement, fields))
        self.counts = [*getattr(self, "counts", []), (statement, len(rows))]
        yield from rows


def test_what_may_not_be_seen_costs_as_much_as_what_is_not_there(
    written: Filled,
) -> None:
    """The same statements, and not a row more: else the time would tell of it."""
    visitor = Visitor("ann", frozenset({HOSTILE_KEY}))
    cases = [
        ("invoice", {"invoice": INVOICE}, {"invoice": "INV/8 <i>"}),
        ("audit", {"invoice": INVOICE}, {"invoice": "INV/8 <i>"}),
        ("event", {"position": "3"}, {"position": "900"}),
        ("account", {"account": "acme"}, {"account": "acne"}),
        (
            "user",
            {"account": "acme", "user": "ann"},
            {"account": "acne", "user": "ann"},
        ),
        ("search", {"q": INVOICE}, {"q": "INV/8 <i>"}),
        ("search", {"q": "#3"}, {"q": "#900"}),
        ("search", {"q": "acme/ann"}, {"q": "acne/ann"}),
        ("search", {"q": "acme ann"}, {"q": "acne ann"}),
    ]
    for page, hidden, absent in cases:
        work = []
        for params in (hidden, absent):
            reader = Counting(written.conninfo)
            reader.counts = []
            query = PageRequest(reader, params, words_of("en"), visitor, "json")
            with suppress(NotFound):
                assert not list(PAGES[page](query).answer.rows)
            work.append(reader.counts)
            reader.connection.close()
        assert work[0] == work[1], (page, hidden)


# -- what the database says -----------------------------------------------------------

STATES = sorted(
    {
        kind.sqlstate
        for kind in vars(psycopg.errors).values()
        if isinstance(kind, type)
        and issubclass(kind, psycopg.Error)
        and kind.sqlstate
        and re.fullmatch("[0-9A-Z]{5}", kind.sqlstate)
    }
)
OURS = re.compile("(2[0-9A-F]|07|09|0B|0L|0P|3[489]|3B|42|44)...")
"""What says that a statement or a value is wrong."""
STILL_THEIRS = (
    *("22021", "22P05", "25006", "25P03", "25P04", "26000", "28000", "28P01", "2BP01"),
    *("42501", "42703", "42704", "42883", "42P01"),
)


def test_every_error_of_the_server_is_a_sentence(shared_database: str) -> None:
    assert len(STATES) > 200
    mute = []
    with psycopg.connect(shared_database, autocommit=True) as connection:
        for state in [*STATES, "ZZ999", "P0001"]:
            try:
                connection.execute(
                    "DO $$ BEGIN RAISE EXCEPTION 'as planted' "
                    f"USING ERRCODE = '{state}'; END $$"
                )
            except psycopg.Error as error:
                report = explained(shared_database, error)
                if report is None:
                    mute.append(state)
                else:
                    assert "as planted" in report.message or state == "25006"
                    assert report.exit_code != 70
    assert all(OURS.fullmatch(state) for state in mute)
    assert not set(mute) & set(STILL_THEIRS)


RAISING = """
CREATE TABLE public.planted (state text);
INSERT INTO public.planted VALUES ('00000');
CREATE FUNCTION public.raising() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE chosen text := (SELECT state FROM public.planted);
BEGIN
    IF chosen <> '00000' THEN
        RAISE EXCEPTION 'planted in %', chosen USING ERRCODE = chosen;
    END IF;
    RETURN true;
END $$;
ALTER TABLE projection.generation RENAME TO generation_behind;
CREATE VIEW projection.generation AS
    SELECT * FROM projection.generation_behind WHERE public.raising();
GRANT SELECT ON projection.generation TO PUBLIC;
"""


@contextmanager
def planted(conninfo: str) -> Iterator[psycopg.Connection[Any]]:
    """A database whose answers can be made to fail in any way."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(RAISING)
        yield connection


TRIED = (
    "53300",
    "57014",
    "25006",
    "42501",
    "53100",
    "42703",
    "XX001",
    "40P01",
    "ZZ999",
)


def test_an_error_of_the_database_is_a_page_and_no_file(
    database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with serving(database, "--no-catch-up") as result, planted(database) as other:
        for state in TRIED:
            other.execute("UPDATE public.planted SET state = %s", [state])
            page, twin = result.get("accounts"), result.get("accounts.csv")
            assert page.status == twin.status == (500 if state == "XX001" else 503)
            assert "<h1>" in page.text
            assert "planted in" not in page.text + twin.text or state == "XX001"
            assert json.loads(twin.text)["type"] == "error"
            if page.status == 503:
                assert page.headers["Retry-After"] == twin.headers["Retry-After"]
        assert not list(tmp_path.iterdir())
        wait_until(lambda: any("planted in 53300" in line for line in result.log))
        other.execute("UPDATE public.planted SET state = '42601'")
        for _ in range(5):
            assert result.get("accounts").status == 500
            assert result.get("accounts.json").status == 500
        assert len(list(tmp_path.iterdir())) <= 2
        other.execute("UPDATE public.planted SET state = '00000'")
        assert result.get("accounts").status == 200


def test_an_error_of_the_database_ends_a_command_with_a_sentence(database: str) -> None:
    with planted(database) as other:
        for state in TRIED:
            other.execute("UPDATE public.planted SET state = %s", [state])
            done = Program(database).run("account", "list")
            assert done.returncode not in {0, 70}, (state, done.stderr)
            assert done.stderr.startswith("Error: ")
            if state == "25006":
                assert "can only be read" in done.stderr
            elif state == "42703":
                assert done.returncode == 12
            else:
                assert f"planted in {state}" in done.stderr


def test_tracebacks_are_few_whatever_is_raised(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    message: list[dict[str, Any]] = []
    bugs = BugFiles(lambda _word, **facts: message.append(facts))
    for number in range(3 * MOST_FILES):
        kind = type(f"Kind{number}", (Exception,), {})
        for _ in range(3):
            bugs.keep(kind("x" * 1_000_000))
    files = list(tmp_path.iterdir())
    assert len(files) == MOST_FILES
    assert max(file.stat().st_size for file in files) < 200_000
    assert len(message) == 9 * MOST_FILES


# -- many at once ---------------------------------------------------------------------


def test_pages_are_answered_while_downloads_wait(written: Filled) -> None:
    """Many downloads, none of which can begin: no page waits for one of them."""
    options = ("--no-catch-up", "--quiet")
    with serving(written.conninfo, *options) as matches, ThreadPoolExecutor(60) as many:
        with psycopg.connect(written.conninfo) as other:
            other.execute("SELECT pg_advisory_xact_lock(%s)", [APPEND_LOCK])
            row = other.execute("SELECT clock_timestamp()::text").fetchone()
            assert row is not None
            moment = row[0].replace(" ", "T") + ":00"
            query = {"known_at": moment, "account": "acme"}
            waiting = [
                many.submit(matches.get, "users.json", **query) for _ in range(45)
            ]
            wait_for_waiter(other, APPEND_LOCK)
            for page in ("search", "accounts", "account", "users"):
                assert matches.get(page, account="acme").status == 200
            done = [item.result() for item in waiting if item.done()]
            assert {answer.status for answer in done} <= {503}
        answers = [item.result() for item in waiting]
        assert matches.get("users.json", account="acme").status == 200
    assert {answer.status for answer in answers} <= {200, 503}
    assert all("Retry-After" in item.headers for item in answers if item.status == 503)


def test_a_lane_lets_so_many_in_and_so_many_wait() -> None:
    async def tried() -> list[str]:
        lane = Lane(2, 3, 0.05)
        outcomes = []
        leave, settled = asyncio.Event(), asyncio.Semaphore(0)

        async def item() -> None:
            try:
                async with lane.turn():
                    outcomes.append("in")
                    settled.release()
                    await leave.wait()
            except Busy:
                outcomes.append("busy")
                settled.release()

        tasks = [asyncio.create_task(item()) for _ in range(8)]
        for _ in tasks:
            await settled.acquire()
        leave.set()
        await asyncio.gather(*tasks)
        async with lane.turn():
            outcomes.append("in")
        return outcomes

    assert sorted(asyncio.run(tried())) == ["busy"] * 6 + ["in"] * 3


# -- slowly ---------------------------------------------------------------------------


class Quick(HastyProtocol):
    request_patience = AT_MOST
    reading_patience = AT_MOST
    most_connections = 5
    ended: threading.Event
    sockets: queue.Queue[Any]

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.sockets.put(transport.get_extra_info("socket"))

    def give_up(self) -> None:
        super().give_up()
        self.ended.set()


async def answering(_scope: Any, _receive: Any, send: Any) -> None:
    """A long answer."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(400):
        body = {"type": "http.response.body", "body": b"x" * 100_000}
        await send({**body, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server for few connections, whose patience a test shortens."""
    monkeypatch.setattr(Quick, "ended", threading.Event(), raising=False)
    monkeypatch.setattr(Quick, "sockets", queue.Queue(), raising=False)
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        answering, http=Quick, ws="none", lifespan="off", log_config=None
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield listening.getsockname()[1]
    server.should_exit = True
    wait_for_end([thread])
    listening.close()


def is_closed(connection: socket.socket) -> bool:
    """Whether the other side ends it; waits for that."""
    connection.settimeout(AT_MOST)
    try:
        while connection.recv(1 << 20):
            pass
    except ConnectionError:
        pass
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GE",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n1",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n",
    ],
)
def test_a_request_that_does_not_end_is_ended(
    port: int, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(Quick, "request_patience", 0.3)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(sent)
        assert is_closed(connection)


def test_an_answer_that_nobody_reads_is_ended(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Quick, "reading_patience", 0.3)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert Quick.ended.wait(AT_MOST)
        connection.settimeout(AT_MOST)
        read = 0
        try:
            while piece := connection.recv(1 << 20):
                read += len(piece)
        except ConnectionError:
            pass
        assert read < 400 * 100_000


def test_no_answer_waits_for_an_acknowledgement(port: int) -> None:
    """Two writes on one connection, and a client that acknowledges late: 40 ms each."""
    with socket.create_connection(("127.0.0.1", port)):
        connection = Quick.sockets.get(timeout=AT_MOST)
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_many_half_requests_keep_nobody_out(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as impatient:
        impatient.setattr(Quick, "request_patience", 0.3)
        half = [socket.create_connection(("127.0.0.1", port)) for _ in range(40)]
        for item in half:
            Quick.sockets.get(timeout=AT_MOST)
            item.sendall(b"GET / HTTP/1.1\r\nX: ")
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=AT_MOST)
    client.request("GET", "/")
    assert len(client.getresponse().read()) == 400 * 100_000
    for item in half:
        assert is_closed(item)
        item.close()


# -- what the log shows ---------------------------------------------------------------


def test_a_log_on_a_terminal_drives_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    log = logger(as_json=False)
    log.info("answered", path="/\x1b]0;taken\x07\x9b31m\u202e", actor="a\r\nb\x00")
    message = capsys.readouterr().err
    assert "taken" in message
    assert not re.search("\x1b\\]|[\x00-\x09\x0b-\x1a\x7f-\x9f\u202e]", message)
    assert message.count("\n") == 1


def test_the_names_of_hosts_have_one_spelling() -> None:
    assert host_of("[0:0:0:0:0:0:0:1]:80") == host_of("::1") == "::1"
    assert host_of("Console.Example:443") == "console.example"
    assert host_of("127.0.0.1:8000") == "127.0.0.1"
    assert host_of("") is None
    assert PRO
