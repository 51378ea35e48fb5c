"""The reply to a COMMIT is lost for a caller by HTTP, and the server stays away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from seat_ledger.commands import execution
from tests.api.api_server import Client, serving
from tests.faults.proxy import Proxy
from tests.in_process import Program
from tests.program import BUY

KEY = "order-1"


@pytest.fixture
def proxy(acme: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    monkeypatch.setattr(execution, "_pause", lambda *_: 0.0)
    with Proxy(acme) as result:
        result.not_waited_for(monkeypatch)
        yield result


@pytest.fixture
def api(proxy: Proxy, database: str, tmp_path: Any) -> Iterator[Client]:
    token = writer(database, tmp_path)
    with serving(proxy.conninfo, writes=True, rate=100_000) as client:
        client.headers = {"Authorization": f"Bearer {token}"}
        yield client


def writer(conninfo: str, home: Any) -> str:
    """The token of a caller who may record."""
    words = ("--actor", "system:provisioning", "--role", "writer")
    (row,) = Program(conninfo, home).json("token", "create", *words)["rows"]
    return str(row["token"])


def events(conninfo: str) -> int:
    with psycopg.connect(conninfo) as connection:
        row = connection.execute("SELECT count(*) FROM ledger.stored_events").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("what", ["the reply", "the request"])
@pytest.mark.parametrize("path", ["/v1/commands", "/v1/batches"])
@pytest.mark.parametrize("key", [KEY, None])
def test_r73_an_outcome_that_is_unknown_is_told_as_unknown_by_http(  # noqa: PLR0917
    proxy: Proxy, api: Client, database: str, what: str, path: str, key: str | None
) -> None:
    """Repeating it with the key that the answer names records it once."""
    command: dict[str, Any] = {**BUY}
    if path == "/v1/batches":
        steps = [{k: v for k, v in BUY.items() if k != "account"}] * 2
        command = {"account": BUY["account"], "commands": steps}
    if key is not None:
        command["idempotency_key"] = key
    before = events(database)
    proxy.lose, proxy.of, proxy.is_final = what, b"ledger.begin_append", True
    first = api.post(command, path)
    assert first.problem() == (503, "outcome_unknown"), first.text
    assert "Nothing" not in first.text
    proxy.is_final = False
    if key is None:
        assert "/v1/event/list?account=acme" in first.json()["try"]
        written = events(database) - before
        api.post(command, path)
        whole = events(database) - before - written
        assert written == (whole if what == "the reply" else 0)
        return
    assert "same idempotency key" in first.json()["try"]
    again = api.post(command, path)
    assert again.json()["repeated"] == (what == "the reply"), again.text
    once = events(database) - before
    assert api.post(command, path).json()["repeated"]
    assert events(database) - before == once


def test_a_failure_before_commit_is_said_to_have_left_nothing_by_http(
    acme: str, tmp_path: Any
) -> None:
    """Without what the database said, which names its tables."""
    limited = f"{acme} options='-c lock_timeout=50ms'"
    token = writer(acme, tmp_path)
    with (
        serving(limited, writes=True, rate=100_000) as client,
        psycopg.connect(acme) as holder,
    ):
        client.headers = {"Authorization": f"Bearer {token}"}
        holder.execute("LOCK TABLE ledger.recorded_command")
        before = events(acme)
        refused = client.post({**BUY, "idempotency_key": KEY})
        assert refused.problem() == (503, "database_refused"), refused.text
        assert refused.json()["detail"].endswith("Nothing was written.")
        assert refused.json()["try"].startswith("try again")
        assert "recorded_command" not in refused.text
        assert events(acme) == before
        holder.rollback()
        assert not client.post({**BUY, "idempotency_key": KEY}).json()["repeated"]
