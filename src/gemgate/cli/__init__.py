"""The command line: one file per group of commands, imported only when one of its commands runs.

`main` is what `gemgate.__main__` calls. A command of a new file gets a row in COMMANDS and nothing else here.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from io import TextIOWrapper
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from gemgate import collector
from gemgate.cli.language import language
from gemgate.version import __version__

COMMANDS: dict[str, tuple[str, str]] = {
    "serve": ("serve:serve", "Serve the API and the page."),
    "demo": (
        "serve:demo",
        "Serve a simulated Google: everything works, no account is needed, nothing leaves this machine.",
    ),
    "init": ("init:init", "Write a commented gemgate.toml, take an account in, and get a first answer."),
    "service": ("service:app", "Keep gemgate running: systemd, launchd, or a task of Windows."),
    "completion": ("completion:app", "Completion by the Tab key, for bash, zsh, fish and PowerShell."),
    "worker": (
        "fleet:worker",
        "Serve as a node of a fleet: registered in PostgreSQL from the start, called by `gemgate gateway`.",
    ),
    "gateway": (
        "fleet:gateway",
        "Serve the whole fleet at one address: every call goes to the best node. It has no accounts of its own.",
    ),
    "nodes": ("fleet:nodes", "The nodes of a fleet, in the registry itself: no gateway has to run."),
    "accounts": ("accounts:app", "Google accounts: over the API of the gateway that runs, else on its database."),
    "chat": ("chat:chat", "Chat with the account; the answer streams to the terminal."),
    "models": ("chat:models", "List the models that can be named, and what the account offers."),
    "image": (
        "images:image",
        'Make pictures from a prompt: gemgate image "a red fox in snow" -n 4 --size 4k -o foxes',
    ),
    "edit": ("images:edit", 'Change a picture in words: gemgate edit fox.png "make it night" -o foxes'),
    "music": ("media:music", 'Make music from a prompt: gemgate music "a slow waltz" -o waltz.mp3'),
    "video": ("media:video", 'Make a video from a prompt: gemgate video "a red fox runs" -o fox.mp4'),
    "research": (
        "research:research",
        'Look into something thoroughly: gemgate research "why foxes turn white" -o foxes.markdown',
    ),
    "transcribe": (
        "transcribe:transcribe",
        "Write down what is said in a recording: gemgate transcribe talk.mp3 -o talk.txt",
    ),
    "history": (
        "history:history",
        "The accounts' own chats at Google, where ACCOUNT_HISTORY opens them: list, search, show, export, change.",
    ),
    "clean": (
        "clean:clean_files",
        "Take the visible logo off picture files, where there is evidence that it is there.",
    ),
    "logo": ("clean:logo", "The visible logo's place and shape."),
    "batch": (
        "batches:batch",
        "Many pictures from a file of prompts. They survive Ctrl-C, crashes and restarts; nothing is made twice.",
    ),
    "jobs": (
        "jobs:jobs",
        "Everything that runs in the background, of all kinds: list, show, watch, cancel, retry, fetch.",
    ),
    "usage": ("usage:usage", "What calls cost: by day, key, model, account; as a table, CSV or JSON."),
    "mcp": ("mcp:mcp", "Tools for an agent on this machine, over standard input and output (Model Context Protocol)."),
    "settings": (
        "doctor:show_settings",
        "Print every setting in force and where it came from; secrets are never shown.",
    ),
    "doctor": ("doctor:doctor", "Check cookies, the way to Google, disk, clock and versions, and say what to do."),
    "canary": (
        "canary:canary",
        "Hold Google's wire against what this version believes: five short prompts at most, on one account of yours.",
    ),
    "backup": (
        "backup:backup",
        "Write a backup: accounts (sealed), conversations, batches, keys of clients. It may run beside a gateway.",
    ),
    "restore": (
        "backup:restore",
        "Bring a backup back, into SQLite or PostgreSQL, whatever it was made from. No gateway may run meanwhile.",
    ),
    "import": (
        "moving:import_from",
        "Move in from another gateway: accounts, keys and settings. Without --apply it only says what it would take.",
    ),
    "migrate": (
        "migrate:migrate",
        "Copy a single node's state into PostgreSQL (DATABASE_URL or DB_*). What is there already stays as it is.",
    ),
}
"""Name -> where it is, and the first line of its help: that much can be listed without importing the gateway."""


def command(name: str) -> Any:
    """The click command of that name, with its module imported."""
    module, _, attribute = COMMANDS[name][0].partition(":")
    # What modules make stays: looking for garbage among it again and again would be a sixth of the start.
    gc.disable()
    try:
        found = getattr(import_module(f"gemgate.cli.{module}"), attribute)
    finally:
        collector.keep()
        gc.enable()
    if isinstance(found, typer.Typer):
        return typer.main.get_group(found)
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    alone.command(name)(found)
    return typer.main.get_command(alone)


def _value(option: TyperOption | TyperArgument, ctx: Any) -> str:
    """What an option or argument takes, for its help: a flag takes nothing, and names of types are no words of ours."""
    told = "" if getattr(option, "is_flag", False) else option.display_type(ctx)
    return (
        told.replace(" range>", ">")
        .replace("<list[Path]>", "<path>")
        .replace("<list[str]>", "<text>")
        .replace("<str>", "<text>")
    )


TyperOption.display_type_rich = TyperArgument.display_type_rich = _value  # type: ignore[method-assign, assignment]


def _told(format_help: Any) -> Any:
    """The library's printing of a help, which is in Chinese where the terminal is."""

    def told(self: Any, ctx: Any, formatter: Any) -> None:
        from typer import rich_utils

        from gemgate.cli.help_tables import FoldingTable, paragraphs

        vars(rich_utils).update(Table=FoldingTable)
        self.help = "\n\n".join(paragraphs(self.help or ""))
        if language() != "zh":
            format_help(self, ctx, formatter)
            return
        from gemgate.cli.chinese_help import in_chinese

        with in_chinese(self, ctx):
            format_help(self, ctx, formatter)

    return told


TyperCommand.format_help = _told(TyperCommand.format_help)  # type: ignore[method-assign]
TyperGroup.format_help = _told(TyperGroup.format_help)  # type: ignore[method-assign]


@contextmanager
def _misuse(words: list[str]) -> Iterator[None]:
    """What is wrong with the words that were typed is told in our words, and in the terminal's language; to scripts
    too, before any option has been read.
    """
    try:
        yield
    except typer.Abort as error:
        interrupted = isinstance(error.__context__, KeyboardInterrupt)
        if not interrupted:
            print("已取消。" if language() == "zh" else "Aborted.", file=sys.stderr)
        raise typer.Exit(130 if interrupted else 1) from None
    except typer.TyperException as error:
        if (found := getattr(error.__cause__, "errors", None)) is not None:  # pydantic's, in its words
            from gemgate.validation import problem

            error.message = problem(found()[0]).for_(language())
        if language() == "zh" and hasattr(error, "format_message"):
            from gemgate.cli.chinese_help import misuse_in_chinese

            misuse_in_chinese(error)
        if "--json" in words and hasattr(error, "format_message"):
            from gemgate.cli.terminal import tell_scripts

            tell_scripts(error.format_message())
        raise


_WORDS = "gemgate.words"
"""Where a context keeps all that was typed."""


class _Listed(TyperGroup):
    """Lists placeholders; the real command comes in when one is called."""

    def make_context(self, info_name: str | None, args: list[str], *given: Any, **more: Any) -> Any:
        words = list(args)
        with _misuse(words):
            made = super().make_context(info_name, args, *given, **more)
        made.meta[_WORDS] = words
        return made

    def invoke(self, ctx: Any) -> Any:
        with _misuse(ctx.meta[_WORDS]):
            return super().invoke(ctx)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As the library's, with the real command in the place of the listed one."""
        name, listed, rest = super().resolve_command(ctx, args)
        return name, command(name) if name else listed, rest


app = typer.Typer(
    name="gemgate",
    cls=_Listed,
    help="Your own Gemini web account as OpenAI, Gemini, Anthropic and simple REST APIs.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,  # `gemgate completion` is the one way
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"gemgate {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Your own Gemini web account as OpenAI, Gemini, Anthropic and simple REST APIs."""


def _list(name: str, summary: str) -> None:
    @app.command(name, help=summary)
    def listed() -> None:
        raise AssertionError(name)


for _name, (_, _summary) in COMMANDS.items():
    _list(_name, _summary)


def _complete() -> NoReturn:
    """Answer the shell's Tab key."""
    from typer._completion_classes import completion_init

    completion_init()
    app()
    sys.exit(0)


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        # An arrow, or a word in Chinese, is no reason to fail where a terminal, or a file on Windows, cannot have it.
        if isinstance(stream, TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
    if "_GEMGATE_COMPLETE" in os.environ:
        _complete()
    app()
