"""Twins and reports on their way, for as long as somebody takes them."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import AsyncExitStack, closing

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from seat_ledger.cli.console.queueing import Lane

CHUNK = 1 << 16


class Download(Response):
    """A twin or a report, a piece at a time; its turn and its reader end with it."""

    def __init__(self, stream: Generator[bytes], lane: Lane) -> None:
        self.turn = AsyncExitStack()
        self._pieces = stream
        self._lane = lane
        self._first: bytes | None = None
        super().__init__()
        del self.headers["content-length"]

    async def begin(self) -> None:
        """Read the first piece, so that what is refused is refused with its status."""
        self._first = await self._next()

    async def _next(self) -> bytes | None:
        return await self._lane.run(lambda: next(self._pieces, None))

    async def close(self) -> None:
        """Give the reader back, and the turn."""
        async with self.turn:
            await self._lane.run(self._pieces.close)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; stop when nobody is there any more."""
        disconnected = asyncio.ensure_future(_disconnected(receive))
        try:
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
            if scope["method"] != "HEAD":
                piece = self._first
                while piece is not None and not disconnected.done():
                    body = {"type": "http.response.body", "body": piece}
                    await send({**body, "more_body": True})
                    piece = await self._next()
            await send({"type": "http.response.body", "body": b""})
        finally:
            disconnected.cancel()
            await self.close()


async def _disconnected(receive: Receive) -> None:
    """Wait until the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def pieces(stream: Generator[str]) -> Generator[bytes]:
    """Small texts as pieces of a size that is worth a thread's turn."""
    gathered: list[str] = []
    size = 0
    with closing(stream):
        for text in stream:
            gathered.append(text)
            size += len(text)
            if size >= CHUNK:
                yield "".join(gathered).encode()
                gathered, size = [], 0
    if gathered:
        yield "".join(gathered).encode()
