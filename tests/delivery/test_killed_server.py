"""A server that is killed while it records: whoever sends again loses nothing.

``SEAT_LEDGER_KILLS=500 scripts/test -m long -s tests/delivery`` kills it so often.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import threading
import time
from contextlib import suppress
from functools import partial
from urllib.parse import urlsplit

import pytest

from tests.in_process import Program
from tests.program import BUY, OPEN, PRO, PROGRAM
from tests.support.waiting import AT_MOST, wait_for_end, wait_until

KILLS = int(os.environ.get("SEAT_LEDGER_KILLS", "200"))


@pytest.fixture(scope="module")
def program(shared_database: str, tmp_path_factory: pytest.TempPathFactory) -> Program:
    result = Program(shared_database, tmp_path_factory.mktemp("killed"))
    result.import_([OPEN, BUY])
    return result


class Sender:
    """Sends commands, each until it is answered, under keys of its own."""

    def __init__(self, token: str) -> None:
        self.port = 0
        self.headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
        }
        self.answered = 0
        self.repeated = 0
        self.stop = threading.Event()

    def run(self) -> None:
        while not self.stop.is_set():
            self._send(self.answered)
            self.answered += 1

    def _send(self, number: int) -> None:
        command = {"op": "buy_seats", "account": "acme", "seat_type": PRO,
                   "quantity": 1, "idempotency_key": f"order-{number}"}  # fmt: skip
        while True:
            with suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection(
                    "127.0.0.1", self.port, timeout=AT_MOST
                )
                connection.request(
                    "POST", "/v1/commands", json.dumps(command), self.headers
                )
                answer = connection.getresponse()
                answer.read()
                if answer.status in {200, 201}:
                    self.repeated += answer.status == 200
                    return
                assert answer.status == 503, answer.status
            time.sleep(0.02)


def has_answered(sender: Sender, number: int, process: subprocess.Popen[str]) -> bool:
    assert process.poll() is None
    return sender.answered >= number


def killed_while_recording(program: Program, kills: int) -> Sender:
    words = ("--actor", "system:orders", "--role", "writer")
    (row,) = program.json("token", "create", *words)["rows"]
    before = program.json("event", "list")["rows"][-1]["position"]
    sender = Sender(row["token"])
    sending = threading.Thread(target=sender.run, daemon=True)
    sending.start()
    chance = random.Random(3)
    words = ("--allow-writes", "--no-catch-up", "--quiet", "--port", "0")
    command = [PROGRAM, "serve", "--api", *words, "--database", program.conninfo]
    for kill in range(kills + 1):
        enough = sender.answered + chance.randrange(1, 30)
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        address = next(
            line for line in process.stderr if line.startswith("Serving on ")
        )
        sender.port = urlsplit(address.split()[2]).port or 0
        is_enough = partial(has_answered, sender, enough, process)
        wait_until(is_enough, every=0.002)
        if kill == kills:  # the last one is left alive until all is answered
            sender.stop.set()
            wait_for_end([sending])
        process.send_signal(signal.SIGKILL)
        process.wait()
        sender.port = 0  # another program may be given the port
    events = program.json("event", "list", "--from-position", before + 1)["rows"]
    bought = [event for event in events if event["event"] == "SeatPurchased"]
    assert len(bought) == sender.answered
    return sender


def test_killed_while_it_records_nothing_is_lost_or_doubled(
    program: Program,
) -> None:
    assert killed_while_recording(program, 1).answered > 0


@pytest.mark.long
def test_killed_hundreds_of_times_nothing_is_lost_or_doubled(program: Program) -> None:
    sender = killed_while_recording(program, KILLS)
    print(f"{KILLS} kills, {sender.answered} commands, {sender.repeated} sent again")
