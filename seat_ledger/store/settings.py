"""What an operator may set, each by an environment variable ``SEAT_LEDGER_…``.

Where the ledger lives (``SEAT_LEDGER_DATABASE_URL``, ``SEAT_LEDGER_HOME``) is asked on
every start, so the command line and the embedded server read that themselves.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from seat_ledger.domain.values import shown
from seat_ledger.errors import InvalidInput

Count = Annotated[int, Field(ge=1, le=1_000_000_000)]


class Settings(BaseSettings):
    """How the write side works; the defaults suit one machine."""

    model_config = SettingsConfigDict(
        env_prefix="SEAT_LEDGER_", extra="ignore", env_ignore_empty=True
    )

    tries: Count = Field(
        default=100,
        description="How often a command is decided again after a conflict, which "
        "takes some seconds, before it fails with exit 4.",
    )
    snapshot_every: Count = Field(
        default=500,
        description="A snapshot of an account is stored after this many of its "
        "events, or a tenth of them.",
    )
    cache_entries: Count = Field(
        default=300_000, description="How many entries of accounts are kept in memory."
    )
    pool_size: Count = Field(
        default=8, description="The largest number of connections kept open."
    )
    import_chunk: Count = Field(
        default=2000,
        description="Lines of an import that are recorded together; where several "
        "processes share them, for each of up to four.",
    )
    embedded_wal: Literal["replica", "minimal"] = Field(
        default="replica",
        description="What a new embedded server writes ahead: `minimal` trades base "
        "backups for speed.",
    )


def read_settings() -> Settings:
    """The settings of the environment. Raises InvalidInput with the variable's name."""
    try:
        return Settings()
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False)[0]
        variable = f"SEAT_LEDGER_{problem['loc'][0]}".upper()
        kind = Settings.model_fields[str(problem["loc"][0])].annotation
        needed = "a whole number of at least 1" if kind is int else "replica or minimal"
        raise InvalidInput(
            f"{variable} is {shown(str(problem['input']))}: {needed} is needed.",
            try_=f"unset {variable}",
        ) from error
