"""PostgreSQL's own programs, run on the ledger's database: backups, mostly.

They learn where it is from the environment, so that no address and no password stands
on a command line: the same database as every other command finds, whatever services,
variables and password files are about. What they write is their user's alone.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import ConnStatus, PGconn

from seat_ledger.errors import InvalidInput
from seat_ledger.store.connection import unavailable
from seat_ledger.store.embedded import binaries_at_hand
from seat_ledger.store.session import own_environment, where_options

_RESOLVED = {b"service", b"servicefile"}


def run(conninfo: str, program: str, words: Sequence[str]) -> int:
    """Run a program of PostgreSQL's; return its exit status. Raises InvalidInput."""
    executable = _find(program)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PG")
    }
    done = subprocess.run(  # noqa: S603  a program of PostgreSQL's, no shell
        [os.fspath(executable), *words],
        env={**environment, **_address(conninfo)},
        umask=0o077,
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
    """What a connection string comes to, as variables of the environment.

    Among variables the entries of a service would go before what the string names; so
    libpq resolves it first, as for a connection of ours.
    """
    try:
        named = conninfo_to_dict(conninfo)
        whole = make_conninfo(conninfo, **where_options(named))
        with own_environment(named):
            pgconn = PGconn.connect_start(whole.encode())
        options, status = pgconn.info, pgconn.status
        error = psycopg.OperationalError(pgconn.error_message.decode(errors="replace"))
        pgconn.finish()
    except psycopg.Error as failure:
        raise unavailable(conninfo, failure) from None
    if status == ConnStatus.BAD:
        raise unavailable(conninfo, error)
    return {
        option.envvar.decode(): option.val.decode()
        for option in options
        if option.envvar
        and option.val
        and option.val != option.compiled
        and option.keyword not in _RESOLVED
    }
