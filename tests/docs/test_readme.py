"""What the READMEs tell a reader to type is typed here, against a demo that really runs."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from gemgate.settings import Settings
from tests.support.patience import PATIENCE
from tests.support.servers import free_port

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "README.zh.md", "docs/start.md", "docs/start.zh.md", "docs/images.md")
FENCE = re.compile(r"(?ms)^```(\w+)\n(.*?)^```")
NOT_HERE = ("make demo", "pipx install .", "gemgate serve", "gemgate logo")
"""Run by other tests (test_release.py, test_typed_commands.py): an empty environment, a server that does not end, files
of the reader's.
"""
END = "<the end of one>"
IN_TURN = f"for code in {{codes!r}}: exec(code, {{{{}}}}); print({END!r})"
"""One process for all Python blocks: most of their time is importing SDKs."""
ADDRESS = "http://127.0.0.1:8100"


def blocks(page: str, kind: str) -> list[str]:
    return [code for name, code in FENCE.findall((ROOT / page).read_text("utf-8")) if name == kind]


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[str]:
    """`gemgate demo` as a process; its address."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gemgate", "demo", "--port", str(port)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "HOME": str(tmp_path)},
        cwd=tmp_path,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        async with asyncio.timeout(PATIENCE), aiohttp.ClientSession() as http:
            while True:
                try:
                    async with http.get(f"{address}/ready") as answer:
                        if answer.status == 200:
                            break
                except aiohttp.ClientError:
                    pass
                assert process.returncode is None, (await process.communicate())[0].decode()
                await asyncio.sleep(0.1)
        yield address
    finally:
        process.terminate()
        said = (await process.communicate())[0].decode()
        assert process.returncode in (0, 130, -15), said
        assert "Traceback" not in said, said
        assert "The demo has ended, and its pictures and batches with it." in said


async def typed(*command: str, cwd: Path) -> str:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(cwd)}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, wrong = await process.communicate()
    assert process.returncode == 0, f"{command}: {wrong.decode()}"
    return out.decode()


@pytest.mark.timeout(240)
async def test_everything_that_is_shown_works(demo: str, tmp_path: Path) -> None:
    python = [code.replace(ADDRESS, demo) for page in PAGES for code in blocks(page, "python")]
    said = await typed(sys.executable, "-c", IN_TURN.format(codes=python), cwd=tmp_path)
    assert len([one for one in said.split(END) if one.strip()]) == len(python), said
    for page in PAGES:
        for code in blocks(page, "sh"):
            if code.startswith(NOT_HERE):
                continue
            said = await typed("bash", "-ec", code.replace(ADDRESS, demo), cwd=tmp_path)
            assert '"error"' not in said, (page, code, said)


def test_no_line_takes_a_package_of_our_name_from_an_index() -> None:
    """Nothing of ours stands there: who types such a line runs what a stranger has put under the name."""
    takes = re.compile(r"\b(?:uvx|pipx (?:install|run|upgrade)|uv tool \w+|pip install) (?:'|\")?gemgate\b")
    pages = [
        ROOT / "README.md",
        ROOT / "README.zh.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "deploy").rglob("*.md"),
        *(ROOT / "src").rglob("*.py"),
    ]
    found = {str(page): takes.findall(page.read_text("utf-8")) for page in pages}
    assert not {page: lines for page, lines in found.items() if lines}


def test_the_first_screen_is_one_screen() -> None:
    for page in PAGES[:2]:
        first = (ROOT / page).read_text("utf-8").partition("\n---\n")[0]
        assert len(first.splitlines()) <= 45


def test_the_example_of_env_names_settings_that_exist() -> None:
    named = re.findall(r"(?m)^([A-Z0-9_]+)=", (ROOT / ".env.example").read_text())
    known = {name.upper() for name in Settings.model_fields}
    assert set(named) - known == {"REDIS_PASSWORD", "VNC_PW"}
    assert len(named) == len(set(named))


def test_the_example_of_env_can_be_used_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gemgate.settings.loading import load

    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text((ROOT / ".env.example").read_text())
    loaded = load()
    assert loaded.settings.rate_limit_per_hour == 60
    assert loaded.settings.cookie_source == "env"
    assert loaded.origins["rate_limit_per_hour"] == ".env"
