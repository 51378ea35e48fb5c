"""The pages of ``help``: one Markdown file a topic, and how one is printed."""

from __future__ import annotations

import sys
from importlib import resources

_PACKAGE = "seat_ledger.cli.topics"
TOPICS = sorted(
    page.name.removesuffix(".md")
    for page in resources.files(_PACKAGE).iterdir()
    if page.name.endswith(".md")
)
RULES = "rules"


def text_of(topic: str) -> str:
    """The Markdown of a topic; `rules` is the law of the write side."""
    package = "seat_ledger" if topic == RULES else _PACKAGE
    name = "RULES.md" if topic == RULES else f"{topic}.md"
    return resources.files(package).joinpath(name).read_text("utf-8")


def text_of_source(mapping: str) -> str:
    """The Markdown of the page of a shipped mapping."""
    return text_of(f"sources/{mapping}")


def title_of(topic: str) -> str:
    """The heading of a topic's page."""
    return text_of(topic).split("\n", 1)[0].removeprefix("# ")


def print_page(markdown: str) -> None:
    """Print a page: rendered on a terminal, as it is into a pipe."""
    if not sys.stdout.isatty():
        print(markdown, end="")
        return
    from rich.console import Console  # noqa: PLC0415  slow, and every start comes by
    from rich.markdown import Markdown  # noqa: PLC0415

    Console(width=min(Console().width, 100)).print(Markdown(markdown))
