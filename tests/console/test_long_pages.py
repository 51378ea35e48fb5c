"""Pages of a large account: nothing left out in silence, and twins with everything."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

import pytest
from program import PRO
from served import Answered, Console, serving

from scripts.benches.generator import write
from scripts.benches.giant import KEY, giant_history
from seat_ledger.projections import accounts
from seat_ledger.projections.engine.rebuild import rebuild
from seat_ledger.projections.reader import AccountQuestion
from seat_ledger.projections.reader.pool import PooledReader

EVENTS = 8_000
SEAT = {"account": KEY, "seat": f"{PRO}#1"}
ROWS = re.compile(r"Rows ([\d,]+) to ([\d,]+) of ([\d,]+)")


@pytest.fixture(scope="module")
def console(shared_database: str) -> Iterator[Console]:
    write(shared_database, giant_history(EVENTS, 0))
    assert rebuild(shared_database).error is None
    with serving(shared_database, "--quiet") as result:
        yield result


def table_of(page: Answered) -> list[str]:
    """The first link of each row of the last table."""
    body = page.text.rpartition("<tbody>")[2].partition("</tbody>")[0]
    rows = re.findall(r"<tr.*?</tr>", body, re.DOTALL)
    links = [re.search(r'<a [^>]*href="([^"]+)"', row) for row in rows]
    return [html.unescape(link[1]) for link in links if link]


def turned(console: Console, page: Answered, rel: str) -> Iterator[Answered]:
    """This page, and those that one turns to."""
    yield page
    while link := re.search(rf'rel="{rel}" href="([^"]+)"', page.text):
        page = console.open(console.url + html.unescape(link[1]))
        yield page


@pytest.mark.parametrize(
    ("page", "query"),
    [
        ("seat", SEAT),
        ("seat", {**SEAT, "with_reversed": "1", "known_at": EVENTS - 500}),
        ("seat", {**SEAT, "as_of": "2015-01-01"}),
        ("user", {"account": KEY, "user": "u1"}),
    ],
)
def test_a_long_history_begins_at_its_end_and_is_all_there(
    console: Console, page: str, query: dict[str, Any]
) -> None:
    whole = console.get(f"{page}.json", **query).json()["rows"]
    pages = list(turned(console, console.get(page, **query), "prev"))
    assert len(pages) > (page == "seat")
    seen = [len(re.findall(r"<tr", p.text)) - 1 for p in pages]
    counted = [ROWS.search(p.text) for p in pages]
    if len(pages) > 1:
        spans = [
            [int(n.replace(",", "")) for n in item.groups()] for item in counted if item
        ]
        assert spans[0][1:] == [len(whole), len(whole)]
        assert spans[-1][0] == 1
        assert [last - first + 1 for first, last, _ in spans] == seen
        message = f"The chart shows rows {spans[0][0]:,} to {spans[0][1]:,}"
        assert message in pages[0].text
        assert max(len(p.text) for p in pages) < 120_000
    assert sum(seen) >= len(whole)


def test_users_are_listed_a_page_at_a_time_in_the_order_of_the_command(
    console: Console,
) -> None:
    for moments in ({}, {"as_of": "2014-06-01", "known_at": EVENTS - 900}):
        query = {"account": KEY, **moments}
        whole = console.get("users.json", **query).json()["rows"]
        pages = list(turned(console, console.get("users", **query), "next"))
        shown = [link for page in pages for link in table_of(page)]
        users = [re.search(r"user=([^&]+)", link) for link in shown]
        assert [user[1] for user in users if user] == [row["user"] for row in whole]
        assert len(pages) > 5


def test_seats_are_listed_a_page_at_a_time_with_their_holders(console: Console) -> None:
    for moments in ({}, {"as_of": "2014-06-01", "known_at": EVENTS - 900}):
        query = {"account": KEY, **moments}
        whole = console.get("seats.json", **query).json()["rows"]
        pages = list(turned(console, console.get("seats", **query), "next"))
        assert len(pages) > 10
        bodies = [p.text.rpartition("<tbody>")[2] for p in pages]
        holders = [re.findall(r"/user\?[^\"]*user=([^&\"]+)", body) for body in bodies]
        assert [user for several in holders for user in several] == [
            row["holder"]["user"] for row in whole if row["holder"]
        ]


def test_a_list_is_sorted_by_a_column_through_all_its_pages(console: Console) -> None:
    """Either way, the same in the twin; what has no value stands last."""
    for sort in ("holder", "-held_from"):
        query = {"account": KEY, "sort": sort}
        whole = console.get("seats.json", **query).json()["rows"]
        holders = [row["holder"] for row in whole]
        held = [holder for holder in holders if holder]
        assert holders[: len(held)] == held
        if sort == "holder":
            names = [(holder["name"] or holder["user"]).casefold() for holder in held]
            assert names == sorted(names)
        else:
            since = [holder["held_from"] for holder in held]
            assert since == sorted(since, reverse=True)
        pages = list(turned(console, console.get("seats", **query), "next"))
        bodies = [page.text.rpartition("<tbody>")[2] for page in pages]
        shown = [re.findall(r"/user\?[^\"]*user=([^&\"]+)", body) for body in bodies]
        assert [user for users in shown for user in users] == [
            holder["user"] for holder in held
        ]
    first = console.get("users", account=KEY, sort="-user")
    assert 'aria-sort="descending"' in first.text
    keys = [row["user"] for row in console.get("users.json", account=KEY,
            sort="-user").json()["rows"]]  # fmt: skip
    assert keys == sorted(keys, reverse=True)
    shown = [link for page in turned(console, first, "next") for link in table_of(page)]
    users = [re.search(r"user=([^&]+)", link) for link in shown]
    assert [user[1] for user in users if user] == keys


@pytest.mark.parametrize(
    ("page", "query"),
    [
        ("accounts", {}),
        ("users", {"account": KEY}),
        ("seats", {"account": KEY}),
        ("invoices", {}),
        ("findings", {"all": "1"}),
        ("renewals", {"within": "1y"}),
        ("idle", {"account": KEY}),
    ],
)
def test_heads_sort_both_ways_and_what_is_no_column_is_answered(
    console: Console, page: str, query: dict[str, Any]
) -> None:
    wrong = console.get(page, **query, sort="colour")
    assert wrong.status == 400
    columns = re.search(r"but by ([\w, ]+);", html.unescape(wrong.text))
    assert columns, wrong.text
    for column in columns[1].split(", "):
        up = console.get(page, **query, sort=column)
        down = console.get(page, **query, sort=f"-{column}")
        assert (up.status, down.status) == (200, 200), column
        if "<thead>" not in up.text or column.startswith("amount"):
            continue
        assert 'aria-sort="ascending"' in up.text
        link = re.search(r'aria-sort="ascending"[^>]*><a href="([^"]+)"', up.text)
        assert link is not None
        turned_round = html.unescape(link[1])
        assert f"sort=-{column}" in turned_round
        for name in query:
            assert f"{name}=" in turned_round
        assert 'aria-sort="descending"' in down.text


def test_a_link_to_a_page_is_a_link_to_that_page(console: Console) -> None:
    second = console.get("seats", account=KEY, skip=50)
    link = re.search(r'<a href="(/seats\?[^"]+)">Link', second.text)
    assert link is not None
    again = console.open(console.url + html.unescape(link[1]))
    assert "Rows 51 to 100 of" in second.text
    assert ROWS.findall(again.text) == ROWS.findall(second.text)


def test_a_restless_account_is_drawn_at_moments_and_says_so(console: Console) -> None:
    page = console.get("account", account=KEY)
    message = "Drawn at 220 evenly spread moments"
    assert page.text.count(message) >= 2
    assert len(page.text) < 60_000


def test_both_ways_to_thin_a_chart_show_what_the_steps_state(console: Console) -> None:
    reader = PooledReader(console.conninfo)
    known_at = reader.knowledge()
    account = reader.account(KEY, known_at)
    steps = accounts.steps(AccountQuestion(reader, account, known_at))
    span = (max(row["at"] for row in steps) - account.opened_at) / 50
    instants = [account.opened_at + span * n for n in range(1, 60)]
    fields = {"account_no": account.no, "instants": instants}
    expected = {
        (kind, at): before[-1]
        for kind in {row["seat_type"] for row in steps}
        for at in instants
        if (before := [r for r in steps if r["seat_type"] == kind and r["at"] < at])
    }
    for name in ("steps_before", "steps_between"):
        result: dict[Any, Any] = {}
        rows = reader.ask("counts", name, known_at, **fields)
        last: dict[str, Any] = {}
        for at in instants:
            last |= {row["seat_type"]: row for row in rows if row["at"] == at}
            result |= {(kind, at): row for kind, row in last.items()}
        for place, row in expected.items():
            for figure in ("purchased", "assigned"):
                assert result[place][figure] == row[figure], (name, place)
    reader.connection.close()


def test_a_bar_without_room_has_its_text_beside_it(console: Console) -> None:
    query = {"account": KEY, "user": "u1"}
    page = console.get("user", **query)
    chart = page.text[page.text.index("<svg") : page.text.index("</svg>")]
    named = set(re.findall(r">([a-z]+/[a-z]+#\d+)</text>", chart))
    rows = console.get("user.json", **query).json()["rows"]
    assert len({row["seat"] for row in rows}) > 1
    assert named == {row["seat"] for row in rows}
