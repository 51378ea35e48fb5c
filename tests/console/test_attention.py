"""The start page: what needs attention, each number led to what it counts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from program import PRO
from served import FINDING, Answered, Console, filled, late, record, serving

from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def console(shared_database: str) -> Iterator[Console]:
    filled(shared_database)
    record(shared_database, late())
    record(shared_database, {"op": "set_price", "account": "acme", "seat_type": PRO,
           "unit_price": "90.00", "currency": "EUR",
           "effective_at": "2025-03-05T00:00:00Z"})  # fmt: skip
    with serving(shared_database, "--quiet") as result:
        yield result


def rows_of(console: Console, **params: Any) -> dict[str, list[dict[str, Any]]]:
    rows = console.get("attention.json", **params).json()["rows"]
    return {
        kind: [row for row in rows if row["kind"] == kind]
        for kind in {row["kind"] for row in rows}
    }


def start_page(console: Console, language: str = "en") -> Answered:
    """The page, once everything was read for its twin."""
    assert console.get("attention.json").json()["rows"]
    return console.open(f"{console.url}/", {"Accept-Language": language})


def links(page: Answered) -> dict[str, str]:
    """The sentences of the page, and where they lead."""
    (listed,) = re.findall(r'<ul class="attention">(.*?)</ul>', page.text, re.DOTALL)
    return {
        unescape(text): unescape(address)
        for address, text in re.findall(r'<a href="([^"]*)">([^<]*)</a>', listed)
    }


def test_each_sentence_leads_to_the_page_that_shows_its_number(
    console: Console,
) -> None:
    sentences = links(start_page(console))
    as_json = {
        text: re.sub(r"^/(\w+)", r"/\1.json", address)
        for text, address in sentences.items()
    }
    counted = {}
    for text, address in as_json.items():
        number = re.match(r"[0-9,]+", text)
        rows = console.open(console.url + address).json()["rows"]
        if number and "/projections" not in address:
            counted[address.split("?")[-1]] = int(number[0].replace(",", ""))
            shown = sum(row.get("count", 1) for row in rows)
            assert shown == counted[address.split("?")[-1]], text
    assert counted.keys() >= {"kind=due", "kind=idle", "kind=late"}
    assert any("/findings" in address for address in sentences.values())
    assert any("after the last seal" in text for text in sentences)


def test_what_is_counted_in_an_account_is_what_its_page_shows(
    console: Console,
) -> None:
    page = console.get("attention", kind="late")
    found = re.findall(r'<a href="(/events[^"]*)" aria-label="acme: (\d+)"', page.text)
    ((address, number),) = found
    events = console.open(console.url + unescape(address).replace("?", ".json?", 1))
    entries = events.json()["rows"]
    assert len(entries) == int(number)
    assert {row["event"] for row in entries} >= {"SeatAssigned", "SeatUnassigned"}
    idle = [row for row in rows_of(console, kind="idle")["idle"]
            if row["account"] == "acme"]  # fmt: skip
    seats = console.get("idle.json", account="acme").json()["rows"]
    assert sum(row["count"] for row in idle) == len(seats)


def test_idle_seats_cost_their_price_and_what_has_none_is_not_nothing(
    console: Console,
) -> None:
    """R90, R93: a sum a currency, and the seats without a price apart."""
    acme = [row for row in rows_of(console, kind="idle")["idle"]
            if row["account"] == "acme"]  # fmt: skip
    by_currency = {row["currency"]: row for row in acme}
    seats = by_currency["EUR"]["count"]
    assert by_currency["EUR"]["amount"] == f"{seats * 90}.00"
    assert by_currency[None]["amount"] is None
    page = " ".join(re.sub(r"<[^>]*>", " ", start_page(console).text).split())
    assert f"{seats * 90:,}.00 EUR in one billing period" in page
    assert "not priced" in page


def test_the_page_speaks_dutch(console: Console) -> None:
    page = start_page(console, "nl").text
    assert "Wat aandacht vraagt" in page
    assert "niet afgehandeld" in page
    assert "What needs" not in page


def test_what_is_recorded_is_counted_without_reading_all_again(
    console: Console,
) -> None:
    before = rows_of(console)
    again = {**FINDING, "invoice": "VENDOR-2"}
    record(console.conninfo, again)
    record(console.conninfo, {"op": "buy_seats", "account": "acme", "seat_type": PRO,
           "quantity": 2, "effective_at": "2025-03-06T00:00:00Z"})  # fmt: skip

    def counted(kind: str) -> int:
        return sum(row["count"] for row in rows_of(console)[kind])

    total = sum(row["count"] for row in before["finding"])
    wait_until(lambda: counted("finding") == total + 1)
    for kind, more in (("idle", 2), ("late", 2)):
        count = sum(row["count"] for row in before[kind])
        wait_until(lambda kind=kind, expected=count + more: counted(kind) == expected)
    head = console.get("attention.json").json()["known_at"]["position"]
    anew = console.get("attention.json", known_at=head).json()["rows"]
    followed = console.get("attention.json").json()["rows"]
    assert [row for row in followed if row["kind"] not in {"rebuilt", "sealed"}] == anew


def test_a_fixed_answer_stays_as_it_was(console: Console) -> None:
    """R41: nothing of the present is in an answer with both moments fixed."""
    moments = {"as_of": "2025-07-01T12:00:00Z", "known_at": "80"}
    first = console.get("attention.json", **moments).json()
    record(console.conninfo, {**FINDING, "invoice": "VENDOR-3"})
    assert console.get("attention.json", **moments).json() == first
    assert {row["kind"] for row in first["rows"]} <= {"due", "near", "idle"}
