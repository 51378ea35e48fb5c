"""The console in a real Chromium: looked at, searched, and read aloud by axe.

The pictures of the README are these pages: SEAT_LEDGER_PICTURES=1 takes them anew.
"""

from __future__ import annotations

import os
import shutil
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright
from program import PRO
from served import HOSTILE, HOSTILE_KEY, PAGES, Console, filled, serving

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PICTURES = Path(__file__).parent / "pictures"
SEAT = {"account": "acme", "seat": f"{PRO}#1", "as_of": "2025-03-10"}
LOOKED_AT: dict[str, dict[str, Any]] = {
    **PAGES,
    "search": {"q": "a"},
    "account": {"account": "acme", "as_of": "2025-09-01"},
    "seat": SEAT,
    "nowhere": {},
}
BOTH_LOOKS = ("search", "account", "seat", "period")
PICTURED = {"account": "figure", "seat": "main table", "period": "tbody tr >> nth=6"}
"""Down to where a page is pictured."""

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium is here: the pages were not looked at"
)


@pytest.fixture(scope="module")
def console(shared_database: str) -> Iterator[Console]:
    filled(shared_database)
    with serving(shared_database, "--quiet") as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu"]
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield found
        found.close()


@pytest.fixture
def visit(browser: Browser, console: Console) -> Iterator[Any]:
    """A page of the browser; what it loads from elsewhere, or complains of, fails."""
    contexts = []
    wrong: list[str] = []

    def opened(language: str = "en-GB", **options: Any) -> Page:
        context = browser.new_context(
            locale=language, viewport={"width": 1000, "height": 700}, **options
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append(dialog.message))
        page.on(
            "request",
            lambda asked: (
                None if asked.url.startswith(console.url) else wrong.append(asked.url)
            ),
        )
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.mark.parametrize("name", LOOKED_AT)
def test_a_page_has_no_violation_of_accessibility(
    visit: Any, console: Console, name: str
) -> None:
    looks = [("en-GB", "light"), ("nl-NL", "dark")]
    for language, scheme in looks if name in BOTH_LOOKS else looks[:1]:
        page = visit(language, color_scheme=scheme)
        page.goto(console.address(name, **LOOKED_AT[name]))
        expect(page.locator("html")).to_have_attribute("lang", language[:2])
        expect(page.get_by_role("banner")).to_be_visible()
        expect(page.get_by_role("main")).to_be_visible()
        found = Axe().run(page).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 1000
        taken = os.environ.get("SEAT_LEDGER_PICTURES") and scheme == "light"
        if taken and name in PICTURED:
            box = page.locator(PICTURED[name]).first.bounding_box()
            assert box is not None
            height = box["y"] + box["height"] + 8
            clip = {"x": 0, "y": 0, "width": 1000, "height": height}
            page.screenshot(path=PICTURES / f"{name}.png", full_page=True, clip=clip)


PATH = {
    "en-GB": ("Search", "Find", "At this moment", "Who held it?",
              "Ann Jansen ann@acme.test held it on 10 March 2025 14:30"),
    "nl-NL": ("Zoeken", "Zoek", "Op dit moment", "Wie had hem?",
              "Ann Jansen ann@acme.test had hem op 10 maart 2025 14:30"),
}  # fmt: skip


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
@pytest.mark.parametrize("language", PATH)
def test_from_the_search_to_the_answer(
    visit: Any, console: Console, language: str, script: bool
) -> None:
    search, find, moment, who, answer = PATH[language]
    page = visit(language, java_script_enabled=script)
    page.goto(console.url)
    page.get_by_label(search, exact=True).fill("ann@acme.test")
    page.get_by_role("button", name=find, exact=True).click()
    page.get_by_role("link", name=f"{PRO}#1").first.click()
    page.get_by_label(moment).fill("2025-03-10T14:30:00")
    expect(page.locator("#zone")).to_have_text("Europe/Amsterdam")
    page.get_by_role("button", name=who).click()
    expect(page.locator(".answer")).to_contain_text(answer)
    expect(page.locator("#sentence")).to_contain_text("10 ")
    assert urllib.parse.parse_qs(urllib.parse.urlsplit(page.url).query)["as_of"]


def test_the_box_suggests_what_begins_so(visit: Any, console: Console) -> None:
    page = visit()
    page.goto(console.url)
    page.get_by_label("Search", exact=True).press_sequentially("gra", delay=20)
    suggested = page.locator("#suggestions option")
    expect(suggested).to_have_count(1)
    expect(suggested).to_have_attribute("value", "acme/grace")
    page.get_by_label("Search", exact=True).fill("acme/grace")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("grace of acme")


def test_the_keyboard_reaches_the_answer(visit: Any, console: Console) -> None:
    page = visit()
    page.goto(console.address("seat", **SEAT))
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the answer")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    focused = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert focused == "solid"


def test_hostile_names_do_nothing(visit: Any, console: Console) -> None:
    page = visit()
    for name, asked in {
        "account": {"account": HOSTILE_KEY, "as_of": "2025-09-01"},
        "user": {"account": HOSTILE_KEY, "user": "zed"},
        "users": {"account": HOSTILE_KEY},
        "seat": {"account": HOSTILE_KEY, "seat": f"{PRO}#1", "as_of": "2025-09-01"},
        "search": {"q": HOSTILE},
        "accounts": {},
    }.items():
        page.goto(console.address(name, **asked))
        assert page.title() != "taken"
        assert page.locator("main img, main script, main b").count() == 0
        expect(page.locator("main")).to_contain_text("<img src=x onerror=")
        assert Axe().run(page).response["violations"] == []


def test_the_charts_say_in_words_what_they_show(visit: Any, console: Console) -> None:
    page = visit()
    page.goto(console.address("seat", account="acme", seat=f"{PRO}#1"))
    chart = page.locator("svg")
    told = chart.get_attribute("aria-label") or ""
    assert "Ann Jansen from 6 Mar 2025 09:00 until 18 Jun 2025 14:00" in told
    assert "Grace Hopper from 1 Jul 2025 09:00 until present" in told
    expect(chart.locator("rect")).to_have_count(2)
    page.goto(console.address("account", account="acme", as_of="2025-09-01"))
    told = page.locator("svg").get_attribute("aria-label") or ""
    assert "at most 62 purchased" in told
