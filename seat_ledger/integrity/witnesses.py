"""Checkpoints kept outside the database: folders or files that the operator names.

A folder holds ``checkpoint-SIZE`` for every checkpoint, and ``checkpoint``, the last
one; a file holds one note after the other. Whatever stands there must be readable:
evidence that is absent or damaged is reported, never passed over.

An older copy of the store is recognized by the last note alone, as long as that is held
where nobody who can change the database can change it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from seat_ledger.domain.wording import counted
from seat_ledger.errors import IntegrityFailure, LedgerError
from seat_ledger.integrity.keys import write, write_beside, write_new
from seat_ledger.integrity.note import BadNote, Checkpoint, read_unverified
from seat_ledger.store.input_files import read_text

_NOTE = re.compile(r"(?:[^\n]+\n)+\n\N{EM DASH} [^\n]+\n")
_LATEST = "checkpoint"
_LARGEST = 50_000_000


@dataclass(frozen=True)
class StoredNote:
    """A note, the file that holds it, and what it claims; nobody has checked it."""

    file: str
    note: str
    checkpoint: Checkpoint


@dataclass
class WitnessContent:
    """What a place holds: its notes, and in words what is wrong with it."""

    place: Path
    notes: list[StoredNote] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def latest(self) -> StoredNote | None:
        """The note of the largest tree."""
        return max(self.notes, key=lambda note: note.checkpoint.size, default=None)

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all stands there, as in a place that is new."""
        return not self.notes and not self.damage

    @property
    def damage(self) -> list[str]:
        """What is wrong, but for being empty or not there yet."""
        return [fault for fault in self.faults if fault not in {_NOT_THERE, _NO_NOTE}]


_NOT_THERE = "it does not exist; is it mounted?"
_NO_NOTE = "it holds no checkpoint; is it mounted?"


def read(place: Path) -> WitnessContent:
    """Everything that a place holds. What cannot be read is among its faults."""
    content = WitnessContent(place)
    try:
        if place.is_dir():
            _read_folder(content)
        elif place.is_file():
            _read_file(content)
        elif place.exists():
            content.faults.append("it is neither a folder nor a file")
        else:
            content.faults.append(_NOT_THERE)
    except OSError as error:
        content.faults.append(f"it cannot be read: {error.strerror}")
    if not content.notes and not content.faults:
        content.faults.append(_NO_NOTE)
    return content


def _read_folder(content: WitnessContent) -> None:
    for file in sorted(content.place.iterdir()):
        if file.name != _LATEST and not file.name.startswith(f"{_LATEST}-"):
            continue
        try:
            stored = _stored_note(file, _text(file))
            if file.name not in {_LATEST, f"{_LATEST}-{stored.checkpoint.size:012}"}:
                raise BadNote(
                    "it holds the checkpoint of "
                    f"{counted(stored.checkpoint.size, 'event')}"
                )
        except (OSError, ValueError) as error:
            content.faults.append(f"{file.name} cannot be used: {_reason(error)}")
        else:
            content.notes.append(stored)
    _drop_repeated(content)


def _drop_repeated(content: WitnessContent) -> None:
    """A note that stands in a place more than once, as the last of a folder, is one."""
    content.notes = list({note.note: note for note in content.notes}.values())


def _read_file(content: WitnessContent) -> None:
    try:
        for note in _notes(_text(content.place)):
            content.notes.append(_stored_note(content.place, note))
    except (OSError, ValueError) as error:
        content.faults.append(f"it is damaged: {_reason(error)}")
    _drop_repeated(content)


def _notes(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        match = _NOTE.match(text, at)
        if match is None:
            raise BadNote(f"no note follows after {counted(at, 'character')}")
        yield match[0]
        at = match.end() + text.startswith("\n", match.end())


def _text(file: Path) -> str:
    if not file.is_file():
        raise BadNote("it is not a file")
    return read_text(file, _LARGEST)


def _stored_note(file: Path, note: str) -> StoredNote:
    return StoredNote(os.fspath(file), note, read_unverified(note))


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error) if isinstance(error, BadNote) else "it is not text"


def prepare(place: Path) -> WitnessContent:
    """What a named place holds, before anything is signed.

    Raises LedgerError where it cannot be written to, and IntegrityFailure where what
    it holds is damaged.
    """
    content = read(place)
    if content.damage:
        raise IntegrityFailure(
            f"The witness {place} is damaged: {content.damage[0]}. Nothing was sealed.",
            try_="restore it from its backup; or set it aside for evidence, and name a "
            "new --witness",
        )
    if place.is_symlink() and not place.is_dir():
        raise LedgerError(
            f"The witness {place} is a link, which is not followed: whoever made it "
            "would choose what is written to. Nothing was sealed.",
            try_="name the file itself",
        )
    folder = place if place.is_dir() else place.parent
    if not folder.is_dir():
        raise LedgerError(
            f"The witness {place} cannot be written: the folder {folder} does not "
            "exist. Nothing was sealed.",
            try_=f"mount what belongs there, or make {folder}",
        )
    if not os.access(place if place.exists() else folder, os.W_OK):
        raise LedgerError(
            f"The witness {place} cannot be written. Nothing was sealed.",
            try_="give this user write permission there, or name another --witness",
        )
    return content


def keep(place: Path, note: str, size: int) -> None:
    """Keep a checkpoint: a file of its own in a folder, or appended to a file."""
    if place.is_file() or (not place.exists() and place.suffix):
        latest = read(place).latest
        if latest is None or latest.note != note:
            text = f"{note}\n"
            if not place.exists():
                write_new(place, text, 0o644)
            else:
                flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW
                write(os.open(place, flags), text)
        return
    place.mkdir(exist_ok=True)
    for name in (f"{_LATEST}-{size:012}", _LATEST):
        write_beside(place / name, note)
