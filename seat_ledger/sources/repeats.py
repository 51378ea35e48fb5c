"""Ids that come twice in a file, found with sixteen bytes a line."""

from __future__ import annotations

from array import array
from zlib import crc32

_BUCKETS = 256


class Repeats:
    """Notes the id and the content of each line, by their digests.

    Two ids of one digest of 64 bits in one file would be taken for one and, their
    contents differing, be refused: among a million ids that is as likely as 3 in 10^8.
    """

    def __init__(self) -> None:
        self._ids = [array("q") for _ in range(_BUCKETS)]
        self._lines = [array("Q") for _ in range(_BUCKETS)]  # content and number

    def note(self, id_: str, content: bytes, number: int) -> None:
        """Take a line: its id, all that it says, and its number."""
        digest = hash(id_)
        bucket = digest & (_BUCKETS - 1)
        self._ids[bucket].append(digest)
        self._lines[bucket].append(crc32(content) << 32 | number)

    def again(self) -> tuple[set[int], tuple[int, int] | None]:
        """The lines that repeat an earlier one; two that only have one id."""
        repeated: set[int] = set()
        conflict: tuple[int, int] | None = None
        for ids, lines in zip(self._ids, self._lines, strict=True):
            if len(set(ids)) == len(ids):
                continue
            first: dict[int, tuple[int, int]] = {}
            for id_, line in zip(ids, lines, strict=True):
                content, number = divmod(line, 1 << 32)
                earlier = first.setdefault(id_, (content, number))
                if earlier[1] == number:
                    continue
                if earlier[0] == content:
                    repeated.add(number)
                elif conflict is None or number < conflict[1]:
                    conflict = earlier[1], number
        return repeated, conflict
