"""The API as a server in the test's own process, and what it answers."""

from __future__ import annotations

import http.client
import json
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import uvicorn
from uvicorn.server import ServerState

from seat_ledger.cli.api.application import Api, ApiProtocol
from seat_ledger.cli.api.recording import Writers
from seat_ledger.cli.console.access import Gate
from seat_ledger.cli.options.session import Session
from tests.support.named_commands import unusable
from tests.support.waiting import AT_MOST, wait_for_end, wait_until


class Replied(NamedTuple):
    status: int
    text: str
    headers: Any

    def json(self) -> Any:
        return json.loads(self.text)

    def problem(self) -> tuple[int, str]:
        assert self.headers["Content-Type"] == "application/problem+json"
        document = self.json()
        assert document["status"] == self.status
        assert document["detail"]
        assert "Traceback" not in self.text
        assert "--" not in document["detail"], document
        assert document["try"], document
        assert unusable(f"{document['detail']} {document['try']}") == []
        return self.status, document["code"]


class Client:
    """A client of a running API."""

    def __init__(
        self, port: int, log: list[tuple[str, dict[str, Any]]], state: ServerState
    ) -> None:
        self.port, self.log, self.state = port, log, state
        self.url = f"http://127.0.0.1:{port}"
        self.headers: dict[str, str] = {}

    def ask(self, path: str, /, **params: Any) -> Replied:
        query = urllib.parse.urlencode(params, doseq=True)
        return self.send("GET", f"{path}?{query}" if query else path)

    def logged(self) -> dict[str, Any]:
        """The facts of the next request that is logged, just after its answer."""
        wait_until(lambda: self.log)
        what, facts = self.log.pop(0)
        assert what == "answered"
        return facts

    def settle(self) -> None:
        """Wait until every request is not only answered, but logged."""
        wait_until(lambda: not self.state.tasks)

    def forget(self) -> None:
        """Forget what has been logged."""
        self.settle()
        self.log.clear()

    def post(self, command: Any, path: str = "/v1/commands", **headers: str) -> Replied:
        body = command if isinstance(command, bytes) else json.dumps(command).encode()
        kind = {"Content-Type": "application/json"}
        return self.send("POST", path, body, **{**kind, **headers})

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Replied:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=AT_MOST)
        try:
            named = {name.replace("_", "-"): text for name, text in headers.items()}
            # One that refuses a body by its length need not take it before it answers.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, path, body, {**self.headers, **named})
            response = connection.getresponse()
            text = response.read().decode()
            return Replied(response.status, text, response.headers)
        finally:
            connection.close()


@contextmanager
def serving(conninfo: str, **options: Any) -> Iterator[Client]:
    """A server on a free port, in a thread."""
    log: list[tuple[str, dict[str, Any]]] = []
    options.setdefault("gate", Gate())
    if options.pop("writes", False):
        session = Session()
        session.database = conninfo
        options["writers"] = Writers(session)
    api = Api(conninfo, log=lambda what, **facts: log.append((what, facts)), **options)
    server = uvicorn.Server(
        uvicorn.Config(
            api.application(),
            http=ApiProtocol,
            ws="none",
            port=0,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Client(port, log, server.server_state)
    finally:
        server.should_exit = True
        wait_for_end([thread])
        api.close()
