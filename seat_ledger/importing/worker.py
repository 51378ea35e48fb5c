"""A process that decides some lines of a command file: those of its accounts.

It is the same chunk, by the same code, but what is decided is not appended here: it
goes to the process that shares the lines out (:mod:`.sharing`), which appends what all
of them decided in the order of the file.
"""

from __future__ import annotations

import pickle
import signal
import threading
import traceback
from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from seat_ledger.commands.execution import CommandExecution
from seat_ledger.commands.handler import Caller
from seat_ledger.commands.repository import AccountRepository, Settings
from seat_ledger.domain.head import Head
from seat_ledger.domain.invoice_draft import InvoiceDraft, InvoiceRequest
from seat_ledger.errors import LedgerError
from seat_ledger.importing.chunk import Chunk, Import, Key, Pending
from seat_ledger.importing.lines import (
    Content,
    LineBatch,
    LineOutcome,
    digest_of,
    named_line,
    read_content,
)
from seat_ledger.importing.undisturbed import undisturbed
from seat_ledger.store.bulk import pack
from seat_ledger.store.processes import end_with_parent

# -- what is sent to a worker ------------------------------------------------------


class Task(NamedTuple):
    """What a worker works on, and how."""

    conninfo: str
    settings: Settings
    set_aside: Mapping[UUID, str]
    keep_going: bool
    default_actor: str
    computes: bool


class LineShare(NamedTuple):
    """The lines of a round that are a worker's: their numbers, texts and lengths."""

    numbers: list[int]
    texts: list[bytes]
    sizes: list[int]


class LineKeys(NamedTuple):
    """What the lines of a share are recorded under, where they have no own key."""

    keys: list[str]
    of_bytes: list[str | None]


class AppendedLines(NamedTuple):
    """That what a worker decided last is recorded: the first position of each.

    `heads` are where accounts are that took more than one append.
    """

    firsts: list[int]
    heads: dict[bytes, Head]


class Computed(NamedTuple):
    """The figures of an invoice, or why there are none."""

    draft: InvoiceDraft | LedgerError


# -- what a worker sends -----------------------------------------------------------


class Digests(NamedTuple):
    """What each line of a share says, as 32 bytes each."""

    digests: bytes


class Decisions(NamedTuple):
    """What became of the lines of a share up to `through`; None: of all.

    `numbers` are those of the lines whose commands are to be appended, each packed, and
    sent as a plain tuple, which costs a fraction of a named one. `outcomes` are those
    of lines that are refused, or recorded already. At `stops_at` the import ends.
    """

    through: int | None
    numbers: list[int]
    commands: list[tuple[Any, ...]]
    outcomes: list[LineOutcome]
    stops_at: int | None


class Failed(NamedTuple):
    """That a worker cannot go on, why, and where a bug is."""

    error: Exception
    trace: str


M = TypeVar("M")


class _Ended(Exception):
    """Nobody needs this worker any more."""


class _Channel:
    """What comes from whoever shares out: work, and answers to what was sent.

    A thread takes it in, so that whoever sends never waits for this process.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._work: SimpleQueue[LineShare | LineKeys | None] = SimpleQueue()
        self._answers: SimpleQueue[Any] = SimpleQueue()
        threading.Thread(target=self._take_in, name="shares", daemon=True).start()

    def _take_in(self) -> None:
        try:
            while True:
                message = self.connection.recv()
                is_work = isinstance(message, LineShare | LineKeys)
                (self._work if is_work else self._answers).put(message)
        except (EOFError, OSError):
            self._work.put(None)
            self._answers.put(None)

    def send(self, message: Any) -> None:
        """Send a message. Raises _Ended where nobody is there."""
        try:
            self.connection.send(message)
        except OSError as error:
            raise _Ended from error

    def work(self) -> LineShare | LineKeys:
        """The next work. Raises _Ended."""
        message = self._work.get()
        if message is None:
            raise _Ended
        return message

    def work_if_there(self) -> LineShare | LineKeys | None:
        """The next work, where there is some already. Raises _Ended."""
        return None if self._work.empty() else self.work()

    def answer(self, kind: type[M]) -> M:
        """The next answer. Raises _Ended."""
        answer = self._answers.get()
        if answer is None:
            self._answers.put(None)  # whoever asks again
            raise _Ended
        assert isinstance(answer, kind)
        return answer


class _WorkerChunk(Chunk):
    """Lines of a worker's accounts. What is decided goes to whoever shares out."""

    def __init__(self, batch: LineBatch, of: Import, channel: _Channel) -> None:
        super().__init__(batch, of)
        self._channel = channel
        self._waits_for: Any = None
        self.corrected: dict[str, Head] = {}

    def _flush(self) -> None:
        """See that all lines before this one are recorded, and not this worker's only.

        Then what is asked of the store is what it would be, were there one process.
        """
        if self._before is not None:
            self._before.settle()
            self._recorded |= self._before.written
            assert isinstance(self._before, _WorkerChunk)
            for account, head in self._before.corrected.items():
                if self._heads[account].mark == head.mark:
                    self._heads[account] = head
        self._send(self._number)
        self.settle()

    def send(self) -> None:
        """Hand over what was decided; it is the last of this chunk."""
        self._send(None)

    def _send(self, through: int | None) -> None:
        self.confirm()
        sending, snapshots = self._hand_over()
        commands = [pack(each.prepared.decided) for each in sending.values()]
        outcomes = list(self.outcomes.values())
        stops_at = self._number if self.has_stopped else None
        self._channel.send(
            Decisions(
                through,
                [each.line.number for each in sending.values()],
                list(map(tuple, commands)),
                outcomes,
                stops_at,
            )
        )
        self.outcomes = {}
        self._waits_for = sending, commands, snapshots

    def is_sending(self, key: Key) -> bool:
        """Whether a command is on its way to the store."""
        return self._waits_for is not None and key in self._waits_for[0]

    def settle(self) -> None:
        """Wait for what is under way, and note what it recorded."""
        if self._waits_for is None:
            return
        sending: dict[Key, Pending]
        sending, commands, snapshots = self._waits_for
        firsts, heads = self._channel.answer(AppendedLines)
        self._waits_for = None
        for pending, command, first in zip(
            sending.items(), commands, firsts, strict=True
        ):
            key, each = pending
            own = command.positions_from(first)
            self.written[key] = (each.prepared.append.digest, own)
        self._recorded |= self.written
        if heads:
            self._correct(heads)
        self.accounts.keep(snapshots)

    def _correct(self, heads: dict[bytes, Head]) -> None:
        """Take over where accounts are after more appends than one."""
        for account, workspace in self.touched.items():
            head = heads.get(workspace.account_id.bytes)
            if head is not None and workspace.head.mark == head.mark:
                workspace.correct(head)
                self.moved[account] = self._heads[account] = head
                self.corrected[account] = head


class _Worker:
    """Takes in shares, and decides them one after the other."""

    def __init__(self, of: Import, channel: _Channel) -> None:
        self.of, self.channel = of, channel
        self._read: deque[tuple[LineShare, list[Content]]] = deque()
        self._pending: deque[LineShare | LineKeys] = deque()
        self._before: _WorkerChunk | None = None

    def run(self) -> None:
        """Work until nobody needs it."""
        try:
            while True:
                message = self._next()
                if isinstance(message, LineShare):
                    self._take(message)
                else:
                    self._decide(self._chunk(message))
        except _Ended:
            if self._before is not None:
                self._before.settle()

    def _next(self) -> LineShare | LineKeys:
        return self._pending.popleft() if self._pending else self.channel.work()

    def _take(self, share: LineShare) -> None:
        """Read the lines of a share, and say what they say."""
        read = list(map(read_content, share.texts))
        digests = map(digest_of, read, share.texts)
        self._read.append((share, read))
        self.channel.send(Digests(b"".join(digests)))

    def _chunk(self, message: LineKeys) -> _WorkerChunk:
        share, read = self._read.popleft()
        keys, of_bytes = message
        lines = map(named_line, share.numbers, read, share.sizes, keys, of_bytes)
        batch = LineBatch(list(lines), is_last_for_now=False)
        return _WorkerChunk(batch, self.of, self.channel)

    def _decide(self, chunk: _WorkerChunk) -> None:
        chunk.ask()
        coming = self.channel.work_if_there()
        if isinstance(coming, LineShare):  # it is read while the store is asked
            self._take(coming)
        elif coming is not None:
            self._pending.append(coming)
        with self.of.accounts.errors():
            self.of.accounts.shed()
            chunk.decide(self._before)
            if self._before is not None:
                self._before.settle()
                self._before.release(chunk)
            chunk.send()
        self._before = chunk


def work(connection: Connection, task: Task) -> None:
    """Decide what comes on a connection, until it is closed."""
    channel = _Channel(connection)

    def compute(request: InvoiceRequest) -> InvoiceDraft:
        channel.send(request)
        draft = channel.answer(Computed).draft
        if isinstance(draft, LedgerError):
            raise draft
        return draft

    try:
        accounts = AccountRepository(task.conninfo, task.settings)
        accounts.set_aside = task.set_aside
        caller = Caller(task.default_actor, compute if task.computes else None)
        with ThreadPoolExecutor(1, "import") as clerk:
            of = Import(CommandExecution(accounts), clerk, caller, task.keep_going)
            try:
                _Worker(of, channel).run()
            finally:
                accounts.close()
    except _Ended:
        pass
    except Exception as error:  # noqa: BLE001  raised again where it is heard of
        _report(connection, error)
    finally:
        connection.close()


def _report(connection: Connection, error: Exception) -> None:
    """Tell whoever shares out why this worker cannot go on."""
    trace = "".join(traceback.format_exception(error))
    error.__traceback__ = error.__cause__ = error.__context__ = None
    try:
        message = pickle.dumps(Failed(error, trace))
    except Exception:  # noqa: BLE001  whatever stands in it
        message = pickle.dumps(Failed(RuntimeError(str(error)), trace))
    try:
        connection.send_bytes(message)
    except OSError:
        return


def run(connection: Connection, task: Task) -> None:
    """The same, as a process: another one alone answers to an interrupt."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    with undisturbed():
        work(connection, task)
