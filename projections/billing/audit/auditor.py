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
    TouchedFigures,
    family,
    figure_bounds,
    figures_now,
    figures_then,
)
from seat_ledger.projections.billing.audit.line_store import Spool
from seat_ledger.projections.billing.audit.lines import AuditedLine, Written
from seat_ledger.projections.billing.audit.matching import Billed, Bundle
from seat_ledger.projections.billing.audit.verdict import (
    ZERO,
    Share,
    Verdict,
    cause_of,
    half_up,
    judge,
    money,
)
from seat_ledger.projections.billing.bounds import quantity_ends
from seat_ledger.projections.billing.figures import nothing, quantity
from seat_ledger.projections.billing.prices import Priced
from seat_ledger.projections.periods import PeriodRow
from seat_ledger.projections.reader import ConnectedReader, Knowledge, Row

Rule = tuple[str, str | None]
NOTHING = Share(ZERO)


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
        selected = []
        first = known_at.position
        for key, contract in contracts.items():
            for row in spool.invoiced(key):
                first = min(first, row["first_position"])
                period = contract.period(row["label"], known_at.position)
                if period is not None:
                    selected.append((contract, period))
        self.figures = figures_now(reader, selected, known_at) if selected else {}
        self.between = figure_bounds(reader, selected, known_at) if selected else {}
        self.touched = TouchedFigures(reader, selected, first, known_at.position)

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
                bundle = Bundle(self.spool, billed, whole, place["of_figure"])
            if bundle is not None:
                billed = bundle.next(billed, place["of_invoice"])
                bundle = bundle if bundle.lines else None
            yield billed

    def _whole(self, billed: Billed) -> Fraction:
        """The figure that a line bills, by the line's rule."""
        figure = self._figure(billed)
        if figure is None:
            return ZERO
        return quantity(figure, *billed.line.rule(_policy(billed.period)))

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

    def _figure(self, billed: Billed) -> Row | None:
        if billed.period is None:
            return None
        place = (billed.period.account_no, billed.period.period_no)
        return self.figures.get(place, {}).get(billed.line.seat_type)

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

    def _counted_then(
        self, batch: Iterable[Billed]
    ) -> dict[tuple[int, str, int], ByType]:
        """The figures that are not the same now, as known at issue."""
        requests: dict[tuple[int, str, int], FigureRequest] = {}
        for billed in batch:
            then = self._then(billed)
            if then is not None and not self._is_same(billed, then):
                assert billed.contract is not None
                requests[_key(billed)] = FigureRequest(
                    billed.contract, then, billed.position
                )
        figures = figures_then(self.reader, list(requests.values()))
        return dict(zip(requests, figures, strict=True))

    def _judge(
        self, billed: Billed, counted: dict[tuple[int, str, int], ByType]
    ) -> Judged:
        line = billed.line
        rule = line.rule(_policy(billed.period))
        figure = self._figure(billed)
        whole = self._whole(billed)
        then = self._owed_then(billed, figure, (rule, whole), counted)
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
        figure: Row | None,
        now: tuple[Rule, Fraction],
        counted: dict[tuple[int, str, int], ByType],
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
        key = _key(billed)
        if key not in counted and rule == now[0]:
            return Then(now[1], rule, then)
        row = counted[key].get(billed.line.seat_type) if key in counted else figure
        return Then(quantity(row, *rule) if row else ZERO, rule, then)

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
        }

    def _open(self, judged: Judged) -> Row:
        """What windows leave open of what the ledger owes (R89), and whether that alone
        may be the difference.
        """
        billed, owed = judged.billed, judged.owed
        between = None
        least = most = owed
        if billed.period is not None:
            place = billed.period.account_no, billed.period.period_no
            between = self.between.get((*place, billed.line.seat_type))
        if billed.period is not None and between is not None:
            figure = self._figure(billed) or nothing(
                billed.period, billed.line.seat_type
            )
            share = owed - quantity(figure, *judged.rule)
            ends = quantity_ends(figure, between, judged.rule)
            least, most = ends[0] + share, ends[1] + share
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


def _key(billed: Billed) -> tuple[int, str, int]:
    number = billed.contract.no if billed.contract else 0
    return number, billed.label, billed.position


def _question(judged: Judged) -> causes.CauseQuery:
    period = judged.billed.period
    assert period is not None
    return causes.CauseQuery(
        period,
        judged.billed.line.seat_type,
        family(judged.rule[0]),
        judged.billed.position,
    )
