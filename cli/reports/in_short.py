"""What a manager reads of a report in a minute, where there is something to say.

What is billed and how that changed, what nobody uses, who owes whom and why, what to do
by when, and how sure all of that is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from seat_ledger.cli.output.finding_words import (
    grouped,
    money,
    recorded_in_words,
    short,
    sums_owed,
)
from seat_ledger.cli.output.i18n import Words
from seat_ledger.cli.output.windows import is_open
from seat_ledger.domain.calendar import local_date
from seat_ledger.domain.money import Currency, rounded
from seat_ledger.domain.values import as_word
from seat_ledger.projections import billing
from seat_ledger.projections.accounts import advice
from seat_ledger.projections.accounts.renewal_cost import renewals
from seat_ledger.projections.billing import idle, kept_findings
from seat_ledger.projections.billing.audit import Summary
from seat_ledger.projections.billing.audit.findings import AuditFinding
from seat_ledger.projections.billing.idle_cost import sums
from seat_ledger.projections.billing.prices import Priced
from seat_ledger.projections.billing.totals import summed
from seat_ledger.projections.reader import AccountQuestion

Row = dict[str, Any]
Line = tuple[str, str]
_MOST_NAMED = 6
_IDLE_DAYS = 30
"""As `account advise` has it: what was needed in so many days stays."""
_IDLE_COST = (
    ("amount", "short_idle_so_far"),
    ("amount_until_renewal", "short_idle_ahead"),
)
_FIGURES = ("quantity", "assigned_peak", "idle_seat_days", "amount")


class AccountInShort:
    """An account's report in short; `before` are the figures of an earlier period."""

    def __init__(
        self,
        question: AccountQuestion,
        query: billing.CountsQuery,
        rows: Sequence[Row],
        words: Words,
    ) -> None:
        self.question, self.query, self.words = question, query, words
        self.key = question.account.key
        rules = {(row["mode"], row["granularity"]) for row in rows}
        self.rows = [row for row in rows if not row["forecast"]]
        self.is_of_rules = len(rules) > 1
        self.is_current = any(not row["complete"] for row in self.rows)

    def lines(self) -> list[Line]:
        """The lines, each with its heading."""
        if not self.rows:
            return []
        findings = self._findings()
        lines = [] if self.is_of_rules else [*self._billed(), *self._changed()]
        if self.is_current:
            lines += self._idle()
        lines += self._owed(findings)
        if self.is_current:
            lines += self._renewal()
        return [*lines, *self._to_do(findings), *self._sure()]

    @property
    def _how(self) -> Priced:
        """What one seat costs in one period, by the prices that the figures have."""
        how = self.query.how
        if how.price_for == "window":
            return Priced()
        if how.single is None:
            return how
        prices = dict.fromkeys((row["seat_type"] for row in self.rows), how.single)
        return replace(how, prices=prices, single=None)

    def _last(self) -> list[Row]:
        """The figures of the last period."""
        last = self.rows[-1]["from"]
        return [row for row in self.rows if row["from"] == last]

    def _day(self, row: Row) -> str:
        """The first date of a period or window."""
        starts = row["from"]
        zone = self.question.account.zones.at(starts)
        return self.words.date(local_date(starts, zone))

    def _billed(self) -> Iterator[Line]:
        words = self.words
        together = summed(self.rows)
        total = ""
        if together.is_priced:
            amounts = [words.money(sum_.amount, sum_.currency) for sum_ in together[0]]
            periods = len({row["from"] for row in self.rows})
            text = words.listed(amounts)
            total = words.counted("short_total", periods, amount=text)
        yield (
            words("short_billed"),
            words(
                "short_billed_text",
                quantities=quantities(words, self._last()),
                period=self._day(self.rows[-1]),
                total=total,
            ),
        )

    def _changed(self) -> Iterator[Line]:
        """What the last period is beside the one before: seats by type, and money."""
        before = self._before()
        if not before:
            return
        words = self.words
        old, new = (
            {row["seat_type"]: row for row in of} for of in (before, self._last())
        )
        changes = []
        for seat_type in sorted(old.keys() | new.keys())[:_MOST_NAMED]:
            pair = [
                Fraction(of[seat_type]["quantity"] if seat_type in of else 0)
                for of in (old, new)
            ]
            if pair[0] != pair[1]:
                changes.append(f"{_signed(words, pair[1] - pair[0])} {seat_type}")
        changes += self._money_changed(before)
        day = self._day(before[0])
        if changes:
            text = words("short_change_text", changes=", ".join(changes), period=day)
        else:
            text = words("short_no_change", period=day)
        yield words("short_change"), text

    def _before(self) -> list[Row]:
        """The figures of the period before the last; none of a window."""
        last = self.rows[-1]
        if self.query.window is not None:
            return []
        earlier = [row for row in self.rows if row["from"] < last["from"]]
        if earlier:
            starts = earlier[-1]["from"]
            return [row for row in earlier if row["from"] == starts]
        periods = list(billing.existing(self.question.account, self.question.as_of))
        labels = [p.label.isoformat() for p in periods if p.starts < last["from"]]
        if not labels:
            return []
        query = billing.CountsQuery(labels[-1], how=self.query.how)
        return list(billing.counts(*self.question, query).rows)

    def _money_changed(self, before: list[Row]) -> Iterator[str]:
        pair = [summed(rows) for rows in (before, self._last())]
        sums_ = [
            {total.currency: Fraction(total.amount) for total in of.totals}
            for of in pair
        ]
        if any(of.not_priced for of in pair):
            return
        for code in sorted(
            sums_[0].keys() | sums_[1].keys(), key=lambda code: code or ""
        ):
            change = sums_[1].get(code, Fraction()) - sums_[0].get(code, Fraction())
            if change:
                text = rounded(abs(change), Currency.named(code).places)
                sign = "+" if change > 0 else "-"
                yield f"{sign}{self.words.money(text, code)}"

    def _idle(self) -> Iterator[Line]:
        rows = idle.idle_at(self.question, self._how)
        if not rows:
            return
        words = self.words
        cost = ""
        for name, key in _IDLE_COST:
            amounts = [words.money(*pair) for pair in sums(rows, name)]
            if amounts:
                cost += words(key, amount=words.listed(amounts))
        zone = self.question.account.zones.at(self.question.as_of)
        day = words.date(local_date(self.question.as_of, zone))
        text = words.counted("short_idle_text", len(rows), day=day, cost=cost)
        yield words("short_idle"), text

    def _findings(self) -> list[Row]:
        """The findings of the account that are not settled."""
        reader, account, known_at, _ = self.question
        rows = kept_findings.listed(reader, known_at, account.no)
        return [row for row in rows if row["state"] != "settled"]

    def _owed(self, findings: list[Row]) -> Iterator[Line]:
        if findings:
            words = self.words
            owed = recorded_in_words(words, findings)
            text = words.counted("short_findings_text", len(findings), owed=owed)
            yield words("short_findings"), text

    def _renewal(self) -> Iterator[Line]:
        (row,) = renewals([self.question], Priced())
        words = self.words
        if row["date"] is None:
            return
        day = words.date(row["date"])
        if row["renewal_due"]:
            yield words("short_renewal"), words("short_renewal_due", day=day)
            return
        retired = row["pending_reduction"]
        text = words(
            "short_renewal_text",
            day=day,
            seats=words.counted("seats", row["purchased"] - retired),
            retired=words.number(retired),
        )
        yield words("short_renewal"), text

    def _to_do(self, findings: list[Row]) -> Iterator[Line]:
        """What to do: the renewal that is due, seats to give up, findings to settle."""
        words, key = self.words, as_word(self.key)
        steps = []
        if self.is_current:
            if self.question.account.renewal_due(self.question.as_of):
                command = f"seat-ledger account renew --account {key}"
                steps.append(words("short_todo_renew", command=command))
            else:
                steps += self._to_reduce()
        if findings:
            command = f"seat-ledger finding list --account {key}"
            steps.append(words("short_todo_follow", command=command))
        not_priced = dict.fromkeys(
            row["seat_type"] for row in summed(self.rows).not_priced
        )
        if not_priced and not self.is_of_rules:
            word = as_word(next(iter(not_priced)))
            command = f"seat-ledger price set {word} 90.00 --currency EUR"
            types = words.listed(list(not_priced))
            steps.append(words("short_todo_price", types=types, command=command))
        if steps:
            yield words("short_todo"), " ".join(steps)

    def _to_reduce(self) -> Iterator[str]:
        rows = advice.advised(self.question, self._how, _IDLE_DAYS)
        rows = [row for row in rows if row["reduce_by"]]
        if not rows:
            return
        words = self.words
        saved = [words.money(*pair) for pair in sums(rows, "saved_per_term")]
        saving = words("short_saving", amount=words.listed(saved)) if saved else ""
        zones = self.question.account.zones
        yield words(
            "short_todo_reduce",
            moment=words.instant(rows[0]["reduce_before"], zones),
            seats=words.listed(
                [f"{row['reduce_by']} {row['seat_type']}" for row in rows]
            ),
            saving=saving,
        )

    def _sure(self) -> Iterator[Line]:
        """What the figures rest on, and what they leave open."""
        words, rows = self.words, self.rows
        texts = []
        open_ = sum(is_open(row, *_FIGURES) for row in rows)
        if open_:
            texts.append(words.counted("short_sure_open", open_))
        if self.is_current:
            texts.append(words("short_sure_running", period=self._day(rows[-1])))
        if not_priced := summed(rows).not_priced:
            texts.append(words.counted("short_sure_unpriced", len(not_priced)))
        position = words.number(self.question.known_at.position)
        texts = texts or [words("short_sure_all", position=position)]
        yield words("short_sure"), " ".join(texts)


def quantities(words: Words, rows: Sequence[Row]) -> str:
    """How many seats of each type."""
    texts = [f"{words.figure(row['quantity'])} {row['seat_type']}" for row in rows]
    return ", ".join(texts[:_MOST_NAMED])


def _signed(words: Words, change: Fraction) -> str:
    """A change with its sign, to four places."""
    return f"{'+' if change > 0 else '-'}{short(words, abs(change))}"


def audit_in_short(
    summary: Summary,
    explained: Sequence[AuditFinding],
    name: str,
    owed: str,
    words: Words,
) -> list[Line]:
    """An audit's report in short."""

    def amounts(field: str) -> str:
        """What all lines come to, by currency."""
        sums_ = summary.totals()
        return words.listed([words.money(of[field], of["currency"]) for of in sums_])

    lines = words.counted("count_lines", summary.lines)
    invoiced = words("short_invoiced_text", lines=lines, name=name,
                     amounts=amounts("invoiced_amount"))  # fmt: skip
    right = words.counted(
        "short_right_text",
        summary.verdicts["match"],
        lines=lines,
        amounts=amounts("ledger_amount"),
    )
    short = [(words("short_invoiced"), invoiced), (words("short_right"), right)]
    if summary.findings:
        short.append((words("short_owed"), words("short_owed_text", owed=owed)))
        causes = [
            words(
                "short_why_text",
                cause=group.title,
                findings=words.counted("short_findings_count", len(group.findings)),
                owed=group.owed,
            )
            for group in grouped(explained, words)
        ]
        short.append((words("short_why"), " ".join(causes)))
    short.append((words("short_todo"), _to_do(summary, explained, name, words)))
    return [*short, (words("short_sure"), _sure(summary, words))]


def _to_do(
    summary: Summary, explained: Sequence[AuditFinding], name: str, words: Words
) -> str:
    """What to do about an audit: have it credited, pay, look a price up."""
    steps = []
    for who, key in (("vendor", "short_todo_credit"), ("customer", "short_todo_pay")):
        mine = [finding for finding in explained if finding.owed_by == who]
        if mine:
            amounts = [
                money(words, amount, code) for _, code, amount in sums_owed(mine)
            ]
            command = f"seat-ledger invoice audit {as_word(name)} --letter letter.html"
            listed = words.listed(amounts)
            steps.append(words(key, amount=listed, command=command))
    if summary.unpriced:
        free = [f.row["seat_type"] for f in explained if f.owed is None]
        types = list(dict.fromkeys(free))
        word = as_word(next(iter(types), "HUB/TIER"))
        command = f"seat-ledger price set {word} 90.00 --currency EUR"
        listed = words.listed(types[:_MOST_NAMED])
        steps.append(words("short_todo_price", types=listed, command=command))
    nothing = "short_todo_even" if summary.findings else "short_todo_nothing"
    return " ".join(steps) or words(nothing)


def _sure(summary: Summary, words: Words) -> str:
    """What lists leave open of an audit, what has no price, what has not ended."""
    texts = [
        words.counted(key, count)
        for key, count in (
            ("short_sure_maybe", summary.within_windows),
            ("short_sure_unpriced", summary.unpriced),
            ("short_sure_unended", summary.incomplete),
        )
        if count
    ]
    return " ".join(texts) or words("short_sure_recorded")
