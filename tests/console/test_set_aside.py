"""An account set aside, as the console shows it; others are not affected (R74)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from program import PRO
from served import Console, filled, serving

from tests.integration.tables import catch_up, poison


@pytest.fixture
def console(database: str) -> Iterator[Console]:
    filled(database)
    with serving(database) as result:
        yield result


def test_r74_pages_of_an_account_set_aside_have_a_banner_and_others_have_none(
    console: Console,
) -> None:
    before = console.get("seats.json", account="acme", as_of="2025-07-03").json()
    position = poison(console.conninfo, "SeatPurchased", b'{"v":1,', account="acme")
    catch_up(console.conninfo)
    for language, word in (("en", "set aside"), ("nl", "apart gezet")):
        for page in ("account", "seats", "users", "events", "periods"):
            result = console.get(page, account="acme", lang=language)
            assert result.status == 200, page
            assert word in result.text, page
            assert 'role="alert"' in result.text, page
    for page in ("accounts", "projections"):
        assert "set aside" in console.get(page, lang="en").text, page
    twin = console.get("seats.json", account="acme", as_of="2025-07-03").json()
    assert twin["rows"] == before["rows"]
    assert twin["known_at"]["position"] == position - 1
    assert [item["position"] for item in twin["set_aside"]] == [position]
    earlier = console.get("seats", account="acme", known_at=position - 1)
    assert 'role="alert"' not in earlier.text


def test_r74_pages_of_other_accounts_do_not_mention_it(console: Console) -> None:
    first = console.get("accounts.json").json()["rows"]
    other = next(row["account"] for row in first if row["account"] != "acme")
    poison(console.conninfo, "SeatPurchased", b'{"v":1,', account="acme")
    catch_up(console.conninfo)
    for page in ("account", "seats", "users", "events"):
        result = console.get(page, account=other)
        assert result.status == 200, page
        assert 'role="alert"' not in result.text, page
    result = console.get("seats.json", account=other).json()
    assert "set_aside" not in result
    assert [row["seat"] for row in result["rows"]] == [f"{PRO}#1"]
