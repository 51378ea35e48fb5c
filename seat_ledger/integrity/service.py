"""Tamper evidence as its users meet it: one function per command, no SQL.

The private key is a file that its owner alone can read; it is made when it is first
needed, and never for a ledger that another key has sealed. Checkpoints are also kept
*elsewhere*: in folders or files that the operator names, best on another machine.
Without those, an administrator of the database who also has the key could still cut
the end off.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from seat_ledger.domain.values import shown
from seat_ledger.domain.wording import counted
from seat_ledger.errors import (
    CommandRefused,
    IntegrityFailure,
    InvalidInput,
    LedgerError,
    NotFound,
    system_reason,
    way_out,
)
from seat_ledger.integrity import (
    checkpointing,
    home,
    leaf,
    merkle,
    proof,
    tiles,
    verification,
    witnesses,
)
from seat_ledger.integrity.checkpointing import Sealed
from seat_ledger.integrity.differences import Finding
from seat_ledger.integrity.hashing import rows
from seat_ledger.integrity.home import Home, alone_in, open_home
from seat_ledger.integrity.keys import Keys, read_public
from seat_ledger.integrity.note import (
    BadNote,
    Checkpoint,
    Signer,
    Verifier,
    open_checkpoint,
    read_unverified,
    signed_by,
)
from seat_ledger.integrity.tiles import REBUILD, StoredCheckpoint
from seat_ledger.integrity.verification import Verified, Witness
from seat_ledger.store import schema
from seat_ledger.store.connection import connect
from seat_ledger.store.embedded import default_home

__all__ = ["Home", "Keys", "Sealed", "Verified", "open_home", "read_public"]


# -- seal -----------------------------------------------------------------------------


@dataclass(frozen=True)
class SealOptions:
    """What a seal may be asked for."""

    key: Path | None = None
    name: str | None = None
    processes: int | None = None
    rebuild_tiles: bool = False
    makes_key: bool = True
    restores_checkpoints: bool = False


class SealedHere(NamedTuple):
    """A checkpoint, the places that keep it, and the key."""

    sealed: Sealed | None
    places: list[Path]
    new_places: list[Path]
    signer: Signer | None
    new_key: Path | None


def named_witnesses() -> list[Path]:
    """The places that ``SEAT_LEDGER_WITNESS`` names. Raises InvalidInput."""
    value = os.environ.get("SEAT_LEDGER_WITNESS")
    named = value.split(os.pathsep) if value else []
    if not all(named):
        raise InvalidInput(
            f"SEAT_LEDGER_WITNESS names a place with an empty name: {shown(value)}.",
            try_=f"separate places with one {os.pathsep!r}, and end with none",
        )
    return [Path(place) for place in named]


def _distinct(places: Sequence[Path]) -> list[Path]:
    """Places, each once however it is written."""
    by_place: dict[str, Path] = {}
    for place in places:
        by_place.setdefault(os.path.realpath(place), place)
    return [*by_place.values()]


def seal_here(
    conninfo: str,
    database: str | None,
    places: Sequence[Path] = (),
    options: SealOptions = SealOptions(),
) -> SealedHere:
    """Seal with the key of this machine, made where nobody has sealed before, and where
    the options let it.

    The checkpoint is kept in the named places and at home. Raises NotFound
    (``key_missing``) where another key has sealed, IntegrityFailure where the
    checkpoints at home are missing and not to be restored, and as :func:`seal`.
    """
    here = open_home(conninfo, database, options.key)
    makes = options.makes_key and here.sealed_by is None
    with alone_in(here.folder, makes=makes):
        return _seal_here(conninfo, database, _distinct(places), options)


def _seal_here(
    conninfo: str,
    database: str | None,
    places: Sequence[Path],
    options: SealOptions,
) -> SealedHere:
    """The same, while nobody else on this machine seals."""
    here = open_home(conninfo, database, options.key)
    contents = [witnesses.prepare(place) for place in places]
    here = _adopted(here, options)
    if not options.restores_checkpoints:
        _check_keep(here, contents)
    new_key = None if here.keys.private.exists() else here.keys.private
    if new_key is not None:
        _check_may_make(here, contents)
        if not options.makes_key:
            raise NotFound(
                "nothing_sealed",
                "No key has sealed this ledger yet, and a program that serves others "
                "makes none: its folder may not last.",
                try_="seal once where the key is to stay: seat-ledger integrity seal",
            )
        if not _has_events(conninfo) and options.name is None:
            return SealedHere(None, [], [], None, None)
    name = options.name
    if name is None and new_key is not None:
        name = f"seat-ledger/{here.ledger}"
    signer = here.keys.signer(name)
    where: Any = {"at_home": here.checkpoints, "processes": options.processes}
    if options.rebuild_tiles:
        rebuild_tiles(conninfo, signer.verifier, places, **where)
    sealed = seal(conninfo, signer, places, **where)
    if sealed is not None:
        _remember(here, places)
    new = [content.place for content in contents if content.is_empty]
    return SealedHere(sealed, [*places, here.checkpoints], new, signer, new_key)


def _check_keep(here: Home, contents: Sequence[witnesses.WitnessContent]) -> None:
    """What once held checkpoints of this ledger still does: they are never made anew
    without a word, for then nothing would tell that they were gone.
    """
    if here.sealed_by is None:
        return
    places = [
        content.place
        for content in contents
        if content.is_empty and str(content.place.resolve()) in here.witnesses
    ]
    beside = here.keys.private.parent == here.checkpoints.parent
    if here.keys.private.exists() and beside:
        places += [here.checkpoints] * witnesses.read(here.checkpoints).is_empty
    if places:
        raise IntegrityFailure(
            f"The checkpoints in {places[0]} are missing, though this ledger has kept "
            "some there. Nothing was sealed.",
            try_="mount what belongs there, or put them back from a backup; once you "
            "know what happened to them, they are written anew by: seat-ledger "
            "integrity seal --restore-checkpoints",
        )


def _adopted(here: Home, options: SealOptions) -> Home:
    """Bring over what the version before kept, if it is of this ledger."""
    if here.former is None:
        return here
    content = witnesses.read(here.checkpoints)
    if here.sealed_by is None and content.notes and not options.rebuild_tiles:
        raise IntegrityFailure(
            f"{here.former} keeps the key {here.keys.verifier().label} and checkpoints "
            "of a ledger at this address, and this database has no seals.",
            try_="if this is a different database now, move that folder away; if its "
            f"seals were lost: {REBUILD}",
        )
    return here.move()


def _check_may_make(here: Home, contents: Sequence[witnesses.WitnessContent]) -> None:
    """A new key is only for what no key has sealed. Raises NotFound."""
    if here.sealed_by is not None:
        raise here.missing_key()
    for content in [*contents, witnesses.read(here.checkpoints)]:
        if content.latest is not None:
            label = signed_by(content.latest.note)
            raise Home(here.ledger, here.keys, label).missing_key()
        if content.damage:
            raise IntegrityFailure(
                f"The checkpoints in {content.place} are damaged: {content.damage[0]}. "
                "Nothing was sealed.",
                try_="move them away, and seal with the key that signed them",
            )
    if here.keys.public.exists():
        raise Home(here.ledger, here.keys, here.keys.verifier().label).missing_key()


def _has_events(conninfo: str) -> bool:
    with connect(conninfo, role="writer") as connection:
        return tiles.reached(connection)[0] > 0


def seal(
    conninfo: str,
    signer: Signer,
    places: Sequence[Path] = (),
    *,
    at_home: Path | None = None,
    processes: int | None = None,
) -> Sealed | None:
    """Seal what is new, and keep the checkpoint in every place.

    Raises IntegrityFailure where a place has a checkpoint that this ledger does not
    continue, or that the database lacks: it would be covered up otherwise.
    """
    contents = _prepared(places, at_home)

    def check(connection: psycopg.Connection[Any], last: Checkpoint | None) -> None:
        for content in contents:
            _check_continues(connection, last, content, signer.verifier)

    sealed = checkpointing.seal(conninfo, signer, processes=processes, check=check)
    for content in contents if sealed else ():
        assert sealed is not None
        _keep(content.place, sealed)
    return sealed


def rebuild_tiles(
    conninfo: str,
    verifier: Verifier,
    places: Sequence[Path] = (),
    *,
    at_home: Path | None = None,
    processes: int | None = None,
) -> None:
    """Make the kept hashes anew from the events, held against every signed root.

    Brings back the checkpoints that the database has lost. Raises IntegrityFailure
    where the events do not lead to a signed root; nothing is changed then.
    """
    contents = _prepared(places, at_home)
    notes = [stored.note for content in contents for stored in content.notes]
    checkpointing.rebuild_tiles(conninfo, verifier, notes, processes=processes)


def _prepared(
    places: Sequence[Path], at_home: Path | None
) -> list[witnesses.WitnessContent]:
    contents = [witnesses.prepare(place) for place in places]
    return contents if at_home is None else [*contents, _at_home(at_home)]


def _at_home(place: Path) -> witnesses.WitnessContent:
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise LedgerError(
            f"The checkpoints cannot be kept in {place}: {error.strerror}.",
            try_="set SEAT_LEDGER_HOME to a folder that this user can write to",
        ) from error
    return witnesses.prepare(place)


def _keep(place: Path, sealed: Sealed) -> None:
    with _keeping("it could not be kept", place):
        witnesses.keep(place, sealed.note, sealed.checkpoint.size)


def _remember(here: Home, places: Sequence[Path]) -> None:
    with _keeping("where it is kept could not be noted", here.folder):
        here.remember(places)


@contextmanager
def _keeping(what: str, place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LedgerError(
            f"The checkpoint is in the database, but {what} in {place}: "
            f"{system_reason(error)}.",
            try_=way_out(error, "see that this user may write there, then seal again"),
        ) from error


def _check_continues(
    connection: psycopg.Connection[Any],
    last: Checkpoint | None,
    content: witnesses.WitnessContent,
    verifier: Verifier,
) -> None:
    """The database's last checkpoint continues the last one that a place keeps."""
    if content.latest is None:
        return
    ledger, latest = schema.ledger_id(connection), content.latest.checkpoint.size
    try:
        checkpoint, *others = [
            open_checkpoint(stored.note, verifier, ledger)
            for stored in content.notes
            if stored.checkpoint.size == latest
        ]
        if any(other.root != checkpoint.root for other in others):
            raise IntegrityFailure(
                f"{content.place} holds two different checkpoints of "
                f"{counted(latest, 'event')}. Nothing was sealed.",
                try_="seat-ledger integrity verify",
            )
    except BadNote as error:
        raise IntegrityFailure(
            f"The last checkpoint in {content.place} does not belong to this key and "
            f"ledger: {error}. Nothing was sealed.",
            try_="name another --witness for this ledger, or the key that sealed it",
        ) from error
    size = last.size if last else 0
    if (
        checkpoint.size <= size
        and _root(connection, last, checkpoint.size) == checkpoint.root
    ):
        return
    count, head = tiles.reached(connection)
    if (
        checkpoint.size > size
        and count >= checkpoint.size
        and head >= (checkpoint.position or 0)
    ):
        raise IntegrityFailure(
            f"{content.place} keeps a checkpoint of "
            f"{counted(checkpoint.size, 'event')}, up to position "
            f"{checkpoint.position}, that the database has lost: its own seals end at "
            f"{counted(size, 'event')}. Nothing was sealed.",
            try_="seat-ledger integrity verify; if the events are as signed: "
            f"{REBUILD}",
        )
    raise IntegrityFailure(
        f"{content.place} keeps a checkpoint of {counted(checkpoint.size, 'event')}, "
        f"up to position {checkpoint.position}, that this ledger does not continue: it "
        "was altered, or is an older copy. Nothing was sealed.",
        try_="seat-ledger integrity verify",
    )


def _root(
    connection: psycopg.Connection[Any], last: Checkpoint | None, size: int
) -> bytes:
    """The root of the first leaves of the kept tree."""
    if last is not None and last.size == size:
        return last.root
    return tiles.nodes(connection, [(0, size)])[0] if size else merkle.EMPTY_ROOT


# -- verify ---------------------------------------------------------------------------


class KeyOptions(NamedTuple):
    """Which key to check with: a file, or a public key; the one at home if neither."""

    key: Path | None = None
    public_key: str | None = None


def verify_here(
    conninfo: str,
    database: str | None,
    places: Sequence[Path] = (),
    *,
    keys: KeyOptions,
    processes: int | None = None,
) -> Verified:
    """Verify with the key and the checkpoints of this machine, and the places named."""
    here = open_home(conninfo, database, keys.key)
    if here.sealed_by is None and not here.keys.exist:
        here = _sealed_elsewhere(here, places)
    verifier = _verifier(here, keys.public_key)
    result = verify(
        conninfo,
        verifier,
        _distinct(places),
        at_home=here.checkpoints,
        processes=processes,
    )
    if lost := _lost_at_home(here):
        result.findings.append(Finding("witness", None, lost))
    return result


def _sealed_elsewhere(here: Home, places: Sequence[Path]) -> Home:
    """The home, with the key that a kept checkpoint names although nothing is here."""
    for place in [*places, here.checkpoints]:
        latest = witnesses.read(place).latest
        if latest is not None:
            return replace(here, sealed_by=signed_by(latest.note))
    return here


def _lost_at_home(here: Home) -> str | None:
    """That the checkpoints beside the private key are gone, if they are."""
    is_own = here.keys.private == here.folder / "integrity.key"
    if (
        here.sealed_by is None
        or not (is_own and here.keys.private.exists())
        or not witnesses.read(here.checkpoints).is_empty
    ):
        return None
    return (
        f"The checkpoints that belong beside the key, in {here.checkpoints}, are "
        "missing: nothing here shows how far this ledger was sealed."
    )


def _verifier(here: Home, public_key: str | None) -> Verifier:
    """The public key that was given, or the one at home."""
    if public_key:
        return read_public(public_key)
    if not here.keys.exist:
        raise here.missing_key() if here.sealed_by is not None else _nothing_sealed()
    return here.keys.verifier()


def verify(
    conninfo: str,
    verifier: Verifier,
    places: Sequence[Path] = (),
    *,
    at_home: Path | None = None,
    processes: int | None = None,
) -> Verified:
    """Hold the stored events against every checkpoint, here and elsewhere.

    A named place without a readable checkpoint is a finding.
    """
    contents = [witnesses.read(place) for place in places]
    if at_home is not None and at_home.exists() and at_home not in places:
        contents.append(witnesses.read(at_home))
    stored = [
        Witness(note.file, note.note) for content in contents for note in content.notes
    ]
    result = verification.verify(conninfo, verifier, stored, processes=processes)
    result.findings += [
        Finding(
            "witness",
            None,
            f"The witness {content.place} cannot be relied on: {fault}"
            + ("" if fault.endswith("?") else "."),
        )
        for content in contents
        for fault in content.faults
    ]
    away = {
        note.file
        for content in contents
        if is_elsewhere(content.place)
        for note in content.notes
    }
    trusted = [held.checkpoint.size for held in result.held if held.place in away]
    result.elsewhere, result.witnessed = len(trusted), max(trusted, default=0)
    return _unless_unsealed(result)


def _unless_unsealed(result: Verified) -> Verified:
    """What was found; NotFound (``nothing_sealed``) where there is no seal at all."""
    if not result.checkpoints and not result.findings:
        raise _nothing_sealed()
    return result


def _nothing_sealed() -> NotFound:
    return NotFound(
        "nothing_sealed",
        "Nothing of this ledger is sealed: there is no checkpoint to check its events "
        "against.",
        try_="seat-ledger integrity seal",
    )


def is_elsewhere(place: Path, key: Path | None = None) -> bool:
    """Whether a place is not beside the data, the key and the home folder."""
    resolved = place.resolve()
    beside = [default_home().resolve()]
    if key is not None:
        beside.append(key.resolve().parent)
    return not any(resolved.is_relative_to(folder) for folder in beside)


# -- at a glance ----------------------------------------------------------------------


class Status(NamedTuple):
    """How the seals are at a glance, and what is lacking, in words."""

    message: str
    lacking: str | None = None
    try_: str | None = "seat-ledger integrity verify"


def status(conninfo: str, database: str | None) -> Status:
    """Hold the last checkpoints, here and elsewhere, against the store's end.

    A glance: `verify` reads every event.
    """
    try:
        here = open_home(conninfo, database)
        with connect(conninfo, role="writer") as connection:
            stored = tiles.last_checkpoint(connection)
            count, head = tiles.reached(connection)
    except psycopg.errors.InsufficientPrivilege:
        return Status("not shown to this login")
    places = _distinct([*named_witnesses(), here.checkpoints])
    contents = [witnesses.read(place) for place in places]
    try:
        verifier = here.keys.verifier() if here.keys.exist else None
        own = _opened(stored.note, verifier) if stored else None
        latest = [
            (content.place, _opened(content.latest.note, verifier))
            for content in contents
            if content.latest is not None
        ]
    except BadNote as error:
        return Status("", f"A latest checkpoint is not valid: {error}.")
    return (
        _lacks_events(latest, own, count, head)
        or _lacks_evidence(contents, own, here)
        or _lacks_key(here)
        or _is_sealed(latest, own, count)
    )


def _opened(note: str, verifier: Verifier | None) -> Checkpoint:
    return open_checkpoint(note, verifier) if verifier else read_unverified(note)


def _lacks_events(
    latest: Sequence[tuple[Path, Checkpoint]],
    own: Checkpoint | None,
    count: int,
    head: int,
) -> Status | None:
    for place, checkpoint in latest:
        if checkpoint.position is not None and (
            checkpoint.position > head or checkpoint.size > count
        ):
            at = (
                f"{checkpoint.sealed_at:%Y-%m-%d %H:%M} UTC"
                if checkpoint.sealed_at
                else "once"
            )
            return Status(
                "",
                f"The store ends at position {head} with {counted(count, 'event')}; "
                f"the checkpoint kept in {place}, sealed {at}, has "
                f"{counted(checkpoint.size, 'event')}, up to position "
                f"{checkpoint.position}: this is an older copy, or its end was cut "
                "off.",
            )
    if own is not None and own.position is not None and own.position > head:
        return Status(
            "",
            f"The store ends at position {head}, but is sealed up to {own.position}: "
            "its end was cut off.",
        )
    for place, checkpoint in latest:
        if own is None or checkpoint.size > own.size:
            size = own.size if own else 0
            return Status(
                "",
                f"The database's own seals end at {counted(size, 'event')}; the "
                f"checkpoint kept in {place} has {checkpoint.size:,}: seals were lost.",
            )
    return None


def _lacks_evidence(
    contents: Sequence[witnesses.WitnessContent], own: Checkpoint | None, here: Home
) -> Status | None:
    for content in contents:
        named = content.place != here.checkpoints
        faults = content.faults if named and own is not None else content.damage
        if faults:
            return Status("", f"The witness {content.place}: {faults[0]}.")
        stored = content.latest
        if named and own and stored and stored.checkpoint.size < own.size:
            return Status(
                "",
                f"The witness {content.place} ends at "
                f"{counted(stored.checkpoint.size, 'event')}; "
                f"{counted(own.size, 'is', 'are')} sealed. "
                "An older copy would pass against it: seal again to bring it up to "
                "date.",
            )
    if own is not None and not here.keys.exist:
        return Status("", here.missing_key().message)
    if lost := _lost_at_home(here):
        return Status("", lost)
    return None


def _lacks_key(here: Home) -> Status | None:
    """Whether the key beside the checkpoints could not sign, where it may be read."""
    if not os.access(here.keys.private, os.R_OK):
        return None
    try:
        here.keys.signer()
    except LedgerError as error:
        return Status("", error.message, error.try_)
    return None


def _is_sealed(
    latest: Sequence[tuple[Path, Checkpoint]], own: Checkpoint | None, count: int
) -> Status:
    if own is None:
        return Status("nothing is sealed yet (seat-ledger integrity seal)")
    places = ", ".join(str(place) for place, _ in latest) or "nowhere else"
    return Status(
        f"{own.size:,} of {counted(count, 'event is', 'events are')} sealed, "
        f"checkpoints in {places}"
    )


def witnesses_elsewhere(conninfo: str, database: str | None) -> Status:
    """Whether checkpoints are kept where the data and the key are not."""
    here = open_home(conninfo, database)
    if here.sealed_by is None:
        return Status("nothing is sealed yet")
    named = named_witnesses()
    away = [place for place in named if is_elsewhere(place, here.keys.private)]
    if not away:
        return Status(
            "",
            "Checkpoints are stored only beside the data or the key, where whoever "
            "can change those can change them too.",
        )
    apart = [place for place in away if not _on_one_disk(place, default_home())]
    if not apart:
        return Status(
            "",
            f"The checkpoints in {away[0]} are on the same disk as {default_home()}: "
            "they are safer on another machine.",
        )
    return Status(", ".join(map(str, apart)))


def _on_one_disk(place: Path, other: Path) -> bool:
    try:
        return place.stat().st_dev == other.stat().st_dev
    except OSError:
        return False


# -- prove ----------------------------------------------------------------------------


def verifier_for(conninfo: str, database: str | None, keys: KeyOptions) -> Verifier:
    """The public key with which a database's seals are checked on this machine."""
    return _verifier(open_home(conninfo, database, keys.key), keys.public_key)


def prove(
    conninfo: str, verifier: Verifier, position: int, size: int | None = None
) -> dict[str, Any]:
    """The proof that an event stands in a checkpoint (the last one by default).

    It is checked before it is returned. Raises NotFound, CommandRefused
    (``not_sealed``) and IntegrityFailure.
    """
    with connect(conninfo, role="writer") as connection:
        checkpoint, note = _checkpoint(connection, verifier, size)
        stored = next(rows(connection, position - 1, position), None)
        index, sealed = _find(connection, position)
        if stored is None and sealed is None:
            raise NotFound(
                "entry_not_found", f"There is no event at position {position}."
            )
        if stored is None:
            raise _not_as_sealed(position)
        if position > (checkpoint.position or 0):
            raise CommandRefused(
                "not_sealed",
                f"The event at position {position} is not in the checkpoint of "
                f"{counted(checkpoint.size, 'event')}.",
                try_="seat-ledger integrity seal",
            )
        if sealed is None or index >= checkpoint.size:
            raise tiles.damaged(
                f"there is no hash for position {position}, although the checkpoint "
                f"reaches to {checkpoint.position}; or the event was inserted later."
            )
        path = tiles.nodes(connection, merkle.inclusion_path(index, checkpoint.size))
        hashed = merkle.leaf_hash(stored)
        if _leads(hashed, index, checkpoint, path):
            document = proof.inclusion(leaf.decode(stored), index, path, note)
            proof.check(proof.text(document), verifier)
            return document
        if _leads(sealed, index, checkpoint, path):
            raise _not_as_sealed(position)
        raise tiles.damaged(
            "they do not lead to the signed root of "
            f"{counted(checkpoint.size, 'event')}."
        )


def _leads(
    hashed: bytes, index: int, checkpoint: Checkpoint, path: Sequence[bytes]
) -> bool:
    root = merkle.root_from_inclusion(hashed, index, checkpoint.size, path)
    return root == checkpoint.root


def _not_as_sealed(position: int) -> IntegrityFailure:
    return IntegrityFailure(
        f"The event at position {position} is not the one that was sealed.",
        try_="seat-ledger integrity verify",
    )


def _find(
    connection: psycopg.Connection[Any], position: int
) -> tuple[int, bytes | None]:
    """A position's index among the leaves, and the hash that is kept for it."""
    row = tiles.row_of(connection, position)
    for n, (at, sealed) in enumerate(row.entries() if row else ()):
        if at == position and row is not None:
            return row.first_index + n, sealed
    return -1, None


def _checkpoint(
    connection: psycopg.Connection[Any], verifier: Verifier, size: int | None
) -> tuple[Checkpoint, str]:
    """A checkpoint of the database that the key signed, and its note."""
    stored: StoredCheckpoint | None
    if size is None:
        stored = tiles.last_checkpoint(connection)
    else:
        stored = tiles.checkpoint_of_size(connection, size)
    if stored is None:
        which = "" if size is None else f" of {counted(size, 'event')}"
        raise NotFound(
            "nothing_sealed",
            f"There is no checkpoint{which}.",
            try_="seat-ledger integrity seal",
        )
    ledger = schema.ledger_id(connection)
    return checkpointing.open_stored(stored, verifier, ledger), stored.note


def prove_growth(
    conninfo: str, verifier: Verifier, earlier: str | int, size: int | None = None
) -> dict[str, Any]:
    """The proof that a checkpoint only added to an earlier one, checked.

    The earlier one is named by its size, or given as the note that was kept.
    """
    with connect(conninfo, role="writer") as connection:
        checkpoint, note = _checkpoint(connection, verifier, size)
        if isinstance(earlier, int):
            earlier = _checkpoint(connection, verifier, earlier)[1]
        try:
            first = open_checkpoint(earlier, verifier)
        except BadNote as error:
            raise InvalidInput(f"The earlier checkpoint: {error}.") from error
        if not 0 < first.size <= checkpoint.size:
            raise CommandRefused(
                "not_sealed",
                f"The checkpoint of {counted(checkpoint.size, 'event')} is not later "
                f"than the one of {first.size:,}.",
                try_="seat-ledger integrity verify",
            )
        ranges = merkle.consistency_path(first.size, checkpoint.size)
        path = tiles.nodes(connection, ranges)
        document = proof.consistency(path, earlier, note)
        try:
            proof.check(proof.text(document), verifier)
        except proof.BadProof as error:
            if _root_of_tiles(connection, checkpoint.size) != checkpoint.root:
                raise tiles.damaged(
                    "they do not lead to the signed root of "
                    f"{counted(checkpoint.size, 'event')}."
                ) from error
            raise IntegrityFailure(
                str(error), try_="seat-ledger integrity verify"
            ) from error
        return document


def _root_of_tiles(connection: psycopg.Connection[Any], size: int) -> bytes:
    return tiles.frontier(connection, size).root()


def check_proof(text: str, verifier: Verifier) -> proof.Proven:
    """What a proof shows. Needs no database. Raises IntegrityFailure."""
    try:
        return proof.check(text, verifier)
    except proof.BadProof as error:
        raise IntegrityFailure(str(error)) from error


def verifier_of_proof(text: str, keys: KeyOptions) -> Verifier:
    """The public key for a proof: the one given, or the one here that it names.

    Raises NotFound where there is none, and IntegrityFailure where the file names none.
    """
    key = keys.key
    if keys.public_key:
        return read_public(keys.public_key)
    if key is None and (variable := os.environ.get("SEAT_LEDGER_INTEGRITY_KEY")):
        key = Path(variable)
    if key is not None:
        return Keys(key).verifier()
    try:
        return verifier_of_label(proof.claimed_key(text), None)
    except proof.BadProof as error:
        raise IntegrityFailure(str(error)) from error


def verifier_of_label(label: str, public_key: str | None) -> Verifier:
    """The public key that is named, else the one of this label on this machine.

    Raises NotFound (``nothing_sealed``) where there is none.
    """
    if public_key:
        return read_public(public_key)
    own = home.keys_labelled(label)
    if own is None:
        raise NotFound(
            "nothing_sealed",
            f"The public key {label} is not on this machine.",
            try_="name it with --public-key",
        )
    return own.verifier()
