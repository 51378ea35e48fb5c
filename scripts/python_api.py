"""The Python API's typed methods, written from the commands' own declarations.

Operations come from their models, questions from the commands' options, rows from the
headers of CSV and their kinds: ``scripts/reference`` writes the modules, and a test
fails when they are stale.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal

import click

from seat_ledger.cli.api.endpoints import AUDIT, Endpoint, answered_endpoints
from seat_ledger.cli.api.fields import Schema, object_of
from seat_ledger.cli.output.csv_headers import header_of
from seat_ledger.commands.messages import OPERATIONS, NewPerson, Operation

ROOM = Path(__file__).parents[1] / "seat_ledger" / "client"
_LEFT_OUT = {"columns", "wide", "explain_file"}
"""Parameters of tables and CSV, and of what is shown to a person."""
_MOMENTS = {"as_of", "since", "until", "from", "at", "effective_at", "effective_after"}
_KEYWORDS = {"from": "from_", "set": "set_"}
_ACT = ("position", "actor", "reason", "recorded_at")
_NESTED = {"holder": "SeatHolder"}
"""Names of what is nested in rows, where its key alone would not do."""
_FRACTIONS = {"quantity_exact", "difference_exact"}
_SIMPLE = {
    "string": "str",
    "integer": "int",
    "boolean": "bool",
    "number": "float",
    "decimal": "Decimal",
    "date-time": "dt.datetime",
    "date": "dt.date",
}


def modules() -> dict[str, str]:
    """The text of each module, by its name."""
    writers: dict[str, Callable[[], Iterator[str]]] = {
        "rows.py": _rows,
        "questions.py": _questions,
        "operations.py": _operations,
    }
    return {name: _formatted("\n".join(write())) for name, write in writers.items()}


def _formatted(text: str) -> str:
    ruff = Path(sys.executable).with_name("ruff")
    done = subprocess.run(  # noqa: S603  our own formatter
        [str(ruff), "format", "--stdin-filename", str(ROOM / "x.py"), "-"],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


_WRITTEN = "Written by `scripts/reference` from what the commands declare."


# -- rows -----------------------------------------------------------------------------


def row_name(endpoint: Endpoint) -> str:
    """The class of a question's rows."""
    if not schema_of(endpoint)["properties"]:
        return "AnyRow"
    return endpoint.operation_id.title().replace("_", "") + "Row"


def schema_of(endpoint: Endpoint) -> Schema:
    """The schema of a question's rows."""
    names = () if endpoint.words == "export" else header_of(endpoint.words)
    return object_of(endpoint.words, names)


def _rows() -> Iterator[str]:
    yield f'"""The rows of each question, as frozen models.\n\n{_WRITTEN}\n"""\n'
    yield "from __future__ import annotations\n"
    yield "import datetime as dt"
    yield "from decimal import Decimal"
    yield "from fractions import Fraction"
    yield "from typing import Any\n"
    yield "from pydantic import Field\n"
    yield "from seat_ledger.client.documents import Frozen\n"
    classes = _Classes()
    for endpoint in answered_endpoints():
        schema = schema_of(endpoint)
        if schema["properties"]:
            about = f"A row of `{endpoint.words}`."
            classes.add(row_name(endpoint), schema["properties"], about)
    yield from classes.texts.values()


class _Classes:
    """Models by name; what is nested comes before what it is nested in."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.properties: dict[str, Any] = {}

    def add(self, name: str, properties: Mapping[str, Schema], about: str) -> str:
        """Write a model, and give its name."""
        lines = [f"class {name}(Frozen):", f'    """{about}"""\n']
        for key, schema in properties.items():
            kind = self._kind(key, schema)
            if key in _KEYWORDS:
                lines.append(f'    {_KEYWORDS[key]}: {kind} = Field(alias="{key}")')
            else:
                lines.append(f"    {key}: {kind}{_default(kind)}")
        self.properties[name] = dict(properties)
        self.texts[name] = "\n".join(lines) + "\n\n"
        return name

    def _kind(self, key: str, schema: Schema) -> str:
        types_ = schema.get("type", [])
        is_open = isinstance(types_, list) and "null" in types_
        kinds = types_ if isinstance(types_, list) else [types_]
        plain = [kind for kind in kinds if kind != "null"]
        kind = "Fraction" if key in _FRACTIONS else self._plain(key, schema, plain)
        return f"{kind} | None" if is_open and kind != "Any" else kind

    def _plain(self, key: str, schema: Schema, kinds: list[str]) -> str:
        match kinds:
            case ["object"]:
                nested = schema.get("properties")
                return self._nested(key, nested) if nested else "dict[str, Any]"
            case ["array"] if "properties" in schema["items"] and key != "totals":
                return "tuple[dict[str, Any], ...]"
            case ["array"]:
                return f"tuple[{self._kind('seat_totals', schema['items'])}, ...]"
            case [kind]:
                pattern = "decimal" if "pattern" in schema else ""
                return _SIMPLE[schema.get("format") or pattern or kind]
        return "Any"

    def _nested(self, key: str, properties: Mapping[str, Schema]) -> str:
        if tuple(properties) == _ACT:
            key = "entry_act"
        name = _NESTED.get(key) or key.title().replace("_", "")
        if self.properties.get(name) == dict(properties):
            return name
        if name in self.properties:
            name += "Entry"
        about = f"What a row has as `{key}`."
        if key == "entry_act":
            about = "Who recorded an entry, why and when."
        return self.add(name, properties, about)


def _default(kind: str) -> str:
    """What stands for a key that not every row has."""
    return " = None" if kind.endswith("| None") or kind == "Any" else ""


# -- questions ------------------------------------------------------------------------


def _questions() -> Iterator[str]:
    rows = sorted(
        {row_name(endpoint) for endpoint in answered_endpoints()} - {"AnyRow"}
    )
    yield f'"""The questions of the command line, as methods.\n\n{_WRITTEN}\n"""\n'
    yield "from __future__ import annotations\n"
    yield "from abc import ABC, abstractmethod"
    yield "from collections.abc import Mapping, Sequence"
    yield "from typing import Literal\n"
    yield "from seat_ledger.client.documents import ("
    yield "    AnyRow, BillFile, Document, Moment, R)"
    yield f"from seat_ledger.client.rows import {', '.join(rows)}"
    yield "from seat_ledger.client.threads import InThreads, in_thread\n\n"
    params = "row: type[R], params: Mapping[str, object]"
    yield from _waiting_class(
        "Questions",
        "Every question of the command line, by its words.",
        {
            f"_ask(self, words: str, {params}) -> Document[R]": (
                "Ask a question by its words."
            ),
            f"_audit(self, file: BillFile, {params}) -> Document[R]": (
                "Hold a file's lines against the ledger."
            ),
        },
    )
    for endpoint in answered_endpoints():
        yield from _question(endpoint)
    names = [endpoint.operation_id for endpoint in answered_endpoints()]
    yield from _threaded_class("Questions", names)


def _waiting_class(name: str, about: str, steps: Mapping[str, str]) -> Iterator[str]:
    """A class whose methods all take a few steps, which another has."""
    yield f"class {name}(ABC):"
    yield f'    """{about}"""\n'
    for step, does in steps.items():
        yield "    @abstractmethod"
        yield f"    def {step}:"
        yield f'        """{does}"""\n'


def _threaded_class(name: str, methods: list[str]) -> Iterator[str]:
    """The same methods for event loops."""
    yield f"\n\nclass Async{name}(InThreads):"
    yield f'    """The methods of :class:`{name}`, to be awaited."""\n'
    for method in methods:
        yield f"    {method} = in_thread({name}.{method})"


def _question(endpoint: Endpoint) -> Iterator[str]:
    params = {n: p for n, p in endpoint.params.items() if n not in _LEFT_OUT}
    positional = [n for n, p in params.items() if isinstance(p, click.Argument)]
    first = [n for n in positional if params[n].required]
    first += [n for n in positional if not params[n].required]
    named = [n for n in params if n not in positional]
    named.sort(key=lambda n: not params[n].required)
    is_audit = endpoint.words == AUDIT
    words = ["file: BillFile"] if is_audit else []
    words += [_declared(n, params[n]) for n in first]
    words += ["*"] * bool(named) + [_declared(n, params[n]) for n in named]
    row = row_name(endpoint)
    yield f"    def {endpoint.operation_id}("
    yield f"        {', '.join(['self', *words])}"
    yield f"    ) -> Document[{row}]:"
    about = {n: getattr(p, "help", None) or "" for n, p in params.items()}
    yield from _docstring(_in_python(endpoint.command.help or ""), about)
    fields = ", ".join(f'"{n}": {_KEYWORDS.get(n, n)}' for n in params)
    ask = "self._audit(file" if is_audit else f'self._ask("{endpoint.words}"'
    yield f"        return {ask}, {row}, {{{fields}}})\n"


def _declared(name: str, param: click.Parameter) -> str:
    kind, own = _question_kind(name, param), _KEYWORDS.get(name, name)
    if isinstance(param, click.Option) and param.is_flag:
        return f"{own}: bool = False"
    if param.multiple:
        return f"{own}: Sequence[{kind}] = ()"
    if param.required:
        return f"{own}: {kind}"
    return f"{own}: {kind} | None = None"


def _question_kind(name: str, param: click.Parameter) -> str:
    if isinstance(param.type, click.Choice):
        return f"Literal[{', '.join(repr(choice) for choice in param.type.choices)}]"
    if isinstance(param.type, click.IntRange):
        return "int"
    if name == "known_at":
        return "Moment | int"
    return "Moment" if name in _MOMENTS else "str"


def _in_python(text: str) -> str:
    """A help text in which options are named as parameters."""
    words = (
        word.replace("--", "").replace("-", "_") if word.startswith("--") else word
        for word in text.split(" ")
    )
    return " ".join(words).replace(", or '-')", ")")


def _docstring(text: str, about: Mapping[str, str]) -> Iterator[str]:
    """A docstring: the text, then each parameter that has one of its own."""
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    first, *others = [part for part in paragraphs if part] or [""]
    summary, _, more = first.partition(". ")
    paragraphs = [f"{summary.rstrip('.')}.", *([more] if more else []), *others]
    lines = ["\n".join(textwrap.wrap(part, 78)) for part in paragraphs]
    listed = [
        "\n".join(
            textwrap.wrap(
                f":param {_KEYWORDS.get(name, name)}: {_in_python(help_text)}",
                78,
                subsequent_indent="    ",
            )
        )
        for name, help_text in about.items()
        if help_text
    ]
    body = "\n\n".join([*lines, *(["\n".join(listed)] if listed else [])])
    body = body.replace("\\", "\\\\")
    if "\n" not in body:
        yield f'        """{body}"""'
        return
    yield textwrap.indent(f'"""{body}\n"""', "        ")


# -- operations -----------------------------------------------------------------------

_STAMP = {
    "reason": "str | None = None",
    "actor": "str | None = None",
    "idempotency_key": "str | None = None",
    "correlation_id": "str | None = None",
    "dry_run": "bool = False",
}
_ABOUT_OPERATIONS = """Every operation of a command file (CLI 4), by its word.

    All of them take `effective_at`, when it took effect for the customer (by default
    now); `reason`, why; `actor`, who does this: ``user:KEY`` or ``system:NAME``;
    `idempotency_key`: a repeated command with the same key is recorded only once (R73);
    `correlation_id`, what ties it to something elsewhere; and `dry_run`, which decides
    and records nothing.
    """


def _operations() -> Iterator[str]:
    yield f'"""The operations of the ledger, as methods.\n\n{_WRITTEN}\n"""\n'
    yield "from __future__ import annotations\n"
    yield "from abc import ABC, abstractmethod"
    yield "from collections.abc import Mapping, Sequence"
    yield "from datetime import date"
    yield "from decimal import Decimal"
    yield "from typing import Any, Literal\n"
    yield "from seat_ledger.client.documents import Moment, Recording"
    yield "from seat_ledger.client.threads import InThreads, in_thread\n\n"
    yield from _waiting_class(
        "Operations",
        _ABOUT_OPERATIONS,
        {
            "_record(self, op: str, account: str | None, dry_run: bool, "
            "fields: dict[str, Any]) -> Recording": "Record a command, or try it.",
        },
    )
    operations = [op for op in OPERATIONS.values() if op.IN_FILE]
    for operation in operations:
        yield from _operation(operation)
    yield from _threaded_class("Operations", [op.OP for op in operations])


def _operation(operation: type[Operation]) -> Iterator[str]:
    fields = [n for n in operation.model_fields if n not in Operation.model_fields]
    needed = [n for n in fields if operation.model_fields[n].is_required()]
    others = [n for n in fields if n not in needed]
    words = {n: _field(operation, n) for n in (*needed, *others)}
    if not operation.TIMELESS:
        words["effective_at"] = "Moment | None = None"
    words |= _STAMP
    account = _account_of(operation)
    yield f"    def {operation.OP}("
    listed = ", ".join(f"{name}: {kind}" for name, kind in words.items())
    yield f"        self, {account}*, {listed}"
    yield "    ) -> Recording:"
    yield from _docstring(operation.__doc__ or "", {})
    words.pop("dry_run")
    fields_ = ", ".join(f'"{n}": {n}' for n in words)
    call = f'"{operation.OP}", {"account" if account else None}, dry_run'
    yield f"        return self._record({call}, {{{fields_}}})\n"


def _account_of(operation: type[Operation]) -> str:
    if operation.OF_CATALOGUE:
        return ""
    if operation.FOR_ALL:
        return "account: str | None = None, "
    return "account: str, "


def _field(operation: type[Operation], name: str) -> str:
    field = operation.model_fields[name]
    kind = "Moment" if name in _MOMENTS else _kind_of(field.annotation)
    if name == "unit_price":
        kind = "str | Decimal"
    elif name == "unit_prices":
        kind = "Mapping[str, str | Decimal] | None"
    if field.is_required():
        return kind
    if name in _MOMENTS:
        return "Moment | None = None"
    default = () if field.default == [] else field.default
    return f"{kind} = {default!r}"


_WRITTEN_AS = {date: "date | str", NewPerson: "Mapping[str, str]", Any: "Any"}


def _kind_of(annotation: Any) -> str:
    """A field's type as a caller may write it."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _kind_of(inner[0])
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, inner))}]"
    if origin in {types.UnionType, typing.Union}:
        return " | ".join(map(_kind_of, inner))
    if origin in {list, dict}:
        outer = "Sequence" if origin is list else "Mapping"
        return f"{outer}[{', '.join(map(_kind_of, inner))}]"
    if annotation is type(None):
        return "None"
    return _WRITTEN_AS.get(annotation) or str(annotation.__name__)


def main() -> None:
    """Write the modules."""
    for name, text in modules().items():
        (ROOM / name).write_text(text)


if __name__ == "__main__":
    main()
