"""Proofs as files: each holds everything but the public key that it is checked with.

An *inclusion proof* shows that an event stands in the ledger as it was sealed; a
*consistency proof* shows that a later checkpoint only added to an earlier one.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from seat_ledger.integrity import leaf, merkle
from seat_ledger.integrity.note import BadNote, Checkpoint, Verifier, open_checkpoint

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


def check(text: str, verifier: Verifier) -> Proven:
    """What a proof shows, checked with a public key. Raises BadProof."""
    try:
        given = json.loads(text)
        if given["format"] == INCLUSION:
            return _check_inclusion(given, verifier)
        if given["format"] == CONSISTENCY:
            return _check_consistency(given, verifier)
    except BadNote as error:
        raise BadProof(f"The checkpoint does not hold: {error}.") from error
    except BadProof:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadProof("The file is no proof of a seat ledger.") from error
    raise BadProof(f"The proof has the unknown format {str(given['format'])[:40]!r}.")


def _check_inclusion(given: dict[str, Any], verifier: Verifier) -> Proven:
    checkpoint = open_checkpoint(given["checkpoint"], verifier)
    event, index = _event(given["event"]), int(given["index"])
    root = merkle.root_from_inclusion(
        merkle.leaf_hash(leaf.encode(event)), index, checkpoint.size, _path(given)
    )
    if root != checkpoint.root:
        raise BadProof(
            f"The event at position {event.position} is not the one that was sealed, "
            "or its path was altered."
        )
    return Proven(checkpoint, event, index)


def _check_consistency(given: dict[str, Any], verifier: Verifier) -> Proven:
    checkpoint = open_checkpoint(given["checkpoint"], verifier)
    earlier = open_checkpoint(given["earlier"], verifier)
    if not merkle.is_consistent(
        earlier.size, checkpoint.size, earlier.root, checkpoint.root, _path(given)
    ):
        raise BadProof(
            f"The checkpoint of {checkpoint.size} events does not continue the one of "
            f"{earlier.size}: history was rewritten, or the path was altered."
        )
    return Proven(checkpoint, earlier=earlier)


def _path(given: dict[str, Any]) -> list[bytes]:
    path = [base64.b64decode(node, validate=True) for node in given["path"]]
    if any(len(node) != merkle.HASH for node in path):
        raise BadProof("A node of the path is no hash.")
    return path


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


def _event(given: dict[str, Any]) -> leaf.Event:
    if "state" in given:
        state = given["state"].encode()
    else:
        state = base64.b64decode(given["state_base64"], validate=True)
    return leaf.Event(
        int(given["position"]),
        UUID(given["stream"]),
        int(given["version"]),
        given["topic"],
        datetime.fromisoformat(given["recorded_at"]),
        state,
    )
