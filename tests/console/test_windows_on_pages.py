"""Whatever rests on a window says so on each page, and in its twins (R85, R89)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from program import PRO
from served import PAGES, Console, serving

from tests.in_process import Program
from tests.support.windows import (
    INSIDE,
    LEAVING,
    NOW,
    START,
    commands,
    hidden_in,
)

ACME = {"account": "acme"}
FIGURE = {**ACME, "period": START, "seat_type": PRO, "mode": "time_weighted"}
QUESTIONS: dict[str, list[dict[str, Any]]] = {
    "accounts": [{"as_of": INSIDE}],
    "account": [{**ACME, "as_of": INSIDE}, {**ACME, "as_of": LEAVING}],
    "seats": [{**ACME, "as_of": INSIDE}],
    "seat": [
        {**ACME, "seat": f"{PRO}#2"},
        {**ACME, "seat": f"{PRO}#3", "as_of": LEAVING},
    ],
    "who": [{**ACME, "seat": f"{PRO}#2", "as_of": INSIDE}],
    "users": [{**ACME, "as_of": INSIDE}],
    "user": [{**ACME, "user": "bob", "as_of": INSIDE}, {**ACME, "user": "cat"}],
    "events": [ACME],
    "event": [{"position": "{opening}"}],
    "period": [{**ACME, "period": START}],
    "explain": [FIGURE],
    "invoice": [{"invoice": "INV-1"}, {"invoice": "INV-2"}],
    "audit": [{"invoice": "INV-1"}],
    "renewals": [{"as_of": INSIDE}],
    "idle": [{**ACME, "as_of": INSIDE}],
    "compare": [ACME | {"before": "{opening}"}],
}
ELSEWHERE = {
    "attention": "counts what waits; the pages that it leads to say more",
    "check": "is a form, and the columns of a file",
    "findings": "what an audit said is what it said",
    "search": "finds names",
    "periods": "has bounds alone",
    "invoices": "what was invoiced is what was invoiced: each invoice says more",
    "projections": "is about tables",
}


def test_each_page_is_in_one_of_the_lists() -> None:
    assert {*QUESTIONS, *ELSEWHERE} == {*PAGES}


@pytest.fixture(scope="module")
def consoles(
    shared_database: str, second_database: str, tmp_path_factory: Any
) -> Iterator[tuple[Console, Console, int]]:
    folder: Path = tmp_path_factory.mktemp("history")
    for database, exact in ((shared_database, False), (second_database, True)):
        positions = Program(database, folder).import_(commands(exact=exact))
        assert Program(database, folder).run("account", "list").status == 0
    with serving(shared_database) as seen, serving(second_database) as exact_:
        yield seen, exact_, positions[13][-1]


def test_every_page_says_that_it_rests_on_a_window(
    consoles: tuple[Console, Console, int],
) -> None:
    *both, opening = consoles
    failures, differing = [], set()
    for page, questions in QUESTIONS.items():
        for question in questions:
            query = {
                name: f"{value}".format(opening=opening)
                if value == "{opening}"
                else value
                for name, value in question.items()
            }
            for form in ("", ".json", ".csv"):
                answers = [
                    console.get(f"{page}{form}", **query).text for console in both
                ]
                texts = [NOW.sub("", text) for text in answers]
                if not form:
                    texts = [_shown(text) for text in texts]
                if texts[0] == texts[1]:
                    continue
                differing.add(page)
                kind = form.removeprefix(".") or "table"
                failures += [
                    f"{page}{form} {query}: {place}"
                    for place in hidden_in(kind, *texts)
                ]
    assert not failures, "\n".join(failures)
    assert differing == {*QUESTIONS}


def _shown(page: str) -> str:
    """The words of a page below its head, without its pictures."""
    assert "<main" in page
    main = page[page.index("<main") : page.index("</main>")]
    main = re.sub(r"<svg.*?</svg>", "", main, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", main).split())
