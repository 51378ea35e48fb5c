"""PostgreSQL's own programs, run on the ledger's database: backups, mostly.

They learn where it is from the environment, so that no address and no password stands
on a command line.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import psycopg
from psycopg.pq import Conninfo

from seat_ledger.errors import InvalidInput
from seat_ledger.store.connection import unavailable
from seat_ledger.store.embedded import binaries_at_hand


def run(conninfo: str, program: str, words: Sequence[str]) -> int:
    """Run a program of PostgreSQL's; return its exit status. Raises InvalidInput."""
    executable = _find(program)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PG")
    }
    done = subprocess.run(  # noqa: S603  a program of PostgreSQL's, no shell
        [os.fspath(executable), *words],
        env={**environment, **_address(conninfo)},
        check=False,
    )
    return done.returncode


def _find(program: str) -> Path:
    if re.fullmatch(r"[a-z_]+", program):
        for folder in binaries_at_hand():
            if (folder / program).exists():
                return folder / program
    raise InvalidInput(
        f"PostgreSQL's program {program!r} is not available here.",
        try_="pg_dump, pg_restore, pg_basebackup, pg_verifybackup or psql",
    )


def _address(conninfo: str) -> dict[str, str]:
    """A connection string as variables of the environment."""
    try:
        options = Conninfo.parse(conninfo.encode())
    except psycopg.Error as error:
        raise unavailable(conninfo, error) from None
    return {
        option.envvar.decode(): option.val.decode()
        for option in options
        if option.envvar and option.val
    }
