"""Many references looked up together mean whom each would mean alone (R35, R95)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from seat_ledger.commands.service import CommandService
from seat_ledger.domain.values import iso
from seat_ledger.errors import CommandRefused
from seat_ledger.projections.reader import ConnectedReader
from tests.support.acme import TERMS

REFERENCES = (
    "ann", "ANN", "ann@x.example", "Ann@X.example", "bob", "bea", "bob@x.example",
    "cat", "bot", "shared@x.example", "nobody", "gone", "both",
)  # fmt: skip
"""Keys and e-mails, also in other case, of renamed, removed, and returned users, of a
service, of nobody, and of two at once.
"""


def record(ledger: CommandService) -> None:
    def do(op: str, user: str, day: int, **fields: Any) -> None:
        at = iso(datetime(2025, 3, day, tzinfo=UTC))
        ledger.execute(
            {"op": op, "account": "acme", "user": user, "effective_at": at, **fields}
        )

    ledger.open_account("acme", **TERMS)
    for day, user in enumerate(("ann", "bob", "cat", "gone"), start=6):
        do("add_user", user, day, email=f"{user}@x.example", name=user)
    do("rename_user", "bob", 12, new_user="bea")
    do("remove_user", "gone", 13)
    do("remove_user", "cat", 14)
    do("add_user", "cat", 15, email="cat2@x.example", name="Cat")
    do("add_user", "bot", 16, email="shared@x.example", name="Bot", kind="service")
    do("add_user", "both", 17, email="other@x.example", name="B")


def test_many_references_mean_whom_each_means_alone(
    database: str, ledger: CommandService
) -> None:
    record(ledger)
    with ConnectedReader(database) as reader:
        known_at = reader.knowledge()
        account = reader.account("acme", known_at)
        someone = reader.user_at(account, "ann", datetime.now(UTC), known_at)
        assert someone is not None
        (row,) = reader.ask("users", "ids", user_nos=[someone["user_no"]])
        references = [*REFERENCES, str(row["user_id"])]
        meant = set()
        for day in (1, 7, 12, 13, 14, 20):
            at = datetime(2025, 3, day, tzinfo=UTC)
            find = reader.users_at(account, references, at, known_at)
            for reference in references:
                try:
                    alone = reader.user_at(account, reference, at, known_at)
                except CommandRefused as error:
                    alone = error.message
                try:
                    together = find(reference)
                except CommandRefused as error:
                    together = error.message
                assert together == alone, (reference, day)
                meant.add(alone if isinstance(alone, str) else alone and alone["user"])
    assert meant >= {"ann", "bea", "cat", "bot", "gone", None}
