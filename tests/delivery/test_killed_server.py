"""A server that is killed while it records: whoever sends again loses nothing.

``SEAT_LEDGER_KILLS=500 scripts/test -m long -s tests/delivery`` kills it so often.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress

import pytest

from tests.in_process import Program
from tests.program import BUY, OPEN, PRO, PROGRAM

KILLS = int(os.environ.get("SEAT_LEDGER_KILLS", "200"))


@pytest.fixture(scope="module")
def program(shared_database: str, tmp_path_factory: pytest.TempPathFactory) -> Program:
    found = Program(shared_database, tmp_path_factory.mktemp("killed"))
    found.import_([OPEN, BUY])
    return found


class Sender:
    """Sends commands, each until it is answered, under keys of its own."""

    def __init__(self, port: int, token: str) -> None:
        self.port = port
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
                    "127.0.0.1", self.port, timeout=20
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


def killed_while_recording(program: Program, kills: int) -> Sender:
    words = ("--actor", "system:orders", "--role", "writer")
    (row,) = program.json("token", "create", *words)["rows"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    before = program.json("event", "list")["rows"][-1]["position"]
    sender = Sender(port, row["token"])
    sending = threading.Thread(target=sender.run, daemon=True)
    sending.start()
    chance = random.Random(3)
    command = [PROGRAM, "serve", "--api", "--allow-writes", "--no-catch-up", "--quiet",
               "--port", str(port), "--database", program.conninfo]  # fmt: skip
    for kill in range(kills + 1):
        enough = sender.answered + chance.randrange(1, 30)
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while sender.answered < enough:
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.002)
        if kill == kills:  # the last one is left alive until all is answered
            sender.stop.set()
            sending.join(30)
        process.send_signal(signal.SIGKILL)
        process.wait()
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
