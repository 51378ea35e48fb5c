"""A subscriber: takes webhooks, checks their signatures, and answers as it is told."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from tests.support.waiting import AT_MOST


class Delivery(NamedTuple):
    webhook_id: str
    position: int
    event: dict[str, Any]
    at: float


class Receiver:
    """What came, in order, and how it is answered (200 by default)."""

    def __init__(self) -> None:
        self.secret = b""
        self.deliveries: list[Delivery] = []
        self.answer: Callable[[int], int] = lambda _position: 200
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?key=hidden"

    @property
    def positions(self) -> list[int]:
        return [delivery.position for delivery in self.deliveries]

    def take(self, headers: Any, body: bytes) -> int:
        """Check a delivery as Standard Webhooks has it; the status of the answer."""
        webhook_id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
        signed = f"{webhook_id}.{timestamp}.".encode() + body
        digest = hmac.new(self.secret, signed, hashlib.sha256).digest()
        expected = "v1," + base64.b64encode(digest).decode()
        assert headers["webhook-signature"] == expected
        assert abs(time.time() - int(timestamp)) < AT_MOST
        event = json.loads(body)
        position = int(event["data"]["position"])
        assert webhook_id == event["id"]
        assert webhook_id.endswith(f"_{position}")
        self.may_answer.wait(AT_MOST)
        status = self.answer(position)
        if status == 200:
            self.deliveries.append(Delivery(webhook_id, position, event, time.time()))
        return status


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            if len(body) < length:  # whoever sent it was killed
                self.close_connection = True
                return
            status = receiver.take(self.headers, body)
            self.send_response(status)
            if status == 302:
                self.send_header("Location", f"{receiver.url}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
