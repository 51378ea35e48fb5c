"""Reports that pages lead to: what they say, whom they name, and who may have them."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from program import PRO
from served import HOSTILE_KEY, INVOICE, Console, Filled, filled, late, record, serving

from seat_ledger.projections.reader import ConnectedReader

ACME = {"account": "acme"}
PERIOD = {**ACME, "period": "2025-03-05"}
QUESTIONS = {"account": ACME, "period": PERIOD, "invoice": {"invoice": INVOICE}}


@pytest.fixture(scope="module")
def written(shared_database: str) -> Filled:
    result = filled(shared_database)
    record(shared_database, late())
    with ConnectedReader(shared_database):
        pass  # caught up
    return result


@pytest.fixture(scope="module")
def console(written: Filled) -> Iterator[Console]:
    with serving(written.conninfo, "--no-catch-up") as result:
        yield result


def linked(console: Console, page: str) -> list[str]:
    """The addresses of the reports that a page leads to."""
    text = console.get(page, **QUESTIONS[page]).text
    return [html.unescape(link) for link in re.findall('href="(/report[^"]*)"', text)]


@pytest.mark.parametrize("page", QUESTIONS)
def test_a_page_leads_to_its_report_as_a_page_and_as_a_workbook(
    console: Console, page: str
) -> None:
    links = linked(console, page)
    assert [link.partition("?")[0] for link in links] == [
        "/report.html",
        "/report.xlsx",
    ]
    for link, kind in zip(links, ("text/html", "application/vnd"), strict=True):
        answer = console.open(console.url + link)
        assert answer.status == 200, answer.text
        assert answer.headers["Content-Type"].startswith(kind)
        name = link.partition("?")[0][1:]
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
        assert "Billable seats of Acme BV (acme)" in answer.text
        assert PRO in answer.text
        assert "<script" not in answer.text


def test_a_workbook_says_which_command_makes_it_again(console: Console) -> None:
    """As the program does it: the period, the prices and the state of knowledge."""
    (_, link) = linked(console, "invoice")
    text = html.unescape(console.open(console.url + link).text)
    command = (
        "seat-ledger report --account acme --period 2025-03-05 --mode"
        f".* --unit-price {PRO}=90.00 --unit-price service/starter=18.00 "
        "--currency EUR --known-at .* --output report.xlsx"
    )
    assert re.search(command, text)


def test_the_report_of_an_invoice_knows_nothing_that_came_late(
    console: Console,
) -> None:
    """It is that of its cut-off (R61); that of the period knows all."""
    late_reason = "the first day was a Monday"
    of_invoice = console.get("report.html", **QUESTIONS["invoice"])
    of_period = console.get("report.html", **PERIOD)
    assert of_invoice.status == of_period.status == 200
    assert late_reason not in of_invoice.text
    position = re.search(r"position (\d+)", of_invoice.text)
    assert position is not None
    assert int(position[1]) < int(re.findall(r"position (\d+)", of_period.text)[0])


def reason(page: str) -> str:
    """Why a page says no."""
    (text,) = re.findall('<p class="answer"[^>]*>([^<]*)<', page)
    return html.unescape(text)


def test_a_report_of_what_may_not_be_seen_is_not_there(written: Filled) -> None:
    """The same status and the same words as for what is nowhere (R76)."""
    options = ("--trusted-proxy", "127.0.0.1", "--accounts-header", "X-Accounts")
    other = {"X-Forwarded-User": "ann", "X-Accounts": quote(HOSTILE_KEY)}
    own = {**other, "X-Accounts": "acme"}
    with serving(written.conninfo, "--no-catch-up", *options) as guarded:
        for form in ("report.html", "report.xlsx"):
            for name, absent in (
                ({"account": "acme"}, "acne"),
                ({"invoice": INVOICE}, "INV/8 <i>"),
            ):
                (key, hidden) = next(iter(name.items()))
                refused = guarded.get(form, headers=other, **name)
                nowhere = guarded.get(form, headers=other, **{key: absent})
                assert refused.status == nowhere.status == 404
                assert reason(refused.text).replace(hidden, absent) == reason(
                    nowhere.text
                )
                assert guarded.get(form, headers=own, **name).status == 200


@pytest.mark.parametrize("form", ["pdf", "json"])
def test_another_form_of_a_report_is_no_page(console: Console, form: str) -> None:
    assert console.get(f"report.{form}", **ACME).status == 404
