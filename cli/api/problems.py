"""What an answer says that says no: a problem document (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from seat_ledger.cli.console.failures import RETRY_AFTER, status_of
from seat_ledger.cli.output.render import to_json
from seat_ledger.errors import CommandRefused, LedgerError, NotFound

MEDIA_TYPE = "application/problem+json"
FIRST = {"idempotency_conflict"}
"""Refusals that are conflicts: somebody, or something else, was first."""


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
        super().__init__(message, try_=try_)
        self.status = status
        self.headers = headers or {}
        self.code = code
        self.exit_code = 2


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
        "try": error.try_,
    }
    if entries := error.details.get("entries"):
        document["entries"] = entries
    if lines := getattr(error, "lines", ()):
        document["lines"] = list(lines)
    later = status == HTTPStatus.SERVICE_UNAVAILABLE
    headers = {"Retry-After": str(RETRY_AFTER)} if later else {}
    headers |= getattr(error, "headers", {})
    return Response(to_json(document) + "\n", status, headers, MEDIA_TYPE)
