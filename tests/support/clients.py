"""Environments of clients that exclude those of .venv, made from `requirements/clients-*.txt` into `.clients/`, and
those that live on npm, made from `tests/judges/js/package.json`.

A judge is a pytest module under tests/judges that runs there, in a process of its own, and knows only an address.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
JUDGES = ROOT / "tests" / "judges"


@pytest.fixture(scope="session")
def genai2() -> Path:
    """The Python of the environment with google-genai 2 and LangChain."""
    return environment("clients-genai2")


def environment(name: str) -> Path:
    """The Python of `requirements/NAME.txt`, installed if it is not there; skipped by name where uv is missing."""
    uv = ROOT / ".tools" / "bin" / "uv"
    program = str(uv) if uv.exists() else shutil.which("uv") or pytest.skip("uv is not installed; `make install` does")
    lock = ROOT / "requirements" / f"{name}.txt"
    folder = ROOT / ".clients" / name
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    folder.parent.mkdir(exist_ok=True)
    with (folder.parent / f"{name}.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        meta = folder / ".ready"
        if not meta.exists() or meta.read_text() != digest:
            quiet = {**os.environ, "UV_PYTHON_DOWNLOADS": "never", "VIRTUAL_ENV": str(folder)}
            for command in (
                ["venv", "--quiet", "--allow-existing", "--python", sys.executable, str(folder)],
                ["pip", "sync", "--quiet", "--require-hashes", str(lock)],
            ):
                subprocess.run([program, *command], check=True, env=quiet, timeout=600)
            meta.write_text(digest)
    return python


@pytest.fixture(scope="session")
def npm() -> Path:
    """The folder with the packages of npm and the scripts that use them; skipped by name where there is no npm."""
    program = shutil.which("npm")
    if program is None or shutil.which("node") is None:
        pytest.skip("npm is not installed")
    source, folder = JUDGES / "js", ROOT / ".clients" / "js"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = (source / "package.json").read_bytes()
    with (folder.parent / "js.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        meta = folder / ".ready"
        if not meta.exists() or meta.read_bytes() != wanted:
            (folder / "package.json").write_bytes(wanted)
            quiet = ("--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error")
            subprocess.run([program, "install", *quiet], cwd=folder, check=True, timeout=600)
            meta.write_bytes(wanted)
        for script in source.glob("*.mjs"):  # a module finds its packages from where it stands
            shutil.copyfile(script, folder / script.name)
    return folder


async def told(folder: Path, script: str, url: str, key: str, *arguments: str) -> dict[str, Any]:
    """What `tests/judges/js/SCRIPT.mjs` found at the gateway: an object by the names of its checks."""
    process = await asyncio.create_subprocess_exec(
        *("node", f"{script}.mjs", *arguments),
        cwd=folder,
        env={**os.environ, "GEMGATE_URL": url, "GEMGATE_KEY": key, "AI_SDK_LOG_WARNINGS": "false"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, complaints = await _said(process)
    lines = output.decode().splitlines()
    if not lines or not lines[-1].startswith("{"):
        pytest.fail(f"{script}: {output.decode()}{complaints.decode()}")
    found: dict[str, Any] = json.loads(lines[-1])
    thrown = {name: what for name, what in found.items() if isinstance(what, dict) and "thrown" in what}
    assert not thrown, "\n".join(f"{name}: {what['thrown']}\n{what['stack']}" for name, what in thrown.items())
    return found


async def _said(process: asyncio.subprocess.Process) -> tuple[bytes, bytes]:
    """What it wrote until its end; it ends with a test that gives it up."""
    try:
        return await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge found: names of tests by outcome, the generations that they say they cost, and its whole report."""

    passed: list[str]
    failed: list[str]
    skipped: list[str]
    generations: int
    report: str


async def judged(python: Path, judge: str, url: str, folder: Path, *options: str, **environ: str) -> Verdict:
    """Run `tests/judges/JUDGE.py` against the gateway at `url`; `folder` is for its report."""
    results = folder / "judge.xml"
    process = await asyncio.create_subprocess_exec(
        str(python),
        *("-m", "pytest", f"{judge}.py", f"--junit-xml={results}", *options),
        cwd=JUDGES,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "GEMGATE_URL": url, "NO_PROXY": "127.0.0.1", **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await _said(process)
    report = output.decode(errors="replace")
    if not results.exists():
        pytest.fail(report)
    found: dict[str, list[str]] = {"passed": [], "failed": [], "skipped": []}
    for case in ElementTree.parse(results).iter("testcase"):  # our own file
        kind = next((child.tag for child in case if child.tag in ("failure", "error", "skipped")), "passed")
        outcome = {"failure": "failed", "error": "failed"}.get(kind, kind)
        found[outcome].append(f"{case.get('classname', '').rpartition('.')[2]}.{case.get('name')}")
    stated = [
        int(item.get("value", 0))
        for item in ElementTree.parse(results).iter("property")
        if item.get("name") == "generations"
    ]
    return Verdict(**found, generations=sum(stated), report=report)
