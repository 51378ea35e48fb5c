"""Tables whose rows stack on a narrow screen: each cell knows the head of its column.

The stylesheet shows the heads beside the cells there. Rows and cells keep their roles,
which a browser forgets of what is no longer laid out as a table.
"""

from __future__ import annotations

import re

_TABLE = re.compile(r"<table>.*?</table>", re.DOTALL)
_HEAD = re.compile(r'<th scope="col"([^>]*)>(.*?)</th>', re.DOTALL)
_PART = re.compile(r"<(thead|tbody|tr|td|th)(?=[ >])([^>]*)>")
_TAG = re.compile(r"<[^>]*>")


def stacked(page: str) -> str:
    """A page whose tables can stack."""
    return _TABLE.sub(lambda match: _labelled(match[0]), page)


def _labelled(table: str) -> str:
    heads = [
        " ".join(_TAG.sub(" ", text).split()).replace('"', "&quot;")
        for _, text in _HEAD.findall(table)
    ]
    column = 0

    def part(match: re.Match[str]) -> str:
        nonlocal column
        name, attributes = match[1], match[2]
        if name == "tr":
            column = 0
            return f'<tr role="row"{attributes}>'
        if name in {"thead", "tbody"}:
            return f'<{name} role="rowgroup"{attributes}>'
        if 'scope="col"' in attributes:
            return f'<th role="columnheader"{attributes}>'
        role = "rowheader" if name == "th" else "cell"
        label = heads[column] if column < len(heads) else ""
        column += 1
        if "colspan" in attributes or not label:
            return f'<{name} role="{role}"{attributes}>'
        return f'<{name} role="{role}" data-label="{label}"{attributes}>'

    rows = _PART.sub(part, table[len("<table>") :])
    return f'<table role="table">{rows}'
