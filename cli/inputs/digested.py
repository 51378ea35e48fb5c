"""A file whose digest is known once it is read."""

from __future__ import annotations

import hashlib
import io
from typing import Any, BinaryIO


class DigestedStream(io.RawIOBase):
    """The bytes of a stream, with the SHA-256 of all that was read of it."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream, self._digest = stream, hashlib.sha256()

    def readable(self) -> bool:
        """Whether it can be read, which it can."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes."""
        piece = self._stream.read(len(buffer))
        self._digest.update(piece)
        buffer[: len(piece)] = piece
        return len(piece)

    def whole_digest(self) -> str:
        """The SHA-256 of the whole stream, as hexadecimal digits."""
        while piece := self._stream.read(1 << 20):
            self._digest.update(piece)
        return self._digest.hexdigest()
