"""`gemgate import`: move in from another gateway. Without --apply it only says what it would take.

Nothing of the other file's secrets is printed, not even of a file that is broken (`dialects.gateways.taken`).
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from gemgate.accounts import Cookies
from gemgate.cli import moved_files
from gemgate.cli.account_backend import AccountBackend
from gemgate.cli.account_desk import KeyOption, NodeOption, UrlOption, at_desk, say_where
from gemgate.cli.console import err, marked, out
from gemgate.cli.terminal import ConfigOption, JsonOption, fail, language, load_settings, reason, say, write_json
from gemgate.dialects import cookie_text, gateways
from gemgate.dialects.gateways import Remark, Taken, WebAccount
from gemgate.errors import GatewayError, LocalText
from gemgate.ports.accounts import AccountSetup
from gemgate.settings import CONFIG_FILE

Outcomes = dict[str, str]
"""Name of what was taken -> what became of it."""


def import_from(
    path: Annotated[Path, typer.Argument(help="config.yaml, config.json, .env or accounts.json; - = standard input.")],
    form: Annotated[
        gateways.Name | None, typer.Option("--from", help="Whose it is, where it is not seen.", show_default=False)
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Do it; without, nothing is changed.")] = False,
    as_json: JsonOption = False,
    url: UrlOption = None,
    admin_key: KeyOption = None,
    node: NodeOption = None,
    config: ConfigOption = None,
) -> None:
    """Move in from another gateway: accounts, keys and settings. Without --apply it only says what it would take.

    Accounts sign in with the cookies of the file; keys of clients go on working; what has no counterpart is listed.
    """
    taken = _read(path, form)
    settings_file = config or Path(CONFIG_FILE)
    if not apply:
        _show(taken, {}, as_json=as_json, applied=False)
        return
    outcomes: Outcomes = {}
    if url is None:
        _write(taken, settings_file, config, outcomes)
    else:
        _not_here(taken, outcomes)
    if taken.accounts:

        async def work(backend: AccountBackend) -> None:
            if not as_json:
                say_where(backend)
            await _add(backend, taken.accounts, outcomes)

        at_desk(work, url, admin_key, node, config)
    _show(taken, outcomes, as_json=as_json, applied=True)
    if any(outcome.startswith("!") for outcome in outcomes.values()):
        raise typer.Exit(1)


def _read(path: Path, form: gateways.Name | None) -> Taken:
    """What the file has, with the cookies of the files that it names."""
    try:
        taken = gateways.read(_text(path), form)
    except GatewayError as error:
        fail(error.text(language()), 2)
    accounts: list[WebAccount] = []
    remarks: list[Remark] = []
    folder = Path() if str(path) == "-" else path.parent
    for account in taken.accounts:
        if not account.cookie_file:
            accounts.append(account)
            continue
        try:
            cookies = cookie_text.read(_bounded(folder / account.cookie_file))
        except GatewayError as error:
            remarks.append(Remark("cookie_file", LocalText(error.en, error.zh)))
        except (OSError, UnicodeDecodeError, ValueError):
            remarks.append(
                Remark("cookie_file", LocalText("names a file that cannot be read here", "指向的文件在此处无法读取"))
            )
        else:
            accounts.append(replace(account, cookies=cookies))
    return replace(taken, accounts=tuple(accounts), remarks=(*taken.remarks, *remarks))


def _text(path: Path) -> str:
    try:
        if str(path) == "-":
            return sys.stdin.read(gateways.LARGEST + 1)
        return _bounded(path)
    except (OSError, UnicodeDecodeError) as error:
        why = reason(error)
        fail(say(f"{path} cannot be read: {why}", f"无法读取 {path}：{why}"), 2)


def _bounded(path: Path) -> str:
    """The text of a file, of a large one one character more than is read. OSError, UnicodeDecodeError."""
    with path.open(encoding="utf-8-sig") as file:
        return file.read(gateways.LARGEST + 1)


def _write(taken: Taken, settings_file: Path, config: Path | None, outcomes: Outcomes) -> None:
    """Settings and keys, which stand in files of this machine."""
    wanted = moved_files.settings_of(taken)
    accounts_path = load_settings(config=config).settings.accounts_path if taken.official else Path()
    try:
        new = moved_files.write_settings(settings_file, wanted)
        for name in wanted:
            outcomes[name] = "written" if name in new else "kept"
        official = moved_files.write_official(accounts_path, taken.official)
    except GatewayError as error:
        fail(error.text(language()))
    except OSError as error:
        fail(say(f"cannot write: {reason(error)}", f"无法写入：{reason(error)}"))
    outcomes.update({key.name: "written" if key.name in official else "kept" for key in taken.official})


def _not_here(taken: Taken, outcomes: Outcomes) -> None:
    for name in (*moved_files.settings_of(taken), *(key.name for key in taken.official)):
        outcomes[name] = "elsewhere"


async def _add(backend: AccountBackend, accounts: tuple[WebAccount, ...], outcomes: Outcomes) -> None:
    """Each account, one after the other; one that does not sign in is taken away again, so that a later try is new."""
    there = {facts["name"] for facts in await backend.all()}
    for account in accounts:
        if account.name in there:
            outcomes[account.name] = "kept"
            continue
        if account.cookies is None:
            continue
        try:
            with err.status(marked(say("{}: signing in …", "{}：正在登录…"), account.name)):
                await _set_up(
                    backend, AccountSetup(account.name, proxy=account.proxy, number=account.number), account.cookies
                )
        except GatewayError as error:
            outcomes[account.name] = "! " + error.text(language())
        else:
            outcomes[account.name] = "added"


async def _set_up(backend: AccountBackend, setup: AccountSetup, cookies: Cookies) -> None:
    try:
        await backend.set_up(setup, cookies)
    except (GatewayError, asyncio.CancelledError):
        with suppress(GatewayError):  # it was not even set up
            await asyncio.shield(backend.remove(setup.name))
        raise


_WORDS = {
    "written": ("written", "已写入"),
    "added": ("added, signed in", "已添加并登录"),
    "kept": ("there already, left as it is", "已存在，保持不变"),
    "elsewhere": ("not written: the gateway at --url has its own files", "未写入：--url 指定的网关有自己的文件"),
}


def _outcome(outcomes: Outcomes, name: str) -> str:
    found = outcomes.get(name, "")
    return say(*_WORDS[found]) if found in _WORDS else found.removeprefix("! ")


def rows(taken: Taken) -> list[tuple[str, str, str, str]]:
    """Kind, name, where it goes and under which name its outcome stands, of everything that is taken."""
    found: list[tuple[str, str, str, str]] = []
    for account in taken.accounts:
        more = (say(" through its proxy", "（经其代理）") if account.proxy else "") + (
            f" /u/{account.number}" if account.number else ""
        )
        goal = say("an account with its cookies", "带 Cookie 的账号") + more
        found.append((say("account", "账号"), account.name, goal, account.name))
    for key in taken.official:
        place = f"env:{key.variable}" if key.variable else say("a key file", "密钥文件")
        found.append((say("official key", "官方密钥"), key.name, f"accounts.toml, {place}", key.name))
    found += [(say("client key", "客户端密钥"), client.name, "API_KEY", "API_KEY") for client in taken.clients]
    for setting in taken.settings:
        value = f" = {setting.shown}" if setting.shown else ""
        found.append((say("setting", "设置"), setting.place, setting.name + value, setting.name))
    return found


def _show(taken: Taken, outcomes: Outcomes, *, as_json: bool, applied: bool) -> None:
    if as_json:
        write_json(report(taken, outcomes, applied=applied))
        return
    title = next(form.title for form in gateways.FORMATS if form.name == taken.format)
    out.print(say(f"The configuration of {title}.", f"{title} 的配置。"), highlight=False)
    for kind, name, goal, told in rows(taken):
        done = _outcome(outcomes, told)
        out.print(f"  {kind} {name} → {goal}" + (f": {done}" if done else ""), highlight=False, soft_wrap=True)
    if not taken:
        out.print(say("  Nothing that gemgate has a counterpart for.", "  没有可对应的内容。"), highlight=False)
    if taken.remarks:
        out.print(say("Left behind:", "未迁移："), highlight=False)
    for remark in taken.remarks:
        text = remark.text.zh if language() == "zh" else remark.text.en
        out.print(f"  {remark.place}: {text}", highlight=False, soft_wrap=True)
    if not applied and taken:
        out.print(
            say(
                "Nothing was changed. Stop the other gateway, so that only one renews the cookies, and add --apply.",
                "尚未做任何更改。请先停止原网关（只能由一方刷新 Cookie），再加上 --apply。",
            ),
            highlight=False,
            soft_wrap=True,
        )
    elif "written" in outcomes.values():
        out.print(
            say("Settings and keys count from the next start of the gateway.", "设置与密钥在网关下次启动后生效。"),
            highlight=False,
        )


def report(taken: Taken, outcomes: Outcomes, *, applied: bool) -> dict[str, Any]:
    """The report as JSON: no value of a secret."""
    return {
        "format": taken.format,
        "applied": applied,
        "accounts": [
            {"name": one.name, "number": one.number, "proxy": bool(one.proxy), "outcome": _outcome(outcomes, one.name)}
            for one in taken.accounts
        ],
        "official_keys": [
            {"name": one.name, "variable": one.variable or None, "outcome": _outcome(outcomes, one.name)}
            for one in taken.official
        ],
        "client_keys": [{"name": one.name, "outcome": _outcome(outcomes, "API_KEY")} for one in taken.clients],
        "settings": [
            {"name": one.name, "from": one.place, "value": one.shown or None, "outcome": _outcome(outcomes, one.name)}
            for one in taken.settings
        ],
        "left": [{"place": one.place, "en": one.text.en, "zh": one.text.zh} for one in taken.remarks],
    }
