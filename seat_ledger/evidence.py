"""Tamper evidence as its users meet it: one function per command, no SQL.

The private key is a file that its owner alone can read; it is made when it is first
needed. Checkpoints are also kept *elsewhere*: in folders or files that the operator
names, best on another machine. Without those, an administrator of the database who
also has the key could still cut the end off.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from psycopg.conninfo import conninfo_to_dict

from seat_ledger.errors import (
    CommandRefused,
    IntegrityFailure,
    InvalidInput,
    LedgerError,
    NotFound,
)
from seat_ledger.integrity import leaf, merkle, proof
from seat_ledger.integrity.note import (
    BadNote,
    Checkpoint,
    Signer,
    Verifier,
    open_checkpoint,
)
from seat_ledger.store import sealing, seals, verifying
from seat_ledger.store.connection import connect, unavailable
from seat_ledger.store.embedded import default_home
from seat_ledger.store.leaves import rows
from seat_ledger.store.sealing import Sealed
from seat_ledger.store.verifying import Verified, Witness

__all__ = ["Keys", "Sealed", "Verified", "Witness"]

_NOTES = re.compile(r"(?:[^\n]+\n)+\n(?:\N{EM DASH} [^\n]+\n)+")
_LATEST = "checkpoint"


@dataclass(frozen=True)
class Keys:
    """Where the keys are: a private one, and the public one beside it."""

    private: Path

    @classmethod
    def default(cls, database: str | None = None) -> Keys:
        """In the home folder, of a database that is named in one of its own."""
        named = os.environ.get("SEAT_LEDGER_INTEGRITY_KEY")
        return cls(Path(named) if named else _place_of(database) / "integrity.key")

    @property
    def public(self) -> Path:
        """The public key's file."""
        return self.private.with_suffix(".pub")

    def signer(self, name: str | None = None) -> Signer:
        """The private key; made, under `name`, where there is none.

        Raises LedgerError, which never holds the key.
        """
        try:
            text = self._read_private()
        except FileNotFoundError:
            return self._make(name)
        except OSError as error:
            raise _unusable(self.private, error) from error
        try:
            found = Signer.read(text)
        except BadNote as error:
            raise LedgerError(
                f"The key in {self.private} cannot be used: {error}.",
                try_="restore the file from its backup, or name another with --key",
            ) from None
        if name is not None and name != found.name:
            raise LedgerError(
                f"The key in {self.private} signs as {found.name}, not as {name}.",
                try_="leave --name out, or name another --key",
            )
        return found

    def _read_private(self) -> str:
        with self.private.open(encoding="utf-8", errors="replace") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise LedgerError(
                    f"The private key {self.private} can be read by others "
                    f"(mode {mode:03o}).",
                    try_=f"chmod 600 {self.private}; if others could read it, make a "
                    "new key",
                )
            return file.read(4096)

    def _make(self, name: str | None) -> Signer:
        try:
            signer = Signer.generate(
                f"seat-ledger/{secrets.token_hex(8)}" if name is None else name
            )
        except BadNote as error:
            raise InvalidInput(f"The name cannot be used: {error}.") from error
        try:
            self.private.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            _write(os.open(self.private, flags, 0o600), f"{signer.secret()}\n")
            self.public.write_text(f"{signer.verifier}\n")
        except FileExistsError:
            return self.signer(name)
        except OSError as error:
            raise _unusable(self.private, error) from error
        return signer

    def verifier(self) -> Verifier:
        """The public key. Raises NotFound where there is none yet."""
        if not self.public.exists() and self.private.exists():
            return self.signer().verifier
        if not self.public.exists():
            raise NotFound(
                "nothing_sealed",
                f"There is no public key at {self.public}.",
                try_="name it with --public-key, or seal first: seat-ledger integrity "
                "seal",
            )
        return read_public(os.fspath(self.public))


def _unusable(path: Path, error: OSError) -> LedgerError:
    return LedgerError(
        f"The key file {path} cannot be used: {error.strerror}.",
        try_="name another with --key (SEAT_LEDGER_INTEGRITY_KEY)",
    )


def _write(descriptor: int, text: str) -> None:
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def read_public(given: str) -> Verifier:
    """A public key, as text or as the name of its file. Raises InvalidInput."""
    try:
        if "+" not in given or Path(given).is_file():
            given = Path(given).read_text("utf-8")
        return Verifier.read(given)
    except (OSError, UnicodeError) as error:
        raise InvalidInput(f"There is no public key at {given}: {error}.") from error
    except BadNote as error:
        raise InvalidInput(f"The public key cannot be read: {error}.") from error


# -- checkpoints kept elsewhere -----------------------------------------------------


def default_witnesses(database: str | None = None) -> list[Path]:
    """Where checkpoints are kept when nothing else is said: better than nowhere."""
    named = os.environ.get("SEAT_LEDGER_WITNESS", "").split(os.pathsep)
    return [Path(one) for one in named if one] or [_place_of(database) / "checkpoints"]


def _place_of(database: str | None) -> Path:
    """The home folder, or a folder in it for a database that is named."""
    if database is None:
        return default_home()
    try:
        said = conninfo_to_dict(database)
    except psycopg.Error as error:
        raise unavailable(database, error) from None
    place = [said.get("host") or "local", said.get("port") or "5432"]
    name = "_".join(map(str, [*place, said.get("dbname") or "default"]))
    return default_home() / "named" / re.sub(r"[^A-Za-z0-9.-]+", "_", name).strip("_.")


def witnesses(places: Sequence[Path]) -> list[Witness]:
    """Every checkpoint that is kept in folders and files. Raises InvalidInput."""
    return [one for place in places for one in _kept_in(place)]


def _kept_in(place: Path) -> Iterator[Witness]:
    try:
        if not place.is_dir():
            for note in _NOTES.findall(place.read_text("utf-8")):
                yield Witness(os.fspath(place), note)
            return
        for file in sorted(place.glob(f"{_LATEST}-*")):
            yield Witness(os.fspath(file), file.read_text("utf-8"))
    except (OSError, UnicodeError) as error:
        raise InvalidInput(
            f"The checkpoints in {place} cannot be read: {error}.",
            try_="name a folder or file that 'seat-ledger integrity seal' wrote",
        ) from error


def _latest_in(place: Path) -> str | None:
    """The last checkpoint that is kept in a place."""
    file = place / _LATEST if place.is_dir() else place
    try:
        notes = _NOTES.findall(file.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeError) as error:
        raise LedgerError(
            f"The checkpoints in {place} cannot be read: {error}.",
            try_="name another place with --witness",
        ) from error
    return notes[-1] if notes else None


def _keep_in(place: Path, sealed: Sealed) -> None:
    """Keep a checkpoint: a file of its own in a folder, or appended to a file."""
    if place.is_file() or (not place.exists() and place.suffix):
        if _latest_in(place) != sealed.note:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            _write(os.open(place, flags, 0o644), f"{sealed.note}\n")
        return
    place.mkdir(parents=True, exist_ok=True)
    name = f"{_LATEST}-{sealed.checkpoint.size:012}"
    for file in (place / name, place / _LATEST):
        partial = place / f".{file.name}.{os.getpid()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        try:
            _write(os.open(partial, flags, 0o644), sealed.note)
            partial.replace(file)
        finally:
            with suppress(OSError):
                partial.unlink()


def seal_at_home(conninfo: str, database: str | None) -> Sealed | None:
    """Seal with the key that is at home here, made where nobody has sealed before.

    None where this is not the place to seal: another key does. Raises as :func:`seal`.
    """
    keys = Keys.default(database)
    if not keys.private.exists():
        with connect(conninfo, role="writer") as connection:
            if seals.checkpoint(connection) is not None:
                raise LedgerError(
                    f"this ledger is sealed with a key that is not in {keys.private}."
                )
    return seal(conninfo, keys.signer(), default_witnesses(database))


# -- commands -------------------------------------------------------------------------


def seal(
    conninfo: str,
    signer: Signer,
    places: Sequence[Path] = (),
    *,
    processes: int | None = None,
) -> Sealed | None:
    """Seal what is new, and keep the checkpoint in every place.

    Raises IntegrityFailure where a place has a checkpoint that this ledger does not
    continue: it would be covered up otherwise.
    """
    latest = [
        (place, note) for place in places if (note := _latest_in(place)) is not None
    ]

    def check(connection: psycopg.Connection[Any], size: int) -> None:
        for place, note in latest:
            _check_continues(connection, size, place, note, signer)

    sealed = sealing.seal(conninfo, signer, processes=processes, check=check)
    for place in places if sealed else ():
        assert sealed is not None
        try:
            _keep_in(place, sealed)
        except OSError as error:
            raise LedgerError(
                f"The checkpoint is in the database, but could not be kept in {place}: "
                f"{error.strerror}.",
                try_="make room, then seal again",
            ) from error
    return sealed


def _check_continues(
    connection: psycopg.Connection[Any],
    size: int,
    place: Path,
    note: str,
    signer: Signer,
) -> None:
    """The ledger continues the last checkpoint that was kept in a place."""
    try:
        kept = open_checkpoint(note, signer.verifier)
    except BadNote as error:
        raise IntegrityFailure(
            f"The last checkpoint in {place} is not of this key: {error}. Nothing was "
            "sealed.",
            try_="name another --witness for this ledger, or the key that sealed it",
        ) from error
    if kept.size <= size and seals.nodes(connection, [(0, kept.size)])[0] == kept.root:
        return
    raise IntegrityFailure(
        f"{place} keeps a checkpoint of {kept.size:,} events, up to position "
        f"{kept.position}, that this ledger does not continue: it was altered, or is "
        "an older copy. Nothing was sealed.",
        try_="seat-ledger integrity verify",
    )


def verify(
    conninfo: str,
    verifier: Verifier,
    kept: Sequence[Witness] = (),
    *,
    processes: int | None = None,
) -> Verified:
    """Hold the stored events against every checkpoint, here and elsewhere.

    Raises NotFound (``nothing_sealed``) where there is none at all.
    """
    found = verifying.verify(conninfo, verifier, kept, processes=processes)
    if not found.checkpoints and not found.findings:
        raise NotFound(
            "nothing_sealed",
            "There is no checkpoint to hold the events against.",
            try_="seat-ledger integrity seal",
        )
    return found


class Standing(NamedTuple):
    """How the seals are at a glance, and what is lacking, in words."""

    told: str
    lacking: str | None = None


def standing(conninfo: str, database: str | None) -> Standing:
    """Hold the last checkpoints, here and elsewhere, against the store's end.

    A glance: `verify` reads every event.
    """
    with connect(conninfo, role="writer") as connection:
        try:
            kept = seals.checkpoint(connection)
            size, head = seals.reached(connection)
        except psycopg.errors.InsufficientPrivilege:
            return Standing("not shown to this login")
    latest = [
        (place, Checkpoint.read(note.partition("\n\n")[0] + "\n"))
        for place in default_witnesses(database)
        if (note := _latest_in(place)) is not None
    ]
    for place, found in latest:
        if found.position is not None and found.position > head:
            at = f"{found.sealed_at:%Y-%m-%d %H:%M} UTC" if found.sealed_at else "once"
            return Standing(
                "",
                f"The store ends at position {head} with {size:,} events; the "
                f"checkpoint kept in {place}, sealed {at}, has {found.size:,} events, "
                f"up to position {found.position}: this is an older copy, or its end "
                "was cut off.",
            )
    if kept is None:
        return Standing("nothing is sealed yet (seat-ledger integrity seal)")
    if kept.position > head:
        return Standing(
            "",
            f"The store ends at position {head}, but is sealed up to {kept.position}: "
            "its end was cut off.",
        )
    places = ", ".join(str(place) for place, _ in latest) or "nowhere else"
    return Standing(
        f"{kept.size:,} of {size:,} events are sealed, checkpoints in {places}"
    )


def prove(conninfo: str, position: int, size: int | None = None) -> dict[str, Any]:
    """The proof that an event stands in a checkpoint (the last one by default).

    Raises NotFound, CommandRefused (``not_sealed``) and IntegrityFailure.
    """
    with connect(conninfo, role="writer") as connection:
        kept = _checkpoint(connection, size)
        stored = next(rows(connection, position - 1, position), None)
        tile = seals.tile_of(connection, position)
        index, sealed = _find(tile, position)
        if stored is None and sealed is None:
            raise NotFound(
                "entry_not_found", f"No event stands at position {position}."
            )
        if stored is not None and (tile is None or index >= kept.size):
            raise CommandRefused(
                "not_sealed",
                f"The event at position {position} is not in the checkpoint of "
                f"{kept.size:,} events.",
                try_="seat-ledger integrity seal",
            )
        if stored is None or merkle.leaf_hash(stored) != sealed:
            raise IntegrityFailure(
                f"The event at position {position} is not the one that was sealed.",
                try_="seat-ledger integrity verify",
            )
        path = seals.nodes(connection, merkle.inclusion_path(index, kept.size))
        return proof.inclusion(leaf.decode(stored), index, path, kept.note)


def _find(tile: seals.Tile | None, position: int) -> tuple[int, bytes | None]:
    """A position's index among the leaves, and the hash that was sealed for it."""
    for n, (at, sealed) in enumerate(tile.entries() if tile else ()):
        if at == position and tile is not None:
            return tile.number * 256 + n, sealed
    return -1, None


def _checkpoint(
    connection: psycopg.Connection[Any], size: int | None = None
) -> seals.Kept:
    kept = seals.checkpoint(connection, size)
    if kept is None:
        asked = "" if size is None else f" of {size:,} events"
        raise NotFound(
            "nothing_sealed",
            f"There is no checkpoint{asked}.",
            try_="seat-ledger integrity seal",
        )
    return kept


def prove_growth(
    conninfo: str, earlier: str | int, size: int | None = None
) -> dict[str, Any]:
    """The proof that a checkpoint only added to an earlier one.

    The earlier one is named by its size, or given as the note that was kept.
    """
    with connect(conninfo, role="writer") as connection:
        kept = _checkpoint(connection, size)
        if isinstance(earlier, int):
            earlier = _checkpoint(connection, earlier).note
        try:
            first = Checkpoint.read(earlier.partition("\n\n")[0] + "\n")
        except BadNote as error:
            raise InvalidInput(f"The earlier checkpoint: {error}.") from error
        if not 0 < first.size <= kept.size:
            raise CommandRefused(
                "not_sealed",
                f"The checkpoint of {kept.size:,} events is not later than the one of "
                f"{first.size:,}.",
                try_="seat-ledger integrity verify",
            )
        path = seals.nodes(connection, merkle.consistency_path(first.size, kept.size))
        return proof.consistency(path, earlier, kept.note)


def check_proof(text: str, verifier: Verifier) -> proof.Proven:
    """What a proof shows. Needs no database. Raises IntegrityFailure."""
    try:
        return proof.check(text, verifier)
    except proof.BadProof as error:
        raise IntegrityFailure(str(error)) from error
