"""The real command seals, finds tampering, and proves without a database."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from seat_ledger.commands.service import CommandService
from tests.api.api_server import serving
from tests.program import run_program


class Auditor:
    """Runs the program with a home of its own."""

    def __init__(self, home: Path, conninfo: str | None) -> None:
        self.home = home
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "SEAT_LEDGER_HOME": str(home),
        }
        if conninfo:
            self.environment["SEAT_LEDGER_DATABASE_URL"] = conninfo

    def run(self, *words: Any) -> subprocess.CompletedProcess[str]:
        return self.any("integrity", *words)

    def any(self, *words: Any) -> subprocess.CompletedProcess[str]:
        return run_program(words, self.environment)

    def json(self, *words: Any, status: int = 0) -> dict[str, Any]:
        done = self.run(*words, "--format", "json")
        assert done.returncode == status, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def auditor(ledger: CommandService, tmp_path: Path) -> Auditor:
    ledger.open_account(
        "acme",
        name="Acme BV",
        time_zone="Europe/Amsterdam",
        term_start="2025-03-05",
        term_months=12,
        billing_cycle_months=1,
    )
    ledger.buy_seats(
        "acme",
        seat_type="sales/professional",
        quantity=9,
        effective_at="2025-03-05T12:00:00Z",
    )
    return Auditor(tmp_path / "home", ledger.accounts.conninfo)


def test_seal_verify_tamper_verify(auditor: Auditor) -> None:
    refused = auditor.run("verify")
    assert (refused.returncode, "integrity seal" in refused.stderr) == (1, True)
    first = auditor.run("seal", "--name", "ledger.example.com/seats")
    assert "Sealed 10 new events; now 10 events, up to position 10" in first.stdout
    (key,) = auditor.home.rglob("integrity.key")
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.read_text().split("+")[-1] not in first.stdout + first.stderr
    assert auditor.json("seal")["rows"][0]["added"] == 0
    result = auditor.json("verify")
    assert (result["events"], result["sealed"], result["elsewhere"]) == (10, 10, 0)
    with psycopg.connect(auditor.environment["SEAT_LEDGER_DATABASE_URL"]) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "UPDATE ledger.stored_events SET recorded_at = recorded_at - interval "
            "'1 day' WHERE notification_id = 4"
        )
    result = auditor.json("verify", status=3)
    assert [(row["kind"], row["position"]) for row in result["rows"]] == [
        ("altered", 4),
        ("checkpoint", 1),
    ]
    assert "later events" not in auditor.run("verify").stdout  # all are sealed
    assert auditor.run("prove", 4).returncode == 3


def test_a_public_key_that_cannot_be_read_is_named_with_a_way_out(
    tmp_path: Path,
) -> None:
    empty = tmp_path / "integrity.pub"
    empty.touch()
    for key in (empty, tmp_path / "missing", "no+key"):
        stranger = Auditor(tmp_path, None)
        done = stranger.run("check-proof", "/dev/null", "--public-key", key)
        assert done.returncode == 2
        assert str(key) in done.stderr
        assert "Try: restore the file" in done.stderr


def test_a_proof_is_checked_with_the_public_key_and_nothing_else(
    auditor: Auditor, tmp_path: Path
) -> None:
    auditor.run("seal")
    public = auditor.run("key").stdout.strip()
    file, growth = tmp_path / "proof.json", tmp_path / "growth.json"
    assert auditor.run("prove", 7, "--output", file).returncode == 0
    (stored,) = auditor.home.rglob("checkpoint")
    assert auditor.run("prove", "--since", stored, "--output", growth).returncode == 0
    stranger = Auditor(tmp_path / "stranger", None)
    shown = stranger.json("check-proof", file, "--public-key", public)["rows"][0]
    assert (shown["position"], shown["topic"], shown["events"]) == (
        7,
        "SeatPurchased",
        10,
    )
    assert json.loads(shown["state"])["number"] == 6
    assert stranger.run("check-proof", growth, "--public-key", public).returncode == 0
    file.write_text(file.read_text().replace("sales", "other"))
    broken = stranger.run("check-proof", file, "--public-key", public)
    assert (broken.returncode, "not the one that was sealed" in broken.stderr) == (
        3,
        True,
    )
    assert not (tmp_path / "stranger").exists()


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["check-proof", "/nonexistent", "--public-key", "x+00000000+AAAA"], 2),
        (["check-proof", "/dev/null", "--public-key", "x+00000000+AAAA"], 2),
        (["check-proof", "/dev/null", "--public-key", "/nonexistent"], 2),
        (["check-proof", "/dev/null"], 3),
        (["prove"], 2),
        (["prove", "0"], 2),
        (["prove", "3", "--since", "4"], 2),
        (["prove", "--since", "/dev/null"], 1),
        (["seal", "--name", "two words"], 2),
        (["seal", "--key", "/proc/nowhere/key"], 1),
        (["verify", "--witness", "/nonexistent", "--public-key", "/nonexistent"], 2),
    ],
)
def test_bad_input_is_reported_in_a_sentence(
    auditor: Auditor, words: list[str], status: int
) -> None:
    done = auditor.run(*words)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    assert "bug" not in done.stderr


ISSUE = ("invoice", "issue", "INV-7", "-a", "acme", "--period", "2025-03-05")
PRICE = ("--unit-price", "sales/professional=90.00", "--currency", "EUR")
SHOW = ("invoice", "show", "INV-7", "--format", "json")


def test_an_invoice_carries_the_checkpoint_that_its_knowledge_is_sealed_in(
    auditor: Auditor,
) -> None:
    done = auditor.any(*ISSUE, *PRICE)
    assert done.returncode == 0, done.stderr
    assert "A new sealing key is in" in done.stderr
    shown = auditor.any(*SHOW).stdout
    text = json.loads(shown)
    assert text["cut_off"] <= text["checkpoint"]["events"] < text["position"]
    (stored,) = auditor.home.rglob("checkpoint-*")
    assert stored.read_text().split("\n")[1] == str(text["checkpoint"]["events"])
    root = base64.b64decode(stored.read_text().split("\n")[2])
    assert text["checkpoint"]["root"] == root.hex()
    assert auditor.any("invoice", "reproduce", "INV-7").returncode == 0
    auditor.run("seal")
    grown = auditor.run("prove", "--since", text["checkpoint"]["events"])
    assert grown.returncode == 0, grown.stderr


def test_an_invoice_is_issued_without_a_checkpoint_where_another_key_seals(
    auditor: Auditor, tmp_path: Path
) -> None:
    auditor.run("seal", "--key", tmp_path / "other.key")
    done = auditor.any(*ISSUE, *PRICE)
    assert (done.returncode, "carries no checkpoint" in done.stderr) == (0, True)
    assert json.loads(auditor.any(*SHOW).stdout)["checkpoint"] is None
    assert not list(auditor.home.rglob("integrity.key"))


SERVED = """
import json, os, sys
from seat_ledger import SeatLedger
with SeatLedger.open(os.environ["SEAT_LEDGER_DATABASE_URL"]) as ledger:
    ledger.issue_invoice("acme", **json.loads(sys.argv[1]))
"""


@pytest.mark.parametrize("by", ["http", "python"])
def test_who_serves_others_seals_an_invoice_with_a_key_that_is_there_and_makes_none(
    auditor: Auditor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """Each copy of a server would make one, in a folder that may go with it."""
    conninfo = auditor.environment["SEAT_LEDGER_DATABASE_URL"]
    server = tmp_path / "server"
    monkeypatch.setenv("SEAT_LEDGER_HOME", str(server))
    monkeypatch.setenv("SEAT_LEDGER_DATABASE_URL", conninfo)
    token = ("token", "create", "--actor", "system:shop", "--role", "writer")
    (row,) = json.loads(auditor.any(*token, "--format", "json").stdout)["rows"]

    def issue(invoice: str, period: str) -> Any:
        prices = {"sales/professional": "90.00"}
        fields = {"invoice": invoice, "period": period, "currency": "EUR"}
        fields |= {"unit_prices": prices}
        if by == "http":
            command = {"op": "issue_invoice", "account": "acme", **fields}
            with serving(conninfo, writes=True) as client:
                client.headers = {"Authorization": f"Bearer {row['token']}"}
                assert client.post(command).status == 201
        else:
            words = [sys.executable, "-c", SERVED, json.dumps(fields)]
            subprocess.run(words, check=True)
        shown = auditor.any("invoice", "show", invoice, "--format", "json").stdout
        return json.loads(shown)["checkpoint"]

    assert issue("A-1", "2025-03-05") is None
    assert not list(tmp_path.rglob("integrity.key"))
    assert auditor.run("seal").returncode == 0  # so that whoever keeps the key can
    (key,) = auditor.home.rglob("integrity.key")
    assert issue("A-2", "2025-04-05") is None
    monkeypatch.setenv("SEAT_LEDGER_INTEGRITY_KEY", str(key))
    assert issue("A-3", "2025-05-05")["events"] > 10
    assert list(tmp_path.rglob("integrity.key")) == [key]
    assert auditor.run("verify").returncode == 0


def test_no_invoice_is_issued_from_a_ledger_that_does_not_continue_what_was_sealed(
    auditor: Auditor,
) -> None:
    auditor.run("seal")
    for stored in auditor.home.rglob("checkpoint"):
        stored.write_text(stored.read_text().replace("\n10\n", "\n11\n"))
    done = auditor.any(*ISSUE, *PRICE)
    assert (done.returncode, "Nothing was sealed" in done.stderr) == (3, True)
    assert auditor.any(*SHOW).returncode == 1


@pytest.mark.parametrize("expected", [{}, {"expect": "refused"}])
def test_an_import_goes_on_past_an_invoice_that_cannot_be_sealed(
    auditor: Auditor, tmp_path: Path, expected: dict[str, str]
) -> None:
    """It is the failure of one line, whatever the cause, and no refusal by rule."""
    auditor.run("seal")
    for stored in auditor.home.rglob("checkpoint"):
        stored.write_text(stored.read_text().replace("\n10\n", "\n11\n"))
    buy = {"op": "buy_seats", "account": "acme", "seat_type": "sales/professional"}
    issue = {"op": "issue_invoice", "account": "acme", "invoice": "INV-7"}
    issue |= {"period": "2025-03-05", "currency": "EUR", **expected}
    issue |= {"unit_prices": {"sales/professional": "90.00"}}
    file = tmp_path / "file"
    lines = [buy | {"quantity": 1}, issue, buy | {"quantity": 2}]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for keep_going, outcomes, status in (
        ((), ["recorded", "refused"], 3),
        (("--keep-going",), ["repeated", "refused", "recorded"], 1),
    ):
        done = auditor.any("import", file, *keep_going, "--format", "json")
        rows = json.loads(done.stdout)["rows"]
        assert [row["outcome"] for row in rows] == outcomes
        assert rows[1]["code"] == "integrity_failure"
        assert (done.returncode, ":2: issue_invoice" in done.stderr) == (status, True)


def test_a_wrong_password_is_never_shown() -> None:
    secret = "hu%2Fnter2-very-secret"
    url = f"postgresql://ann:{secret}@127.0.0.1:1/ledger"
    stranger = Auditor(Path("/nonexistent"), url)
    for words in (
        ("account", "list"),
        ("doctor", "--format", "json"),
        ("db", "status"),
        ("integrity", "verify"),
        ("db", "tool", "psql", "-c", "SELECT 1"),
        ("account", "list", "--database", url.replace("1:1", "1:x")),
    ):
        done = stranger.any(*words)
        assert done.returncode not in {0, 70}, done.stderr
        message = done.stdout + done.stderr
        assert "nter2" not in message
    warned = json.loads(
        stranger.any("doctor", "--format", "json", "--database", url).stdout
    )
    result = {row["check"]: row["ok"] for row in warned["rows"]}
    assert result["secrets"] is False


def test_a_ledger_that_nobody_sealed_is_not_verified(
    auditor: Auditor, tmp_path: Path
) -> None:
    """Never a success; and where a checkpoint is kept, that it was sealed is known."""
    witness = tmp_path / "witness"
    witness.mkdir()
    for words in (("verify",), ("verify", "--witness", witness), ("prove", 1)):
        done = auditor.run(*words)
        assert done.returncode == 1
        assert "Nothing of this ledger is sealed" in done.stderr
    assert auditor.run("seal", "--witness", witness).returncode == 0
    with psycopg.connect(auditor.environment["SEAT_LEDGER_DATABASE_URL"]) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("DELETE FROM ledger.sealed_checkpoint")
    auditor.environment["SEAT_LEDGER_HOME"] = str(tmp_path / "another")
    done = auditor.run("verify", "--witness", witness)
    assert done.returncode == 1
    assert "is sealed with the key" in done.stderr
