"""The console's languages: nothing missing in either, figures as people write them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from seat_ledger.cli.console.failures import UnreadableRequest
from seat_ledger.cli.console.pages.attention import KINDS
from seat_ledger.cli.output.i18n import LANGUAGES, catalogue, chosen, words_of
from seat_ledger.cli.output.messages import Message
from seat_ledger.cli.reports.letter import _TITLES
from seat_ledger.domain.calendar import ZoneHistory
from seat_ledger.domain.counting_rules import MODES
from seat_ledger.projections.billing.audit.summary import CAUSES, VERDICTS
from seat_ledger.projections.billing.kept_findings import STATES
from seat_ledger.projections.engine.registry import TOPICS

CLI = Path(__file__).parents[2] / "cli"
AMSTERDAM = ZoneHistory("Europe/Amsterdam")


def test_both_languages_have_the_same_texts_with_the_same_gaps() -> None:
    first, *others = [catalogue(language) for language in LANGUAGES]
    for other in others:
        assert other.keys() == first.keys()
        for key, text in first.items():
            gaps = [sorted(set(re.findall(r"{(\w+)}", t))) for t in (text, other[key])]
            assert gaps[0] == gaps[1], key


def test_every_text_that_a_page_names_is_there_and_none_is_idle() -> None:
    sources = [
        file
        for room in ("console", "reports", "output")
        for ending in ("html", "py")
        for file in (CLI / room).glob(f"**/*.{ending}")
    ]
    text = "\n".join(file.read_text() for file in sources)
    plain = set(re.findall(r'(?:\bt|words)\(\s*[\'"]([a-z_]+)[\'"]\s*[,)]', text))
    counted = set(re.findall(r'\.counted\(\s*[\'"]([a-z_]+)[\'"]', text))
    kinds = ["account", "user", "seat", "invoice", "entry"]
    created = {f"event_{topic}" for topic in TOPICS}
    created |= {f"rule_{mode}" for mode in MODES}
    created |= {f"state_{state}" for state in ("current", "behind", "stale", "stuck")}
    created |= {f"kind_{kind}" for kind in kinds}
    created |= {f"verdict_{word}" for word in VERDICTS}
    created |= {f"cause_{cause}" for cause in CAUSES}
    created |= {f"upload_{why}" for why in ("length", "size", "site", "kind")}
    created |= {f"finding_{state}" for state in STATES}
    created |= {
        key.format(who)
        for key in ("owed_by_{}", "owes_{}", "line_{}_owes")
        for who in ("vendor", "customer")
    }
    created |= {
        f"{key}_{cause}" for key in ("because", "cause_title") for cause in CAUSES
    }
    created |= {f"line_unknown_{what}" for what in ("account", "period", "bounds")}
    created |= {f"line_unknown_{what}_nowhere" for what in ("period", "bounds")}
    created |= {"line_unknown_seat_type", "line_open_right", "line_open_wrong"}
    created |= {f"report_rule_{by}" for by in ("plain", "day", "by_day")}
    created |= {f"report_rule_{by}" for by in ("second", "by_second")}
    created |= {f"letter_{title}" for title in _TITLES}
    created |= {f"count_{noun}" for noun in ("invoices", "accounts")}
    created |= {
        f"letter_{noun}.{n}"
        for noun in ("invoices", "accounts")
        for n in ("one", "many")
    }
    sheets = re.findall(r'\.(?:table|below|sheet)\(\s*"(\w+)"', text)
    created |= {f"sheet_{name}" for name in sheets}
    created |= {f"attention_{kind}" for kind in KINDS}
    created |= {f"attention_{kind}.{n}" for kind in KINDS for n in ("one", "many")}
    created |= {f"report_{form}" for form in ("html", "xlsx")}
    created |= {f"refused_{why}" for why in re.findall(r'Refused\("(\w+)"\)', text)}
    expected = (
        plain | created | {f"{key}.{n}" for key in counted for n in ("one", "many")}
    )
    known_at = set(catalogue("en"))
    assert expected <= known_at, expected - known_at
    conditional = {"as_of_then", "as_of_now", "late_caption", "yes", "no"}
    derived = re.compile(
        r"(error|language|by|kind_of|event|column|message|noun)_"
        r"|months|thousands|decimal"
    )
    idle = {key for key in known_at - expected - conditional if not derived.match(key)}
    spoken = {key for key in idle if f'"{key.partition(".")[0]}"' in text}
    assert idle == spoken


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("nl", "nl"),
        ("nl-BE,nl;q=0.9,en;q=0.5", "nl"),
        ("en-GB,nl;q=0.8", "en"),
        ("fr,de;q=0.9", "en"),
        ("fr, nl;q=0.1", "nl"),
        ("nl;q=0, en", "en"),
        ("", "en"),
        (";;q=,,*", "en"),
    ],
)
def test_the_browser_chooses_the_language(accepted: str, language: str) -> None:
    assert chosen(accepted) == language


def test_numbers_and_dates_by_locale() -> None:
    en, nl = words_of("en"), words_of("nl")
    assert (en.number(1204113), nl.number(1204113)) == ("1,204,113", "1.204.113")
    assert (en.number("11.5484"), nl.number("11.5484")) == ("11.5484", "11,5484")
    assert nl.number("-1039.35") == "\N{MINUS SIGN}1.039,35"
    assert nl.number("INV-7") == "INV-7"
    day = date(2026, 3, 14)
    assert (en.day(day), nl.day(day)) == ("14 March 2026", "14 maart 2026")
    instant = datetime(2026, 3, 14, 9, 30, tzinfo=UTC)
    assert nl.spelled(instant, AMSTERDAM) == "14 maart 2026 10:30 (Europe/Amsterdam)"
    finer = instant.replace(second=5, microsecond=250_000)
    assert en.moment(finer, AMSTERDAM) == "14 Mar 2026 10:30:05.25"
    assert en.moment(None, AMSTERDAM) == "present"
    assert nl.span(33_120) == "9 u 12 min"


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_cannot_be_read_is_a_sentence_in_the_visitors_language(
    language: str,
) -> None:
    """One catalogue: whatever the console itself refuses has its sentence there."""
    sources = [file.read_text() for file in (CLI / "console").glob("**/*.py")]
    raised = set(re.findall(r'UnreadableRequest\(\s*"(\w+)"', "\n".join(sources)))
    keys = {key for key in catalogue(language) if key.startswith("error_text_")}
    assert keys == {f"error_text_{name}" for name in raised}
    error = UnreadableRequest("number", name="skip", text="'x'")
    message = Message.of(error.message, words_of(language))
    assert message.language == language
    assert message.text == words_of(language)(
        "error_text_number", name="skip", text="'x'"
    )
