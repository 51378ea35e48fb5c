"""The console in a real Chromium: looked at, searched, and read aloud by axe.

The pictures of the README are these pages: SEAT_LEDGER_PICTURES=1 takes them anew.
"""

from __future__ import annotations

import os
import re
import shutil
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright
from program import PRO, Program
from served import HOSTILE, HOSTILE_KEY, PAGES, Console, filled, record, serving

from seat_ledger.cli.output import charts
from tests.support.waiting import AT_MOST

CHROMIUM = next(
    filter(
        None,
        map(shutil.which, ("chromium-headless-shell", "chromium", "chromium-browser")),
    ),
    None,
)
"""The engine without the browser around it, which takes half the time, or with it."""
PICTURES = Path(__file__).parent / "pictures"
SEAT = {"account": "acme", "seat": f"{PRO}#1", "as_of": "2025-03-10"}
LOOKED_AT: dict[str, dict[str, Any]] = {
    **PAGES,
    "search": {"q": "a"},
    "account": {"account": "acme", "as_of": "2025-09-01"},
    "seat": SEAT,
    "nowhere": {},
    "invoices": {"sort": "-amount"},
    "accounts": {"sort": "-purchased"},
    "seats": {"account": "acme", "sort": "-bought"},
    "findings": {**PAGES["findings"], "sort": "-difference"},
    "renewals": {"account": "acme", "within": "90d", "sort": "account"},
    "idle": {**PAGES["idle"], "sort": "amount"},
    "users": {"account": "acme", "sort": "name"},
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
    with serving(shared_database, "--quiet") as result:
        yield result


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        expect.set_options(timeout=AT_MOST * 1000)
        options = ["--no-sandbox", "--disable-gpu"]
        result = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield result
        result.close()


@pytest.fixture
def visit(browser: Browser, console: Console) -> Iterator[Any]:
    """A page of the browser; what it loads from elsewhere, or complains of, fails."""
    contexts = []
    wrong: list[str] = []

    def opened(language: str = "en-GB", **options: Any) -> Page:
        context = browser.new_context(
            locale=language, viewport={"width": 1000, "height": 700}, **options
        )
        context.set_default_timeout(AT_MOST * 1000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append(dialog.message))
        page.on(
            "request",
            lambda query: (
                None if query.url.startswith(console.url) else wrong.append(query.url)
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
        result = Axe().run(page).response["violations"]
        assert [(item["id"], item["nodes"][0]["html"]) for item in result] == []
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
    for name, query in {
        "account": {"account": HOSTILE_KEY, "as_of": "2025-09-01"},
        "user": {"account": HOSTILE_KEY, "user": "zed"},
        "users": {"account": HOSTILE_KEY},
        "seat": {"account": HOSTILE_KEY, "seat": f"{PRO}#1", "as_of": "2025-09-01"},
        "search": {"q": HOSTILE},
        "accounts": {},
    }.items():
        page.goto(console.address(name, **query))
        assert page.title() != "taken"
        assert page.locator("main img, main script, main b").count() == 0
        expect(page.locator("main")).to_contain_text("<img src=x onerror=")
        assert Axe().run(page).response["violations"] == []


NARROW = {"width": 390, "height": 800}


@pytest.mark.parametrize("language", ["en-GB", "nl-NL"])
def test_no_page_is_wider_than_a_narrow_screen(
    browser: Browser, console: Console, language: str
) -> None:
    hostile = {"account": HOSTILE_KEY, "as_of": "2025-09-01"}
    context = browser.new_context(locale=language, viewport=NARROW)
    page = context.new_page()
    addresses = [console.address(name, **query) for name, query in LOOKED_AT.items()]
    addresses += [
        console.address("account", **hostile),
        console.address("user", **hostile, user="zed"),
        console.address("search", q="x" * 400),
        console.address("account", account="y" * 300),
        *(console.address("event", position=position) for position in (1, 3, 66, 84)),
    ]
    wide = {}
    for address in addresses:
        page.goto(address)
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > NARROW["width"]:
            wide[address] = width
        wide |= {f"{address} {n}": w for n, w in enumerate(page.evaluate(TOO_WIDE))}
    context.close()
    assert wide == {}


def test_the_longest_names_are_no_wider_than_a_narrow_screen(
    browser: Browser, database: str
) -> None:
    """An account, a user and an invoice with as many wide letters as may be."""
    long, invoice = "W" * 100, "I" * 100
    filled(database)
    for command in (
        {"op": "open_account", "name": long * 3, "time_zone": "UTC",
         "term_start": "2025-03-05", "term_months": 12, "billing_cycle_months": 1},
        {"op": "buy_seats", "seat_type": PRO, "quantity": 9,
         "effective_at": "2025-03-05"},
        {"op": "add_user", "user": long, "email": f"{'m' * 60}@x.example",
         "name": long * 3, "effective_at": "2025-03-05", "reason": long * 5,
         "seats": [PRO]},
    ):  # fmt: skip
        record(database, {**command, "account": long})
    issue = ("invoice", "issue", invoice, "-a", long, "--period", "2025-03-05")
    words = (*issue, "--unit-price", f"{PRO}=12345678.99", "--currency", "EUR")
    assert Program(database).run(*words).returncode == 0
    page = browser.new_page(viewport=NARROW)
    account, wide = {"account": long}, {}
    with serving(database, "--quiet") as console:
        for address in (
            *(console.address(name, **account)
              for name in ("account", "events", "idle", "invoices", "periods", "seats",
                           "users", "renewals", "compare")),
            *(console.address("user", **account, user=long, as_of=moment)
              for moment in ("", "2025-09-01")),
            console.address("seat", **account, seat=f"{PRO}#1"),
            console.address("invoice", invoice=invoice),
            console.address("search", q=long),
            console.address("accounts"),
        ):  # fmt: skip
            page.goto(address)
            width = page.evaluate("document.documentElement.scrollWidth")
            if width > NARROW["width"]:
                wide[address] = width
    page.close()
    assert wide == {}


TOO_WIDE = """
() => [...document.querySelectorAll("main table, main td, main tbody th")]
  .map((part) => part.getBoundingClientRect().right)
  .filter((right) => right > document.documentElement.clientWidth)
"""


def test_rows_stack_and_the_header_folds_on_a_phone(
    browser: Browser, console: Console
) -> None:
    context = browser.new_context(locale="en-GB", viewport=NARROW)
    context.set_default_timeout(AT_MOST * 1000)
    page = context.new_page()
    page.goto(console.address("seats", account="acme"))
    table = page.get_by_role("table", name="Each seat under contract")
    cell = table.locator("tbody td").first
    before = cell.evaluate("it => getComputedStyle(it, '::before').content")
    assert before == '"Holder: "'
    expect(table.get_by_role("row").nth(1).get_by_role("cell")).to_have_count(5)
    links = page.get_by_role("link", name="Accounts", exact=True)
    expect(links).to_be_hidden()
    expect(page.get_by_label("As of", exact=True)).to_be_hidden()
    expect(page.locator("#sentence")).to_be_visible()
    page.get_by_text("Menu", exact=True).click()
    expect(links).to_be_visible()
    expect(page.get_by_label("As of", exact=True)).to_be_visible()
    assert Axe().run(page).response["violations"] == []
    context.close()


BILL = f"""account;invoice;issued_at;period;seat_type;quantity;unit_price;amount
acme;V-1;05.04.2025;05.03.2025;{PRO};62;90,00;5580,00
acme;V-1;05.04.2025;05.03.2025;service/starter;0,7742;18,00;13,94
Total;;;;;;;5500,00
"""


@pytest.mark.parametrize(
    ("language", "scheme", "width"),
    [("en-GB", "light", 1280), ("nl-NL", "dark", NARROW["width"])],
)
def test_an_audit_by_upload_is_read_on_every_screen(
    visit: Any, console: Console, language: str, scheme: str, width: int
) -> None:
    """The form with what stands in the way, and the answer: both clean, none wider."""
    page = visit(language, color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    bill = {"name": "bill.csv", "mimeType": "text/csv", "buffer": BILL.encode()}
    for date_format, title in (("", "Audit a file"), ("DD.MM.YYYY", "Audit of bill")):
        page.goto(console.address("check", lang=language[:2]))
        page.locator("#file").set_input_files(bill)
        page.locator("#date_format").fill(date_format)
        page.locator(".upload button").click()
        expect(page.get_by_role("alert")).to_be_visible()
        if language == "en-GB":
            expect(page.get_by_role("heading", level=1)).to_contain_text(title)
        assert Axe().run(page).response["violations"] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(TOO_WIDE) == []
    expect(page.locator("main")).to_contain_text("62")
    expect(page.locator("main")).not_to_contain_text("None")


SEEN = """
() => {
  const canvas = document.createElement("canvas").getContext("2d");
  const rgb = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const paper = rgb(getComputedStyle(document.body).backgroundColor);
  const found = [];
  for (const one of document.querySelectorAll("svg path, svg rect, svg text")) {
    const style = getComputedStyle(one);
    const is_text = one.tagName === "text";
    const colour = one.tagName === "path" ? style.stroke : style.fill;
    const bar = one.classList.contains("on-bar")
      ? rgb(getComputedStyle(one.parentNode.querySelector("rect")).fill) : paper;
    found.push([one.outerHTML.slice(0, 90), is_text, rgb(colour), bar]);
  }
  return found;
}
"""


def contrast(item: list[int], two: list[int]) -> float:
    """How far two colours are apart (WCAG 2.2)."""

    def luminance(rgb: list[int]) -> float:
        parts = [value / 255 for value in rgb]
        linear = [
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
            for part in parts
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(item), luminance(two)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_part_of_a_chart_stands_out_from_what_is_behind_it(
    visit: Any, console: Console, scheme: str
) -> None:
    page = visit(color_scheme=scheme)
    kinds = set()
    for name in ("account", "seat", "user"):
        page.goto(console.address(name, **LOOKED_AT[name]))
        for part, is_text, colour, behind in page.evaluate(SEEN):
            least = 4.5 if is_text else 3.0
            assert contrast(colour, behind) >= least, (part, colour, behind)
            kinds.add(part.partition('class="')[2].partition('"')[0].split()[0])
    assert kinds >= {"series", "grid", "axis", "mark", "bar", "label"}


def test_every_series_has_a_colour_that_is_seen() -> None:
    """Each of the six, in both schemes, as the stylesheet and the charts have them."""
    sheet = Path("cli/console/static/console.css").read_text()
    light, dark = sheet.split("@media (prefers-color-scheme: dark)", 1)
    for rules, attributes in ((light, True), (dark, False)):
        colours = dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", rules))
        paper = hexadecimal(colours["paper"])
        for number, colour in enumerate(charts.COLOURS):
            own = hexadecimal(colours[f"s{number}"])
            assert contrast(own, paper) >= 3
            assert not attributes or own == hexadecimal(colour)


def hexadecimal(colour: str) -> list[int]:
    return [int(colour[start : start + 2], 16) for start in (1, 3, 5)]


def test_the_charts_state_in_words_what_they_show(visit: Any, console: Console) -> None:
    page = visit()
    page.goto(console.address("seat", account="acme", seat=f"{PRO}#1"))
    chart = page.locator("svg")
    message = chart.get_attribute("aria-label") or ""
    assert "Ann Jansen from 6 Mar 2025 09:00 until 18 Jun 2025 14:00" in message
    assert "Grace Hopper from 1 Jul 2025 09:00 until present" in message
    expect(chart.locator("rect")).to_have_count(2)
    page.goto(console.address("account", account="acme", as_of="2025-09-01"))
    message = page.locator("svg").get_attribute("aria-label") or ""
    assert "at most 62 purchased" in message
