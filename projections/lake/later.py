"""What shows that a lake's newest manifest was not the last one.

A manifest that was removed cannot be missed by those that are left. It is known where
the lake was exported. Elsewhere there are signs: a file that reaches beyond it, and a
checkpoint of more events that a witness keeps. An export that was killed leaves the
first, a seal since the second; so they are stated, and decide nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from seat_ledger.domain.values import as_word
from seat_ledger.domain.wording import counted
from seat_ledger.errors import IntegrityFailure
from seat_ledger.integrity import tiles, witnesses
from seat_ledger.integrity.note import (
    BadNote,
    Checkpoint,
    Verifier,
    open_checkpoint,
)
from seat_ledger.projections.lake.layout import (
    Lake,
    Manifest,
    exported_from_here,
    open_manifest,
)
from seat_ledger.store.connection import connect

_UNTIL = re.compile(r"[0-9]{12,}-([0-9]{12,})\..*")


def removed(lake: Lake, manifest: Manifest) -> str | None:
    """Why the manifest is not the last one, as far as this machine knows."""
    last = exported_from_here(lake, manifest.ledger)
    if last <= manifest.number or last <= lake.numbers()[-1]:  # it was added meanwhile
        return None
    return (
        f"manifest {last} was exported from here; the newest is {manifest.number}: "
        "later ones were removed"
    )


def open_newest(lake: Lake, verifier: Verifier) -> tuple[Manifest, Checkpoint]:
    """The newest manifest, to be computed from, with its checkpoint.

    Raises as :func:`open_manifest`, and IntegrityFailure where a later one was removed.
    """
    manifest, checkpoint = open_manifest(lake, verifier)
    if reason := removed(lake, manifest):
        raise IntegrityFailure(
            f"The lake {lake.place} is not whole: {reason}.",
            try_=f"seat-ledger lake verify {as_word(lake.place)}; then restore them "
            "from a backup, or export again",
        )
    return manifest, checkpoint


def signs(lake: Lake, manifest: Manifest, places: Sequence[Path]) -> list[str]:
    """Signs of a later manifest, in sentences; `places` are the witnesses."""
    return [*_files_beyond(lake, manifest), *_sealed_beyond(manifest, places)]


def _files_beyond(lake: Lake, manifest: Manifest) -> Iterator[str]:
    ends = {name: _UNTIL.fullmatch(name) for name in lake.names("journal")}
    beyond = {name: int(end[1]) for name, end in ends.items() if end is not None}
    last = max(beyond, key=lambda name: beyond[name], default="")
    if last and beyond[last] > manifest.head:
        yield (
            f"journal/{last} reaches to position {beyond[last]}, and no manifest names "
            f"it; the newest ends at {manifest.head}: an export is under way or was "
            "killed, or a later manifest was removed."
        )


def _sealed_beyond(manifest: Manifest, places: Sequence[Path]) -> Iterator[str]:
    for place in places:
        latest = witnesses.read(place).latest
        if latest is not None and latest.checkpoint.size > manifest.events:
            yield (
                f"The witness {place} has a checkpoint of "
                f"{counted(latest.checkpoint.size, 'event')}; the lake has "
                f"{manifest.events:,}: it was not exported since, or a later manifest "
                "was removed."
            )


def faults_of(places: Sequence[Path]) -> list[str]:
    """What is wrong with witnesses, in sentences: from them nothing can be known."""
    contents = map(witnesses.read, places)
    return [
        f"The witness {content.place} shows nothing: {fault}"
        for content in contents
        for fault in content.faults
    ]


def recorded_since(conninfo: str, manifest: Manifest) -> str | None:
    """That the store goes on beyond the lake, in a sentence."""
    with connect(conninfo, role="projector", autocommit=True) as connection:
        count, head = tiles.beyond(connection, manifest.head)
    if not count:
        return None
    events = counted(count, "event that is", "events that are")
    return (
        f"The store is at position {head}, and has {events} not in the lake: export, "
        "and verify again."
    )


def witnessed(
    checkpoint: Checkpoint, verifier: Verifier, place: Path
) -> tuple[int, str | None]:
    """Hold a manifest's checkpoint against a witness: how many of its notes were
    compared, and what is wrong, in words.
    """
    content = witnesses.read(place)
    if content.faults:
        return 0, content.faults[0]
    try:
        stored = [
            open_checkpoint(each.note, verifier, checkpoint.ledger)
            for each in content.notes
        ]
    except BadNote as error:
        return 0, f"it holds a checkpoint of another key or ledger: {error}"
    for other in stored:
        if other.size == checkpoint.size and other.root != checkpoint.root:
            return len(stored), (
                f"it has another checkpoint of {counted(other.size, 'event')} than the "
                "manifest"
            )
    return len(stored), None
