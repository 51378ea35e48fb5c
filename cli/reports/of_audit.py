"""The report of an audit: every line with its verdict, and the entries behind it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from seat_ledger.cli.options.counting import rules_in_words
from seat_ledger.cli.output.audit_words import CAUSES, sentence
from seat_ledger.cli.output.finding_words import findings_of, grouped, owed_in_words
from seat_ledger.cli.output.windows import is_open
from seat_ledger.cli.reports.content import (
    Content,
    Pictured,
    ReportColumn,
    ReportLine,
    Table,
    cells_of,
)
from seat_ledger.cli.reports.pictures import pictured
from seat_ledger.domain.calendar import TZDATA_VERSION
from seat_ledger.domain.values import iso
from seat_ledger.projections import billing, journal
from seat_ledger.projections.billing.audit import Spool, Summary
from seat_ledger.projections.billing.audit.findings import AuditFinding
from seat_ledger.projections.billing.audit.summary import Audited
from seat_ledger.projections.reader import AccountQuestion, ConnectedReader, Knowledge

ACCOUNTS_PICTURED = 12
COLUMNS = (
    ReportColumn("line", "number"),
    ReportColumn("invoice"),
    ReportColumn("account"),
    ReportColumn("period", "date"),
    ReportColumn("seat type"),
    ReportColumn("invoiced", "number", field="invoiced_quantity"),
    ReportColumn("ledger", "number", field="ledger_quantity"),
    ReportColumn("ledger at issue", "number", field="ledger_quantity_at_issue"),
    ReportColumn("invoiced amount", "money"),
    ReportColumn("ledger amount", "money"),
    ReportColumn("difference", "money"),
    ReportColumn("currency", on_page=False),
    ReportColumn("verdict"),
    ReportColumn("cause", on_page=False),
    ReportColumn("rule", on_page=False),
    ReportColumn("known at issue", "number", on_page=False, field="issued_position"),
    ReportColumn("ledger least", "number", False, "ledger_quantity_least"),
    ReportColumn("ledger most", "number", False, "ledger_quantity_most"),
    ReportColumn("within windows", on_page=False),
)
FINDINGS = (
    ReportColumn("line", "number"),
    ReportColumn("invoice"),
    ReportColumn("account"),
    ReportColumn("period", "date"),
    ReportColumn("seat type"),
    ReportColumn("verdict"),
    ReportColumn("owed by"),
    ReportColumn("owed amount", "money"),
    ReportColumn("currency"),
    ReportColumn("cause"),
    ReportColumn("finding", field="sentence"),
)
_OPEN = ("ledger least", "ledger most")
ENTRIES = (
    ReportColumn("position", "number"),
    ReportColumn("event"),
    ReportColumn("effective", "instant", field="effective_at"),
    ReportColumn("recorded", "instant", field="recorded_at"),
    ReportColumn("seat"),
    ReportColumn("user"),
    ReportColumn("by", field="actor"),
    ReportColumn("reason"),
    ReportColumn("effective after", "instant"),
)


def of_audit(
    reader: ConnectedReader,
    spool: Spool,
    summary: Summary,
    knowledge: Knowledge,
    name: str,
) -> Content:
    """What the report of an audit says."""
    explained = findings_of(reader, spool, knowledge)
    rules: dict[tuple[str, str | None], None] = {}
    zones: dict[str, None] = {}
    pictures = list(_pictures(reader, summary, knowledge))
    has_open = False
    for row in _first(spool):
        rules[row["mode"], row["granularity"]] = None
        has_open |= is_open(row, "ledger_quantity")
    for account in pictures:
        zones[account.zones.current] = None
    return Content(
        title=f"Audit of {name}",
        sentence=sentence(summary, name),
        facts=[
            ("Owed", _owed(explained, summary)),
            *_facts(summary, knowledge, rules_text(rules), list(zones)),
        ],
        summary=[_verdicts(summary), _causes(summary), _totals(summary)],
        columns=[
            column._replace(
                on_page=column.on_page or (has_open and column.title in _OPEN)
            )
            for column in COLUMNS
        ],
        lines=lambda: (_line(row) for row in spool.answers()),
        parts=ENTRIES,
        opened=lambda lines: _entries(reader, lines, knowledge),
        pictured=pictures,
        known_at=(knowledge.position, knowledge.recorded_at),
        named_by=("line", "invoice", "account", "period", "seat type"),
        notes=_NOTES,
        left_out=_left_out(summary),
        findings=Table("Findings", FINDINGS, list(_in_words(explained))),
    )


def _owed(explained: Sequence[AuditFinding], summary: Summary) -> str:
    """Who owes whom how much, and of which findings that is."""
    owed = owed_in_words(explained)
    if summary.findings == len(explained):
        return owed
    return f"{owed} (by the first {len(explained)} of {summary.findings:,} findings)"


def _in_words(explained: Sequence[AuditFinding]) -> Iterator[Sequence[Any]]:
    """A row for each finding, by cause, those with most money first."""
    for group in grouped(explained):
        for finding, text in group.findings:
            shown = {**finding.fields(), "cause": group.title, "sentence": text}
            yield cells_of(FINDINGS, shown)


_NOTES = (
    "The difference is what was invoiced minus what the ledger bills at the line's "
    "own price. Where several lines bill one figure, each is compared with what the "
    "others leave of it.",
    "Not known at issue: the invoice was issued before the ledger's first record of "
    "the account; imported history is known as of its import.",
    "A missing line is something that the ledger bills in an invoiced period, but no "
    "line does.",
)


def _first(spool: Spool, most: int = 5_000) -> Iterator[dict[str, Any]]:
    for n, row in enumerate(spool.answers()):
        if n == most:
            return
        yield row


def _facts(
    summary: Summary, knowledge: Knowledge, rules: str, zones: list[str]
) -> list[tuple[str, str]]:
    spans = summary.accounts.values()
    first = min((account.first for account in spans), default="-")
    last = max((account.last for account in spans), default="-")
    recorded = (
        iso(knowledge.recorded_at) if knowledge.recorded_at else "nothing recorded"
    )
    return [
        ("Rule", rules),
        ("Time zone", ", ".join(zones) or "UTC"),
        ("Effective time", f"the periods that begin from {first} to {last}"),
        ("Known at", f"position {knowledge.position}, recorded {recorded}"),
        ("Known at issue", "for each line the position of its issue"),
        ("Accounts", f"{len(summary.accounts):,}"),
        ("Time zone data", TZDATA_VERSION),
    ]


def rules_text(rules: Iterable[tuple[str, str | None]]) -> str:
    """The counting rules of a report, in words."""
    texts = [text.removeprefix("Rule: ") for text in rules_in_words(rules)]
    return " ".join(texts) or "none"


def _verdicts(summary: Summary) -> Table:
    rows = list(summary.verdicts.items())
    return Table(
        "Verdicts", (ReportColumn("verdict"), ReportColumn("lines", "number")), rows
    )


def _causes(summary: Summary) -> Table:
    rows = [(CAUSES[cause], count) for cause, count in summary.causes.items()]
    return Table(
        "Causes", (ReportColumn("cause"), ReportColumn("lines", "number")), rows
    )


def _totals(summary: Summary) -> Table:
    columns = (
        ReportColumn("currency"),
        ReportColumn("invoiced", "money"),
        ReportColumn("by the ledger", "money"),
        ReportColumn("difference", "money"),
        ReportColumn("rows not priced", "number"),
    )
    rows = [
        (
            total["currency"] or "not given",
            total["invoiced_amount"],
            total["ledger_amount"],
            total["difference"],
            total["not_priced"],
        )
        for total in summary.totals()
    ]
    return Table("Amounts", columns, rows)


def _line(row: dict[str, Any]) -> ReportLine:
    rule = row["mode"] + (f" by {row['granularity']}" if row["granularity"] else "")
    shown = {
        **row,
        "ledger_amount": row["ledger_amount"] or "not priced",
        "difference": row["difference"] or "not priced",
        "cause": row["cause"].replace("_", " "),
        "rule": rule,
        "within_windows": "yes" if row["within_windows"] else "no",
    }
    if row["cause"] == "not_known_at_issue":
        shown["ledger_quantity_at_issue"] = None
    cells = cells_of(COLUMNS, shown)
    if row["verdict"] == "match":
        return ReportLine(cells, "", row)
    cause = CAUSES[row["cause"]]
    remark = (
        f"{cause[0].upper()}{cause[1:]} (issued at position {row['issued_position']}, "
        f"counted {rule})."
    )
    if row["within_windows"]:
        remark += (
            " It may be right: lists leave open how much the ledger bills, from "
            f"{row['ledger_quantity_least']} to {row['ledger_quantity_most']}."
        )
    return ReportLine(cells, row["verdict"], row, remark)


def _entries(
    reader: ConnectedReader, lines: Sequence[ReportLine], knowledge: Knowledge
) -> list[list[Sequence[Any]]]:
    positions = {position for line in lines for position in line.source["events"]}
    entries = journal.entries(reader, positions, knowledge)
    return [
        [entry_cells(entries[position]) for position in line.source["events"]]
        for line in lines
    ]


def entry_cells(entry: dict[str, Any]) -> Sequence[Any]:
    """An entry as a row: what, when, by whom and why."""
    reverses = entry["data"].get("entry")
    event = entry["event"] + (f" of {reverses}" if reverses else "")
    return cells_of(ENTRIES, {**entry, "event": event})


def _pictures(
    reader: ConnectedReader, summary: Summary, knowledge: Knowledge
) -> Iterator[Pictured]:
    """The accounts with most findings, at most so many."""
    chosen = sorted(
        summary.accounts.items(), key=lambda pair: (-pair[1].findings, pair[0])
    )
    for key, audited in chosen[:ACCOUNTS_PICTURED]:
        account = reader.account(key, knowledge)
        question = AccountQuestion(reader, account, knowledge)
        yield pictured(question, *_span(account, audited))


def _span(account: Any, audited: Audited) -> tuple[datetime, datetime]:
    first = billing.labelled(account, audited.first)
    last = billing.labelled(account, audited.last)
    return first.starts, last.ends


def _left_out(summary: Summary) -> str:
    more = len(summary.accounts) - ACCOUNTS_PICTURED
    if more <= 0:
        return ""
    return (
        f"Charts are shown for the {ACCOUNTS_PICTURED} accounts with the most "
        f"findings; {more:,} more accounts are in the lines."
    )
