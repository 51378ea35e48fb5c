"""What an answer says that says no: a problem document (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from seat_ledger.cli.console.failures import RETRY_AFTER, status_of
from seat_ledger.cli.output.render import to_json
from seat_ledger.errors import REFUSALS, CommandRefused, LedgerError, NotFound

MEDIA_TYPE = "application/problem+json"
FIRST = {"idempotency_conflict"}
"""Refusals that are conflicts: somebody, or something else, was first."""
OF_HTTP = {
    "address_too_long": "The address has more characters than are read.",
    "body_cut_off": "The connection ended before the body did.",
    "body_not_allowed": "What is only asked has no body.",
    "body_too_large": "The body has more bytes than are read here.",
    "bug": "The server has a bug; its log names the file that tells more.",
    "length_unclear": "The body has two lengths, and programs read it differently.",
    "method_not_allowed": "The address is not for this method; see Allow.",
    "no_such_address": "Nothing answers at this address; /openapi.json lists all.",
    "not_admitted": "The request came under another name, or not by the proxy.",
    "not_allowed": "The token, or the database's login, may not do this.",
    "request_unreadable": "What came is not HTTP/1.1, or its head is too long.",
    "token_in_address": "A token stood in the address, where others see it.",
    "token_invalid": "The token is cut short, ended, revoked or of another ledger.",
    "token_required": "This is not done without a token.",
    "too_many_requests": "More were sent in a second than the server takes.",
    "unsupported_media_type": "The body is of a kind that is not read here.",
    "writing_off": "The server was started without --allow-writes.",
}
"""Every code of a request that HTTP itself refuses, with its meaning."""


_ELSEWHERE: dict[int, str] = {
    HTTPStatus.BAD_REQUEST: "see what the address takes: /openapi.json, or / in a "
    "browser",
    HTTPStatus.INTERNAL_SERVER_ERROR: "tell whoever runs the server: its log says more",
}
"""What to do where a failure itself does not say."""


class HttpProblem(LedgerError):
    """A request that HTTP itself refuses: a method, a size, an address."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        try_: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        if code not in OF_HTTP:
            raise ValueError(f"{code} is not a code of HTTP")
        super().__init__(message, try_=try_)
        self.status = status
        self.headers = headers or {}
        self.code = code
        self.exit_code = 2


def meaning_of(code: str) -> str | None:
    """What a code of a problem means; None where it is none."""
    return {**_failures(LedgerError), **REFUSALS, **OF_HTTP}.get(code)


def _failures(kind: type[LedgerError]) -> dict[str, str]:
    """The codes of every kind of failure, each with the first line about it."""
    meanings = {kind.code: (kind.__doc__ or "").partition("\n")[0]}
    for inner in kind.__subclasses__():
        meanings = {**_failures(inner), **meanings}
    return meanings


def http_status(error: LedgerError) -> int:
    """The status of a problem."""
    if isinstance(error, HttpProblem):
        return error.status
    if error.code == "conflict" or error.code in FIRST:
        return HTTPStatus.CONFLICT
    if isinstance(error, NotFound):
        return HTTPStatus.NOT_FOUND
    if isinstance(error, CommandRefused):
        return HTTPStatus.UNPROCESSABLE_ENTITY
    return status_of(error)


def problem(error: LedgerError, status: int) -> Response:
    """The answer to a request that failed."""
    document: dict[str, Any] = {
        "type": f"/problems/{error.code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": error.message,
        "code": error.code,
        "exit": error.exit_code,
        "try": error.try_ or _ELSEWHERE.get(status),
    }
    if entries := error.details.get("entries"):
        document["entries"] = entries
    if lines := getattr(error, "lines", ()):
        document["lines"] = list(lines)
    later = status == HTTPStatus.SERVICE_UNAVAILABLE
    headers = {"Retry-After": str(RETRY_AFTER)} if later else {}
    headers |= getattr(error, "headers", {})
    return Response(to_json(document) + "\n", status, headers, MEDIA_TYPE)
