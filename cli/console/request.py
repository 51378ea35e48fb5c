"""One request of the console: what is asked, by whom, in which words, and its links.

"As of" and "known at" come from the address and go into every link of the answer:
as the instant and the position that they were read as, so that an address sent to a
colleague says the same there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlencode

from seat_ledger.cli.console.access import Visitor
from seat_ledger.cli.console.failures import UnreadableRequest
from seat_ledger.cli.options.session import Question
from seat_ledger.cli.output import times
from seat_ledger.cli.output.i18n import Words
from seat_ledger.cli.output.render import Answer
from seat_ledger.domain.calendar import ZoneHistory, local_date, local_time
from seat_ledger.domain.moments import parse_moment
from seat_ledger.domain.values import iso, shown
from seat_ledger.errors import InvalidInput, LedgerError
from seat_ledger.lazy import lazy
from seat_ledger.projections.accounts import search
from seat_ledger.projections.attention import Attention, attention
from seat_ledger.projections.billing import invoices
from seat_ledger.projections.billing.price_book import recorded
from seat_ledger.projections.reader import AccountFacts, Knowledge, no_such_account
from seat_ledger.projections.reader.pool import PooledReader
from seat_ledger.projections.reader.redaction import RedactedReader

PAGE = 50
Pages = dict[str, Any]
LONGEST_WORD = 400
_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass
class Page:
    """What a page has to show: the rows of its twins, and how it is filled in.

    `fill` is called for the page alone, not for its twins. `identity` names the thing
    shown, in the address and in every form of the page.
    """

    name: str
    title: str
    answer: Answer
    fill: Callable[[], dict[str, Any]] = dict
    identity: dict[str, str] = field(default_factory=dict)


@contextmanager
def _a_moment(text: str) -> Iterator[None]:
    """Refuse what is no moment at all by the catalogue's sentence."""
    try:
        yield
    except InvalidInput as error:
        if isinstance(error, UnreadableRequest) or error.code != InvalidInput.code:
            raise
        raise UnreadableRequest("moment", text=shown(text), try_=error.try_) from error


class PageRequest(Question):
    """A question from a browser, within what the visitor may see (R76)."""

    watch: Callable[[PageRequest], Attention | None] | None = None
    """What is kept between requests of what needs attention, where anything is."""
    form_token: str = ""
    """What a form carries that sends something, so that it is known to be ours."""

    def __init__(
        self,
        reader: PooledReader,
        params: Mapping[str, str],
        words: Words,
        visitor: Visitor,
        form: str = "html",
    ) -> None:
        texts = {name: text.strip() for name, text in params.items()}
        moments = {name: texts[name] for name in _MOMENTS if texts.get(name)}
        super().__init__(reader, {"as_of": None, "known_at": None, **moments})
        for name, text in texts.items():
            if len(text) > LONGEST_WORD or _CONTROL.search(text):
                raise UnreadableRequest("value", name=shown(name))
        self.params = {name: text for name, text in texts.items() if text}
        self.words = words
        self.form = form
        self.visitor = visitor
        if self.params.get("account"):
            self.options["account"] = self.params["account"]

    def __getitem__(self, name: str) -> str:
        """A parameter that the page cannot do without."""
        if name not in self.params:
            raise UnreadableRequest("missing", name=name)
        return self.params[name]

    def count(self, name: str, least: int = 0) -> int:
        """A whole number of the address; `least` where it says none."""
        text = self.params.get(name, str(least))
        if not (text.isascii() and text.isdigit() and len(text) <= 18):
            raise UnreadableRequest("number", name=name, text=shown(text))
        return max(int(text), least)

    def moment_of(self, text: str) -> datetime:
        """A moment by the account's clocks. Raises InvalidInput."""
        with _a_moment(text):
            return parse_moment(text, self.clocks, self.now)

    @lazy
    def as_of(self) -> datetime:
        """The moment asked about; one that cannot be read is refused in its words."""
        with _a_moment(self.options["as_of"] or ""):
            return super().as_of

    def knowledge_of(self, text: str) -> Knowledge:
        """What was known at a position or a moment, refused likewise."""
        with _a_moment(text):
            return super().knowledge_of(text)

    def may_see(self, account: str | None) -> bool:
        """Whether the visitor may see an account at all."""
        return self.visitor.accounts is None or account in self.visitor.accounts

    @lazy
    def account_nos(self) -> list[int] | None:
        """The numbers of the accounts that the visitor may see; None for all."""
        return search.numbers_of(self.reader, self.visitor.accounts)

    @lazy
    def account(self) -> AccountFacts:
        """The account asked about; one that may not be seen is not there."""
        key = self.options.get("account") or self["account"]
        if not self.may_see(key):
            raise no_such_account(key)
        return super().account

    def _readable(self, knowledge: Knowledge) -> Knowledge:
        key = self.options.get("account")
        return super()._readable(knowledge) if key and self.may_see(key) else knowledge

    @lazy
    def attention(self) -> Attention | None:
        """What needs attention in the accounts; None while they are being read."""
        if self.watch is not None:
            return self.watch(self)
        return attention(self.reader, self.knowledge, self.as_of, self.account_nos)

    @lazy
    def currencies(self) -> list[str]:
        """The currencies that the account's prices can be had in, where several are.

        That of the last invoice is the first.
        """
        choice = recorded(self.reader, self.knowledge, [self.account.no]).choice
        if not choice:
            return []
        issued = invoices.issued(self.reader, self.account, self.knowledge.position)
        last = issued[-1].currency.code if issued else None
        return sorted(choice, key=lambda code: code != last)

    @lazy
    def last_invoices(self) -> list[tuple[str, int]]:
        """The account's last invoices, and up to which position each knew."""
        issued = invoices.issued(self.reader, self.account, self.knowledge.position)
        return [(of.invoice, of.cut_off) for of in issued[: -_PICKS - 1 : -1]]

    def is_about_all(self) -> None:
        """The same of the accounts that the visitor may see."""
        keys = [account.account_key for account in self.reader.aside_at(self.knowledge)]
        self.is_about(key for key in keys if self.may_see(key))

    def aside_documents(self) -> list[dict[str, Any]]:
        """The same; a reason may quote the event, and with it a person."""
        hidden = {"reason": None} if self.hides_people else {}
        return [{**document, **hidden} for document in super().aside_documents()]

    @lazy
    def clocks(self) -> ZoneHistory:
        """The account's zones, or UTC where no account is meant."""
        return self.account.zones if self.options.get("account") else times.UTC_ZONES

    def zones_now(self) -> ZoneHistory:
        """The same, of an account that may be seen."""
        key = self.options.get("account")
        if not key or not self.may_see(key):
            return times.UTC_ZONES
        return super().zones_now()

    @property
    def wants_page(self) -> bool:
        """Whether a page is wanted, not the rows of its twin."""
        return self.form == "html"

    @property
    def report_forms(self) -> tuple[str, ...]:
        """The kinds of files that a report can be had as here."""
        return ("html", "xlsx") if find_spec("xlsxwriter") else ("html",)

    @property
    def shows_reversed(self) -> bool:
        """Whether what was reversed is wanted too."""
        return "with_reversed" in self.params

    @property
    def filters(self) -> dict[str, str]:
        """What a page is asked for besides its thing and its moments."""
        return {"with_reversed": "1"} if self.shows_reversed else {}

    @property
    def hides_people(self) -> bool:
        """Whether keys, e-mails and names are hidden."""
        return isinstance(self.reader, RedactedReader)

    def person(self, row: Mapping[str, Any]) -> str:
        """A person in a chart: the name where it is shown, else the key."""
        return str(row["name"] or row["user"])

    # -- moments --------------------------------------------------------------------

    @property
    def has_as_of(self) -> bool:
        """Whether the address names a moment."""
        return self.options["as_of"] is not None

    @property
    def has_known_at(self) -> bool:
        """Whether the address names a state of knowledge."""
        return self.options["known_at"] is not None

    def field_as_of(self) -> str:
        """The moment as its field shows it: in local time where that is plain."""
        return wall_text(self.as_of, self.clocks) if self.has_as_of else ""

    def month_began(self) -> str:
        """The instant at which last month ended, by the account's clocks."""
        today = local_date(self.now, self.clocks.at(self.now))
        return iso(self.clocks.bound(today.replace(day=1)).instant)

    def sentence(self) -> str:
        """Both clocks, in words."""
        words, knowledge = self.words, self.knowledge
        when = self.spelled()
        first = words("as_of_then" if self.has_as_of else "as_of_now", when=when)
        if not self.has_known_at:
            second = words("known_now", position=knowledge.position)
        elif knowledge.recorded_at is None:
            second = words("known_nothing", position=knowledge.position)
        else:
            recorded = words.spelled(knowledge.recorded_at, self.clocks)
            position = knowledge.position
            second = words("known_then", when=recorded, position=position)
        return f"{first}, {second}."

    def spelled(self) -> str:
        """The moment with its zone; "now" without its fraction."""
        exact = self.as_of if self.has_as_of else self.as_of.replace(microsecond=0)
        return self.words.spelled(exact, self.clocks)

    def moment(self, instant: datetime | None) -> str:
        """An instant by the account's clocks."""
        return self.words.moment(instant, self.clocks)

    # -- links ----------------------------------------------------------------------

    def url(self, page: str, form: str = "", /, **params: object) -> str:
        """The address of a page or a twin, with the moments of this one."""
        moments: dict[str, object] = {}
        if self.has_as_of:
            moments["as_of"] = iso(self.as_of)
        if self.has_known_at:
            moments["known_at"] = self.knowledge.position
        return self._address(page, form, {**params, **moments})

    def pinned(self, page: str, form: str = "", /, **params: object) -> str:
        """An address that gives this very answer for ever."""
        moments = {"as_of": iso(self.as_of), "known_at": self.knowledge.position}
        return self._address(page, form, {**params, **moments})

    def carried(self) -> dict[str, str]:
        """What a form has to carry so that the moments stay."""
        params = {name: self.params[name] for name in ("lang",) if name in self.params}
        if self.has_as_of:
            params["as_of"] = iso(self.as_of)
        if self.has_known_at:
            params["known_at"] = str(self.knowledge.position)
        return params

    def without_moments(self, page: str, /, **params: object) -> str:
        """The address of a page as it is now, with all that is known now."""
        return self._address(page, "", params)

    def at_now(self, page: str, /, **params: object) -> str:
        """The address of a page as it is now, with what was known as here."""
        position = self.knowledge.position if self.has_known_at else None
        return self._address(page, "", {**params, "known_at": position})

    def start(self, total: int, *, at_end: bool = False) -> int:
        """The row that this page of a list begins after; `at_end`: its last page."""
        last = max(0, total - PAGE)
        if "skip" not in self.params:
            return last if at_end else 0
        return min(self.count("skip"), last if at_end else max(0, total - 1))

    def paged(self, page: str, skip: int, total: int, **params: object) -> Pages:
        """Where one is in a list, with the addresses before and after."""
        before, after = max(0, skip - PAGE), skip + PAGE
        back = self.url(page, **params, skip=before) if skip else None
        on = self.url(page, **params, skip=after) if after < total else None
        last = min(after, total)
        return {
            "first": skip + 1,
            "last": last,
            "total": total,
            "back": back,
            "on": on,
        }

    def _address(self, page: str, form: str, params: Mapping[str, object]) -> str:
        query_params = {k: v for k, v in params.items() if v is not None and v != ""}
        if "lang" in self.params:
            query_params["lang"] = self.words.language
        suffix = f".{form}" if form else ""
        query = f"?{urlencode(query_params)}" if query_params else ""
        return f"/{page}{suffix}{query}"


_MOMENTS = ("as_of", "known_at")
_PICKS = 2
"""How many invoices are offered as a state of knowledge."""


def wall_text(instant: datetime, zones: ZoneHistory, joint: str = " ") -> str:
    """Local time where it is read back as the same instant, else the instant."""
    wall = local_time(instant.astimezone(UTC), zones.at(instant))
    exact = "auto" if wall.second or wall.microsecond else "minutes"
    text = wall.isoformat(joint, exact)
    try:
        same = parse_moment(text, zones, instant) == instant
    except LedgerError:
        same = False
    return text if same else iso(instant)
