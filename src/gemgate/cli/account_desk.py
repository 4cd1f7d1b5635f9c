"""What all commands on accounts share: where they work, their options, how they answer."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from gemgate.cli.account_backend import AccountBackend, opened
from gemgate.cli.console import err
from gemgate.cli.terminal import ConfigOption, language, load_settings, run

UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="GEMGATE_URL",
        help="The gateway to ask. (default: the one on this DATA_DIR, if it runs)",
        show_default=False,
    ),
]
KeyOption = Annotated[
    str | None,
    typer.Option(
        "--admin-key",
        help="The gateway's admin key. Better set ADMIN_KEY: other programs can read a command line.",
        show_default=False,
    ),
]
NodeOption = Annotated[
    str | None, typer.Option("--node", help="Which node, when --url is the gateway of a fleet.", show_default=False)
]
NameArgument = Annotated[str, typer.Argument(help="The account's name.")]


def at_desk(
    work: Callable[[AccountBackend], Awaitable[None]],
    url: str | None,
    admin_key: str | None,
    node: str | None,
    config: Path | None,
) -> None:
    """Do it where the accounts are."""
    quiet = None if "LOG_LEVEL" in os.environ else "warning"  # what happened is said by the command itself
    settings = load_settings({"admin_key": admin_key, "log_level": quiet}, config).settings

    async def there() -> None:
        async with opened(settings, url, node, language()) as backend:
            await work(backend)

    run(there())


def _where(
    url: UrlOption = None, admin_key: KeyOption = None, node: NodeOption = None, config: ConfigOption = None
) -> None:
    """The options of where the accounts are."""


def on_accounts(work: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """The command that does this where the accounts are. Its first argument is the backend; the options of where that
    is are added to its own.
    """
    own = list(inspect.signature(work, eval_str=True).parameters.values())[1:]
    where = list(inspect.signature(_where, eval_str=True).parameters.values())

    @functools.wraps(work)
    def command(**given: Any) -> None:
        place = [given.pop(one.name) for one in where]
        at_desk(lambda backend: work(backend, **given), *place)

    command.__signature__ = inspect.Signature([*own, *where])  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in [*own, *where]}
    return command


def say_where(backend: AccountBackend) -> None:
    err.print(backend.where, style="dim", highlight=False, soft_wrap=True)
