"""`gemgate chat` and `gemgate models`: the gateway used directly, without a server, unless one is named."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Annotated, Any

import typer

from gemgate.assembly.node import open_service
from gemgate.assembly.service import Service
from gemgate.caller import Caller
from gemgate.chat import ChatRequest, Message, Role, Text, TextDelta, ThoughtDelta
from gemgate.cli.chat_at import chat_at, models_at
from gemgate.cli.connection import GatewayOption, KeyOption
from gemgate.cli.console import err, marked, out
from gemgate.cli.terminal import ConfigOption, JsonOption, fail, language, load_settings, run, say, write, write_json
from gemgate.cli.words import word
from gemgate.errors import NoAccount, Rejected, SignedOut
from gemgate.settings import Settings

CALLER = Caller(client="cli", admin=True)


def chat(
    prompt: Annotated[
        str | None, typer.Argument(help="What to say; without it, a conversation on the terminal.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Model id.", show_default=False)] = None,
    system: Annotated[str | None, typer.Option("--system", "-s", help="System text.", show_default=False)] = None,
    thoughts: Annotated[bool, typer.Option("--thoughts", help="Show the model's thoughts, dimmed.")] = False,
    url: GatewayOption = "",
    key: KeyOption = "",
    config: ConfigOption = None,
) -> None:
    """Chat with the account; the answer streams to the terminal.

    Here, with the accounts of the settings, also while a gateway runs on this machine; or at the gateway of --url.
    """
    if prompt is not None and not prompt.strip():
        fail(say("the prompt is empty", "提示词为空"), 2)
    if url:
        said = iter([prompt] if prompt is not None else iter(_ask, None))
        chat_at((url, key, config), lambda: next(said, None), model, system, partial(_show, thoughts=thoughts))
        return
    settings = load_settings({"rate_limit_per_hour": 0, "model_interval_seconds": 0}, config, quiet=True).settings
    run(_chat(settings, prompt, model, system, thoughts))


def models(
    url: GatewayOption = "", key: KeyOption = "", as_json: JsonOption = False, config: ConfigOption = None
) -> None:
    """List the models that can be named, and what the account offers.

    Here, with the accounts of the settings, also while a gateway runs on this machine; or at the gateway of --url.
    """
    if url:
        _listed(models_at((url, key, config)), as_json)
        return
    run(_models(load_settings(config=config, quiet=True).settings, as_json))


@asynccontextmanager
async def signed_in(settings: Settings) -> AsyncIterator[Service]:
    """A gateway whose first account has signed in; one clear line when none can."""
    async with open_service(settings, resident=False) as service:
        accounts = service.pool.accounts
        if not accounts:
            raise service.pool.no_account_error("text")
        for account in accounts:
            if not account.is_open:
                try:
                    await account.sign_in(seen=0)
                except (Rejected, SignedOut) as error:
                    code = error.code or error.kind
                    raise NoAccount(error.en, error.zh, code=code, needs_person=True) from None
        yield service


async def _chat(
    settings: Settings, prompt: str | None, model: str | None, system: str | None, show_thoughts: bool
) -> None:
    messages: list[Message] = [Message("system", (Text(system),))] if system else []
    async with signed_in(settings) as service:
        while True:
            said = prompt if prompt is not None else _ask()
            if said is None:
                return
            messages.append(_message("user", said))
            answer = await streamed(service, ChatRequest(tuple(messages), model, stream=True), thoughts=show_thoughts)
            messages.append(_message("assistant", answer))
            if prompt is not None:
                return


def _message(role: Role, text: str) -> Message:
    return Message(role, (Text(text),))


def _ask() -> str | None:
    """The next line from the terminal; None at its end."""
    while True:
        if sys.stdin.isatty():
            err.print(marked(say("[cyan]you:[/cyan] ", "[cyan]你：[/cyan]")), end="")
        line = sys.stdin.readline()
        if not line:
            return None
        if line.strip():
            return line.strip()


def _show(text: str, thought: bool, *, thoughts: bool) -> None:
    """A piece of an answer; of its thoughts only where they are wanted."""
    if not thought:
        write(text, end="")
    elif thoughts:
        err.print(text, style="dim", end="", highlight=False)


async def streamed(service: Service, request: ChatRequest, *, thoughts: bool = False) -> str:
    """Print an answer as it comes; its whole text."""
    admission = await service.gateway.admit(request.model, CALLER)
    said: list[str] = []
    async with aclosing(service.gateway.chat(request, admission)) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                said.append(event.text)
                _show(event.text, False, thoughts=thoughts)
            elif isinstance(event, ThoughtDelta):
                _show(event.text, True, thoughts=thoughts)
    write("")
    return "".join(said)


async def _models(settings: Settings, as_json: bool) -> None:
    async with signed_in(settings) as service:
        offers = service.pool.models()
        rows = [
            {
                "id": card.id,
                "kind": card.kind,
                "served_by": offer.name if (offer := card.offer(offers)) else None,
                "description": card.description.for_(language()),
            }
            for card in service.gateway.models()
        ]
    _listed(rows, as_json)


def _listed(rows: list[dict[str, Any]], as_json: bool) -> None:
    """For scripts or for people; a gateway that was named does not tell what serves a model."""
    if as_json:
        write_json(rows)
        return
    for row in rows:
        if "served_by" not in row:
            out.print(marked("{:34} {}", row["id"], row["description"]), highlight=False, soft_wrap=True)
            continue
        served = "{:24}" if row["served_by"] else "[red]{:24}[/red]"
        named = row["served_by"] or say("not offered by this account", "此账号不提供")
        line = marked(f"{{:34}} {{:6}} {served} {{}}", row["id"], word(row["kind"]), named, row["description"])
        out.print(line, highlight=False, soft_wrap=True)
