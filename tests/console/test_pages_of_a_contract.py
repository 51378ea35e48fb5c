"""The life of a contract on the console's pages (R95, R98, R100), in both languages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from program import PRO
from served import Console, serving

from seat_ledger.projections.reader import ConnectedReader
from tests.in_process import Program


@pytest.fixture(scope="module")
def console(
    shared_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Console]:
    folder: Path = tmp_path_factory.mktemp("life")
    program = Program(shared_database, folder)

    def line(op: str, at: str = "", **fields: Any) -> dict[str, Any]:
        when = {"effective_at": at} if at else {}
        return {"op": op, "account": "acme", **when, **fields}

    ann = {"user": "ann", "seat_type": PRO}
    terms = {"term_start": "2025-01-05", "term_months": 120, "billing_cycle_months": 1}
    new = {"email": "ann@jansen.test", "name": "Ann Jansen"}
    invoice = {"currency": "EUR", "unit_prices": {PRO: "90.00"}}
    program.record(
        line("open_account", name="Acme", time_zone="UTC", **terms),
        line("buy_seats", "2025-01-05", seat_type=PRO, quantity=2),
        line(
            "add_user", "2025-01-06", user="ann", email="ann@smit.test", name="Ann Smit"
        ),
        line("assign_seat", "2025-01-06", **ann),
        line("rename_user", "2025-06-01", user="ann", **new),
        line("issue_invoice", invoice="INV-1", period="2025-01-05", **invoice),
        line("buy_seats", "2025-01-05", seat_type=PRO, quantity=1),
        line("issue_invoice", invoice="INV-2", corrections_only=True),
        line(
            "add_user", "2025-01-06", user="tv", name="TV", kind="service", seats=[PRO]
        ),
    )
    program.record(line("unassign_seat", **ann, at_period_end=True, reason="notice"))
    with ConnectedReader(shared_database):
        pass
    with serving(shared_database) as served:
        yield served


SEEN = {
    "account": ({"account": "acme"}, "Pending unassignments", "Seats die worden"),
    "seat": ({"account": "acme", "seat": f"{PRO}#1"}, "then Ann Smit", "toen Ann Smit"),
    "user": ({"account": "acme", "user": "ann@smit.test"}, "Ann Jansen", "Ann Jansen"),
    "events": ({"account": "acme"}, "User renamed", "Gebruiker hernoemd"),
    "event": ({"position": "7"}, "Ann Jansen", "ann@jansen.test"),
    "invoices": ({"account": "acme"}, "corrections alone", "alleen correcties"),
    "invoice": ({"invoice": "INV-2"}, "corrections and credits", "correcties"),
    "period": ({"account": "acme", "period": "2025-01-05"}, "INV-1", "INV-1"),
}


@pytest.mark.parametrize("page", SEEN)
def test_a_page_says_it_in_both_languages(console: Console, page: str) -> None:
    fields, *texts = SEEN[page]
    for language, text in zip(("en", "nl"), texts, strict=True):
        answer = console.get(page, headers={"Accept-Language": language}, **fields)
        assert answer.status == 200, answer.text
        assert text in answer.text


@pytest.mark.parametrize(("lang", "word"), [("en", "service"), ("nl", "dienst")])
def test_r99_a_seats_page_says_that_its_holder_is_a_service(
    console: Console, lang: str, word: str
) -> None:
    page = console.get("seat", account="acme", seat=f"{PRO}#2", lang=lang)
    assert page.status == 200, page.text
    assert f"<em>{word}</em>" in page.text
