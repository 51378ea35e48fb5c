"""One account over a real store, with short words for its commands."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from seat_ledger.commands.service import CommandService
from seat_ledger.domain.values import parse_seat
from seat_ledger.projections import holdings, journal
from seat_ledger.projections.reader import AccountQuestion, ConnectedReader
from tests.support.acme import TERMS, AcmeCommands


class Acme(AcmeCommands):
    """The account over a real store."""

    def __init__(self, conninfo: str, ledger: CommandService) -> None:
        self.conninfo, self.ledger = conninfo, ledger
        ledger.open_account("acme", **TERMS)

    def execute(self, fields: dict[str, Any]) -> tuple[int, ...]:
        return self.ledger.execute(fields).positions

    def holder(self, seat: str, at: str, known_at: int | None = None) -> str | None:
        with ConnectedReader(self.conninfo) as reader:
            at_position = reader.knowledge(known_at)
            account = reader.account("acme", at_position)
            moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
            row = holdings.who(
                AccountQuestion(reader, account, at_position, moment), parse_seat(seat)
            )
        return row["holder"]["user"] if row["holder"] else None

    def history(self, seat: str) -> list[dict[str, Any]]:
        with ConnectedReader(self.conninfo) as reader:
            at_position = reader.knowledge()
            account = reader.account("acme", at_position)
            return holdings.history(
                AccountQuestion(reader, account, at_position), parse_seat(seat)
            )

    def events(self) -> list[dict[str, Any]]:
        with ConnectedReader(self.conninfo) as reader:
            return list(journal.listed(reader, reader.knowledge()))
