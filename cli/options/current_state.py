"""What an account is like where a command is to take effect, for one-step chores.

Such a command is put together from what is recorded, and judged by the write side as
any other: where the account has changed since, it is refused and nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from seat_ledger.cli.options.session import current_session
from seat_ledger.domain.moments import parse_moment
from seat_ledger.domain.values import as_word, shown
from seat_ledger.errors import NotFound

if TYPE_CHECKING:
    from seat_ledger.projections.reader import AccountQuestion


@contextmanager
def account_at(account: str, effective_at: str | None) -> Iterator[AccountQuestion]:
    """The account as recorded, at the moment of a command; by default now."""
    from seat_ledger.projections.reader import AccountQuestion  # noqa: PLC0415

    with current_session().reader() as reader:
        knowledge = reader.knowledge()
        facts = reader.account(account, knowledge)
        now = reader.database_now()
        as_of = parse_moment(effective_at, facts.zones, now) if effective_at else now
        yield AccountQuestion(reader, facts, knowledge, as_of)


def present_user(about: AccountQuestion, reference: str) -> dict[str, Any]:
    """Who bears a key or e-mail at the moment, with hubs and seats (R35).

    Raises NotFound.
    """
    from seat_ledger.projections import users  # noqa: PLC0415

    for row in reversed(users.called(about, reference)):
        if row["removed_at"] is None or row["removed_at"] > about.as_of:
            return row
    key = about.account.key
    raise NotFound(
        "user_not_found",
        f"{shown(reference)} is not a present user of {key}.",
        try_=f"seat-ledger user list --account {as_word(key)}",
    )


def type_of(seat: str) -> str:
    """The seat type of a seat: ``sales/professional`` of ``sales/professional#7``."""
    return seat.partition("#")[0]
