"""Messages of every room in a reader's language.

A room writes its message in English, with what it is about in it. The catalogue has the
same sentence with gaps, in each language: by its English form a message is recognised,
and what stood in the gaps goes into the reader's own.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from seat_ledger.cli.output.i18n import Words, catalogue


class Message(NamedTuple):
    """A message as a reader is shown it, and the language that it is in."""

    text: str
    language: str

    @classmethod
    def of(cls, message: str, words: Words) -> Message:
        """In the reader's language; what the catalogue does not have, as it was."""
        text = in_language(message, words)
        return cls(message, "en") if text is None else cls(text, words.language)


_PREFIXES = ("message_", "error_text_")
_BETWEEN = re.compile(r"(?<=[.?]) (?=[A-Z])")
"""Where one sentence ends and another begins."""
_GAP = re.compile(r"\{(\w+)\}")
_OF_MESSAGES = ("problem", "csv")
"""Gaps that hold a message themselves."""


def in_language(message: str, words: Words) -> str | None:
    """A message in a language; None where the catalogue does not have it."""
    if words.language == "en":
        return message
    for key, form in _forms():
        match = form.fullmatch(message)
        if match is None:
            continue
        fields = match.groupdict()
        for name in _OF_MESSAGES:
            if fields.get(name):
                fields[name] = in_language(fields[name], words)
        if None not in fields.values():
            return words(key, **fields)
    sentences = _BETWEEN.split(message)
    if len(sentences) == 1:
        return None
    texts = [in_language(sentence, words) for sentence in sentences]
    return None if None in texts else " ".join(filter(None, texts))


@cache
def _forms() -> list[tuple[str, re.Pattern[str]]]:
    """The English forms: those that hold another first, then the longest."""
    texts = {
        key: text for key, text in catalogue("en").items() if key.startswith(_PREFIXES)
    }
    keys = sorted(
        texts,
        key=lambda key: ("{problem}" not in texts[key], -len(_GAP.sub("", texts[key]))),
    )
    return [(key, _form(texts[key])) for key in keys]


def _form(text: str) -> re.Pattern[str]:
    parts = _GAP.split(text)
    pattern = "".join(
        f"(?P<{part}>.+?)" if n % 2 else re.escape(part) for n, part in enumerate(parts)
    )
    return re.compile(pattern, re.DOTALL)
