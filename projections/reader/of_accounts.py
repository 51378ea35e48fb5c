"""Readers that see some accounts and no sign of the others.

The database holds them to it: they act as ``seat_ledger_account_reader``, and ask the
tables that hold the rows of the named accounts alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from seat_ledger.domain.values import account_id
from seat_ledger.errors import NotAllowed
from seat_ledger.projections.reader.pool import PooledReader
from seat_ledger.projections.reader.redaction import RedactedReader
from seat_ledger.store.connection import Role

_NAME = "SELECT pg_catalog.set_config('seat_ledger.accounts', %s, false)"


class AccountsReader(PooledReader):
    """A reader of named accounts; until they are named it sees none."""

    ROLE: ClassVar[Role] = "account_reader"

    def _sees_store(self, acts: bool) -> bool:
        """Never: positions of other accounts are theirs. Raises NotAllowed."""
        if not acts:
            raise NotAllowed(
                "This server's login cannot act for tokens of named accounts.",
                try_="GRANT seat_ledger_account_reader to the login",
            )
        self.connection.execute(_NAME, ["{}"])
        return False

    def see(self, keys: Sequence[str]) -> None:
        """See these accounts alone, and be on what is served of them now."""
        self.release()
        ids = ",".join(str(account_id(key)) for key in keys)
        self.connection.execute(_NAME, [f"{{{ids}}}"])
        self._pin(first_catch_up=False)


class RedactedAccountsReader(AccountsReader, RedactedReader):
    """The same, showing nobody."""
