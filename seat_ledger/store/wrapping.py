"""Values that no log of the server may hold, wrapped on their way there.

A server may log the values that statements are given (``log_statement``,
``log_min_duration_statement``, ``auto_explain`` …), but never what they return. So each
session is given a secret (``ledger.new_wrapping``), and what an erasure must destroy is
sent under it: in a statement, as ``ledger.unwrapped(%s)``. The secret ends with the
session; what stands in a log opens for nobody.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, MutableMapping
from contextlib import suppress
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import psycopg
from psycopg.adapt import Dumper
from psycopg.rows import tuple_row

_NONCE = 8
_BYTEA = 17
_secrets: MutableMapping[psycopg.Connection[Any], bytes] = WeakKeyDictionary()


class Secret(str):
    """A text that a person is known by; a parameter of ``ledger.unwrapped``."""

    __slots__ = ()

    @classmethod
    def ids(cls, ids: Iterable[UUID]) -> Secret:
        """Ids as an array: those made from a text tell whoever can guess the text."""
        return cls("{" + ",".join(map(str, ids)) + "}")


class SecretBytes(bytes):
    """A key or digest; a parameter of ``ledger.unwrapped_bytes``."""

    __slots__ = ()


def open_wrapping(connection: psycopg.Connection[Any]) -> None:
    """Agree on a secret with the server, for the session; in autocommit mode.

    A database of an older schema has none, and is refused where it is asked.
    """
    with suppress(
        psycopg.errors.InvalidSchemaName,
        psycopg.errors.UndefinedFunction,
        psycopg.errors.InsufficientPrivilege,
    ):
        with connection.cursor(row_factory=tuple_row) as cursor:
            row = cursor.execute("SELECT ledger.new_wrapping()").fetchone()
        assert row is not None
        _secrets[connection] = bytes(row[0])


def wrapped(secret: bytes, plain: bytes) -> bytes:
    """A value under a session's secret; the same value never looks the same."""
    nonce = os.urandom(_NONCE)
    blocks = range((len(plain) + 31) // 32)
    stream = b"".join(
        hashlib.sha256(secret + nonce + block.to_bytes(4, "big")).digest()
        for block in blocks
    )[: len(plain)]
    mixed = int.from_bytes(plain, "big") ^ int.from_bytes(stream, "big")
    return nonce + mixed.to_bytes(len(plain), "big")


class _SecretDumper(Dumper):
    """Writes a secret as the session's wrapped bytes; never as what it is."""

    oid = _BYTEA

    def dump(self, obj: Any) -> bytes:
        connection = self.connection
        if not isinstance(connection, psycopg.Connection) or (
            connection not in _secrets
        ):
            raise psycopg.ProgrammingError("no wrapping was opened on this connection")
        plain = obj.encode() if isinstance(obj, str) else bytes(obj)
        return b"\\x" + wrapped(_secrets[connection], plain).hex().encode()


psycopg.adapters.register_dumper(Secret, _SecretDumper)
psycopg.adapters.register_dumper(SecretBytes, _SecretDumper)
