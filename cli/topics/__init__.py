"""Help that belongs to no single command: one Markdown page a topic."""

from __future__ import annotations

import sys
from importlib import resources

import click
from rich.console import Console
from rich.markdown import Markdown

TOPICS = sorted(
    page.name.removesuffix(".md")
    for page in resources.files(__package__).iterdir()
    if page.name.endswith(".md")
)
RULES = "rules"


def text_of(topic: str) -> str:
    """The Markdown of a topic; `rules` is the law of the write side."""
    package = "seat_ledger" if topic == RULES else __package__
    name = "RULES.md" if topic == RULES else f"{topic}.md"
    return resources.files(package).joinpath(name).read_text("utf-8")


def title_of(topic: str) -> str:
    """The heading of a topic's page."""
    return text_of(topic).split("\n", 1)[0].removeprefix("# ")


def print_page(markdown: str) -> None:
    """Print a page: rendered on a terminal, as it is into a pipe."""
    if not sys.stdout.isatty():
        print(markdown, end="")
        return
    Console(width=min(Console().width, 100)).print(Markdown(markdown))


@click.command("help")
@click.argument("topic", type=click.Choice([*TOPICS, RULES]), required=False)
def help_(topic: str | None) -> None:
    """Read about concepts, audits, operations and formats."""
    if topic is not None:
        print_page(text_of(topic))
        return
    width = max(map(len, TOPICS)) + 2
    print("Topics, such as 'seat-ledger help concepts':\n")
    for name in [*TOPICS, RULES]:
        print(f"  {name:{width}}{title_of(name)}")
