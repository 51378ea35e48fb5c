"""The body of a request: of a size that is limited, whatever it says of itself."""

from __future__ import annotations

from starlette.requests import ClientDisconnect, Request

from seat_ledger.cli.api.problems import HttpProblem
from seat_ledger.domain.wording import counted


def media_type_of(request: Request) -> str:
    """What the body is said to be, without parameters."""
    kind = request.headers.get("content-type", "")
    return kind.partition(";")[0].strip().lower()


async def body_of(request: Request, most: int, try_: str | None) -> bytes:
    """The body, of at most so many bytes. Raises HttpProblem."""
    coding = request.headers.get("content-encoding", "identity")
    if coding.strip().lower() != "identity":
        raise HttpProblem(
            415,
            "unsupported_media_type",
            "A body that is compressed is not read here.",
            try_="send it as it is, without Content-Encoding",
        )
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > most:
        raise _too_long(most, try_)
    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > most:
                raise _too_long(most, try_)
    except ClientDisconnect as error:
        raise HttpProblem(
            400, "body_cut_off", "The body did not end.", try_="send it again"
        ) from error
    return bytes(body)


def _too_long(most: int, try_: str | None) -> HttpProblem:
    return HttpProblem(
        413,
        "body_too_large",
        f"The body is longer than {counted(most, 'byte')}.",
        try_=try_,
        headers={"Connection": "close"},
    )
