"""The Merkle tree of RFC 9162, section 2.1, over leaf hashes of 32 bytes.

Sizes and indexes count leaves from 0. Hashes that stand side by side are kept as one
piece of bytes, 32 for each, because a ledger has millions of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

HASH = 32
EMPTY_ROOT = sha256(b"").digest()

Range = tuple[int, int]
"""Leaves ``[low, high)``."""


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of a leaf's bytes; the prefix tells it from an inner node's."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def fold(hashes: bytes, levels: int) -> bytes:
    """The nodes that stand `levels` above a whole number of full subtrees."""
    for _ in range(levels):
        hashes = b"".join(
            [
                sha256(b"\x01" + hashes[at : at + 64]).digest()
                for at in range(0, len(hashes), 64)
            ]
        )
    return hashes


class Frontier:
    """A tree that grows at its right end, kept as the roots of its full subtrees."""

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        self.size = size
        self.peaks = list(peaks)

    def copy(self) -> Frontier:
        """The same tree, to be continued another way."""
        return Frontier(self.size, self.peaks)

    def add(self, node: bytes, level: int = 0) -> None:
        """Add a full subtree of ``2 ** level`` leaves; the size is a multiple of it."""
        at = level
        while self.size >> at & 1:
            node = node_hash(self.peaks.pop(), node)
            at += 1
        self.peaks.append(node)
        self.size += 1 << level

    def extend(self, hashes: bytes, level: int = 0) -> None:
        """Add subtrees of one level, side by side."""
        for at in range(0, len(hashes), HASH):
            self.add(hashes[at : at + HASH], level)

    def root(self) -> bytes:
        """The tree's root hash."""
        if not self.peaks:
            return EMPTY_ROOT
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node_hash(peak, root)
        return root


def _split(size: int) -> int:
    """The largest power of two below `size`, which is at least 2."""
    return 1 << (size - 1).bit_length() - 1


def full_subtrees(low: int, high: int) -> list[tuple[int, int]]:
    """The full subtrees of a node over ``[low, high)``: level and index, from left."""
    subtrees = []
    while low < high:
        level = (high - low).bit_length() - 1
        subtrees.append((level, low >> level))
        low += 1 << level
    return subtrees


def inclusion_path(index: int, size: int) -> list[Range]:
    """What an inclusion proof is made of, from the leaf up (RFC 9162, 2.1.3.1)."""
    low, high, path = 0, size, list[Range]()
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append((middle, high))
            high = middle
        else:
            path.append((low, middle))
            low = middle
    return path[::-1]


def consistency_path(first: int, second: int) -> list[Range]:
    """What a consistency proof is made of, from below (RFC 9162, 2.1.4.1)."""
    low, high, path = 0, second, list[Range]()
    if first in {0, second}:
        return path
    while first != high:
        middle = low + _split(high - low)
        if first <= middle:
            path.append((middle, high))
            high = middle
        else:
            path.append((low, middle))
            low = middle
    if low:
        path.append((low, high))
    return path[::-1]


def root_from_inclusion(
    leaf: bytes, index: int, size: int, path: Sequence[bytes]
) -> bytes | None:
    """The root that a leaf hash and its path lead to; None where the path cannot be
    one of that index and size (RFC 9162, 2.1.3.2).
    """
    if not 0 <= index < size:
        return None
    at, last, root = index, size - 1, leaf
    for node in path:
        if last == 0:
            return None
        if at & 1 or at == last:
            root = node_hash(node, root)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            root = node_hash(root, node)
        at, last = at >> 1, last >> 1
    return root if last == 0 else None


def is_consistent(
    first: int,
    second: int,
    first_root: bytes,
    second_root: bytes,
    path: Sequence[bytes],
) -> bool:
    """Whether the second tree only added to the first (RFC 9162, 2.1.4.2)."""
    if not 0 < first <= second:
        return False
    if first == second:
        return not path and first_root == second_root
    nodes = list(path)
    if first & (first - 1) == 0:
        nodes.insert(0, first_root)
    if not nodes:
        return False
    at, last = first - 1, second - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    earlier = later = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            earlier, later = node_hash(node, earlier), node_hash(node, later)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            later = node_hash(later, node)
        at, last = at >> 1, last >> 1
    return last == 0 and earlier == first_root and later == second_root
