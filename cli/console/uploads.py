"""A file that a visitor sends: the one POST of the console.

It is held in memory, read, and gone with the answer. It comes from a page of our own:
the browser says so, and the form carries a token that nobody else can make.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import re
import secrets
import time
import zipfile
from collections.abc import AsyncGenerator
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import urlsplit

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from seat_ledger.cli.console.failures import UnreadableRequest
from seat_ledger.errors import InvalidInput

MOST_BYTES = 5 << 20
MOST_ROWS = 50_000
MOST_UNPACKED = 64 << 20
_FORM = 64 << 10
"""Bytes of a form besides its file."""
_MOST_FIELD = 4_000
_LIFE = 12 * 3600
_NOT_IN_A_NAME = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff/\\\\]")
_WORKBOOK = b"PK\x03\x04"


class SentFile(NamedTuple):
    """A file, and what the form says of it."""

    name: str
    content: bytes
    fields: dict[str, str]


class FormTokens:
    """Tokens of forms: of this server, for one visitor, for some hours."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def issue(self, visitor: str) -> str:
        """A token for a form that the visitor is shown."""
        until = str(int(time.time()) + _LIFE)
        return f"{until}.{self._digest(until, visitor)}"

    def check(self, token: str, visitor: str) -> None:
        """Raise InvalidInput for a form that is old, or not ours."""
        until, _, digest = token.partition(".")
        expected = self._digest(until, visitor)
        is_ours = hmac.compare_digest(digest.encode(), expected.encode())
        if not (is_ours and until.isdigit() and int(until) >= time.time()):
            raise UnreadableRequest(
                "form_too_old",
                try_="open the page again, and choose the file again",
            )

    def _digest(self, until: str, visitor: str) -> str:
        text = f"{until} {visitor}".encode()
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()


def problem_of(request: Request) -> tuple[int, str] | None:
    """Why a POST is not read at all: a status and a word for the reason; else None."""
    length = request.headers.get("content-length", "")
    if "transfer-encoding" in request.headers or not length.isdigit():
        return 411, "length"
    if len(length) > 12 or int(length) > MOST_BYTES + _FORM:
        return 413, "size"
    if not _is_of_this_site(request):
        return 403, "site"
    kind = request.headers.get("content-type", "")
    if not kind.lower().startswith("multipart/form-data"):
        return 415, "kind"
    return None


def _is_of_this_site(request: Request) -> bool:
    """Whether the browser says that a page of this server sent the form."""
    site = request.headers.getlist("sec-fetch-site")
    origins = request.headers.getlist("origin")
    if site and site != ["same-origin"]:
        return False
    stated = [origin for origin in origins if origin != "null"]
    if any(urlsplit(o).netloc != request.headers.get("host") for o in stated):
        return False
    return bool(site or stated)


class _InMemory(MultiPartParser):
    """The parser of forms, which puts nothing on the disk."""

    spool_max_size = MOST_BYTES + _FORM


async def received(request: Request) -> SentFile:
    """The file and the fields of a form, as they come. Raises InvalidInput."""
    limits = {"max_files": 1, "max_fields": 20, "max_part_size": _MOST_FIELD}
    parser = _InMemory(request.headers, _limited(request), **limits)
    try:
        form = await parser.parse()
    except (MultiPartException, ClientDisconnect, KeyError) as error:
        raise _unreadable() from error
    try:
        files = [part for part in form.values() if isinstance(part, UploadFile)]
        texts = {name: part for name, part in form.items() if isinstance(part, str)}
        if len(files) != 1 or not files[0].filename:
            raise UnreadableRequest("no_file", try_="choose a file of invoice lines")
        content = await files[0].read()
        name = _NOT_IN_A_NAME.sub("_", files[0].filename)[-100:]
    finally:
        await form.close()
    if len(content) > MOST_BYTES:
        raise too_large()
    return SentFile(typed(name, content), content, texts)


def _unreadable() -> InvalidInput:
    return UnreadableRequest("no_form", try_="send it from the page")


def too_large() -> InvalidInput:
    """What is said of a file that is not read for its size."""
    return UnreadableRequest(
        "too_large",
        most=MOST_BYTES >> 20,
        try_="audit it with 'seat-ledger invoice audit FILE', which takes any size",
    )


async def _limited(request: Request) -> AsyncGenerator[bytes]:
    """The body in pieces, which may be longer than it said of itself."""
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > MOST_BYTES + _FORM:
            raise too_large()
        yield piece


def typed(name: str, content: bytes) -> str:
    """The name of a file as what it is. Raises InvalidInput for no good workbook."""
    stem = PurePosixPath(name)
    if not content.startswith(_WORKBOOK):
        if stem.suffix.lower() == ".xlsx":
            raise UnreadableRequest(
                "no_workbook",
                name=name,
                try_="save it again as .xlsx, or as CSV",
            )
        return name
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, ValueError) as error:
        raise UnreadableRequest(
            "damaged_workbook",
            name=name,
            try_="save it again as .xlsx, or as CSV",
        ) from error
    if unpacked > MOST_UNPACKED:
        raise UnreadableRequest(
            "unpacks",
            name=name,
            most=MOST_UNPACKED >> 20,
            try_="save the sheet as CSV",
        )
    return name if stem.suffix.lower() == ".xlsx" else f"{name}.xlsx"
