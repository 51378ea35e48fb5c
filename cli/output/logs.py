"""Structured lines on stderr: readable on a terminal, JSON in a log."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from seat_ledger.cli.output.render import harmless, is_plain


def logger(*, as_json: bool | None = None) -> Any:
    """Something with `info`, `warning` and `error`, each a word and its facts.

    Lines are JSON where stderr is no terminal, unless `as_json` says otherwise.
    """
    import structlog  # noqa: PLC0415

    if as_json is None:
        as_json = not sys.stderr.isatty()
    renderers = (
        [structlog.processors.JSONRenderer()]
        if as_json
        else [_harmless, structlog.dev.ConsoleRenderer(colors=not is_plain())]
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            *renderers,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    return structlog.get_logger()


def _harmless(_log: Any, _method: str, facts: dict[str, Any]) -> dict[str, Any]:
    """Facts as a terminal may show them: without what would drive it."""
    return {
        name: harmless(value) if isinstance(value, str) else value
        for name, value in facts.items()
    }


_LEVELS = {
    "stuck": "error",
    "bug": "error",
    "failed": "warning",
    "catch_up_stopped": "error",
    "set_aside": "error",
    "cut_off": "warning",
    "disconnected": "warning",
}


def log_writer(*silent: str) -> Callable[..., None]:
    """What tells a word and its facts, each word at its level; `silent` ones never."""
    log = logger()

    def write(what: str, **facts: Any) -> None:
        if what not in silent:
            getattr(log, _LEVELS.get(what, "info"))(what, **facts)
            sys.stderr.flush()

    return write
