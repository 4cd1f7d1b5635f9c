"""The agents: how each is installed, told of the gateway, started, and which of its tools do the task.

npm's stand in `package.json`, PyPI's in `requirements/clients-NAME.txt`; both go into `.clients/`, once.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.agents import documented
from tests.agents.model import Call, Step
from tests.support.clients import ROOT, environment

MODEL = "gemini-3-flash-preview"
KEY = "agent-key-0123456789"
ARCH = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())

PLANTED = "carrots 3\nbeans 5\n"
GROWN = "carrots 4\nbeans 7\n"
DONE, GROWS = "The garden ledger is written.", "The garden ledger has grown."
FAILS = "ls /no-such-bed"

FIRST = "Write the garden ledger into ledger.txt, correct the beans, look for the other bed, then say that it is done."
SECOND = "Now one more carrot in the garden ledger."


@dataclass(frozen=True, slots=True)
class Program:
    """One agent.

    command: program and first arguments.
    first, again: the further arguments of a new session and of its next turn; `{prompt}` stands for the words. Without
    `again` both turns are told in one run, at its standard input.
    files: what it reads at home, by path. before: arguments of a run that sets it up.
    plan: the steps of the task with its tools, given the work folder; tools: False where it has none.
    rejoins: False where the program itself tells another history when it takes a session up again.
    """

    name: str
    command: Callable[[], tuple[str, ...]]
    first: tuple[str, ...]
    again: tuple[str, ...]
    plan: Callable[[Path], tuple[Step, ...]]
    environ: Callable[[str], Mapping[str, str]] = field(default=lambda _url: {})
    files: Callable[[str], Mapping[str, str]] = field(default=lambda _url: {})
    tools: bool = True
    before: Callable[[str], tuple[str, ...]] = field(default=lambda _url: ())
    rejoins: bool = True


def _npm(*wanted: str) -> Path:
    """The folder of npm's agents with `wanted` of them installed; a loud skip where that cannot be."""
    program = shutil.which("npm")
    if program is None or shutil.which("node") is None:
        pytest.skip("npm is not installed")
    versions: dict[str, str] = json.loads((Path(__file__).parent / "package.json").read_text())["dependencies"]
    folder = ROOT / ".clients" / "agents"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "agents.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        meta = folder / ".ready"
        ready: dict[str, str] = json.loads(meta.read_text()) if meta.exists() else {}
        needed = {name: versions[name] for name in wanted}
        if any(ready.get(name) != version for name, version in needed.items()):
            ready |= needed
            (folder / "package.json").write_text(json.dumps({"private": True, "dependencies": ready}))
            quiet = ("--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error")
            done = subprocess.run(
                [program, "install", *quiet], cwd=folder, capture_output=True, text=True, timeout=600, check=False
            )
            if done.returncode:
                pytest.skip(f"{', '.join(wanted)} cannot be installed: {done.stderr[-500:]}")
            meta.write_text(json.dumps(ready))
    return folder / "node_modules"


def _found(path: Path) -> str:
    if not path.exists():
        pytest.skip(f"the package has no program for this machine ({platform.machine()}): {path.name}")
    return str(path)


def _node22() -> str:
    """A Node of the release that some agents need, from npm, where the machine's own is older."""
    own = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(own.removeprefix("v").partition(".")[0]) >= 22:
        return "node"
    return _found(_npm(f"node-linux-{ARCH}") / f"node-linux-{ARCH}" / "bin" / "node")


def _claude() -> tuple[str, ...]:
    package = "@anthropic-ai/claude-code"
    return (_found(_npm(package) / f"{package}-linux-{ARCH}" / "claude"), "-p", "--dangerously-skip-permissions")


def _codex() -> tuple[str, ...]:
    triple = {"x64": "x86_64", "arm64": "aarch64"}.get(ARCH, ARCH) + "-unknown-linux-musl"
    binary = _npm("@openai/codex") / f"@openai/codex-linux-{ARCH}" / "vendor" / triple / "bin" / "codex"
    return (_found(binary), "exec")


def _gemini() -> tuple[str, ...]:
    return ("node", _found(_npm("@google/gemini-cli") / "@google/gemini-cli" / "bundle" / "gemini.js"), "--yolo")


def _opencode() -> tuple[str, ...]:
    return (_found(_npm("opencode-ai") / f"opencode-linux-{ARCH}" / "bin" / "opencode"), "run")


def _pi() -> tuple[str, ...]:
    package = "@mariozechner/pi-coding-agent"
    return ("node", _found(_npm(package) / package / "dist" / "cli.js"), "-p")


def _qwen() -> tuple[str, ...]:
    package = "@qwen-code/qwen-code"
    return (_node22(), _found(_npm(package) / package / "cli.js"), "--yolo")


def _cline() -> tuple[str, ...]:
    return (_found(_npm("cline") / f"@cline/cli-linux-{ARCH}" / "bin" / "cline"),)


def _of_python(name: str) -> Callable[[], tuple[str, ...]]:
    return lambda: (str(environment(f"clients-{name}").with_name(name)),)


def _claude_plan(work: Path) -> tuple[Step, ...]:
    ledger = str(work / "ledger.txt")
    return (
        (Call(("Write",), {"file_path": ledger, "content": PLANTED}),),
        (Call(("Edit",), {"file_path": ledger, "old_string": "beans 5", "new_string": "beans 7"}),),
        (
            Call(("Bash",), {"command": FAILS, "description": "Look for the other bed"}),
            Call(("Read",), {"file_path": ledger}),
        ),
        DONE,
        (Call(("Edit",), {"file_path": ledger, "old_string": "carrots 3", "new_string": "carrots 4"}),),
        GROWS,
    )


def _patch(*lines: str) -> dict[str, str]:
    return {"input": "\n".join(("*** Begin Patch", *lines, "*** End Patch"))}


def _codex_plan(work: Path) -> tuple[Step, ...]:
    def change(old: str, new: str) -> Call:
        return Call(("exec_command",), {"cmd": f"sed -i 's/{old}/{new}/' ledger.txt"})

    return (
        (Call(("exec_command",), {"cmd": f"printf {PLANTED!r} > ledger.txt"}),),
        (change("beans 5", "beans 7"),),
        (Call(("exec_command",), {"cmd": FAILS}), Call(("exec_command",), {"cmd": "cat ledger.txt"})),
        DONE,
        (change("carrots 3", "carrots 4"),),
        GROWS,
    )


def _gemini_plan(work: Path) -> tuple[Step, ...]:
    ledger = str(work / "ledger.txt")

    def change(old: str, new: str) -> Call:
        words = {"instruction": f"Make {old} {new}", "old_string": old, "new_string": new}
        return Call(("replace", "edit"), {"file_path": ledger, **words})

    return (
        (Call(("write_file",), {"file_path": ledger, "content": PLANTED}),),
        (change("beans 5", "beans 7"),),
        (
            Call(("run_shell_command",), {"command": FAILS, "is_background": False}),
            Call(("read_file",), {"file_path": ledger}),
        ),
        DONE,
        (change("carrots 3", "carrots 4"),),
        GROWS,
    )


def _qwen_plan(work: Path) -> tuple[Step, ...]:
    *before, change, last = _gemini_plan(work)
    return (*before, (Call(("read_file",), {"file_path": str(work / "ledger.txt")}),), change, last)


def _opencode_plan(work: Path) -> tuple[Step, ...]:
    ledger = str(work / "ledger.txt")

    def change(old: str, new: str) -> Call:
        return Call(("edit",), {"filePath": ledger, "oldString": old, "newString": new})

    return (
        (Call(("write",), {"filePath": ledger, "content": PLANTED}),),
        (change("beans 5", "beans 7"),),
        (Call(("bash",), {"command": FAILS, "description": "Look"}), Call(("read",), {"filePath": ledger})),
        DONE,
        (change("carrots 3", "carrots 4"),),
        GROWS,
    )


def _pi_plan(work: Path) -> tuple[Step, ...]:
    def change(old: str, new: str) -> Call:
        return Call(("edit",), {"path": "ledger.txt", "edits": [{"oldText": old, "newText": new}]})

    return (
        (Call(("write",), {"path": "ledger.txt", "content": PLANTED}),),
        (change("beans 5", "beans 7"),),
        (Call(("bash",), {"command": FAILS}), Call(("read",), {"path": "ledger.txt"})),
        DONE,
        (change("carrots 3", "carrots 4"),),
        GROWS,
    )


def _cline_plan(work: Path) -> tuple[Step, ...]:
    ledger = str(work / "ledger.txt")

    def change(old: str, new: str) -> Call:
        return Call(("editor",), {"path": ledger, "old_text": old, "new_text": new})

    return (
        (Call(("editor",), {"path": ledger, "new_text": PLANTED}),),
        (change("beans 5", "beans 7"),),
        (Call(("run_commands",), {"commands": [FAILS]}), Call(("read_files",), {"files": [{"path": ledger}]})),
        DONE,
        (change("carrots 3", "carrots 4"),),
        GROWS,
    )


def _aider_plan(_work: Path) -> tuple[Step, ...]:
    def whole(text: str) -> str:
        return f"ledger.txt\n```\n{text}```\n"

    return (f"{DONE}\n\n{whole(PLANTED)}", f"{GROWS}\n\n{whole(GROWN)}")


def _llm_plan(_work: Path) -> tuple[Step, ...]:
    return (
        (Call(("keep",), {"text": PLANTED}),),
        (Call(("change",), {"old": "beans 5", "new": "beans 7"}),),
        (Call(("change",), {"old": "no such line", "new": ""}),),
        DONE,
        (Call(("change",), {"old": "carrots 3", "new": "carrots 4"}),),
        GROWS,
    )


_LLM_TOOLS = '''
def keep(text: str) -> str:
    """Write the ledger."""
    open("ledger.txt", "w").write(text)
    return "kept"

def change(old: str, new: str) -> str:
    """Replace words of the ledger."""
    text = open("ledger.txt").read()
    if old not in text:
        raise ValueError("no such words")
    open("ledger.txt", "w").write(text.replace(old, new))
    return "changed"
'''


def _codex_files(url: str) -> dict[str, str]:
    alone = 'approval_policy = "never"\nsandbox_mode = "danger-full-access"\n'
    return {".codex/config.toml": alone + documented.block("Codex", "toml", url, KEY)}


def _opencode_files(url: str) -> dict[str, str]:
    alone = {"autoupdate": False, "share": "disabled", "permission": {"*": "allow"}}
    settings = json.loads(documented.block("OpenCode", "json", url, KEY)) | alone
    return {".config/opencode/opencode.json": json.dumps(settings)}


def _pi_files(url: str) -> dict[str, str]:
    return {".pi/agent/models.json": documented.block("pi", "json", url, KEY)}


def _llm_files(url: str) -> dict[str, str]:
    return {".llm/extra-openai-models.yaml": documented.block("llm", "yaml", url, KEY)}


def _gemini_files(_url: str) -> dict[str, str]:
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "privacy": {"usageStatisticsEnabled": False},
        "telemetry": {"enabled": False},
        "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
    }
    return {".gemini/settings.json": json.dumps(settings)}


def _told(title: str, **alone: str) -> Callable[[str], Mapping[str, str]]:
    """The variables that the page tells of, and those of a run without a terminal."""
    return lambda url: documented.variables(title, url, KEY) | alone


CODEX = Program(
    "codex",
    _codex,
    ("--skip-git-repo-check", "{prompt}"),
    ("--skip-git-repo-check", "resume", "--last", "{prompt}"),
    _codex_plan,
    _told("Codex"),
    _codex_files,
)
CLAUDE = Program(
    "claude", _claude, ("{prompt}",), ("--continue", "{prompt}"), _claude_plan, _told("Claude Code", IS_SANDBOX="1")
)
GEMINI = Program(
    "gemini",
    _gemini,
    ("-p", "{prompt}"),
    ("--resume", "latest", "-p", "{prompt}"),
    _gemini_plan,
    _told("Gemini CLI", GEMINI_CLI_TRUST_WORKSPACE="true"),
    _gemini_files,
    rejoins=False,  # its first message lists the folder, which has changed by then
)
OPENCODE = Program(
    "opencode",
    _opencode,
    ("{prompt}",),
    ("--continue", "{prompt}"),
    _opencode_plan,
    lambda _url: {"OPENCODE_DISABLE_MODELS_FETCH": "1"},
    _opencode_files,
)
PI = Program(
    "pi",
    _pi,
    ("--provider", "gemgate", "--model", MODEL, "{prompt}"),
    ("--continue", "--provider", "gemgate", "--model", MODEL, "{prompt}"),
    _pi_plan,
    files=_pi_files,
)
QWEN = Program(
    "qwen",
    _qwen,
    ("--auth-type", "openai", "-p", "{prompt}"),
    ("--auth-type", "openai", "--continue", "-p", "{prompt}"),
    _qwen_plan,
    _told("Qwen Code"),
    rejoins=False,
)
CLINE = Program(
    "cline",
    _cline,
    ("{prompt}",),
    ("{prompt}",),  # a session is taken up again at a terminal only
    _cline_plan,
    rejoins=False,
    before=lambda url: documented.command("Cline", url, KEY),
)
AIDER = Program(
    "aider",
    _of_python("aider"),
    (
        *documented.command("aider", "", KEY),
        *("--yes-always", "--no-git", "--no-show-model-warnings", "--no-check-update"),
        *("--no-detect-urls", "--map-tokens", "0", "ledger.txt"),
    ),
    (),
    _aider_plan,
    _told("aider", AIDER_ANALYTICS_DISABLE="true"),
    tools=False,
)
LLM = Program(
    "llm",
    _of_python("llm"),
    ("prompt", "-m", MODEL, "--functions", _LLM_TOOLS, "{prompt}"),
    ("prompt", "-c", "--functions", _LLM_TOOLS, "{prompt}"),
    _llm_plan,
    lambda _url: {"OPENAI_API_KEY": KEY},
    _llm_files,
)

DAILY = (CODEX, CLAUDE, GEMINI, OPENCODE)
"""Those that every run of the suite puts to work; the others are `make agents`."""
OTHERS = (PI, QWEN, CLINE, AIDER, LLM)


def environ(program: Program, home: Path, url: str) -> dict[str, str]:
    """A clean home, telemetry off, and what the program wants to know of the gateway."""
    quiet = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "NO_COLOR": "1",
        "CI": "1",
        "DO_NOT_TRACK": "1",
        "DISABLE_TELEMETRY": "1",
        "DISABLE_AUTOUPDATER": "1",
        "NO_PROXY": "127.0.0.1",
        "LLM_USER_PATH": str(home / ".llm"),
    }
    return {**quiet, **program.environ(url)}
