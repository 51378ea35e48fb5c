"""The image and the manifests, as far as they can be tried without a registry."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from seat_ledger.cli.main import program
from seat_ledger.cli.options.session import Session
from tests.support.waiting import AT_MOST

ROOT = Path(__file__).parents[2]
ENTRY = ROOT / "scripts/image/entry"
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
MANIFESTS = [*yaml.safe_load_all(
    (ROOT / "scripts/kubernetes/seat-ledger.yaml").read_text()
)]  # fmt: skip


def containers() -> Iterator[dict[str, Any]]:
    for manifest in MANIFESTS:
        spec = manifest["spec"]
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in spec:
            pod = spec["template"]["spec"]
            yield from (
                {**one, "pod": pod}
                for one in (*pod.get("initContainers", ()), *pod["containers"])
            )


def commands() -> Iterator[list[str]]:
    yield from (service["command"] for service in COMPOSE["services"].values()
                if "command" in service)  # fmt: skip
    yield from (one["args"] for one in containers())
    for unit in (ROOT / "scripts/systemd").glob("*.service"):
        for line in re.findall(
            r"^ExecStart=\S+seat-ledger (.+)$", unit.read_text(), re.MULTILINE
        ):
            yield shlex.split(line)


@pytest.mark.parametrize("words", [*commands()], ids=" ".join)
def test_every_command_of_a_platform_is_one(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEAT_LEDGER_SOURCES", os.devnull)
    monkeypatch.setenv("SEAT_LEDGER_LAKE", "/nowhere")
    words = [re.sub(r"\$\{\w+:-(.+)\}", r"\1", word) for word in words]
    command: click.Command = program
    context = click.Context(program, obj=Session())
    while isinstance(command, click.Group):
        inner = command.get_command(context, words.pop(0))
        assert inner is not None
        command = inner
    command.make_context("it", words, parent=context)


def test_containers_have_no_rights_that_they_do_not_need() -> None:
    found = [*containers()]
    assert len(found) == 5
    for one in found:
        rights = one["securityContext"]
        assert rights["readOnlyRootFilesystem"]
        assert not rights["allowPrivilegeEscalation"]
        assert rights["capabilities"] == {"drop": ["ALL"]}
        assert one["pod"]["securityContext"]["runAsNonRoot"]
        assert not one["pod"]["automountServiceAccountToken"]
        mounted = {mount["mountPath"] for mount in one["volumeMounts"]}
        assert mounted == {"/tmp", "/var/lib/seat-ledger"}
    for name, service in COMPOSE["services"].items():
        assert name == "database" or service["read_only"], name
    (api,) = (one for one in found if one["name"] == "api")
    assert {
        api[f"{kind}Probe"]["httpGet"]["path"] for kind in ("liveness", "startup")
    } == {"/healthz"}
    assert api["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_the_dockerfile_copies_what_is_there_and_runs_as_nobody() -> None:
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.split() for line in text.splitlines() if line and line[0] != "#"]
    bases = [words[1] for words in lines if words[0] == "FROM"]
    assert len(bases) == 2
    assert all(":" in base and "latest" not in base for base in bases)
    copied = [name for words in lines if words[0] == "COPY" and "--from" not in words[1]
              for name in words[1:-1]]  # fmt: skip
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for name in copied:
        assert (ROOT / name).exists(), name
        assert any(name == line[1:] or name.startswith(f"{line[1:]}/")
                   for line in ignored if line[:1] == "!"), name  # fmt: skip
    (user,) = (words[1] for words in lines if words[0] == "USER")
    assert user.partition(":")[0].isdigit()
    assert user != "0:0"
    assert any(words[0] == "HEALTHCHECK" for words in lines)


@pytest.fixture
def started() -> Iterator[Any]:
    """The entry script under a user id that nobody has, with a program that tells."""
    place = Path(tempfile.mkdtemp(dir="/var/tmp", prefix="sli-"))
    place.chmod(0o755)
    stub, entry = place / "seat-ledger", place / "entry"
    stub.write_text('#!/bin/sh\necho "$SEAT_LEDGER_HOME|$HOME|$(id -u)|$*"\n')
    shutil.copy(ENTRY, entry)
    for file in (stub, entry):
        file.chmod(0o755)
    as_nobody = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"]
    if os.geteuid() != 0:
        as_nobody = []

    def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*as_nobody, str(entry), *words],
            env={"PATH": f"{place}:/usr/bin:/bin", **environment},
            capture_output=True, text=True, check=False, timeout=AT_MOST,
        )  # fmt: skip

    yield run
    shutil.rmtree(place)
    shutil.rmtree("/tmp/seat-ledger", ignore_errors=True)


def test_the_image_starts_as_a_user_without_a_name(started: Any) -> None:
    done = started(
        "serve", "--api", SEAT_LEDGER_DATABASE_URL="x", SEAT_LEDGER_HOME="/no"
    )
    assert done.returncode == 0, done.stderr
    home, again, uid, words = done.stdout.strip().split("|")
    assert (home, again, words) == (
        "/tmp/seat-ledger",
        "/tmp/seat-ledger",
        "serve --api",
    )
    assert uid == ("54321" if os.geteuid() == 0 else str(os.geteuid()))
    assert "/no cannot be written" in done.stderr


def test_the_image_asks_for_a_database(started: Any) -> None:
    done = started("serve")
    assert done.returncode == 2
    assert "SEAT_LEDGER_DATABASE_URL" in done.stderr
    assert done.stdout == ""
