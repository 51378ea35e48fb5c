"""Help: by topic and by command, an example for each command, values that complete."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete, get_completion_class

from seat_ledger.cli.main import main, program
from seat_ledger.cli.options.examples import EXAMPLES
from seat_ledger.cli.options.session import Session
from seat_ledger.cli.output.pages import text_of
from seat_ledger.domain.events import EVENT_CLASSES

EXAMPLE = re.compile(r"Example: seat-ledger (.*)")


def example_of(command: click.Command) -> list[str]:
    match = EXAMPLE.search(command.epilog or "")
    assert match, command.name
    return shlex.split(match[1])


def root() -> click.Context:
    return program.make_context("seat-ledger", ["doctor"], obj=Session())


def leaves(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        with root() as context:
            for name in command.list_commands(context):
                inner = command.get_command(context, name)
                assert inner is not None
                yield from leaves(inner, f"{path} {name}".strip())
    else:
        yield path, command


def test_the_help_of_each_command_ends_with_an_example_of_it() -> None:
    for path, command in leaves(program, ""):
        words, named = example_of(command), path.split()
        assert words[: len(named)] == named, words
        command.make_context(named[-1], words[len(named) :], parent=root())


def test_each_option_of_a_command_has_a_value_of_its_own() -> None:
    for path, command in leaves(program, ""):
        names = [param.name for param in command.params]
        assert len(names) == len(set(names)), path


ABOUT_ACCOUNTS = {
    *("account", "billing", "event", "finding", "invoice", "price", "report"),
    *("seat", "user"),
}
ABOUT_NONE = {"account list", "invoice audit"}


def test_an_account_is_named_alike_by_every_command_of_what_is_in_one() -> None:
    """By -a; and by the word behind a command of accounts that has no other."""
    for path, command in leaves(program, ""):
        noun, _, verb = path.partition(" ")
        if noun not in ABOUT_ACCOUNTS or path in ABOUT_NONE:
            continue
        names = {name for param in command.params for name in param.opts}
        assert {"-a", "--account"} <= names, path
        words = [p for p in command.params if isinstance(p, click.Argument)]
        if noun == "account":
            assert len(words) == 1, path
        command.make_context(
            verb or path, ["-a", "acme"], resilient_parsing=True, parent=root()
        )


def test_no_example_is_of_a_command_that_is_not_there() -> None:
    shown = {" ".join(example_of(command)) for _, command in leaves(program, "")}
    assert {" ".join(shlex.split(line)) for line in EXAMPLES} <= shown


def test_no_place_or_count_is_below_nothing() -> None:
    ranges = [
        (path, param.name, param.type)
        for path, command in leaves(program, "")
        for param in command.params
        if isinstance(param.type, click.IntRange)
    ]
    assert ("events follow", "after") in {place[:2] for place in ranges}
    for path, name, kind in ranges:
        assert kind.min is not None, (path, name)
        assert kind.min >= 0, (path, name)


def test_help_of_a_command_is_what_h_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "billing", "counts"]) == 0
    first = capsys.readouterr().out
    assert "--unit-price" in first
    assert "Example: seat-ledger billing counts" in first
    assert main(["billing", "counts", "--help"]) == 0
    usage, _, text = capsys.readouterr().out.partition("\n")
    assert text == first.partition("\n")[2]
    assert usage.startswith("Usage: seat-ledger billing counts")
    assert main(["help", "seat"]) == 0
    assert "upgrade" in capsys.readouterr().out
    assert main(["help", "time"]) == 0
    assert capsys.readouterr().out.startswith("# ")


@pytest.mark.parametrize(
    ("words", "hint"),
    [("biling", "billing"), ("billing conts", "counts"), ("tme", "time"), ("zzz", "")],
)
def test_help_says_what_may_be_meant(
    capsys: pytest.CaptureFixture[str], words: str, hint: str
) -> None:
    assert main(["help", *words.split()]) == 2
    message = capsys.readouterr().err
    assert (f"Did you mean '{hint}'?" in message) == bool(hint)


def completed(words: str, begun: str) -> set[str]:
    shell = ShellComplete(program, {"obj": Session()}, "seat-ledger", "_X")
    found = shell.get_completions(words.split(), begun)
    return {item.value for item in found if item.type == "plain"}


def test_what_is_the_same_in_every_ledger_completes() -> None:
    assert completed("billing counts --mode", "day") == {"day_peak", "day_touch"}
    assert "all" in completed("billing counts --mode", "a")
    assert completed("billing counts --currency", "eu") == {"EUR"}
    assert "Europe/Amsterdam" in completed("account open acme --time-zone", "europe/")
    assert completed("account set-billing-policy", "pe") == {"peak"}
    assert "github-copilot-seats" in completed("convert f --with", "github")
    assert completed("help", "exit") == {"exit-codes"}
    assert completed("help billing", "co") == {"counts", "compare"}
    assert completed("source list --format", "js") == {"json", "jsonl"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_choice_of_every_command_completes_in_every_shell(shell: str) -> None:
    """As the script of the shell gets it: the words, in the shell's own form."""
    kind = get_completion_class(shell)
    assert kind is not None
    complete = kind(program, {"obj": Session()}, "seat-ledger", "_X")
    for path, command in leaves(program, ""):
        for option in (p for p in command.params if isinstance(p, click.Option)):
            if isinstance(option.type, click.Choice):
                words = [*path.split(), option.opts[0]]
                found = complete.get_completions(words, "")
                lines = map(complete.format_completion, found)
                values = {line.replace(",", "\n").split("\n")[1].split("\t")[0]
                          for line in lines}  # fmt: skip
                # Where case does not matter, click completes in lower case.
                choices = set(map(str, option.type.choices))
                assert values in (choices, {word.lower() for word in choices}), words


@pytest.mark.parametrize(
    ("words", "begun", "value"),
    [
        ("invoice issue INV-1 --currency", "eu", "EUR"),
        ("price set sales/professional 90 --currency", "usd", "USD"),
        ("source show", "okta", "okta-system-log"),
        ("billing counts --mode", "al", "all"),
        ("billing explain --mode", "dist", "distinct"),
        ("help", "command-f", "command-files"),
        ("help schema", "seat-w", "seat-who"),
        ("completion", "fi", "fish"),
        ("export", "jour", "journal"),
    ],
)
def test_words_of_a_fixed_set_complete(words: str, begun: str, value: str) -> None:
    assert value in completed(words, begun)


def test_what_stands_in_a_ledger_never_completes() -> None:
    for words in ("seat list --account", "user history", "invoice show", "seat who"):
        assert completed(words, "") == set()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_installs_itself_where_the_shell_looks(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    shell: str,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("SHELL", f"/bin/{shell}")
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "_SEAT_LEDGER_COMPLETE" in script
    for _ in range(2):
        assert main(["completion", "install"]) == 0
    (file,) = [file for file in tmp_path.rglob("*seat-ledger*") if file.is_file()]
    assert file.read_text() == script.removesuffix("\n")
    assert str(file) in capsys.readouterr().err
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    assert main(["completion", "install"]) == 2


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("metrics", "Did you mean 'projection status --metrics'"),
        ("bakcup", "There is a page: 'seat-ledger help backup'."),
        ("idle", "Did you mean 'billing idle'?"),
        ("zzz", "Topics: 'seat-ledger help'."),
        ("user history bob", "Try: add -a KEY; the accounts that have this user: "
         "seat-ledger user find bob"),
        ("seat list", "Try: add -a KEY, such as -a acme; all accounts: seat-ledger "
         "account list"),
        ("billing explain -a e --period 2026-03", "such as --seat-type "
         "sales/professional; all types: seat-ledger catalogue list"),
        ("seat buy", "Try: seat-ledger seat buy sales/professional 10"),
        ("event list --type removed", "Did you mean UserRemoved or UserRenamed or "
         "EntryReversed? All: seat-ledger help events"),
        ("event list --type soon", "no type of event."),
        ("billing explain -a e --type x", "Did you mean '--seat-type'?"),
        ("account renewals --output no/r.ics", "Try: --calendar no/r.ics"),
    ],
)  # fmt: skip
def test_what_is_typed_wrongly_is_answered_with_what_can_stand_there(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    hint: str,
) -> None:
    monkeypatch.delenv("SEAT_LEDGER_ACCOUNT", raising=False)
    assert main(words.split()) == 2
    message = " ".join(capsys.readouterr().err.split())
    assert hint in message
    assert len(message) < 500


def test_the_page_of_events_names_every_type() -> None:
    page = text_of("events")
    assert [name for name in EVENT_CLASSES if f"`{name}`" not in page] == []
