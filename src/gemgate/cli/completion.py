"""`gemgate completion`: the shell's Tab key knows the commands and their options.

What a person has written into the files of a shell stays to the byte: a line is added at the end, once. Of PowerShell
nothing is changed, because its profile runs only where its owner has allowed scripts; the line is told.
"""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path
from typing import Annotated, Literal, get_args

import typer
from typer._completion_shared import _get_shell_name, get_completion_script

from gemgate.cli.console import out
from gemgate.cli.terminal import fail, reason, say, write
from gemgate.stores.drafts import drafted

Shell = Literal["bash", "zsh", "fish", "powershell", "pwsh"]
SHELLS: tuple[Shell, ...] = get_args(Shell)
NAME = "gemgate"
VARIABLE = "_GEMGATE_COMPLETE"
"""What the library looks at when a program of our name is asked to complete."""
OF_POWERSHELL = "gemgate completion show powershell | Out-String | Invoke-Expression"

ShellArgument = Annotated[
    Shell | None,
    typer.Argument(help="Without it the one that runs this.", show_default=False),
]

app = typer.Typer(
    name="completion",
    help="Completion by the Tab key, for bash, zsh, fish and PowerShell.",
    no_args_is_help=True,
)


@app.command("install")
def install_completion(shell: ShellArgument = None) -> None:
    """Install it for you, into the files that the shell reads at its start."""
    done, told = installed(_meant(shell))
    if not done:
        fail(told)
    out.print(told, highlight=False, soft_wrap=True)


@app.command()
def show(shell: ShellArgument = None) -> None:
    """Print the script, to be put where you like."""
    write(_script(_meant(shell)))


def installed(shell: Shell) -> tuple[bool, str]:
    """Install it for a shell: whether that could be done, and a sentence that says so, or what is left to do."""
    if shell in ("powershell", "pwsh"):
        return False, say(
            f"completion for PowerShell: put this line into the file that $PROFILE names: {OF_POWERSHELL}",
            f"PowerShell 补全：请将此行加入 $PROFILE 指向的文件：{OF_POWERSHELL}",
        )
    place, start_file, line = _places(shell)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with drafted(place) as file:
            file.write(f"{_script(shell)}\n".encode())
        if start_file is not None:
            _add(start_file, line)
    except OSError as error:
        why = reason(error)
        return False, say(f"no completion for {shell}: {place}: {why}", f"未安装 {shell} 补全：{place}：{why}")
    return True, say(
        f"Completion for {shell}: {place}; it works in a new shell", f"{shell} 补全：{place}，新开终端后生效"
    )


def _places(shell: Shell) -> tuple[Path, Path | None, str]:
    """Of a shell: the script, the file that it reads at its start, and the line there that leads to the script."""
    home = Path.home()
    if shell == "fish":
        config = os.environ.get("XDG_CONFIG_HOME") or home / ".config"
        return Path(config, "fish", "completions", f"{NAME}.fish"), None, ""
    if shell == "zsh":
        start_file = Path(os.environ.get("ZDOTDIR") or home, ".zshrc")
        return home / ".zfunc" / f"_{NAME}", start_file, "fpath+=~/.zfunc; autoload -Uz compinit; compinit"
    place = home / ".bash_completions" / f"{NAME}.sh"
    return place, home / ".bashrc", f"source {shlex.quote(str(place))}"


def _add(start_file: Path, line: str) -> None:
    """Add a line at the end of a person's file, unless it is there, with or without quotes."""
    there = start_file.read_bytes() if start_file.exists() else b""
    known = {text.strip().replace(b"'", b"") for text in there.splitlines()}
    if line.replace("'", "").encode() in known:
        return
    with start_file.open("ab") as file:
        file.write((b"\n" if there and not there.endswith(b"\n") else b"") + f"{line}\n".encode())


def _script(shell: Shell) -> str:
    script = get_completion_script(prog_name=NAME, complete_var=VARIABLE, shell=shell)
    if shell == "zsh":  # which reads it at the first Tab, and has to be answered then
        script += f'\n\n[ "$funcstack[1]" != _{NAME} ] || _{NAME}_completion "$@"'
    return script


def running_shell() -> Shell | None:
    """The shell that this was started from, when it is one of SHELLS and finds a program of our name."""
    if shutil.which(NAME) is None:
        return None
    name = _get_shell_name() or ""
    return next((one for one in SHELLS if one == Path(name).stem.lower()), None)


def _meant(shell: Shell | None) -> Shell:
    found = shell or running_shell()
    if found is None:
        fail(say(f"say which shell: {', '.join(SHELLS)}", f"请指定 shell：{'、'.join(SHELLS)}"), 2)
    return found
