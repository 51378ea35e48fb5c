"""A proxy between a client and its server that can lose a COMMIT, or its reply."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any, Self

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from seat_ledger.store import datastore

IMPATIENCE = 0.3
"""For how many seconds a pool waits for a server that stays away."""


class Proxy:
    """Listens on TCP; `lose` says which of the next COMMITs is cut off, and where."""

    def __init__(self, conninfo: str) -> None:
        fields = conninfo_to_dict(conninfo)
        self.server = Path(str(fields["host"])) / f".s.PGSQL.{fields['port']}"
        self.listening = socket.create_server(("127.0.0.1", 0))
        port = self.listening.getsockname()[1]
        self.conninfo = make_conninfo(conninfo, host="127.0.0.1", port=port)
        self.lose: str | None = None
        self.lost = 0
        self.of = b""
        """What the client sent in the transaction whose COMMIT is cut off."""
        self.is_final = False
        """Whether no connection serves any more once one has been cut off."""

    @property
    def stays_away(self) -> bool:
        """Whether no connection serves any more."""
        return self.is_final and self.lost > 0

    def not_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let pools give up soon a server that stays away; a slow one is waited for."""
        proxy = self

        class Impatient(datastore.ConnectionPool):
            def getconn(self, timeout: float | None = None) -> Any:
                return super().getconn(IMPATIENCE if proxy.stays_away else timeout)

        def impatient(*words: Any, **options: Any) -> Any:
            return Impatient(*words, **{**options, "reconnect_timeout": IMPATIENCE})

        monkeypatch.setattr(datastore, "ConnectionPool", impatient)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listening.accept()
            except OSError:
                return
            if self.stays_away:
                client.close()
                continue
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            server.connect(str(self.server))
            cut = threading.Event()
            for work in (self._to_server, self._to_client):
                threading.Thread(
                    target=work, args=(client, server, cut), daemon=True
                ).start()

    def _to_server(
        self, client: socket.socket, server: socket.socket, cut: threading.Event
    ) -> None:
        is_chosen = False
        while data := _receive(client):
            if self.stays_away:
                break
            is_chosen = is_chosen or self.of in data
            if self.lose is not None and is_chosen and b"COMMIT" in data:
                what, self.lose = self.lose, None
                self.lost += 1
                if what == "the reply":
                    cut.set()
                else:
                    break
            server.sendall(data)
        _close(client, server)

    def _to_client(
        self, client: socket.socket, server: socket.socket, cut: threading.Event
    ) -> None:
        while data := _receive(server):
            if cut.is_set():  # it is committed, and the client never hears of it
                break
            client.sendall(data)
        _close(client, server)


def _receive(item: socket.socket) -> bytes:
    try:
        return item.recv(1 << 16)
    except OSError:
        return b""


def _close(*both: socket.socket) -> None:
    for item in both:
        try:
            item.shutdown(socket.SHUT_RDWR)
        except OSError:
            continue
