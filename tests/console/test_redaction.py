"""A redacted console, crawled: no text that may tell of a person leaves it."""

from __future__ import annotations

import html
import json
import re
import urllib.parse
from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg
import pytest
from program import PRO, Program
from served import PAGES, Answered, Console, serving

from seat_ledger.domain.events import InvoiceIssued, LedgerEvent
from seat_ledger.projections.reader.redaction import HIDDEN, SHOWN, RedactedReader
from tests.support.waiting import wait_until

MARK = "marker"
INVOICE = "INV-1"
LONGEST_TEXT = 2000


def marked(place: str) -> str:
    """A text that tells where it came from, in forms that people have."""
    return f"{MARK}-{place} Ann {MARK}.{place}@{MARK}.test"


def person(user: str, at: str = "2025-03-05", **fields: Any) -> dict[str, Any]:
    return {
        "op": "add_user",
        "account": "acme",
        "user": f"{MARK}-{user}",
        "email": f"{MARK}.{user}@{MARK}.test",
        "name": f"{MARK} {user}",
        "effective_at": at,
        **fields,
    }


def operation(op: str, at: str, **fields: Any) -> dict[str, Any]:
    """A command with a mark in every text that may be written freely."""
    place = f"{op}-{at}"
    return {
        "op": op,
        "account": "acme",
        "effective_at": at,
        "reason": marked(f"reason-{place}"),
        "idempotency_key": marked(f"key-{place}"),
        "actor": f"system:{marked(f'actor-{place}')}",
        **fields,
    }


def story() -> list[dict[str, Any]]:
    ann, bob = f"{MARK}-ann", f"{MARK}-bob"
    seat = {"seat_type": PRO}
    own = {"op": "open_account", "account": "acme", "name": marked("account-name")}
    terms = {
        "time_zone": "Europe/Amsterdam",
        "term_start": "2025-03-05",
        "term_months": 12,
        "billing_cycle_months": 1,
    }
    stated_of_account = operation("open_account", "2025-03-05")
    del stated_of_account["effective_at"]
    policy = {"mode": "peak"}
    return [
        {**stated_of_account, **own, **terms},
        operation("buy_seats", "2025-03-05", **seat, quantity=3),
        {**operation("add_user", "2025-03-05"), **person("ann", super_admin=True)},
        {**operation("add_user", "2025-03-06"), **person("bob", "2025-03-06")},
        operation("grant_hub_access", "2025-03-07", user=bob, hub="sales"),
        operation("grant_hub_access", "2025-03-08", user=bob, hub="service"),
        operation("set_permissions", "2025-03-07", user=bob, account_access=True),
        {
            **operation("assign_seat", "2025-03-08", **seat, user=ann),
            "actor": f"user:{ann}",
        },
        operation("unassign_seat", "2025-03-20", **seat, user=ann),
        operation("assign_seat", "2025-03-21", **seat, user=bob),
        operation("reduce_seats", "2025-03-22", **seat, quantity=1),
        operation("cancel_reduction", "2025-03-23", **seat),
        {**operation("set_time_zone", "2025-03-24"), "time_zone": "Europe/Paris"},
        {**operation("set_billing_policy", "2025-04-05"), **policy},
        {
            **operation("issue_invoice", "2025-04-06"),
            "invoice": INVOICE,
            "period": "2025-03-05",
            "unit_prices": {PRO: "90.00"},
            "currency": "EUR",
        },
        operation("open_finding", "2025-04-07", **FINDING),
        operation("note_finding", "2025-04-08", finding=1, note=marked("note")),
        operation(
            "settle_finding", "2025-04-09", finding=1, credited_by=marked("credited")
        ),
        operation("revoke_hub_access", "2025-05-02", user=bob, hub="service"),
    ]


FINDING = {
    "invoice": INVOICE,
    "period": "2025-03-05",
    "product": marked("product"),
    "verdict": "over",
    "cause": "wrong_at_issue",
    "invoiced_quantity": "3",
    "ledger_quantity": "2",
    "known_at": 1,
}


def without_time(command: dict[str, Any]) -> dict[str, Any]:
    timeless = {"issue_invoice", "set_billing_policy", "set_time_zone"}
    timeless |= {"open_finding", "note_finding", "settle_finding"}
    if command["op"] not in timeless:
        return command
    return {name: value for name, value in command.items() if name != "effective_at"}


class Marked(NamedTuple):
    plain: Console
    redacted: Console


@pytest.fixture(scope="module")
def consoles(shared_database: str) -> Iterator[Marked]:
    program = Program(shared_database)
    done = program.lines(*map(without_time, story()))
    assert done.returncode == 0, done.stderr
    revoked = json.loads(done.stdout)["rows"][-1]["positions"][0]
    entry = {"op": "reverse", "account": "acme", "entry": revoked}
    done = program.lines({**entry, "reason": marked("reason-reverse")})
    assert done.returncode == 0, done.stderr
    assert program.run("account", "list").returncode == 0  # the tables know it all
    with (
        serving(shared_database, "--no-catch-up", "--quiet") as plain,
        serving(shared_database, "--no-catch-up", "--redact") as redacted,
    ):
        yield Marked(plain, redacted)


_ADDRESS = re.compile(r"(?:href|src)=(\"[^\"]*\"|'[^']*')")


def addresses_in(page: str) -> set[str]:
    """The addresses of a page, of its charts too, on this site."""
    links = {html.unescape(link[1:-1]) for link in _ADDRESS.findall(page)}
    return {link for link in links if link.startswith("/")}


_SAME = {"as_of", "known_at", "v", "lang"}
"""What a crawl does not go through."""


def bare(address: str) -> str:
    """An address without its moments and language, so that a crawl ends."""
    parts = urllib.parse.urlsplit(address)
    query = urllib.parse.parse_qsl(parts.query)
    stored = [pair for pair in query if pair[0] not in _SAME]
    return f"{parts.path}?{urllib.parse.urlencode(stored)}"


def crawled(console: Console) -> dict[str, Answered]:
    """Every address that can be reached, in every form, and what it answers."""
    invoiced = {"invoice": INVOICE}
    first = {
        "invoice": invoiced,
        "audit": invoiced,
        "event": {"position": 1},
        "user": {"account": "acme", "user": "user-6"},
        "search": {"q": "acme"},
    }
    waiting = {
        console.address(page, **first.get(page, params)).removeprefix(console.url)
        for page, params in PAGES.items()
    }
    waiting |= {"/nowhere", "/user?account=acme&user=nobody", "/seat?account=acme"}
    waiting |= {f"/search?go=1&q={word}" for word in ("acme", "1", "acme/", f"{PRO}#1")}
    seen: dict[str, Answered] = {}
    while waiting:
        address = waiting.pop()
        path, _, query = address.partition("?")
        for form in ("", ".json", ".csv"):
            item = f"{path}{form}?{query}" if "." not in path else address
            if item not in seen:
                seen[item] = console.open(console.url + item)
        page = seen.get(address) or console.open(console.url + address)
        result = {bare(link) for link in addresses_in(page.text)}
        waiting |= {link for link in result if link not in seen}
    return seen


def test_no_answer_of_a_redacted_console_holds_a_text_of_a_person(
    consoles: Marked,
) -> None:
    answers = crawled(consoles.redacted)
    assert len(answers) > 150
    for address, answer in answers.items():
        whole = f"{address}\n{answer.headers}\n{html.unescape(answer.text)}"
        assert MARK not in whole.casefold(), address
        if answer.status == 200:
            for link in map(bare, addresses_in(answer.text)):
                assert answers[link].status == 200, (address, link)
    assert not any(MARK in line for line in consoles.redacted.log)


def test_the_marks_are_there_where_nothing_is_hidden(consoles: Marked) -> None:
    """What the crawl above does not find is there to be found."""
    query = {"account": "acme"}
    texts = consoles.plain.get("events.json", **query).text
    texts += consoles.plain.get("users.json", **query).text
    texts += consoles.plain.get("accounts.json").text
    for position in range(18, 30):
        texts += consoles.plain.get("event.json", position=position).text
    names = ("account-name", "bob", "ann@", "note", "credited", "product")
    for place in ("reason-", "key-", "actor-", *names):
        result = f"{MARK}-{place}" in texts or f"{MARK}.{place}" in texts
        assert result, place


HIDDEN_FIELDS = {"name", "reason", "actor", "user", "email", "idempotency_key"}
HIDDEN_FIELDS |= {"kind", "product"}


def differing(item: Any, two: Any, name: str = "") -> set[str]:
    """The names of the fields in which two answers differ."""
    if isinstance(item, dict) and isinstance(two, dict):
        assert item.keys() == two.keys()
        return set().union(*(differing(item[key], two[key], key) for key in item))
    if isinstance(item, list) and isinstance(two, list) and len(item) == len(two):
        parts = zip(item, two, strict=True)
        return set().union(*(differing(*pair, name) for pair in parts))
    return set() if item == two else {name}


@pytest.mark.parametrize("page", sorted(PAGES.keys() - {"search", "user"}))
def test_what_tells_nothing_of_a_person_is_shown_as_it_is(
    consoles: Marked, page: str
) -> None:
    invoiced = page in {"invoice", "audit"}
    params = {"invoice": INVOICE} if invoiced else PAGES[page]
    fields = {"position": 6} if page == "event" else params
    params = {**fields, "as_of": "2025-04-10", "known_at": 20}
    plain = consoles.plain.get(f"{page}.json", **params)
    redacted = consoles.redacted.get(f"{page}.json", **params)
    assert (plain.status, redacted.status) == (200, 200)
    hidden = HIDDEN_FIELDS | ({"seat_type"} if page == "findings" else set())
    assert differing(plain.json(), redacted.json()) <= hidden


def texts_of(schema: Any, definitions: Any, name: str = "") -> set[str]:
    """The names of the fields of a schema that hold texts, dates and instants."""
    if "$ref" in schema:
        return texts_of(
            definitions[schema["$ref"].rpartition("/")[2]], definitions, name
        )
    parts = [(name, part) for part in schema.get("anyOf", ())]
    parts += [(name, schema["items"])] if "items" in schema else []
    parts += schema.get("properties", {}).items()
    own = {name} if schema.get("type") == "string" else set()
    return own.union(*(texts_of(part, definitions, key) for key, part in parts))


def test_every_text_of_an_invoice_is_shown_but_who_issued_it_and_why() -> None:
    """What is computed from an invoice is read from these, hidden or not."""
    schema = InvoiceIssued.model_json_schema(by_alias=True)
    texts = texts_of(schema, schema["$defs"])
    assert {"day", "starts", "unit_price", "digest"} <= texts
    assert texts - SHOWN - LedgerEvent.model_fields.keys() == set()


def test_what_may_be_written_freely_is_hidden_but_what_invoices_are_called() -> None:
    """A text without a form may name a person; quantities are written by the ledger."""
    free = set()
    for event in subclasses(LedgerEvent):
        schema = event.model_json_schema(by_alias=True)
        free |= {
            name
            for name, field in schema["properties"].items()
            for part in (field, *field.get("anyOf", ()))
            if part.get("type") == "string" and part.get("maxLength") == LONGEST_TEXT
        }
    assert {"credited_by", "note", "reason"} <= free
    written = {"period", "invoiced_quantity", "ledger_quantity", "currency"}
    assert free & SHOWN == {"invoice", *written}


def subclasses(kind: type[LedgerEvent]) -> Iterator[type[LedgerEvent]]:
    for each in kind.__subclasses__():
        yield each
        yield from subclasses(each)


def test_a_hidden_person_is_followed_by_a_number_that_stays(consoles: Marked) -> None:
    console = consoles.redacted
    users = console.get("users.json", account="acme").json()["rows"]
    for row in users:
        assert re.fullmatch("user-[0-9]+", row["user"])
        history = console.get("user.json", account="acme", user=row["user"]).json()
        assert all(held["user"] == row["user"] for held in history["rows"])
    rows = console.get("events.json", account="acme").json()["rows"]
    assert {row["actor"] for row in rows} <= {
        *(f"user:{row['user']}" for row in users),
        *(f"system:{HIDDEN}", "system:import"),
    }
    assert any(row["actor"].startswith("user:user-") for row in rows)


@pytest.mark.parametrize(
    "text", [f"{MARK}-ann", f"{MARK}.ann@{MARK}.test", f"{MARK} ann", MARK]
)
def test_a_hidden_person_cannot_be_detected_by_guessing(
    consoles: Marked, text: str
) -> None:
    console = consoles.redacted
    assert consoles.plain.get("search.json", q=text).json()["rows"]
    assert console.get("search.json", q=text).json()["rows"] == []
    assert console.get("search.json", q=text, quick=1).json()["rows"] == []
    assert console.get("user", account="acme", user=text).status == 404


def test_a_text_of_a_name_that_nobody_knows_is_hidden(shared_database: str) -> None:
    """A column or a field of an event that is invented later is hidden until shown."""
    reader = RedactedReader(shared_database)
    statement = b"""
        SELECT 'someone' AS invented, 3 AS number, 'Account' AS topic,
               '{"fresh": {"deep": ["someone"]}, "time_zone": "UTC"}'::jsonb AS details
    """
    (row,) = reader.run(statement, {})
    assert row == {
        "invented": HIDDEN,
        "number": 3,
        "topic": "Account",
        "details": {"fresh": {"deep": [HIDDEN]}, "time_zone": "UTC"},
    }
    reader.connection.close()


def test_what_a_damaged_database_says_is_for_the_operator(consoles: Marked) -> None:
    """An error's words may quote what is stored: they go into the log alone."""
    console = consoles.redacted
    with psycopg.connect(console.conninfo) as other:
        other.execute("LOCK TABLE projection.generation")
        answer = console.get("accounts.json")
    assert answer.status == 503
    assert "lock" not in answer.text
    wait_until(
        lambda: any(
            '"failed"' in line and "rejected the operation" in line
            for line in console.log
        )
    )
