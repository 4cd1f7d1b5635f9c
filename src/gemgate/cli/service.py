"""`gemgate service`: kept running by the system itself, over sign-outs and restarts.

Files and commands come from `service_files`; here they are written, run, or shown with --print.
"""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from gemgate.cli import service_files
from gemgate.cli.console import err, out
from gemgate.cli.interruption import INTERRUPTED, interruptible
from gemgate.cli.service_files import Keeper, Plan, Step
from gemgate.cli.terminal import fail, language, reason, say, write
from gemgate.errors import SettingsError
from gemgate.settings import CONFIG_FILE
from gemgate.settings.folders import data_home
from gemgate.settings.loading import load
from gemgate.stores.drafts import drafted

_BUS = {"XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"}
"""One of them leads to the systemd of a user."""
STEP_SECONDS = 120
"""A stop waits until running calls have ended."""

SystemOption = Annotated[
    bool, typer.Option("--system", help="Of the machine (as root), not of the user who is signed in.")
]
PrintOption = Annotated[bool, typer.Option("--print", help="Show the file and the commands, and change nothing.")]
ConfigOption = Annotated[
    Path, typer.Option("--config", help="Settings file that the service reads; `gemgate init` writes one.")
]

app = typer.Typer(
    name="service",
    help="Keep gemgate running: systemd, launchd, or a task of Windows.",
    no_args_is_help=True,
)


@app.command()
def install(
    system: SystemOption = False,
    show: PrintOption = False,
    config: ConfigOption = Path(CONFIG_FILE),
) -> None:
    """Keep `gemgate serve` running with a settings file, from now on and after each start of the machine.

    Done again it takes a new settings file or a new place of the program. State and keys stay where they are.
    """
    plan = _plan(config, system=system)
    steps = service_files.install_steps(plan)
    if show:
        _show(plan, steps)
        return
    _check(plan, config)
    file = Path(plan.file)
    existed = file.exists()
    file.parent.mkdir(parents=True, exist_ok=True)
    Path(plan.log).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with drafted(file) as draft:
        draft.write(service_files.content(plan))
    if existed and plan.keeper.startswith("launchd"):
        _run(service_files.uninstall_steps(plan)[0], must=False)  # launchd takes no new file for what it has
    try:
        for step in steps:
            _run(step)
    except (typer.Exit, KeyboardInterrupt):
        if not existed:
            file.unlink()
        raise
    out.print(say(f"{file}: it runs", f"{file}：已启动"), highlight=False, soft_wrap=True)
    if advice := _advice(plan):
        out.print(advice, style="dim", highlight=False, soft_wrap=True)


def _advice(plan: Plan) -> str:
    """What is not as everybody expects."""
    if plan.keeper == "systemd-user":
        return say(
            "It ends when you sign out, unless: loginctl enable-linger",
            "注销后会停止，除非执行：loginctl enable-linger",
        )
    if plan.keeper == "systemd-system":
        url = f"http://127.0.0.1:{load(config=Path(plan.config)).settings.port}"
        return say(
            f"Its accounts are its own (/var/lib/gemgate), not yours: GEMGATE_URL={url} gemgate accounts add",
            f"它使用自己的账号（/var/lib/gemgate），与您的无关：GEMGATE_URL={url} gemgate accounts add",
        )
    return ""


@app.command()
def uninstall(system: SystemOption = False, show: PrintOption = False) -> None:
    """End it and take its file away. Settings, state and keys stay."""
    plan = _plan(Path(CONFIG_FILE), system=system)
    steps = service_files.uninstall_steps(plan)
    if show:
        for step in (*steps, ("rm", str(plan.file))):
            write(shlex.join(step))
        return
    _must_be_installed(plan)
    _needs_root(plan)
    for step in steps:
        _run(step, must=False)
    file = Path(plan.file)
    file.unlink()
    if plan.keeper.startswith("systemd"):
        _run(service_files.install_steps(plan)[0], must=False)
    out.print(
        say(f"{file} is gone; settings, state and keys stay", f"已移除 {file}；设置、数据与密钥保留"),
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def restart(system: SystemOption = False) -> None:
    """Start it anew: after an update of gemgate, or a change of its settings. Calls that run have 30 s to end."""
    for step in service_files.restart_steps(_installed(system=system)):
        _run(step)


@app.command()
def status(system: SystemOption = False) -> None:
    """How it is, in the words of the system."""
    _replace_by(service_files.status_step(_installed(system=system)))


@app.command()
def logs(
    system: SystemOption = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many of the last lines.")] = 100,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="And those that come.")] = False,
) -> None:
    """What it said."""
    _replace_by(service_files.log_step(_installed(system=system), lines=lines, follow=follow))


def _installed(*, system: bool) -> Plan:
    """What is kept running here."""
    plan = _plan(Path(CONFIG_FILE), system=system)
    _must_be_installed(plan)
    return plan


def _must_be_installed(plan: Plan) -> None:
    """Leave with one line when it is not: the system's own words would name a unit, a bus or a medium."""
    file = Path(plan.file)
    if not file.exists():
        install = "gemgate service install" + (" --system" if plan.keeper.endswith("-system") else "")
        fail(say(f"it is not installed: there is no {file}; {install}", f"尚未安装：没有 {file}；{install}"))


def _keeper(*, system: bool) -> Keeper:
    if sys.platform == "darwin":
        return "launchd-system" if system else "launchd-user"
    if sys.platform == "win32":
        if system:
            fail(
                say(
                    "on Windows it is a task of the user; leave out --system",
                    "Windows 上仅支持用户任务，请去掉 --system",
                ),
                2,
            )
        return "task"
    return "systemd-system" if system else "systemd-user"


def _plan(config: Path, *, system: bool) -> Plan:
    log = data_home() / "gemgate.log"
    user = os.environ.get("SUDO_USER") if system else ""
    return Plan(
        _keeper(system=system),
        program(),
        config.expanduser().absolute(),
        Path.home(),
        log,
        user=user or getpass.getuser(),
        uid=os.getuid() if hasattr(os, "getuid") else 0,
    )


def program() -> tuple[str, ...]:
    """How this very gemgate is started: its script beside the interpreter, else the interpreter with the module."""
    script = Path(sys.executable).with_name("gemgate.exe" if sys.platform == "win32" else "gemgate")
    return (str(script),) if script.is_file() else (sys.executable, "-m", "gemgate")


def passes_away(place: Path) -> bool:
    """Whether a program there is one that a tool ran once, from its cache (uvx, pipx run): it may be gone tomorrow."""
    caches = ("archive-v0", "environments-v2", ".cache")
    return any(part in caches for part in place.parts)


def hidden(place: Path) -> Path | None:
    """The first folder above a file that others may not enter, or a home, which a system's service does not see."""
    for folder in reversed(place.parents):
        if folder in (Path("/root"), Path("/home")) or (folder.exists() and not folder.stat().st_mode & 0o001):
            return folder
    return None


def _check(plan: Plan, config: Path) -> None:
    """Leave with one line when it could not run like that."""
    _needs_root(plan)
    if not config.expanduser().is_file():
        fail(say(f"there is no {config}; `gemgate init` writes one", f"没有 {config}；请先运行 `gemgate init`"), 2)
    try:
        load(config=config.expanduser())
    except SettingsError as error:
        fail(error.text(language()), 2)
    if passes_away(Path(plan.program[0])):
        fail(
            say(
                "this gemgate was run from a cache, which may be emptied; install it first, in its checkout: "
                "uv tool install . or pipx install .",
                "当前 gemgate 运行自缓存，随时可能被清理；请先在源码目录中安装：uv tool install . 或 pipx install .",
            ),
            2,
        )
    if plan.keeper == "systemd-system" and (folder := hidden(Path(plan.program[0]))):
        fail(
            say(
                f"a service of the system does not see {folder}; install gemgate where all may read it: "
                "python3 -m venv /opt/gemgate && /opt/gemgate/bin/pip install .",
                f"系统服务无法访问 {folder}；请安装到公共目录："
                "python3 -m venv /opt/gemgate && /opt/gemgate/bin/pip install .",
            ),
            2,
        )
    if plan.keeper.startswith("systemd") and shutil.which("systemctl") is None:
        fail(
            say(
                "this system has no systemd; --print shows what would be installed, and `gemgate serve` serves",
                "本系统没有 systemd；--print 可显示将安装的内容，也可直接运行 `gemgate serve`",
            )
        )


def _needs_root(plan: Plan) -> None:
    if plan.keeper in ("systemd-system", "launchd-system") and hasattr(os, "geteuid") and os.geteuid() != 0:
        again = shlex.join(["sudo", *plan.program, "service", "…", "--system"])
        fail(say(f"a service of the system needs root: {again}", f"系统服务需要 root 权限：{again}"))


def _show(plan: Plan, steps: tuple[Step, ...]) -> None:
    text = service_files.content(plan)
    write(f"# {plan.file}")
    write(text.decode("utf-16" if plan.keeper == "task" else "utf-8"), end="")
    write(say("# then", "# 然后"))
    for step in steps:
        write(shlex.join(step))


def _run(step: Step, *, must: bool = True) -> None:
    """Run a command of the system; with `must`, its failure ends ours, in its own words."""
    try:
        with interruptible():
            done = subprocess.run(step, capture_output=True, text=True, check=False, timeout=STEP_SECONDS)  # noqa: S603
        wrong = (done.stderr or done.stdout).strip() if done.returncode else ""
        failed = done.returncode != 0
    except (OSError, subprocess.TimeoutExpired) as error:
        failed, wrong = True, reason(error) if isinstance(error, OSError) else say("no answer in time", "未及时响应")
    line = f"`{shlex.join(step)}`: {wrong or say('failed', '失败')}"
    if failed and "--user" in step and not _BUS & os.environ.keys():
        line += "; " + say(
            "this shell has no session of its user (su and sudo make none): sign in as that user, "
            "or, as root: gemgate service install --system",
            "当前 shell 没有该用户的登录会话（su 与 sudo 不会创建）：请以该用户登录，"
            "或以 root 运行：gemgate service install --system",
        )
    if failed and must:
        fail(line)
    if failed:
        err.print(line, style="dim", highlight=False, soft_wrap=True)


def _replace_by(step: Step) -> None:
    """Let a command of the system speak for itself."""
    try:
        with interruptible():
            code = subprocess.run(step, check=False).returncode  # noqa: S603 - a command of `service_files`
    except OSError as error:
        fail(f"`{shlex.join(step)}`: {reason(error)}")
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code:
        raise typer.Exit(code)
