"""A console over a small ledger with friendly and hostile names, and its address."""

from __future__ import annotations

import html
import io
import json
import re
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from program import PRO, PROGRAM, Program

from seat_ledger.commands.service import CommandService
from tests.integration.tables import catch_up
from tests.support.named_commands import unusable
from tests.support.waiting import AT_MOST, wait_for_end

HOSTILE = "<img src=x onerror=\"document.title='taken'\">'&{{7*7}}\u202e"
HOSTILE_KEY = "<b>'\"&?;=+%2F..\u202e"
INVOICE = "INV/7 <i>"
PRICES = {PRO: "90.00", "service/starter": "18.00"}

PAGES: dict[str, dict[str, Any]] = {
    "attention": {},
    "search": {"q": "ann"},
    "accounts": {},
    "account": {"account": "acme"},
    "seats": {"account": "acme"},
    "seat": {"account": "acme", "seat": f"{PRO}#1"},
    "who": {"account": "acme", "seat": f"{PRO}#1"},
    "users": {"account": "acme"},
    "user": {"account": "acme", "user": "ann"},
    "events": {"account": "acme"},
    "event": {"position": 70},
    "periods": {"account": "acme"},
    "period": {"account": "acme", "period": "2025-03-05"},
    "explain": {"account": "acme", "period": "2025-03-05", "seat_type": PRO},
    "invoices": {},
    "invoice": {"invoice": INVOICE},
    "audit": {"invoice": INVOICE},
    "renewals": {},
    "idle": {"account": "acme", "unit_price": f"{PRO}=90.00", "currency": "EUR"},
    "compare": {"account": "acme", "before": "20"},
    "findings": {"all": "1"},
    "check": {},
    "projections": {},
}
"""Something to ask of each page about the story."""


def story() -> list[dict[str, Any]]:
    """Facts of two accounts; what is recorded last comes late."""

    def text(op: str, at: str, account: str = "acme", **fields: Any) -> dict[str, Any]:
        return {"op": op, "account": account, **fields, "effective_at": at}

    def opened(account: str, name: str) -> dict[str, Any]:
        zone = {"time_zone": "Europe/Amsterdam", "term_start": "2025-03-05"}
        terms = {"term_months": 12, "billing_cycle_months": 1}
        return {"op": "open_account", "account": account, "name": name, **zone, **terms}

    def person(user: str, name: str, account: str = "acme") -> dict[str, Any]:
        domain = account if account.isalnum() else "elsewhere"
        mail = f"{user if user.isalnum() else 'odd'}@{domain}.test"
        return text("add_user", "2025-03-05", account, user=user, email=mail, name=name)

    def seat(
        op: str, at: str, user: str, account: str = "acme", **remaining: Any
    ) -> Any:
        return text(op, at, account, user=user, seat_type=PRO, **remaining)

    return [
        opened("acme", "Acme BV"),
        opened(HOSTILE_KEY, HOSTILE),
        text("buy_seats", "2025-03-05", seat_type=PRO, quantity=60),
        text("buy_seats", "2025-03-20", seat_type="service/starter", quantity=2),
        person("ann", "Ann Jansen"),
        person("grace", "Grace Hopper"),
        person(HOSTILE_KEY, HOSTILE),
        seat("assign_seat", "2025-03-06 09:00", "ann", reason="onboarding"),
        seat("unassign_seat", "2025-06-18 14:00", "ann", reason="left the team"),
        seat("assign_seat", "2025-07-01 09:00", "grace", reason=f"{HOSTILE} rehire"),
        seat("assign_seat", "2025-07-02 09:00", HOSTILE_KEY),
        text("reduce_seats", "2025-08-01", seat_type=PRO, quantity=3),
        text("buy_seats", "2025-03-05", HOSTILE_KEY, seat_type=PRO, quantity=1),
        person("zed", HOSTILE, HOSTILE_KEY),
        seat("assign_seat", "2025-03-07", "zed", HOSTILE_KEY),
        {
            "op": "issue_invoice",
            "account": "acme",
            "invoice": INVOICE,
            "period": "2025-03-05",
            "unit_prices": PRICES,
            "currency": "EUR",
        },
        FINDING,
    ]


FINDING = {
    "op": "open_finding",
    "account": "acme",
    "invoice": "VENDOR-1",
    "period": "2025-03-05",
    "product": PRO,
    "verdict": "over",
    "cause": "wrong_at_issue",
    "invoiced_quantity": "62",
    "ledger_quantity": "60",
    "difference": "180.00",
    "currency": "EUR",
    "known_at": 20,
}
LATE = {
    "op": "batch",
    "account": "acme",
    "reason": "the first day was a Monday",
    "commands": [
        {"op": "assign_seat", "user": "ann", "seat_type": "service/starter"},
        {"op": "unassign_seat", "user": "ann", "seat_type": "service/starter"},
    ],
}
"""Recorded after all else, and effective long before: at two dates given below."""


def late() -> dict[str, Any]:
    first, second = LATE["commands"]
    return {
        **LATE,
        "commands": [
            {**first, "effective_at": "2025-04-01"},
            {**second, "effective_at": "2025-04-03"},
        ],
    }


class Filled(NamedTuple):
    """A ledger with the story in it, and the position that it ends at."""

    conninfo: str
    head: int


def filled(conninfo: str) -> Filled:
    """Record the story, and have all of it in the tables before anything is asked."""
    done = Program(conninfo).lines(*story())
    assert done.returncode == 0, done.stderr
    last = json.loads(done.stdout)["rows"][-1]
    catch_up(conninfo)
    return Filled(conninfo, last["positions"][-1])


def record(conninfo: str, command: dict[str, Any]) -> list[int]:
    with CommandService(conninfo) as ledger:
        return list(ledger.execute(command, default_actor="system:test").positions)


class Answered(NamedTuple):
    status: int
    text: str
    headers: Any

    def json(self) -> Any:
        return json.loads(self.text)

    def in_words(self) -> str:
        """What a failure says, as a page or as JSON."""
        if "json" in (self.headers["Content-Type"] or "") and self.text:
            failure = self.json()
            return f"{failure['message']} {failure['try'] or ''}"
        return html.unescape(re.sub("<[^>]*>", "   ", self.text))


def text_of(answer: Any) -> str:
    """The text of an answer; of a workbook that of everything in it."""
    content = answer.read()
    if "spreadsheet" not in answer.headers["Content-Type"] or not content:
        return str(content.decode())
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        return "".join(book.read(name).decode() for name in book.namelist())


class Console:
    """A running console: its address, its log, and the ledger's connection string."""

    def __init__(self, url: str, conninfo: str, log: list[str]) -> None:
        self.url, self.conninfo, self.log = url, conninfo, log

    def address(self, page: str, **params: object) -> str:
        query = urllib.parse.urlencode(params)
        return f"{self.url}/{page}" + (f"?{query}" if query else "")

    def get(
        self,
        page: str,
        *,
        headers: dict[str, str] | None = None,
        method: str = "GET",
        **params: object,
    ) -> Answered:
        return self.open(self.address(page, **params), headers, method)

    def open(
        self, url: str, headers: dict[str, str] | None = None, method: str = "GET"
    ) -> Answered:
        request = urllib.request.Request(url, headers=headers or {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=AT_MOST) as answer:
                return Answered(answer.status, text_of(answer), answer.headers)
        except urllib.error.HTTPError as error:
            answered = Answered(error.code, error.read().decode(), error.headers)
            assert unusable(answered.in_words()) == []
            return answered

    def send(
        self,
        content: bytes,
        name: str = "bill.csv",
        headers: dict[str, str] | None = None,
        params: dict[str, object] | None = None,
        **fields: str,
    ) -> Answered:
        """Send a file as the form of its page does."""
        if "token" not in fields:
            page = self.get("check", headers=headers, **(params or {})).text
            (fields["token"],) = re.findall(r'name="token" value="([^"]*)"', page)
        cut = "----cut"
        parts = [
            f'--{cut}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{text}\r\n'
            for key, text in fields.items()
        ]
        begin = (
            f'--{cut}\r\nContent-Disposition: form-data; name="file"; '
            f'filename="{name}"\r\nContent-Type: text/csv\r\n\r\n'
        )
        body = (
            "".join([*parts, begin]).encode() + content + f"\r\n--{cut}--\r\n".encode()
        )
        own = {
            "Content-Type": f"multipart/form-data; boundary={cut}",
            "Origin": self.url,
            **(headers or {}),
        }
        request = urllib.request.Request(
            self.address("check", **(params or {})), body, own, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=AT_MOST) as answer:
                return Answered(answer.status, answer.read().decode(), answer.headers)
        except urllib.error.HTTPError as error:
            return Answered(error.code, error.read().decode(), error.headers)

    def output_of(self, *words: Any) -> dict[str, Any]:
        """What the command line says to the same question."""
        return Program(self.conninfo).json(*words)


@contextmanager
def serving(conninfo: str, *options: str) -> Iterator[Console]:
    """The real command on a free port; stopped at the end."""
    command = [PROGRAM, "serve", "--port", "0", "--database", conninfo, *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    log: list[str] = []
    url = ""
    for line in process.stderr:
        log.append(line)
        if line.startswith("Serving on "):
            url = line.split()[2].rstrip("/")
            break
    assert url, log
    reading = threading.Thread(target=log.extend, args=(process.stderr,), daemon=True)
    reading.start()
    try:
        yield Console(url, conninfo, log)
    finally:
        process.terminate()
        process.wait(AT_MOST)
        wait_for_end([reading])
        process.stderr.close()
