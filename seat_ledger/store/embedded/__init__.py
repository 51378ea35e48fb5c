"""An embedded PostgreSQL: found or made, started and stopped, without set-up.

`folders.py` says where it lives and whom a folder has to belong to, `binaries.py`
finds PostgreSQL's programs and runs them, `server.py` starts and stops it.
"""

from seat_ledger.store.embedded.binaries import binaries_at_hand
from seat_ledger.store.embedded.folders import (
    EmbeddedServerError,
    ServerUser,
    default_home,
    server_user,
)
from seat_ledger.store.embedded.server import EmbeddedServer, EmbeddedStatus

__all__ = [
    "EmbeddedServer",
    "EmbeddedServerError",
    "EmbeddedStatus",
    "ServerUser",
    "binaries_at_hand",
    "default_home",
    "server_user",
]
