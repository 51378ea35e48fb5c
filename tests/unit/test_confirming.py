"""What is asked before something that cannot be undone."""

from __future__ import annotations

import io
import sys

import pytest

from seat_ledger.cli.options.session import confirm
from seat_ledger.errors import CommandRefused, InvalidInput


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", InvalidInput),
        (b"\xff\xfe\n", InvalidInput),
        (b"n\n", CommandRefused),
        (b"n\xcc\x83\nn\n", CommandRefused),
    ],
    ids=["none", "no text", "no", "no letter, then no"],
)
def test_nothing_is_done_without_a_yes(
    monkeypatch: pytest.MonkeyPatch, answer: bytes, error: type[Exception]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(answer), "utf-8"))
    with pytest.raises(error, match="Nothing was removed"):
        confirm("Remove it?", "removed")


def test_a_yes_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    confirm("Remove it?", "removed")
