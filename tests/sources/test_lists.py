"""Lists of holders: put together, held against what they say of themselves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from seat_ledger.errors import InvalidInput
from tests.sources.exported import changed, export_of, listed

SEATS = "github-copilot-seats"


def seat(id_: int | None, **fields: Any) -> dict[str, Any]:
    assignee = {"id": id_, "login": f"u{id_}"} if id_ is not None else None
    basis = {"created_at": "2026-03-01T00:00:00Z", "pending_cancellation_date": None}
    return {**basis, "plan_type": "business", "assignee": assignee, **fields}


def page(total: int, *seats: dict[str, Any]) -> str:
    return json.dumps({"total_seats": total, "seats": list(seats)}) + "\n"


def test_r83_a_list_with_fewer_than_it_says_is_doubted() -> None:
    read = listed(page(3, seat(1), seat(2)), SEATS)
    assert [doubt.code for doubt in read.doubts] == ["total"]
    assert read.doubts[0].message == (
        "It says that there are 3 (total_seats), and has 2."
    )


def test_r83_pages_that_state_different_totals_are_doubted() -> None:
    read = listed(page(2, seat(1)) + page(3, seat(2)), SEATS)
    assert read.doubts[0].message == (
        "Its pages say different totals (total_seats: 2 and 3)."
    )


def test_r83_a_page_that_is_left_is_doubted() -> None:
    content = export_of("m365-users").read_text().splitlines()
    assert listed("\n".join(content), "m365-users").doubts == []
    read = listed("\n".join(content[:-1]), "m365-users")
    assert [doubt.code for doubt in read.doubts] == ["page-left"]


def test_r83_an_empty_list_is_doubted() -> None:
    assert [doubt.code for doubt in listed(page(0), SEATS).doubts] == ["empty"]


def test_a_person_who_stands_twice_holds_one_seat() -> None:
    later = seat(1, created_at="2026-04-01T00:00:00+02:00")
    ends = seat(1, pending_cancellation_date="2026-12-01")
    for rows in ([later, seat(1)], [seat(1), later], [ends, later, seat(1)]):
        (holder,) = listed(page(1, *rows), SEATS).holders
        assert holder.assigned_at == "2026-03-01T00:00:00Z"
        assert holder.cancelled_at is None


def test_a_seat_without_a_nameable_holder_is_counted() -> None:
    read = listed(page(2, seat(1), seat(None)), SEATS)
    assert len(read.holders) == 1
    assert [(pool.seat_type, n) for pool, n in read.unnamed.items()] == [
        ("copilot/business", 1)
    ]


@pytest.mark.parametrize(
    ("seats", "message"),
    [
        ([seat(1), seat(2, plan_type="pro")],
         "'pro' is not in the table 'plans'."),
        ([seat(1), seat(2, created_at="2026-03-01 00:00")],
         "the time '2026-03-01 00:00' has no offset, and the mapping names no zone."),
        ([seat(1), seat(2, assignee={"id": 2, "login": "x", "email": "not one"})],
         "'not one' is not an e-mail address"),
        ([seat(1, assignee={"id": 1, "login": "x", "email": "A@x.example"}),
          seat(2, assignee={"id": 2, "login": "x", "email": "a@X.example"})],
         "'gh-2' has the e-mail address of 'gh-1' in line 3."),
        ([seat(1, assignee={"id": 1, "login": "x", "email": "a@x.example"}),
          seat(1, assignee={"id": 1, "login": "x", "email": "b@x.example"})],
         "'gh-1' has another e-mail address in line 3."),
        ([seat(1), seat(2, assignee={"login": "x"})],
         "the user of rule 2 is missing: 'gh-{assignee.id}' has an empty field."),
    ],
)  # fmt: skip
def test_a_row_of_a_list_that_cannot_be_read_stops_with_its_line(
    seats: list[dict[str, Any]], message: str
) -> None:
    rows = ",\n".join(json.dumps(row) for row in seats)
    content = f'{{"total_seats": 2,\n"seats": [\n{rows}]}}'
    with pytest.raises(InvalidInput) as caught:
        listed(content, SEATS)
    assert caught.value.message.startswith(f"list:4: {message}")


def test_a_list_that_is_cut_off_in_the_middle_is_refused() -> None:
    with pytest.raises(InvalidInput, match="cut off"):
        listed(page(2, seat(1), seat(2))[:-40], SEATS)


def test_two_totals_of_one_type_are_refused() -> None:
    content = export_of("hubspot-users-api").read_text()
    first, *others = content.splitlines()
    again = first.replace('"remainingSeats":4', '"remainingSeats":5')
    with pytest.raises(InvalidInput, match="remaining 5 here, and 4 in an earlier row"):
        listed("\n".join([first, again, *others]), "hubspot-users-api")


def test_a_column_that_stands_for_two_sites_is_refused() -> None:
    content = export_of("atlassian-users").read_text()
    two = content.replace("Confluence - example,Jira - example", "x,Jira - example")
    two = two.replace("Jira Service Management - example", "Jira - other")
    with pytest.raises(InvalidInput, match="the column 'Jira' comes twice"):
        listed(two, "atlassian-users")


def test_when_a_list_was_true_may_stand_in_it() -> None:
    marks = 'counts = "seats"\ntaken_at = { from = "at", format = "rfc3339" }'
    mapping = changed(SEATS, ('counts = "seats"', marks))
    content = page(1, seat(1)).replace("{", '{"at": "2026-11-29T02:00:00Z", ', 1)
    assert listed(content, mapping).taken_at == "2026-11-29T02:00:00Z"
