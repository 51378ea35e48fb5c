"""The web application of the API: addresses in, documents and problems out."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seat_ledger.cli.api.admission import (
    Admission,
    Principal,
    unauthorised,
    without_tokens,
)
from seat_ledger.cli.api.advice import for_clients
from seat_ledger.cli.api.answering import AnswerHead, ApiRequest
from seat_ledger.cli.api.auditing import AuditRequest
from seat_ledger.cli.api.endpoints import (
    answered_endpoints,
    audit_endpoint,
    endpoints,
    status_endpoint,
)
from seat_ledger.cli.api.measures import MEDIA_TYPE, OTHER, Measures
from seat_ledger.cli.api.openapi import document_text
from seat_ledger.cli.api.page import page_text
from seat_ledger.cli.api.problems import HttpProblem, http_status, meaning_of, problem
from seat_ledger.cli.api.recording import BATCHES, COMMANDS, Writers, read_request
from seat_ledger.cli.api.sent_files import received
from seat_ledger.cli.console.access import Gate
from seat_ledger.cli.console.connections import HastyProtocol
from seat_ledger.cli.console.downloads import Download, pieces
from seat_ledger.cli.console.envelope import HEADERS, LONGEST_ADDRESS, LONGEST_LOGGED
from seat_ledger.cli.console.failures import BugFiles, Log, for_visitor
from seat_ledger.cli.console.queueing import Lane
from seat_ledger.cli.output.metrics import state_at, state_of
from seat_ledger.errors import LedgerError, SchemaMismatch, Unavailable
from seat_ledger.lazy import lazy
from seat_ledger.projections.billing.audit import Spool
from seat_ledger.projections.reader.of_accounts import (
    AccountsReader,
    RedactedAccountsReader,
)
from seat_ledger.projections.reader.pool import PooledReader, ReaderPool
from seat_ledger.projections.reader.redaction import RedactedReader
from seat_ledger.store.connection import in_words
from seat_ledger.store.tokens import TokenRegister

LONG_ANSWERS = 2
"""Answers as long as the ledger that are read at once, by connections of their own."""
_QUEUE, _PATIENCE = 200, 15.0
_LONG_QUEUE, _LONG_PATIENCE = 50, 20.0
READS = {"GET", "HEAD"}
METRICS = "/metrics"
_OPEN = {"/", "/openapi.json", "/healthz", "/readyz", "/static/api.css"}
"""Addresses that tell nothing of the ledger."""


class Readers:
    """Readers of one lane: of everything, and of the accounts that somebody may see."""

    def __init__(self, conninfo: str, size: int, *, redact: bool) -> None:
        every = RedactedReader if redact else PooledReader
        limited = RedactedAccountsReader if redact else AccountsReader
        self._every = ReaderPool(conninfo, size, reader=every)
        self._limited: ReaderPool[AccountsReader] = ReaderPool(
            conninfo, size, reader=limited
        )

    @contextmanager
    def reader(self, accounts: Sequence[str] | None) -> Iterator[PooledReader]:
        """Borrow a reader that sees these accounts; None: all."""
        if accounts is None:
            with self._every.reader() as reader:
                yield reader
            return
        with self._limited.reader() as limited:
            limited.see(accounts)
            yield limited

    def close(self) -> None:
        """Close what rests."""
        self._every.close()
        self._limited.close()


@dataclass
class Api:
    """The API over a database: its gate, whom it logs to, and its limits.

    `rate` is of requests a second and token; with `needs_token` nobody asks without.
    Without `writers` nothing is recorded.
    """

    conninfo: str
    gate: Gate
    redact: bool = False
    size: int = 4
    log: Log = lambda _event, **_facts: None
    rate: float = 1000.0
    needs_token: bool = False
    writers: Writers | None = None

    def __post_init__(self) -> None:
        """Make the lanes, and the readers of each: a long answer holds nobody up."""
        self.readers = Readers(self.conninfo, self.size, redact=self.redact)
        self.long_readers = Readers(self.conninfo, LONG_ANSWERS + 1, redact=self.redact)
        self.tokens = TokenRegister(self.conninfo)
        self.admission = Admission(
            self.gate, self.tokens, self.rate, needs_token=self.needs_token
        )
        self.lane = Lane(self.size, _QUEUE, _PATIENCE)
        self.long_lane = Lane(LONG_ANSWERS, _LONG_QUEUE, _LONG_PATIENCE)
        self.audit_lane = Lane(1, _LONG_QUEUE, _LONG_PATIENCE)
        self.bugs = BugFiles(self.log)
        self.measures = Measures()

    def application(self) -> ASGIApp:
        """The application, with what holds for every answer around it."""
        return ApiEnvelope(self)

    def close(self) -> None:
        """Close the connections."""
        self.readers.close()
        self.long_readers.close()
        self.tokens.close()
        if self.writers is not None:
            self.writers.close()

    @lazy
    def stylesheet(self) -> bytes:
        """How the page of the API looks."""
        file = resources.files(__package__).joinpath("static", "api.css")
        return file.read_bytes()

    async def respond(self, request: Request) -> Response:
        """The answer to a request that was let in. Raises LedgerError."""
        path = request.scope["path"]
        endpoint = endpoints().get(path)
        if path in {METRICS, status_endpoint().path}:
            _allow(request, READS)
            _check_sees_all(request)
            if path == METRICS:
                return await self._measured()
            endpoint = status_endpoint()
        if endpoint is not None:
            _allow(request, READS)
            return await self._read(
                request, ApiRequest(endpoint, request.query_params.multi_items())
            )
        if path == audit_endpoint().path:
            _allow(request, {"POST"})
            return await self._audit(request)
        if path in {COMMANDS, BATCHES}:
            _allow(request, {"POST"})
            return await self._record(request)
        if path in _OPEN or path.startswith("/problems/"):
            _allow(request, READS)
            return await self._beside(path)
        raise _no_such_address()

    async def _record(self, request: Request) -> Response:
        if self.writers is None:
            raise HttpProblem(
                403,
                "writing_off",
                "This server only answers questions.",
                try_="start one with --allow-writes",
            )
        principal = principal_of(request)
        if not principal.limit_key.startswith("token:"):
            raise unauthorised("token_required", "Recording needs a token.")
        return await self.writers.record(await read_request(request, principal))

    async def _beside(self, path: str) -> Response:
        """What describes the API, and says how the server is."""
        if path == "/openapi.json":
            return Response(document_text(), media_type="application/json")
        if path == "/healthz":
            return PlainTextResponse("ok\n")
        if path == "/readyz":
            return await self._ready()
        if path == "/static/api.css":
            return Response(self.stylesheet, media_type="text/css")
        if path == "/":
            return Response(page_text(), media_type="text/html; charset=utf-8")
        code = path.removeprefix("/problems/")
        meaning = meaning_of(code)
        if meaning is None:
            raise _no_such_address()
        return PlainTextResponse(f"{code}: {meaning}\n")

    async def _ready(self) -> Response:
        """Whether questions are answered: the database is there, and its tables."""

        def ask() -> None:
            with self.readers.reader(None):
                pass

        async with self.lane.turn():
            await self.lane.run(ask)
        return PlainTextResponse("ready\n")

    async def _measured(self) -> Response:
        """The figures of the server, and those of the ledger that can be had."""

        def measured() -> str:
            try:
                with self.long_readers.reader(None) as reader:
                    return self.measures.text(state_of(reader))
            except (Unavailable, SchemaMismatch):
                return self.measures.text(state_at(self.conninfo))

        async with self.long_lane.turn():
            text = await self.long_lane.run(measured)
        return Response(text, media_type=MEDIA_TYPE)

    async def _read(self, request: Request, asking: ApiRequest) -> Response:
        seen = request.headers.get("if-none-match")
        accounts = principal_of(request).accounts
        if not asking.is_long:
            async with self.lane.turn():
                stream = _stream(self.readers.reader(accounts), asking, seen)
                head, *texts = await self.lane.run(lambda: list(stream))
            assert isinstance(head, AnswerHead)
            body = "".join(text for text in texts if isinstance(text, str))
            return Response(body, head.status, head.headers)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.long_lane.turn())
            stream = _stream(self.long_readers.reader(accounts), asking, seen)
            head = await self.long_lane.run(lambda: next(stream))
            assert isinstance(head, AnswerHead)
            response = Download(pieces(_texts_of(stream)), self.long_lane)
            await response.begin()
            response.turn = stack.pop_all()
        response.status_code = head.status
        response.headers.update(head.headers)
        return response

    async def _audit(self, request: Request) -> Response:
        """The audit of a file that is sent; one at a time is read."""
        accounts = principal_of(request).accounts
        async with self.audit_lane.turn():
            sent = await received(request)

            def audited() -> list[AnswerHead | str]:
                with Spool(in_memory=True) as spool:
                    asking = AuditRequest(
                        request.query_params.multi_items(), sent, spool
                    )
                    readers = self.long_readers.reader(accounts)
                    return [*_stream(readers, asking, None)]

            head, *texts = await self.audit_lane.run(audited)
        assert isinstance(head, AnswerHead)
        body = "".join(text for text in texts if isinstance(text, str))
        return Response(body, head.status, head.headers)

    def failed(self, error: LedgerError) -> Response:
        """The problem document of a failure, without what is the operator's alone."""
        seen = for_visitor(error, self.log, redact=self.redact)
        seen.message = for_clients(seen.message)
        seen.try_ = seen.try_ and for_clients(seen.try_)
        return problem(seen, http_status(error))


def _check_sees_all(request: Request) -> None:
    """Refuse what is of all accounts to who sees some."""
    if principal_of(request).accounts is not None:
        raise HttpProblem(
            403,
            "not_allowed",
            "This token is for some accounts, and the tables are of all.",
            try_="use a token without --account",
        )


def _no_such_address() -> HttpProblem:
    return HttpProblem(
        404,
        "no_such_address",
        "The API has no such address.",
        try_="see /openapi.json, or / in a browser",
    )


def principal_of(request: Request) -> Principal:
    """Who asks, as the door found."""
    principal: Principal = request.scope["principal"]
    return principal


def _stream(
    borrowing: AbstractContextManager[PooledReader],
    asking: ApiRequest,
    seen: str | None,
) -> Generator[AnswerHead | str]:
    with borrowing as reader:
        yield from asking.reply(reader, seen)


def _texts_of(stream: Generator[AnswerHead | str]) -> Generator[str]:
    """The text that follows a head."""
    try:
        yield from (text for text in stream if isinstance(text, str))
    finally:
        stream.close()


def _allow(request: Request, methods: set[str]) -> None:
    if request.method not in methods:
        raise HttpProblem(
            405,
            "method_not_allowed",
            f"{request.method} is not possible here.",
            try_=f"use {' or '.join(sorted(methods))}",
            headers={"Allow": ", ".join(sorted(methods))},
        )


def _unreadable() -> Response:
    """The problem document of what is no HTTP request."""
    error = HttpProblem(
        400,
        "request_unreadable",
        "What came is not HTTP/1.1 that can be read, or its head is too long.",
        try_="send what an HTTP library makes; see 'seat-ledger help api'",
    )
    response = problem(error, error.status)
    response.raw_headers = _headers(response.raw_headers)
    return response


class ApiProtocol(HastyProtocol):
    """HTTP/1.1 where what is no request is answered by a problem too."""

    unreadable = staticmethod(_unreadable)


class ApiEnvelope:
    """Lets a request in or says why not; headers, failures and a line of the log."""

    def __init__(self, api: Api) -> None:
        self.api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, and log it."""
        if scope["type"] != "http":
            return
        began, status = time.perf_counter(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status, scope["begun"] = message["status"], True
                message["headers"] = _headers(message["headers"])
            await send(message)

        request = Request(scope, receive)
        try:
            await self._send(request, receive, sending)
        finally:
            seconds = time.perf_counter() - began
            self.api.measures.count(_measured_as(scope["path"]), status, seconds)
            took = round(seconds * 1000, 1)
            actor = scope["principal"].name if "principal" in scope else None
            path = without_tokens(scope["path"][:LONGEST_LOGGED])
            self.api.log("answered", path=path, status=status, ms=took, actor=actor)

    async def _send(self, request: Request, receive: Receive, send: Send) -> None:
        scope = request.scope
        try:
            response = await self._respond(request)
            await response(scope, receive, send)
        except LedgerError as error:  # after the answer had begun
            self.api.log("cut_off", reason=error.message)
        except Exception as error:  # noqa: BLE001  the last resort: a bug
            self.api.bugs.keep(error)
            if "begun" not in scope:
                bug = HttpProblem(500, "bug", "Something went wrong on the server.")
                await problem(bug, bug.status)(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        try:
            with in_words(lambda: self.api.conninfo):
                await self._admit(request)
                return await self.api.respond(request)
        except LedgerError as error:
            response = self.api.failed(error)
            if _has_body(request):  # what follows could be taken for a request
                response.headers["Connection"] = "close"
            return response

    async def _admit(self, request: Request) -> None:
        """Let a request in. Raises HttpProblem."""
        scope = request.scope
        if len(scope["query_string"]) + len(scope["path"]) > LONGEST_ADDRESS:
            raise HttpProblem(
                414,
                "address_too_long",
                "The address is too long.",
                try_=f"send at most {LONGEST_ADDRESS:,} characters",
            )
        is_recording = scope["path"] in {COMMANDS, BATCHES}
        if {"transfer-encoding", "content-length"} <= {*request.headers}:
            raise HttpProblem(
                400,
                "length_unclear",
                "The body has two lengths, and could be read as two requests.",
                try_="send Content-Length or Transfer-Encoding, not both",
            )
        if request.method in READS and _has_body(request) and not is_recording:
            raise HttpProblem(
                413,
                "body_not_allowed",
                "A question has no body.",
                try_="send what you ask as parameters of the address",
            )
        if scope["path"] not in _OPEN:
            scope["principal"] = await self.api.admission.admit(request)


def _has_body(request: Request) -> bool:
    length = request.headers.get("content-length", "0")
    return length.strip() != "0" or "transfer-encoding" in request.headers


def _measured_as(path: str) -> str:
    """The address that an answer is counted by: no text that somebody sent."""
    return path if path in _described() else OTHER


@cache
def _described() -> frozenset[str]:
    answered = {endpoint.path for endpoint in answered_endpoints()}
    return frozenset({*answered, COMMANDS, BATCHES, *_OPEN, METRICS})


def _headers(headers: Any) -> list[tuple[bytes, bytes]]:
    names = {name for name, _ in headers}
    return [*headers, *(header for header in _own_headers() if header[0] not in names)]


@cache
def _own_headers() -> list[tuple[bytes, bytes]]:
    own = {**HEADERS, "Cache-Control": "no-store"}
    return [(name.lower().encode(), value.encode()) for name, value in own.items()]
