"""The command line: one file per group of commands. `main` is what the installed script calls."""

from __future__ import annotations

from typing import Annotated

import typer

from gemgate.cli import accounts, ask, batches, clean, diagnose, fleet, keeping, moving, pictures, serve
from gemgate.version import __version__

app = typer.Typer(
    name="gemgate",
    help="Your own Gemini web account as OpenAI, Gemini, Anthropic and simple REST APIs.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
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


app.command()(serve.serve)
app.command()(serve.demo)
app.command()(fleet.worker)
app.command()(fleet.gateway)
app.add_typer(fleet.nodes)
app.add_typer(accounts.app)
app.command()(ask.chat)
app.command()(ask.models)
app.command()(pictures.image)
app.command()(pictures.edit)
app.command("clean")(clean.clean_files)
app.add_typer(clean.logo)
app.add_typer(batches.batch)
app.command(name="settings")(diagnose.show_settings)
app.command()(diagnose.doctor)
app.command()(keeping.backup)
app.command()(keeping.restore)
app.command()(moving.migrate)


def main() -> None:
    """Run the command line."""
    app()
