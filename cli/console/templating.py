"""Pages as HTML: the templates, and what they may call. All text is escaped."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from seat_ledger.cli.console.request import Page, PageRequest
from seat_ledger.cli.console.rereading import Rereading
from seat_ledger.cli.console.stacking import stacked
from seat_ledger.cli.output.i18n import LANGUAGES, Words
from seat_ledger.cli.output.messages import Message
from seat_ledger.cli.output.render import harmless_in_page, to_json
from seat_ledger.cli.output.times import UTC_ZONES, day_or_time
from seat_ledger.domain.calendar import ZoneHistory
from seat_ledger.domain.values import iso
from seat_ledger.errors import LedgerError, NotFound

_FIXED = re.compile(r"[0-9T:. -]+(?:Z|[+-][0-9]{2}:[0-9]{2})|[0-9]{1,18}", re.ASCII)
"""An instant, or a position; not a local time, which an account reads its own way."""


class Sheet:
    """The templates, and the digests of the files that pages load."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.templates = Environment(
            loader=PackageLoader("seat_ledger.cli.console"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            finalize=harmless_in_page,
        )
        digests = {name: hashlib.sha256(file) for name, file in files.items()}
        self.templates.globals["digests"] = {
            name: digest.hexdigest() for name, digest in digests.items()
        }
        self.templates.globals["integrity"] = {
            name: f"sha256-{b64encode(digest.digest()).decode()}"
            for name, digest in digests.items()
        }
        self.templates.filters["svg"] = Markup
        self.templates.filters["as_json"] = to_json
        self.templates.filters["as_given"] = escape

    def page(
        self,
        request: PageRequest,
        page: Page,
        path: str,
        differs: Rereading | None = None,
    ) -> str:
        """A page, filled in; where it reads differently now it says so."""
        context = page.fill()
        pinned = {form: _pinned(request, page, form) for form in ("", "json", "csv")}
        text = self.templates.get_template(f"{page.name}.html").render(
            rereading=differs,
            request=request,
            page=page,
            t=_PageWords(request.words.language),
            when=_Moments(request),
            path=path,
            pinned=pinned,
            languages=_languages(request.words, request.params, path),
            behind=request.reader.store_head - request.reader.head,
            **context,
        )
        return stacked(text)

    def failure(
        self, words: Words, error: LedgerError, params: Mapping[str, str], path: str
    ) -> str:
        """What went wrong, as a page with the same frame."""
        key = f"error_{error.code}"
        carried = _carried(error, params)
        hint = Message.of(error.try_ or "", words)
        return self.templates.get_template("failure.html").render(
            t=words,
            headline=words(key) if words.has(key) else words("error_other"),
            error=error,
            message=Message.of(error.message, words),
            advice=_advice(hint.text, in_words=hint.language == words.language),
            params=params,
            path=path,
            carried=carried,
            link=lambda page, **params: _address(page, {**params, **carried}),
            languages=_languages(words, params, path),
        )


_NAMED = re.compile(r"'(seat-ledger [^'\n]+)'|(seat-ledger \S.*)")
_PAGES = {
    "seat-ledger account list": "accounts",
    "seat-ledger account attention": "attention",
}
"""Commands whose answer is a page that needs nothing said."""


def _advice(text: str, *, in_words: bool) -> list[tuple[str, bool, str | None]]:
    """What to do, in parts: each with whether it is a command, and the page it is.

    The commands alone where the words between them are not in the reader's language.
    """
    parts: list[tuple[str, bool, str | None]] = []
    end = 0
    for named in _NAMED.finditer(text):
        command = named[1] or named[2]
        parts.append((text[end : named.start()] if in_words else " ", False, None))
        parts.append((command, True, _PAGES.get(command)))
        end = named.end()
    if in_words:
        parts.append((text[end:], False, None))
    return [part for part in parts if part[0]]


def _address(page: str, params: Mapping[str, str]) -> str:
    return f"/{page}?{urlencode(params)}" if params else f"/{page}"


def _carried(error: LedgerError, params: Mapping[str, str]) -> dict[str, str]:
    """What stays of an address that failed: the language, and the moments.

    Moments stay where they were not the matter, and say the same for any account.
    """
    carried = {"lang": params["lang"]} if params.get("lang") in LANGUAGES else {}
    if isinstance(error, NotFound):
        moments = {name: params.get(name, "").strip() for name in ("as_of", "known_at")}
        carried |= {
            name: text for name, text in moments.items() if _FIXED.fullmatch(text)
        }
    return carried


def _pinned(request: PageRequest, page: Page, form: str) -> str:
    """The address of the very answer; a twin is whole, a page begins where it does."""
    params = {**page.identity, **request.filters}
    if not form:
        params |= {
            name: request.params[name] for name in _PLACES if name in request.params
        }
    return request.pinned(page.name, form, **params)


_PLACES = ("skip", "after")


def _languages(
    words: Words, params: Mapping[str, str], path: str
) -> list[tuple[str, str, str]]:
    """The other languages: code, own name, and this address in it."""
    return [
        (
            code,
            words(f"language_{code}"),
            f"{path}?{urlencode({**params, 'lang': code})}",
        )
        for code in LANGUAGES
        if code != words.language
    ]


class _PageWords(Words):
    """The texts of a page: markup of ours in a gap stays so, all else is escaped."""

    def __call__(self, key: str, **values: Any) -> str:
        if not any(isinstance(value, Markup) for value in values.values()):
            return super().__call__(key, **values)
        harmless = {name: harmless_in_page(value) for name, value in values.items()}
        return escape(super().__call__(key)).format(**harmless)


class _Moments:
    """Dates and times of the account, with the exact instant beside them."""

    def __init__(self, request: PageRequest) -> None:
        self.request = request

    def __call__(self, value: datetime | date | None) -> Markup:
        """A moment as local time; the instant in UTC stands in its attribute."""
        words = self.request.words
        if value is None:
            return Markup('<span class="open">{}</span>').format(words("present"))
        if not isinstance(value, datetime):
            text, exact = words.day(value), value.isoformat()
        else:
            text, exact = self.request.moment(value), iso(value)
        return Markup('<time datetime="{}" title="{}">{}</time>').format(
            exact, exact, text
        )

    def to_the_second(self, value: datetime | None) -> Markup:
        """The same to the second; a page about many accounts says that it is UTC."""
        if value is None:
            return Markup("&ndash;")
        text = self.request.moment(value.replace(microsecond=0))
        if self.request.clocks is UTC_ZONES:
            text = f"{text} UTC"
        return Markup('<time datetime="{0}" title="{0}">{1}</time>').format(
            iso(value), text
        )

    def in_zone(self, value: datetime, time_zone: str) -> Markup:
        """The local date of an account where it begins then, else the local time."""
        return Markup('<time datetime="{0}" title="{0}">{1}</time>').format(
            iso(value), day_or_time(value, ZoneHistory(time_zone))
        )

    def iso_day(self, text: str) -> str:
        """A date written in digits, spelled out."""
        return self.request.words.day(date.fromisoformat(text))
