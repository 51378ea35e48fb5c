"""The web application: addresses in, pages and their twins out. It only reads.

One address takes a POST: a file to be audited, which is stored nowhere.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib import resources
from tempfile import TemporaryFile

from starlette.requests import Request
from starlette.responses import (
    PlainTextResponse,
    RedirectResponse,
    Response,
)
from starlette.routing import Route, Router
from starlette.types import ASGIApp

from seat_ledger.cli.console import pages
from seat_ledger.cli.console.access import Gate
from seat_ledger.cli.console.downloads import CHUNK, Download, pieces
from seat_ledger.cli.console.envelope import (
    UPLOAD,
    ResponseEnvelope,
    params_of,
    who,
    words_for,
)
from seat_ledger.cli.console.failures import (
    RETRY_AFTER,
    BugFiles,
    Log,
    for_visitor,
    status_of,
)
from seat_ledger.cli.console.pages.report import report_of
from seat_ledger.cli.console.queueing import Lane
from seat_ledger.cli.console.request import PageRequest
from seat_ledger.cli.console.rereading import rereading
from seat_ledger.cli.console.templating import Sheet
from seat_ledger.cli.console.uploads import FormTokens, SentFile, received
from seat_ledger.cli.console.watching import AttentionWatch
from seat_ledger.cli.output.i18n import Words
from seat_ledger.cli.output.render import csv_chunks, json_chunks, to_json
from seat_ledger.cli.reports.page import page_texts
from seat_ledger.cli.reports.workbook import write_workbook
from seat_ledger.errors import LedgerError, NotFound
from seat_ledger.lazy import lazy
from seat_ledger.projections.reader.pool import PooledReader, ReaderPool
from seat_ledger.projections.reader.redaction import RedactedReader

TYPES = {"json": "application/json", "csv": "text/csv; charset=utf-8"}
REPORT_TYPES = {
    "html": "text/html; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
STATIC = {
    "console.css": "text/css",
    "console.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
DOWNLOADS = 2
"""Twins read at once, by connections of their own."""
PAGE_QUEUE, PAGE_PATIENCE = 100, 15.0
DOWNLOAD_QUEUE, DOWNLOAD_PATIENCE = 50, 20.0
UPLOAD_QUEUE = 8


def quiet(_event: str, **_facts: object) -> None:
    """Log nobody."""


@dataclass
class Console:
    """The console over a database: its pages, its gate, and whom it tells."""

    conninfo: str
    gate: Gate
    redact: bool = False
    size: int = 4
    log: Log = quiet

    def __post_init__(self) -> None:
        """Make the lanes, and the readers of each: a download holds no page up."""
        reader: type[PooledReader] = RedactedReader if self.redact else PooledReader
        self.pool = ReaderPool(self.conninfo, self.size, reader=reader)
        self.twins = ReaderPool(self.conninfo, DOWNLOADS, reader=reader)
        self.watch = AttentionWatch(self.twins.reader)
        self.page_lane = Lane(self.size, PAGE_QUEUE, PAGE_PATIENCE)
        self.upload_lane = Lane(1, UPLOAD_QUEUE, PAGE_PATIENCE)
        self.tokens = FormTokens()
        self.twin_lane = Lane(DOWNLOADS, DOWNLOAD_QUEUE, DOWNLOAD_PATIENCE)

    @lazy
    def files(self) -> dict[str, bytes]:
        """The stylesheet, the script and the icon, as they are."""
        folder = resources.files(__package__).joinpath("static")
        return {name: folder.joinpath(name).read_bytes() for name in STATIC}

    @lazy
    def sheet(self) -> Sheet:
        """The templates."""
        return Sheet(self.files)

    def application(self) -> ASGIApp:
        """The application, with what holds for every answer around it."""
        routes = [
            Route("/", self.home),
            Route("/static/{name}", self.static),
            Route(UPLOAD, self.upload, methods=["POST"]),
            Route("/report.{form:str}", self.report),
            Route("/{page}.{form:str}", self.page),
            Route("/{page}", self.page),
            Route("/{rest:path}", self.nowhere),
        ]
        router = Router(routes, redirect_slashes=False)
        return ResponseEnvelope(router, self.gate, self.log, BugFiles(self.log))

    def close(self) -> None:
        """Close the connections."""
        self.pool.close()
        self.twins.close()

    async def home(self, request: Request) -> Response:
        """The first page: what needs attention."""
        return await self._answer(request, "attention", "html")

    async def page(self, request: Request) -> Response:
        """A page, or with an ending one of its twins."""
        name = request.path_params["page"]
        form = request.path_params.get("form", "html")
        is_page = form == "html" and "form" not in request.path_params
        if name not in pages.PAGES or not (is_page or form in TYPES):
            return self._failed(request, NotFound("entry_not_found", _NO_PAGE), form)
        return await self._answer(request, name, form)

    async def upload(self, request: Request) -> Response:
        """The audit of a file that is sent; one at a time is read."""
        try:
            async with self.upload_lane.turn():
                sent = await received(request)
                work = lambda: self._audited(request, sent)  # noqa: E731  typed so
                return await self.upload_lane.run(work)
        except LedgerError as error:
            return self._failed(request, error, "html", UPLOAD)

    def _audited(self, request: Request, sent: SentFile) -> Response:
        visitor, words = who(request), words_for(request)
        self.tokens.check(sent.fields.get("token", ""), visitor.name)
        with self.twins.reader() as reader:
            page_request = PageRequest(reader, params_of(request), words, visitor)
            page_request.form_token = self.tokens.issue(visitor.name)
            page = pages.upload.checked(page_request, sent)
            text = self.sheet.page(page_request, page, UPLOAD)
        return _html(text, words, 200 if page.name == "checked" else 400)

    async def static(self, request: Request) -> Response:
        """A file that pages load."""
        name = request.path_params["name"]
        if name not in STATIC:
            return PlainTextResponse("Not found.", 404)
        return Response(self.files[name], media_type=STATIC[name])

    async def nowhere(self, request: Request) -> Response:
        """What is no page's address."""
        return self._failed(request, NotFound("entry_not_found", _NO_PAGE), "html")

    async def _answer(self, request: Request, name: str, form: str) -> Response:
        try:
            if form == "html" or _is_suggestion(request, name, form):
                return await self._short(request, name, form)
            return await self._long(request, name, form)
        except LedgerError as error:
            return self._failed(request, error, form)

    async def _short(self, request: Request, name: str, form: str) -> Response:
        """What is read at once."""
        async with self.page_lane.turn():
            if form == "html":
                return await self.page_lane.run(lambda: self._page(request, name))
            with_text = self._chunks(self.pool, request, name, form)
            text = await self.page_lane.run(lambda: "".join(with_text))
            return Response(text, media_type=TYPES[form])

    async def _long(self, request: Request, name: str, form: str) -> Response:
        """What may be as long as the ledger."""
        stream = pieces(self._chunks(self.twins, request, name, form))
        response = await self._download(stream, TYPES[form])
        return _as_file(response, f"{name}.csv") if form == "csv" else response

    async def _download(self, stream: Generator[bytes], media_type: str) -> Download:
        """What is sent as it is read, in a turn of its own."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.twin_lane.turn())
            response = Download(stream, self.twin_lane)
            await response.begin()
            response.turn = stack.pop_all()
        response.headers["Content-Type"] = media_type
        return response

    async def report(self, request: Request) -> Response:
        """The report of an account, a period or an invoice, as a file to pass on."""
        form = request.path_params["form"]
        try:
            if form not in REPORT_TYPES:
                raise NotFound("entry_not_found", _NO_PAGE)
            stream = self._report(request, form)
            response = await self._download(stream, REPORT_TYPES[form])
        except LedgerError as error:
            return self._failed(request, error, "html")
        return _as_file(response, f"report.{form}")

    def _report(self, request: Request, form: str) -> Generator[bytes]:
        """The bytes of a report; a workbook is whole before the first is sent."""
        params, words, visitor = params_of(request), words_for(request), who(request)
        with self.twins.reader() as reader:
            page_request = PageRequest(reader, params, words, visitor, form)
            report = report_of(page_request, form)
            if form == "html":
                yield from pieces(page_texts(report.content))
                return
            with TemporaryFile() as file:
                write_workbook(report.content, file, report.provenance)
                file.seek(0)
                while piece := file.read(CHUNK):
                    yield piece

    def _page(self, request: Request, name: str) -> Response:
        with self.pool.reader() as reader:
            page_request = PageRequest(
                reader, params_of(request), words_for(request), who(request)
            )
            page_request.watch = self.watch.at
            page_request.form_token = self.tokens.issue(page_request.visitor.name)
            page = pages.PAGES[name](page_request)
            if name == "search" and "go" in page_request.params:
                address = pages.search.only_hit(page)
                if address is not None:
                    return RedirectResponse(address, 303)
            differs = rereading(page_request, page, pages.PAGES[name])
            text = self.sheet.page(page_request, page, f"/{name}", differs)
        return _html(text, page_request.words)

    def _chunks(
        self, pool: ReaderPool[PooledReader], request: Request, name: str, form: str
    ) -> Generator[str]:
        """The text of a twin, as its rows are read."""
        params, words, visitor = params_of(request), words_for(request), who(request)
        with pool.reader() as reader:
            page_request = PageRequest(reader, params, words, visitor, form)
            page_request.watch = self.watch.at
            answer = pages.PAGES[name](page_request).answer
            if form == "json":
                yield from json_chunks(answer)
            else:
                yield from csv_chunks(answer, pages.COMMANDS.get(name, ""))

    def _failed(
        self, request: Request, error: LedgerError, form: str, path: str = ""
    ) -> Response:
        status = status_of(error)
        headers = {"Retry-After": str(RETRY_AFTER)} if status == _LATER else {}
        seen = for_visitor(error, self.log, redact=self.redact)
        if form in TYPES:
            failure = {"type": "error", "code": seen.code, "exit": seen.exit_code}
            failure |= {"message": seen.message, "try": seen.try_}
            return Response(to_json(failure), status, headers, TYPES["json"])
        words = words_for(request)
        name = request.path_params.get("page", "")
        path = path or (f"/{name}" if name in pages.PAGES else "/search")
        text = self.sheet.failure(words, seen, params_of(request), path)
        return _html(text, words, status, headers)


_NO_PAGE = "The console has no such page."
_LATER = 503


def _is_suggestion(request: Request, name: str, form: str) -> bool:
    """Whether it is what the search box shows while somebody types: a few rows."""
    return name == "search" and form == "json" and "quick" in request.query_params


def _as_file(response: Response, name: str) -> Response:
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _html(
    text: str, words: Words, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    own = {"Content-Language": words.language, "Vary": "Accept-Language"}
    own |= headers or {}
    return Response(text, status, own, "text/html; charset=utf-8")
