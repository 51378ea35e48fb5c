"""A file of invoice lines that is sent to be audited: held in memory, read, and gone.

What is read, and how large it may be, is as on the console's page for the same.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.requests import Request

from seat_ledger.cli.api.answering import ApiQuestion, ApiRequest
from seat_ledger.cli.api.bodies import body_of, media_type_of
from seat_ledger.cli.api.endpoints import audit_endpoint
from seat_ledger.cli.api.problems import HttpProblem
from seat_ledger.cli.console.uploads import MOST_BYTES, SentFile, too_large, typed
from seat_ledger.cli.options.session import function_for_server
from seat_ledger.cli.output.render import Answer
from seat_ledger.projections.billing.audit import Spool

WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MEDIA_TYPES = ("text/csv", WORKBOOK)


async def received(request: Request) -> SentFile:
    """The file of a request. Raises HttpProblem, InvalidInput."""
    if media_type_of(request) not in MEDIA_TYPES:
        raise HttpProblem(
            415,
            "unsupported_media_type",
            "A file of invoice lines is CSV or a workbook.",
            try_=f"send 'Content-Type: text/csv', or {WORKBOOK}",
        )
    content = await body_of(request, MOST_BYTES, too_large().try_)
    return SentFile(typed("file", content), content, {})


class AuditRequest(ApiRequest):
    """The audit of a file, whose lines lie in a spool until the answer is written."""

    def __init__(
        self, query: Iterable[tuple[str, str]], sent: SentFile, spool: Spool
    ) -> None:
        super().__init__(audit_endpoint(), query)
        self.sent, self.spool = sent, spool

    def _function_answer(self, question: ApiQuestion) -> Answer:
        options = {
            name: value
            for name, value in question.options.items()
            if name not in {"report", "letter", "keep"}
        }
        function = function_for_server(self.endpoint.command)
        return function(question, self.sent, self.spool, **options)
