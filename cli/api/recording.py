"""Commands by HTTP: read, recorded in the token's name, and answered.

Each account's commands are decided by one writer, in a thread of its own, with the
account in memory: commands of one account follow each other, and those of others do not
wait for them.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from seat_ledger.application import CommandService, Result
from seat_ledger.cli.api.admission import Principal
from seat_ledger.cli.api.problems import HttpProblem
from seat_ledger.cli.options.invoice_seal import sealing
from seat_ledger.cli.options.session import Session
from seat_ledger.cli.options.writing import clock_of, recorded_answer
from seat_ledger.cli.output.render import document, to_json
from seat_ledger.commands.messages import (
    OPERATIONS,
    Command,
    parse_line,
    read_command,
)
from seat_ledger.domain.values import check_text, shown
from seat_ledger.errors import CommandRefused, InvalidInput, LedgerError, NotFound
from seat_ledger.projections.billing.invoice_computation import Drafting
from seat_ledger.projections.reader import no_such_account
from seat_ledger.projections.reader.pool import Busy

COMMANDS, BATCHES = "/v1/commands", "/v1/batches"
LONGEST_BODY = 1 << 20
WRITERS = 4
MOST_WAITING = 200
"""Commands that wait for one writer; one more is told that the server is busy."""
ASIDE_AGE = 5.0
"""Seconds after which is looked again which accounts are set aside (R74)."""
_CATALOGUE = "catalogue"


class ApiCommand(NamedTuple):
    """A command as it came: its fields, read, and whether it is only tried."""

    fields: dict[str, Any]
    command: Command
    dry_run: bool
    actor: str


class Refusal(CommandRefused):
    """A rule refuses a command: whatever it names that is not there is part of it."""


async def read_request(request: Request, principal: Principal) -> ApiCommand:
    """The command of a request. Raises InvalidInput, HttpProblem, NotFound."""
    if not principal.may_write:
        raise HttpProblem(403, "not_allowed", "This token may ask, and not record.")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HttpProblem(
            415,
            "unsupported_media_type",
            "A command is JSON.",
            try_="send 'Content-Type: application/json'",
        )
    fields = parse_line(await _body(request))
    if request.url.path == BATCHES:
        if fields.get("op", "batch") != "batch":
            raise InvalidInput("A batch has no 'op' but 'batch'.")
        fields = {"op": "batch", **fields}
    _name_key(fields, request.headers.getlist("idempotency-key"))
    _check_place(fields, principal)
    return ApiCommand(fields, read_command(fields), _dry_run(request), principal.name)


async def _body(request: Request) -> bytes:
    """The body, within its limit."""
    too_long = HttpProblem(
        413,
        "body_too_large",
        f"The body is longer than {LONGEST_BODY:,} bytes.",
        try_="record the commands of a long list one by one",
        headers={"Connection": "close"},
    )
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > LONGEST_BODY:
        raise too_long
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LONGEST_BODY:
            raise too_long
    return bytes(body)


def _dry_run(request: Request) -> bool:
    values = {"true": True, "1": True, "false": False, "0": False}
    query = request.query_params.multi_items()
    unknown = {name for name, _ in query} - {"dry_run"}
    if unknown or len(query) > 1 or any(text not in values for _, text in query):
        raise InvalidInput("The only parameter is 'dry_run', true or false.")
    return any(values[text] for _, text in query)


def _name_key(fields: dict[str, Any], keys: list[str]) -> None:
    """Take the idempotency key of the header into the command."""
    if not keys:
        return
    key = keys[0].strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    own = fields.setdefault("idempotency_key", key)
    if len(keys) > 1 or not key or own != key:
        raise InvalidInput(
            "The Idempotency-Key is empty, or there are two of them.",
            try_="give one key, in the header or in the command",
        )
    check_text(key, "Idempotency-Key")


def _check_place(fields: dict[str, Any], principal: Principal) -> None:
    """Refuse what the token may not do, and what no caller may."""
    op = fields.get("op")
    operation = OPERATIONS.get(op) if isinstance(op, str) else None
    if operation is not None and not operation.IN_FILE:
        raise InvalidInput(
            f"{op} cannot be recorded by the API.",
            try_="see 'seat-ledger help erasure'",
        )
    if "expect" in fields:
        raise InvalidInput("'expect' is for files of commands.")
    if fields.get("actor") not in (None, principal.name):
        raise HttpProblem(
            403,
            "not_allowed",
            f"This token acts as {principal.name}, not as "
            f"{shown(str(fields['actor']))}.",
            try_="omit 'actor'",
        )
    account = fields.get("account")
    if principal.accounts is not None and account not in principal.accounts:
        if account is None:
            raise HttpProblem(
                403, "not_allowed", "This token may not change the catalogue."
            )
        raise no_such_account(str(account))


class Writer:
    """One thread that records, with its own accounts in memory."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.waiting = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._ledger: CommandService | None = None
        self._drafting: Drafting | None = None
        self._looked_at = 0.0

    async def record(self, asking: ApiCommand) -> Response:
        """Record a command in its turn, and answer it."""
        if self.waiting >= MOST_WAITING:
            raise Busy
        self.waiting += 1
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, self._record, asking)
        finally:
            self.waiting -= 1

    def _record(self, asking: ApiCommand) -> Response:
        ledger = self._opened()
        try:
            result = ledger.execute(
                asking.command,
                dry_run=asking.dry_run,
                default_actor=asking.actor,
                compute_invoice=self._compute(asking),
            )
        except NotFound as error:
            raise _as_refusal(error) from error
        return _answer(ledger, asking, result)

    def _opened(self) -> CommandService:
        """The write side, with the accounts that are set aside as they are now."""
        now = time.monotonic()
        if self._ledger is None:
            self._ledger = self.session.ledger()
        elif now - self._looked_at > ASIDE_AGE:
            self._ledger.accounts.set_aside = self.session.set_aside()
        else:
            return self._ledger
        self._looked_at = now
        return self._ledger

    def _compute(self, asking: ApiCommand) -> Any:
        """What computes an invoice, where one is asked for."""
        if asking.command.operation.op != "issue_invoice":
            return None
        if self._drafting is None:
            self._drafting = Drafting(self.session.reader)
        drafting = self._drafting
        return drafting if asking.dry_run else sealing(self.session, drafting)

    def close(self) -> None:
        """Let what is being recorded end, and let go of the database."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        if self._ledger is not None:
            self._ledger.close()
        if self._drafting is not None:
            self._drafting.__exit__()


class Writers:
    """The writers of a server: each account has one."""

    def __init__(self, session: Session) -> None:
        self._writers = [Writer(session) for _ in range(WRITERS)]

    async def record(self, asking: ApiCommand) -> Response:
        """Record a command. Raises LedgerError."""
        account = asking.command.envelope.account or _CATALOGUE
        return await self._writers[
            zlib.crc32(account.encode("utf-8", "surrogatepass")) % WRITERS
        ].record(asking)

    def close(self) -> None:
        """Let what is being recorded end."""
        for writer in self._writers:
            writer.close()


def _as_refusal(error: NotFound) -> LedgerError:
    """The refusal of a command that names what is not there (an account stays 404)."""
    if error.code == "account_not_found":
        return error
    return Refusal(
        error.code,
        error.message,
        try_=error.try_,
        blockers=error.blockers,
        lines=error.lines,
        **error.details,
    )


def _answer(ledger: CommandService, asking: ApiCommand, result: Result) -> Response:
    """What was recorded: the document of the command line."""
    fields = {"actor": asking.actor, **asking.fields}
    zones = clock_of(ledger, fields.get("account"), result)
    answer = recorded_answer(fields, result, asking.dry_run, zones)
    is_new = not (result.repeated or asking.dry_run)
    return Response(
        to_json(document(answer)) + "\n",
        201 if is_new else 200,
        media_type="application/json",
    )
