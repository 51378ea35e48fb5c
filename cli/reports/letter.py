"""The letter to a vendor: what its invoices bill wrongly, and what is to be credited.

The same words as on the screen (:mod:`seat_ledger.cli.output.finding_words`), on one
page to be sent: HTML, or Markdown.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from seat_ledger.cli.output.files import need, write_whole
from seat_ledger.cli.output.finding_words import (
    FindingGroup,
    findings_of,
    grouped,
    owed_in_words,
)
from seat_ledger.cli.output.render import counted, harmless_in_page

if TYPE_CHECKING:
    from seat_ledger.cli.options.session import Question
    from seat_ledger.projections.billing.audit import Spool, Summary
    from seat_ledger.projections.billing.audit.findings import AuditFinding

_TABLE = ("invoice", "account", "period", "seat_type", "invoiced_quantity")
_TABLE_TITLES = (
    *("Invoice", "Account", "Period", "Seat type", "Billed", "Right", "Difference"),
)


def write_letter(
    question: Question, path: Path, spool: Spool, summary: Summary, name: str
) -> None:
    """Write the letter about an audit's findings. Raises LedgerError."""
    findings = findings_of(question.reader, spool, question.knowledge)
    write_whole(path, letter(question, findings, summary, name, path.suffix.lower()))


def letter(
    question: Question,
    findings: list[AuditFinding],
    summary: Summary,
    name: str,
    form: str,
) -> str:
    """The letter about findings, as ``.html`` or ``.md``. Raises LedgerError."""
    facts = _facts(question, findings, summary, name)
    if form == ".md":
        return _markdown(facts)
    need("jinja2", "reports", "A letter as .html")
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        loader=PackageLoader("seat_ledger.cli.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=harmless_in_page,
    )
    return environment.get_template("letter.html").render(**facts)


def _differing(summary: Summary) -> str:
    """How many lines differ, and how many figures have no line at all."""
    missing = summary.verdicts["missing"]
    wrong = summary.findings - missing
    sentences = []
    if wrong:
        agree = "does" if wrong == 1 else "do"
        sentences.append(f"{counted(wrong, 'line')} of them {agree} not agree with it.")
    if missing:
        sentences.append(f"{counted(missing, 'figure')} of ours had no line.")
    return " ".join(sentences)


def _facts(
    question: Question, findings: list[AuditFinding], summary: Summary, name: str
) -> dict[str, Any]:
    """What the letter says, whatever it looks like."""
    rows = [finding.row for finding in findings]
    invoices = list(dict.fromkeys(row["invoice"] for row in rows))
    accounts = list(dict.fromkeys(row["account"] for row in rows))
    groups: list[FindingGroup] = grouped(findings)
    knowledge = question.knowledge
    return {
        "subject": f"Differences in {_listed(invoices, 'invoice')} for "
        f"{_listed(accounts, 'account')}",
        "day": question.now.date().isoformat(),
        "intro": f"We have checked {counted(summary.lines, 'line')} of {name} against "
        f"our record of seats. {_differing(summary)}",
        "owed": owed_in_words(findings),
        "request": _request(findings),
        "groups": groups,
        "titles": _TABLE_TITLES,
        "table": [
            (
                *(row[field] for field in _TABLE),
                row["ledger_quantity"],
                " ".join(filter(None, (row["difference"], row["currency"])))
                if row["difference"]
                else "not priced",
            )
            for row in rows
        ],
        "more": summary.findings - len(findings),
        "basis": f"All figures are as known at position {knowledge.position} of our "
        "ledger; entry numbers name its records, which we can show you.",
    }


def _request(findings: list[AuditFinding]) -> str:
    """What is asked of the vendor."""
    owed = [finding for finding in findings if finding.owed_by == "vendor"]
    if not owed:
        return "Please confirm these figures, or tell us where yours come from."
    amount = owed_in_words(owed).removeprefix("the vendor owes ")
    return (
        f"Please credit {amount}, or tell us for each line which seats and dates your "
        "figure comes from."
    )


def _listed(names: list[str], noun: str) -> str:
    if len(names) > 3:
        return counted(len(names), noun)
    return f"{noun}{'s' if len(names) > 1 else ''} {', '.join(names) or 'none'}"


def _markdown(facts: dict[str, Any]) -> str:
    lines = [f"# {facts['subject']}", "", facts["day"], "", facts["intro"]]
    lines += [f"In all: {facts['owed']}.", "", f"**{facts['request']}**", ""]
    for group in facts["groups"]:
        lines += [f"## {group.title}", "", f"{group.owed[0].upper()}{group.owed[1:]}."]
        lines += ["", *(f"- {_plain(text)}" for _, text in group.findings), ""]
    if facts["more"] > 0:
        lines += [f"{facts['more']:,} more lines are not explained here.", ""]
    lines += ["## The lines", "", f"| {' | '.join(facts['titles'])} |"]
    lines += [f"|{'---|' * len(facts['titles'])}"]
    lines += [f"| {' | '.join(map(_plain, row))} |" for row in facts["table"]]
    return "\n".join([*lines, "", facts["basis"], ""])


def _plain(text: object) -> str:
    """A text that Markdown takes as it is written."""
    escaped = "".join(f"\\{sign}" if sign in _SIGNS else sign for sign in str(text))
    return " ".join(escaped.split())


_SIGNS = "\\`*_[]<>|"
