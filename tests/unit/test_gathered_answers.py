"""An answer's head and body leave together; what streams leaves turn by turn."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from seat_ledger.cli.console.connections import LONGEST_PIECE, Gathering


class _Transport:
    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.is_closed = False

    def write(self, piece: bytes) -> None:
        self.sent.append(piece)

    def close(self) -> None:
        self.is_closed = True

    def get_extra_info(self, name: str) -> str:
        return name


def _run(*turns: Any) -> _Transport:
    """What a transport sends of what each turn writes."""
    transport = _Transport()

    async def act() -> None:
        loop = asyncio.get_running_loop()
        gathering = Gathering(cast("asyncio.Transport", transport), loop)
        for turn in turns:
            turn(gathering)
            await asyncio.sleep(0)

    asyncio.run(act())
    return transport


def test_what_is_written_in_one_turn_is_one_piece() -> None:
    def answer(gathering: Gathering) -> None:
        for piece in (b"head ", b"body", b""):
            gathering.write(piece)

    def stream(gathering: Gathering) -> None:
        gathering.write(b"more")

    assert _run(answer, stream).sent == [b"head body", b"more"]


def test_a_long_piece_does_not_wait_for_the_end_of_its_turn() -> None:
    def write(gathering: Gathering) -> None:
        gathering.write(b"head")
        gathering.write(b"x" * LONGEST_PIECE)
        gathering.write(b"end")
        gathering.flush()

    assert _run(write).sent == [b"head" + b"x" * LONGEST_PIECE, b"end"]


def test_closing_sends_what_is_written_first() -> None:
    def close(gathering: Gathering) -> None:
        gathering.write(b"last")
        gathering.close()

    transport = _run(close)
    assert (transport.sent, transport.is_closed) == ([b"last"], True)


def test_all_else_is_the_transports_own() -> None:
    def ask(gathering: Gathering) -> None:
        assert gathering.get_extra_info("socket") == "socket"

    assert _run(ask).sent == []
