"""SQL in files: a file holds named queries, each under a line ``-- name --``."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

_NAME = re.compile(r"^-- ([a-z_]+) --$", re.MULTILINE)


@cache
def queries(*path: str) -> dict[str, bytes]:
    """The queries of a file of this package, by name."""
    text = resources.files("projections").joinpath(*path).read_text("utf-8")
    parts = _NAME.split(text)[1:]
    return {
        name: sql.strip().rstrip(";").encode()
        for name, sql in zip(parts[::2], parts[1::2], strict=True)
    }
