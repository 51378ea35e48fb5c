"""The sources of the dbt package, written from the comments of the served views."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from scripts.reference import served_views

FILE = Path(__file__).parents[1] / "analytics" / "dbt" / "models" / "sources.yml"


def sources() -> str:
    """The YAML: texts are quoted as JSON quotes them, which YAML reads."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Written by scripts/reference from the comments of the views."
    yield "version: 2"
    yield "sources:"
    yield "  - name: projection"
    yield "    schema: projection"
    yield "    tables:"
    for name, meaning, columns in served_views():
        yield f"      - name: {name}"
        yield f"        description: {json.dumps(meaning)}"
        yield "        columns:"
        for column, about in columns:
            yield f"          - name: {column}"
            yield f"            description: {json.dumps(about)}"


if __name__ == "__main__":
    FILE.write_text(sources())
