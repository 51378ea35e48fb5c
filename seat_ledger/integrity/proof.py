"""Proofs as files: each holds everything but the public key that it is checked with.

An *inclusion proof* shows that an event stands in the ledger as it was sealed; a
*consistency proof* shows that a later checkpoint only added to an earlier one.

A proof has one spelling, the one that :func:`text` writes: JSON with the fields in
this order, each once, every number an integer, base64 and times in canonical form. A
file that differs from it in a single byte is refused.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from seat_ledger.domain.wording import counted
from seat_ledger.integrity import leaf, merkle
from seat_ledger.integrity.note import (
    BadNote,
    Checkpoint,
    Verifier,
    open_checkpoint,
    signed_by,
    unbase64,
)

INCLUSION = "seat-ledger/inclusion-proof/1"
CONSISTENCY = "seat-ledger/consistency-proof/1"


class BadProof(ValueError):
    """The file is no proof, or does not prove what it says."""


class Proven(NamedTuple):
    """What a proof shows: an event in a checkpoint, or a checkpoint in a later one."""

    checkpoint: Checkpoint
    event: leaf.Event | None = None
    leaf_index: int | None = None
    earlier: Checkpoint | None = None


def inclusion(
    event: leaf.Event, index: int, path: Sequence[bytes], note: str
) -> dict[str, Any]:
    """The proof of an event as a document."""
    return {
        "format": INCLUSION,
        "event": _event_document(event),
        "index": index,
        "path": [base64.b64encode(node).decode() for node in path],
        "checkpoint": note,
    }


def consistency(path: Sequence[bytes], earlier: str, note: str) -> dict[str, Any]:
    """The proof of an earlier checkpoint in a later one as a document."""
    return {
        "format": CONSISTENCY,
        "earlier": earlier,
        "path": [base64.b64encode(node).decode() for node in path],
        "checkpoint": note,
    }


def text(document: dict[str, Any]) -> str:
    """A proof as it is written to a file, the only spelling that is read."""
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def check(file: str, verifier: Verifier) -> Proven:
    """What a proof shows, checked with a public key. Raises BadProof."""
    document = _read(file)
    try:
        if document["format"] == INCLUSION:
            return _check_inclusion(file, document, verifier)
        if document["format"] == CONSISTENCY:
            return _check_consistency(file, document, verifier)
    except BadNote as error:
        raise BadProof(f"The checkpoint is not valid: {error}.") from error
    except BadProof:
        raise
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
        struct.error,
    ) as error:
        raise _no_proof() from error
    raise BadProof(
        f"The proof has the unknown format {str(document['format'])[:40]!r}."
    )


def claimed_key(file: str) -> str:
    """The label of the key that a proof names. Raises BadProof."""
    try:
        return signed_by(_read(file)["checkpoint"])
    except (BadNote, KeyError, AttributeError, TypeError) as error:
        raise _no_proof() from error


def _no_proof() -> BadProof:
    return BadProof("The file is not a proof of a seat ledger.")


def _read(file: str) -> dict[str, Any]:
    try:
        document = json.loads(file)
    except (ValueError, RecursionError) as error:
        raise _no_proof() from error
    if not isinstance(document, dict) or not isinstance(document.get("format"), str):
        raise _no_proof()
    return document


def _check_spelling(file: str, document: dict[str, Any]) -> None:
    """The file is what is written of its content. Raises BadProof."""
    if text(document) != file:
        raise BadProof(
            "The file is not in the exact form of a proof: something was added, left "
            "out, repeated or written differently. Use the file as 'integrity prove' "
            "wrote it."
        )


def _check_inclusion(file: str, document: dict[str, Any], verifier: Verifier) -> Proven:
    checkpoint = open_checkpoint(document["checkpoint"], verifier)
    event, index = _event(document["event"]), _integer(document["index"])
    path = _path(document)
    _check_spelling(file, inclusion(event, index, path, document["checkpoint"]))
    root = merkle.root_from_inclusion(
        merkle.leaf_hash(leaf.encode(event)), index, checkpoint.size, path
    )
    if root != checkpoint.root:
        raise BadProof(
            f"The event at position {event.position} is not the one that was sealed, "
            "or its path was altered."
        )
    return Proven(checkpoint, event, index)


def _check_consistency(
    file: str, document: dict[str, Any], verifier: Verifier
) -> Proven:
    checkpoint = open_checkpoint(document["checkpoint"], verifier)
    earlier = open_checkpoint(document["earlier"], verifier)
    path = _path(document)
    _check_spelling(
        file, consistency(path, document["earlier"], document["checkpoint"])
    )
    if not merkle.is_consistent(
        earlier.size, checkpoint.size, earlier.root, checkpoint.root, path
    ):
        raise BadProof(
            f"The checkpoint of {counted(checkpoint.size, 'event')} does not continue "
            f"the one of {earlier.size}: history was rewritten, or the path was "
            "altered."
        )
    if earlier.ledger is not None and earlier.ledger != checkpoint.ledger:
        raise BadProof("The two checkpoints are of different ledgers.")
    return Proven(checkpoint, earlier=earlier)


def _path(document: dict[str, Any]) -> list[bytes]:
    path = [unbase64(node) for node in document["path"]]
    if any(len(node) != merkle.HASH for node in path):
        raise BadProof("A node of the path is not a hash.")
    return path


def _integer(value: Any) -> int:
    if type(value) is not int:
        raise TypeError("not an integer")
    return value


def _event_document(event: leaf.Event) -> dict[str, Any]:
    moment = event.recorded_at.astimezone(UTC).isoformat(timespec="microseconds")
    document = {
        "position": event.position,
        "stream": str(event.stream),
        "version": event.version,
        "topic": event.topic,
        "recorded_at": moment.replace("+00:00", "Z"),
    }
    try:
        return {**document, "state": event.state.decode()}
    except UnicodeDecodeError:
        return {**document, "state_base64": base64.b64encode(event.state).decode()}


def _event(document: dict[str, Any]) -> leaf.Event:
    if "state" in document:
        state = document["state"].encode()
    else:
        state = unbase64(document["state_base64"])
    return leaf.Event(
        _integer(document["position"]),
        UUID(document["stream"]),
        _integer(document["version"]),
        document["topic"],
        datetime.fromisoformat(document["recorded_at"]),
        state,
    )
