"""Every link of every page leads to an answer, whatever a ledger holds."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from served import PAGES, Console, serving

from tests.in_process import Program
from tests.support import windows
from tests.support.lives import PRO, START, a_life

HREF = re.compile(r'href="(/[^"]*)"')
MOMENTS = {"as_of", "known_at"}
NOT_LINKED = {"/search", "/who", "/audit"}
"""Pages that nobody comes to by a link: one is typed into, two are for programs."""


@pytest.fixture(scope="module")
def console(
    shared_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Console]:
    """A life, with prices in two currencies, a service, and a list with windows."""
    folder: Path = tmp_path_factory.mktemp("life")
    program = Program(shared_database, folder)
    for words in a_life(program):
        done = program.run(*words)
        assert done.status == 0, (words, done.err)
    more: list[tuple[Any, ...]] = [
        ("price", "set", PRO, price, "--account", key, "--currency", code)
        for key, code, price in (
            ("acme", "USD", 99),
            ("late", "USD", 99),
            ("late", "EUR", 85),
        )
    ]
    for words in more:
        done = program.run(*words, "--effective-at", START)
        assert done.status == 0, done.err
    service = ("user", "add", "tv", "-a", "acme", "--service", "--name", "TV")
    assert program.run(*service, "--effective-at", START).status == 0
    listed = [
        {**fields, "account": "listed"}
        for fields in windows.commands(exact=False)
        if fields["op"] != "issue_invoice"
    ]
    program.import_(listed)
    with serving(shared_database) as served:
        yield served


def test_a_page_of_a_failure_says_what_to_do(console: Console) -> None:
    """What the same failure's JSON has as its try; pages are links."""
    for page, params in (
        ("account", {"account": "nobody"}),
        ("seat", {"account": "acme", "seat": f"{PRO}#999"}),
        ("user", {"account": "acme", "user": "nobody"}),
        ("period", {"account": "acme", "period": "1999-01-01"}),
        ("event", {"position": 999_999}),
    ):
        hint = console.get(f"{page}.json", **params).json()["try"]
        answer = console.get(page, **params)
        assert answer.status == HTTPStatus.NOT_FOUND, page
        parts = [part for part in hint.split("'") if part.strip()]
        shown = " ".join(answer.in_words().split())
        missing = [part for part in parts if " ".join(part.split()) not in shown]
        assert missing in ([], ["seat-ledger account list"]), (page, hint)
    unknown = console.get("account", account="nobody").text
    assert re.search('<a href="/accounts[^"]*">Accounts</a></p>', unknown)


def _links(page: str) -> set[str]:
    """The addresses of a page, but for those of the same in another language."""
    every = {html.unescape(link) for link in HREF.findall(page)}
    return {link for link in every if "lang" not in parse_qs(urlsplit(link).query)}


def _kind(link: str) -> tuple[str, ...]:
    """What alike links have in common: the page, the account, what else is named."""
    parts = urlsplit(link)
    query = parse_qs(parts.query)
    accounts = [] if _is_pinned(link) else query.get("account", [])
    return parts.path, *accounts, *sorted(query)


def _is_pinned(link: str) -> bool:
    return bool(MOMENTS & parse_qs(urlsplit(link).query).keys())


def test_every_link_of_every_page_leads_to_an_answer(console: Console) -> None:
    """One of each kind, without markup as text; in Dutch, as others ask in English."""
    waiting, failed = ["/"], []
    kinds: set[tuple[str, ...]] = set()
    while waiting:
        link = waiting.pop()
        answer = console.open(console.url + link, {"Accept-Language": "nl"})
        is_page = "text/html" in answer.headers["Content-Type"]
        shows_markup = is_page and "&lt;" in answer.text
        if answer.status >= HTTPStatus.BAD_REQUEST or shows_markup:
            failed.append((answer.status, link))
        if _is_pinned(link) or not is_page:
            continue
        for following in sorted(_links(answer.text)):
            if (kind := _kind(following)) not in kinds:
                kinds.add(kind)
                waiting.append(following)
    assert not failed
    linked = {f"/{name}" for name in PAGES} - NOT_LINKED
    assert {page for page, *_ in kinds} >= linked


@pytest.mark.parametrize(
    "link",
    [
        "account?account=acme&as_of=gisteren",
        "account?account=acme&known_at=gisteren",
        "compare?account=acme&before=gisteren",
        "events?account=acme&since=gisteren",
        "events?account=acme&type=Fired",
        "attention?kind=odd",
        "idle?account=acme&unit_price=veel",
        "idle?account=acme&unit_price=1+2",
    ],
)
def test_a_dutch_refusal_is_dutch_throughout(console: Console, link: str) -> None:
    answer = console.open(f"{console.url}/{link}", {"Accept-Language": "nl"})
    assert answer.status == HTTPStatus.BAD_REQUEST
    assert 'class="answer"' in answer.text
    assert 'lang="en"' not in answer.text.partition("<main")[2]


@pytest.mark.parametrize("page", ["idle", "compare"])
def test_r90_a_page_of_prices_in_two_currencies_shows_one_and_offers_both(
    console: Console, page: str
) -> None:
    answer = console.get(page, account="acme", before="20")
    assert answer.status == 200, answer.text
    assert 'aria-current="true">EUR</a>' in answer.text
    (link,) = re.findall(r'href="([^"]*currency=USD[^"]*)">USD</a>', answer.text)
    other = console.open(console.url + html.unescape(link))
    assert 'aria-current="true">USD</a>' in other.text
