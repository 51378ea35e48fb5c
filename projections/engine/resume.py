"""Accounts that were set aside, taken back: what was left out of them is read."""

from __future__ import annotations

from typing import Any

import psycopg

from seat_ledger.domain.values import account_id, shown
from seat_ledger.errors import Locked, NotFound
from seat_ledger.projections.engine import catch_up, generations, set_aside
from seat_ledger.projections.engine.catch_up import (
    REFUSED,
    Superseded,
    may_not_write,
    may_write,
)
from seat_ledger.projections.engine.decode import (
    UnreadableEvent,
    check_readable,
    decode,
    open_persons,
    unreadable,
)
from seat_ledger.projections.engine.locks import CATCH_UP_LOCK
from seat_ledger.projections.engine.set_aside import SetAside
from seat_ledger.projections.engine.snapshot import settle
from seat_ledger.projections.engine.user_directory import erase_recorded
from seat_ledger.store.connection import connect

_Connection = psycopg.Connection[Any]


def resume(conninfo: str, keys: list[str]) -> list[tuple[SetAside, SetAside | None]]:
    """Take accounts back, or all where none is named.

    Each is returned as it was set aside, and what stands in its way still, if anything
    does. Raises NotFound for an account that is not set aside.
    """
    with connect(conninfo, role="projector", autocommit=True) as connection:
        served = generations.served(connection)
        generations.check(served)
        if not may_write(connection):
            raise may_not_write()
        settle(connection, served.number)
        rows = {account.account_id: account for account in set_aside.listed(connection)}
        chosen = [_named(rows, key) for key in keys] or list(rows.values())
        try:
            taken = [
                (account, take_back(connection, served.number, account))
                for account in chosen
            ]
        except Superseded as error:
            raise Locked(
                "A rebuild switched to other tables in the meantime.", try_="repeat it"
            ) from error
        catch_up.catch_up(connection, patient=True)
    return taken


def _named(rows: dict[Any, SetAside], key: str) -> SetAside:
    for account in rows.values():
        if key in {account.account_key, str(account.account_id)}:
            return account
    if account_id(key) in rows:
        return rows[account_id(key)]
    raise NotFound(
        "account_not_found",
        f"Account {shown(key)} is not set aside.",
        try_="seat-ledger projection status",
    )


def take_back(connection: _Connection, number: int, aside: SetAside) -> SetAside | None:
    """Read what stands from an account's position on, up to what still cannot be read.

    Return what stands in its way then. The connection's names mean the generation.
    """
    stopped: UnreadableEvent | None = None
    while True:
        try:
            with connection.transaction():
                return _read_on(connection, number, aside, stopped)
        except UnreadableEvent as error:
            stopped = error
        except REFUSED:
            stopped = unreadable(connection, aside.position, aside.reason, "journal")


def _read_on(
    connection: _Connection,
    number: int,
    aside: SetAside,
    stopped: UnreadableEvent | None,
) -> SetAside | None:
    """The same, up to where it was `stopped`; what stands there is noted."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [CATCH_UP_LOCK])
    row = connection.execute(
        "SELECT position FROM projection.generation WHERE number = %s", [number]
    ).fetchone()
    if row is None:
        raise Superseded
    after, until, own = aside.position - 1, row[0], aside.account_no
    scope = set_aside.scope_within(connection, own)
    set_aside.resume(connection, own)
    if stopped is not None:
        position, reason = stopped.position, stopped.reason
        origin = set_aside.origin_of(connection, position)
        left = aside.moved_to(position, reason, origin)
        set_aside.note_again(connection, [left])
        until = min(until, stopped.position - 1)
    if after < until:
        check_readable(connection, {**scope, "after": after, "until_position": until})
        decode(connection, after, until, scope=scope)
        open_persons(connection, after, until, own, scope)
        erase_recorded(connection, after, until)
        catch_up.refresh(connection, after, until, own)
    return None if stopped is None else left
