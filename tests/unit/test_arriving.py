"""Lines of a pipe: given when they are whole, and it is said when none comes."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator

import pytest

from seat_ledger.cli.inputs import lines
from seat_ledger.cli.inputs.lines import lines_of
from seat_ledger.commands.messages import MAX_LINE, parse_line
from seat_ledger.errors import InvalidInput


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, lines.Lines]]:
    monkeypatch.setattr(lines, "QUIET", 0.0)
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream:
        yield writing, lines.arriving(stream)


def test_a_line_is_passed_on_when_all_of_it_is_there(
    pipe: tuple[int, lines.Lines],
) -> None:
    end, stream = pipe
    lines = lines_of(stream)
    os.write(end, b"one\ntw")
    assert [next(lines), next(lines)] == [b"one\n", None]
    os.write(end, b"o\n")
    assert [next(lines), next(lines)] == [b"two\n", None]
    os.write(end, b"three")
    os.close(end)
    assert list(lines) == [b"three"]


def test_a_long_line_is_cut_wherever_it_pauses(
    pipe: tuple[int, lines.Lines],
) -> None:
    end, stream = pipe
    lines = lines_of(stream, past_long_ones=True)
    for _ in range(MAX_LINE // 30_000 + 2):
        os.write(end, b"x" * 30_000)
        line = next(lines)
        if line is not None:
            break
    assert line == b"x" * (MAX_LINE + 2)
    assert next(lines) is None
    os.write(end, b"x\nshort\n")
    os.close(end)
    assert list(lines) == [b"short\n"]


@pytest.mark.parametrize("size", [MAX_LINE + 1, 3 * MAX_LINE])
def test_a_line_that_is_cut_is_not_given_the_length_of_what_was_read(size: int) -> None:
    (line,) = lines_of(io.BytesIO(b"x" * size))
    assert line is not None
    with pytest.raises(InvalidInput, match=r"has more than 1,048,576 bytes\.$"):
        parse_line(line)
