"""What keeps evidence is written whole, or stays as it was, where there is no room."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from seat_ledger.errors import LedgerError
from seat_ledger.integrity import keys as key_files
from seat_ledger.integrity import witnesses
from seat_ledger.integrity.keys import Keys
from seat_ledger.integrity.note import Checkpoint, Signer

SIGNER = Signer.generate("test")


def note(size: int) -> str:
    return SIGNER.sign(Checkpoint(SIGNER.name, size, bytes(32), size).text())


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file becomes longer: a write ends in the middle, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_witness_that_has_no_room_for_a_note_stays_as_it_was(tmp_path: Path) -> None:
    place = tmp_path / "witness.txt"
    with room_for(50), pytest.raises(OSError, match="large"):
        witnesses.keep(place, note(1), 1)
    assert not place.exists()
    witnesses.keep(place, note(1), 1)
    before = place.read_bytes()
    with room_for(len(before) + 50), pytest.raises(OSError, match="large"):
        witnesses.keep(place, note(2), 2)
    assert place.read_bytes() == before
    witnesses.keep(place, note(3), 3)
    content = witnesses.prepare(place)
    assert [stored.checkpoint.size for stored in content.notes] == [1, 3]


def test_a_key_that_has_no_room_is_not_made(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "integrity.key")
    with room_for(20), pytest.raises(LedgerError, match="cannot be used"):
        keys.signer("test")
    assert [*tmp_path.iterdir()] == []
    assert keys.signer("test").verifier == keys.verifier()


@pytest.mark.parametrize("has_links", [True, False])
def test_of_two_who_make_a_key_at_once_the_second_has_the_first_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    """As two processes that both seal first: neither reads a key half written."""
    keys, write, others = Keys(tmp_path / "integrity.key"), key_files.write, []

    def write_late(descriptor: int, text: str) -> None:
        monkeypatch.setattr(key_files, "write", write)
        others.append(keys.signer("test"))
        write(descriptor, text)

    if not has_links:
        monkeypatch.setattr(Path, "hardlink_to", no_links)
    monkeypatch.setattr(key_files, "write", write_late)
    (other,) = {keys.signer("test").verifier, *(each.verifier for each in others)}
    assert other == keys.verifier()
    assert {path.name for path in tmp_path.iterdir()} == {
        "integrity.key",
        "integrity.pub",
    }
    assert keys.private.stat().st_mode & 0o777 == 0o600


def no_links(*_: object) -> None:
    raise PermissionError
