"""What lies where in a lake, and the manifests that say what belongs to it.

::

    manifest/000007.json                                 the newest number counts
    journal/000000000001-000016777216.6f3a12ab.parquet   positions; a row group a bucket

A manifest names every file with its digest, and is signed as checkpoints are. Files are
only added; what no manifest names any more is removed. Works on a folder and on an
object store (``s3://…``) alike.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from seat_ledger.domain.values import as_word
from seat_ledger.errors import (
    IntegrityFailure,
    LedgerError,
    NotFound,
    SchemaMismatch,
    system_reason,
    way_out,
)
from seat_ledger.integrity.home import folder_of
from seat_ledger.integrity.keys import write_beside
from seat_ledger.integrity.note import (
    BadNote,
    Checkpoint,
    Signer,
    Verifier,
    open_checkpoint,
    signed_by,
)

FORMAT = 3
"""Of what an export writes: since 2 with prices, and what is to be unassigned; since 3
with what an invoice keeps of its period."""

_READ_FORMATS = (1, 2, FORMAT)
BUCKETS = 256
"""Accounts are put apart by the rest of their number: no rule crosses one."""

WORKSHOP = ".new-"
"""How the folders begin in which files are made."""

_REMEMBERED = "lakes.json"
_LARGEST_MANIFEST = 64_000_000
_MANIFEST_NAME = re.compile(r"([0-9]{6,18})\.json")
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


class Segment(NamedTuple):
    """A file of the journal: leaves ``[first_leaf, until_leaf)`` of the sealed tree.

    `nodes` are the hashes of the full subtrees over those leaves, from the left;
    `buckets` says which bucket each row group has, and how many events.
    """

    name: str
    journal: str
    first_leaf: int
    until_leaf: int
    first_position: int
    until_position: int
    size: int
    sha256: str
    nodes: tuple[str, ...]
    buckets: tuple[tuple[int, int], ...]

    @property
    def events(self) -> int:
        """How many events it has."""
        return self.until_leaf - self.first_leaf


class Manifest(NamedTuple):
    """What a lake consists of. `checkpoint` is a signed note of the sealed tree."""

    number: int
    ledger: str
    exported_at: str
    head: int
    events: int
    segment_events: int
    checkpoint: str
    tzdata: str
    definitions: dict[str, str]
    seat_types: tuple[tuple[int, str], ...]
    segments: tuple[Segment, ...]
    format: int = FORMAT

    def text(self) -> str:
        """Its text, of which the note has the digest."""
        whole = {"format": self.format, "buckets": BUCKETS, **self._asdict()}
        whole["segments"] = [segment._asdict() for segment in self.segments]
        return json.dumps(whole, indent=1, ensure_ascii=False)

    def signed_text(self, note: str) -> str:
        """The text of its file, the only spelling that is read."""
        whole = {"manifest": json.loads(self.text()), "note": note}
        return json.dumps(whole, indent=1, ensure_ascii=False)

    @classmethod
    def read(cls, text: str) -> Manifest:
        """Read a text. Raises ValueError, KeyError, TypeError or AttributeError."""
        whole = json.loads(text)
        is_read = type(whole["format"]) is int and whole["format"] in _READ_FORMATS
        if not is_read or whole.pop("buckets") != BUCKETS:
            raise ValueError("it is of another format than this program reads")
        segments = [
            Segment(
                **{
                    **segment,
                    "nodes": tuple(segment["nodes"]),
                    "buckets": tuple((no, events) for no, events in segment["buckets"]),
                }
            )
            for segment in whole.pop("segments")
        ]
        types = tuple((no, name) for no, name in whole.pop("seat_types"))
        return cls(**whole, segments=tuple(segments), seat_types=types)

    def note_text(self, origin: str) -> str:
        """What is signed: which manifest of which ledger has this text."""
        digest = hashlib.sha256(self.text().encode()).hexdigest()
        return (
            f"{origin}\nlake manifest {self.number}\nsha256 {digest}\n"
            f"ledger {self.ledger}\n"
        )


class Lake:
    """A lake in a folder or under an address of an object store."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.is_folder = "://" not in place
        import pyarrow.fs  # noqa: PLC0415  an extra

        try:
            place.encode()
        except UnicodeEncodeError as error:
            raise LedgerError(
                f"The lake {place!a} cannot be reached: its name is not UTF-8.",
                try_="name a folder whose name is text",
            ) from error
        if self.is_folder:
            self._files: Any = pyarrow.fs.LocalFileSystem()
            self._root = os.path.abspath(place)  # noqa: PTH100  no link is followed
            return
        try:
            self._files, self._root = pyarrow.fs.FileSystem.from_uri(place)
        except (ValueError, OSError) as error:
            raise LedgerError(
                f"The lake {place} cannot be reached: {_first_line(error)}",
                try_="name a folder, or s3://BUCKET/PATH",
            ) from error

    @property
    def address(self) -> str:
        """The place, whatever the folder is that it was named from."""
        return self._root if self.is_folder else self.place

    # -- files ------------------------------------------------------------------------

    def path(self, name: str) -> str:
        """The path of a file in its file system."""
        return f"{self._root}/{name}"

    def names(self, folder: str) -> list[str]:
        """The names of the files of a folder, in order; nothing where there is none."""
        from pyarrow.fs import FileSelector, FileType  # noqa: PLC0415

        selector = FileSelector(self.path(folder), allow_not_found=True)
        with self._reaching():
            infos = self._files.get_file_info(selector)
        return sorted(i.base_name for i in infos if i.type == FileType.File)

    def open(self, name: str) -> Any:
        """A file to read at random.

        Raises NotFound where it is missing, and IntegrityFailure where it is no file:
        a named pipe would never end.
        """
        path = Path(self.path(name))
        if self.is_folder and path.exists() and not path.is_file():
            raise IntegrityFailure(
                f"{name} of the lake {self.place} is not a file.",
                try_=f"seat-ledger lake verify {as_word(self.place)}",
            )
        try:
            return self._files.open_input_file(self.path(name))
        except FileNotFoundError as error:
            raise NotFound(
                "lake_file_missing",
                f"The lake {self.place} has no file {name}, which its manifest names.",
                try_=f"seat-ledger lake export {as_word(self.place)}",
            ) from error
        except OSError as error:
            raise self.unreachable(error) from error

    def change_of(self, segment: Segment) -> str | None:
        """The digest of a file that is not as the manifest says; None where it is.

        Raises NotFound and IntegrityFailure as `open` does.
        """
        size, sha256 = self.digest(segment.name)
        is_same = (size, sha256) == (segment.size, segment.sha256)
        return None if is_same else f"SHA-256 {sha256}"

    def digest(self, name: str) -> tuple[int, str]:
        """Size and SHA-256 of a file. Raises NotFound."""
        sha, size = hashlib.sha256(), 0
        with self.open(name) as file:
            while block := file.read(1 << 20):
                sha.update(block)
                size += len(block)
        return size, sha.hexdigest()

    def exists(self, name: str) -> bool:
        """Whether a file is there."""
        from pyarrow.fs import FileType  # noqa: PLC0415

        with self._reaching():
            info = self._files.get_file_info(self.path(name))
        return bool(info.type == FileType.File)

    def put(self, local: Path, name: str) -> None:
        """Bring a file in, whole or not at all, in place of one of that name."""
        with self._reaching():
            if self.is_folder:
                target = Path(self.path(name))
                target.parent.mkdir(parents=True, exist_ok=True)
                _sync(local)
                local.replace(target)
                _sync(target.parent)
                return
            with (
                local.open("rb") as source,
                self._files.open_output_stream(self.path(name)) as target,
            ):
                while block := source.read(1 << 23):
                    target.write(block)

    def remove(self, name: str) -> None:
        """Remove a file that no manifest names any more."""
        with suppress(FileNotFoundError), self._reaching():
            self._files.delete_file(self.path(name))

    @property
    def workshop(self) -> str | None:
        """Where files are made before they are brought in; None: where others are."""
        if not self.is_folder:
            return None
        folder = Path(self._root) / "journal"
        with self._reaching():
            folder.mkdir(parents=True, exist_ok=True)
        return str(folder)

    def clear_workshop(self) -> None:
        """Remove what exports that were killed have left."""
        if self.workshop is not None:
            for folder in Path(self.workshop).glob(f"{WORKSHOP}*"):
                shutil.rmtree(folder, ignore_errors=True)

    # -- manifests --------------------------------------------------------------------

    def numbers(self) -> list[int]:
        """The numbers of the manifests, oldest first."""
        names = map(_MANIFEST_NAME.fullmatch, self.names("manifest"))
        numbers = {int(name[1]): name[0] for name in names if name is not None}
        return sorted(no for no, name in numbers.items() if f"{no:06d}.json" == name)

    def manifest(self, number: int | None = None) -> tuple[Manifest, str]:
        """The newest manifest, or one by its number, with its note.

        Raises NotFound (``no_lake``) where there is none, and IntegrityFailure where it
        cannot be read, or its note is not of its text. Whose note it is says
        :func:`open_manifest`.
        """
        numbers = self.numbers()
        if not numbers:
            raise NotFound(
                "no_lake",
                f"There is no lake in {self.place}.",
                try_=f"seat-ledger lake export {as_word(self.place)}",
            )
        number = numbers[-1] if number is None else number
        name = _manifest_name(number)
        with self.open(name) as file:
            content = file.read(_LARGEST_MANIFEST)
        try:
            text = content.decode()
            whole = json.loads(text)
            manifest, note = Manifest.read(json.dumps(whole["manifest"])), whole["note"]
            if manifest.number != number or not isinstance(note, str):
                raise ValueError("it is not what its name says")
            if manifest.signed_text(note) != text:
                raise ValueError("it is not in its exact form")
        except _UNREADABLE as error:
            why = f"it lacks {error}" if isinstance(error, KeyError) else error
            raise IntegrityFailure(
                f"The manifest {name} of the lake {self.place} does not hold: {why}.",
                try_="restore it from a backup, or export into an empty folder",
            ) from error
        return manifest, note

    def add(self, manifest: Manifest, signer: Signer) -> None:
        """Sign a manifest and add it, if its number is still free.

        Raises LedgerError where another exporter was first.
        """
        text = manifest.signed_text(signer.sign(manifest.note_text(signer.name)))
        name = _manifest_name(manifest.number)
        if self.exists(name):
            raise _second_writer(self.place, name)
        if not self.is_folder:
            path = self.path(name)
            with self._reaching(), self._files.open_output_stream(path) as file:
                file.write(text.encode())
            return
        target = Path(self.path(name))
        with self._reaching():
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(f".{target.name}.{os.getpid()}")
            try:
                partial.write_text(text)
                _sync(partial)
                os.link(partial, target)
            except FileExistsError as error:
                raise _second_writer(self.place, name) from error
            finally:
                partial.unlink(missing_ok=True)
            _sync(target.parent)

    # -- errors -----------------------------------------------------------------------

    def _reaching(self) -> _Reaching:
        return _Reaching(self)

    def unreachable(self, error: OSError | ValueError) -> LedgerError:
        """What went wrong with the place, in a sentence that names it."""
        reason = _first_line(error)
        if isinstance(error, OSError) and error.errno:
            reason = f"{system_reason(error)}."
        see = "see that the place is there and that this user may write to it"
        return LedgerError(
            f"The lake {self.place} cannot be used: {reason}",
            try_=way_out(error, see),
        )


class _Reaching:
    """What goes wrong with the place is an error that names it."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(error, OSError | ValueError):
            raise self.lake.unreachable(error) from error


def open_manifest(
    lake: Lake, verifier: Verifier, number: int | None = None
) -> tuple[Manifest, Checkpoint]:
    """A manifest that a key signed, and its checkpoint of the sealed tree.

    Raises as :meth:`Lake.manifest`, and IntegrityFailure where the key did not sign it,
    or its checkpoint.
    """
    manifest, note = lake.manifest(number)
    try:
        if verifier.text_of(note) != manifest.note_text(verifier.name):
            raise BadNote("its note is of another text")  # noqa: TRY301
        checkpoint = open_checkpoint(manifest.checkpoint, verifier)
        if str(checkpoint.ledger) != manifest.ledger:
            raise BadNote("its checkpoint is of another ledger")  # noqa: TRY301
    except BadNote as error:
        raise IntegrityFailure(
            f"The manifest {manifest.number} of the lake {lake.place} does not hold: "
            f"{error}.",
            try_="name the key that signed it with --public-key; if it is the right "
            "one, somebody changed the manifest: export into an empty folder",
        ) from error
    return manifest, checkpoint


def check_format(lake: Lake, manifest: Manifest) -> None:
    """Raise SchemaMismatch for a lake that an earlier program exported: it lacks
    recorded prices, what is to be unassigned, or what invoices keep of their periods.
    """
    if manifest.format < FORMAT:
        raise SchemaMismatch(
            f"The lake {lake.place} was exported by an earlier program, and lacks "
            "what this one reads of prices and invoices.",
            try_="export again, which writes every file anew: seat-ledger lake export "
            f"{as_word(lake.place)}",
        )


def signer_of(lake: Lake) -> str:
    """The label of the key by which the newest manifest claims to be signed."""
    try:
        return signed_by(lake.manifest()[1])
    except BadNote as error:
        raise IntegrityFailure(
            f"The manifest of the lake {lake.place} is not signed: {error}."
        ) from error


def remember(lake: Lake, manifest: Manifest) -> None:
    """Note at home which manifest was the last that was exported from here."""
    path = folder_of(UUID(manifest.ledger)) / _REMEMBERED
    numbers = _remembered(path) | {lake.address: manifest.number}
    try:
        write_beside(path, json.dumps(numbers, indent=1) + "\n")
    except OSError as error:
        raise LedgerError(
            f"The lake has manifest {manifest.number}, but that it was exported from "
            f"here could not be noted in {path}: {system_reason(error)}.",
            try_=way_out(error, "see that this user may write there, then repeat it"),
        ) from error


def exported_from_here(lake: Lake, ledger: str) -> int:
    """The number of the last manifest that was exported from here; 0 for none."""
    path = folder_of(UUID(ledger)) / _REMEMBERED
    return _remembered(path).get(lake.address, 0)


def _remembered(path: Path) -> dict[str, int]:
    """The last manifest of each lake. Raises LedgerError where nobody can tell: a lake
    would pass from which later ones were removed.
    """
    try:
        numbers = json.loads(path.read_text())
        if all(type(number) is int for number in numbers.values()):
            return dict(numbers)
        why = "it is in another form"
    except FileNotFoundError:
        return {}
    except OSError as error:
        why = system_reason(error)
    except (ValueError, AttributeError, RecursionError):
        why = "it is in another form"
    raise LedgerError(
        f"{path} cannot be read: {why}. It says which manifests were exported from "
        "here.",
        try_="restore it from a backup; or see that no lake lacks its last manifest, "
        "then remove the file",
    )


def superseded(lake: Lake, manifests: Iterable[Manifest]) -> list[str]:
    """The files of the journal that none of the manifests names."""
    named = {segment.name for manifest in manifests for segment in manifest.segments}
    names = [f"journal/{name}" for name in lake.names("journal")]
    return [name for name in names if name not in named]


def _manifest_name(number: int) -> str:
    return f"manifest/{number:06d}.json"


def _second_writer(place: str, name: str) -> LedgerError:
    return LedgerError(
        f"Another exporter has written {name} of the lake {place} meanwhile. This one "
        "changed nothing that counts.",
        try_="let one machine export to a lake, and run it again",
    )


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".") + "."


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
