"""The program as a process of its own that need not import everything anew.

A process that has imported the program waits for calls and forks for each: the fork
has its own environment, working folder, input and output, and ends as the program
ends. It serves only calls whose environment Python itself does not read at its start.

Run as a script it is that process; its argument is the socket on which calls come.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import io
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NoReturn

NAMES = {"PATH", "HOME"}
PREFIX = "SEAT_LEDGER_"


def can_fork(environment: Mapping[str, str]) -> bool:
    return all(name in NAMES or name.startswith(PREFIX) for name in environment)


def run_forked(
    words: list[str],
    environment: Mapping[str, str],
    *,
    input: str | None = None,  # noqa: A002  as in subprocess.run
    cwd: Path | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
    timeout: float,
) -> subprocess.CompletedProcess[str]:
    """What ``subprocess.run`` does with these words; output is captured as text where
    no descriptor takes it.
    """
    with ExitStack() as open_:
        out = open_.enter_context(tempfile.TemporaryFile())
        err = open_.enter_context(tempfile.TemporaryFile())
        ours, theirs = map(open_.enter_context, socket.socketpair())
        stdin = open_.enter_context(Path("/dev/null").open("rb"))
        if input is not None:
            reading, writing = os.pipe()
            stdin = open_.enter_context(os.fdopen(reading, "rb"))
            threading.Thread(target=_write, args=(writing, input), daemon=True).start()
        fds = [theirs.fileno(), stdin.fileno(), stdout or out.fileno()]
        fds.append(stderr or err.fileno())
        socket.send_fds(_waiting()[0], [b"x"], fds)
        theirs.close()
        stdin.close()
        call = json.dumps([words, dict(environment), str(cwd or Path.cwd())])
        ours.sendall(call.encode() + b"\n")
        ours.settimeout(timeout)
        answers = ours.makefile("r")
        pid = int(answers.readline())
        try:
            status = int(answers.readline())
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(words, timeout) from None
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(io.TextIOWrapper(file, encoding="utf-8").read())
    return subprocess.CompletedProcess(words, status, *texts)


def _write(writing: int, text: str) -> None:
    try:
        with os.fdopen(writing, "wb") as file:
            file.write(text.encode())
    except BrokenPipeError:  # the program did not read to the end
        pass


@functools.cache
def _waiting() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """Our end of the socket of the process that waits, which ends when ours does."""
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        [sys.executable, __file__, str(theirs.fileno())],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
        stdin=subprocess.DEVNULL,
        pass_fds=[theirs.fileno()],
    )
    theirs.close()
    return ours, process


# -- in the process that waits ---------------------------------------------------------


def _import_program() -> None:
    """Every module and file of SQL, so that no fork reads one; and no fork's collector
    looks at them, which would copy them.
    """
    import seat_ledger  # noqa: PLC0415  in the process that is forked
    from seat_ledger.projections.engine import registry  # noqa: PLC0415

    for module in pkgutil.walk_packages(seat_ledger.__path__, "seat_ledger."):
        if not module.name.endswith(".__main__"):
            importlib.import_module(module.name)
    registry.versions()  # which reads the files of SQL
    gc.collect()
    gc.freeze()


def _wait_for_calls(calls: socket.socket) -> None:
    """Fork for each call; who called is sent its fork's pid, then how it ended."""
    woken, waking = os.pipe2(os.O_NONBLOCK)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waking)
    running: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([calls, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            _answer_ended(running)
        if calls not in ready:
            continue
        message, fds, _, _ = socket.recv_fds(calls, 1, 4)
        if not message:
            return None
        answers, *standard = fds
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(woken)
            os.close(waking)
            for other in (calls, *running.values()):
                other.close()
            with socket.socket(fileno=answers) as call, call.makefile("r") as lines:
                words, environment, folder = json.loads(lines.readline())
            return _become_program(words, environment, folder, standard)
        for fd in standard:
            os.close(fd)
        running[pid] = socket.socket(fileno=answers)
        _answer(running[pid], pid)


def _answer_ended(running: dict[int, socket.socket]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with running.pop(pid) as call:
            _answer(call, os.waitstatus_to_exitcode(status))


def _answer(call: socket.socket, number: int) -> None:
    with suppress(OSError):  # who called waits no more
        call.sendall(f"{number}\n".encode())


def _become_program(
    words: list[str], environment: dict[str, str], folder: str, standard: Any
) -> NoReturn:
    for fd, source in enumerate(standard):
        os.dup2(source, fd)
        os.close(source)
    sys.stdin, sys.stdout, sys.stderr = map(
        _opened, (sys.stdin, sys.stdout, sys.stderr), ("r", "w", "w")
    )
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(folder)
    sys.argv = words
    from seat_ledger.cli.main import run  # noqa: PLC0415  likewise

    try:
        run()
    except SystemExit as ended:
        _end(ended.code if isinstance(ended.code, int) else 1)
    raise AssertionError("the program ends by itself")


def _opened(stream: Any, mode: str) -> Any:
    """A stream like one of the process that waits, over what its number is now."""
    return open(
        stream.fileno(), mode, encoding=stream.encoding, errors=stream.errors,
        closefd=False,
    )  # fmt: skip


def _end(status: int) -> NoReturn:
    """End as Python ends, but for taking all its objects apart one by one: most are
    shared with the process that waits, and taking them apart would copy them.
    """
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)


if __name__ == "__main__":
    del sys.path[0]
    _import_program()
    _wait_for_calls(socket.socket(fileno=int(sys.argv[1])))
