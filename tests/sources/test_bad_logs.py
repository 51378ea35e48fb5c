"""Logs that cannot be read: with the line, what stands there, what was expected."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seat_ledger.errors import InvalidInput
from seat_ledger.sources.conversion import Conversion
from tests.sources.exported import changed, converted, source_reader

AUDIT = "github-copilot-audit"
ADDED = {
    "@timestamp": 1793264400000,
    "_document_id": "a",
    "action": "copilot.cfb_seat_added",
    "actor_id": 77,
    "user": "mokafor",
    "user_id": 4001,
    "org": "example-org",
}


def log(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def row(id_: str, **fields: Any) -> dict[str, Any]:
    return {**ADDED, "_document_id": id_, **fields}


def refusal(content: str | bytes, mapping: Any = AUDIT, **options: Any) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        converted(content, mapping, **options)
    assert caught.value.exit_code == 2
    return caught.value


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row("a"), row("b", action="copilot.new")],
         "log:2: no rule names this row: action = 'copilot.new'."),
        ([row("a"), row("b", action="copilot.access_revoked")],
         "log:2: refused by the mapping (action = 'copilot.access_revoked'): it "
         "changes the seats of people whom it does not name."),
        ([row("a"), row("b", user_id=None)],
         "log:2: the user of rule 1 is missing: 'gh-{user_id}' has an empty field."),
        ([row("a"), row("b", user_id="4 1")],
         "log:2: The key 'gh-4 1' contains a character that a key cannot have: white "
         "space, a control character, '/' or '#'."),
        ([row("a"), row("b", user="m o")],
         "log:2: '4001+m o@users.noreply.github.com' is not an e-mail address"),
        ([row("a"), row("b", **{"@timestamp": "2026-10-29"})],
         "log:2: '2026-10-29' is not a time as the mapping says times are written."),
        ([row("a"), row("b", **{"@timestamp": None})],
         "log:2: the time @timestamp is missing."),
        ([row("a"), {"message": "Bad credentials"}],
         "log:2: the row has the fields 'message'."),
        ([row("a"), row("a", user_id=4002)],
         "log:2: the row has the id of line 1 and says something else."),
        ([row("a"), row("b", org="other-org")],
         "log:2: the row is of 'other-org', those before it of 'example-org'; "
         "--account names one account, 'acme'."),
        ([row("a"), row("b", actor_id={"id": 1})],
         "log:2: the field 'actor_id' holds a group of fields."),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_mapped_stops_with_its_line(
    rows: list[dict[str, Any]], message: str
) -> None:
    error = refusal(log(*rows))
    assert error.message.startswith(message)
    assert error.details["line"] == 2
    assert error.try_


@pytest.mark.parametrize("second", [row("a", user_id=4002), {"message": "no"}])
def test_a_tally_counts_each_row_once(second: dict[str, Any]) -> None:
    """Also that which has the id of another and says something else."""
    content = log(row("a"), second).encode()
    conversion = Conversion(source_reader(content, AUDIT), "log")
    with pytest.raises(InvalidInput):
        list(conversion.lines())
    assert conversion.tally.lines() == ["2 rows read: 1 mapped, 0 ignored, 1 refused."]


def test_a_log_that_is_cut_off_says_so() -> None:
    error = refusal(log(row("a"), row("b"))[:-20])
    assert error.message.startswith("log:2: this is not JSON")
    assert error.message.endswith("The file ends there: it is cut off.")


def test_a_document_that_is_cut_off_says_where() -> None:
    content = json.dumps([row("a"), row("b")], indent=1)
    for end, line in ((-1, 20), (-30, 11)):
        error = refusal(content[:end])
        assert f"log:{line}:" in error.message
        assert "cut off" in error.message


def test_nothing_is_printed_of_a_log_with_a_bad_row() -> None:
    refusal(log(*[row(str(n)) for n in range(500)], row("x", action="no")))


def test_a_log_that_is_newest_first_is_turned_around() -> None:
    rows = [
        row("c", action="copilot.cfb_seat_cancelled", **{"@timestamp": 3000}),
        row("b", action="copilot.cfb_seat_added", **{"@timestamp": 2000}),
        row("a2", action="copilot.cfb_seat_cancelled", **{"@timestamp": 1000}),
        row("a1", action="copilot.cfb_seat_added", **{"@timestamp": 1000}),
    ]
    in_file = [line["idempotency_key"][-2:] for line in converted(log(*rows), AUDIT)]
    assert in_file == ["a1", "a2", ":b", ":c"]
    turned = converted(log(*reversed(rows)), AUDIT)
    assert [line["idempotency_key"][-2:] for line in turned] == in_file


@given(st.permutations(range(30)), st.booleans())
@settings(max_examples=50)
def test_the_order_of_a_file_says_nothing_where_times_differ(
    order: list[int], twice: bool
) -> None:
    rows = [row(str(n), **{"@timestamp": 1000 * n}) for n in range(30)]
    mixed = [rows[n] for n in order] * (1 + twice)
    assert converted(log(*mixed), AUDIT) == converted(log(*rows), AUDIT)


def test_a_line_that_stands_twice_is_one() -> None:
    assert len(converted(log(row("a"), row("b"), row("a")), AUDIT)) == 2


def test_without_an_account_that_is_named_the_organisation_is_it() -> None:
    rows = [row("a"), row("b", org="other-org")]
    lines = converted(log(*rows), AUDIT, account=None)
    assert [line["account"] for line in lines] == ["example-org", "other-org"]


def test_accounts_go_through_a_table_where_there_is_one() -> None:
    mapping = changed(
        AUDIT,
        ('from = "{org}"', 'from = "{org}"\ntable = "accounts"'),
        ("[time]", '[tables.accounts]\nexample-org = "acme"\n\n[time]'),
    )
    (line,) = converted(log(row("a")), mapping, account=None)
    assert line["account"] == "acme"
    error = refusal(log(row("a"), row("b", org="o")), mapping, account=None)
    assert error.message == "log:2: 'o' is not in the table 'accounts'."


def test_a_mapping_of_another_kind_is_named() -> None:
    assert "reads a snapshot" in refusal(b"", "gitlab-seats").message


def test_the_user_of_a_file_that_names_none_must_be_named() -> None:
    content = (
        "Permission,Action,Updated by,Date of change\n"
        "Sales Hub Starter,Create,x,2026-10-02 09:14\n"
    )
    error = refusal(content, "hubspot-permission-history")
    assert error.message == (
        "log:2: the user of rule 1 is missing: the file does not say whom it is about."
    )
    assert error.try_ == "name the user: --user KEY"


def test_ten_thousand_lines_are_sorted_in_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seat_ledger.sources.ordering.RUN", 700)
    times = [(n * 7919) % 10_007 for n in range(10_000)]
    rows = [row(str(n), **{"@timestamp": time}) for n, time in enumerate(times)]
    lines = converted(log(*rows), AUDIT)
    keys = [line["idempotency_key"].rpartition(":")[2] for line in lines]
    assert keys == [
        str(n) for _, n in sorted((time, n) for n, time in enumerate(times))
    ]
