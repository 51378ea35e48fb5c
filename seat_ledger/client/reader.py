"""Questions from Python: ``Reader``, and ``AsyncReader`` for event loops."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from seat_ledger.cli.api.answering import answered, text_of
from seat_ledger.cli.api.auditing import AuditRequest
from seat_ledger.cli.api.endpoints import endpoint_of
from seat_ledger.cli.inputs.invoice_file import BillSource
from seat_ledger.cli.options.arguments import as_json
from seat_ledger.cli.options.session import closed, session_of
from seat_ledger.client.documents import BillFile, Document, R
from seat_ledger.client.questions import AsyncQuestions, Questions
from seat_ledger.client.threads import in_thread
from seat_ledger.projections.billing.audit import Spool
from seat_ledger.projections.reader.pool import CurrentReader, PooledReader, ReaderPool
from seat_ledger.projections.reader.redaction import RedactedReader

CONNECTIONS = 4


class Reader(Questions):
    """The read side of a ledger: each question of the command line is a method.

    Open it with :meth:`open`, and close it, or use it as a context manager. It is safe
    in threads: each question borrows a connection of its own, one of `connections`,
    and waits for one up to 20 seconds (Busy). Keys are those of ``--format json``;
    instants are aware, amounts are Decimal. All methods raise NotFound, InvalidInput,
    CommandRefused (a moment or position that cannot be asked about) or Unavailable.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        connections: int = CONNECTIONS,
        catch_up: bool = True,
        redact: bool = False,
    ) -> None:
        conninfo = session_of(url).ready()
        kind: type[PooledReader] = CurrentReader if catch_up else PooledReader
        if redact:
            kind = RedactedReader
        self._pool: ReaderPool[PooledReader] = ReaderPool(
            conninfo, connections, reader=kind
        )
        self._is_closed = False

    @classmethod
    def open(
        cls,
        url: str | None = None,
        *,
        connections: int = CONNECTIONS,
        catch_up: bool = True,
        redact: bool = False,
    ) -> Self:
        """Open a ledger for questions, in a PostgreSQL or in the embedded one.

        `url` is that of :meth:`SeatLedger.open`. An answer knows all that was recorded
        before it was asked for; with `catch_up` False, or a login that may not write,
        as much as the tables have. `redact` hides keys, e-mails and names of people,
        and does not catch up. Raises Unavailable, SchemaMismatch.
        """
        return cls(url, connections=connections, catch_up=catch_up, redact=redact)

    def __enter__(self) -> Self:
        """Return the reader itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Answer nothing more; a question that is being answered is let end."""
        self._is_closed = True
        self._pool.close()

    def _readers(self) -> ReaderPool[PooledReader]:
        """What questions borrow from. Raises InvalidInput once it is closed."""
        if self._is_closed:
            raise closed("reader", "Reader")
        return self._pool

    def _ask(
        self, words: str, row: type[R], params: Mapping[str, object]
    ) -> Document[R]:
        endpoint = endpoint_of(words)
        query = [*_query(params)]
        with self._readers().reader() as reader:
            text = answered(endpoint, query, reader)
        return Document[row].model_validate_json(text)  # type: ignore[valid-type]

    def _audit(
        self, file: BillFile, row: type[R], params: Mapping[str, object]
    ) -> Document[R]:
        query = [*_query(params)]
        with Spool() as spool, self._readers().reader() as reader:
            text = text_of(AuditRequest(query, _source(file), spool), reader)
        return Document[row].model_validate_json(text)  # type: ignore[valid-type]


class AsyncReader(AsyncQuestions):
    """The same for an event loop: questions are asked in threads."""

    @classmethod
    async def open(
        cls,
        url: str | None = None,
        *,
        connections: int = CONNECTIONS,
        catch_up: bool = True,
        redact: bool = False,
    ) -> Self:
        """Open a ledger for questions as :meth:`Reader.open` does."""
        reader = await asyncio.to_thread(
            Reader.open,
            url,
            connections=connections,
            catch_up=catch_up,
            redact=redact,
        )
        return cls(reader)

    async def __aenter__(self) -> Self:
        """Return the reader itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self.close()

    close = in_thread(Reader.close)


def _source(file: BillFile) -> BillSource:
    """Where the lines of a file come from; content has no name."""
    if not isinstance(file, bytes):
        return BillSource(Path(file))
    name = "file.xlsx" if file.startswith(b"PK\x03\x04") else "file"
    return BillSource(Path(name), io.BytesIO(file))


def _query(params: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Parameters as an address has them; what was left out is none."""
    for name, value in params.items():
        texts = value if isinstance(value, list | tuple) else [value]
        for text in texts:
            if text is True:
                yield name, "true"
            elif text not in (None, False):
                yield name, str(as_json(text))
