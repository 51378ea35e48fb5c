"""The report of an audit: every line with its verdict, and the entries behind it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from seat_ledger.cli.output.audit_words import ledger_at_issue, sentence
from seat_ledger.cli.output.finding_words import (
    findings_of,
    grouped,
    owed_in_words,
    sums_owed,
)
from seat_ledger.cli.output.i18n import Words
from seat_ledger.cli.output.windows import is_open
from seat_ledger.cli.reports.content import (
    Content,
    Pictured,
    PlottedTable,
    ReportColumn,
    ReportLine,
    Table,
    cells_of,
    sums_of,
)
from seat_ledger.cli.reports.in_short import audit_in_short
from seat_ledger.cli.reports.pictures import pictured
from seat_ledger.domain.calendar import TZDATA_VERSION, ZoneHistory
from seat_ledger.domain.counting_rules import COUNTING_RULES
from seat_ledger.domain.money import Currency, rounded
from seat_ledger.domain.values import iso
from seat_ledger.errors import NotFound
from seat_ledger.projections import billing, journal
from seat_ledger.projections.billing.audit import Spool, Summary
from seat_ledger.projections.billing.audit.findings import AuditFinding
from seat_ledger.projections.billing.audit.summary import CAUSES, Audited
from seat_ledger.projections.reader import AccountQuestion, ConnectedReader, Knowledge

ACCOUNTS_PICTURED = 12
COLUMNS = (
    ReportColumn("line", "entry"),
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
    ReportColumn("known at issue", "entry", on_page=False, field="issued_position"),
    ReportColumn("ledger least", "number", False, "ledger_quantity_least"),
    ReportColumn("ledger most", "number", False, "ledger_quantity_most"),
    ReportColumn("within windows", on_page=False),
)
FINDINGS = (
    ReportColumn("line", "entry"),
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
    ReportColumn("position", "entry"),
    ReportColumn("event"),
    ReportColumn("effective", "instant", field="effective_at"),
    ReportColumn("recorded", "instant", field="recorded_at"),
    ReportColumn("seat"),
    ReportColumn("user"),
    ReportColumn("by", field="actor"),
    ReportColumn("reason"),
    ReportColumn("effective after", "instant"),
)


def of_audit(  # noqa: PLR0913, PLR0917  what an audit is
    reader: ConnectedReader,
    spool: Spool,
    summary: Summary,
    knowledge: Knowledge,
    name: str,
    words: Words,
) -> Content:
    """What the report of an audit says, in a language."""
    explained = findings_of(reader, spool, knowledge)
    rules: dict[tuple[str, str | None], None] = {}
    zones: dict[str, None] = {}
    pictures = list(_pictures(reader, summary, knowledge, words))
    has_open = False
    for row in _first(spool):
        rules[row["mode"], row["granularity"]] = None
        has_open |= is_open(row, "ledger_quantity")
    for account in pictures:
        zones[account.zones.current] = None
    owed = _owed(explained, summary, words)
    return Content(
        words=words,
        title=words("report_of_audit", name=name),
        sentence=sentence(summary, name, words),
        in_short=audit_in_short(summary, explained, name, owed, words),
        facts=[
            (words("report_fact_owed"), owed),
            *_facts(summary, knowledge, rules_text(rules, words), list(zones), words),
        ],
        summary=[
            _verdicts(summary, words),
            _causes(summary, explained, words),
            _totals(summary, words),
        ],
        columns=[
            column._replace(
                on_page=column.on_page or (has_open and column.title in _OPEN)
            )
            for column in COLUMNS
        ],
        lines=lambda: (_line(row, words) for row in spool.answers()),
        sums=[_sums(total, words) for total in summary.totals()],
        parts=ENTRIES,
        opened=lambda lines: _entries(reader, lines, knowledge, words),
        pictured=pictures,
        known_at=(knowledge.position, knowledge.recorded_at),
        zones_of=_Zones(reader, knowledge).of,
        named_by=("line", "invoice", "account", "period", "seat type"),
        notes=[words(note) for note in _NOTES],
        left_out=_left_out(summary, words),
        findings=Table(
            words("sheet_findings"), FINDINGS, list(_in_words(explained, words))
        ),
        plotted=[_by_cause(explained, words), _by_currency(summary, words)],
    )


class _Zones:
    """The zones of accounts, by key; UTC for one that the ledger has not."""

    def __init__(self, reader: ConnectedReader, knowledge: Knowledge) -> None:
        self._reader, self._knowledge = reader, knowledge
        self._zones: dict[str, ZoneHistory] = {}

    def of(self, key: str) -> ZoneHistory:
        """Those of an account."""
        if key not in self._zones:
            try:
                zones = self._reader.account(key, self._knowledge).zones
            except NotFound:
                zones = ZoneHistory("UTC")
            self._zones[key] = zones
        return self._zones[key]


def _owed(explained: Sequence[AuditFinding], summary: Summary, words: Words) -> str:
    """Who owes whom how much, and of which findings that is."""
    owed = owed_in_words(explained, words)
    if summary.findings == len(explained):
        return owed
    counts = [words.number(count) for count in (len(explained), summary.findings)]
    return words("report_first_findings", owed=owed, count=counts[0], total=counts[1])


def _in_words(
    explained: Sequence[AuditFinding], words: Words
) -> Iterator[Sequence[Any]]:
    """A row for each finding, by cause, those with most money first."""
    for group in grouped(explained, words):
        for finding, text in group.findings:
            fields = finding.fields()
            debtor = fields["owed_by"]
            yield cells_of(
                FINDINGS,
                {
                    **fields,
                    "verdict": words(f"verdict_{fields['verdict']}"),
                    "owed_by": words(f"owed_by_{debtor}") if debtor else None,
                    "cause": group.title,
                    "sentence": text,
                },
            )


_NOTES = ("report_difference_note", "report_issue_note", "report_missing_note")


def _first(spool: Spool, most: int = 5_000) -> Iterator[dict[str, Any]]:
    for n, row in enumerate(spool.answers()):
        if n == most:
            return
        yield row


def _facts(
    summary: Summary,
    knowledge: Knowledge,
    rules: str,
    zones: list[str],
    words: Words,
) -> list[tuple[str, str]]:
    spans = summary.accounts.values()
    first = min((account.first for account in spans), default="-")
    last = max((account.last for account in spans), default="-")
    begun = {"first": words.date(first), "last": words.date(last)}
    return [
        (words("report_fact_rule"), rules),
        (words("report_fact_zone"), ", ".join(zones) or "UTC"),
        (words("report_fact_effective"), words("report_periods_begun", **begun)),
        (words("report_fact_known"), known_text(knowledge, words)),
        (words("report_fact_issue"), words("report_each_issue")),
        (words("report_fact_accounts"), words.number(len(summary.accounts))),
        (words("report_fact_tzdata"), TZDATA_VERSION),
    ]


def known_text(
    knowledge: Knowledge, words: Words, until: datetime | None = None
) -> str:
    """The state of knowledge of a report; `until` says up to when nothing followed."""
    at = knowledge.recorded_at
    recorded = iso(at) if at else words("report_nothing_recorded")
    if at and until and until > at:
        recorded = words("report_known_until", recorded=recorded, until=iso(until))
    return words("report_known", position=knowledge.position, recorded=recorded)


def rules_text(rules: Iterable[tuple[str, str | None]], words: Words) -> str:
    """The counting rules of a report, in words."""
    texts = [
        words(
            f"report_rule_{part or 'plain'}",
            mode=mode,
            text=COUNTING_RULES[mode].words[words.language],
        )
        for mode, part in rules
    ]
    return " ".join(texts) or words("none")


def rule_named(row: Mapping[str, Any], words: Words) -> str:
    """The counting rule of a line, by its name."""
    mode: str = row["mode"]
    part = row["granularity"]
    return words(f"report_rule_by_{part}", mode=mode) if part else mode


def _verdicts(summary: Summary, words: Words) -> Table:
    rows = [(words(f"verdict_{v}"), count) for v, count in summary.verdicts.items()]
    columns = (ReportColumn("verdict"), ReportColumn("lines", "number"))
    return Table(words("report_verdicts"), columns, rows)


def _causes(summary: Summary, explained: Sequence[AuditFinding], words: Words) -> Table:
    """How many lines differ for each cause, and what they come to, where explained."""
    columns = (
        ReportColumn("cause"),
        ReportColumn("lines", "number"),
        ReportColumn("owed by"),
        ReportColumn("owed amount", "money"),
        ReportColumn("currency"),
    )
    rows: list[tuple[Any, ...]] = []
    for cause, count in summary.causes.items():
        mine = [finding for finding in explained if finding.row["cause"] == cause]
        name = words(f"because_{cause}")
        owed: list[tuple[Any, ...]] = [
            (
                words(f"owed_by_{who}"),
                rounded(amount, Currency.named(code).places),
                code,
            )
            for who, code, amount in sums_owed(mine)
        ]
        rows += [(name, count, *cells) for cells in owed or [(None, None, None)]]
    return Table(words("report_causes"), columns, rows)


def _totals(summary: Summary, words: Words) -> Table:
    columns = (
        ReportColumn("currency"),
        ReportColumn("invoiced", "money"),
        ReportColumn("by the ledger", "money"),
        ReportColumn("difference", "money"),
        ReportColumn("rows not priced", "number"),
    )
    rows = [
        (
            total["currency"] or words("report_no_currency"),
            total["invoiced_amount"],
            total["ledger_amount"],
            total["difference"],
            total["not_priced"],
        )
        for total in summary.totals()
    ]
    return Table(words("report_amounts"), columns, rows)


def _line(row: dict[str, Any], words: Words) -> ReportLine:
    rule, cause = rule_named(row, words), row["cause"]
    free = words("not_priced_word")
    shown = {
        **row,
        "ledger_amount": row["ledger_amount"] or free,
        "difference": row["difference"] or free,
        "verdict": words(f"verdict_{row['verdict']}"),
        "cause": words("none" if cause == "none" else f"cause_{cause}"),
        "rule": rule,
        "within_windows": words("yes" if row["within_windows"] else "no"),
        "ledger_quantity_at_issue": ledger_at_issue(row),
    }
    cells = cells_of(COLUMNS, shown)
    if row["verdict"] == "match":
        return ReportLine(cells, "", row)
    text = words(f"because_{cause}")
    remark = words(
        "report_remark",
        cause=f"{text[0].upper()}{text[1:]}",
        position=row["issued_position"],
        rule=rule,
    )
    if row["within_windows"]:
        least, most = (
            words.figure(row[f"ledger_quantity_{end}"]) for end in ("least", "most")
        )
        remark += f" {words('report_remark_open', least=least, most=most)}"
    return ReportLine(cells, row["verdict"], row, remark)


def _sums(total: dict[str, Any], words: Words) -> Sequence[Any]:
    """The sums of all lines in a currency, as the row below them."""
    name = f"{words('report_total')} {total['currency'] or ''}".rstrip()
    return sums_of(COLUMNS, {**total, "invoice": name})


def _entries(
    reader: ConnectedReader,
    lines: Sequence[ReportLine],
    knowledge: Knowledge,
    words: Words,
) -> list[list[Sequence[Any]]]:
    positions = {position for line in lines for position in line.source["events"]}
    entries = journal.entries(reader, positions, knowledge)
    return [
        [_entry_cells(entries[position], words) for position in line.source["events"]]
        for line in lines
    ]


def _entry_cells(entry: dict[str, Any], words: Words) -> Sequence[Any]:
    """An entry as a row: what, when, by whom and why."""
    reverses = entry["data"].get("entry")
    event = words(f"event_{entry['event']}")
    if reverses:
        event = words("report_entry_of", event=event, entry=reverses)
    return cells_of(ENTRIES, {**entry, "event": event})


def _pictures(
    reader: ConnectedReader, summary: Summary, knowledge: Knowledge, words: Words
) -> Iterator[Pictured]:
    """The accounts with most findings, at most so many."""
    chosen = sorted(
        summary.accounts.items(), key=lambda pair: (-pair[1].findings, pair[0])
    )
    for key, audited in chosen[:ACCOUNTS_PICTURED]:
        account = reader.account(key, knowledge)
        question = AccountQuestion(reader, account, knowledge)
        yield pictured(question, *_span(account, audited), words)


def _span(account: Any, audited: Audited) -> tuple[datetime, datetime]:
    first = billing.labelled(account, audited.first)
    last = billing.labelled(account, audited.last)
    return first.starts, last.ends


def _left_out(summary: Summary, words: Words) -> str:
    more = len(summary.accounts) - ACCOUNTS_PICTURED
    if more <= 0:
        return ""
    return words.counted("report_charts_left_out", more, most=ACCOUNTS_PICTURED)


def _by_cause(explained: Sequence[AuditFinding], words: Words) -> PlottedTable:
    """What is owed for each cause, by whom and in which currency."""
    causes: dict[str, dict[str, str]] = {}
    for cause in CAUSES:
        mine = [finding for finding in explained if finding.row["cause"] == cause]
        owed = {
            words(
                "chart_debtor",
                who=words(f"owed_by_{who}"),
                currency=code or words("report_no_currency"),
            ): rounded(amount, Currency.named(code).places)
            for who, code, amount in sums_owed(mine)
        }
        if owed:
            causes[words(f"cause_{cause}")] = owed
    names = sorted({name for owed in causes.values() for name in owed})
    columns = [ReportColumn("cause")]
    columns += [ReportColumn(name, "money", is_data=True) for name in names]
    rows = [
        (cause, *(owed.get(name) for name in names)) for cause, owed in causes.items()
    ]
    return PlottedTable(Table(words("chart_causes"), columns, rows))


def _by_currency(summary: Summary, words: Words) -> PlottedTable:
    """What was invoiced beside what the ledger bills, for each currency."""
    totals = _totals(summary, words)
    rows = [cells[:3] for cells in totals.rows]
    return PlottedTable(Table(words("chart_amounts"), totals.columns[:3], rows))
