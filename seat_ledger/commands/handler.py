"""Deciding one command: what it asks, applied to the aggregates, and judged.

Every command, alone, in a batch or in an import, comes through here. It is tried on
the aggregates; when a rule refuses it, they are rolled back to what they were.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar
from uuid import uuid4

from seat_ledger.commands import messages
from seat_ledger.commands.exact_evidence import (
    ExactEvidence,
    derived_entry,
)
from seat_ledger.commands.messages import Command, Operation
from seat_ledger.commands.refusal_messages import explain, name_holders
from seat_ledger.commands.unit_of_work import UnitOfWork
from seat_ledger.commands.validation import judge
from seat_ledger.domain.account import Account
from seat_ledger.domain.account_contract import NewTerms
from seat_ledger.domain.aggregate import Act, Aggregate
from seat_ledger.domain.calendar import (
    BillingCalendar,
    BillingPeriod,
    ZoneHistory,
    zone,
)
from seat_ledger.domain.catalogue import Catalogue
from seat_ledger.domain.email import check_email
from seat_ledger.domain.events import (
    AccountClosed,
    ContractRenewed,
    EntryReversed,
    LedgerEvent,
    SeatUnassigned,
)
from seat_ledger.domain.intervals import Mark
from seat_ledger.domain.invoice_draft import (
    ComputeInvoice,
    InvoiceDraft,
    InvoiceRequest,
)
from seat_ledger.domain.local_times import in_local_times
from seat_ledger.domain.moments import parse_moment
from seat_ledger.domain.money import Currency
from seat_ledger.domain.personal_data import ERASED, Naming, Person
from seat_ledger.domain.price_book import ListPrice, prices_in_force
from seat_ledger.domain.seat_types import CATALOGUE_KEY
from seat_ledger.domain.user import User
from seat_ledger.domain.validity import Violation
from seat_ledger.domain.values import (
    FOREVER,
    MAX_EVENTS_PER_COMMAND,
    MAX_LINES_ABOUT_ONE,
    MAX_RENAMINGS_AT_ONCE,
    SeatType,
    as_word,
    check_text,
    fold,
    iso,
    parse_seat,
    shown,
)
from seat_ledger.domain.wording import counted, enumerated
from seat_ledger.errors import (
    CommandRefused,
    Conflict,
    EntryRef,
    InvalidInput,
    LedgerError,
    NotComputed,
    NotFound,
    Unavailable,
)

A = TypeVar("A", bound=Aggregate)
AHEAD = timedelta(minutes=5)
"""How far ahead of the database's clock an effective time may lie (R12)."""


class Decision(NamedTuple):
    """What a command comes to: its new events, in the order of their positions.

    The first `due` of them process renewals that were due (R37) and are no part of
    the command's result. `changed` are the aggregates whose events they are.
    """

    events: tuple[LedgerEvent, ...]
    due: int
    new_users: tuple[User, ...]
    changed: tuple[Aggregate, ...]
    erased: User | None = None


class RenewFirst(CommandRefused):
    """A renewal before the end of what is to be invoiced is not recorded.

    What it retires is part of the figures, and those are computed from what is
    recorded. Whoever asked may record it, as R37 has it, and ask again.
    """

    def __init__(
        self, account: str, due: ContractRenewed | SeatUnassigned, at: datetime
    ) -> None:
        what = "An unassignment"
        if isinstance(due, ContractRenewed):
            what = f"Renewal {due.renewal}"
        super().__init__(
            "renewal_due",
            f"{what} of {account} ({iso(due.effective_at)}) is "
            "before what is to be invoiced and has not been recorded.",
            try_=f"seat-ledger account renew --account {as_word(account)}",
        )
        self.at = at


class Step(NamedTuple):
    """One line of a command at its place in the order of application (R28)."""

    number: int
    operation: Operation
    at: datetime


class Caller(NamedTuple):
    """What a caller gives beside the commands.

    `actor` stands in where a command names none (R36); `compute_invoice` gives the
    figures of invoices, where there are any.
    """

    actor: str = "system:import"
    compute_invoice: ComputeInvoice | None = None


class CommandHandler:
    """One command over one account, at one instant of the database's clock."""

    def __init__(
        self,
        workspace: UnitOfWork,
        command: Command,
        *,
        now: datetime,
        caller: Caller,
    ) -> None:
        self.workspace = workspace
        self.command = command
        self.now = now
        self.caller = caller
        self.events: list[LedgerEvent] = []
        self.new_users: list[User] = []
        self.erased: User | None = None
        self.steps: list[Step] = []
        self._later: Sequence[Step] = ()
        self._ended: set[int] = set()  # reversed together with an account's end
        self._by_line: list[int] = []  # which line triggered each event
        self._due = 0  # events of renewals, at the front
        self._start: dict[str, tuple[Aggregate, int]] = {}
        self._seen: dict[str, int] = {}
        self._renamings: dict[str, int] = {}

    # -- the whole ------------------------------------------------------------

    def decide(self) -> Decision:
        """Apply and judge the command; leave no trace when it is refused.

        Raises CommandRefused or NotFound.
        """
        _check_lines(self.command.lines)
        try:
            if isinstance(self.command.operation, messages.OpenAccount):
                due = self._open(self.command.operation)
            elif self.command.envelope.account == CATALOGUE_KEY:
                due = self._change_catalogue(self.command.operation)
            else:
                due = self._apply()
                self._judge()
        except LedgerError as error:
            self._put_into_local_times(error)
            self._roll_back()
            raise
        except BaseException:
            self._roll_back()
            raise
        changed: list[Aggregate] = []
        for aggregate, before in self._start.values():
            aggregate.settle()
            if aggregate.version > before:
                changed.append(aggregate)
        return Decision(
            tuple(self.events), due, tuple(self.new_users), tuple(changed), self.erased
        )

    def _put_into_local_times(self, error: LedgerError) -> None:
        """Name instants as the account's clocks show them, as answers do."""
        account = self.workspace.account
        if account is not None:
            error.message = in_local_times(error.message, account.zones)
            error.args = (error.message,)

    def _apply(self) -> int:
        account = self._involve(self._account())
        actor = self._actor()
        self.steps = steps = self._in_order()
        times = [step.at for step in steps if not step.operation.TIMELESS]
        due = 0
        if times and account.is_renewal_due(latest := max(times)):
            change = getattr(self.command.operation, "renewal", None)
            account.renew_until(latest, Act(latest, actor), before=change)
            due = self._collect(0)
        if isinstance(self.command.operation, messages.Renew):
            due = 0
        for place, step in enumerate(steps, start=1):
            if place < len(steps):
                self._later = steps[place:]
            else:
                self._later = ()
            self._apply_step(step, actor)
        return due

    def _apply_step(self, step: Step, actor: str) -> None:
        act = self._act(step.at, actor, step.operation)
        account = self._account()
        try:
            if account.closed is not None:
                self._check_not_closed(step, account.closed)
            if not step.operation.TIMELESS:  # what this very command requested
                account.unassign_due(step.at, act)
            getattr(self, f"_{step.operation.OP}")(step.operation, act)
        except CommandRefused as error:
            name_holders(error, self.workspace)
            if len(self.steps) > 1:
                error.lines = self._lines_of(error.blockers, step.number)
            raise
        self._collect(step.number)

    def _check_not_closed(self, step: Step, closed: Mark) -> None:
        """Refuse what would be effective when the account had ended (R97)."""
        if step.at >= closed.at and not step.operation.AFTER_CLOSING:
            raise self._account().is_closed(step.operation.OP, step.at)

    def _act(self, at: datetime, actor: str, operation: Operation) -> Act:
        envelope = self.command.envelope
        key, correlation = envelope.idempotency_key, envelope.correlation_id
        return Act(at, actor, operation.reason, key, correlation)

    def _collect(self, number: int) -> int:
        """Take the events that a step triggered; users' first. Return their count."""
        events, seen = self.events, self._seen
        before = len(events)
        for key, (aggregate, _) in reversed(self._start.items()):
            if new := aggregate.version - seen[key]:
                events += aggregate.pending[-new:]
                seen[key] = aggregate.version
        count = len(events) - before
        self._by_line += [number] * count
        if not number:
            self._due = count
            self._check_renewals()
        elif (size := len(events) - self._due) > MAX_EVENTS_PER_COMMAND:
            raise _too_many_events(size)
        return count

    def _check_renewals(self) -> None:
        """Have renewals of too many events recorded one after the other.

        What is due at a single instant is recorded whole: what a renewal retires was
        limited when it was asked.
        """
        instants = sorted({event.effective_at for event in self.events})
        if self._due <= MAX_EVENTS_PER_COMMAND or len(instants) == 1:
            return
        raise CommandRefused(
            "too_many_events",
            f"{counted(len(instants), 'renewal is', 'renewals are')} due, of "
            f"{counted(self._due, 'event')} together; at most "
            f"{MAX_EVENTS_PER_COMMAND:,} are recorded at once.",
            try_=f"seat-ledger account renew -a "
            f"{as_word(self.command.envelope.account)} "
            f"--effective-at {iso(instants[0])}",
        )

    def _origin(self) -> dict[EntryRef, int]:
        """By which line each entry was recorded, or holds again."""
        origin: dict[EntryRef, int] = {}
        for event, number in zip(self.events, self._by_line, strict=True):
            key = str(event.originator_id)
            origin[EntryRef(key, event.originator_version)] = number
            if isinstance(event, EntryReversed) and event.holds:
                origin[EntryRef(key, event.root_version)] = number
        return origin

    def _judge(self) -> None:
        workspace, account = self.workspace, self._account()
        for user_id, _ in account.touched.users:
            self._involve(workspace.user(user_id))
        users, namesakes = {}, {}
        for key, (aggregate, _) in self._start.items():
            if isinstance(aggregate, User):
                users[key] = aggregate
                if None in aggregate.touched:
                    namesakes[key] = workspace.namesakes(aggregate)
        if violations := judge(account, users, namesakes, self.catalogue):
            raise self._refusal(violations)

    def _refusal(self, violations: list[Violation]) -> CommandRefused:
        """The first violation in words; every line that takes part is named (R29)."""
        named = [entry for violation in violations for entry in violation.entries]
        involved = self._lines_of(named) or self._reversing() or self._numbers()
        involved_operations = [s.operation for s in self.steps if s.number in involved]
        operations = involved_operations or [step.operation for step in self.steps]
        error = explain(violations[0], operations, self.workspace, set(self._origin()))
        if len(self.steps) > 1:
            error.lines = involved
        return error

    def _lines_of(self, entries: Iterable[EntryRef], *also: int) -> tuple[int, ...]:
        """The lines that recorded the entries, or let them hold again."""
        origin = self._origin()
        lines = {origin[entry] for entry in entries if entry in origin}
        return tuple(sorted(lines.union(also) - {0}))

    def _numbers(self) -> tuple[int, ...]:
        return tuple(range(1, len(self.steps) + 1))

    def _reversing(self) -> tuple[int, ...]:
        """Every line that reverses entries: what remains of them is wrong."""
        return tuple(
            step.number
            for step in sorted(self.steps)
            if isinstance(step.operation, messages.Reverse)
        )

    def _involve(self, aggregate: A) -> A:
        """Remember how an aggregate was before this command."""
        key = aggregate.key
        if key not in self._start:
            self._start[key] = (aggregate, aggregate.version)
            self._seen[key] = aggregate.version
        return aggregate

    def _roll_back(self) -> None:
        for user in self.new_users:
            self.workspace.forget(user)
        for aggregate, version in self._start.values():
            aggregate.roll_back(version)
        self._settle()

    def _settle(self) -> None:
        for aggregate, _ in self._start.values():
            aggregate.settle()

    @property
    def catalogue(self) -> Catalogue:
        """The seat types that there are (R80)."""
        return self.workspace.source.catalogue

    # -- who, and when --------------------------------------------------------

    def _account(self) -> Account:
        account = self.workspace.account
        if account is None:
            key = self.command.envelope.account
            raise NotFound(
                "account_not_found",
                f"There is no account {shown(key)}.",
                try_="see 'seat-ledger account list', or open it as 'seat-ledger "
                "account open --help' explains",
            )
        return account

    def _actor(self) -> str:
        """The actor as it is stored; a user of the account by id (R36)."""
        actor = self.command.envelope.actor or _storable(self.caller.actor)
        kind, _, key = actor.partition(":")
        if kind != "user":
            return actor
        user = self.workspace.present(key, self.now) if self.workspace.account else None
        account = self.command.envelope.account
        if user is None:
            raise NotFound(
                "unknown_actor",
                f"The actor {shown(key)} is not a present user of {account}.",
                try_="name a user of the account, or an actor system:…",
            )
        if not user.may_administer(self.now):
            raise CommandRefused(
                "not_permitted",
                f"{user.user_key} has no account access in {account}, "
                "which every command needs.",
                try_="let a user with account access or a super admin do it",
            )
        return f"user:{user.key}"

    def _in_order(self) -> list[Step]:
        """The lines in the order of application: reversals, then by instant, at one
        instant closings before openings (R28).
        """
        lines = self.command.lines
        if len(lines) == 1:
            return [Step(1, lines[0], self._at(lines[0]))]
        steps = [
            Step(number, operation, self._at(operation))
            for number, operation in enumerate(lines, start=1)
        ]

        def place(step: Step) -> tuple[bool, datetime, bool, bool]:
            operation = step.operation
            is_end = isinstance(operation, messages.CloseAccount)
            opens = not operation.closes
            return (not operation.TIMELESS, step.at, opens, opens and not is_end)

        return sorted(steps, key=place)

    def _at(self, operation: Operation) -> datetime:
        """The effective time of an operation (R11, R12, R39)."""
        account = self._account()
        if operation.effective_at is None or operation.TIMELESS:
            return self.now
        at = parse_moment(operation.effective_at, account.zones, self.now)
        self._check_not_ahead(at)
        if at < account.opened_at:
            raise CommandRefused(
                "before_term",
                f"{account.account_key} was opened at {iso(account.opened_at)}; "
                f"nothing can be effective at {iso(at)}.",
                try_="give an effective time after the opening",
            )
        return at

    def _check_not_ahead(self, at: datetime) -> None:
        if at > self.now + AHEAD:
            raise CommandRefused(
                "effective_in_future",
                f"{iso(at)} is more than five minutes in the future: it is "
                f"{iso(self.now)} now.",
                try_="record it once it has happened; only reductions, and "
                "unassignments for a period's end, can be scheduled",
            )

    # -- the operations ---------------------------------------------------------

    def _open(self, operation: messages.OpenAccount) -> int:
        key = self.command.envelope.account
        if self.workspace.account is not None:
            raise CommandRefused(
                "account_exists",
                f"The account {shown(key)} already exists.",
                try_=f"seat-ledger account show {as_word(key)}",
            )
        zone(operation.time_zone)
        zones = ZoneHistory(operation.time_zone)
        term = (
            operation.term_start,
            operation.term_months,
            operation.billing_cycle_months,
        )
        if operation.effective_at is None:
            starts = BillingCalendar(*term, zones).renewal(0).instant
            at = min(starts, self.now)
        else:
            at = parse_moment(operation.effective_at, zones, self.now)
            self._check_not_ahead(at)
        account = Account.open(
            self.workspace.account_id,
            self._act(at, self._actor(), operation),
            account_key=key,
            **operation.facts(),
        )
        self.workspace.account = account
        self.events += account.pending
        return 0

    def _change_catalogue(self, operation: Operation) -> int:
        """Add a seat type, or withdraw one (R80); or price one for all (R90)."""
        catalogue, at = self._involve(self.catalogue), self.now
        if operation.effective_at is not None:
            at = parse_moment(operation.effective_at, ZoneHistory("UTC"), self.now)
            self._check_not_ahead(at)
        key = self.command.envelope.idempotency_key
        act = Act(at, self._actor(), operation.reason, key)
        if isinstance(operation, messages.AddSeatType):
            catalogue.add(operation.seat_type, act, exclusive=operation.exclusive)
        elif isinstance(operation, messages.WithdrawSeatType):
            catalogue.withdraw(operation.seat_type, act)
        elif isinstance(operation, messages.SetPrice):
            written = operation.effective_at or ""
            catalogue.set_price(
                catalogue.seat_type(operation.seat_type),
                Currency.named(operation.currency).as_price(operation.unit_price),
                operation.currency,
                act,
                first_date=at.date() if _A_DATE.fullmatch(written) else None,
            )
        self.events += catalogue.pending[-1:]
        return 0

    def _set_time_zone(self, op: messages.SetTimeZone, act: Act) -> None:
        zone(op.time_zone)
        self._account().set_time_zone(op.time_zone, act)

    def _set_billing_policy(self, op: messages.SetBillingPolicy, act: Act) -> None:
        self._account().set_billing_policy(op.policy, act)

    def _set_price(self, op: messages.SetPrice, act: Act) -> None:
        """Say what a seat of a type costs in the account (R90)."""
        self._account().set_price(
            self.catalogue.seat_type(op.seat_type),
            Currency.named(op.currency).as_price(op.unit_price),
            op.currency,
            act,
        )

    def _open_finding(self, op: messages.OpenFinding, act: Act) -> None:
        """Keep a finding of an audit, unless it is kept already (R93)."""
        self._account().open_finding(act, **op.facts())

    def _note_finding(self, op: messages.NoteFinding, act: Act) -> None:
        """Note something about a finding (R93)."""
        self._account().note_finding(act, **op.facts())

    def _settle_finding(self, op: messages.SettleFinding, act: Act) -> None:
        """Be done with a finding (R93)."""
        self._account().settle_finding(act, **op.facts())

    def _issue_invoice(self, op: messages.IssueInvoice, act: Act) -> None:
        """Record the figures of a period that has ended (R60, R64), or corrections
        alone (R100).
        """
        account, unit_prices = self._account(), op.unit_prices or {}
        for seat_type in unit_prices:
            self.catalogue.seat_type(seat_type)
        period = None
        if op.period is not None:
            period = account.period_to_invoice(op.period, at=act.at, now=self.now)
        if self.workspace.source.has_invoice(op.invoice):
            raise CommandRefused(
                "invoice_number_taken",
                f"The invoice number {shown(op.invoice)} is taken; each number is "
                "used once.",
                try_="give the invoice another number",
            )
        for event in self.events:
            if isinstance(event, ContractRenewed | SeatUnassigned) and (
                period is None or event.effective_at < period.ends
            ):
                raise RenewFirst(account.account_key, event, act.at)
        key, label = account.account_key, period.label if period else None
        book = self._book(period) if period else {}
        code = op.currency or (
            _one_currency(op, book)
            if period
            else account.billing.currency_to_correct(key)
        )
        currency = Currency.named(code)
        prices = {
            seat_type: price.unit_price
            for (seat_type, of), price in book.items()
            if of == code
        }
        for seat_type, written in unit_prices.items():
            prices[seat_type] = currency.as_price(written)
        request = InvoiceRequest(key, op.invoice, label, prices, code)
        account.issue_invoice(request, period, self._computed(request), act)

    def _book(self, period: BillingPeriod) -> dict[tuple[str, str], ListPrice]:
        """What the price book says of the types that the account has bought (R90)."""
        account = self._account()
        in_force = prices_in_force(
            account.billing.prices, self.catalogue.prices, period.starts, period.label
        )
        return {
            key: price for key, price in in_force.items() if key[0] in account.pools
        }

    def _change_contract(self, op: messages.ChangeContract, act: Act) -> None:
        """Have other lengths, or another anchor, from a renewal on (R96)."""
        terms = NewTerms(op.renewal, op.term_months, op.billing_cycle_months, op.anchor)
        self._account().change_contract(terms, act)

    def _close_account(self, op: messages.CloseAccount, act: Act) -> None:
        """End the account (R97)."""
        self._account().close(act, end_holdings=op.end_holdings)

    def _void_invoice(self, op: messages.VoidInvoice, act: Act) -> None:
        """Have an invoice credited whole by the next one (R94)."""
        _require_reason(op, "Voiding an invoice")
        self._account().void_invoice(op.invoice, act)

    def _computed(self, request: InvoiceRequest) -> InvoiceDraft:
        """The figures, if they are of the very entries that are decided on here."""
        if self.caller.compute_invoice is None:
            raise InvalidInput(
                "This program does not compute the figures of invoices.",
                try_="issue it from the command line: 'seat-ledger invoice issue "
                "--help'",
            )
        try:
            draft = self.caller.compute_invoice(request)
        except (CommandRefused, InvalidInput, Conflict, Unavailable):
            raise
        except LedgerError as error:
            raise NotComputed(error) from error
        workspace = self.workspace
        head, last = workspace.source.head_of(workspace.account_id)
        if head != workspace.head or last > draft.cut_off:
            raise Conflict(
                f"{request.account} changed while {request.invoice} was computed, as "
                f"known at position {draft.cut_off}.",
                try_="repeat the command",
            )
        return draft

    def _renew(self, op: messages.Renew, act: Act) -> None:
        """Nothing is left to do: what was due is processed already."""

    def _user(self, reference: str, at: datetime) -> User:
        return self._involve(self.workspace.resolve(reference, at))

    def _add_user(self, op: messages.AddUser, act: Act) -> None:
        seat_types = [self.catalogue.seat_type(seat) for seat in op.seats]
        if op.super_admin and seat_types:
            raise CommandRefused(
                "super_admin_seats",
                f"{op.user} would be a super admin, and super admins cannot be added "
                "with seats.",
                try_="add the user first, then assign the seats",
            )
        user = self._new_user(
            Person(op.user, op.email or "", op.name),
            act,
            super_admin=op.super_admin,
            account_access=op.account_access,
            kind="service" if op.kind == "service" else None,
        )
        for seat_type in seat_types:
            self._give(user, seat_type, act, buy=op.buy_if_needed)

    def _new_user(self, person: Person, act: Act, **facts: Any) -> User:
        if person.email or not facts.get("kind"):
            check_email(person.email)
        _check_not_reserved(person.user_key)
        user = User.add(
            uuid4(), act, person, account=self.workspace.account_id, **facts
        )
        self._start[user.key] = (user, 0)
        self._seen[user.key] = 0
        self.workspace.add(user)
        self.new_users.append(user)
        return user

    def _rename_user(self, op: messages.RenameUser, act: Act) -> None:
        """Give a user another key, e-mail or name (R95)."""
        if op.email is not None:
            check_email(op.email)
        if op.new_user is not None:
            _check_not_reserved(op.new_user)
        user = self._user(op.user, act.at)
        count = self._renamings[user.key] = self._renamings.get(user.key, 0) + 1
        if count > MAX_RENAMINGS_AT_ONCE:
            raise _too_many_lines(MAX_RENAMINGS_AT_ONCE, "renamings of", op.user)
        user.rename(Naming(op.new_user, op.email, op.name), act)
        self.workspace.add_names(user)

    def _set_permissions(self, op: messages.SetPermissions, act: Act) -> None:
        self._user(op.user, act.at).set_permissions(
            act, super_admin=op.super_admin, account_access=op.account_access
        )

    def _grant_hub_access(self, op: messages.GrantHubAccess, act: Act) -> None:
        hub = self.catalogue.hub(op.hub)
        self._user(op.user, act.at).grant(hub, act)

    def _revoke_hub_access(self, op: messages.RevokeHubAccess, act: Act) -> None:
        hub = self.catalogue.hub(op.hub)
        self._user(op.user, act.at).revoke(hub, act)

    def _remove_user(self, op: messages.RemoveUser, act: Act) -> None:
        self._user(op.user, act.at).remove(act)

    def _erase_user(self, op: messages.EraseUser, act: Act) -> None:
        """Let nobody read any more who a user was; again, where that is so already."""
        _require_reason(op, "An erasure")
        user = self._involve(
            self.workspace.by_id(op.user) or self._user(op.user, act.at)
        )
        held = self._account().held.get(user.key, {}).values()
        for holding in (holding for holdings in held for holding in holdings):
            if holding.ends > act.at:
                raise CommandRefused(
                    "seat_held",
                    f"{user.user_key} holds {holding.subject}; a user who holds a "
                    "seat cannot be erased.",
                    try_="unassign the seat first",
                    blockers=(EntryRef(self._account().key, holding.opened),),
                )
        if not user.is_erased:
            user.erase(act)
        self.erased = user

    def _buy_seats(self, op: messages.BuySeats, act: Act) -> None:
        seat_type = self.catalogue.seat_type(op.seat_type)
        self.catalogue.check_offered(seat_type, act.at)
        act = self._within_window(op.effective_after, act)
        self._account().buy(seat_type, op.quantity, act)

    def _reduce_seats(self, op: messages.ReduceSeats, act: Act) -> None:
        seat_type = self.catalogue.seat_type(op.seat_type)
        self._account().reduce(seat_type, op.quantity, act)

    def _cancel_reduction(self, op: messages.CancelReduction, act: Act) -> None:
        self._account().cancel_reduction(self.catalogue.seat_type(op.seat_type), act)

    def _assign_seat(self, op: messages.AssignSeat, act: Act) -> None:
        seat_type = self.catalogue.seat_type(op.seat_type)
        seat = parse_seat(op.seat) if op.seat is not None else None
        if seat is not None and seat.seat_type != seat_type:
            raise CommandRefused(
                "seat_not_found",
                f"{seat} is not a seat of {seat_type}.",
                try_="name a seat of the type that you are assigning",
            )
        act = self._within_window(op.effective_after, act)
        user = self._assignee(op, act)
        derived = derived_entry(self.workspace, user, seat_type, act, is_opening=True)
        buy = op.buy_if_needed
        if derived and self._evidence().assigned(derived, user, seat, act, buy=buy):
            return
        if seat is None:
            self._give(user, seat_type, act, buy=buy)
            return
        self._let_in(user, seat_type, act)
        self._account().assign(user.key, seat_type, act, seat=seat)

    def _assignee(self, op: messages.AssignSeat, act: Act) -> User:
        """Who gets the seat; added first where that is asked and needed."""
        new = op.add_if_needed
        if new is None or self.workspace.present(op.user, act.at) is not None:
            return self._user(op.user, act.at)
        person = Person(op.user, new.email, new.name)
        return self._new_user(person, act, super_admin=False, account_access=False)

    def _give(
        self,
        user: User,
        seat_type: SeatType,
        act: Act,
        *,
        buy: bool,
    ) -> None:
        """Put a user in the lowest free seat; buy one where that is asked (R20)."""
        self._let_in(user, seat_type, act)
        account, until = self._account(), self._until(user, seat_type, act)
        before = account.version
        try:
            account.assign(user.key, seat_type, act, until=until)
            if not buy or account.keeps_its_reductions(seat_type):
                return
        except CommandRefused as error:
            if not buy or error.code != "no_free_seat":
                raise
        account.roll_back(before)
        self.catalogue.check_offered(seat_type, act.at)
        account.buy(seat_type, 1, act)
        account.assign(user.key, seat_type, act, until=until)

    def _until(self, user: User, seat_type: SeatType, act: Act) -> datetime:
        """Where the same batch ends the holding that begins (R26)."""
        for step in self._later:
            op = step.operation
            if (
                isinstance(op, messages.UnassignSeat)
                and op.closes
                and step.at > act.at
                and op.seat_type == seat_type
                and self.workspace.resolve(op.user, step.at) is user
            ):
                return step.at
        return FOREVER

    def _let_in(self, user: User, seat_type: SeatType, act: Act) -> None:
        """Grant access to the hub where it is missing (R25)."""
        if not user.has_access(seat_type.hub, act.at):
            user.grant(seat_type.hub, act)

    def _unassign_seat(self, op: messages.UnassignSeat, act: Act) -> None:
        seat_type = self.catalogue.seat_type(op.seat_type)
        act = self._within_window(op.effective_after, act)
        user = self._user(op.user, act.at)
        if op.at_period_end:
            self._account().request_unassignment(
                user.key, seat_type, act, called=user.user_key
            )
            return
        derived = derived_entry(self.workspace, user, seat_type, act, is_opening=False)
        if derived is not None:
            self._evidence().unassigned(derived, user, act)
            return
        self._account().unassign(user.key, seat_type, act, called=user.user_key)

    def _cancel_unassignment(self, op: messages.CancelUnassignment, act: Act) -> None:
        """Take back an unassignment that is pending for a period's end (R98)."""
        seat_type = self.catalogue.seat_type(op.seat_type)
        user = self._user(op.user, act.at)
        self._account().cancel_unassignment(
            user.key, seat_type, act, called=user.user_key
        )

    def _observe_snapshot(self, op: messages.ObserveSnapshot, act: Act) -> None:
        """Record what a source listed; it is evidence also where nothing changed."""
        covers = tuple(self.catalogue.seat_type(name) for name in op.covers)
        self._account().observe(act, **{**op.facts(), "covers": covers})

    # -- what was derived from lists (R85, R87) -----------------------------------

    def _evidence(self) -> ExactEvidence:
        """What takes the place of derived entries (R87)."""
        return ExactEvidence(self._account(), self.workspace.source, self._let_in)

    def _within_window(self, after: str | None, act: Act) -> Act:
        """The act with the other end of the window in which it happened (R85)."""
        if after is None:
            return act
        begins = parse_moment(after, self._account().zones, self.now)
        if begins >= act.at:
            raise InvalidInput(
                f"The window after {iso(begins)} ends at {iso(act.at)}, and not later.",
                try_="give an effective_after before effective_at",
            )
        return act._replace(after=begins)

    def _reverse(self, op: messages.Reverse, act: Act) -> None:
        _require_reason(op, "A reversal")
        positions = self._positions(op)
        if len(positions) > MAX_EVENTS_PER_COMMAND:
            raise _too_many_events(len(positions))
        done: set[int] = set()
        for position in positions:
            if position not in done and position not in self._ended:
                done.update(self._reverse_one(position, act))
        following = self._later[:1]
        if not (following and isinstance(following[0].operation, messages.Reverse)):
            self._account().end_with_account(act)

    def _positions(self, op: messages.Reverse) -> Sequence[int]:
        if op.entry is not None:
            return [op.entry]
        workspace, key = self.workspace, op.entry_key or ""
        positions = workspace.source.positions_under(workspace.account_id, key)
        if not positions:
            raise NotFound(
                "entry_not_found",
                f"No entries of {self._account().account_key} were recorded under "
                f"the key {shown(op.entry_key)}.",
                try_="see 'seat-ledger event list'",
            )
        return positions

    def _reverse_one(self, position: int, act: Act) -> list[int]:
        """Reverse an entry, and what ended with it; return their positions."""
        workspace = self.workspace
        match = workspace.source.entry_at(workspace.account_id, position)
        if match is None:
            raise NotFound(
                "entry_not_found",
                f"{self._account().account_key} has no entry at position {position}.",
                try_="see 'seat-ledger event list'",
            )
        entry, root = match
        stream = str(entry.event.originator_id)
        aggregate: Aggregate = self._account()
        if stream != aggregate.key:
            aggregate = self._involve(self.workspace.user(stream))
        ended = []
        if isinstance(entry.event, AccountClosed):
            ended = self._account().ended_with(entry.event)
        aggregate.reverse(
            entry.event,
            root.event,
            act,
            entry=position,
            root=root.position,
        )
        positions = workspace.source.positions_of(ended) if ended else []
        for ended_with_it in positions:
            self._reverse_one(ended_with_it, act)
        self._ended.update(positions)
        return [position, *positions]


_A_DATE = re.compile(r"\d{4}-\d{2}(-\d{2})?", re.ASCII)


def _one_currency(
    op: messages.IssueInvoice, book: dict[tuple[str, str], ListPrice]
) -> str:
    """The currency of an invoice that names none: that of its recorded prices.

    Raises InvalidInput where they have none, or several.
    """
    codes = sorted({code for _, code in book})
    if len(codes) == 1 and not op.unit_prices:
        return codes[0]
    why = f"its prices are in {enumerated(codes)}" if codes else "it has no prices"
    raise InvalidInput(
        f"issue_invoice: 'currency' is missing, and {why}.",
        try_="name the currency, such as EUR; record prices as "
        "'seat-ledger price set --help' explains",
    )


def _require_reason(operation: Operation, what: str) -> None:
    """Refuse what nobody could follow later. Raises CommandRefused."""
    if not operation.reason:
        raise CommandRefused(
            "reason_required",
            f"{what} needs a reason, so that an auditor can follow it.",
            try_="give --reason",
        )


@lru_cache(maxsize=64)
def _storable(actor: str) -> str:
    """The actor that a caller names beside its commands. Raises InvalidInput."""
    return check_text(actor, "actor")


def _check_not_reserved(user_key: str) -> None:
    """Refuse a new user's key that reads as somebody erased. Raises CommandRefused.

    Such a word names one person who was erased, and nobody else may answer to it.
    """
    if user_key.casefold().startswith(ERASED):
        raise CommandRefused(
            "key_reserved",
            f"A key that begins with {ERASED!r} names somebody who was erased; "
            f"{shown(user_key)} cannot be a user's.",
            try_="choose another key",
        )


def _check_lines(lines: Sequence[Operation]) -> None:
    """Refuse a batch that goes on and on about one user."""
    if len(lines) > MAX_LINES_ABOUT_ONE:
        named = (getattr(line, "user", None) for line in lines)
        about = Counter(fold(user) for user in named if user is not None)
        for user, count in about.most_common(1):
            if count > MAX_LINES_ABOUT_ONE:
                raise _too_many_lines(MAX_LINES_ABOUT_ONE, "lines about", user)


def _too_many_lines(most: int, what: str, user: str) -> CommandRefused:
    return CommandRefused(
        "too_many_lines",
        f"The batch has more than {most} {what} {shown(user)}.",
        try_="split it into several commands",
    )


def _too_many_events(count: int) -> CommandRefused:
    """The refusal of a large command: all others wait while it is appended."""
    return CommandRefused(
        "too_many_events",
        f"The command would record {counted(count, 'event')} or more; at most "
        f"{MAX_EVENTS_PER_COMMAND:,} are recorded at once.",
        try_="split it into several commands",
    )
