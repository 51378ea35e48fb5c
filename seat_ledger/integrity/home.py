"""What this machine keeps of a ledger: its keys, and checkpoints beside them.

They hang on the identity that is inside the ledger, never on an address: one database
has many addresses, and one address serves many databases in turn. What the version
before filed by address is found by the key that signed the database's seals, and moved.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg.conninfo import conninfo_to_dict

from seat_ledger.errors import LedgerError, Locked, NotFound
from seat_ledger.integrity import tiles
from seat_ledger.integrity.keys import Keys, write_beside
from seat_ledger.integrity.note import BadNote, signed_by
from seat_ledger.store import schema
from seat_ledger.store.connection import connect, unavailable
from seat_ledger.store.embedded.folders import default_home

_KEY = "integrity.key"
_CHECKPOINTS = "checkpoints"
_WITNESSES = "witnesses.json"
PATIENCE = 20.0
"""For how many seconds somebody else who seals is waited for."""


@dataclass(frozen=True)
class Home:
    """The folder of one ledger, and where its key was found.

    `sealed_by` is the key that the database's last note claims, `former` the folder of
    the version before, which what is in it still has to leave.
    """

    ledger: UUID
    keys: Keys
    sealed_by: str | None = None
    former: Path | None = None

    @property
    def folder(self) -> Path:
        """Of this ledger, in the home folder."""
        return folder_of(self.ledger)

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints are always kept: better than nowhere, but not elsewhere."""
        own = self.folder / _CHECKPOINTS
        former = self.former / _CHECKPOINTS if self.former else own
        return former if former.exists() and not own.exists() else own

    @property
    def witnesses(self) -> frozenset[str]:
        """The places elsewhere that once held checkpoints of this ledger."""
        file = self.folder / _WITNESSES
        try:
            return frozenset(map(str, json.loads(file.read_bytes())))
        except FileNotFoundError:
            return frozenset()
        except (ValueError, TypeError) as error:
            raise LedgerError(
                f"{file} is damaged: it lists where checkpoints are kept.",
                try_="see that each witness has its checkpoints, then remove the file",
            ) from error

    def remember(self, places: Iterable[Path]) -> None:
        """Note where checkpoints are kept, so that their loss is noticed."""
        noted = self.witnesses
        added = noted.union(map(str, map(Path.resolve, places)))
        if added != noted:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            text = json.dumps(sorted(added), indent=1)
            write_beside(self.folder / _WITNESSES, f"{text}\n")

    def move(self) -> Home:
        """Bring over what the version before kept; the key last."""
        if self.former is None:
            return self
        old, new = Keys(self.former / _KEY), Keys(self.folder / _KEY)
        pairs = [
            (self.former / _CHECKPOINTS, self.folder / _CHECKPOINTS),
            (old.private, new.private),
            (old.public, new.public),
        ]
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for source, target in pairs:
                if source.exists() and not target.exists():
                    source.rename(target)
        except OSError as error:
            raise LedgerError(
                f"The key in {self.former} cannot be moved to {self.folder}: "
                f"{error.strerror}.",
                try_="give this user write permission there",
            ) from error
        return Home(self.ledger, new, self.sealed_by)

    def missing_key(self) -> NotFound:
        """The error that the key that sealed this ledger is not here."""
        return NotFound(
            "key_missing",
            f"The ledger {self.ledger} is sealed with the key {self.sealed_by}, which "
            f"is not in {self.keys.private}. No new key was made.",
            try_=f"copy the folder {self.folder} from the machine that sealed it, or "
            "name the key's file with --key (to check only: --public-key)",
        )


@contextmanager
def alone_in(folder: Path, *, makes: bool) -> Iterator[None]:
    """Be the only one who seals into a ledger's folder: what another has sealed is in
    the database a moment before it is here, and would be taken for lost.

    A folder that is not there is made only where it `makes` one. Raises Locked.
    """
    if makes:
        with suppress(OSError):  # whoever writes there says what is wrong
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        yield
        return
    try:
        until = time.monotonic() + PATIENCE
        while not _locked(place):
            if time.monotonic() > until:
                raise Locked("Another process is sealing.", try_="wait for it")
            time.sleep(0.02)
        yield
    finally:
        os.close(place)


def _locked(place: int) -> bool:
    try:
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # not every file system has locks
    return True


def folder_of(ledger: UUID) -> Path:
    """The folder that keeps a ledger's key and checkpoints."""
    return default_home() / "ledgers" / str(ledger)


def open_home(conninfo: str, database: str | None, named: Path | None = None) -> Home:
    """Find the home of a database's ledger, and its keys; `named` is a key's file."""
    with connect(conninfo, role="writer", autocommit=True) as connection:
        ledger = schema.ledger_id(connection)
        sealed_by = _sealed_by(connection)
    if named is None and (variable := os.environ.get("SEAT_LEDGER_INTEGRITY_KEY")):
        named = Path(variable)
    own = Keys(folder_of(ledger) / _KEY)
    if named is not None:
        return Home(ledger, Keys(named), sealed_by)
    if own.exist:
        return Home(ledger, own, sealed_by)
    for folder in _former_folders(database, sealed_by):
        keys = Keys(folder / _KEY)
        if keys.exist and (sealed_by is None or _label(keys) == sealed_by):
            return Home(ledger, keys, sealed_by, folder)
    return Home(ledger, own, sealed_by)


def keys_labelled(label: str) -> Keys | None:
    """The keys of that label, of whatever ledger they are, if they are here."""
    folders = [*_children("ledgers"), *_children("named"), default_home()]
    for folder in folders:
        keys = Keys(folder / _KEY)
        if keys.exist and _label(keys) == label:
            return keys
    return None


def _sealed_by(connection: psycopg.Connection[Any]) -> str | None:
    """The key that the last note claims; the row's own words where it is no note."""
    try:
        stored = tiles.last_checkpoint(connection)
        return signed_by(stored.note) if stored else None
    except BadNote:
        return "of a damaged note"
    except psycopg.errors.InsufficientPrivilege:
        return None


def _label(keys: Keys) -> str | None:
    try:
        return keys.verifier().label
    except LedgerError:
        return None


def _former_folders(database: str | None, sealed_by: str | None) -> Iterator[Path]:
    """Where the version before filed keys: the address's folder, then all others.

    The address alone says nothing, so the others count only where a seal names the key.
    """
    yield _folder_of_address(database)
    if sealed_by is not None:
        yield from _children("named")
        yield default_home()


def _children(name: str) -> list[Path]:
    try:
        return sorted(
            folder for folder in (default_home() / name).iterdir() if folder.is_dir()
        )
    except OSError:
        return []


def _folder_of_address(database: str | None) -> Path:
    if database is None:
        return default_home()
    try:
        fields = conninfo_to_dict(database)
    except psycopg.Error as error:
        raise unavailable(database, error) from None
    place = [fields.get("host") or "local", fields.get("port") or "5432"]
    name = "_".join(map(str, [*place, fields.get("dbname") or "default"]))
    return default_home() / "named" / re.sub(r"[^A-Za-z0-9.-]+", "_", name).strip("_.")
