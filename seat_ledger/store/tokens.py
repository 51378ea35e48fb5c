"""Tokens of programs that call the API: created, listed, revoked, and recognised.

A token is ``slt_``, an id that may be shown, and a secret of 256 random bits. The store
keeps a digest of the whole; only the owner of the ledger's tables creates and revokes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import class_row

from seat_ledger.domain.nearest import did_you_mean, nearest
from seat_ledger.domain.values import check_text, shown
from seat_ledger.errors import InvalidInput, LedgerError, NotFound, OutcomeUnknown
from seat_ledger.store.connection import committing, connect, explained

_TOKEN = re.compile(r"slt_([0-9a-f]{12})_[A-Za-z0-9_-]{43}", re.ASCII)
LONGEST_ACTOR = 200
REMEMBERED = 2.0
"""Seconds for which a token is not looked up again: so long works a revoked one."""
MOST_REMEMBERED = 10_000

_CREATE = """
INSERT INTO ledger.api_token
       (token_id, digest, actor, may_write, accounts, ends_at)
VALUES (%(token_id)s, %(digest)s, %(actor)s, %(may_write)s, %(accounts)s, %(ends_at)s)
"""
_LIST = """
SELECT token_id, actor, may_write, accounts, created_at, created_by, ends_at,
       revoked_at,
       revoked_at IS NULL
       AND (ends_at IS NULL OR ends_at > ledger.database_now()) AS works
  FROM ledger.api_token
 ORDER BY created_at, token_id
"""
_REVOKE = """
UPDATE ledger.api_token
   SET revoked_at = clock_timestamp()
 WHERE token_id = %(token_id)s AND revoked_at IS NULL
"""
_NEWEST = """
SELECT token_id
  FROM ledger.api_token
 ORDER BY created_at DESC
 LIMIT 1000
"""
_IS_THERE = "SELECT FROM ledger.api_token WHERE token_id = %(token_id)s"
_FIND = """
SELECT token_id, digest, actor, may_write, accounts, ends_at
  FROM ledger.api_token
 WHERE token_id = %(token_id)s
   AND revoked_at IS NULL
   AND (ends_at IS NULL OR ends_at > ledger.database_now())
"""


class TokenGrant(NamedTuple):
    """What a token may do: as whom, whether it may record, and in which accounts.

    `accounts` None means all.
    """

    token_id: str
    digest: bytes
    actor: str
    may_write: bool
    accounts: Sequence[str] | None
    ends_at: datetime | None


class ListedToken(NamedTuple):
    """A token as its owner sees it."""

    token_id: str
    actor: str
    may_write: bool
    accounts: Sequence[str] | None
    created_at: datetime
    created_by: str
    ends_at: datetime | None
    revoked_at: datetime | None
    works: bool


def digest_of(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).digest()


def create(
    conninfo: str,
    actor: str,
    *,
    may_write: bool,
    accounts: Sequence[str] | None,
    ends_at: datetime | None,
) -> tuple[str, str]:
    """Create a token; return its id, and the token, which nobody can read again.

    Raises InvalidInput for an actor that is no ``system:NAME``: a user's key is a
    person's, and here nothing could erase it. Raises OutcomeUnknown.
    """
    name = actor.removeprefix("system:")
    if not actor.startswith("system:") or not name or len(actor) > LONGEST_ACTOR:
        raise InvalidInput(
            f"A token cannot act as {shown(actor)}: it belongs to a program.",
            try_="write --actor system:NAME",
        )
    check_text(actor, "actor")
    token_id = secrets.token_hex(6)
    secret = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
    token = f"slt_{token_id}_{secret}"
    params = {
        "token_id": token_id,
        "digest": digest_of(token),
        "actor": actor,
        "may_write": may_write,
        "accounts": None if accounts is None else list(accounts),
        "ends_at": ends_at,
    }
    try:
        with _as_owner(conninfo) as connection, committing(connection):
            connection.execute(_CREATE, params)
    except OutcomeUnknown as error:
        raise OutcomeUnknown(
            f"The connection was lost while the token {token_id} was being created: it "
            "may be there, and nobody knows it.",
            try_="create another one; where 'seat-ledger token list' shows "
            f"{token_id}, revoke it: seat-ledger token revoke {token_id}",
        ) from error
    return token_id, token


def listed(conninfo: str) -> list[ListedToken]:
    """Every token that was ever created, without what it is recognised by."""
    with _as_owner(conninfo) as connection:
        cursor = connection.cursor(row_factory=class_row(ListedToken))
        return cursor.execute(_LIST).fetchall()


def revoke(conninfo: str, token_id: str) -> bool:
    """Let a token work no longer; return whether it was not revoked before."""
    with _as_owner(conninfo) as connection:
        params = {"token_id": token_id}
        if connection.execute(_IS_THERE, params).rowcount == 0:
            ids = connection.execute(_NEWEST).fetchall()
            near = nearest(token_id, (row[0] for row in ids))
            raise NotFound(
                "token_not_found",
                f"There is no token {shown(token_id)}.",
                try_=f"{did_you_mean(near)}see 'seat-ledger token list'",
            )
        return connection.execute(_REVOKE, params).rowcount > 0


@contextmanager
def _as_owner(conninfo: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection of the owner, or the sentence that says who may do it."""
    try:
        with connect(conninfo, role="owner") as connection:
            yield connection
    except psycopg.errors.InsufficientPrivilege as error:
        raise LedgerError(
            "Only a member of seat_ledger_owner decides about tokens.",
            try_="ask one of them to do it",
        ) from error


class TokenRegister:
    """Recognises tokens, by a connection of its own; safe in threads."""

    def __init__(
        self, conninfo: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.conninfo = conninfo
        self._clock = clock
        self._lock = threading.Lock()
        self._connection: psycopg.Connection[Any] | None = None
        self._remembered: dict[bytes, tuple[float, TokenGrant | None]] = {}

    def recall(self, token: str) -> tuple[bool, TokenGrant | None]:
        """Whether it is known without asking, and what the token may do then."""
        entry = self._remembered.get(digest_of(token))
        if entry is None or entry[0] < self._clock():
            return False, None
        return True, entry[1]

    def find(self, token: str) -> TokenGrant | None:
        """What a token may do; None for one that is none, or works no longer."""
        match = _TOKEN.fullmatch(token)
        if match is None:
            return None
        digest = digest_of(token)
        with self._lock:
            grant = self._stored(match[1])
            if grant is not None and not hmac.compare_digest(grant.digest, digest):
                grant = None
            if len(self._remembered) >= MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered[digest] = (self._clock() + REMEMBERED, grant)
        return grant

    def _stored(self, token_id: str) -> TokenGrant | None:
        try:
            if self._connection is None or self._connection.closed:
                self._connection = connect(
                    self.conninfo, role="reader", autocommit=True
                )
            cursor = self._connection.cursor(row_factory=class_row(TokenGrant))
            return cursor.execute(_FIND, {"token_id": token_id}).fetchone()
        except psycopg.Error as error:
            self._let_go()
            explanation = explained(self.conninfo, error)
            if explanation is None:
                raise
            raise explanation from error

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._let_go()
