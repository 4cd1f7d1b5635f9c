"""What all commands share: loading settings with one clear line on failure, running async code, printing errors."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import sys
import threading
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, TypeVar

import typer

from gemgate import telemetry
from gemgate.allocator import set_large_blocks_apart
from gemgate.cli.interruption import Interruption, interruptible
from gemgate.cli.language import language as language  # noqa: PLC0414 - commands have it from here
from gemgate.errors import BadRequest, GatewayError, NoAccount, NotFound, SettingsError, system_words
from gemgate.settings.loading import Loaded, load
from gemgate.upstreams.web.logs import bridge

T = TypeVar("T")

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Settings file instead of ./gemgate.toml.", show_default=False)
]
FleetOption = Annotated[
    bool | None,
    typer.Option(
        "--fleet/--no-fleet",
        help="All state is shared with other nodes; what is not stops the start.",
        show_default=False,
    ),
]
OutputOption = Annotated[Path, typer.Option("--output", "-o", help="Folder to write to; it is made.", file_okay=False)]
NEEDS_PERSON = 3
"""The exit code of a command with which nothing goes on before a person signs an account in, resumes or adds one."""


@dataclass(slots=True)
class _Scripts:
    """Of the command that runs. asked: for JSON. told: it has printed some."""

    asked: bool = False
    told: bool = False


_scripts = _Scripts()


def _for_scripts(context: typer.Context, value: bool) -> bool:
    _scripts.asked, _scripts.told = value, False
    context.call_on_close(lambda: setattr(_scripts, "asked", False))
    return value


JsonOption = Annotated[
    bool, typer.Option("--json", help="Print JSON, for scripts; a failure too.", callback=_for_scripts)
]


_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_HALVES = re.compile(r"[\ud800-\udfff]")


def plain(text: str) -> str:
    """Text from outside without what a terminal obeys: escape sequences (clipboard, title, colours), overprinting,
    directions of writing. Line ends and tabs stay; bytes of a file's name that are no text are a mark each.
    """
    return _HALVES.sub("\ufffd", _CONTROLS.sub("", text))


def write(text: str, end: str = "\n") -> None:
    """Text for programs and for people alike: to stdout as it is, however long its lines, and `plain`."""
    sys.stdout.write(plain(text) + end)
    sys.stdout.flush()


def write_json(value: object, indent: int | None = 2) -> None:
    """The same value for whoever reads it; what a terminal would obey is escaped."""
    _scripts.told = True
    told = json.dumps(value, ensure_ascii=False, indent=indent)
    for steering in (_CONTROLS, _HALVES):
        told = steering.sub(lambda found: f"\\u{ord(found[0]):04x}", told)
    write(told)


_STYLES = re.compile(r"\[/?[a-z ]+\]")
_PAINTED = ("FORCE_COLOR", "TTY_COMPATIBLE")
"""Variables by which people wish for colours where no terminal is."""


def tell(markup: str, *texts: object, to: Literal["out", "err"] = "out") -> None:
    """A line with markup of ours and texts of others in its `{}`: in colours on a terminal, for which alone what paints
    is loaded; a service writes into a file.
    """
    stream = sys.stdout if to == "out" else sys.stderr
    if stream.isatty() or any(os.environ.get(name) for name in _PAINTED):
        from gemgate.cli import console

        shown = console.out if to == "out" else console.err
        shown.print(console.marked(markup, *texts), highlight=False, soft_wrap=True)
        return
    stream.write(_STYLES.sub("", markup).format(*(plain(str(text)) for text in texts)) + "\n")
    stream.flush()


def fail(message: str, code: int = 1, *, of: object = None, kind: str | None = None) -> NoReturn:
    """Print one line to stderr and leave; with --json an object to stdout as well, where there is none yet.

    of: a file, or whatever else the message is about, named in front of it. kind: the error's code.
    """
    if of is not None:
        message = say(f"{of}: {message}", f"{of}：{message}")
    if _scripts.asked:
        waits = {"waiting_for": message, "needs_person": True} if code == NEEDS_PERSON else {}
        tell_scripts(message, kind, **waits)
    tell(say("[red]error:[/red] {}", "[red]错误：[/red]{}"), message, to="err")
    raise typer.Exit(code)


def tell_scripts(message: str, kind: str | None = None, **more: object) -> None:
    """What ended the command, as an object on stdout, where there is none yet."""
    if not _scripts.told:
        write_json({"error": {"code": kind, "message": message}, **more})
    _scripts.told = False


def confirmed(question: str) -> None:
    """Ask before something is lost; leaves with 2 where nobody can answer, with 1 when the answer is no."""
    if not sys.stdin.isatty():
        fail(say("nobody answers here; --yes goes on without being asked", "此处无人回答；加 --yes 则不再询问"), 2)
    with interruptible():
        typer.confirm(plain(question), abort=True, err=True)


async def asked(question: Callable[[], T]) -> T:
    """What a person answers to a question that waits for the keyboard; Ctrl-C does not wait for it."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def ask() -> None:
        try:
            tell = partial(answer.set_result, question())
        except Exception as error:  # noqa: BLE001 - raised where the answer is waited for
            tell = partial(answer.set_exception, error)
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(lambda: None if answer.done() else tell())

    threading.Thread(target=ask, daemon=True).start()
    return await answer


def say(en: str, zh: str) -> str:
    """The text in the terminal's language."""
    return zh if language() == "zh" else en


def reason(error: BaseException) -> str:
    """What the operating system says is wrong, in the terminal's language."""
    return system_words(error).for_(language())


def counted(number: int, one: str, more: str) -> str:
    """A number with its noun, in English."""
    return f"{number} {one if number == 1 else more}"


def amount(nbytes: int) -> str:
    """Bytes as people read them: 830 B, 12 kB, 1.9 MB."""
    return f"{nbytes} B" if nbytes < 1000 else f"{nbytes / 1e3:.0f} kB" if nbytes < 1e6 else f"{nbytes / 1e6:.1f} MB"


def load_settings(
    options: Mapping[str, Any] | None = None, config: Path | None = None, *, quiet: bool = False
) -> Loaded:
    """Settings in force; a wrong one ends the command with one clear line.

    quiet: of a command that says itself what goes wrong; its log is shown when LOG_LEVEL or DEBUG asks for one.
    """
    try:
        loaded = load(options, config=config)
    except SettingsError as error:
        fail(error.text(language()), 2)
    for sentence in loaded.warnings:
        tell("[yellow]{}[/yellow]", sentence.for_(language()), to="err")
    level = "debug" if loaded.settings.debug else loaded.settings.log_level
    if quiet and level != "debug" and loaded.origins["log_level"] == "default":
        level = "error"
    telemetry.set_up_logging(level, loaded.settings.log_format)
    bridge()
    return loaded


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end; what goes wrong is printed as one line, Ctrl-C ends quietly with 130. What was typed or named
    wrongly ends with 2, whoever has found it: a gateway answers 400 or 404. What no account can do without a person
    ends with 3.
    """
    set_large_blocks_apart()
    interruption = Interruption()
    try:
        with interruption.heard(), asyncio.Runner(loop_factory=_quickest_loop()) as runner:
            return runner.run(interruption.cancels(work))
    except (SettingsError, BadRequest, NotFound) as error:
        fail(error.text(language()), 2, kind=error.code)
    except GatewayError as error:
        waits = isinstance(error, NoAccount) and error.needs_person
        fail(error.text(language()), NEEDS_PERSON if waits else 1, kind=error.code)


def _quickest_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where there is one (not on Windows): a request costs a third less. None stands for asyncio's own."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        return None
    return new_event_loop
