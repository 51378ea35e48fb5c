"""Lines beside the figures that they bill, and the rows that come of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from typing import Any, NamedTuple

from seat_ledger.domain.money import Currency, plain
from seat_ledger.domain.values import DEFAULT_POLICY
from seat_ledger.projections.billing.audit import causes
from seat_ledger.projections.billing.audit.contracts import Contract
from seat_ledger.projections.billing.audit.figures import (
    ByType,
    FigureRequest,
    Rule,
    TouchedFigures,
    family,
    figure_bounds,
    figures_now,
    figures_then,
    part_of,
    quantity_within,
)
from seat_ledger.projections.billing.audit.line_store import Spool
from seat_ledger.projections.billing.audit.lines import (
    AuditedLine,
    BilledDates,
    Span,
    Written,
)
from seat_ledger.projections.billing.audit.matching import Billed, Bundle
from seat_ledger.projections.billing.audit.overlaps import BilledLabel, free_dates
from seat_ledger.projections.billing.audit.verdict import (
    ZERO,
    Share,
    Verdict,
    cause_of,
    half_up,
    judge,
    money,
)
from seat_ledger.projections.billing.bounds import FigureKey, quantity_ends
from seat_ledger.projections.billing.figures import nothing, quantity
from seat_ledger.projections.billing.prices import Priced
from seat_ledger.projections.periods import PeriodRow
from seat_ledger.projections.reader import ConnectedReader, Knowledge, Row

NOTHING = Share(ZERO)
IssuedKey = tuple[int, str | Span, int]
"""Of an account a label, or dates, and the position of an issue."""


class Then(NamedTuple):
    """What a line was held against as known at issue; no `owed`: nothing was known."""

    owed: Fraction | None
    rule: Rule | None
    period: PeriodRow | None


class Judged(NamedTuple):
    """A line with what was found of it."""

    billed: Billed
    rule: Rule
    owed: Fraction
    then: Then
    verdict: Verdict
    cause: str


class Auditor:
    """What the lines of some accounts are held against."""

    def __init__(  # noqa: PLR0913, PLR0917  what an audit depends on
        self,
        reader: ConnectedReader,
        spool: Spool,
        contracts: dict[str, Contract],
        known_at: Knowledge,
        moment: datetime,
        how: Priced,
    ) -> None:
        self.reader, self.spool, self.how = reader, spool, how
        self.known_at, self.moment = known_at, moment
        self.free: dict[tuple[int, str, str], list[Span]] = {}
        selected = []
        first = known_at.position
        for key, contract in contracts.items():
            for row in spool.invoiced(key):
                first = min(first, row["first_position"])
                period = contract.period(row["label"], known_at.position)
                if period is not None:
                    selected.append((contract, period))
            selected += self._free_dates(key, contract)
        selected = list(dict.fromkeys(selected))
        self.figures = figures_now(reader, selected, known_at) if selected else {}
        self.between = figure_bounds(reader, selected, known_at) if selected else {}
        self.touched = TouchedFigures(reader, selected, first, known_at.position)

    def _free_dates(
        self, account: str, contract: Contract
    ) -> Iterator[tuple[Contract, PeriodRow]]:
        """Find the dates that are owed to lines which bill others' dates too (R65)."""
        position = self.known_at.position
        billed = [
            BilledLabel(label, seat_type, period)
            for label, seat_type in self.spool.billed(account)
            if (period := contract.period(label, position)) is not None
        ]
        for (label, seat_type), spans in free_dates(billed).items():
            self.free[contract.no, label, seat_type] = spans
            for span in spans:
                period = contract.period(span, position)
                if period is not None:
                    yield contract, period

    # -- what is to be judged ---------------------------------------------------------

    def lines(self, account: str, contract: Contract | None) -> Iterator[Billed]:
        """An account's lines, those of one figure together from the last one back."""
        currency = self._currency(account, contract) if contract else None
        bundle: Bundle | None = None
        for line, place in self.spool.lines(account):
            label = place["label"]
            period = (
                contract.period(label, self.known_at.position) if contract else None
            )
            completed = line._replace(currency=line.currency or currency)
            billed = Billed(completed, contract, period, label, place["position"])
            if bundle is None and place["of_figure"] > 1:
                whole = self._whole(billed)
                bundle = Bundle(self.spool, billed, place, whole)
            if bundle is not None:
                billed = bundle.next(billed, place)
                bundle = bundle if bundle.lines else None
            yield billed

    def _whole(self, billed: Billed) -> Fraction:
        """The figure that a line bills, by the line's rule."""
        if billed.period is None:
            return ZERO
        figures = [figure for _, figure in self._figures(billed)]
        rule = billed.line.rule(_policy(billed.period))
        return quantity_within(billed.period, figures, rule)

    def _currency(self, account: str, contract: Contract) -> str | None:
        """That of lines that say none: of the account's own invoices, if it can be."""
        currency = contract.currency(self.known_at.position)
        fits = (
            currency and self.spool.places(account) <= Currency.named(currency).places
        )
        return currency if fits else None

    def missing(self, account: str, contract: Contract) -> Iterator[Billed]:
        """What the ledger bills in the audited periods of an account without a line.

        A type that is billed for other dates, some of them in the period, has one.
        """
        currency = self._currency(account, contract)
        invoiced_periods = [
            (row, contract.period(row["label"], self.known_at.position))
            for row in self.spool.invoiced(account)
        ]
        windows = [
            (period, set(row["seat_types"].split(",")))
            for row, period in invoiced_periods
            if period is not None and period.is_window
        ]
        for row, period in invoiced_periods:
            if period is None or period.is_window:
                continue
            figures = self.figures.get((contract.no, period.period_no), {})
            invoiced = set(row["seat_types"].split(","))
            for window, types in windows:
                if window.starts < period.ends and period.starts < window.ends:
                    invoiced |= types
            for seat_type in sorted(set(figures) - invoiced):
                line = self._absent(account, seat_type, row)
                line = line._replace(currency=line.currency or currency)
                if not line.unit_price.text:
                    line = self._priced(line, contract, period)
                rule = line.rule((period.mode, period.granularity))
                if quantity(figures[seat_type], *rule) != 0:
                    yield Billed(line, contract, period, row["label"], row["position"])

    def _absent(self, account: str, seat_type: str, invoiced: Row) -> AuditedLine:
        price, currency = self.spool.price(account, seat_type)
        nothing = Written("0")
        return AuditedLine(
            0, account, invoiced["invoice"], "", invoiced["label"], seat_type, nothing,
            Written(price or ""), nothing, invoiced["mode"], invoiced["granularity"],
            currency,
        )  # fmt: skip

    def _priced(
        self, line: AuditedLine, contract: Contract, period: PeriodRow
    ) -> AuditedLine:
        """A missing line at the price of the book, where that has one (R90)."""
        how = replace(self.how, currency=Currency.named(line.currency))
        named = contract.no, line.account
        price = how.price(named, line.seat_type, (period.starts, period.label))
        if price is None:
            return line
        text = price.currency.shown(price.value)
        return line._replace(unit_price=Written(text), currency=price.currency.code)

    # -- judging ----------------------------------------------------------------------

    def judged(self, batch: Sequence[Billed]) -> list[Row]:
        """The rows of the answer for some lines."""
        counted = self._counted_then(batch)
        results = [self._judge(billed, counted) for billed in batch]
        entries = self._entries(results)
        return [
            self._row(judged, events)
            for judged, events in zip(results, entries, strict=True)
        ]

    def _owed_dates(self, billed: Billed, position: int) -> Iterator[PeriodRow]:
        """What a line bills, or what of it no other line does, as known (R65)."""
        if billed.contract is not None:
            for _, label, _ in self._keys(billed):
                period = billed.contract.period(label, position)
                if period is not None:
                    yield period

    def _figures(self, billed: Billed) -> Iterator[tuple[FigureKey, Row]]:
        """The ledger's figures of the dates that are owed to a line."""
        seat_type = billed.line.seat_type
        for period in self._owed_dates(billed, self.known_at.position):
            place = period.account_no, period.period_no
            figure = self.figures.get(place, {}).get(seat_type)
            yield (*place, seat_type), figure or nothing(period, seat_type)

    def _keys(self, billed: Billed) -> list[IssuedKey]:
        """The account, the dates that are owed to a line, and its issue."""
        no, label = billed.contract.no if billed.contract else 0, billed.label
        owed = self.free.get((no, label, billed.line.seat_type), (label,))
        return [(no, dates, billed.position) for dates in owed]

    def _then(self, billed: Billed) -> PeriodRow | None:
        if billed.contract is None:
            return None
        return billed.contract.period(billed.label, billed.position)

    def _is_same(self, billed: Billed, then: PeriodRow) -> bool:
        """Whether nothing was recorded since that could touch the figure."""
        now = billed.period
        if now is None or _bounds(now) != _bounds(then):
            return False
        rules = {family(billed.line.rule(_policy(row))[0]) for row in (now, then)}
        return all(
            self.touched.last(now, billed.line.seat_type, kind) <= billed.position
            for kind in rules
        )

    def _counted_then(self, batch: Iterable[Billed]) -> dict[IssuedKey, ByType]:
        """The figures that are not the same now, as known at issue."""
        requests: dict[IssuedKey, FigureRequest] = {}
        for billed in batch:
            then = self._then(billed)
            if then is None or self._is_same(billed, then):
                continue
            assert billed.contract is not None
            for key in self._keys(billed):
                period = billed.contract.period(key[1], billed.position)
                if period is not None:
                    requests[key] = FigureRequest(
                        billed.contract, period, billed.position
                    )
        figures = figures_then(self.reader, list(requests.values()))
        return dict(zip(requests, figures, strict=True))

    def _judge(self, billed: Billed, counted: dict[IssuedKey, ByType]) -> Judged:
        line = billed.line
        rule = line.rule(_policy(billed.period))
        whole = self._whole(billed)
        then = self._owed_then(billed, (rule, whole), counted)
        now, was = self._shares(billed, whole, then.owed)
        verdict = self._verdict(billed, now, whole)
        if billed.is_paid and verdict.matches:
            now, was = NOTHING, was and NOTHING
            verdict = self._verdict(billed, now, whole)
        before: Verdict | None = verdict
        if was is None:
            before = None
        elif was.owed != now.owed:
            before = self._verdict(billed, was, then.owed or ZERO)
        if billed.is_missing and before is not None and was is not None:
            right = before.ledger_amount == 0 and was.owed == 0
            before = before._replace(word="match" if right else "missing")
        cause = cause_of(verdict, before)
        at_issue = then._replace(owed=was and was.owed)
        return Judged(billed, rule, now.owed, at_issue, verdict, cause)

    @staticmethod
    def _shares(
        billed: Billed, whole: Fraction, whole_then: Fraction | None
    ) -> tuple[Share, Share | None]:
        """What the ledger owes a line now, and owed it as known at issue."""
        line = billed.line
        places = Currency.named(line.currency).places
        now = Share(whole)
        if billed.shares is not None:
            now = billed.shares.share(line, whole, places, first=billed.is_first)
        if whole_then is None or billed.shares_then is None:
            return now, None if whole_then is None else Share(whole_then)
        first = billed.is_first_then
        then = billed.shares_then.share(line, whole_then, places, first=first)
        return now, then

    def _owed_then(
        self,
        billed: Billed,
        now: tuple[Rule, Fraction],
        counted: dict[IssuedKey, ByType],
    ) -> Then:
        """The figure as known at issue."""
        contract = billed.contract
        if contract is None:
            return Then(ZERO, None, None)
        if not contract.facts(billed.position).is_known:
            return Then(None, None, None)
        then = self._then(billed)
        if then is None:
            return Then(ZERO, None, None)
        rule = billed.line.rule(_policy(then))
        by_type = [counted[key] for key in self._keys(billed) if key in counted]
        if not by_type and rule == now[0]:
            return Then(now[1], rule, then)
        figures = [figure for _, figure in self._figures(billed)]
        if by_type:
            seat_type = billed.line.seat_type
            figures = [row[seat_type] for row in by_type if seat_type in row]
        return Then(quantity_within(then, figures, rule), rule, then)

    @staticmethod
    def _verdict(billed: Billed, share: Share, whole: Fraction) -> Verdict:
        """Hold a line against its share of a whole figure.

        What bills other dates than a period's is unexpected, whatever is owed for them.
        Its unit price may be that of a month and its amount a day's: a seat costs what
        is billed by the quantity.
        """
        line, period = billed.line, billed.period
        places = Currency.named(line.currency).places
        if period is not None and period.is_window:
            amount, seats = line.amount.value, line.quantity.value
            owed = half_up(share.owed * amount / seats, places) if seats else ZERO
            return Verdict("unexpected", owed, amount - owed)
        verdict = judge(line, share, places, is_billed=whole != 0)
        return verdict._replace(word="missing") if line.no == 0 else verdict

    # -- what explains it -------------------------------------------------------------

    def _is_explainable(self, judged: Judged) -> bool:
        is_type = judged.billed.line.seat_type in self.reader.types.numbers
        has_period = judged.billed.period is not None
        return not judged.verdict.matches and is_type and has_period

    def _entries(self, results: Sequence[Judged]) -> list[list[int]]:
        """The positions that explain each difference."""
        entries: list[list[int]] = [[] for _ in results]
        for later, ask in ((True, causes.since), (False, causes.own)):
            places = [
                n
                for n, judged in enumerate(results)
                if self._is_explainable(judged)
                and (judged.cause == "corrected_later") is later
            ]
            if places:
                questions = [_question(results[n]) for n in places]
                answers = ask(self.reader, questions, self.known_at)
                for n, positions in zip(places, answers, strict=True):
                    entries[n] = positions
        for n, judged in enumerate(results):
            if judged.cause == "corrected_later":
                entries[n] = sorted({*entries[n], *self._of_contract(judged)})
        return entries

    def _of_contract(self, judged: Judged) -> Iterator[int]:
        """What changed the period or the rule itself since the issue."""
        contract, now, then = judged.billed.contract, judged.billed.period, judged.then
        if contract is None:
            return
        topics = []
        if now is None or then.period is None:
            topics = ["AccountOpened", "ContractRenewed"]
        else:
            if _bounds(now) != _bounds(then.period):
                topics.append("TimeZoneChanged")
            if judged.rule != then.rule:
                topics.append("BillingPolicyChanged")
        yield from contract.between(
            judged.billed.position, self.known_at.position, *topics
        )

    # -- the row ----------------------------------------------------------------------

    def _row(self, judged: Judged, events: list[int]) -> Row:
        billed, line, verdict = judged.billed, judged.billed.line, judged.verdict
        currency = Currency.named(line.currency)
        priced = bool(line.unit_price.text)
        period = billed.period
        complete = None
        if period is not None and not period.is_window:
            complete = period.ends <= self.moment
        dates = billed.label if period else line.period
        if period is not None and period.is_window:
            dates = BilledDates.of_month(line.period) or line.period
        return {
            "invoice": line.invoice,
            "account": line.account,
            "period": dates,
            "seat_type": line.seat_type,
            "invoiced_quantity": plain(line.quantity.value),
            "ledger_quantity": plain(judged.owed),
            "ledger_quantity_at_issue": plain(judged.then.owed or ZERO),
            "invoiced_amount": money(line.amount.value, currency),
            "ledger_amount": money(verdict.ledger_amount, currency) if priced else None,
            "difference": money(verdict.difference, currency) if priced else None,
            "verdict": verdict.word,
            "cause": judged.cause,
            "events": events,
            "line": line.no or None,
            "issued_position": billed.position,
            "mode": judged.rule[0],
            "granularity": judged.rule[1],
            "unit_price": money(line.unit_price.value, currency) if priced else None,
            "currency": line.currency,
            "complete": complete,
            **self._open(judged),
            "dates_billed_twice": self._dates_billed_twice(billed),
        }

    def _dates_billed_twice(self, billed: Billed) -> int:
        """How many dates of a line are owed to others that bill them too (R65)."""
        if billed.contract is None or billed.period is None:
            return 0
        key = billed.contract.no, billed.label, billed.line.seat_type
        if key not in self.free:
            return 0
        own = sum((until - first).days for first, until in self.free[key])
        return (billed.period.until - billed.period.label).days - own

    def _open(self, judged: Judged) -> Row:
        """What windows leave open of what the ledger owes (R89), and whether that alone
        may be the difference.
        """
        billed, owed = judged.billed, judged.owed
        least = most = owed
        figures = dict(self._figures(billed)) if self.between else {}
        for key, figure in figures.items():
            assert billed.period is not None
            if key in self.between:
                exact = quantity(figure, *judged.rule)
                ends = quantity_ends(figure, self.between[key], judged.rule)
                part = part_of(billed.period, figure, judged.rule)
                least += (ends[0] - exact) * part
                most += (ends[1] - exact) * part
        invoiced = billed.line.quantity.value
        return {
            "ledger_quantity_least": plain(least),
            "ledger_quantity_most": plain(most),
            "within_windows": not judged.verdict.matches
            and least < most
            and least <= invoiced <= most,
        }


def _policy(period: PeriodRow | None) -> Rule:
    return (period.mode, period.granularity) if period else DEFAULT_POLICY


def _bounds(period: PeriodRow | None) -> tuple[Any, ...]:
    return (period.starts, period.ends, period.day_starts) if period else ()


def _question(judged: Judged) -> causes.CauseQuery:
    period = judged.billed.period
    assert period is not None
    return causes.CauseQuery(
        period,
        judged.billed.line.seat_type,
        family(judged.rule[0]),
        judged.billed.position,
    )
