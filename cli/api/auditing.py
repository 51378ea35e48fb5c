"""The audit of a file by another program: what it asks, and of which file."""

from __future__ import annotations

from collections.abc import Iterable

from seat_ledger.cli.api.answering import ApiQuestion, ApiRequest
from seat_ledger.cli.api.endpoints import audit_endpoint
from seat_ledger.cli.inputs.invoice_file import BillSource
from seat_ledger.cli.options.session import function_for_server
from seat_ledger.cli.output.render import Answer
from seat_ledger.projections.billing.audit import Spool


class AuditRequest(ApiRequest):
    """The audit of a file, whose lines lie in a spool until the answer is written."""

    def __init__(
        self, query: Iterable[tuple[str, str]], source: BillSource, spool: Spool
    ) -> None:
        super().__init__(audit_endpoint(), query)
        self.source, self.spool = source, spool

    def _function_answer(self, question: ApiQuestion) -> Answer:
        function = function_for_server(self.endpoint.command)
        return function(question, self.source, self.spool, **question.options)
