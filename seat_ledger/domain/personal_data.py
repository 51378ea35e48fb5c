"""Personal data, encrypted by a key of the person's own, and what is left without it.

Key, e-mail and name of a user stand in the events that add and rename the user (R95),
encrypted by AES-256-GCM. The person's key is made when the user is added, encrypts
these events alone, and is stored apart from them. When the key is destroyed nobody can
read them again, and the person reads as ``erased-…`` wherever they stood.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

import orjson

KEY_BYTES = 32
NONCE_BYTES = 12
_BLOCK = 32
"""Texts are padded to a multiple of this, so that their length tells little."""


class Person(NamedTuple):
    """What the ledger knows of a user by name: key, e-mail and full name."""

    user_key: str
    email: str
    name: str


class Naming(NamedTuple):
    """What a user is called from an instant on; None leaves a text as it was (R95)."""

    user_key: str | None
    email: str | None
    name: str | None

    def of(self, person: Person) -> Person:
        """What a person is called then."""
        texts = zip(self, person, strict=True)
        return Person(*(was if text is None else text for text, was in texts))


class EncryptedPerson(NamedTuple):
    """A person as an event holds them: both texts are base64."""

    nonce: str
    ciphertext: str


class CannotDecrypt(ValueError):
    """The encrypted texts do not belong to this key, user and account."""


def new_key() -> bytes:
    """A key for one person."""
    return os.urandom(KEY_BYTES)


def encrypt(
    person: Person,
    key: bytes,
    *,
    user_id: UUID,
    account: UUID,
    nonce: bytes | None = None,
) -> EncryptedPerson:
    """Encrypt a person's texts for the event that adds the user `user_id`.

    A key encrypts few events, so any nonce is fresh; one is passed only to get the same
    bytes again.
    """
    return _encrypt([*person], key, _bound(user_id, account), nonce)


def encrypt_naming(  # noqa: PLR0913  the key, and to what the texts are bound
    naming: Naming,
    key: bytes,
    *,
    user_id: UUID,
    account: UUID,
    version: int,
    nonce: bytes | None = None,
) -> EncryptedPerson:
    """Encrypt new texts for the event of a `version` that renames the user (R95)."""
    bound = _bound_to_renaming(user_id, account, version)
    return _encrypt([*naming], key, bound, nonce)


def _encrypt(
    texts: list[str | None], key: bytes, bound: bytes, nonce: bytes | None
) -> EncryptedPerson:
    nonce = nonce or os.urandom(NONCE_BYTES)
    plain = orjson.dumps(texts)
    plain += b" " * (-len(plain) % _BLOCK)
    ciphertext = _cipher()(key).encrypt(nonce, plain, bound)
    return EncryptedPerson(
        base64.b64encode(nonce).decode(), base64.b64encode(ciphertext).decode()
    )


def decrypt(
    encrypted: EncryptedPerson, key: bytes, *, user_id: UUID, account: UUID
) -> Person:
    """The person's texts. Raises CannotDecrypt where anything was altered."""
    try:
        return Person(*_decrypt(encrypted, key, _bound(user_id, account)))
    except TypeError as error:
        raise CannotDecrypt(_NOT_BY_THIS_KEY) from error


def naming_in(
    fields: Mapping[str, Any], key: bytes | None, *, user_id: UUID, version: int
) -> Naming:
    """The new texts of a stored UserRenamed event; without a key as who was erased.

    Raises CannotDecrypt, and ValueError or KeyError where a field is missing.
    """
    if key is None:
        return Naming(*erased(user_id))
    encrypted = EncryptedPerson(fields["nonce"], fields["sealed"])
    bound = _bound_to_renaming(user_id, UUID(fields["account"]), version)
    try:
        return Naming(*_decrypt(encrypted, key, bound))
    except TypeError as error:
        raise CannotDecrypt(_NOT_BY_THIS_KEY) from error


_NOT_BY_THIS_KEY = (
    "its key, e-mail and name were not encrypted by this person's key, for this user "
    "and account"
)


def _decrypt(encrypted: EncryptedPerson, key: bytes, bound: bytes) -> list[Any]:
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415  not for erased ones

    try:
        plain = _cipher()(key).decrypt(
            binascii.a2b_base64(encrypted.nonce, strict_mode=True),
            binascii.a2b_base64(encrypted.ciphertext, strict_mode=True),
            bound,
        )
        return list(orjson.loads(plain))
    except (InvalidTag, ValueError, TypeError) as error:
        raise CannotDecrypt(_NOT_BY_THIS_KEY) from error


def person_in(fields: Mapping[str, Any], key: bytes | None, *, user_id: UUID) -> Person:
    """The person of a stored UserAdded event; without a key as who was erased.

    Raises CannotDecrypt, and ValueError or KeyError where a field is missing.
    """
    if key is None:
        return erased(user_id)
    encrypted = EncryptedPerson(fields["nonce"], fields["sealed"])
    return decrypt(encrypted, key, user_id=user_id, account=UUID(fields["account"]))


def erased(user_id: UUID) -> Person:
    """How a person reads whose key is gone: stable, and from the random id alone."""
    label = f"{ERASED}{user_id.hex[:12]}"
    return Person(label, label, label)


ERASED = "erased-"
"""How every such label begins."""


def _bound(user_id: UUID, account: UUID) -> bytes:
    """What binds the encrypted texts to their place: the user's stream, the account."""
    return b"seat-ledger UserAdded 2 " + user_id.bytes + account.bytes


def _bound_to_renaming(user_id: UUID, account: UUID, version: int) -> bytes:
    """The same of a renaming, which is one of several in the stream."""
    where = user_id.bytes + account.bytes + version.to_bytes(8, "big")
    return b"seat-ledger UserRenamed 1 " + where


@cache
def _cipher() -> Any:
    """AES-GCM, imported when the first person is met."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    return AESGCM
