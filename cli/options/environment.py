"""The variables of the environment that are the ledger's own: all are read, or named.

What a command does not need is looked at all the same: a value that cannot be read was
meant to do something.
"""

from __future__ import annotations

import os

PREFIX = "SEAT_LEDGER_"
OF_STORE = {
    *("TRIES", "SNAPSHOT_EVERY", "CACHE_ENTRIES", "POOL_SIZE", "IMPORT_CHUNK"),
    "EMBEDDED_WAL",
}
"""What `seat_ledger.store.settings` reads; named here, as it takes long to import."""
VARIABLES = OF_STORE | {
    *(
        "DATABASE_URL",
        "HOME",
        "ACCOUNT",
        "ACTOR",
        "FORMAT",
        "LANGUAGE",
        "LAKE",
        "SOURCES",
    ),
    *("WITNESS", "PUBLIC_KEY", "INTEGRITY_KEY", "LOG", "METRICS", "RESULTS"),
}


def check() -> None:
    """Raise InvalidInput for a setting that cannot be read."""
    if any(os.environ.get(PREFIX + name) for name in OF_STORE):
        from seat_ledger.store.settings import read_settings  # noqa: PLC0415

        read_settings()


def unknown() -> list[str]:
    """Variables that are named like the ledger's, and that nothing reads."""
    names = {name for name in os.environ if name.startswith(PREFIX)}
    return sorted(
        names - {PREFIX + name for name in VARIABLES} - {"_SEAT_LEDGER_COMPLETE"}
    )
