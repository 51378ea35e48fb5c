"""One question by HTTP: its answer, in the form that was named, with its tag."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import click

from seat_ledger import __version__
from seat_ledger.cli.api.endpoints import FORMS, Endpoint
from seat_ledger.cli.api.wording import naming
from seat_ledger.cli.options.session import Question
from seat_ledger.cli.output.render import Answer, csv_chunks, json_chunks, to_json
from seat_ledger.errors import InvalidInput
from seat_ledger.lazy import lazy
from seat_ledger.projections.reader.pool import PooledReader

TYPES = {
    "json": "application/json",
    "jsonl": "application/jsonl",
    "csv": "text/csv; charset=utf-8",
}
POSITION, FINDINGS = "Seat-Ledger-Position", "Seat-Ledger-Exit"
_MOMENTS = {"as_of", "known_at", "since", "until", "during", "from", "period"}
_FIXED = re.compile(r"#?[0-9]+|[0-9]{4}-[0-9]{2}[0-9T:.+\-Zz ]*", re.ASCII)
"""A moment that means the same whenever it is read."""


class AnswerHead(NamedTuple):
    """What goes before an answer's text."""

    status: int
    headers: dict[str, str]


class ApiQuestion(Question):
    """A question that nobody reads the remarks of."""

    def remark(self, message: str) -> None:
        """Nothing: what stands beside an answer is in its headers."""


class ApiRequest:
    """What is asked of an endpoint, and in which form. Raises InvalidInput."""

    def __init__(self, endpoint: Endpoint, query: Iterable[tuple[str, str]]) -> None:
        self.endpoint = endpoint
        self.query = [(name, text) for name, text in query if name != "format"]
        forms = [text for name, text in query if name == "format"] or ["json"]
        if len(forms) > 1 or forms[0] not in FORMS:
            raise InvalidInput(
                f"The parameter 'format' is one of {', '.join(FORMS)}.",
                try_="format=json",
            )
        self.form = forms[0]
        self.context = endpoint.context(self.query, self.form)

    @property
    def options(self) -> Mapping[str, Any]:
        """The command's options."""
        return self.context.params

    @property
    def is_long(self) -> bool:
        """Whether the answer may be as long as the ledger."""
        return self.endpoint.is_long(self.options)

    @lazy
    def is_pinned(self) -> bool:
        """Whether the same answer is meant whenever it is asked for (R78)."""
        moments = [(name, text) for name, text in self.query if name in _MOMENTS]
        needed = {"known_at"} | ({"as_of"} & self.endpoint.params.keys())
        return needed <= {name for name, _ in moments} and all(
            _FIXED.fullmatch(text.strip()) for _, text in moments
        )

    def tag(self, reader: PooledReader, now: datetime) -> str:
        """The answer's tag: it changes with what is recorded, and else with the minute.

        Names are joined when an answer is read, so what is recorded later changes a
        pinned answer too: an erasure. A position may be that of another event, where an
        older store was restored: so when the tables came there is part of it.
        """
        basis = f"{__version__}-{reader.generation}-{reader.head}"
        if reader.moved_at is not None:
            basis += f"-{int(reader.moved_at.timestamp() * 1_000_000):x}"
            if self.is_pinned:
                return f'"{basis}"'
        return f'W/"{basis}-{int(now.timestamp()) // 60}"'

    def reply(
        self, reader: PooledReader, seen: str | None
    ) -> Generator[AnswerHead | str]:
        """The head of the answer, then its text; only a head where it was `seen`."""
        question = ApiQuestion(reader, dict(self.options))
        headers = {"Vary": "Authorization"}
        if self.endpoint.is_tagged:
            headers["ETag"] = self.tag(reader, question.now)
            headers["Cache-Control"] = "private, no-cache"
            if _is_seen(headers["ETag"], seen):
                yield AnswerHead(304, headers)
                return
        answer = self.answer(question)
        headers["Content-Type"] = TYPES[self.form]
        headers[POSITION] = str((answer.known_at or (reader.head, None))[0])
        if exit_code := answer.exit_code or (12 if question.aside else 0):
            headers[FINDINGS] = str(exit_code)
        yield AnswerHead(200, headers)
        yield from self._texts(answer)

    def answer(self, question: ApiQuestion) -> Answer:
        """The answer to its question. Raises LedgerError."""
        with self.context.scope(cleanup=False), naming(self.endpoint.params):
            try:
                return self._function_answer(question)
            except click.UsageError as error:
                raise self.endpoint.usage(error) from error

    def _function_answer(self, question: ApiQuestion) -> Answer:
        return self.endpoint.reading.answer(question)

    def _texts(self, answer: Answer) -> Generator[str]:
        if self.form == "json":
            yield from json_chunks(answer)
        elif self.form == "csv":
            yield from csv_chunks(answer, self.endpoint.words)
        else:
            yield from (to_json(row) + "\n" for row in answer.rows)


def _is_seen(tag: str, seen: str | None) -> bool:
    """Whether a client has the answer already (If-None-Match)."""
    if seen is None:
        return False
    tags = {text.strip().removeprefix("W/") for text in seen.split(",")}
    return seen.strip() == "*" or tag.removeprefix("W/") in tags


def answered(
    endpoint: Endpoint, query: Iterable[tuple[str, str]], reader: PooledReader
) -> str:
    """The document of an answer, to whoever asks in the same process.

    Raises LedgerError.
    """
    return text_of(ApiRequest(endpoint, query), reader)


def text_of(request: ApiRequest, reader: PooledReader) -> str:
    """The document that answers a request. Raises LedgerError."""
    _, *texts = request.reply(reader, None)
    return "".join(text for text in texts if isinstance(text, str))
