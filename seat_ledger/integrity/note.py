"""Signed notes and checkpoints, as C2SP ``signed-note`` and ``tlog-checkpoint`` say.

A note is text, an empty line, and the line of its one signature::

    ledger.example.com/seats          the log's name
    60233                             how many events are sealed
    2kC7…=                            the root hash, in base64
    position 60241                    where the last of them stands
    sealed 2026-03-14T01:00:00.000000Z       when
    ledger 41cffb4c-e939-4c04-a951-61fe524b73b7   which ledger; not in older notes

    — ledger.example.com/seats b0hX…=

The last three lines of the text are ours; other programs skip what they do not know.

Reading is strict: a note, a checkpoint or a key has one spelling, and any other is
refused, so that nobody can pass on two files that differ and both hold.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

_ED25519 = b"\x01"
_DASH = "\N{EM DASH}"
_NAME = re.compile(r"[^\s+\x00-\x1f\x7f-\x9f]{1,200}")
_SIGNATURE = re.compile(rf"{_DASH} ([^\s+]{{1,200}}) ([A-Za-z0-9+/=]{{1,400}})\n")
_NUMBER = r"(0|[1-9][0-9]{0,18})"
_TEXT = re.compile(
    rf"([^\s+]{{1,200}})\n{_NUMBER}\n([A-Za-z0-9+/=]{{1,100}})\n"
    r"(?:position (-?[0-9]{1,19})\n)?"
    r"(?:sealed ([0-9T:.Z-]{1,40})\n)?"
    r"(?:ledger ([0-9a-f-]{36})\n)?"
)
_PRIVATE = "PRIVATE+KEY"
_RAW = serialization.Encoding.Raw


class BadNote(ValueError):
    """The text is no note, no checkpoint, no key, or not signed by this key."""


def unbase64(text: str) -> bytes:
    """Decode base64 in its one canonical spelling. Raises BadNote."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadNote("a part that should be base64 is not") from error
    if _base64(data) != text:
        raise BadNote("a part in base64 is not in its canonical form")
    return data


def _line(text: str) -> str:
    """A key without the line break that ends its file. Raises BadNote."""
    line = text.removesuffix("\n")
    if line != "".join(line.split()):
        raise BadNote("a key is one line, with nothing before, in or after it")
    return line


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _key_id(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]


def check_name(name: str) -> str:
    """A log's name: no space, no plus. Raises BadNote."""
    if not _NAME.fullmatch(name):
        raise BadNote("a log's name has 1 to 200 characters, no space and no plus sign")
    return name


def _parts(note: str) -> tuple[str, str, bytes]:
    """A note's text, the label of the key, and its signature. Raises BadNote."""
    text, gap, line = note.rpartition("\n\n")
    match = _SIGNATURE.fullmatch(line)
    if not gap or match is None:
        raise BadNote("it is not a note with exactly one signature")
    data = unbase64(match[2])
    return f"{text}\n", f"{match[1]}+{data[:4].hex()}", data[4:]


def signed_by(note: str) -> str:
    """The label of the key by which a note claims to be signed. Raises BadNote."""
    return _parts(note)[1]


class Verifier(NamedTuple):
    """A public key and the name it signs under; as text ``NAME+ID+KEY``."""

    name: str
    public: bytes

    @classmethod
    def read(cls, text: str) -> Verifier:
        """Read a public key. Raises BadNote."""
        parts = _line(text).split("+", 2)
        if len(parts) != 3:
            raise BadNote("a public key reads NAME+ID+KEY")
        name, key_id, key = parts
        data = unbase64(key)
        if data[:1] != _ED25519 or len(data) != 33:
            raise BadNote("the public key is not an Ed25519 key")
        verifier = cls(check_name(name), data[1:])
        if verifier.key_id.hex() != key_id:
            raise BadNote("the public key was altered: its id does not match")
        return verifier

    @property
    def key_id(self) -> bytes:
        """The four bytes by which a signature names its key."""
        return _key_id(self.name, self.public)

    def __str__(self) -> str:
        return f"{self.label}+{_base64(_ED25519 + self.public)}"

    @property
    def label(self) -> str:
        """The name and the id, by which a note names the key that signed it."""
        return f"{self.name}+{self.key_id.hex()}"

    def text_of(self, note: str) -> str:
        """The text of a note that this key signed. Raises BadNote."""
        text, label, signature = _parts(note)
        if label != self.label:
            raise BadNote(f"it is not signed by {self.label}, but by {label}")
        self._check(text, signature)
        return text

    def _check(self, text: str, signature: bytes) -> None:
        key = Ed25519PublicKey.from_public_bytes(self.public)
        try:
            key.verify(signature, text.encode())
        except InvalidSignature as error:
            raise BadNote(f"the signature of {self.name} is not valid") from error


class Signer(NamedTuple):
    """A private key and the name it signs under. Its text is a secret."""

    name: str
    seed: bytes

    @classmethod
    def generate(cls, name: str) -> Signer:
        """A new key. Raises BadNote for a name that cannot be one."""
        key = Ed25519PrivateKey.generate()
        return cls(check_name(name), key.private_bytes_raw())

    @classmethod
    def read(cls, text: str) -> Signer:
        """Read a private key. Raises BadNote, which never holds what was read."""
        parts = _line(text).split("+", 4)
        if len(parts) != 5 or "+".join(parts[:2]) != _PRIVATE:
            raise BadNote("the file holds no private key")
        data = unbase64(parts[4])
        if data[:1] != _ED25519 or len(data) != 33:
            raise BadNote("the private key is not an Ed25519 key")
        key = cls(check_name(parts[2]), data[1:])
        if key.verifier.key_id.hex() != parts[3]:
            raise BadNote("the private key was altered: its id does not match")
        return key

    def __repr__(self) -> str:
        return f"Signer({self.name!r})"

    def secret(self) -> str:
        """The private key as text, for a file that its owner alone can read."""
        key_id, key = self.verifier.key_id.hex(), _base64(_ED25519 + self.seed)
        return f"{_PRIVATE}+{self.name}+{key_id}+{key}"

    @property
    def verifier(self) -> Verifier:
        """The public half."""
        public = self._key().public_key()
        return Verifier(
            self.name, public.public_bytes(_RAW, serialization.PublicFormat.Raw)
        )

    def sign(self, text: str) -> str:
        """A note: the text, which ends with a line break, and the signature."""
        data = self.verifier.key_id + self._key().sign(text.encode())
        return f"{text}\n{_DASH} {self.name} {_base64(data)}\n"

    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


class Checkpoint(NamedTuple):
    """What a log says of itself: so many leaves, and this root hash.

    `position` is where the last of them stands, `sealed_at` when that was said,
    `ledger` of which ledger.
    """

    origin: str
    size: int
    root: bytes
    position: int | None = None
    sealed_at: datetime | None = None
    ledger: UUID | None = None

    def text(self) -> str:
        """The text to be signed."""
        lines = [self.origin, str(self.size), _base64(self.root)]
        if self.position is not None:
            lines.append(f"position {self.position}")
        if self.sealed_at is not None:
            moment = self.sealed_at.astimezone(UTC).isoformat(timespec="microseconds")
            lines.append(f"sealed {moment.removesuffix('+00:00')}Z")
        if self.ledger is not None:
            lines.append(f"ledger {self.ledger}")
        return "\n".join(lines) + "\n"

    @classmethod
    def read(cls, text: str) -> Checkpoint:
        """Read a note's text. Raises BadNote."""
        match = _TEXT.fullmatch(text)
        if match is None:
            raise BadNote("it is not a checkpoint")
        origin, size, root, position, sealed, ledger = match.groups()
        try:
            checkpoint = cls(
                origin,
                int(size),
                unbase64(root),
                None if position is None else int(position),
                None if sealed is None else datetime.fromisoformat(sealed),
                None if ledger is None else UUID(ledger),
            )
        except BadNote:
            raise
        except (ValueError, OverflowError) as error:
            raise BadNote("one of its lines cannot be read") from error
        if checkpoint.text() != text:
            raise BadNote("it is not in its canonical form")
        if len(checkpoint.root) != 32:
            raise BadNote("its root hash is not a SHA-256 hash")
        return checkpoint


def read_unverified(note: str) -> Checkpoint:
    """What a note claims; whether a key signed it is not looked at. Raises BadNote."""
    return Checkpoint.read(_parts(note)[0])


def open_checkpoint(
    note: str, verifier: Verifier, ledger: UUID | None = None
) -> Checkpoint:
    """The checkpoint of a note that the key signed under its own name.

    Raises BadNote; also where the note names another ledger than the one expected.
    """
    checkpoint = Checkpoint.read(verifier.text_of(note))
    if checkpoint.origin != verifier.name:
        raise BadNote(
            f"it is a checkpoint of {checkpoint.origin}, not of {verifier.name}"
        )
    if None not in {ledger, checkpoint.ledger} and checkpoint.ledger != ledger:
        raise BadNote(f"it is of the ledger {checkpoint.ledger}, not of {ledger}")
    return checkpoint
