"""What a command did, in words, from its events."""

from __future__ import annotations

from typing import Any

from seat_ledger.cli.output.event_groups import grouped

PRO = "sales/professional"


def event(position: int, name: str, **fields: Any) -> dict[str, Any]:
    common = {"account": "acme", "recorded_at": 1, "effective_at": 1, "actor": "a"}
    row = {"user": None, "seat": None, "reason": None, "reversed_by": None, "data": {}}
    return {"position": position, "event": name, **common, **row, **fields}


def words(*events: dict[str, Any]) -> list[tuple[str, str]]:
    return [(group.entries, group.action) for group in grouped(events)]


def test_seats_bought_one_after_the_other_are_counted() -> None:
    bought = [event(n, "SeatPurchased", seat=f"{PRO}#{n}") for n in (1, 2, 3)]
    assert words(*bought) == [("1-3", f"3 {PRO} bought, #1 to #3")]
    assert words(bought[0]) == [("1", f"{PRO}#1 bought")]


def test_a_user_who_changes_type_goes_from_seat_to_seat() -> None:
    taken = event(1, "SeatUnassigned", user="jan", seat="sales/starter#2")
    fields = event(2, "SeatAssigned", user="jan", seat=f"{PRO}#7")
    assert words(taken, fields) == [
        ("1-2", f"jan went from sales/starter#2 to {PRO}#7")
    ]


def test_a_seat_that_is_handed_over_goes_from_user_to_user() -> None:
    taken = event(1, "SeatUnassigned", user="ann", seat=f"{PRO}#7")
    fields = event(2, "SeatAssigned", user="jan", seat=f"{PRO}#7")
    assert words(taken, fields) == [("1-2", f"{PRO}#7 went from ann to jan")]


def test_the_access_that_comes_with_a_seat_parts_no_move() -> None:
    taken = event(1, "SeatUnassigned", user="ann", seat=f"{PRO}#7")
    let_in = event(2, "HubAccessGranted", user="jan", data={"hub": "sales"})
    fields = event(3, "SeatAssigned", user="jan", seat=f"{PRO}#7")
    action = f"{PRO}#7 went from ann to jan; jan given access to sales"
    assert words(taken, let_in, fields) == [("1-3", action)]


def test_a_renewal_stands_with_what_it_retires() -> None:
    renewed = event(1, "ContractRenewed", data={"renewal": 1})
    retired = [event(n, "SeatRetired", seat=f"{PRO}#{n}") for n in (2, 3)]
    assert words(renewed, *retired) == [
        ("1-3", f"renewal 1; 2 {PRO} retired, #2 to #3")
    ]


def test_lines_of_a_file_that_share_nothing_are_apart() -> None:
    ann, bob = (event(n, "UserAdded", user=u) for n, u in ((1, "ann"), (2, "bob")))
    assert words(ann, bob) == [("1", "ann added"), ("2", "bob added")]
    key = {"data": {"idempotency_key": "k"}}
    assert words(ann | key, bob | key) == [("1-2", "ann added; bob added")]


def test_an_entry_that_holds_again_is_named() -> None:
    data = {"entry": 9, "root": 4, "holds": True}
    assert words(event(1, "EntryReversed", data=data)) == [
        ("1", "entry 9 reversed, so that entry 4 holds again")
    ]


def test_an_event_without_words_of_its_own_says_its_name_and_data() -> None:
    data = {"time_zone": "Europe/Paris", "lines": [1, 2]}
    assert words(event(1, "TimeZoneChanged", data=data)) == [
        ("1", "time zone changed: time_zone Europe/Paris")
    ]


def test_what_has_no_sentence_of_its_own_names_its_seat_once() -> None:
    data = {"note": "by the window", "seat_type": PRO, "number": 1}
    noted = event(1, "SeatNoteAdded", seat=f"{PRO}#1", data=data)
    assert words(noted) == [("1", f"seat note added: {PRO}#1, note by the window")]
    typed = event(2, "SeatTypeNoted", data={"seat_type": PRO, "currency": "EUR"})
    assert words(typed)[0][1].endswith(f"seat_type {PRO}, currency EUR")


def test_entries_that_were_reversed_together_are_one_row() -> None:
    undone = [
        event(n, "EntryReversed", data={"entry": n - 4, "root": n - 4, "holds": False})
        for n in (7, 8, 9)
    ]
    assert words(*undone) == [("7-9", "entries 3 to 5 reversed")]


def test_prices_findings_and_requests_are_said_in_words() -> None:
    opened = {"finding": 1, "invoice": "V-7", "period": "2026-09-05", "product": PRO,
              "verdict": "over", "difference": "90.00", "currency": "EUR"}  # fmt: skip
    texts = {
        "PriceSet": (
            {"seat_type": PRO, "unit_price": "90.00", "currency": "EUR"},
            f"{PRO} costs 90.00 EUR",
        ),
        "FindingOpened": (
            opened,
            f"finding 1 opened: V-7, 2026-09-05, {PRO}, over by 90.00 EUR",
        ),
        "FindingNoted": (
            {"finding": 1, "note": "letter sent", "disputed": True},
            "finding 1: letter sent (disputed)",
        ),
        "FindingSettled": (
            {"finding": 1, "credited_by": "CN-9"},
            "finding 1 settled by CN-9",
        ),
        "InvoiceIssued": ({"invoice": "I", "period": None}, "invoice I issued"),
        "SeatReductionRequested": (
            {"seat_type": PRO, "quantity": 3, "renewal": 1},
            f"3 {PRO} to be given up at renewal 1",
        ),
        "BillingPolicyChanged": ({"mode": "peak"}, "counted as peak"),
    }
    for name, (data, text) in texts.items():
        assert words(event(1, name, data=data)) == [("1", text)]
