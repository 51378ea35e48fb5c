"""A file of commands, decided by several processes, each for its own accounts.

No rule crosses accounts, so whoever decides the lines of one needs none of another's.
What crosses them is kept here: the order of the file. Lines are shared out in rounds.
This process alone appends, and only when every line before is decided: a round in one
transaction, in the order of its lines. So what is recorded is at every moment the
beginning of the file, and nothing that stands behind a line that stops the import.

A line that builds on what is recorded (an invoice, a reversal, a key that stands twice)
waits until all before it is. Lines of the ledger's own stream, which every account may
depend on, are rounds of their own. Where somebody else was first, or a connection or a
process is lost, what is not recorded is decided again in this process alone, and then
other processes go on.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple, cast
from zlib import crc32

import orjson

from seat_ledger.commands.execution import CommandExecution
from seat_ledger.commands.handler import Caller
from seat_ledger.domain.head import Head
from seat_ledger.domain.invoice_draft import ComputeInvoice, InvoiceRequest
from seat_ledger.errors import (
    Conflict,
    InvalidInput,
    LedgerError,
    OutcomeUnknown,
    Unavailable,
)
from seat_ledger.importing import worker
from seat_ledger.importing.chunk import Chunk, Import
from seat_ledger.importing.importer import CHUNK, failure, has_keys_of_bytes
from seat_ledger.importing.lines import (
    LONGEST,
    MAX_BYTES,
    MAX_OPERATIONS,
    ImportLine,
    KeyChain,
    LineBatch,
    LineOutcome,
    digest_of,
    named_line,
    read_content,
    text_of,
)
from seat_ledger.importing.undisturbed import undisturbed
from seat_ledger.importing.worker import (
    AppendedLines,
    Computed,
    Decisions,
    Digests,
    Failed,
    LineKeys,
    LineShare,
    Task,
)
from seat_ledger.store.bulk import PackedCommand

AHEAD = 3
"""Rounds that are in memory: one to be appended, one decided, one read."""

STARTS = 5
"""How often the other processes are started; then this one goes on alone."""

_DIGEST = 32
_NEVER = 1 << 62
_SECONDS_TO_END = 10


Running = BaseProcess | threading.Thread
StartWorker = Callable[[Task], tuple[Connection, Running]]
"""Starts a worker; gives what runs it, and the connection to it."""


def in_process(task: Task) -> tuple[Connection, Running]:
    """Start a worker as a process."""
    ours, theirs = Pipe()
    process = get_context("spawn").Process(
        target=worker.run, args=(theirs, task), name="import", daemon=True
    )
    process.start()
    theirs.close()
    return ours, process


def in_thread(task: Task) -> tuple[Connection, Running]:
    """Start a worker as a thread: nothing is shared but the connection."""
    ours, theirs = Pipe()
    thread = threading.Thread(target=worker.work, args=(theirs, task), daemon=True)
    thread.start()
    return ours, thread


def share_lines(  # noqa: PLR0913  each is an option of its own
    execution: CommandExecution,
    lines: Iterable[bytes | None],
    *,
    workers: int,
    keep_going: bool = False,
    default_actor: str = "system:import",
    chunk: int = CHUNK,
    compute_invoice: ComputeInvoice | None = None,
    start: StartWorker | None = None,
) -> Generator[LineOutcome]:
    """What :func:`import_lines` does, with so many processes that decide lines.

    Raises InvalidInput where there are fewer than one.
    """
    if workers < 1:
        raise InvalidInput("An import needs at least one worker.")
    keys = KeyChain(with_bytes=has_keys_of_bytes(execution))
    caller = Caller(default_actor, compute_invoice)
    with undisturbed(), ThreadPoolExecutor(1, "import") as clerk:
        of = Import(execution, clerk, caller, keep_going)
        shared = _Workers(of, workers, start or in_process)
        sharing = _Sharing(of, _rounds(lines, keys, chunk, workers), keys, shared)
        try:
            yield from sharing.record()
        finally:
            shared.end()
            execution.accounts.forget()


class _Line(NamedTuple):
    """A line as it stands, and who decides it."""

    number: int
    text: bytes
    size: int
    op: str | None
    worker: int
    key_of_bytes: str | None


class _Round:
    """Lines that are decided side by side, and appended together.

    `is_for_all`: they are of the ledger's own stream, and nothing is beside them.
    """

    def __init__(
        self, lines: list[_Line], workers: int, *, is_for_all: bool, is_last: bool
    ) -> None:
        self.lines = deque(lines)
        self.is_for_all, self.is_last_for_now = is_for_all, is_last
        self.shares: list[list[_Line]] = [[] for _ in range(workers)]
        for line in lines:
            self.shares[line.worker].append(line)
        self.digests: dict[int, bytes] = {}
        self.keys: list[str] = []
        self.through = [0 if share else _NEVER for share in self.shares]
        self.stops_at = _NEVER
        self.waiting: dict[int, list[int]] = {}  # numbers, by worker
        self.commands: dict[int, PackedCommand] = {}
        self.firsts: dict[int, int] = {}
        self.heads: list[dict[bytes, Head]] = [{} for _ in self.shares]
        self.ops = {line.number: line.op for line in lines}
        self.places = {line.number: line.worker for line in lines}
        self.outcomes: dict[int, LineOutcome] = {}
        self.appended = 0  # all lines before this one are

    @property
    def is_read(self) -> bool:
        """Whether it is known what every line says."""
        return len(self.digests) == sum(map(bool, self.shares))

    @property
    def decided(self) -> int:
        """All lines before this one are decided, or the import ends there."""
        return min(*self.through, self.stops_at)

    @property
    def ends_here(self) -> bool:
        """Whether the import ends in it, and all before is recorded."""
        return self.appended == self.stops_at < _NEVER

    @property
    def is_done(self) -> bool:
        """Whether all of it is recorded."""
        return self.appended == _NEVER

    def take(self, place: int, decisions: Decisions) -> None:
        """Take in what a worker decided."""
        through = decisions.through
        self.through[place] = _NEVER if through is None else through
        commands = map(PackedCommand._make, decisions.commands)
        self.commands.update(zip(decisions.numbers, commands, strict=True))
        self.outcomes.update((outcome.line, outcome) for outcome in decisions.outcomes)
        self.waiting[place] = decisions.numbers
        if decisions.stops_at is not None:
            self.stops_at = min(self.stops_at, decisions.stops_at)

    def answered_by(self, line: int) -> list[int]:
        """The workers that wait until all lines before a line are recorded."""
        return [place for place in self.waiting if self.through[place] <= line]

    def report(self) -> Iterator[LineOutcome]:
        """The outcomes of what is appended, and of the line that ends the import."""
        until = self.appended + self.ends_here
        while self.lines and self.lines[0].number < until:
            yield self.outcomes.pop(self.lines.popleft().number)


class _Workers:
    """The processes that decide, started when they are needed."""

    def __init__(self, of: Import, count: int, start: StartWorker) -> None:
        self.of, self.count, self.start = of, count, start
        self.starts = 0
        self.connections: list[Connection] = []
        self._running: list[Running] = []

    def begin(self) -> None:
        """Start them, where they do not run."""
        if self.connections:
            return
        self.starts += 1
        accounts = self.of.accounts
        settings = accounts.settings
        entries = max(1, settings.cache_entries // self.count)
        task = Task(
            accounts.conninfo,
            settings.model_copy(update={"cache_entries": entries}),
            dict(accounts.set_aside),
            self.of.keep_going,
            self.of.caller.actor,
            self.of.caller.compute_invoice is not None,
        )
        for _ in range(self.count):
            connection, running = self.start(task)
            self.connections.append(connection)
            self._running.append(running)

    def send(self, place: int, message: Any) -> None:
        """Send a worker a message. Raises Unavailable where it has ended."""
        try:
            self.connections[place].send(message)
        except OSError as error:
            raise _lost() from error

    def receive(self) -> list[tuple[int, Any]]:
        """Wait for messages. Raises Unavailable where a worker has ended."""
        places = {id(each): place for place, each in enumerate(self.connections)}
        ready = cast("list[Connection]", wait(self.connections))
        try:
            return [(places[id(each)], each.recv()) for each in ready]
        except (EOFError, OSError) as error:
            raise _lost() from error

    def end(self) -> None:
        """Let them end; what they decided is worth nothing any more."""
        for connection in self.connections:
            with suppress(OSError):
                connection.close()
        for running in self._running:
            running.join(_SECONDS_TO_END)
            if not isinstance(running, threading.Thread) and running.is_alive():
                running.terminate()
                running.join()
        self.connections, self._running = [], []


def _lost() -> Unavailable:
    return Unavailable(
        "A process that decided lines of the file ended unexpectedly.",
        try_="import the same file again, with --workers 1 where it ends so again",
    )


class _Sharing:
    """The rounds of one import, from what is read to what is recorded."""

    def __init__(
        self, of: Import, coming: Iterator[_Round], keys: KeyChain, workers: _Workers
    ) -> None:
        self.of, self.keys, self.workers = of, keys, workers
        self._coming = coming
        self._rounds: deque[_Round] = deque()
        self._has_all = False
        self._sending: Sequence[int] = ()
        self._moved: dict[tuple[bytes, tuple[int, int]], Head] = {}
        self._is_unknown = False

    def record(self) -> Iterator[LineOutcome]:
        """Record the lines; yield what became of them, in order."""
        try:
            while not self._has_all or self._rounds:
                try:
                    yield from self._record()
                except (Conflict, Unavailable) as error:
                    self._is_unknown = isinstance(error, OutcomeUnknown)
                    if not self._is_unknown:
                        self._sending = ()
                    self.workers.end()
                    yield from self._alone()
        except LedgerError as error:
            lines = self._rounds[0].lines if self._rounds else ()
            line = lines[0].number if lines else None
            raise failure(error, line, is_unknown=self._is_unknown) from error

    def _record(self) -> Iterator[LineOutcome]:
        """The same, until something fails."""
        while self._read_ahead():
            self._send_keys()
            current = self._rounds[0]
            if not self._append(current):
                for place, message in self.workers.receive():
                    self._take(place, message)
                continue
            yield from current.report()
            if current.ends_here:
                self._end()
            elif current.is_done:
                self._rounds.popleft()

    def _end(self) -> None:
        """Read and record no more."""
        self._has_all = True
        self._rounds.clear()

    # -- reading ------------------------------------------------------------------

    def _read_ahead(self) -> bool:
        """Share out the next rounds; say whether any is left to be recorded."""
        rounds = self._rounds
        while not self._has_all and len(rounds) < AHEAD:
            if rounds and rounds[-1].is_last_for_now:
                break
            if (following := next(self._coming, None)) is None:
                self._has_all = True
                break
            rounds.append(following)
            self.workers.begin()
            for place, share in enumerate(following.shares):
                if share:
                    self.workers.send(place, _share(share))
        return bool(rounds)

    def _send_keys(self) -> None:
        """Have the next rounds decided of which all lines are read."""
        for at, current in enumerate(list(self._rounds)[: AHEAD - 1]):
            is_beside = at == 0 or not (
                current.is_for_all or self._rounds[at - 1].is_for_all
            )
            if not (current.is_read and is_beside):
                return
            if current.keys:
                continue
            digests = {
                line.number: current.digests[place][n * _DIGEST : (n + 1) * _DIGEST]
                for place, share in enumerate(current.shares)
                for n, line in enumerate(share)
            }
            add = self.keys.add
            keys = {line.number: add(digests[line.number]) for line in current.lines}
            current.keys = list(keys.values())
            for place, share in enumerate(current.shares):
                if share:
                    own = [keys[line.number] for line in share]
                    of_bytes = [line.key_of_bytes for line in share]
                    self.workers.send(place, LineKeys(own, of_bytes))

    # -- deciding -----------------------------------------------------------------

    def _take(self, place: int, message: Any) -> None:
        """Take in what a worker sent."""
        if isinstance(message, Digests):
            unread = (
                r for r in self._rounds if r.shares[place] and place not in r.digests
            )
            next(unread).digests[place] = message.digests
        elif isinstance(message, Decisions):
            undecided = (r for r in self._rounds if r.through[place] != _NEVER)
            next(undecided).take(place, message)
        elif isinstance(message, InvoiceRequest):
            self.workers.send(place, Computed(self._computed(message)))
        else:
            assert isinstance(message, Failed)
            if not isinstance(message.error, LedgerError):
                message.error.add_note(message.trace)
            raise message.error

    def _computed(self, request: InvoiceRequest) -> Any:
        assert self.of.caller.compute_invoice is not None
        try:
            return self.of.caller.compute_invoice(request)
        except LedgerError as error:
            return error

    # -- appending ----------------------------------------------------------------

    def _append(self, current: _Round) -> bool:
        """Append what is decided; whether anything came of it.

        No worker may be at work on an earlier line then, and at least one waits.
        """
        decided = current.decided
        if decided == current.appended:
            self._answer(current)
            return current.ends_here
        numbers = sorted(n for n in current.commands if n < decided)
        self._sending = numbers
        commands = [current.commands.pop(n) for n in numbers]
        self._claim(current, numbers, commands)
        accounts = self.of.accounts
        with accounts.errors():
            firsts = accounts.append_packed(commands)[0] if commands else ()
        self._sending = ()
        for number, command, first in zip(numbers, commands, firsts, strict=True):
            own, op = command.positions_from(first), current.ops[number]
            current.outcomes[number] = LineOutcome(number, op, "recorded", own)
            current.firsts[number] = first
        current.appended = decided
        if not current.ends_here:
            self._answer(current)
        return True

    def _claim(
        self, current: _Round, numbers: Sequence[int], commands: list[PackedCommand]
    ) -> None:
        """Let each account be claimed where it is.

        A worker takes all that it handed over at once for one append. Where another
        one waits for a line in the middle of that, it is two, and the account is one
        change further than the worker takes it to be, until it learns of that.
        """
        left = {command.account for command in current.commands.values()}
        claimed: set[bytes] = set()
        for n, command in enumerate(commands):
            account, believed = command.account, command.seen
            if account in claimed:
                continue
            claimed.add(account)
            seen = self._moved.pop((account, believed), believed)
            mark = command.next_mark
            if account in left:
                mark = secrets.randbits(62)
                self._moved[account, believed] = Head(seen[0] + 1, mark)
            elif seen != believed:
                head = Head(seen[0] + 1, mark)
                self._moved[account, Head(believed[0] + 1, mark)] = head
                current.heads[current.places[numbers[n]]][account] = head
            commands[n] = command._replace(seen=seen, next_mark=mark)

    def _answer(self, current: _Round) -> None:
        """Tell those workers who need to know that what they decided is recorded."""
        for place in current.answered_by(current.appended):
            firsts = [current.firsts.pop(n) for n in current.waiting.pop(place)]
            heads, current.heads[place] = current.heads[place], {}
            self.workers.send(place, AppendedLines(firsts, heads))

    # -- when something fails -----------------------------------------------------

    def _alone(self) -> Iterator[LineOutcome]:
        """Decide in this process what was shared out and is not recorded.

        After many failures all that is left of the file.
        """
        until_end = self.workers.starts >= STARTS
        while self._rounds or until_end:
            if not self._rounds:
                if (following := next(self._coming, None)) is None:
                    self._has_all = True
                    break
                self._rounds.append(following)
            current = self._rounds[0]
            yield from current.report()
            chunk = Chunk(LineBatch(self._read(current), is_last_for_now=True), self.of)
            for line in chunk.lines:
                if line.number in self._sending:
                    chunk.may_have_sent(line)
            try:
                chunk.alone()
            finally:
                for outcome in chunk.report():
                    current.lines.popleft()
                    yield outcome
            if chunk.has_stopped:
                self._end()
                return
            self._rounds.popleft()
        self._sending, self._moved, self._is_unknown = (), {}, False
        self.of.accounts.forget()

    def _read(self, current: _Round) -> list[ImportLine]:
        """The lines of a round that are not recorded, read in this process."""
        read = [read_content(line.text) for line in current.lines]
        keys = current.keys[len(current.keys) - len(read) :] or [
            self.keys.add(digest_of(content, line.text))
            for content, line in zip(read, current.lines, strict=True)
        ]
        return [
            named_line(line.number, content, line.size, key, line.key_of_bytes)
            for line, content, key in zip(current.lines, read, keys, strict=True)
        ]


def _share(lines: Sequence[_Line]) -> LineShare:
    numbers, texts, sizes, *_ = zip(*lines, strict=True)
    return LineShare(list(numbers), list(texts), list(sizes))


def _rounds(
    lines: Iterable[bytes | None], keys: KeyChain, most: int, workers: int
) -> Iterator[_Round]:
    """The lines in rounds of so many; of fewer that are long, or come slowly."""
    batch: list[_Line] = []
    operations, size, began, is_reported, is_for_all = 0, 0, 0.0, True, False

    def cut(*, is_last: bool) -> _Round:
        nonlocal batch, operations, size
        lines, batch, operations, size = batch, [], 0, 0
        return _Round(lines, workers, is_for_all=is_for_all, is_last=is_last)

    for raw in lines:
        if raw is not None:
            number = keys.count(raw)
            text = text_of(raw)
            if not text:
                continue
            account, op, count = _addressed(text)
            if batch and is_for_all != (account is None):
                yield cut(is_last=False)
            began = began if batch else time.monotonic()
            is_for_all = account is None
            place = crc32(account) % workers if account else 0
            key_of_bytes = keys.key_of_bytes
            batch.append(_Line(number, text, len(raw), op, place, key_of_bytes))
            operations += count
            size += len(raw)
        is_slow = raw is None or time.monotonic() - began > LONGEST
        is_full = (
            len(batch) >= most or operations >= MAX_OPERATIONS or size >= MAX_BYTES
        )
        if is_full or (is_slow and (batch or not is_reported)):
            is_reported = is_slow
            yield cut(is_last=is_slow)
    if batch:
        yield cut(is_last=False)


def _addressed(text: bytes) -> tuple[bytes | None, str | None, int]:
    """Which account a line is for, its operation, and how many it has.

    No account where it is for the ledger's own stream; an empty one where nobody can
    tell, for it is refused whoever reads it.
    """
    try:
        fields = orjson.loads(text)
    except orjson.JSONDecodeError:
        return b"", None, 1
    if not isinstance(fields, dict):
        return b"", None, 1
    account, op = fields.get("account"), fields.get("op")
    commands = fields.get("commands")
    count = len(commands) if isinstance(commands, list) else 1
    return (
        account.encode() if isinstance(account, str) else None,
        op if isinstance(op, str) else None,
        count,
    )
