"""Signed notes and checkpoints, as C2SP ``signed-note`` and ``tlog-checkpoint`` say.

A note is text, an empty line, and a line for each signature::

    ledger.example.com/seats          the log's name
    60233                             how many events are sealed
    2kC7…=                            the root hash, in base64
    position 60241                    where the last of them stands
    sealed 2026-03-14T01:00:00Z       when

    — ledger.example.com/seats b0hX…=

The last two lines of the text are ours; other programs skip what they do not know.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from datetime import UTC, datetime
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

_ED25519 = b"\x01"
_DASH = "\N{EM DASH}"
_NAME = re.compile(r"[^\s+\x00-\x1f\x7f-\x9f]{1,200}")
_PRIVATE = "PRIVATE+KEY"
_RAW = serialization.Encoding.Raw


class BadNote(ValueError):
    """The text is no note, no checkpoint, no key, or not signed by this key."""


def _unbase64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadNote("a part that should be base64 is not") from error


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _key_id(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]


def check_name(name: str) -> str:
    """A log's name: no space, no plus. Raises BadNote."""
    if not _NAME.fullmatch(name):
        raise BadNote("a log's name has 1 to 200 characters, no space and no plus sign")
    return name


class Verifier(NamedTuple):
    """A public key and the name it signs under; as text ``NAME+ID+KEY``."""

    name: str
    public: bytes

    @classmethod
    def read(cls, text: str) -> Verifier:
        """Read a public key. Raises BadNote."""
        parts = text.strip().split("+", 2)
        if len(parts) != 3:
            raise BadNote("a public key reads NAME+ID+KEY")
        name, key_id, key = parts
        data = _unbase64(key)
        if data[:1] != _ED25519 or len(data) != 33:
            raise BadNote("the public key is none of Ed25519")
        found = cls(check_name(name), data[1:])
        if found.key_id.hex() != key_id:
            raise BadNote("the public key was altered: its id does not fit")
        return found

    @property
    def key_id(self) -> bytes:
        """The four bytes by which a signature names its key."""
        return _key_id(self.name, self.public)

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{_base64(_ED25519 + self.public)}"

    def text_of(self, note: str) -> str:
        """The text of a note that this key signed. Raises BadNote."""
        text, gap, signatures = note.rpartition("\n\n")
        if not gap:
            raise BadNote("it is no signed note")
        text += "\n"
        for line in signatures.splitlines():
            dash, _, rest = line.partition(" ")
            name, _, signature = rest.rpartition(" ")
            data = _unbase64(signature) if dash == _DASH else b""
            if name == self.name and data[:4] == self.key_id:
                self._check(text, data[4:])
                return text
        raise BadNote(f"it is not signed by {self.name}+{self.key_id.hex()}")

    def _check(self, text: str, signature: bytes) -> None:
        key = Ed25519PublicKey.from_public_bytes(self.public)
        try:
            key.verify(signature, text.encode())
        except InvalidSignature as error:
            raise BadNote(f"the signature of {self.name} is not good") from error


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
        parts = text.strip().split("+", 4)
        if len(parts) != 5 or "+".join(parts[:2]) != _PRIVATE:
            raise BadNote("the file holds no private key")
        data = _unbase64(parts[4])
        if data[:1] != _ED25519 or len(data) != 33:
            raise BadNote("the private key is none of Ed25519")
        found = cls(check_name(parts[2]), data[1:])
        if found.verifier.key_id.hex() != parts[3]:
            raise BadNote("the private key was altered: its id does not fit")
        return found

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

    `position` is where the last of them stands, `sealed_at` when that was said.
    """

    origin: str
    size: int
    root: bytes
    position: int | None = None
    sealed_at: datetime | None = None

    def text(self) -> str:
        """The text to be signed."""
        lines = [self.origin, str(self.size), _base64(self.root)]
        if self.position is not None:
            lines.append(f"position {self.position}")
        if self.sealed_at is not None:
            moment = self.sealed_at.astimezone(UTC).isoformat(timespec="microseconds")
            lines.append(f"sealed {moment.removesuffix('+00:00')}Z")
        return "\n".join(lines) + "\n"

    @classmethod
    def read(cls, text: str) -> Checkpoint:
        """Read a note's text. Raises BadNote."""
        lines = text.split("\n")
        if (
            len(lines) < 4
            or lines[-1]
            or not re.match(r"^(0|[1-9]\d{0,18})$", lines[1])
        ):
            raise BadNote("it is no checkpoint")
        root = _unbase64(lines[2])
        if len(root) != 32:
            raise BadNote("its root hash is none of SHA-256")
        said = dict(line.split(" ", 1) for line in lines[3:-1] if " " in line)
        position, sealed = said.get("position", ""), said.get("sealed")
        try:
            sealed_at = datetime.fromisoformat(sealed) if sealed else None
        except ValueError as error:
            raise BadNote("its time cannot be read") from error
        return cls(
            lines[0],
            int(lines[1]),
            root,
            int(position) if position.isdecimal() else None,
            sealed_at,
        )


def open_checkpoint(note: str, verifier: Verifier) -> Checkpoint:
    """The checkpoint of a note that the key signed under its own name.

    Raises BadNote.
    """
    found = Checkpoint.read(verifier.text_of(note))
    if found.origin != verifier.name:
        raise BadNote(f"it is a checkpoint of {found.origin}, not of {verifier.name}")
    return found
