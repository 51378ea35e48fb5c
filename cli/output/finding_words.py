"""The findings of an audit in words and money: what differs, why, and who owes whom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

from seat_ledger.cli.output.i18n import Words, words_of
from seat_ledger.cli.output.windows import is_open
from seat_ledger.domain.calendar import local_date
from seat_ledger.domain.counting_rules import is_of_contract
from seat_ledger.domain.money import Currency, rounded
from seat_ledger.projections.billing.audit.summary import CAUSES

if TYPE_CHECKING:
    from datetime import date, datetime

    from seat_ledger.projections.billing.audit import Spool
    from seat_ledger.projections.billing.audit.findings import AuditFinding, SeatFact
    from seat_ledger.projections.reader import ConnectedReader, Knowledge

_MOST_NAMED = 6


def findings_of(
    reader: ConnectedReader, spool: Spool, known_at: Knowledge
) -> list[AuditFinding]:
    """The findings of an audit; those of most money with what explains them."""
    from seat_ledger.projections import journal  # noqa: PLC0415
    from seat_ledger.projections.billing.audit.findings import explained  # noqa: PLC0415

    findings = list(explained(reader, spool, known_at))
    named = {
        position
        for finding in findings
        if finding.is_explained
        for position in finding.later_positions[:_MOST_NAMED]
    }
    entries = journal.entries(reader, named, known_at)
    return [
        finding._replace(
            later=[
                entries[position]
                for position in finding.later_positions[:_MOST_NAMED]
                if position in entries
            ]
        )
        for finding in findings
    ]


def listed_in_words(rows: Sequence[dict[str, Any]]) -> str:
    """How many findings are open and disputed, and what they come to."""
    if not rows:
        return "No finding is kept."
    states = [row["state"] for row in rows]
    current = [row for row in rows if row["state"] != "settled"]
    counts = [f"{states.count(state)} {state}" for state in ("open", "disputed")]
    owed = _owed_of_recorded(words_of("en"), current)
    unpriced = sum(1 for row in current if row["difference"] is None)
    owed += [f"{unpriced} not priced"] if unpriced else []
    settled = f"{states.count('settled')} settled"
    return f"{', '.join([*counts, settled])}: {'; '.join(owed) or 'nothing is owed'}."


def recorded_in_words(words: Words, rows: Sequence[dict[str, Any]]) -> str:
    """What findings that are kept come to: who owes how much, and what has no price."""
    texts = _owed_of_recorded(words, rows)
    if unpriced := sum(1 for row in rows if row["difference"] is None):
        texts.append(words.counted("findings_unpriced", unpriced))
    return "; ".join(texts) or words("owes_nobody")


def _owed_of_recorded(words: Words, rows: Iterable[dict[str, Any]]) -> list[str]:
    """Who owes how much by findings that are kept, in their order."""
    sums = _added(
        (row["owed_by"], row["currency"], abs(Fraction(row["difference"])))
        for row in rows
        if row["owed_by"]
    )
    return [_owing(words, who, amount, code) for (who, code), amount in sums.items()]


class FindingGroup(NamedTuple):
    """The findings of one cause, each with its sentence, and what they come to."""

    title: str
    owed: str
    findings: list[tuple[AuditFinding, str]]
    not_explained: str = ""

    @property
    def explained(self) -> list[str]:
        """The sentences of those that are explained by their seats."""
        return [text for finding, text in self.findings if finding.is_explained]


def grouped(
    findings: Sequence[AuditFinding], words: Words | None = None
) -> list[FindingGroup]:
    """The findings by cause, those with most money first."""
    words = words or words_of("en")
    groups = []
    for cause in CAUSES:
        mine = [finding for finding in findings if finding.row["cause"] == cause]
        mine.sort(key=lambda finding: -(finding.owed or 0))
        if mine:
            texts = [(finding, sentence_of(finding, words)) for finding in mine]
            title = words(f"cause_title_{cause}")
            owed = owed_in_words(mine, words)
            groups.append(FindingGroup(title, owed, texts, _less(mine, words)))
    return groups


def _less(findings: Sequence[AuditFinding], words: Words) -> str:
    """How many findings are not explained by their seats, and what they come to."""
    less = [finding for finding in findings if not finding.is_explained]
    if not less:
        return ""
    owed = owed_in_words(less, words)
    return words.counted("findings_of_less", len(less), owed=owed)


def owed_in_words(findings: Iterable[AuditFinding], words: Words | None = None) -> str:
    """What findings come to: who owes how much, and how many are not priced."""
    words = words or words_of("en")
    findings = list(findings)
    texts = [
        _owing(words, who, amount, code) for who, code, amount in sums_owed(findings)
    ]
    not_priced = sum(finding.owed is None for finding in findings)
    if not_priced:
        texts.append(words.counted("findings_unpriced", not_priced))
    return "; ".join(texts) or words("owes_nobody")


def sums_owed(
    findings: Iterable[AuditFinding],
) -> list[tuple[str, str | None, Fraction]]:
    """What each owes in each currency, the vendor first."""
    sums = _added(
        (finding.owed_by, finding.row["currency"], finding.owed)
        for finding in findings
        if finding.owed is not None and finding.owed_by is not None
    )
    by_debtor = sorted(
        sums.items(), key=lambda item: (item[0][0] != "vendor", item[0][1] or "")
    )
    return [(who, code, amount) for (who, code), amount in by_debtor]


def _added(
    owed: Iterable[tuple[str, str | None, Fraction]],
) -> dict[tuple[str, str | None], Fraction]:
    """Debts by who owes them, and in which currency."""
    sums: dict[tuple[str, str | None], Fraction] = {}
    for who, code, amount in owed:
        sums[who, code] = sums.get((who, code), Fraction(0)) + amount
    return sums


def _owing(words: Words, who: str, amount: Fraction, code: str | None) -> str:
    return words(f"owes_{who}", amount=money(words, amount, code))


def sentence_of(finding: AuditFinding, words: Words | None = None) -> str:
    """A finding as a sentence or two: what was billed, what is right, who owes, why."""
    words = words or words_of("en")
    row = finding.row
    figures = {
        "seat_type": row["seat_type"],
        "billed": short(words, row["invoiced_quantity"]),
        "right": short(words, row["ledger_quantity"]),
    }
    if finding.own_periods:
        figures["own"] = _own_periods(finding, words)
    if row["verdict"] == "missing":
        key = "line_missing"
    elif finding.why_unknown:
        key = f"line_unknown_{finding.why_unknown.replace(' ', '_')}"
        if finding.why_unknown in {"bounds", "period"} and not finding.own_periods:
            key = f"{key}_nowhere"
    else:
        key = "line_billed"
    again = finding.owed_elsewhere and _billed_again(finding, words, **figures)
    text = words(
        "line_head",
        invoice=row["invoice"],
        account=row["account"],
        period=words.dates(row["period"]),
        text=again or words(key, **figures),
    )
    own = [_of_own_dates(finding, words)] if finding.why_unknown == "bounds" else []
    return " ".join(
        [text, *own, _owes(finding, words), *_FindingWords(words, finding)()]
    )


def _own_periods(finding: AuditFinding, words: Words) -> str:
    """Which periods the account has in a line's dates: each of a few, or how many."""
    periods = [(period.label, period.until) for period in finding.own_periods]
    is_short = finding.own_count > len(periods)
    if is_short:
        periods = [(periods[0][0], periods[-1][1])]
    spans = [
        words(
            "own_span",
            first=words.date(first),
            last=words.date(until - timedelta(days=1)),
        )
        for first, until in periods
    ]
    if is_short:
        count = words.number(finding.own_count)
        return words("own_periods_from", count=count, span=spans[0])
    return words.counted("own_periods", len(spans), spans=words.listed(spans))


def _billed_again(finding: AuditFinding, words: Words, **figures: str) -> str:
    """That nothing is owed to a line, since others bill its figure in full."""
    owed = finding.owed_elsewhere
    assert owed is not None
    texts = {"line": str(owed.line), "invoice": owed.invoice}
    if owed.lines == 1:
        return words("line_billed_again", **texts, **figures)
    return words.counted("line_billed_again_by", owed.lines - 1, **texts, **figures)


def _of_own_dates(finding: AuditFinding, words: Words) -> str:
    """What the ledger has in dates that are no period, and which of them it owes."""
    assert finding.period is not None
    twice, dates = finding.row["dates_billed_twice"], len(finding.period.days)
    right = short(words, finding.row["ledger_quantity"])
    if not twice:
        return words("line_bounds_right", right=right)
    if twice == dates:
        return words("line_bounds_all", dates=dates, right=right)
    return words.counted("line_bounds_twice", twice, dates=dates, right=right)


def _owes(finding: AuditFinding, words: Words) -> str:
    row = finding.row
    if finding.owed is None:
        return words("line_not_priced")
    if finding.owed_by is None:
        return words("line_even")
    amount = money(words, finding.owed, row["currency"])
    return words(f"line_{finding.owed_by}_owes", account=row["account"], amount=amount)


class _FindingWords(NamedTuple):
    """What explains a finding, in a language: windows, seats, what came later."""

    words: Words
    finding: AuditFinding

    def __call__(self) -> list[str]:
        """The sentences, in the order in which they are read."""
        later = [self._entry(entry) for entry in self.finding.later[:_MOST_NAMED]]
        return [*self._open(), *self._seats(), *later]

    def _open(self) -> list[str]:
        """What windows leave open of the ledger's figure (R89)."""
        row = self.finding.row
        if not is_open(row, "ledger_quantity"):
            return []
        which = "right" if row["within_windows"] else "wrong"
        least, most = (
            short(self.words, row[f"ledger_quantity_{end}"])
            for end in ("least", "most")
        )
        verdict = self.words(f"line_open_{which}")
        return [self.words("line_open", least=least, most=most, verdict=verdict)]

    def _seats(self) -> list[str]:
        """The seats that explain the figure, with their people and dates."""
        finding = self.finding
        if finding.period is None:
            return []
        texts = []
        whole = [seat.seat for seat in finding.seats if seat.when == "whole"]
        if whole:
            names = self._names(whole)
            texts.append(self.words.counted("whole_period", len(whole), seats=names))
        partial = [seat for seat in finding.seats if seat.when == "within"]
        texts += [self._partial(seat) for seat in partial[:_MOST_NAMED]]
        if len(partial) > _MOST_NAMED:
            more = self.words.number(len(partial) - _MOST_NAMED)
            texts.append(self.words("partly_more", count=more))
        if finding.row["verdict"] in {"over", "unexpected"}:
            outside = [s for s in finding.seats if s.when in {"before", "after"}]
            texts += [self._outside(seat) for seat in outside[:_MOST_NAMED]]
        return texts

    @property
    def _of_contract(self) -> bool:
        return is_of_contract(self.finding.row["mode"])

    def _partial(self, seat: SeatFact) -> str:
        """A seat that counts for a part of the period."""
        words, length = self.words, ""
        if seat.dates is not None and self.finding.period is not None:
            days = len(self.finding.period.days)
            length = words("days_of", dates=seat.dates, days=days)
        texts = {"seat": seat.seat, "length": length, "entries": self._entries(seat)}
        if self._of_contract:
            until = ""
            if seat.until:
                until = words("seat_bought_until", until=words.date(seat.until))
            first = words.date(seat.first)
            return words("seat_bought", first=first, until=until, **texts)
        until = words("user_held_on")
        if seat.until:
            last = self._date(seat.until, seat.until_after)
            until = words("user_held_until", until=last)
        first = self._date(seat.first, seat.first_after)
        return words("user_held", user=seat.user, first=first, until=until, **texts)

    def _outside(self, seat: SeatFact) -> str:
        """A seat that ended before the period, or began after it."""
        texts = {"seat": seat.seat, "user": seat.user}
        if seat.when == "before":
            until = self._date(seat.until or "", seat.until_after)
            key = "seat_ended_before" if self._of_contract else "user_held_before"
            return self.words(key, until=until, entry=seat.closed_by, **texts)
        first = self._date(seat.first, seat.first_after)
        key = "seat_bought_after" if self._of_contract else "user_held_after"
        return self.words(key, first=first, entry=seat.opened_by, **texts)

    def _date(self, day: str, after: str | None) -> str:
        """A date, with the other end of the window in which it lies."""
        text = self.words.date(day)
        if after is None:
            return text
        return self.words("date_after", date=text, after=self.words.date(after))

    def _entries(self, seat: SeatFact) -> str:
        ends = [str(p) for p in (seat.opened_by, seat.closed_by) if p is not None]
        entries = self.words.listed(ends)
        return self.words.counted("entry_ends", len(ends), entries=entries)

    def _entry(self, entry: dict[str, Any]) -> str:
        """What was recorded after the invoice, by whom and why."""
        words = self.words
        about = " ".join(filter(None, (entry["seat"], entry["user"])))
        if reverses := entry["data"].get("entry"):
            about = words("recorded_entry", entry=reverses)
        noun = f"noun_{entry['event']}"
        what = words(noun) if words.has(noun) else words(f"event_{entry['event']}")
        return words(
            "recorded_later",
            recorded=words.date(self._day(entry["recorded_at"])),
            actor=entry["actor"],
            effective=words.date(self._day(entry["effective_at"])),
            what=what,
            about=words("recorded_about", about=about) if about else "",
            reason=words("recorded_reason", reason=entry["reason"])
            if entry["reason"]
            else "",
            entry=entry["position"],
        )

    def _day(self, instant: datetime) -> date:
        """The local date of an instant in the account (R04)."""
        zones = self.finding.zones
        return local_date(instant, zones.at(instant))

    def _names(self, seats: Sequence[str]) -> str:
        if len(seats) > _MOST_NAMED:
            return self.words.counted("seats", len(seats))
        return ", ".join(seats)


def short(words: Words, quantity: str | Fraction) -> str:
    """A quantity to four places, as people read it."""
    return words.figure(rounded(Fraction(quantity), 4).rstrip("0").rstrip("."))


def money(words: Words, amount: Fraction, code: str | None) -> str:
    """An amount with its currency, to its places."""
    return words.money(rounded(amount, Currency.named(code).places), code)
