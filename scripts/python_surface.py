"""The public surface of the Python API, one line a name with its signature."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from pydantic import BaseModel

import seat_ledger
from seat_ledger.client import rows


def surface() -> list[str]:
    """Everything that is promised: names, methods, parameters, fields of results."""
    public = {name: getattr(seat_ledger, name) for name in seat_ledger.__all__}
    models = {
        name: kind
        for name, kind in vars(rows).items()
        if inspect.isclass(kind) and kind.__module__ == rows.__name__
    }
    lines = []
    for name, value in {**public, **models}.items():
        lines += [name, *_members(name, value)] if inspect.isclass(value) else [name]
    return lines


def _members(name: str, kind: type) -> Iterator[str]:
    if issubclass(kind, BaseModel):
        for field, info in kind.model_fields.items():
            yield f"{name}.{field}: {inspect.formatannotation(info.annotation)}"
        return
    for attribute in sorted(dir(kind)):
        if attribute.startswith("_") or issubclass(kind, Exception):
            continue
        value = inspect.getattr_static(kind, attribute)
        function = getattr(value, "__func__", value)
        if not inspect.isfunction(function):
            continue
        for parameter in inspect.signature(function).parameters.values():
            if parameter.name not in {"self", "cls"}:
                yield f"{name}.{attribute}({parameter})"
        yield f"{name}.{attribute} -> {inspect.signature(function).return_annotation}"


if __name__ == "__main__":
    print("\n".join(surface()))
