"""The events page selects as the command does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from seat_ledger.projections.reader import ConnectedReader
from tests.console.served import Console, filled, serving


@pytest.fixture(scope="module")
def console(shared_database: str) -> Iterator[Console]:
    filled(shared_database)
    with ConnectedReader(shared_database):
        pass  # caught up
    with serving(shared_database) as served:
        yield served


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"user": "ann"}, ("--user", "ann")),
        ({"seat": "sales/professional#1"}, ("--seat", "sales/professional#1")),
        ({"type": "SeatAssigned"}, ("--type", "SeatAssigned")),
        ({"actor": "system:import"}, ("--actor", "system:import")),
        (
            {"since": "2025-03", "until": "2025-04"},
            ("--since", "2025-03", "--until", "2025-04"),
        ),
    ],
)
def test_events_are_selected_as_by_the_command(
    console: Console, params: dict[str, str], words: tuple[str, ...]
) -> None:
    page = console.get("events", account="acme", **params)
    assert page.status == 200
    assert 'class="filters"' in page.text
    twin = console.get("events.json", account="acme", **params).json()
    printed = console.output_of("event", "list", "-a", "acme", *words)
    assert twin["rows"] == printed["rows"] != []


def test_a_selection_that_cannot_be_read_is_refused(console: Console) -> None:
    for params in ({"type": "Nothing"}, {"since": "soon"}, {"user": "nobody"}):
        assert console.get("events", account="acme", **params).status in {400, 404}
