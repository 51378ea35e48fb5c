"""Where the tests' servers keep their data: in memory, where the machine has room.

And which of the servers a database is on.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import psycopg

MEMORY = Path("/dev/shm")
ROOM = 4 << 30


def _serves_servers(folder: Path) -> bool:
    """Whether servers, and the programs copied for them, may live in the folder."""
    try:
        runs = not os.statvfs(folder).f_flag & os.ST_NOEXEC
        return runs and shutil.disk_usage(folder).free > ROOM and os.access(folder, 7)
    except OSError:
        return False


BASE = MEMORY if _serves_servers(MEMORY) else Path("/var/tmp")


def folder_for_servers(prefix: str) -> Path:
    """A new folder that the user postgres reaches, as it reaches none of pytest's."""
    return Path(tempfile.mkdtemp(prefix=prefix, dir=BASE))


def is_newest(conninfo: str) -> bool:
    """Whether it is the newest server: what costs much runs there in full."""
    with psycopg.connect(conninfo) as connection:
        return connection.info.server_version >= 180000
