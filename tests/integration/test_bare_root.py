"""One line on a Debian that has Python and nothing else: a root folder of its packages, entered as a container is.

Run by hand, as root, with mmdebstrap and bubblewrap: `pytest tests/integration/test_bare_root.py -m soak -s`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.support.roots import RELEASE, debian, entered, reaching_packages
from tests.support.servers import free_port

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]
LINES = {
    "wheel": "python3 -m venv /root/gemgate && /root/gemgate/bin/pip install -q {wheel} && "
    "exec /root/gemgate/bin/gemgate demo --port {port}",
    "pipx": "exec pipx run --spec {wheel} gemgate demo --port {port}",
}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The root folder, with the wheel in it."""
    folder = tmp_path_factory.mktemp("bare")
    debian(folder / "root", "python3-venv", "pipx", "ca-certificates")
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(folder / "dist"), "-t", "wheel"]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    yield folder
    shutil.rmtree(folder / "root", ignore_errors=True)


def typed(folder: Path, line: str) -> list[str]:
    """The command that types a line in there; how packages are reached is the machine's that this runs on."""
    binds, variables = reaching_packages()
    env = {"PATH": "/usr/bin:/bin", "HOME": "/root", **variables}
    binds = ["--tmpfs", "/root", "--ro-bind", str(folder / "dist"), "/dist", *binds]
    return entered(folder / "root", ("sh", "-ec", line), env=env, binds=binds)


@pytest.mark.parametrize("kind", LINES)
async def test_from_the_line_to_the_first_answer(bare: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    (wheel,) = (bare / "dist").glob("*.whl")
    command = typed(bare, LINES[kind].format(wheel=f"/dist/{wheel.name}", port=port))
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, start_new_session=True
    )
    try:
        async with asyncio.timeout(600), aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
            while True:
                assert process.returncode is None, await process.communicate()
                try:
                    async with http.post("/v1/generate", json={"prompt": "Count to 3"}) as answer:
                        if answer.status == 200:
                            assert "3" in (await answer.json())["text"]
                            break
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.1)
        seconds = time.monotonic() - began
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        await process.communicate()
    with capsys.disabled():
        print(f"\n{kind} in a bare root of Debian {RELEASE}: {seconds:.1f} s")
