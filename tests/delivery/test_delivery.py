"""Events for others: in order, none passed over, and no person among them."""

from __future__ import annotations

import base64
import json
import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from seat_ledger.commands.service import CommandService
from seat_ledger.delivery import deliverer, webhook
from seat_ledger.delivery.deliverer import RetryPolicy
from seat_ledger.delivery.webhook import NotDelivered, Webhook, check_url, is_public
from seat_ledger.errors import InvalidInput
from seat_ledger.store import subscriptions
from tests.console.served import HOSTILE_KEY, late, story
from tests.delivery.receiver import Receiver, receiving
from tests.in_process import Program
from tests.program import PRO, PROGRAM
from tests.support.waiting import AT_MOST, end_others, wait_for_end, wait_until

SOON = RetryPolicy(first=0.01, attempts=3, patience=AT_MOST, poll=0.1)
KILLS = int(os.environ.get("SEAT_LEDGER_KILLS", "200"))
PERSONAL = ("ann@", "Jansen", "onboarding", "left the team", "Hopper", '"ann"')


@pytest.fixture(scope="module")
def program(
    shared_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Program]:
    monkeypatch = pytest.MonkeyPatch()
    home = f"{os.environ['SEAT_LEDGER_TEST_HOME']}/keys"
    monkeypatch.setenv("SEAT_LEDGER_HOME", home)
    result = Program(shared_database, tmp_path_factory.mktemp("delivery"))
    result.import_([*story(), late()])
    yield result
    monkeypatch.undo()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as result:
        yield result


def events(program: Program, *words: str) -> list[dict[str, Any]]:
    done = program.run("events", "follow", "--until-head", *words)
    assert done.status == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def positions(program: Program) -> list[int]:
    return [row["position"] for row in program.json("event", "list")["rows"]]


def subscribe(program: Program, receiver: Receiver, *words: str) -> str:
    row = program.json(
        "subscription", "add", receiver.url, "--allow-private", *words
    )["rows"][0]  # fmt: skip
    receiver.secret = base64.b64decode(row["secret"].removeprefix("whsec_"))
    return str(row["subscription_id"])


def status_of(program: Program, subscription: str) -> dict[str, Any]:
    rows = program.json("subscription", "list")["rows"]
    return next(row for row in rows if row["subscription_id"] == subscription)


def run(
    program: Program, policy: RetryPolicy = SOON
) -> list[tuple[str, dict[str, Any]]]:
    """Deliver until nothing waits; what was logged."""
    log: list[tuple[str, dict[str, Any]]] = []
    deliverer.deliver(
        program.conninfo,
        policy,
        lambda what, **facts: log.append((what, facts)),
        threading.Event(),
        until_head=True,
    )
    return log


def deliver_until(
    program: Program, receiver: Receiver, position: int
) -> list[tuple[str, dict[str, Any]]]:
    """Deliver again and again until a subscriber has an event; what was logged."""
    log: list[tuple[str, dict[str, Any]]] = []

    def is_delivered() -> bool:
        log.extend(run(program))
        return position in receiver.positions

    wait_until(is_delivered)
    return log


def position_of(event: dict[str, Any]) -> int:
    return int(event["data"]["position"])


def buy(program: Program) -> int:
    with CommandService(program.conninfo) as ledger:
        command = {
            "op": "buy_seats",
            "account": "acme",
            "seat_type": PRO,
            "quantity": 1,
        }
        return ledger.execute(command, default_actor="system:test").positions[0]


def test_every_event_comes_once_in_the_order_of_positions(program: Program) -> None:
    every = events(program, "--after", "0")
    assert [position_of(event) for event in every] == positions(program)
    assert [event["id"] for event in events(program, "--after", "80")] == [
        event["id"] for event in every if position_of(event) > 80
    ]
    assert len({event["id"] for event in every}) == len(every)
    assert events(program) == []  # nothing came since
    acme = events(program, "--after", "0", "--account", "acme")
    assert {event["subject"] for event in acme} == {"acme"}
    (source,) = {event["source"] for event in every}
    assert source.startswith("urn:uuid:")
    done = program.run("events", "follow", "--after", 10_000)
    assert (done.status, done.out) == (1, "")
    assert "10000 is beyond it" in done.err


def test_events_name_nobody_and_ids_lead_back(program: Program) -> None:
    text = json.dumps(events(program, "--after", "0"))
    assert not [word for word in PERSONAL if word in text]
    fields = next(e for e in events(program, "--after", "0")
                 if e["type"] == "seat-ledger.SeatAssigned")  # fmt: skip
    assert fields["data"]["seat"] == f"{PRO}#1"
    user = fields["data"]["user"]
    rows = program.json("user", "history", user, "-a", "acme")["rows"]
    assert rows[0]["user"] == "ann"


def test_a_subscriber_hears_of_all_that_comes_after_its_position(
    program: Program, receiver: Receiver
) -> None:
    subscription = subscribe(program, receiver, "--after", "70")
    run(program)
    assert receiver.positions == [p for p in positions(program) if p > 70]
    assert len({delivery.webhook_id for delivery in receiver.deliveries}) == len(
        receiver.positions
    )
    status = status_of(program, subscription)
    assert (status["position"], status["behind"]) == (positions(program)[-1], 0)
    assert "hidden" not in json.dumps(status)
    run(program)
    assert len(receiver.positions) == len(set(receiver.positions))


def test_one_subscriber_is_delivered_to_by_its_address_or_id(
    program: Program, receiver: Receiver
) -> None:
    subscription = subscribe(program, receiver)
    with receiving() as other:
        subscribe(program, other)
        for name in (receiver.url, subscription):
            position = buy(program)
            assert program.run("deliver", name, "--until-head", "--quiet").status == 0
            assert receiver.positions[-1] == position
        assert other.positions == []
        run(program)
        assert other.positions == receiver.positions
    done = program.run("deliver", "https://nobody.example/")
    assert (done.status, "no subscription" in done.err) == (1, True)


def test_a_position_or_account_that_is_not_there_is_not_waited_for(
    program: Program, receiver: Receiver
) -> None:
    subscription = subscribe(program, receiver)
    beyond = ("--after", str(positions(program)[-1] + 1))
    for words in (("add", "https://hooks.example/x"), ("replay", subscription)):
        program.refused("position_beyond_head", "subscription", *words, *beyond)
    for words, said in ((beyond, "beyond it"), (("-a", "nobody"), "no account")):
        done = program.run("events", "follow", *words)
        assert (done.status, said in done.err) == (1, True), done.err


def test_a_rebuild_delivers_nothing_again(program: Program, receiver: Receiver) -> None:
    subscribe(program, receiver)
    assert program.run("projection", "rebuild").status == 0
    run(program)
    assert receiver.positions == []


def test_a_failure_is_tried_again_and_holds_the_order(
    program: Program, receiver: Receiver
) -> None:
    subscribe(program, receiver)
    first, second = buy(program), buy(program)
    failures = iter([500, 302])
    receiver.answer = lambda _: next(failures, 200)
    deliver_until(program, receiver, second)
    assert receiver.positions == [first, second]


def test_what_is_not_taken_is_a_dead_letter_and_stops_nothing(
    program: Program, receiver: Receiver
) -> None:
    subscription = subscribe(program, receiver)
    with receiving() as other:
        subscribe(program, other)
        first, second = buy(program), buy(program)
        receiver.answer = lambda position: 500 if position == first else 200
        log = deliver_until(program, receiver, second)
        assert other.positions == [first, second]
    assert receiver.positions == [second]
    assert status_of(program, subscription)["dead_letters"] == 1
    assert "dead_letter" in [what for what, _ in log]
    receiver.answer = lambda _: 200
    program.json("subscription", "replay", subscription)
    run(program)
    assert receiver.positions == [second, first, second]
    assert status_of(program, subscription)["dead_letters"] == 0


def test_a_subscriber_that_is_missing_is_left_alone_until_it_is_resumed(
    program: Program, receiver: Receiver
) -> None:
    subscription = subscribe(program, receiver)
    receiver.answer = lambda _: 410
    position = buy(program)
    run(program)
    assert status_of(program, subscription)["state"] == "gone"
    receiver.answer = lambda _: 200
    run(program)
    assert receiver.positions == []
    program.json("subscription", "resume", subscription)
    run(program)
    assert receiver.positions == [position]
    program.json("subscription", "pause", subscription)
    buy(program)
    run(program)
    assert receiver.positions == [position]


def test_a_subscriber_that_answers_too_slowly_did_not_take_it(
    program: Program, receiver: Receiver
) -> None:
    subscription = subscribe(program, receiver)
    receiver.may_answer.clear()
    buy(program)
    log = run(program, SOON._replace(first=3600.0, patience=0.2))
    receiver.may_answer.set()
    (reason,) = [facts["reason"] for what, facts in log
                 if facts["subscription"] == subscription]  # fmt: skip
    assert reason in {"no answer in time", "the connection was lost"}
    assert status_of(program, subscription)["behind"] == 1
    program.json("subscription", "pause", subscription)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/x", "https://", "ftp://x.example/", "https://a:b@x.example/",
        "https://x.example/#a", "https://x.example:0/", "https://x.example:99999/",
        "https://[::1/", "nothing", "https://x.example/ a", "https://é.example/",
        "https://169.254.169.254/x", "https://127.0.0.1:8443/", "https://[::1]/",
        "https://[::ffff:10.0.0.1]/", "https://127.1/", "https://0x7f.1/",
        "https://2130706433/", "https://127.0.0.1./", "https://localhost/",
        "https://a.LOCALHOST./",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_subscriber_is_refused(
    program: Program, url: str
) -> None:
    with pytest.raises(InvalidInput):
        check_url(url, allow_private=False)
    program.refused("invalid_input", "subscription", "add", url, status=2)


def test_who_waits_while_another_delivers_says_so(
    program: Program, receiver: Receiver
) -> None:
    subscription = subscribe(program, receiver)
    log: list[str] = []
    stop = threading.Event()
    with subscriptions.opened(program.conninfo) as other:
        assert subscriptions.take(other, subscription)
        waiting = deliverer.Deliverer(
            program.conninfo,
            subscription,
            SOON,
            lambda what, **_: log.append(what),
            stop,
        )
        thread = threading.Thread(target=waiting.run)
        thread.start()
        wait_until(lambda: "standing_by" in log)
        stop.set()
        thread.join(AT_MOST)
        assert not thread.is_alive()


def test_a_private_address_is_refused_also_behind_a_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    private = ("127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.0.1", "::1",
               "fe80::1%eth0", "::ffff:10.0.0.1", "0.0.0.0", "224.0.0.1",
               "100.64.0.1", "fd00::1", "192.0.0.8", "64:ff9b::10.0.0.1",
               "64:ff9b:1::a00:1", "2002:a00:1::1", "::10.0.0.1", "fec0::1",
               "::ffff:0:10.0.0.1", "2001::1", "ff0e::1")  # fmt: skip
    assert not [address for address in private if is_public(address)]
    for address in ("8.8.8.8", "64:ff9b::8.8.8.8", "2606:4700::1111"):
        assert is_public(address), address
    for address in private:
        entry = (2, 1, 6, "", (address, 443))
        monkeypatch.setattr(
            webhook.socket, "getaddrinfo", lambda *_a, _e=entry, **_k: [_e]
        )
        with pytest.raises(NotDelivered, match="private"):
            Webhook("https://rebound.example/", allow_private=False).post(b"", {})


@contextmanager
def answering(begin: bytes, scheme: str = "http") -> Iterator[str]:
    """The address of a subscriber that begins so, and then sends a byte now and then.

    Each byte comes sooner than anybody would give up waiting for one.
    """
    is_over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with server.accept()[0] as connection, suppress(OSError):
                connection.recv(1 << 16)
                connection.sendall(begin)
                while not is_over.wait(0.02):
                    connection.sendall(b"x")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"{scheme}://127.0.0.1:{server.getsockname()[1]}/"
        is_over.set()
        wait_for_end([thread])


@pytest.mark.parametrize(
    ("begin", "scheme"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n", "http",
                     id="body"),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\n", "http", id="closing"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nA: ", "http",
                     id="head"),
        pytest.param(b"\x16\x03\x03\x3f\xff", "https", id="handshake"),
    ],
)  # fmt: skip
def test_what_does_not_end_in_time_is_no_delivery(begin: bytes, scheme: str) -> None:
    """One clock goes for all of it: a slow handshake, a slow head, a slow body."""
    too_late = pytest.raises(NotDelivered, match="no answer in time")
    with answering(begin, scheme) as url, too_late:
        Webhook(url, allow_private=True, patience=0.3).post(b"{}", {})


def test_each_address_of_a_name_is_tried(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    """The first that takes a connection; none where one of them is private."""
    monkeypatch.setattr(receiver, "take", lambda *_: 204)
    asked = socket.getaddrinfo

    def resolve(host: str, *rest: Any, **options: Any) -> Any:
        if host != "hooks.example":
            return asked(host, *rest, **options)
        addresses = ("127.0.0.9", "127.0.0.1")
        return [(2, 1, 6, "", (address, receiver.port)) for address in addresses]

    monkeypatch.setattr(webhook.socket, "getaddrinfo", resolve)
    url = f"http://hooks.example:{receiver.port}/"
    Webhook(url, allow_private=True).post(b"{}", {})
    with pytest.raises(NotDelivered, match="private"):
        Webhook(url, allow_private=False).post(b"{}", {})


def test_a_connection_that_was_closed_meanwhile_is_made_again() -> None:
    """A subscriber may close a connection that rests; that is no failure."""
    answer = b"HTTP/1.1 204 No Content\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken: list[bytes] = []

        def serve() -> None:
            for _ in range(2):
                with server.accept()[0] as connection:
                    text = b""
                    while not text.endswith(b"}"):
                        text += connection.recv(1 << 16)
                    taken.append(text[-3:])
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        subscriber = Webhook(url, allow_private=True)
        subscriber.post(b"{1}", {})
        subscriber.post(b"{2}", {})
        subscriber.close()
        wait_for_end([thread])
    assert taken == [b"{1}", b"{2}"]


def test_an_older_store_that_is_restored_is_followed(
    program: Program, receiver: Receiver, server: str, database: str
) -> None:
    """Under a running deliverer: what is recorded since comes as what it is."""
    restored = Program(database, program.folder)
    restored.import_([*story(), late()])
    subscribe(restored, receiver)
    name = psycopg.conninfo.conninfo_to_dict(database)["dbname"]
    stop = threading.Event()
    with psycopg.connect(server, autocommit=True) as admin:
        copy(admin, name, f"{name}_before")
        deliverers = threading.Thread(
            target=deliverer.deliver,
            args=(database, SOON, lambda *_, **__: None, stop),
        )
        deliverers.start()
        lost = [buy(restored), buy(restored)]
        wait_until(lambda: receiver.positions == lost)
        copy(admin, f"{name}_before", name)
        admin.execute(f"DROP DATABASE {name}_before".encode())
        again = buy(restored)
        assert again == lost[0]
        wait_until(lambda: receiver.positions == [*lost, again])
        stop.set()
        wait_for_end([deliverers])
    first, _, last = receiver.deliveries
    assert first.webhook_id != last.webhook_id
    assert first.event["id"] != last.event["id"]


def copy(admin: psycopg.Connection[Any], source: str, target: str) -> None:
    """Make a database what another one is now, whoever is connected."""
    admin.execute(f"DROP DATABASE IF EXISTS {target} WITH (FORCE)".encode())
    end_others(admin, source)
    admin.execute(f"CREATE DATABASE {target} TEMPLATE {source}".encode())


def test_a_checkpoint_beyond_the_store_goes_back_to_its_end(
    program: Program, receiver: Receiver
) -> None:
    """Where the subscriptions were kept, and the store is an older one."""
    subscription = subscribe(program, receiver)
    with psycopg.connect(program.conninfo, autocommit=True) as connection:
        connection.execute(
            "UPDATE ledger.subscription SET position = position + 1000 "
            "WHERE subscription_id = %s",
            [subscription],
        )
    assert "set_back" in [what for what, _ in run(program)]
    position = buy(program)
    run(program)
    assert receiver.positions == [position]


def test_what_is_not_there_cannot_be_paused(program: Program) -> None:
    for verb in ("pause", "resume", "replay"):
        program.refused("subscription_not_found", "subscription", verb, "nothing")


def killed_deliveries(program: Program, receiver: Receiver, kills: int) -> None:
    """Deliver by a process that is killed again and again while events are recorded."""
    subscribe(program, receiver)
    before = positions(program)[-1]
    stop = threading.Event()

    def record() -> None:
        with CommandService(program.conninfo) as ledger:
            while not stop.is_set():
                ledger.execute(
                    {"op": "buy_seats", "account": HOSTILE_KEY, "seat_type": PRO,
                     "quantity": 3}
                )  # fmt: skip
                time.sleep(0.005)

    recording = threading.Thread(target=record)
    recording.start()
    chance = random.Random(7)
    command = [PROGRAM, "deliver", "--quiet", "--database", program.conninfo]
    for _ in range(kills):
        seen = len(receiver.deliveries)
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        enough = seen + chance.randrange(1, 20)
        is_enough = partial(has_delivered, receiver, enough, process)
        wait_until(is_enough, every=0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
    stop.set()
    wait_for_end([recording])
    run(program)
    came: dict[int, str] = {}
    expected = [p for p in positions(program) if p > before]
    for delivery in receiver.deliveries:
        if delivery.position in came:
            assert came[delivery.position] == delivery.webhook_id
        else:
            assert delivery.position == expected[len(came)]
            came[delivery.position] = delivery.webhook_id
    assert list(came) == expected


def has_delivered(
    receiver: Receiver, number: int, process: subprocess.Popen[bytes]
) -> bool:
    assert process.poll() is None
    return len(receiver.deliveries) >= number


def test_killed_at_any_moment_nothing_is_passed_over(
    program: Program, receiver: Receiver
) -> None:
    killed_deliveries(program, receiver, 2)


@pytest.mark.long
def test_killed_hundreds_of_times_nothing_is_passed_over(
    program: Program, receiver: Receiver
) -> None:
    killed_deliveries(program, receiver, KILLS)
    print(f"{KILLS} kills, {len(receiver.deliveries)} deliveries")


def test_it_follows_until_it_is_stopped(program: Program, tmp_path: Path) -> None:
    """A stream goes on with what is recorded later, and ends with SIGTERM."""
    out = (tmp_path / "events").open("w+")
    command = [PROGRAM, "events", "follow", "--database", program.conninfo]
    bought: list[int] = []

    def has_streamed() -> bool:
        bought.append(buy(program))
        return "\n" in (tmp_path / "events").read_text()

    with subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE) as process:
        wait_until(has_streamed, every=0.3)
        process.terminate()
        assert process.wait(AT_MOST) == 0
    lines = (tmp_path / "events").read_text().splitlines()
    assert position_of(json.loads(lines[0])) in bought
    out.close()


def test_a_pause_ends_where_the_clock_was_set_back() -> None:
    """What is left of a pause is never more than the pause was."""
    policy = RetryPolicy(first=5.0)
    for attempts in range(1, 13):
        pause = policy.pause(attempts)
        assert policy.remaining(attempts, pause) == pause
        assert policy.remaining(attempts, pause + 86400) == 0
    assert policy.remaining(1, 3600) == 0
