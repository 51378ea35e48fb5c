"""Whatever may be written freely, by any operation, leaves by no redacted outlet."""

from __future__ import annotations

import html
import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import click
import pytest

from seat_ledger.cli.api.endpoints import Endpoint, endpoints
from seat_ledger.commands.messages import OPERATIONS
from tests.api.api_server import Client, Replied
from tests.api.api_server import serving as serving_api
from tests.console.served import PAGES, Console, serving
from tests.console.test_redaction import addresses_in
from tests.in_process import Program
from tests.support import marked
from tests.support.marked import ANN, BOB, INVOICE, MARK, PRO, MarkedLedger, mark

USERS = ("user-9", "user-10")
VALUES: dict[str, tuple[str, ...]] = {
    "account": ("acme",),
    "as_of": ("2025-03-23",),
    "finding": ("1",),
    "invoice": (INVOICE, "INV-2"),
    "known_at": ("20", "40"),
    "period": ("2025-03-05", "2025-04-05"),
    "seat": (f"{PRO}#1", f"{PRO}#2"),
    "seat_type": (PRO,),
    "unit_price": (f"{PRO}=90.00",),
    "user": USERS,
}
"""Something to ask by; what is not here is asked by a mark, or each of its choices."""
TIMES = {"since", "until", "during", "from", "after", "within"}


@pytest.fixture(scope="module")
def ledger(
    shared_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MarkedLedger]:
    monkeypatch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("marked")
    monkeypatch.setenv("SEAT_LEDGER_HOME", str(folder / "home"))
    result = MarkedLedger(shared_database).record()
    assert Program(shared_database, folder).run("projection", "run").status == 0
    yield result
    monkeypatch.undo()


def test_every_operation_and_each_of_its_texts_is_marked(ledger: MarkedLedger) -> None:
    recorded = {command["op"] for command in marked.story()}
    assert recorded == {op for op, each in OPERATIONS.items() if each.IN_FILE}
    for op in recorded - {"batch"}:
        assert {(op, "reason"), (op, "actor"), (op, "idempotency_key")} <= {
            *ledger.places,
            *((op, "actor") for op in recorded),  # some act as a user
        }
    assert {("rename_user", "new_user"), ("note_finding", "note")} <= ledger.places
    assert {("observe_snapshot", "source"), ("open_finding", "product")} <= (
        ledger.places
    )


def values_of(name: str, param: click.Parameter) -> tuple[str, ...]:
    if isinstance(param, click.Option) and param.is_flag:
        return ("true",)
    if isinstance(param.type, click.Choice):
        return tuple(map(str, param.type.choices))
    if param.type.name.startswith("integer"):
        return tuple(map(str, range(1, 60))) if name == "position" else ("1",)
    return VALUES.get(name, (MARK,))


def questions(endpoint: Endpoint) -> Iterator[dict[str, Any]]:
    """What an address may be asked: what it needs, and each of the rest in turn."""
    values = {name: values_of(name, param) for name, param in endpoint.params.items()}
    needed = [name for name, param in endpoint.params.items() if param.required]
    bases = [
        dict(zip(needed, chosen, strict=True))
        for chosen in itertools.product(*(values[name] for name in needed))
    ]
    with_account = {"account": "acme"} if "account" in values else {}
    for base in bases:
        yield {**with_account, **base}
        yield {**with_account, **base, "format": "csv"}
    yield bases[0]
    for name in values.keys() - set(needed):
        for value in values[name]:
            yield {**with_account, **bases[0], name: value}


def without(text: str, question: dict[str, Any]) -> str:
    """An answer without what it was asked by."""
    for value in question.values():
        text = text.replace(value, "~") if MARK in value else text
    return html.unescape(text).casefold()


def test_no_answer_of_a_redacted_api_holds_a_text_of_a_person(
    ledger: MarkedLedger,
) -> None:
    answering = set()
    with serving_api(ledger.conninfo, redact=True) as client:
        for path, endpoint in endpoints().items():
            for question in questions(endpoint):
                answer = client.ask(path, **question)
                assert answer.status < 500, (path, question, answer.text)
                assert MARK not in without(answer.text, question), (path, question)
                if answer.status == 200:
                    answering.add(endpoint.words)
    every = {endpoint.words for endpoint in endpoints().values()}
    assert every - answering == {"billing compare"}  # which needs two moments


def guessed(client: Client, path: str, question: dict[str, Any], text: str) -> Replied:
    answer = client.ask(path, **question)
    shown = answer.text.replace(text.removeprefix("user:"), "~")
    return answer._replace(text=shown, headers=None)


def test_no_hidden_text_can_be_guessed_at_a_redacted_api(ledger: MarkedLedger) -> None:
    """By whatever parameter: what is there is answered like what is nowhere."""
    texts = [
        *(BOB, f"mail.{BOB}", f"Name {BOB}", f"user:{BOB}", f"user:{ANN}"),
        *(mark("rename_user", "new_user"), mark("open_account", "name")),
        *(mark("buy_seats", place) for place in ("reason", "idempotency_key")),
        "system:" + mark("buy_seats", "actor"),
    ]
    with serving_api(ledger.conninfo, redact=True) as client:
        for path, endpoint in endpoints().items():
            at = {"as_of": "2026-06-01", "known_at": "40"}
            at = {name: value for name, value in at.items() if name in endpoint.params}
            for name, param in endpoint.params.items():
                is_text = isinstance(param.type, click.types.StringParamType)
                if not is_text or name in {*at, *TIMES, "columns"}:
                    continue
                base = {**next(questions(endpoint)), **at}
                base |= {"account": "acme"} if "account" in endpoint.params else {}
                for text in texts:
                    nowhere = text.replace(MARK, "nowhere")
                    answer = guessed(client, path, {**base, name: text}, text)
                    other = guessed(client, path, {**base, name: nowhere}, nowhere)
                    assert answer == other, (path, name, text)


def addresses(console: Console) -> Iterator[str]:
    """Every page in every form, and a few addresses of each kind that lead on."""
    waiting = [
        console.address(page, **params).removeprefix(console.url)
        for page, params in PAGES.items()
    ]
    waiting += [f"/event?position={n}" for n in range(1, 60)]
    seen: Counter[tuple[str, ...]] = Counter()
    while waiting:
        address = waiting.pop()
        path, _, query = address.partition("?")
        kind = (path, *sorted(dict(parse_qsl(query))))
        if seen[kind] >= (60 if path == "/event" else 2):
            continue
        seen[kind] += 1
        yield address
        if "." not in path and seen[kind] == 1:
            yield f"{path}.json?{query}"
            waiting += sorted(addresses_in(console.open(console.url + address).text))


def test_no_page_of_a_redacted_console_holds_a_text_of_a_person(
    ledger: MarkedLedger,
) -> None:
    statuses = Counter[int]()
    with serving(ledger.conninfo, "--no-catch-up", "--redact") as console:
        for address in addresses(console):
            answer = console.open(console.url + address)
            statuses[answer.status] += 1
            assert MARK not in html.unescape(answer.text).casefold(), address
    assert statuses[200] > 100


def test_no_text_of_a_person_goes_to_subscribers_or_into_a_lake(
    ledger: MarkedLedger, tmp_path: Path
) -> None:
    program = Program(ledger.conninfo, tmp_path)
    done = program.run("events", "follow", "--after", "0", "--until-head")
    assert len(done.out.splitlines()) > 40
    assert MARK not in done.out.casefold()
    parquet = pytest.importorskip("pyarrow.parquet")
    assert program.run("lake", "export", tmp_path / "lake").status == 0
    files = [file for file in (tmp_path / "lake").rglob("*") if file.is_file()]
    for file in files:
        assert MARK.encode() not in file.read_bytes().lower(), file
        if file.suffix == ".parquet":
            rows = parquet.read_table(file).to_pylist()
            assert len(rows) > 40
            assert MARK not in str(rows).casefold(), file


def test_what_names_people_is_not_recorded_through_a_redacted_api(
    ledger: MarkedLedger, tmp_path: Path
) -> None:
    """A refusal names who has the seat, and a record whom it is about."""
    program = Program(ledger.conninfo, tmp_path)
    done = program.run("serve", "--api", "--redact", "--allow-writes")
    assert done.status == 2
    assert "--redact excludes --allow-writes" in done.err
