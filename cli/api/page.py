"""The page that shows the API: made from its description, without any script."""

from __future__ import annotations

from functools import cache
from importlib import resources
from itertools import groupby
from typing import Any

import jinja2

from seat_ledger.cli.api.openapi import document
from seat_ledger.cli.output.render import harmless_in_page


@cache
def page_text() -> str:
    """The page, as HTML."""
    folder = resources.files(__package__).joinpath("templates")
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=harmless_in_page,
    )
    template = environment.from_string(folder.joinpath("api.html").read_text("utf-8"))
    described = document()
    return template.render(info=described["info"], groups=_groups(described))


def _groups(described: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    operations = [
        {"path": path, "method": method.upper(), **operation}
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]
    by_tag = groupby(operations, key=lambda operation: operation["tags"][0])
    return [(tag, list(members)) for tag, members in by_tag]
