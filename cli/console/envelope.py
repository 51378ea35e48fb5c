"""What holds for every answer: the gate, the headers, no writing, one line told."""

from __future__ import annotations

import logging
import time
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seat_ledger.cli.console.access import Gate, Refused, Visitor
from seat_ledger.cli.console.failures import BugFiles, Log
from seat_ledger.cli.console.uploads import problem_of
from seat_ledger.cli.output.i18n import LANGUAGES, Words, chosen, words_of
from seat_ledger.errors import LedgerError

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src "
    "'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
LONGEST_ADDRESS = 8000
UPLOAD = "/check"
"""The one address that a file may be sent to."""


def params_of(request: Request) -> dict[str, str]:
    """The parameters of an address; of one that comes twice, the last."""
    return dict(request.query_params)


def who(request: Request) -> Visitor:
    """Who asks, as the gate found."""
    visitor: Visitor = request.scope["visitor"]
    return visitor


def words_for(request: Request) -> Words:
    """The language: the address's own, or what the browser likes best."""
    language = request.query_params.get("lang", "")
    if language in LANGUAGES:
        return words_of(language)
    return words_of(chosen(request.headers.get("accept-language", "")))


class ResponseEnvelope:
    """Lets a request in or says why not, and puts the headers on every answer."""

    def __init__(self, inner: ASGIApp, gate: Gate, log: Log, bugs: BugFiles) -> None:
        self.inner, self.gate, self.log, self.bugs = inner, gate, log, bugs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, and tell of it."""
        if scope["type"] != "http":
            return
        began, status = time.perf_counter(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status, scope["begun"] = message["status"], True
                message["headers"] = _headers(scope, status, message["headers"])
            await send(message)

        request = Request(scope)
        try:
            answer = self._refusal(request) or self.inner
            await self._send(answer, scope, receive, sending)
        finally:
            took = round((time.perf_counter() - began) * 1000, 1)
            actor = scope["visitor"].name if "visitor" in scope else None
            path = scope["path"][:LONGEST_LOGGED]
            self.log("answered", path=path, status=status, ms=took, actor=actor)

    def _refusal(self, request: Request) -> ASGIApp | None:
        """Why a request is not let in; None where it is."""
        scope = request.scope
        # What follows a body may be taken for a request of its own, by us or by a
        # proxy that measured the body otherwise: the connection ends with the answer.
        closed = {"Connection": "close"} if _has_body(request) else {}
        is_upload = request.method == "POST" and scope["path"] == UPLOAD
        if is_upload and (problem := problem_of(request)) is not None:
            status, why = problem
            return _plain(request, f"upload_{why}", status, closed)
        if not is_upload and request.method not in {"GET", "HEAD"}:
            allowed = {"Allow": "GET, HEAD", **closed}
            return _plain(request, "refused_method", 405, allowed)
        if len(scope["query_string"]) + len(scope["path"]) > LONGEST_ADDRESS:
            return _plain(request, "refused_address", 414, closed)
        if closed and not is_upload:
            return _plain(request, "refused_body", 413, closed)
        try:
            here = (scope.get("server") or ("",))[0]
            peer = request.client.host if request.client else None
            visitor = self.gate.admit(peer, request.headers.getlist, here)
        except Refused as refused:
            return _plain(request, f"refused_{refused.why}", 403, closed)
        scope["visitor"] = visitor
        return None

    async def _send(
        self, answer: ASGIApp, scope: Scope, receive: Receive, send: Send
    ) -> None:
        try:
            await answer(scope, receive, send)
        except LedgerError as error:  # after the answer had begun
            self.log("cut_off", reason=error.message)
        except Exception as error:  # noqa: BLE001  the last resort: a bug
            self.bugs.keep(error)
            if "begun" not in scope:
                sorry = _plain(Request(scope), "sorry", 500, {})
                await sorry(scope, receive, send)


LONGEST_LOGGED = 300


def _plain(
    request: Request, key: str, status: int, headers: dict[str, str]
) -> PlainTextResponse:
    """A text of the catalogue, without a page around it."""
    words = words_for(request)
    own = {"Content-Language": words.language, **headers}
    return PlainTextResponse(words(key), status, own)


def _has_body(request: Request) -> bool:
    length = request.headers.get("content-length", "0")
    return length.strip() != "0" or "transfer-encoding" in request.headers


def _headers(scope: Scope, status: int, headers: Any) -> list[tuple[bytes, bytes]]:
    """An answer's headers with those that all have; only our own files may be kept."""
    fixed = scope["path"].startswith("/static/") and status == HTTPStatus.OK
    cache = "public, max-age=31536000, immutable" if fixed else "no-store"
    own = {**HEADERS, "Cache-Control": cache}
    if scope["path"] == UPLOAD:  # so that the form says where it comes from
        own["Referrer-Policy"] = "same-origin"
    return [
        *headers,
        *((name.lower().encode(), value.encode()) for name, value in own.items()),
    ]


logging.getLogger("uvicorn").setLevel(logging.ERROR)
