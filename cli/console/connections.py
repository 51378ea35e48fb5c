"""HTTP connections that nobody can keep open by being slow.

Uvicorn's own protocol waits without end for the rest of a request, and for a client to
read its answer. Here both have a limit, and of too many connections the one goes that
has waited longest for a request.
"""

from __future__ import annotations

import asyncio
import re
import socket
from http import HTTPStatus
from threading import Event
from typing import Any
from urllib.parse import unquote

import h11
import uvicorn
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

LONGEST_PIECE = 1 << 16
"""Bytes that are gathered before they are sent."""
_ABSOLUTE = re.compile(
    rb"https?://([^/?#]*)(/.*)?", re.ASCII | re.IGNORECASE | re.DOTALL
)


def _send_at_once(transport: asyncio.Transport) -> None:
    """Let no answer wait for an acknowledgement of its head (40 ms on one machine).

    asyncio does so itself only where a socket was made with its protocol named.
    """
    connection = transport.get_extra_info("socket")
    if connection is not None and connection.family != socket.AF_UNIX:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Gathering:
    """A transport that sends what is written in one turn of the loop as one piece.

    So the head of an answer and its body cost one call of the system, and wake whoever
    waits for them once. All else is the transport's own.
    """

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._transport, self._loop = transport, loop
        self._pieces: list[bytes] = []
        self._size = 0

    def write(self, piece: bytes) -> None:
        """Send a piece, at the end of the turn at the latest."""
        if not piece:
            return
        if not self._pieces:
            self._loop.call_soon(self.flush)
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > LONGEST_PIECE:
            self.flush()

    def flush(self) -> None:
        """Send what is written so far."""
        if self._pieces:
            pieces, self._pieces, self._size = self._pieces, [], 0
            self._transport.write(b"".join(pieces))

    def close(self) -> None:
        """Send what is written, and close."""
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class InOriginForm:
    """An application that is asked by path, however a client wrote the address.

    Whoever thinks a server is its proxy sends the whole address; the host that it names
    is then the one that is asked, whatever the header says (RFC 9112, 3.2.2).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        absolute = _ABSOLUTE.fullmatch(scope.get("raw_path") or b"")
        if absolute is not None:
            path = absolute[2] or b"/"
            others = [header for header in scope["headers"] if header[0] != b"host"]
            scope["headers"] = [*others, (b"host", absolute[1])]
            scope["raw_path"], scope["path"] = path, unquote(path.decode("ascii"))
        await self._app(scope, receive, send)


class StoppableServer(uvicorn.Server):
    """A server that ends when it is stopped, whatever stops it."""

    def __init__(self, config: uvicorn.Config, stopping: Event) -> None:
        super().__init__(config)
        self.stopping = stopping

    async def on_tick(self, counter: int) -> bool:
        """Whether it is to end."""
        return await super().on_tick(counter) or self.stopping.is_set()


def _unreadable() -> Response:
    """The answer to what is no HTTP request, for a person."""
    return PlainTextResponse("The request is not HTTP/1.1 that can be read.\n", 400)


class HastyProtocol(H11Protocol):
    """HTTP/1.1 with an end to every wait for the other side.

    A request has to be there within `request_patience` seconds, from its first byte to
    its last; what waits for a client has to be taken within `reading_patience`. What
    is no request is answered by what `unreadable` makes.
    """

    request_patience = 10.0
    reading_patience = 30.0
    most_connections = 200
    unreadable = staticmethod(_unreadable)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.app = InOriginForm(self.app)
        self._request_clock: asyncio.TimerHandle | None = None
        self._reading_clock: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request, and end another's wait where there are many."""
        self._gathering = Gathering(transport, self.loop)
        super().connection_made(self._gathering)  # type: ignore[arg-type]  # acts as one
        _send_at_once(transport)
        self._start_request_clock()
        if len(self.connections) > self.most_connections:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        super().data_received(data)
        self._mind_request()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  Uvicorn's own words
        """Answer what is no request, and close."""
        if self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            self.give_up()  # another answer has begun
            return
        answer = self.unreadable()
        headers = [*answer.raw_headers, (b"connection", b"close")]
        status = HTTPStatus(answer.status_code)
        reason = status.phrase.encode("ascii")
        head = h11.Response(status_code=status, headers=headers, reason=reason)
        for part in (head, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(part) or b"")
        self.transport.close()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._gathering.flush()
        super().on_response_complete()
        self._mind_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_clocks()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        super().pause_writing()
        self._start_reading_clock()

    def resume_writing(self) -> None:
        """The client has read."""
        super().resume_writing()
        if self._reading_clock is not None:
            self._reading_clock.cancel()
            self._reading_clock = None

    def timeout_keep_alive_handler(self) -> None:
        """Close, also where the client does not read the rest."""
        super().timeout_keep_alive_handler()
        self._start_reading_clock()

    @property
    def waits_since(self) -> float | None:
        """Since when a request is waited for; None while one is answered."""
        if self._request_clock is not None:
            return self._request_clock.when()
        if self.timeout_keep_alive_task is not None:
            return self.timeout_keep_alive_task.when()
        return None

    # -- clocks ---------------------------------------------------------------------

    def _mind_request(self) -> None:
        """Let the clock run while a request has begun and is not whole."""
        if self._is_answering() or self._is_between_requests():
            if self._request_clock is not None:
                self._request_clock.cancel()
                self._request_clock = None
        elif self._request_clock is None:
            self._start_request_clock()

    def _is_answering(self) -> bool:
        """Whether a request is there as a whole, and not yet answered."""
        cycle = self.cycle
        return cycle is not None and not (cycle.response_complete or cycle.more_body)

    def _is_between_requests(self) -> bool:
        """Whether nothing of a request is there; the keep-alive's own clock runs."""
        return self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]

    def _start_request_clock(self) -> None:
        self._request_clock = self.loop.call_later(self.request_patience, self.give_up)

    def _start_reading_clock(self) -> None:
        if self._reading_clock is None:
            self._reading_clock = self.loop.call_later(
                self.reading_patience, self.give_up
            )

    def _stop_clocks(self) -> None:
        for clock in (self._request_clock, self._reading_clock):
            if clock is not None:
                clock.cancel()
        self._request_clock = self._reading_clock = None

    def give_up(self) -> None:
        """End the connection, whatever is still to be sent."""
        self.transport.abort()

    def _make_room(self) -> None:
        """End the connection that has waited longest for a request, or else this."""
        waiting = [
            other
            for other in self.connections
            if isinstance(other, HastyProtocol) and other.waits_since is not None
        ]
        min(waiting, key=lambda other: other.waits_since or 0, default=self).give_up()
