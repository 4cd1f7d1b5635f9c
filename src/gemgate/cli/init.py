"""`gemgate init`: a settings file, the account, and a first answer."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.prompt import Confirm, IntPrompt, Prompt

from gemgate.accounts import Cookies
from gemgate.assembly.accounts import seeds_of
from gemgate.assembly.storage import look
from gemgate.chat import ChatRequest, Message, Text
from gemgate.cli import completion, settings_file
from gemgate.cli.account_backend import opened
from gemgate.cli.account_choice import read_cookies
from gemgate.cli.chat import signed_in, streamed
from gemgate.cli.console import err, marked, out
from gemgate.cli.interruption import interruptible
from gemgate.cli.settings_file import Answers
from gemgate.cli.simulated import simulated
from gemgate.cli.terminal import fail, language, load_settings, reason, run, say
from gemgate.errors import BadRequest
from gemgate.settings import CONFIG_FILE, Settings, explicit
from gemgate.settings.changes import with_values
from gemgate.stores.drafts import drafted

T = TypeVar("T")

FIRST = "Count to 3"
"""The one prompt that goes to Google."""


def init(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: defaults, and no account yet.")] = False,
    config: Annotated[Path, typer.Option("--config", help="The file to write.")] = Path(CONFIG_FILE),
    complete: Annotated[
        bool, typer.Option("--completion/--no-completion", help="Install completion for the shell that runs this.")
    ] = True,
    answer: Annotated[bool, typer.Option("--answer/--no-answer", help="End with a first answer.")] = True,
) -> None:
    """Write a commented gemgate.toml, take an account in, and get a first answer.

    Five questions, or none with --yes. A file that is there stays as it is: then only the answer is asked for.
    """
    pasted: Cookies | None = None
    if config.exists():
        _tell(say(f"{config} is there and stays as it is", f"{config} 已存在，保持不变"))
    else:
        answers = Answers() if yes else _answered()
        pasted = read_cookies(None) if answers.account == "paste" else None
        _write(config, answers)
    if complete and (shell := completion.running_shell()):
        _tell(completion.installed(shell)[1])
    settings = load_settings({"rate_limit_per_hour": 0, "model_interval_seconds": 0}, config, quiet=True).settings
    if pasted is not None:
        run(_take_in(settings, pasted))
    if answer:
        run(_first_answer(settings))
    _what_next(settings, config)


def _answered() -> Answers:
    try:
        with interruptible():
            return _asked()
    except EOFError:
        fail(say("nobody answers here; --yes takes the defaults", "此处无人回答；--yes 使用默认值"), 2)


def _asked() -> Answers:
    """The five questions; what the settings would refuse is asked for again."""
    account = Prompt.ask(
        say(
            "1/5 The account: paste its cookies, read them from firefox or chrome on this machine, or later",
            "1/5 账号：粘贴 Cookie（paste），读取本机 firefox 或 chrome，或稍后（later）",
        ),
        choices=["paste", "firefox", "chrome", "later"],
        default="later",
        console=err,
    )
    others = Confirm.ask(
        say("2/5 May other machines call it? (keys are made)", "2/5 是否允许其他机器调用？（将生成密钥）"),
        default=False,
        console=err,
    )
    port = _accepted("port", lambda: IntPrompt.ask(say("3/5 Port", "3/5 端口"), default=8100, console=err))
    question = say("4/5 Proxy to Google (http://…, socks5://…), empty for none", "4/5 访问 Google 的代理，无则留空")
    proxy = _accepted("proxy_url", lambda: Prompt.ask(question, default="", console=err).strip())
    history = Prompt.ask(
        say("5/5 Chats at Google: keep them, or temporary", "5/5 Google 上的对话：保留（keep）或临时（temporary）"),
        choices=["keep", "temporary"],
        default="keep",
        console=err,
    )
    return Answers(account, others, port, proxy, history)


def _accepted(name: str, ask: Callable[[], T]) -> T:
    """What was answered, asked for again as long as the setting cannot be that."""
    while True:
        answer = ask()
        try:
            with_values(explicit(), {name: answer})
        except BadRequest as error:
            err.print(error.text(language()), style="red", highlight=False, soft_wrap=True)
        else:
            return answer


def _write(config: Path, answers: Answers) -> None:
    """The file, readable by nobody else; taken away again when the settings refuse what was answered."""
    values = settings_file.chosen(answers, api_key=secrets.token_hex(24), admin_key=secrets.token_hex(24))
    try:
        with drafted(config, 0o600) as file:
            file.write(settings_file.text(values, language()).encode())
    except OSError as error:
        fail(say(f"{config} cannot be written: {reason(error)}", f"无法写入 {config}：{reason(error)}"), 2)
    try:
        load_settings(config=config, quiet=True)
    except typer.Exit:
        config.unlink()
        raise
    _tell(say(f"{config} written; every line in it says what it does", f"已写入 {config}，每行都有说明"))


async def _take_in(settings: Settings, cookies: Cookies) -> None:
    """Sign the account in; only cookies that sign in are kept."""
    async with opened(settings, None, None, language()) as backend:
        with err.status(say("signing in …", "正在登录…")):
            name = await backend.replace_cookies(None, cookies)
    _tell(say(f"The account {name} has signed in", f"账号 {name} 已登录"))


async def _first_answer(settings: Settings) -> None:
    """One prompt, to the account if there is one, else to the simulated Google."""
    if await _has_account(settings):
        _tell(say(f"One prompt to your account: {FIRST}", f"向您的账号发送一条提示：{FIRST}"))
        await _ask(settings)
        return
    async with simulated("127.0.0.1", 0) as pretended:
        _tell(say("No account yet, so a simulated Google answers:", "尚无账号，由模拟的 Google 作答："))
        await _ask(pretended)


async def _has_account(settings: Settings) -> bool:
    if seeds_of(settings):
        return True
    seen = await look(settings)
    return seen.accounts is None or bool(seen.accounts)  # an older gemgate's database is one that was used


async def _ask(settings: Settings) -> None:
    async with signed_in(settings) as service:
        await streamed(service, ChatRequest((Message("user", (Text(FIRST),)),), None, stream=True))


def _what_next(settings: Settings, config: Path) -> None:
    named = "" if config == Path(CONFIG_FILE) else f" --config {config}"
    lines = []
    if not run(_has_account(settings)):
        lines.append(
            say(
                f"Missing: an account. gemgate accounts add{named}, or on the page once it serves",
                f"还缺账号：gemgate accounts add{named}，或启动后在页面添加",
            )
        )
    lines += [
        say(f"Serve:           gemgate serve{named}", f"启动：        gemgate serve{named}"),
        say(f"Keep it running: gemgate service install{named}", f"常驻运行：    gemgate service install{named}"),
    ]
    if settings.api_keys:
        lines.append(
            say(
                f"Its keys for clients and for the page stand in {config}: api_key, admin_key",
                f"客户端与页面的密钥在 {config} 中：api_key、admin_key",
            )
        )
    for line in lines:
        out.print(line, highlight=False, soft_wrap=True)


def _tell(sentence: str) -> None:
    err.print(marked("[green]·[/green] {}", sentence), highlight=False, soft_wrap=True)
