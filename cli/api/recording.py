"""Commands by HTTP: read, recorded in the token's name, and answered.

One writer, a thread with accounts in memory, records what waits for it together: a
command of each account, in one append, so that many clients cost one commit. What may
take longer, or is only tried, goes to others, each of which has its own accounts.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from seat_ledger.cli.api.admission import Principal
from seat_ledger.cli.api.bodies import body_of, media_type_of
from seat_ledger.cli.api.problems import HttpProblem
from seat_ledger.cli.api.wording import fields, naming
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
from seat_ledger.commands.service import Caller, CommandService, Result
from seat_ledger.domain.seat_types import CATALOGUE_KEY
from seat_ledger.domain.values import check_text, shown
from seat_ledger.errors import CommandRefused, InvalidInput, LedgerError, NotFound
from seat_ledger.projections.billing.invoice_computation import Drafting
from seat_ledger.projections.reader import no_such_account
from seat_ledger.projections.reader.pool import Busy

COMMANDS, BATCHES = "/v1/commands", "/v1/batches"
LONGEST_BODY = 1 << 20
WRITERS = 4
MOST_TOGETHER = 32
"""Commands, of an account each, that one append records."""
MOST_WAITING = 200
"""Commands that wait for one writer; one more is told that the server is busy."""
ASIDE_AGE = 5.0
"""Seconds after which is looked again which accounts are set aside (R74)."""


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
    with naming(fields()):
        return await _read_request(request, principal)


async def _read_request(request: Request, principal: Principal) -> ApiCommand:
    if not principal.may_write:
        raise HttpProblem(
            403,
            "not_allowed",
            "This token may ask, and not record.",
            try_="create one: seat-ledger token create --actor system:NAME "
            "--role writer",
        )
    if media_type_of(request) != "application/json":
        raise HttpProblem(
            415,
            "unsupported_media_type",
            "A command is JSON.",
            try_="send 'Content-Type: application/json'",
        )
    body = await body_of(
        request, LONGEST_BODY, "record the commands of a long list one by one"
    )
    fields = parse_line(body)
    if request.scope["path"] == BATCHES:
        if fields.get("op", "batch") != "batch":
            raise InvalidInput(
                "A batch has no 'op' but 'batch'.",
                try_=f"omit it, or send the command to {COMMANDS}",
            )
        fields = {"op": "batch", **fields}
    _name_key(fields, request.headers.getlist("idempotency-key"))
    _check_place(fields, principal)
    return ApiCommand(fields, read_command(fields), _dry_run(request), principal.name)


def _dry_run(request: Request) -> bool:
    if not request.scope["query_string"]:
        return False
    values = {"true": True, "1": True, "false": False, "0": False}
    query = request.query_params.multi_items()
    unknown = {name for name, _ in query} - {"dry_run"}
    if unknown or len(query) > 1 or any(text not in values for _, text in query):
        raise InvalidInput(
            "The only parameter is 'dry_run', true or false.", try_="dry_run=true"
        )
    return any(values[text] for _, text in query)


def _name_key(fields: dict[str, Any], keys: list[str]) -> None:
    """Take the idempotency key of the header into the command."""
    if not keys:
        return
    key = keys[0].strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not key.isascii():
        raise InvalidInput(
            "The Idempotency-Key of a header is ASCII.",
            try_="give this key in the command, as 'idempotency_key'",
        )
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
        raise InvalidInput("'expect' is for files of commands.", try_="omit it")
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
                403,
                "not_allowed",
                "This token may not change the catalogue.",
                try_="use a token without --account",
            )
        raise no_such_account(str(account))


class Waiting(NamedTuple):
    """A command that waits for its turn, and who waits for its answer."""

    asking: ApiCommand
    answer: Future[Response]


class Writer:
    """One thread that records, with its own accounts in memory.

    What waits when it is free is recorded together, a command of an account each.
    """

    def __init__(self, session: Session, at_once: int) -> None:
        self.session, self.at_once = session, at_once
        self.waiting = 0
        self._queue: deque[Waiting] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._ledger: CommandService | None = None
        self._drafting: Drafting | None = None
        self._looked_at = 0.0

    async def record(self, asking: ApiCommand) -> Response:
        """Record a command in its turn, and answer it."""
        if self.waiting >= MOST_WAITING:
            raise Busy
        self.waiting += 1
        try:
            answer: Future[Response] = Future()
            self._queue.append(Waiting(asking, answer))
            self._thread.submit(self._record_waiting)
            return await asyncio.wrap_future(answer)
        finally:
            self.waiting -= 1

    def _record_waiting(self) -> None:
        """Record what waits first, and what can be recorded together with it."""
        group = self._next_group()
        if not group:
            return
        ledger = None
        results: list[Result | Exception] = []
        try:
            ledger = self._opened()
            if len(group) == 1:
                results = [self._record(ledger, group[0].asking)]
            else:
                results = ledger.execute_together(
                    [(asking.command, Caller(asking.actor)) for asking, _ in group]
                )
        except Exception as error:  # noqa: BLE001  raised by whoever waits
            results = [error] * len(group)
        for (asking, answer), result in zip(group, results, strict=True):
            _reply(ledger, asking, result, answer)

    def _next_group(self) -> list[Waiting]:
        """What waits first, and a command of each other account that waits."""
        group: list[Waiting] = []
        accounts: set[str] = set()
        while self._queue and len(group) < self.at_once:
            account = self._queue[0].asking.command.envelope.account
            if account in accounts:
                break
            following = self._queue.popleft()
            if following.answer.set_running_or_notify_cancel():
                group.append(following)
                accounts.add(account)
        return group

    def _record(self, ledger: CommandService, asking: ApiCommand) -> Result:
        return ledger.execute(
            asking.command,
            dry_run=asking.dry_run,
            default_actor=asking.actor,
            compute_invoice=self._compute(asking),
        )

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
        if asking.dry_run:
            return drafting
        return sealing(self.session, drafting, serves=True)

    def close(self) -> None:
        """Let what is being recorded end, and let go of the database."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        for _, answer in self._queue:
            answer.cancel()
        if self._ledger is not None:
            self._ledger.close()
        if self._drafting is not None:
            self._drafting.__exit__()


class Writers:
    """The writers of a server: one of what is quick, and those of what goes alone."""

    def __init__(self, session: Session) -> None:
        self._together = Writer(session, MOST_TOGETHER)
        self._alone = [Writer(session, 1) for _ in range(WRITERS)]

    async def record(self, asking: ApiCommand) -> Response:
        """Record a command. Raises LedgerError."""
        with naming(fields()):
            return await self._writer_of(asking).record(asking)

    def _writer_of(self, asking: ApiCommand) -> Writer:
        if not goes_alone(asking):
            return self._together
        account = asking.command.envelope.account.encode("utf-8", "surrogatepass")
        return self._alone[zlib.crc32(account) % WRITERS]

    def close(self) -> None:
        """Let what is being recorded end."""
        for writer in (self._together, *self._alone):
            writer.close()


def goes_alone(asking: ApiCommand) -> bool:
    """Whether a command may take long, or is recorded in no account."""
    command = asking.command
    is_of_account = command.envelope.account != CATALOGUE_KEY
    return asking.dry_run or command.needs_recorded or not is_of_account


def _reply(
    ledger: CommandService | None,
    asking: ApiCommand,
    result: Result | Exception,
    answer: Future[Response],
) -> None:
    """Answer whoever waits: nobody waits for ever."""
    if not isinstance(result, Exception):
        assert ledger is not None
        try:
            answer.set_result(_response(ledger, asking, result))
        except Exception as error:  # noqa: BLE001  raised by whoever waits
            answer.set_exception(error)
        return
    if isinstance(result, NotFound):
        result = _as_refusal(result)
    answer.set_exception(result)


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


def _response(ledger: CommandService, asking: ApiCommand, result: Result) -> Response:
    """What was recorded: the document of the command line."""
    zones = clock_of(ledger, asking.fields.get("account"), result)
    answer = recorded_answer(asking.fields, result, asking.dry_run, zones)
    is_new = not (result.repeated or asking.dry_run)
    return Response(
        to_json(document(answer)) + "\n",
        201 if is_new else 200,
        media_type="application/json",
    )
