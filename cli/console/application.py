"""The web application: addresses in, pages and their twins out. It only reads."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from importlib import resources
from itertools import chain
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import (
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cli.console import pages
from cli.console.asking import Asked
from cli.console.gate import Gate, Refused, Visitor
from cli.console.sheet import Sheet
from cli.console.words import LANGUAGES, Words, chosen, words_of
from cli.render import csv_chunks, json_chunks, to_json
from projections.pool import Pool
from seat_ledger.errors import (
    CommandRefused,
    InvalidInput,
    LedgerError,
    NotFound,
    Unavailable,
)

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
TYPES = {"json": "application/json", "csv": "text/csv; charset=utf-8"}
STATIC = {
    "console.css": "text/css",
    "console.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
LONGEST_ADDRESS = 8000

Tell = Callable[..., None]


def quiet(_event: str, **_facts: object) -> None:
    """Tell nobody."""


@dataclass
class Console:
    """The console over a database: its pages, its gate, and whom it tells."""

    conninfo: str
    gate: Gate
    redact: bool = False
    size: int = 4
    tell: Tell = quiet

    @cached_property
    def pool(self) -> Pool:
        """The readers of pages."""
        return Pool(self.conninfo, self.size, redact=self.redact)

    @cached_property
    def twins(self) -> Pool:
        """The readers of twins, apart: a slow download holds no page up."""
        return Pool(self.conninfo, 2, redact=self.redact)

    @cached_property
    def sheet(self) -> Sheet:
        """The templates."""
        return Sheet({name: _static(name) for name in STATIC})

    def application(self) -> ASGIApp:
        """The application, with what holds for every answer around it."""
        routes = [
            Route("/", self.home),
            Route("/static/{name}", static),
            Route("/{page}.{form:str}", self.page),
            Route("/{page}", self.page),
        ]
        return Around(Starlette(routes=routes), self)

    def close(self) -> None:
        """Close the connections."""
        self.pool.close()
        self.twins.close()

    async def home(self, request: Request) -> Response:
        """The first page: the search box."""
        return await run_in_threadpool(self._answer, request, "search", "html")

    async def page(self, request: Request) -> Response:
        """A page, or with an ending one of its twins."""
        name = request.path_params["page"]
        form = request.path_params.get("form", "html")
        if name not in pages.PAGES or form not in {"html", *TYPES}:
            return self._failed(request, NotFound("entry_not_found", _NO_PAGE), form)
        if form == "html" and "form" in request.path_params:
            return self._failed(request, NotFound("entry_not_found", _NO_PAGE), form)
        return await run_in_threadpool(self._answer, request, name, form)

    def _answer(self, request: Request, name: str, form: str) -> Response:
        try:
            if form == "html":
                return self._page(request, name)
            return self._twin(request, name, form)
        except LedgerError as error:
            return self._failed(request, error, form)

    def _page(self, request: Request, name: str) -> Response:
        with self.pool.reader() as reader:
            asked = Asked(reader, params_of(request), words_for(request), who(request))
            page = pages.PAGES[name](asked)
            if name == "search" and "go" in asked.params:
                found = pages.search.only_hit(page)
                if found is not None:
                    return RedirectResponse(found, 303)
            text = self.sheet.page(asked, page, request.url.path)
        return _html(text, asked.words)

    def _twin(self, request: Request, name: str, form: str) -> Response:
        params, words, visitor = params_of(request), words_for(request), who(request)

        def chunks() -> Iterator[str]:
            with self.twins.reader() as reader:
                asked = Asked(reader, params, words, visitor, form)
                answer = pages.PAGES[name](asked).answer
                yield from (json_chunks if form == "json" else csv_chunks)(answer)

        stream = chunks()
        first = next(stream, "")
        response = StreamingResponse(chain([first], stream), media_type=TYPES[form])
        if form == "csv":
            response.headers["Content-Disposition"] = (
                f'attachment; filename="{name}.csv"'
            )
        return response

    def _failed(self, request: Request, error: LedgerError, form: str) -> Response:
        status = _status_of(error)
        if form in TYPES:
            told = {"type": "error", "code": error.code, "exit": error.exit_code}
            told |= {"message": error.message, "try": error.try_}
            return Response(to_json(told), status, media_type=TYPES["json"])
        words = words_for(request)
        text = self.sheet.failure(words, error, params_of(request), request.url.path)
        return _html(text, words, status)


_NO_PAGE = "The console has no such page."


def _status_of(error: LedgerError) -> int:
    if isinstance(error, NotFound):
        return 404
    if isinstance(error, InvalidInput):
        return 400
    if isinstance(error, CommandRefused):
        return 409
    if isinstance(error, Unavailable):  # a question that took too long, too
        return 503
    return 503 if error.exit_code in {11, 12} else 500


def _html(text: str, words: Words, status: int = 200) -> Response:
    headers = {"Content-Language": words.language, "Vary": "Accept-Language"}
    return Response(text, status, headers, "text/html; charset=utf-8")


def params_of(request: Request) -> dict[str, str]:
    """The parameters of an address; of one that comes twice, the last."""
    return dict(request.query_params)


def who(request: Request) -> Visitor:
    """Who asks, as the gate found."""
    found: Visitor = request.scope["visitor"]
    return found


def words_for(request: Request) -> Words:
    """The language: the address's own, or what the browser likes best."""
    said = request.query_params.get("lang", "")
    if said in LANGUAGES:
        return words_of(said)
    return words_of(chosen(request.headers.get("accept-language", "")))


def static(request: Request) -> Response:
    """The stylesheet and the script, as they are."""
    name = request.path_params["name"]
    if name not in STATIC:
        return PlainTextResponse("Not found.", 404)
    return Response(_static(name), media_type=STATIC[name])


def _static(name: str) -> bytes:
    return resources.files("cli.console").joinpath("static", name).read_bytes()


class Around:
    """What holds for every answer: the gate, the headers, no writing, one line told."""

    def __init__(self, inner: ASGIApp, console: Console) -> None:
        self.inner = inner
        self.console = console

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or say why not."""
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
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
            await self._let_in(request, receive, sending)
        finally:
            took = round((time.perf_counter() - began) * 1000, 1)
            actor = scope["visitor"].name if "visitor" in scope else None
            self.console.tell(
                "answered", path=scope["path"], status=status, ms=took, actor=actor
            )

    async def _let_in(self, request: Request, receive: Receive, send: Send) -> None:
        scope = request.scope
        answer: ASGIApp = self.inner
        if request.method not in {"GET", "HEAD"}:
            answer = PlainTextResponse(
                "The console only reads.", 405, {"Allow": "GET, HEAD"}
            )
        elif len(scope["query_string"]) > LONGEST_ADDRESS:
            answer = PlainTextResponse("The address is too long.", 414)
        else:
            try:
                peer = request.client.host if request.client else None
                scope["visitor"] = self.console.gate.admit(
                    peer, request.headers.getlist
                )
            except Refused as refused:
                words = words_for(request)
                told = words(f"refused_{refused.why}")
                answer = PlainTextResponse(told, 403)
        try:
            await answer(scope, receive, send)
        except LedgerError as error:  # after the answer had begun
            self.console.tell("cut_off", reason=error.message)
        except Exception as error:  # noqa: BLE001  the last resort: a bug
            self.console.tell("bug", kind=type(error).__name__, kept=_kept(error))
            if "begun" in scope:
                return
            await PlainTextResponse("Something went wrong here.", 500)(
                scope, receive, send
            )


def _headers(scope: Scope, status: int, headers: Any) -> list[tuple[bytes, bytes]]:
    """An answer's headers with those that all have; only our own files may be kept."""
    fixed = scope["path"].startswith("/static/") and status == HTTPStatus.OK
    cache = "public, max-age=31536000, immutable" if fixed else "no-store"
    own = {**HEADERS, "Cache-Control": cache}
    return [
        *headers,
        *((name.lower().encode(), value.encode()) for name, value in own.items()),
    ]


def _kept(error: BaseException) -> str:
    """The file that a bug's traceback went to."""
    from cli.main import keep_traceback  # noqa: PLC0415  only where there is a bug

    return str(keep_traceback(error))


logging.getLogger("uvicorn").setLevel(logging.WARNING)
