"""What was before a window is the same as asked inside it, at every outlet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openpyxl

from seat_ledger.cli.output.render import at
from tests.api.api_server import Client
from tests.assistant.test_tools import answers
from tests.in_process import Program

WINDOW = {"from": "2025-06-20", "until": "2025-06-25"}
"""Days after the last one on which ann had her seat, and before grace takes it."""
BEFORE = ("last_user", "freed_by", "next_user", "taken_by", "idle_since")
CELLS = ("seat", "last_user", "freed_by.position", "taken_by.position")


def idle(api: Client, **params: str) -> dict[str, Any]:
    """Who held each idle seat before, and who takes it, by the API."""
    answer = api.ask("/v1/billing/idle", account="acme", **params)
    assert answer.status == 200, answer.text
    rows = answer.json()["rows"]
    assert len(rows) == len({row["seat"] for row in rows})
    return {row["seat"]: [row[name] for name in BEFORE] for row in rows}


def test_a_window_knows_what_was_before_it_by_api_tool_and_workbook(
    api: Client, program: Program, tmp_path: Path
) -> None:
    within, inside = idle(api, **WINDOW), idle(api, as_of=WINDOW["from"])
    assert within == inside
    held = [seat for seat, said in within.items() if said[0] is not None]
    assert held
    assert len(held) < len(within)

    words = ["billing", "idle", "-a", "acme"]
    for name, options in {
        "within": [word for n, text in WINDOW.items() for word in (f"--{n}", text)],
        "inside": ["--as-of", WINDOW["from"]],
    }.items():
        target = tmp_path / f"{name}.xlsx"
        done = program.run(*words, *options, "--output", target)
        assert done.status == 0, done.err
        rows = program.json(*words, *options)["rows"]
        assert {row["seat"]: [row[n] for n in BEFORE] for row in rows} == within
        header, *lines = openpyxl.load_workbook(target)["Rows"].values
        cells = [dict(zip(header, line, strict=True)) for line in lines]
        assert [[line[n] for n in CELLS] for line in cells] == [
            [at(row, n) for n in CELLS] for row in rows
        ]

    for seat in held:
        asked = {"account": "acme", "seat": seat}
        who, history = answers(
            program.conninfo,
            ("seat_who", {**asked, "as_of": WINDOW["from"]}),
            ("seat_history", asked),
        )
        assert [row["holder"] for row in who["rows"]] == [None]
        before = [row for row in history["rows"] if row["unassigned_by"] is not None]
        last = [row for row in before if row["held_until"] <= who["as_of"]][-1]
        said = [last["user"], last["unassigned_by"]["position"], last["held_until"]]
        user, freed_by, _, _, since = within[seat]
        assert said == [user, freed_by["position"], since]
