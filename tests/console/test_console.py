"""The console as a program meets it: pages, twins, the gate, and what it never does."""

from __future__ import annotations

import base64
import hashlib
import html
import http.client
import json
import re
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from program import PRO, Program
from psycopg.conninfo import make_conninfo
from served import (
    HOSTILE,
    HOSTILE_KEY,
    INVOICE,
    PAGES,
    Answered,
    Console,
    Filled,
    filled,
    late,
    record,
    serving,
)

from seat_ledger.domain.values import shown
from seat_ledger.errors import Unavailable
from seat_ledger.projections.reader import ConnectedReader
from seat_ledger.projections.reader.pool import Busy, PooledReader, ReaderPool
from tests.support.waiting import end, has_ended, wait_until


@pytest.fixture(scope="module")
def written(shared_database: str) -> Filled:
    result = filled(shared_database)
    with ConnectedReader(shared_database):
        pass  # caught up, for those who serve without
    return result


@pytest.fixture(scope="module")
def console(written: Filled) -> Iterator[Console]:
    with serving(written.conninfo) as result:
        yield result


def words_of(page: Answered) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page.text).split())


@pytest.mark.parametrize("page", PAGES)
def test_every_page_answers_in_both_languages_and_as_json_and_csv(
    console: Console, page: str
) -> None:
    for language in ("en", "nl"):
        accept = {"Accept-Language": f"{language}-XX,xx;q=0.5"}
        result = console.get(page, headers=accept, **PAGES[page])
        assert result.status == 200, result.text
        assert f'<html lang="{language}">' in result.text
        assert result.headers["Content-Language"] == language
    document = console.get(f"{page}.json", **PAGES[page]).json()
    assert document["schema_version"] == 1
    assert document["rows"]
    table = console.get(f"{page}.csv", **PAGES[page])
    assert table.headers["Content-Type"].startswith("text/csv")
    key = next(iter(document["rows"][0]))
    assert table.text.startswith(key)


AS_COMMANDS = {
    "attention": ("account", "attention", "--as-of"),
    "account": ("account", "show", "acme", "--as-of"),
    "seats": ("seat", "list", "-a", "acme", "--as-of"),
    "seat": ("seat", "history", f"{PRO}#1", "-a", "acme", "--as-of"),
    "who": ("seat", "who", f"{PRO}#1", "-a", "acme", "--as-of"),
    "users": ("user", "list", "-a", "acme", "--as-of"),
    "user": ("user", "history", "ann", "-a", "acme", "--as-of"),
    "accounts": ("account", "list", "--as-of"),
    "events": ("event", "list", "-a", "acme"),
    "event": ("event", "show", "70"),
    "periods": ("billing", "periods", "-a", "acme"),
    "period": (
        *("billing", "counts", "-a", "acme", "--period", "2025-03-05"),
        *("--mode", "all", "--currency", "EUR", "--unit-price", f"{PRO}=90.00"),
        *("--unit-price", "service/starter=18.00"),
    ),
    "explain": (
        *("billing", "explain", "-a", "acme", "--period", "2025-03-05"),
        *("--seat-type", PRO, "--unit-price", "90.00", "--currency", "EUR"),
    ),
    "invoices": ("invoice", "list"),
    "renewals": ("account", "renewals", "--as-of"),
    "idle": (
        *("billing", "idle", "-a", "acme", "--unit-price", f"{PRO}=90.00"),
        *("--currency", "EUR", "--as-of"),
    ),
    "compare": ("billing", "compare", "-a", "acme", "--known-at", "20"),
    "invoice": ("invoice", "show", INVOICE),
}


MOMENT = "2025-07-01T12:00:00Z"


def as_command(page: str) -> list[str]:
    """The words of the command that a page is the twin of."""
    words = [*AS_COMMANDS[page]]
    return [*words, MOMENT] if words[-1] == "--as-of" else words


@pytest.mark.parametrize("page", AS_COMMANDS)
def test_a_twin_says_what_the_command_says(
    console: Console, written: Filled, page: str
) -> None:
    words = as_command(page)
    message = console.output_of(*words, "--known-at", written.head)
    fields = {**PAGES[page], "as_of": MOMENT, "known_at": written.head}
    result = console.get(f"{page}.json", **fields).json()
    assert result["rows"] == message["rows"]
    assert result["known_at"] == message["known_at"]
    assert message.keys() - result.keys() <= {"quantity", "mode", "granularity"}


@pytest.mark.parametrize("page", AS_COMMANDS)
def test_a_csv_twin_is_what_the_command_prints(
    console: Console, written: Filled, page: str
) -> None:
    words = as_command(page)
    known_at = ("--known-at", written.head, "--format", "csv")
    message = Program(console.conninfo).run(*words, *known_at)
    fields = {**PAGES[page], "as_of": MOMENT, "known_at": written.head}
    assert console.get(f"{page}.csv", **fields).text == message.stdout


def test_both_moments_are_spelled_out_and_go_into_every_link(console: Console) -> None:
    page = console.get("seat", account="acme", seat=f"{PRO}#1", as_of="2025-03-10",
                       known_at="80")  # fmt: skip
    message = words_of(page)
    assert (
        "As it was on 10 March 2025 00:00 (Europe/Amsterdam), with what was" in message
    )
    assert "Ann Jansen ann@acme.test held it on 10 March 2025" in message
    links = re.findall(r'<a [^>]*href="(/[^"#]+)"[^>]*>(?!Back|Show)', page.text)
    assert len(links) > 8
    for link in links:
        assert "as_of=2025-03-" in link, link
        assert "known_at=80" in link, link


def test_the_rule_in_force_stands_first_and_the_others_are_folded(
    console: Console,
) -> None:
    page = console.get("period", **PAGES["period"]).text
    first, *folded = page.split("<details>")
    assert "in force" in first
    assert "day_touch" not in first
    assert "time_weighted" in folded[0]
    assert page.count(">in force<") == page.count("<details>") == 2


def test_moments_that_people_mean_are_links(console: Console) -> None:
    page = console.get("account", account="acme").text
    (address,) = re.findall(r'<a href="([^"]*)">End of last month<', page)
    began = console.open(console.url + address.replace("&amp;", "&")).text
    assert "As it was on 1 " in began
    invoice = console.get("invoice", invoice=INVOICE).text
    assert re.search(r'href="/account\?account=acme&amp;known_at=[0-9]+"', invoice)


def test_an_answer_that_reads_differently_now_says_so(console: Console) -> None:
    """R41: it stays as it was, and leads to what changed."""
    note = "this answer reads differently"
    seat = {"account": "acme", "seat": f"{PRO}#1"}
    page = console.get("seat", **seat, known_at=68, as_of="2025-07-01")
    assert note in page.text
    now, changed = re.findall(r'differently\. <a href="([^"]*)">[^<]*</a> '
                              r'<a href="([^"]*)"', page.text)[0]  # fmt: skip
    assert "known_at" not in now
    assert "as_of=2025-07-01" in now
    assert changed == "/compare?account=acme&amp;before=68"
    assert note not in console.get("seat", **seat).text
    late = console.get("events.json", account="acme").json()["rows"][-1]["position"]
    assert note not in console.get("seat", **seat, known_at=late - 1).text
    period = {"account": "acme", "period": "2025-03-05"}
    assert note not in console.get("period", **period, known_at=late - 1).text
    assert note in console.get("period", **period, known_at=20, lang="en").text
    assert "luidt dit antwoord anders" in (
        console.get("period", **period, known_at=20, lang="nl").text
    )


def test_a_link_answers_the_same_after_a_late_fact(
    written: Filled, console: Console
) -> None:
    query = {"account": "acme", "seat": "service/starter#1"}
    before = console.get("seat", **query)
    assert "Nobody held it." in words_of(before)
    pinned = re.search(r'<a href="(/seat\.json[^"]+)"', before.text)
    assert pinned is not None
    link = console.url + pinned[1].replace("&amp;", "&")
    first = console.open(link)
    record(written.conninfo, late())
    second = console.open(link)
    assert second.text == first.text
    caught_up = wait_until(lambda: console.get("seat.json", **query).json()["rows"])
    assert caught_up[0]["user"] == "ann"


BAD = {
    "nothing": ("nowhere", {}, 404),
    "ending": ("seat.xml", {"account": "acme"}, 404),
    "account": ("account", {"account": "nope"}, 404),
    "no account": ("account", {}, 400),
    "seat": ("seat", {"account": "acme", "seat": f"{PRO}#999"}, 404),
    "no seat": ("seat", {"account": "acme", "seat": "'; DROP TABLE"}, 400),
    "type": ("seat", {"account": "acme", "seat": "sales/golden#1"}, 404),
    "user": ("user", {"account": "acme", "user": "nobody"}, 404),
    "position": ("event", {"position": "x"}, 400),
    "far position": ("event", {"position": "9" * 18}, 404),
    "moment": ("account", {"account": "acme", "as_of": "soon"}, 400),
    "gap": ("account", {"account": "acme", "as_of": "2025-03-30 02:30"}, 409),
    "beyond": ("account", {"account": "acme", "known_at": "99999999"}, 409),
    "period": ("period", {"account": "acme", "period": "2025-03-06"}, 404),
    "mode": ("explain", {**PAGES["explain"], "mode": "best"}, 400),
    "invoice": ("invoice", {"invoice": "none"}, 404),
    "long": ("search", {"q": "x" * 401}, 400),
    "control": ("search", {"q": "a\x00b"}, 400),
    "skip": ("seats", {"account": "acme", "skip": "-1"}, 400),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_a_clear_answer(console: Console, case: str) -> None:
    page, params, status = BAD[case]
    result = console.get(page, **params)
    assert result.status == status, result.text
    assert "Traceback" not in result.text
    assert "<h1>" in result.text
    if page != "seat.xml":
        twin = console.get(f"{page}.json", **params)
        assert twin.status == status
        assert twin.json()["type"] == "error"


def test_every_answer_is_locked_down(console: Console) -> None:
    for page in ("search", "seat.json", "nowhere", "static/console.css"):
        headers = console.get(page, **PAGES.get(page.removesuffix(".json"), {})).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        fixed = page.startswith("static/")
        assert (headers["Cache-Control"] == "no-store") is not fixed


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_nothing_can_be_written(console: Console, method: str) -> None:
    assert console.get("account", account="acme", method=method).status == 405


def test_the_readers_session_can_write_nothing(shared_database: str) -> None:
    reader = PooledReader(shared_database)
    reader.release()
    connection = reader.connection
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        connection.execute("UPDATE projection.generation SET position = 0")
    connection.execute("SET default_transaction_read_only = off")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("UPDATE projection.generation SET position = 0")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT state FROM ledger.stored_events")
    connection.close()


def slowly(pool: ReaderPool) -> None:
    """Borrow the only reader; let another wait for it, and the server for us."""
    with pool.reader() as reader:
        with pytest.raises(Busy), pool.reader():
            pass
        reader.connection.execute("SET idle_in_transaction_session_timeout = '50ms'")
        pid = reader.connection.info.backend_pid
        with psycopg.connect(pool.conninfo, autocommit=True) as other:
            wait_until(lambda: has_ended(other, pid))
        reader.ask("journal", "knowledge", position=1)


def test_who_comes_too_late_is_warned_and_who_reads_too_slowly_is_cut_off(
    shared_database: str,
) -> None:
    pool = ReaderPool(shared_database, 1, reader=PooledReader, patience=0.05)
    with pytest.raises(Unavailable, match="idle"):
        slowly(pool)
    with pool.reader() as reader:
        timeout = "SHOW idle_in_transaction_session_timeout"
        assert reader.connection.execute(timeout).fetchone() == ("1min",)
    pool.close()


def test_an_answer_that_was_sent_whole_stays_one(shared_database: str) -> None:
    """What ends the session after it is noticed by the next to ask."""
    pool = ReaderPool(shared_database, 1, reader=PooledReader)
    with pool.reader() as reader:
        ended = reader.connection.info.backend_pid
        with psycopg.connect(shared_database) as other:
            end(other, [ended])
    with pool.reader() as reader:
        assert reader.connection.info.backend_pid != ended
    pool.close()


def test_a_database_that_does_not_answer_in_time_is_no_fault_of_the_question(
    shared_database: str,
) -> None:
    hasty = make_conninfo(shared_database, options="-c lock_timeout=50ms")
    with (
        serving(hasty, "--quiet", "--no-catch-up") as result,
        psycopg.connect(shared_database) as other,
    ):
        other.execute("LOCK TABLE projection.generation")
        page, twin = result.get("accounts"), result.get("accounts.json")
    assert (page.status, twin.status) == (503, 503)
    assert "The database did not answer:" in page.text
    assert twin.json()["code"] == "database_refused"


def test_another_sites_name_for_this_machine_is_refused(console: Console) -> None:
    port = urllib.parse.urlsplit(console.url).port
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/accounts.json", headers={"Host": "evil.example"})
    answer = connection.getresponse()
    assert answer.status == 403
    assert b"acme" not in answer.read()
    connection.close()


def test_only_the_charts_are_markup(console: Console) -> None:
    hostile = "<svg onload=alert(1)>"
    page = console.get("search", q=hostile)
    assert page.status == 200
    assert hostile not in page.text
    assert html.escape(hostile) in page.text
    chart = console.get("account", account="acme")
    assert "<svg " in chart.text


def test_hostile_names_are_shown_as_text(console: Console) -> None:
    query = {"account": HOSTILE_KEY, "user": "zed"}
    page = console.get("user", **query)
    assert page.status == 200
    assert "<img" not in page.text
    assert "{{7*7}}\\u202e" in page.text
    form = f'name="account" value="{html.escape(HOSTILE_KEY)}"'
    assert form in page.text.replace("&#34;", "&quot;").replace("&#39;", "&#x27;")
    result = console.get("user.json", **query).json()["rows"][0]
    assert result["name"] == HOSTILE
    sheet = console.get("seats.csv", account="acme").text
    assert not re.search(r"(^|,)\"?[=+@]", sheet, re.MULTILINE)


def test_a_moment_is_picked_as_on_the_last_invoice(console: Console) -> None:
    """The state of knowledge of an invoice, from any page of its account."""
    cut_off = console.get("invoice.json", invoice=INVOICE).json()["cut_off"]
    for page in ("account", "users", "idle"):
        text = console.get(page, account="acme").text
        (address,) = re.findall(
            f'href="([^"]*)">As on invoice {re.escape(html.escape(INVOICE))}<', text
        )
        params = urllib.parse.parse_qs(
            urllib.parse.urlsplit(html.unescape(address)).query
        )
        assert params["known_at"] == [str(cut_off)]
    then = console.get("account", account="acme", known_at=cut_off).text
    assert "As on invoice" not in then


def test_what_the_search_finds(console: Console) -> None:
    def first(text: str) -> dict[str, Any]:
        return console.get("search.json", q=text).json()["rows"][0]

    assert first("acme")["kind"] == "account"
    assert first("ann@ACME.test")["user"] == "ann"
    assert first("hopper")["user"] == "grace"
    assert first("acme/grace")["user"] == "grace"
    assert first(f"acme/{PRO}#7")["seat"] == f"{PRO}#7"
    assert first(f"acme {PRO}#7")["seat"] == f"{PRO}#7"
    assert first("#70")["position"] == 70
    assert first("0,070")["position"] == first("0.070")["position"] == 70
    assert first("entry 70")["position"] == first("boeking 70")["position"] == 70
    assert first("acme grace")["user"] == first("grace acme")["user"] == "grace"
    assert first("acme grace hopper")["user"] == "grace"
    assert first("Ann Jansen ann@acme.test")["user"] == "ann"
    assert first(INVOICE)["kind"] == "invoice"
    assert console.get("search.json", q="nobody at all").json()["rows"] == []


def test_a_single_match_is_opened_at_once(console: Console) -> None:
    port = urllib.parse.urlsplit(console.url).port
    connection = http.client.HTTPConnection("127.0.0.1", port)
    query = urllib.parse.urlencode({"q": "ann@acme.test", "go": 1, "known_at": 80})
    connection.request("GET", f"/search?{query}")
    answer = connection.getresponse()
    assert answer.status == 303
    to = answer.headers["Location"]
    assert to == "/user?account=acme&user=ann&known_at=80"
    connection.close()


def test_long_lists_are_paged_and_state_so_and_twins_are_whole(
    console: Console,
) -> None:
    first = console.get("seats", account="acme")
    assert "Rows 1 to 50 of 59" in words_of(first)
    second = console.get("seats", account="acme", skip=50)
    assert "Rows 51 to 59 of 59" in words_of(second)
    assert len(console.get("seats.json", account="acme").json()["rows"]) == 59
    events = console.get("events", account="acme")
    assert "Next rows" in words_of(events)
    assert len(console.get("events.json", account="acme").json()["rows"]) > 70


def test_the_period_opens_to_parts_that_add_up(console: Console) -> None:
    rows = console.get("period.json", **PAGES["period"]).json()["rows"]
    assert {row["mode"] for row in rows} >= {"contracted", "peak", "distinct"}
    for row in rows:
        named = {"seat_type": row["seat_type"], "mode": row["mode"]}
        if row["granularity"]:
            named["granularity"] = row["granularity"]
        query = {"account": "acme", "period": row["period"], **named}
        result = console.get("explain.json", **query).json()
        assert result["figure"]["quantity_exact"] == row["quantity_exact"]


def test_an_invoice_says_that_it_comes_out_again(console: Console) -> None:
    message = words_of(console.get("invoice", invoice=INVOICE))
    assert "bytes result from" in message


def test_a_rebuild_goes_on_beside_and_is_served_then(
    console: Console, tmp_path: Path
) -> None:
    query = {"account": "acme", "seat": f"{PRO}#1", "known_at": 80}
    before = console.get("seat.json", as_of="2025-07-01", **query)
    rebuilt = console.output_of(
        "projection", "rebuild", "--results", tmp_path / "r.json"
    )
    assert rebuilt["rows"]
    after = console.get("seat.json", as_of="2025-07-01", **query)
    assert after.text == before.text
    message = console.get("projections.json").json()
    assert message["rows"][0]["generation"] > 1


@pytest.fixture(scope="module")
def guarded(written: Filled) -> Iterator[Console]:
    options = ("--trusted-proxy", "127.0.0.1", "--accounts-header", "X-Accounts")
    with serving(written.conninfo, *options) as result:
        yield result


ANN = {"X-Forwarded-User": "ann.support", "X-Accounts": "acme"}
ALL = {"X-Forwarded-User": "auditor", "X-Accounts": "*"}


def test_a_visitor_sees_their_accounts_and_no_sign_of_others(guarded: Console) -> None:
    other = {"account": HOSTILE_KEY}
    assert guarded.get("account", headers=ALL, **other).status == 200
    hidden = guarded.get("account.json", headers=ANN, **other)
    absent = guarded.get("account.json", headers=ANN, account="nope")
    assert (hidden.status, absent.status) == (404, 404)
    assert hidden.json()["code"] == absent.json()["code"]
    rows = guarded.get("accounts.json", headers=ANN).json()["rows"]
    assert [row["account"] for row in rows] == ["acme"]
    assert guarded.get("search.json", headers=ANN, q="zed").json()["rows"] == []
    zed = guarded.get("search.json", headers=ALL, q="zed").json()["rows"][0]
    query = {"account": zed["account"], "user": "zed"}
    assert guarded.get("user", headers=ANN, **query).status == 404
    assert guarded.get("events", headers=ANN).status == 404
    every = guarded.get("events.json", headers=ALL).json()["rows"]
    theirs = next(r["position"] for r in every if r["account"] == HOSTILE_KEY)
    assert guarded.get("event", headers=ANN, position=theirs).status == 404
    assert guarded.get("search.json", headers=ANN, q=f"#{theirs}").json()["rows"] == []


def test_a_page_of_users_begins_nowhere_by_an_entry_of_others(guarded: Console) -> None:
    theirs = {"account": HOSTILE_KEY}
    every = guarded.get("events.json", headers=ALL, **theirs).json()["rows"]
    last = max(every, key=lambda row: row["effective_at"])["position"]
    own = guarded.get("users", headers=ANN, account="acme")
    after = guarded.get("users", headers=ANN, account="acme", after=last)
    assert "grace@acme.test" in own.text
    assert "grace@acme.test" in after.text


def test_accounts_are_named_percent_encoded(guarded: Console) -> None:
    named = {**ANN, "X-Accounts": f"nope {urllib.parse.quote(HOSTILE_KEY)}"}
    assert guarded.get("account", headers=named, account=HOSTILE_KEY).status == 200
    assert guarded.get("account", headers=named, account="acme").status == 404


@pytest.mark.parametrize(
    "headers", [{}, {"X-Forwarded-User": " "}, {"X-Accounts": "*"}]
)
def test_without_a_name_nobody_is_let_in(
    guarded: Console, headers: dict[str, str]
) -> None:
    result = guarded.get("accounts.json", headers=headers)
    assert result.status == 403
    assert "acme" not in result.text


def test_without_accounts_nothing_is_seen(guarded: Console) -> None:
    named = {"X-Forwarded-User": "ann"}
    assert guarded.get("accounts.json", headers=named).json()["rows"] == []
    assert guarded.get("account", headers=named, account="acme").status == 404


def test_the_log_names_who_read_and_not_what(guarded: Console) -> None:
    named = {**ANN, "X-Forwarded-User": "judy"}
    guarded.get("search", headers=named, q="ann@acme.test")
    line = wait_until(lambda: next((m for m in guarded.log if "judy" in m), ""))
    message = json.loads(line)
    assert (message["path"], message["status"]) == ("/search", 200)
    assert not any("ann@" in message for message in guarded.log)
    assert not any("password" in message for message in guarded.log)


def test_from_elsewhere_than_the_proxy_nobody_is_let_in(
    written: Filled,
) -> None:
    with serving(written.conninfo, "--trusted-proxy", "192.0.2.0/24") as result:
        assert result.get("accounts", headers=ALL).status == 403


def test_redacted_pages_name_nobody(written: Filled) -> None:
    with serving(written.conninfo, "--redact", "--no-catch-up") as result:
        users = result.get("users.json", account="acme").json()["rows"]
        pages = {**PAGES, "user": {"account": "acme", "user": users[0]["user"]}}
        for page, params in pages.items():
            for ending in ("", ".json", ".csv"):
                answer = result.get(page + ending, **params)
                assert answer.status == 200, (page, answer.text)
                for name in ("Jansen", "Hopper", "@acme.test"):
                    assert name not in answer.text, (page, ending, name)
        assert result.get("search.json", q="jansen").json()["rows"] == []
        assert result.get("user", account="acme", user="ann").status == 404
        assert users[0]["email"] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--host", "0.0.0.0"], "anybody could read"),
        (["--accounts-header", "X-A"], "needs a --trusted-proxy"),
        (["--trusted-proxy", "here"], "not an address or network"),
    ],
)
def test_an_unsafe_start_is_refused(
    written: Filled, options: list[str], message: str
) -> None:
    with (
        pytest.raises(AssertionError, match=message),
        serving(written.conninfo, *options),
    ):
        pass


def test_what_pages_load_has_the_digest_that_they_name(console: Console) -> None:
    page = console.get("search").text
    named = dict(re.findall(r'="(/static/[^"]+)" integrity="sha256-([^"]+)"', page))
    assert len(named) == 2
    icon = re.search(r'<link rel="icon"[^>]*href="([^"]+)"', page)
    assert icon is not None
    assert (
        console.open(console.url + icon[1]).headers["Content-Type"] == "image/svg+xml"
    )
    for address, digest in named.items():
        result = console.open(console.url + address).text.encode()
        assert base64.b64encode(hashlib.sha256(result).digest()).decode() == digest


def test_what_may_not_be_seen_is_answered_as_if_it_were_not_there(
    guarded: Console,
) -> None:
    every = guarded.get("events.json", headers=ALL).json()["rows"]
    theirs = next(r["position"] for r in every if r["account"] == HOSTILE_KEY)
    cases = [
        ("account", {"account": HOSTILE_KEY}, {"account": "nobody"}),
        ("users", {"account": HOSTILE_KEY}, {"account": "nobody"}),
        ("event", {"position": theirs}, {"position": 10**17}),
        ("invoice", {"invoice": INVOICE}, {"invoice": "nothing"}),
    ]
    other = {**ANN, "X-Accounts": "else"}
    for page, hidden, absent in cases:
        report = []
        for query in (hidden, absent):
            headers = other if page == "invoice" else ANN
            result = guarded.get(f"{page}.json", headers=headers, **query)
            (name,) = query.values()
            message = result.json()["message"].replace(shown(name).strip("'"), "…")
            report.append((result.status, {**result.json(), "message": message}))
        assert report[0] == report[1]
        assert report[0][0] == 404


def test_a_page_that_is_not_there_keeps_the_moments_and_the_language(
    console: Console,
) -> None:
    stored = {"as_of": "2025-03-10T12:00:00Z", "known_at": "80", "lang": "nl"}
    page = console.get("account", account="nope", **stored)
    assert page.status == 404
    links = re.findall(r'<a class="brand" href="([^"]+)"|<a href="(/[^"]+)"', page.text)
    addresses = [html.unescape(item or two) for item, two in links]
    assert len(addresses) >= 3
    for address in addresses:
        query = urllib.parse.urlsplit(address).query
        assert {"as_of", "known_at"} <= urllib.parse.parse_qs(query).keys(), address
    assert page.text.count('<input type="hidden" name="as_of"') == 1
    unread = console.get("account", account="acme", as_of="soon", lang="nl")
    assert '<a class="brand" href="/attention?lang=nl">' in unread.text
    assert 'href="/accounts?lang=nl"' in unread.text


def test_only_what_is_there_may_be_retained_by_a_browser(console: Console) -> None:
    assert console.get("static/nowhere").headers["Cache-Control"] == "no-store"
    assert console.get("search", method="HEAD").status == 200
    assert console.get("search", method="PUT").headers["Allow"] == "GET, HEAD"


def test_catching_up_goes_on_after_a_restore_that_it_met_half_way(
    database: str,
) -> None:
    """The schema was away for a while: it is told once, and tried again."""
    with serving(database, "--quiet") as console:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("ALTER SCHEMA ledger RENAME TO away")
            connection.execute("ALTER SCHEMA projection RENAME TO projection_away")
            wait_until(lambda: any("catch_up_stopped" in item for item in console.log))
            connection.execute("ALTER SCHEMA projection_away RENAME TO projection")
            connection.execute("ALTER SCHEMA away RENAME TO ledger")
        filled(database)
        message = "behind the store"
        wait_until(lambda: message not in console.get("events", account="acme").text)
        assert "Ann Jansen" in console.get("users", account="acme").text
    assert sum("catch_up_stopped" in item for item in console.log) == 1


def test_idle_seats_are_priced_by_the_address_and_state_what_is_not(
    console: Console,
) -> None:
    page = console.get("idle", **PAGES["idle"], as_of=MOMENT).text
    assert "61 seats are paid for and held by nobody." in page
    assert "2 seats are not priced." in page
    rows = console.get("idle.json", **PAGES["idle"], as_of=MOMENT).json()["rows"]
    first = next(row for row in rows if row["amount"])
    assert f">{first['amount']}</td>" in page
    bad = console.get("idle", account="acme", unit_price="dear")
    assert (bad.status, "is not a price" in bad.text) == (400, True)


def test_the_price_field_prices_a_period_its_parts_and_a_comparison(
    console: Console,
) -> None:
    """R90: what is typed goes before the invoice's price, and stays in the links."""
    typed = {"unit_price": f"{PRO}=45.50", "currency": "EUR"}
    page = console.get("period", **PAGES["period"], **typed).text
    assert f"{PRO}: 45.50 EUR, as typed here" in page
    assert "service/starter: 18.00 EUR, as invoiced" in page
    assert f"unit_price={PRO.replace('/', '%2F')}%3D45.50" in page
    rows = console.get("period.json", **PAGES["period"], **typed).json()["rows"]
    assert {row["unit_price"] for row in rows if row["seat_type"] == PRO} == {"45.50"}
    figure = console.get("explain.json", **PAGES["explain"], **typed).json()["figure"]
    assert figure["unit_price"] == "45.50"
    compared = console.get("compare.json", **PAGES["compare"], **typed).json()["rows"]
    of_pro = [row for row in compared if row["seat_type"] == PRO]
    assert of_pro
    assert all(row["currency"] == "EUR" for row in of_pro)
    assert any(row["amount_difference"] for row in of_pro)
    report = console.get("report.html", **PAGES["period"], **typed)
    assert "45.50" in report.text
    for page in ("period", "explain", "compare"):
        bad = console.get(page, **PAGES[page], unit_price="dear")
        assert (bad.status, "is not a price" in bad.text) == (400, True)


def test_renewals_lead_to_the_seats_that_nobody_holds(console: Console) -> None:
    page = console.get("renewals", as_of=MOMENT).text
    assert "2 contracts renew." in page
    assert "/idle?account=acme" in page
    none = console.get("renewals", as_of=MOMENT, within="30d").text
    assert "No contract renews in that time." in none
    assert 'aria-current="true">30 days' in none
    assert console.get("renewals", within="soon").status == 400


def test_what_changed_begins_at_the_last_invoice(console: Console) -> None:
    cut_off = console.get("invoice.json", invoice=INVOICE).json()["cut_off"]
    document = console.get("compare.json", account="acme").json()
    assert document["between"][0]["position"] == cut_off
    page = console.get("compare", account="acme").text
    assert "As on invoice" in page
    assert f"entry {cut_off}" in page


BILLED = {
    "seat": ({"account": "acme", "seat": f"{PRO}#1"}, 12, "2025-03-05"),
    "user": ({"account": "acme", "user": "ann"}, 4, "2025-06-05"),
}
"""Of a seat under contract to this day; and of one held from March into June."""


@pytest.mark.parametrize("page", BILLED)
def test_a_seat_and_a_user_lead_to_the_periods_they_were_billed_in(
    console: Console, page: str
) -> None:
    fields, count, label = BILLED[page]
    whole = console.get(page, **fields, lang="nl")
    assert whole.status == 200, console.log
    text = html.unescape(whole.text)
    section = text.partition("<h2>Factuurperioden")[2]
    links = re.findall('href="(/explain[^"]*sales%2Fprofessional[^"]*)"', section)
    assert len(links) == count  # of the type: other tests give ann other seats
    periods = [urllib.parse.parse_qs(link)["period"][0] for link in links]
    assert periods == sorted(periods, reverse=True)
    assert (label in periods) == (page == "user")
    answer = console.open(console.url + links[-1])
    assert answer.status == 200
    assert f"{PRO}#1" in answer.text
