"""Requests that nobody thought of, made by schemathesis of the API's own description.

``SEAT_LEDGER_REQUESTS=20000 scripts/test -m long -s tests/api`` sends so many.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from seat_ledger.cli.api.openapi import document
from tests.api.api_server import Client, serving
from tests.api.test_recording import token
from tests.in_process import Program

GENERATOR = Path(sys.executable).parent / "schemathesis"
CONFIG = Path(__file__).with_name("schemathesis.toml")
LONG = int(os.environ.get("SEAT_LEDGER_REQUESTS", "2000"))


@pytest.fixture(scope="module")
def writing(program: Program) -> Iterator[Client]:
    """A server that records, and a client with a token that may."""
    with serving(program.conninfo, writes=True, rate=100_000) as client:
        client.headers = {"Authorization": f"Bearer {token(program)}"}
        yield client


def send_generated(api: Client, folder: Path, *options: str) -> int:
    """Send requests; the number of them, all of whose answers are as described."""
    words = [GENERATOR, "--config-file", CONFIG, "run", f"{api.url}/openapi.json"]
    words += ["--checks", "all", "--generation-deterministic", *options]
    words += ["--max-response-time", "300"]  # how busy the machine is, is no finding
    for name, text in api.headers.items():
        words += ["-H", f"{name}: {text}"]
    done = subprocess.run(
        [*map(str, words)], capture_output=True, text=True, cwd=folder, check=False
    )
    shortened = re.sub(r"(%?\w{1,3})\1{20,}", r"\1…", done.stdout)
    assert done.returncode == 0, shortened[:8000] + done.stderr
    assert {facts["status"] for _, facts in api.log if "status" in facts} <= set(
        range(200, 500)
    )
    match = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert match, done.stdout
    return int(match[1])


def test_every_answer_to_a_generated_request_is_as_described(
    writing: Client, tmp_path: Path
) -> None:
    options = ("--phases", "fuzzing", "--max-examples", "2")
    count = send_generated(writing, tmp_path, *options)
    assert count >= len(document()["paths"])


@pytest.mark.long
def test_thousands_of_generated_requests(writing: Client, tmp_path: Path) -> None:
    each = max(1, LONG // len(document()["paths"]))
    options = ("--phases", "coverage,fuzzing", "--max-examples", str(each))
    count = send_generated(writing, tmp_path, *options)
    print(f"{count} requests")
