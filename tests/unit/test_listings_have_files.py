"""Every command that prints an answer and changes nothing writes it to a file too."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from seat_ledger.cli.main import program

CHANGES = {
    *("account let-read", "account stop-reading", "db migrate", "db start", "db stop"),
    *("import", "integrity seal", "lake export", "projection resume", "snapshot"),
    *("projection rebuild", "projection run", "source compare", "subscription add"),
    *("subscription pause", "subscription replay", "subscription resume"),
    *("token create", "token revoke", "events follow"),
}
"""What records, builds or switches something, beside what takes --idempotency-key; and
a stream that has no end.
"""


def leaves(command: click.Command, words: str = "") -> Iterator[tuple[str, set[str]]]:
    """Each command that can be run, with the names of its options."""
    context = click.Context(command, info_name="seat-ledger")
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from leaves(inner, f"{words} {name}".strip())
        return
    names = {name for parameter in command.params for name in parameter.opts}
    yield words, names


ANSWERS = [
    (words, names)
    for words, names in leaves(program)
    if "--format" in names and "--idempotency-key" not in names
]


def test_what_changes_something_is_a_command() -> None:
    assert {words for words, _ in ANSWERS} >= CHANGES
    assert len(ANSWERS) > 50


@pytest.mark.parametrize(
    ("words", "names"), [pair for pair in ANSWERS if pair[0] not in CHANGES]
)
def test_a_listing_can_be_written_to_a_file(words: str, names: set[str]) -> None:
    assert "--output" in names, words
