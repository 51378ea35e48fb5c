"""Logins that may read single accounts, and nothing of the others.

A row of ``ledger.account_reader`` lets a login, or the members of a role, read one
account; what it can ask are the tables and views of ``projection_own``, whose policies
look there. Only the owner of the ledger's tables writes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from seat_ledger.domain.values import account_id, shown
from seat_ledger.errors import LedgerError, NotFound
from seat_ledger.store.connection import connect

ROLE = "seat_ledger_account_reader"

_WHO = """
SELECT pg_has_role(who.oid, %(role)s, 'MEMBER') AS is_member,
       who.rolsuper OR who.rolbypassrls
           OR pg_has_role(who.oid, 'seat_ledger_owner', 'MEMBER')
           OR pg_has_role(who.oid, 'seat_ledger_reader', 'MEMBER')
           OR pg_has_role(who.oid, 'seat_ledger_writer', 'MEMBER')
           OR pg_has_role(who.oid, 'seat_ledger_projector', 'MEMBER') AS sees_all,
       to_regnamespace('projection_own') IS NOT NULL AS can_be_queried
  FROM pg_roles AS who
 WHERE who.rolname = %(login)s::text
"""
_OPENED = """
SELECT FROM ledger.stored_events
 WHERE originator_id = %(account_id)s AND originator_version = 1
"""
_LET = """
INSERT INTO ledger.account_reader (login, account_id)
VALUES (%(login)s, %(account_id)s)
    ON CONFLICT DO NOTHING
"""
_STOP = """
DELETE FROM ledger.account_reader
 WHERE login = %(login)s::text AND account_id = %(account_id)s
"""
_LISTED = """
SELECT granted.login, opened.account, granted.granted_at, granted.granted_by,
       who.oid IS NOT NULL AND pg_has_role(who.oid, %(role)s, 'MEMBER') AS works
  FROM ledger.account_reader AS granted
  CROSS JOIN LATERAL (
       SELECT convert_from(state, 'UTF8')::jsonb ->> 'account_key' AS account
         FROM ledger.stored_events
        WHERE originator_id = granted.account_id AND originator_version = 1
       ) AS opened
  LEFT JOIN pg_roles AS who ON who.rolname = granted.login
 WHERE %(account_id)s::uuid IS NULL OR granted.account_id = %(account_id)s::uuid
 ORDER BY granted.login COLLATE "C", opened.account COLLATE "C"
"""


class Let(NamedTuple):
    """What came of letting a login read, and what to know of it."""

    is_new: bool
    sees_all: bool
    can_be_queried: bool


class Granted(NamedTuple):
    """One account that a login may read; `works` is false where its role is gone."""

    login: str
    account: str
    granted_at: datetime
    granted_by: str
    works: bool


def let_read(conninfo: str, login: str, account: str) -> Let:
    """Let a login read an account.

    Raises NotFound for an account that was never opened, LedgerError for a login that
    the server does not have, or where the own login may not give this.
    """
    params = {"login": login, "account_id": account_id(account), "role": ROLE}
    with connect(conninfo) as connection, _as_owner():
        _check_opened(connection, account, params)
        row = connection.execute(_WHO, params).fetchone()
        if row is None:
            raise LedgerError(
                f"The server has no login or role {shown(login)}.",
                try_="have somebody who may create roles create it: CREATE ROLE … "
                "LOGIN",
            )
        is_member, sees_all, can_be_queried = row
        if not is_member:
            connection.execute(
                sql.SQL("GRANT {} TO {}").format(
                    sql.Identifier(ROLE), sql.Identifier(login)
                )
            )
        created = connection.execute(_LET, params).rowcount
    return Let(created > 0, sees_all, can_be_queried)


def stop_reading(conninfo: str, login: str, account: str) -> bool:
    """Let a login read an account no longer; return whether it could."""
    params = {"login": login, "account_id": account_id(account)}
    with connect(conninfo) as connection, _as_owner():
        _check_opened(connection, account, params)
        return connection.execute(_STOP, params).rowcount > 0


def granted(conninfo: str, account: str | None = None) -> list[Granted]:
    """Who may read which single account."""
    own = None if account is None else account_id(account)
    params = {"account_id": own, "role": ROLE}
    with connect(conninfo) as connection, _as_owner():
        if account is not None:
            _check_opened(connection, account, params)
        with connection.cursor(row_factory=class_row(Granted)) as cursor:
            return cursor.execute(_LISTED, params).fetchall()


def _check_opened(
    connection: psycopg.Connection[Any], account: str, params: dict[str, Any]
) -> None:
    if connection.execute(_OPENED, params).rowcount == 0:
        raise NotFound(
            "account_not_found",
            f"There is no account {shown(account)}.",
            try_="see 'seat-ledger account list'",
        )


@contextmanager
def _as_owner() -> Iterator[None]:
    """Say plainly what the server lacks, or the login may not do."""
    try:
        yield
    except psycopg.errors.UndefinedObject as error:
        raise LedgerError(
            f"The server has no role {ROLE}.",
            try_="have somebody with CREATEROLE run 'seat-ledger db migrate'",
        ) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise LedgerError(
            f"Only a member of seat_ledger_owner who may grant the role {ROLE}, or a "
            "superuser, decides who reads single accounts; this login is neither.",
            try_="ask one of them to do it",
        ) from error
