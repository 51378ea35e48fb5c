"""Who may ask the API, and how often: tokens, or else the rules of the console."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import unquote_plus

from anyio import to_thread
from starlette.requests import Request

from seat_ledger.cli.api.problems import HttpProblem
from seat_ledger.cli.console.access import Gate, Refused
from seat_ledger.store.tokens import TokenGrant, TokenRegister

_IN_TEXT = re.compile(r"slt_[0-9a-f]{12}[A-Za-z0-9_-]*", re.ASCII)
_WHY = {
    "proxy": ("Only the trusted proxy is served.", "ask through it"),
    "host": (
        "This server is not called so.",
        "send a token, or have it started with --allowed-host NAME",
    ),
    "actor": ("The proxy named no user.", "have it send the header of --actor-header"),
    "accounts": (
        "The proxy's list of accounts is not percent-encoded.",
        "have it send the header of --accounts-header percent-encoded",
    ),
}
FAILURES_A_SECOND = 50.0
"""How often one address may send a token that is none."""
_MOST_KEYS = 10_000


class Principal(NamedTuple):
    """In whose name a request comes, and what it may do; `accounts` None means all."""

    name: str
    accounts: Sequence[str] | None = None
    may_write: bool = False
    limit_key: str = ""


class RateLimit:
    """So many requests a second for each key, and two seconds' worth at once."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._levels: dict[str, tuple[float, float]] = {}

    def take(self, key: str, now: float | None = None) -> None:
        """Count a request. Raises HttpProblem where it is one too many."""
        now = time.monotonic() if now is None else now
        level, since = self._levels.get(key, (0.0, now))
        level = max(0.0, level - (now - since) * self.rate) + 1
        if level > max(2 * self.rate, 1):
            raise HttpProblem(
                429,
                "too_many_requests",
                f"More than {self.rate:g} requests a second.",
                try_="wait, and send them more slowly",
                headers={"Retry-After": "1"},
            )
        if len(self._levels) >= _MOST_KEYS:
            self._levels.clear()
        self._levels[key] = level, now


class Admission:
    """The door of the API: a token, or a request that the console would let in too."""

    def __init__(
        self, gate: Gate, tokens: TokenRegister, rate: float, *, needs_token: bool
    ) -> None:
        self.gate, self.tokens, self.needs_token = gate, tokens, needs_token
        self._requests = RateLimit(rate)
        self._failures = RateLimit(FAILURES_A_SECOND)

    async def admit(self, request: Request) -> Principal:
        """Who this is. Raises HttpProblem."""
        scope = request.scope
        query = unquote_plus(scope["query_string"].decode("latin-1"))
        if _IN_TEXT.search(query) or _IN_TEXT.search(scope["path"]):
            raise HttpProblem(
                400,
                "token_in_address",
                "A token in an address is seen by others.",
                try_="revoke it, and send a new one as 'Authorization: Bearer TOKEN'",
            )
        peer = request.client.host if request.client else None
        try:
            principal = await self._principal(request, peer)
        except Refused as refused:
            why, try_ = _WHY[refused.why]
            raise HttpProblem(403, "not_admitted", why, try_=try_) from refused
        self._requests.take(principal.limit_key)
        return principal

    async def _principal(self, request: Request, peer: str | None) -> Principal:
        headers = request.headers.getlist("authorization")
        if headers:
            self.gate.check_peer(peer)
            grant = await self._grant(headers, peer or "")
            key = f"token:{grant.token_id}"
            return Principal(grant.actor, grant.accounts, grant.may_write, key)
        if self.needs_token:
            raise unauthorised("token_required", "This server needs a token.")
        here = (request.scope.get("server") or ("",))[0]
        visitor = self.gate.admit(peer, request.headers.getlist, here)
        accounts = None if visitor.accounts is None else sorted(visitor.accounts)
        return Principal(visitor.name, accounts, limit_key=f"peer:{peer}")

    async def _grant(self, headers: Sequence[str], peer: str) -> TokenGrant:
        scheme, _, token = headers[0].partition(" ")
        grant = None
        if len(headers) == 1 and scheme.lower() == "bearer" and token.isascii():
            is_remembered, grant = self.tokens.recall(token.strip())
            if not is_remembered:
                grant = await to_thread.run_sync(self.tokens.find, token.strip())
        if grant is None:
            self._failures.take(peer)
            raise unauthorised(
                "token_invalid", "The token is none of this ledger, or works no longer."
            )
        return grant


def unauthorised(code: str, message: str) -> HttpProblem:
    """The answer to who has not said who it is."""
    return HttpProblem(
        401,
        code,
        message,
        try_="send one as 'Authorization: Bearer TOKEN'; see 'seat-ledger help api'",
        headers={"WWW-Authenticate": "Bearer"},
    )


def without_tokens(text: str) -> str:
    """A text as a log may have it."""
    return _IN_TEXT.sub("slt_…", text)
