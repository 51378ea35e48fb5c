"""The account that a command is about, named by a word of its own or by ``-a``.

`account show acme` and `account show -a acme` are the same: each command of the group
takes either, as all others take ``-a``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click
from click.core import ParameterSource

from seat_ledger.domain.values import shown

NAMED = "named_account"
"""The parameter that is the other way to name an account; its value is the first's."""


class _NamedEitherWay(click.Parameter):
    """An account that may have been named by the other parameter."""

    def consume_value(
        self, ctx: click.Context, opts: Mapping[str, Any]
    ) -> tuple[Any, ParameterSource]:
        value, source = super().consume_value(ctx, opts)
        other = ctx.meta.get(NAMED)
        if other is None:
            return value, source
        if source is ParameterSource.COMMANDLINE:
            key = self.type_cast_value(ctx, value)
            if key != other:
                raise click.UsageError(
                    f"Two accounts are named, {shown(other)} and {shown(key)}: name "
                    "one."
                )
        return other, ParameterSource.COMMANDLINE


class AccountArgument(_NamedEitherWay, click.Argument):
    """The account, as the word behind the command."""


class AccountOption(_NamedEitherWay, click.Option):
    """The account, by ``--account``."""


def _take(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.meta[NAMED] = value


def accept_either_way(command: click.Command) -> None:
    """Let an account be named in the other way too.

    A command that has another word behind it has no room for the account's.
    """
    words = [param for param in command.params if isinstance(param, click.Argument)]
    account = next((p for p in command.params if p.name == "account"), None)
    own: dict[str, Any] = {"expose_value": False, "is_eager": True, "callback": _take}
    if isinstance(account, AccountArgument):
        names = ["--account", "-a", NAMED]
        text = "The account's key, as ACCOUNT."
        command.params.append(click.Option(names, metavar="KEY", help=text, **own))
    elif isinstance(account, AccountOption) and not words:
        argument = click.Argument([NAMED], metavar="[ACCOUNT]", required=False, **own)
        command.params.insert(0, argument)
