"""The image without a registry: its entry script as a platform starts it.

Under a user id without a name, with a root that nobody can write (a mount namespace of
its own), and asked by HTTP as a platform's probes ask. It needs root and ``unshare``.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.in_process import Program
from tests.support.waiting import AT_MOST, wait_for_end

ROOT = Path(__file__).parents[2]
ENTRY = ROOT / "scripts/image/entry"
SETTING = r"""
set -eu
mount --make-rprivate /
python=$1; shift
case $python in /root/*)  # of a developer: a place that others do not see into
  mkdir -p /run/image-python
  mount --bind "$python" /run/image-python
  mount -t tmpfs -o mode=755 tmpfs /root
  mkdir -p "$python"
  mount --bind /run/image-python "$python"
esac
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t tmpfs -o mode=755 tmpfs /var/tmp
mount -o remount,bind,ro /
if touch /var/lib/here 2>/dev/null; then echo "the root can be written" >&2; exit 99; fi
exec setpriv --reuid=54321 --regid=0 --clear-groups "$@"
"""
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"),
                       reason="a namespace of mounts is root's"),
]  # fmt: skip


@contextmanager
def tcp_to(socket_path: Path) -> Iterator[int]:
    """A port of this machine that leads to a server's socket."""
    loop = asyncio.new_event_loop()

    async def pumped(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            to.write(data)
            await to.drain()
        to.close()

    async def joined(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        back, forth = await asyncio.open_unix_connection(socket_path)
        await asyncio.gather(
            pumped(reader, forth), pumped(back, writer), return_exceptions=True
        )

    listening = loop.run_until_complete(asyncio.start_server(joined, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        wait_for_end([thread])


def as_started(url: str, *words: str) -> list[str]:
    """A command of the image, in its setting."""
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    environment = ["env", "-i", f"PATH={path}", f"SEAT_LEDGER_DATABASE_URL={url}"]
    inner = ["sh", "-c", SETTING, "sh", sys.base_prefix]
    return ["unshare", "--mount", *inner, *environment, str(ENTRY), *words]


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=AT_MOST) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_it_serves_as_nobody_from_a_root_that_nobody_can_write(
    database: str, tmp_path: Path
) -> None:
    parts = psycopg.conninfo.conninfo_to_dict(database)
    socket_path = Path(str(parts["host"])) / f".s.PGSQL.{parts.get('port', 5432)}"
    Program(database, tmp_path).json("account", "list")
    with tcp_to(socket_path) as port:
        url = f"postgresql://{parts['user']}@127.0.0.1:{port}/{parts['dbname']}"
        migrated = subprocess.run(
            as_started(url, "db", "migrate"), capture_output=True, text=True,
            check=False, timeout=AT_MOST,
        )  # fmt: skip
        assert migrated.returncode == 0, migrated.stderr
        serve = as_started(url, "serve", "--api", "--host", "0.0.0.0", "--port", "0")
        with subprocess.Popen(serve, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            lines: list[str] = []
            for line in process.stderr:
                lines.append(line)
                if line.startswith("Serving on"):
                    break
            match = re.search(r":(\d+)/", lines[-1])
            assert match, lines
            threading.Thread(target=process.stderr.read, daemon=True).start()
            served = f"http://127.0.0.1:{match[1]}"
            try:
                assert status_of(f"{served}/healthz") == 200
                assert status_of(f"{served}/readyz") == 200
                assert status_of(f"{served}/v1/account/list") == 401
                probe = subprocess.run(
                    as_started(url, "probe", f"{served}/readyz"), check=False
                )
                assert probe.returncode == 0
            finally:
                process.terminate()
            assert process.wait(AT_MOST) == 0
        refused = subprocess.run(
            as_started(url, "probe", f"{served}/healthz"),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert refused.returncode == 1
        assert "Traceback" not in refused.stderr
