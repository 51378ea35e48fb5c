"""A proxy that lets a connection be lost at a chosen message of the protocol.

Every message is counted, those of the client and those of the server, over all
connections. At the chosen one either both sides are cut off, so that the message is
never delivered, or the server's process is terminated before it gets it.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Self

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.support.waiting import end, wait_until

Way = Literal["cut", "terminate"]
STATEMENTS = b"QE"
"""Messages that have the server do something: a query, or what was bound."""


class Cutter:
    """Listens on TCP; once armed it counts, and loses one connection."""

    def __init__(self, conninfo: str, way: Way) -> None:
        self.way, self.direct = way, conninfo
        address = conninfo_to_dict(conninfo)
        self.server = Path(str(address["host"])) / f".s.PGSQL.{address['port']}"
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.conninfo = make_conninfo(
            conninfo,
            host="127.0.0.1",
            port=self.listening.getsockname()[1],
            sslmode="disable",
            gssencmode="disable",
        )
        self._lock = threading.Lock()
        self._remaining: int | None = None
        self.has_cut = False

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listening.close()

    def arm(self, number: int) -> None:
        """Lose the connection at the message of this number from now on."""
        with self._lock:
            self._remaining, self.has_cut = number, False

    def disarm(self) -> bool:
        """Lose nothing any more; whether something was lost."""
        with self._lock:
            self._remaining = None
            return self.has_cut

    def is_chosen(self, kind: bytes, *, of_client: bool) -> bool:
        """Count a message; whether it is the one."""
        if self.way == "terminate" and not (of_client and kind in STATEMENTS):
            return False
        with self._lock:
            if self._remaining is None:
                return False
            self._remaining -= 1
            if self._remaining:
                return False
            self._remaining, self.has_cut = None, True
            return True

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listening.accept()
            except OSError:
                return
            # A message at a time: else each waits for the other side's delayed ACK.
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            server.connect(str(self.server))
            Link(self, client, server).start()


class Link:
    """One connection through the proxy."""

    def __init__(
        self, cutter: Cutter, client: socket.socket, server: socket.socket
    ) -> None:
        self.cutter, self.client, self.server = cutter, client, server
        self.process: int | None = None

    def start(self) -> None:
        for work in (self._to_server, self._to_client):
            threading.Thread(target=work, daemon=True).start()

    def _to_server(self) -> None:
        for message in messages(self.client, is_client=True):
            kind = message[:1]
            if self.cutter.is_chosen(kind, of_client=True):
                if self.cutter.way == "cut":
                    break
                self._terminate()
            if not _sent(self.server, message):
                break
        _close(self.client, self.server)

    def _to_client(self) -> None:
        for message in messages(self.server, is_client=False):
            kind = message[:1]
            if kind == b"K":
                (self.process,) = struct.unpack("!i", message[5:9])
            if self.cutter.is_chosen(kind, of_client=False):
                break
            if not _sent(self.client, message):
                break
        _close(self.client, self.server)

    def _terminate(self) -> None:
        """End the server's process of this connection, and wait until it is gone."""
        with psycopg.connect(self.cutter.direct, autocommit=True) as connection:
            assert self.process is not None
            end(connection, [self.process])


def messages(from_: socket.socket, *, is_client: bool) -> Iterator[bytes]:
    """The messages that come in, whole; a client's first one has no kind."""
    buffer, is_first = b"", is_client
    while True:
        head = 4 if is_first else 5
        size = head
        if len(buffer) >= head:
            (length,) = struct.unpack("!i", buffer[head - 4 : head])
            size = head - 4 + length
            if len(buffer) >= size:
                yield buffer[:size]
                buffer, is_first = buffer[size:], False
                continue
        try:
            data = from_.recv(1 << 16)
        except OSError:
            return
        if not data:
            return
        buffer += data


def _sent(to: socket.socket, message: bytes) -> bool:
    try:
        to.sendall(message)
    except OSError:
        return False
    return True


def _close(*both: socket.socket) -> None:
    for item in both:
        try:
            item.shutdown(socket.SHUT_RDWR)
        except OSError:
            continue


def settled(conninfo: str) -> None:
    """Wait until no process of the server is at work on what a lost client sent."""
    at_work = (
        "SELECT FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND (state <> 'idle' OR xact_start IS NOT NULL) "
        "AND application_name = 'seat-ledger'"
    )
    with psycopg.connect(conninfo, autocommit=True) as connection:
        wait_until(lambda: connection.execute(at_work).fetchone() is None)
