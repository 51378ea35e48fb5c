"""The rules of a mapping: which one a row meets, and what it makes of the row."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from seat_ledger.domain.values import shown
from seat_ledger.errors import InvalidInput
from seat_ledger.sources.fields import Fields, Getter, as_text, getter
from seat_ledger.sources.mapping import Rule, SourceMapping
from seat_ledger.sources.refusals import UnreadableRow

R = TypeVar("R")
ANYTHING = "*"
"""The condition that a field is there and not empty; '' that it is missing or empty."""


class ReadyRule(NamedTuple, Generic[R]):
    """A rule, with what it makes of a row."""

    conditions: tuple[tuple[str, Getter, frozenset[str]], ...]
    make: Callable[[Fields], R] | None
    ignore: str | None
    refuse: str | None

    def holds(self, row: Fields) -> bool:
        """Whether all of its conditions hold."""
        for _, get, texts in self.conditions:
            text = _as_condition(get(row))
            if text not in texts and not (text and ANYTHING in texts):
                return False
        return True


class RuleBook(Generic[R]):
    """The rules in their order; the first whose conditions hold is the row's."""

    def __init__(
        self, mapping: SourceMapping, make: Callable[[Rule, str], Callable[[Fields], R]]
    ) -> None:
        self.rules = [
            ReadyRule(
                tuple(_condition(path, texts) for path, texts in rule.when.items()),
                make(rule, f"rule {n}") if rule.op or rule.steps else None,
                rule.ignore,
                rule.refuse,
            )
            for n, rule in enumerate(mapping.rule, start=1)
        ]
        self._paths = list(dict.fromkeys(p for r in mapping.rule for p in r.when))
        self._by_text = self._table()

    def _table(self) -> dict[str, ReadyRule[R]] | None:
        """The rules by the text that they expect, where all look at one field."""
        table: dict[str, ReadyRule[R]] = {}
        for rule in self.rules:
            if len(self._paths) != 1 or len(rule.conditions) != 1:
                return None
            texts = rule.conditions[0][2]
            if ANYTHING in texts or "" in texts:
                return None
            for text in texts:
                table.setdefault(text, rule)
        self._get = self.rules[0].conditions[0][1]
        return table

    def rule_for(self, row: Fields) -> ReadyRule[R]:
        """The rule of a row. Raises UnreadableRow where none is, or it refuses."""
        rule = self._match(row)
        if rule is None:
            raise UnreadableRow(
                f"no rule names this row: {self._described(row)}.",
                "add a rule for it to the mapping, with an op, or with ignore or "
                "refuse and the reason",
            )
        if rule.refuse is not None:
            raise UnreadableRow(
                f"refused by the mapping ({self._described(row)}): {rule.refuse}.",
                "take a snapshot of the source for what its log does not say, or "
                "change the rule",
            )
        return rule

    def _match(self, row: Fields) -> ReadyRule[R] | None:
        if self._by_text is not None:
            text = self._get(row)
            if text.__class__ is str:
                return self._by_text.get(text.strip())
            return self._by_text.get(_as_condition(text))
        return next((rule for rule in self.rules if rule.holds(row)), None)

    def _described(self, row: Fields) -> str:
        return ", ".join(
            f"{path} = {shown(_as_condition(getter(path)(row)))}"
            for path in self._paths
        )


def _as_condition(value: Any) -> str:
    """A field as conditions see it: of what is no single value, that it is there."""
    if isinstance(value, list | Mapping):
        return _SOMETHING if value else ""
    return as_text(value, "").strip()


_SOMETHING = "\0"


def _condition(path: str, expected: Any) -> tuple[str, Getter, frozenset[str]]:
    texts: Iterable[Any] = expected if isinstance(expected, list) else [expected]
    return path, getter(path), frozenset(as_text(text, path) for text in texts)


def checked_op(op: str | None, ops: Collection[str], what: str) -> str:
    """The operation of a rule. Raises InvalidInput where this kind has it not."""
    if op is None or op not in ops:
        raise InvalidInput(
            f"{what}: {shown(op)} is not an op of this kind of mapping.",
            try_=f"use one of {', '.join(ops)}",
        )
    return op
