"""`gemgate completion`: the shell's Tab key knows the commands and their options."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Literal

import typer
from typer._completion_shared import _get_shell_name, get_completion_script
from typer._completion_shared import install as install_script

from gemgate.cli.terminal import fail, out, say

Shell = Literal["bash", "zsh", "fish", "powershell", "pwsh"]
SHELLS: tuple[Shell, ...] = ("bash", "zsh", "fish", "powershell", "pwsh")
NAME = "gemgate"
VARIABLE = "_GEMGATE_COMPLETE"
"""What typer looks at for itself when a program of our name is asked to complete."""

ShellArgument = Annotated[
    str | None, typer.Argument(help="bash, zsh, fish, powershell or pwsh; without it the one that runs this.")
]

app = typer.Typer(
    name="completion",
    help="Completion by the Tab key, for bash, zsh, fish and PowerShell.",
    no_args_is_help=True,
)


@app.command("install")
def install_completion(shell: ShellArgument = None) -> None:
    """Install it for you, into the files that the shell reads at its start."""
    out.print(installed(_meant(shell)), highlight=False, soft_wrap=True)


@app.command()
def show(shell: ShellArgument = None) -> None:
    """Print the script, to be put where you like."""
    print(get_completion_script(prog_name=NAME, complete_var=VARIABLE, shell=_meant(shell)))


def installed(shell: Shell) -> str:
    """Install it for a shell, and say so."""
    _, place = install_script(shell=shell, prog_name=NAME, complete_var=VARIABLE)
    return say(f"Completion for {shell}: {place}; it works in a new shell", f"{shell} 补全：{place}，新开终端后生效")


def running_shell() -> Shell | None:
    """The shell that this was started from, when it is one of SHELLS and finds a program of our name."""
    if shutil.which(NAME) is None:
        return None
    name = _get_shell_name() or ""
    return next((one for one in SHELLS if one == Path(name).stem.lower()), None)


def _meant(shell: str | None) -> Shell:
    if shell is None:
        found = running_shell()
        if found is None:
            fail(say(f"say which shell: {', '.join(SHELLS)}", f"请指定 shell：{', '.join(SHELLS)}"), 2)
        return found
    known = next((one for one in SHELLS if one == shell), None)
    if known is None:
        fail(
            say(
                f"there is no completion for {shell}; there is for {', '.join(SHELLS)}",
                f"不支持 {shell}，可用：{', '.join(SHELLS)}",
            ),
            2,
        )
    return known
