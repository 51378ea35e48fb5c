"""The letter to a vendor: what its invoices bill wrongly, and what is to be credited.

The same words as on the screen (:mod:`seat_ledger.cli.output.finding_words`), on one
page to be sent: HTML, or Markdown.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from seat_ledger.cli.output.audit_words import wrong_totals
from seat_ledger.cli.output.files import need, write_whole
from seat_ledger.cli.output.finding_words import (
    findings_of,
    grouped,
    money,
    owed_in_words,
    sums_owed,
)
from seat_ledger.cli.reports import page_templates
from seat_ledger.domain.calendar import ZoneHistory, local_date

if TYPE_CHECKING:
    from datetime import datetime

    from seat_ledger.cli.output.i18n import Words
    from seat_ledger.projections.billing.audit import Spool, Summary
    from seat_ledger.projections.billing.audit.findings import AuditFinding
    from seat_ledger.projections.reader import ConnectedReader, Knowledge

_TITLES = (
    *("invoice", "account", "period", "seat_type", "billed", "right", "difference"),
)


class LetterBasis(Protocol):
    """What a letter rests on: the ledger as known, a day, and the account's clock."""

    @property
    def reader(self) -> ConnectedReader:
        """What answers."""

    @property
    def knowledge(self) -> Knowledge:
        """As of which position."""

    @property
    def zones(self) -> ZoneHistory:
        """In which zones its times are."""

    @property
    def now(self) -> datetime:
        """When it is written."""


def write_letter(  # noqa: PLR0913, PLR0917  what an audit is
    basis: LetterBasis,
    path: Path,
    spool: Spool,
    summary: Summary,
    name: str,
    words: Words,
) -> None:
    """Write the letter about an audit's findings. Raises LedgerError."""
    findings = findings_of(basis.reader, spool, basis.knowledge)
    form = path.suffix.lower()
    write_whole(path, letter(basis, findings, summary, name, form, words))


def letter(  # noqa: PLR0913, PLR0917  what an audit is
    basis: LetterBasis,
    findings: list[AuditFinding],
    summary: Summary,
    name: str,
    form: str,
    words: Words,
) -> str:
    """The letter about findings, as ``.html`` or ``.md``. Raises LedgerError."""
    facts = _facts(basis, findings, summary, name, words)
    if form == ".md":
        return _markdown(facts)
    need("jinja2", "reports", "A letter as .html")
    return page_templates().get_template("letter.html").render(**facts)


def _differing(summary: Summary, words: Words) -> str:
    """How many lines differ, and how many figures have no line at all."""
    missing = summary.verdicts["missing"]
    wrong = summary.findings - missing
    sentences = [words.counted("letter_wrong", wrong)] if wrong else []
    sentences += [words.counted("letter_missing", missing)] if missing else []
    return " ".join(sentences)


def _facts(
    basis: LetterBasis,
    findings: list[AuditFinding],
    summary: Summary,
    name: str,
    words: Words,
) -> dict[str, Any]:
    """What the letter says, whatever it looks like."""
    rows = [finding.row for finding in findings]
    invoices = list(dict.fromkeys(row["invoice"] for row in rows))
    accounts = list(dict.fromkeys(row["account"] for row in rows))
    more = summary.findings - len(findings)
    lines = words.counted("count_lines", summary.lines)
    intro = words(
        "letter_intro", lines=lines, name=name, differing=_differing(summary, words)
    )
    owed = owed_in_words(findings, words)
    zone = basis.zones.at(basis.now)
    return {
        "language": words.language,
        "subject": words(
            "letter_subject",
            invoices=_listed(words, "invoices", invoices),
            accounts=_listed(words, "accounts", accounts),
        ),
        "day": words.date(local_date(basis.now, zone)),
        "intro": " ".join([intro, *wrong_totals(summary, words)]),
        "owed": words("letter_in_all", owed=owed),
        "request": _request(findings, words),
        "groups": grouped(findings, words),
        "lines": words("letter_lines"),
        "titles": [words(f"letter_{title}") for title in _TITLES],
        "table": [
            (
                row["invoice"],
                row["account"],
                words.dates(row["period"]),
                row["seat_type"],
                words.figure(row["invoiced_quantity"]),
                _right(finding, words),
                words.money(row["difference"], row["currency"])
                if row["difference"]
                else words("not_priced_word"),
            )
            for finding, row in zip(findings, rows, strict=True)
        ],
        "more": words.counted("letter_more", more) if more > 0 else "",
        "basis": words("letter_basis", position=basis.knowledge.position),
    }


def _right(finding: AuditFinding, words: Words) -> str:
    """What the ledger owes a line, and which line is owed the figure instead."""
    right = words.figure(finding.row["ledger_quantity"])
    if not (owed := finding.owed_elsewhere):
        return right
    return words("letter_owed_elsewhere", right=right, line=owed.line)


def _request(findings: list[AuditFinding], words: Words) -> str:
    """What is asked of the vendor."""
    owed = [
        money(words, amount, code)
        for who, code, amount in sums_owed(findings)
        if who == "vendor"
    ]
    if not owed:
        return words("letter_confirm")
    return words("letter_credit", amount=words.listed(owed))


def _listed(words: Words, noun: str, names: list[str]) -> str:
    if len(names) > 3:
        return words(f"count_{noun}", count=words.number(len(names)))
    listed = ", ".join(names) or words("none")
    return words.counted(f"letter_{noun}", max(1, len(names)), names=listed)


def _markdown(facts: dict[str, Any]) -> str:
    lines = [f"# {facts['subject']}", "", facts["day"], "", facts["intro"]]
    lines += [facts["owed"], "", f"**{facts['request']}**", ""]
    for group in facts["groups"]:
        lines += [f"## {group.title}", "", f"{group.owed[0].upper()}{group.owed[1:]}."]
        lines += ["", *(f"- {_plain(text)}" for text in group.explained), ""]
        lines += [group.not_explained, ""] if group.not_explained else []
    if facts["more"]:
        lines += [facts["more"], ""]
    lines += [f"## {facts['lines']}", "", f"| {' | '.join(facts['titles'])} |"]
    lines += [f"|{'---|' * len(facts['titles'])}"]
    lines += [f"| {' | '.join(map(_plain, row))} |" for row in facts["table"]]
    return "\n".join([*lines, "", facts["basis"], ""])


def _plain(text: object) -> str:
    """A text that Markdown takes as it is written."""
    escaped = "".join(f"\\{sign}" if sign in _SIGNS else sign for sign in str(text))
    return " ".join(escaped.split())


_SIGNS = "\\`*_[]<>|"
