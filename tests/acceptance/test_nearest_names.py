"""A name that is not there is answered with those that may be meant (R35, R76, R81)."""

from __future__ import annotations

from pathlib import Path

import pytest

from seat_ledger.projections.reader import ConnectedReader
from seat_ledger.projections.reader.redaction import RedactedReader
from tests.in_process import Program
from tests.program import OPEN, PRO

SINCE = {"effective_at": "2025-03-05"}


def person(account: str, user: str, name: str) -> dict[str, str]:
    mail = f"{name.replace(' ', '.').lower()}@{account}.example"
    return {"op": "add_user", "account": account, "user": user, "email": mail,
            "name": name, **SINCE}  # fmt: skip


@pytest.fixture
def program(database: str, tmp_path: Path) -> Program:
    """Three people of acme, of whom one is erased; one of another; three seats."""
    result = Program(database, tmp_path)
    result.record(
        OPEN,
        {**OPEN, "account": "other"},
        person("acme", "g.hopper", "Grace Hopper"),
        person("acme", "ada", "Ada Lovelace"),
        person("acme", "m.hamilton", "Margaret Hamilton"),
        person("other", "k.johnson", "Katherine Johnson"),
        {
            "op": "buy_seats",
            "account": "acme",
            "seat_type": PRO,
            "quantity": 3,
            **SINCE,
        },
    )
    erase = ("user", "erase", "m.hamilton", "-a", "acme", "--reason", "x", "--yes")
    assert result.run(*erase).status == 0
    return result


READING = ("user", "history")
BOTH = (READING, ("seat", "assign"))


@pytest.mark.parametrize("command", BOTH)
@pytest.mark.parametrize(
    "misspelt",
    ["g.hoper", "G.HOPPR", "grace.hoppe", "grace.hopper@acme", "grase hopper"],
)
def test_a_misspelt_user_is_answered_with_the_nearest(
    program: Program, command: tuple[str, ...], misspelt: str
) -> None:
    words = [*command, misspelt, *([PRO] if command[0] == "seat" else []), "-a", "acme"]
    hint = program.refused("user_not_found", *words)["try"]
    assert hint.startswith("did you mean 'g.hopper'? "), hint
    assert "'seat-ledger user list --account acme'" in hint


@pytest.mark.parametrize("command", BOTH)
@pytest.mark.parametrize(
    "reference",
    ["k.johnso", "Katherine Johnson", "m.hamiltn", "Margaret Hamilton", "erased-0000"],
)
def test_nobody_of_another_account_and_nobody_erased_is_offered(
    program: Program, command: tuple[str, ...], reference: str
) -> None:
    words = [*command, reference, *([PRO] if command[0] == "seat" else [])]
    hint = program.refused("user_not_found", *words, "-a", "acme")["try"]
    assert "did you mean" not in hint


def test_nobody_is_offered_where_names_are_hidden(program: Program) -> None:
    for kind, near in ((ConnectedReader, ["ada"]), (RedactedReader, [])):
        with kind(program.conninfo) as reader:
            known_at = reader.knowledge()
            account = reader.account("acme", known_at)
            assert reader.users_near(account, "adda", known_at) == near


def test_among_very_many_those_near_in_the_alphabet_are_looked_at(
    program: Program,
) -> None:
    crowd = [person("acme", f"u{n:04}", f"U{n:04}") for n in range(1200)]
    program.record(*crowd)
    hint = program.refused("user_not_found", *READING, "u07000", "-a", "acme")["try"]
    assert "'u0700'" in hint
    hint = program.refused("user_not_found", *READING, "g.hoper", "-a", "acme")["try"]
    assert "did you mean 'g.hopper'?" in hint


def test_a_seat_beyond_the_last_is_answered_with_the_last(program: Program) -> None:
    for words in (("seat", "history"), ("seat", "who")):
        error = program.refused("seat_not_found", *words, f"{PRO}#999", "-a", "acme")
        assert error["message"] == (
            f"acme never bought {PRO}#999. Its {PRO} end with #3."
        )
    words = ("seat", "history", "service/starter#1", "-a", "acme")
    message = program.refused("seat_not_found", *words)["message"]
    assert message == "acme never bought service/starter#1."


def test_invoices_findings_tokens_and_types_are_answered_with_what_there_is(
    program: Program,
) -> None:
    issue = ("invoice", "issue", "INV-2025-1", "-a", "acme", "--period", "2025-03-05",
             "--unit-price", f"{PRO}=9", "--currency", "EUR")  # fmt: skip
    assert program.run(*issue).status == 0
    show = program.refused("invoice_not_found", "invoice", "show", "INV-2025-2")
    void = ("invoice", "void", "INV-2025-2", "-a", "acme", "--reason", "x")
    for error in (show, program.refused("invoice_not_found", *void)):
        assert "did you mean 'INV-2025-1'?" in error["try"]
    elsewhere = ("invoice", "void", "INV-2025-2", "-a", "other", "--reason", "x")
    assert "INV-2025-1" not in program.refused("invoice_not_found", *elsewhere)["try"]
    note = ("finding", "note", 7, "-a", "acme", "--note", "x")
    message = program.refused("finding_not_found", *note)["message"]
    assert message == "acme has no finding 7; 0 findings were ever opened."
    create = ("token", "create", "--actor", "system:x", "--role", "reader")
    (token,) = program.json(*create)["rows"]
    mistyped = token["token_id"][:-1] + "-"
    hint = program.refused("token_not_found", "token", "revoke", mistyped)["try"]
    assert token["token_id"] in hint
    add = ("subscription", "add", "https://hooks.acme.example/x")
    (hook,) = program.json(*add)["rows"]
    mistyped = hook["subscription_id"][:-1] + "-"
    pause = ("subscription", "pause", mistyped)
    hint = program.refused("subscription_not_found", *pause)["try"]
    assert hook["subscription_id"] in hint
    explain = ("billing", "explain", "-a", "acme", "--period", "2025-03-05")
    wrong = (*explain, "--seat-type", "sales/profesional")
    assert PRO in program.refused("unknown_seat_type", *wrong)["try"]
