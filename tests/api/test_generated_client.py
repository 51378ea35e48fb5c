"""A client generated from the description, against a running server.

``scripts/test-client`` brings the generator, and runs this.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.api.api_server import serving
from tests.api.test_recording import token
from tests.in_process import Program
from tests.program import PRO

ROOT = Path(__file__).parents[2]
CONFIG = """
content_type_overrides:
  text/csv: application/octet-stream
  application/vnd.openxmlformats-officedocument.spreadsheetml.sheet: \
application/octet-stream
"""
"""The generator knows a file only by the type that says nothing of it."""
TALK = """
import io, sys
from seat_ledger_client import AuthenticatedClient
from seat_ledger_client.api.account import account_list, account_show
from seat_ledger_client.api.billing import billing_counts
from seat_ledger_client.api.commands import record
from seat_ledger_client.api.invoice import invoice_audit
from seat_ledger_client.api.projection import projection_status
from seat_ledger_client.api.seat import seat_list, seat_who
from seat_ledger_client.models import CommandBuySeats, Problem
from seat_ledger_client.types import File

url, token, seat_type = sys.argv[1:]
client = AuthenticatedClient(base_url=url, token=token)
who = seat_who.sync(client=client, account="acme", seat=f"{seat_type}#1",
                    as_of="2025-05-01")
assert who.rows[0].holder.user == "ann", who
assert who.known_at.position > 0
missing = account_show.sync_detailed(client=client, account="nobody")
assert missing.status_code == 404
assert isinstance(missing.parsed, Problem), missing
assert missing.parsed.code == "account_not_found"
before = len(seat_list.sync(client=client, account="acme").rows)
command = CommandBuySeats(op="buy_seats", account="acme", seat_type=seat_type,
                          quantity=2, effective_at="2025-09-02")
first = record.sync_detailed(client=client, body=command, idempotency_key="generated")
assert first.status_code == 201, first
again = record.sync_detailed(client=client, body=command, idempotency_key="generated")
assert again.status_code == 200
assert again.parsed.repeated
assert again.parsed.positions == first.parsed.positions
counts = billing_counts.sync(client=client, account="acme", period="2025-06-05")
assert counts.rows[0].account == "acme"
lines = "account,invoice,issued_at,period,seat_type,quantity,unit_price,amount\\n"
lines += f"acme,V-7,2025-04-05,2025-03-05,{seat_type},62,90.00,5580.00\\n"
sent = File(payload=io.BytesIO(lines.encode()))
audited = invoice_audit.sync(client=client, body=sent, known_at="80")
assert audited.rows[0].verdict == "over", audited
assert projection_status.sync(client=client).rows[0].lag_events >= 0
assert {row.account for row in account_list.sync(client=client).rows} >= {"acme"}
print("talked", before)
"""


@pytest.mark.long
@pytest.mark.skipif("SEAT_LEDGER_GENERATOR" not in os.environ,
                    reason="scripts/test-client brings the generator")  # fmt: skip
def test_a_generated_client_asks_and_records(program: Program, tmp_path: Path) -> None:
    generator = Path(os.environ["SEAT_LEDGER_GENERATOR"])
    (tmp_path / "config.yaml").write_text(CONFIG.replace("\\\n", ""))
    made = subprocess.run(
        [str(generator), "generate", "--path", str(ROOT / "cli/api/openapi.json"),
         "--config", str(tmp_path / "config.yaml"),
         "--output-path", str(tmp_path / "client"), "--fail-on-warning"],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    with serving(program.conninfo, writes=True) as server:
        done = subprocess.run(
            [str(generator.with_name("python")), "-c", TALK, server.url,
             token(program), PRO],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path / "client",
        )  # fmt: skip
    assert done.stdout.startswith("talked"), done.stdout + done.stderr
