"""What is released can be installed into an empty environment, and serves there: the page, an answer, an image."""

from __future__ import annotations

import asyncio
import hashlib
import http.server
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import aiohttp
import pytest
from tools import supply

from gemgate.version import __version__

ROOT = Path(__file__).parents[2]
UV = ROOT / ".tools" / "bin" / "uv"
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def released(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheel and the sdist: those of `make dist`, else made now."""
    given = request.config.getoption("--dist-folder")
    folder = Path(given).resolve() if given else tmp_path_factory.mktemp("dist")
    if not given:
        command = [sys.executable, "-m", "hatchling", "build", "-d", folder, "-t", "sdist", "-t", "wheel"]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return {"wheel": wheel, "sdist": sdist}


def test_everything_is_in_it_and_nothing_that_is_not_ours(released: dict[str, Path]) -> None:
    with zipfile.ZipFile(released["wheel"]) as archive:
        names = set(archive.namelist())
    assert {
        "gemgate/py.typed",
        "gemgate/web/page/static/index.html",
        "gemgate/web/page/static/app.css",
        "gemgate/stores/sql/migrations/script.py.mako",
    } <= names
    assert all(name.startswith(("gemgate/", "gemgate_simulator/", "gemgate-")) for name in names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    with tarfile.open(released["sdist"]) as archive:
        tops = {name.split("/")[1] for name in archive.getnames() if "/" in name}
    assert {"src", "README.md", "README.zh.md", "LICENSE", "CHANGELOG.md", "CHANGELOG.zh.md", "pyproject.toml"} <= tops
    assert not tops & {"tests", "deploy", ".venv", ".git", "data"}


@dataclass(slots=True)
class Machine:
    """A newcomer's machine: a home with nothing of ours in it, and what it has already installed."""

    home: Path
    variables: dict[str, str]

    def run(self, *command: object) -> str:
        words = [str(word) for word in command]
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=300, env=self.variables, cwd=self.home, check=False
        )
        assert done.returncode == 0, f"{words}: {done.stderr or done.stdout}"
        return done.stdout


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    if not UV.exists():
        pytest.skip("uv is not installed (make install)")
    # The tools look into the home for how the registry is reached: theirs stays that of whoever runs this.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VIRTUAL_ENV", "PYTHON"))}
    home = tmp_path / "home"
    home.mkdir()
    mine = {"UV_PYTHON_DOWNLOADS": "never", "UV_CACHE_DIR": str(tmp_path / "cache"), "NO_COLOR": "1", "COLUMNS": "200"}
    mine |= {"XDG_DATA_HOME": str(home / "data"), "PIPX_HOME": str(home / "pipx")}
    return Machine(home, {**kept, **mine})


async def first_answer(machine: Machine, *command: object) -> float:
    """Type a line that serves the demo, and use it: page, answer, image. Seconds from the line to the answer."""
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        env=machine.variables,
        cwd=machine.home,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    said = asyncio.ensure_future(process.stderr.read())
    try:
        async with asyncio.timeout(300):
            while b"gemgate demo" not in (line := await process.stdout.readline()):
                assert line, f"it ended before it served: {(await said).decode()[-2000:]}"
        address = next(word for word in line.decode().split() if word.startswith("http://")).rstrip(":")
        async with asyncio.timeout(120), aiohttp.ClientSession(address) as http:
            async with http.post("/v1/generate", json={"prompt": "Count to 3"}) as answer:
                assert "3" in (await answer.json())["text"]
            seconds = time.monotonic() - began
            async with http.get("/") as page:
                assert "<title>gemgate</title>" in await page.text()
            body = {"prompt": "a boat", "response_type": "url"}
            async with http.post("/v1/generate-images", json=body) as answer:
                assert (await answer.json())["images"]
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        await process.wait()
        await said
    return seconds


@pytest.mark.parametrize("kind", ["wheel", pytest.param("sdist", marks=pytest.mark.soak)])
async def test_it_serves_from_an_empty_environment(kind: str, released: dict[str, Path], machine: Machine) -> None:
    """No extra is asked for: what it takes to look around comes with the program."""
    machine.variables.pop("UV_CACHE_DIR")  # what was downloaded before is good enough here
    venv = machine.home / "venv"
    await asyncio.to_thread(machine.run, UV, "venv", "--python", sys.executable, venv)
    await asyncio.to_thread(machine.run, UV, "pip", "install", "--python", venv / "bin" / "python", released[kind])
    assert machine.run(venv / "bin" / "gemgate", "--version") == f"gemgate {__version__}\n"
    await first_answer(machine, venv / "bin" / "gemgate", "demo", "--port", "0")


CPU_SECONDS = 15
"""What everything from the line to the answer may cost: below 20 s on a machine that does nothing else."""


def interpreters() -> list[str]:
    """This Python, and the others that this machine has."""
    homes = [Path(sys.base_prefix).parent, *map(Path, ("/usr/bin", "/usr/local/bin"))]
    names = [f"python3.{minor}" for minor in (11, 12, 13, 14)]
    found = {
        one.name: str(one)
        for home in homes
        for name in names
        for one in (*home.glob(f"*/bin/{name}"), home / name)
        if one.is_file()
    }
    return [sys.executable, *(found[name] for name in sorted(found) if name != f"python3.{sys.version_info.minor}")]


@pytest.mark.soak
@pytest.mark.parametrize("python", interpreters(), ids=lambda path: Path(path).name)
async def test_one_line_without_anything_installed(
    python: str, released: dict[str, Path], machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    """`uvx --from . gemgate demo`, first with an empty cache and then again."""
    line = (UV.with_name("uvx"), "--python", python, "--from", released["wheel"], "gemgate")
    for cache in ("empty", "full"):
        before = os.times()
        seconds = await first_answer(machine, *line, "demo", "--port", "0")
        after = os.times()
        cost = after.children_user + after.children_system - before.children_user - before.children_system
        with capsys.disabled():
            print(f"\nuvx, {Path(python).name}, cache {cache}: {seconds:.1f} s, {cost:.1f} s of processor")
        assert cost < CPU_SECONDS


@pytest.mark.soak
async def test_one_line_by_pipx(released: dict[str, Path], machine: Machine) -> None:
    """`pipx run --spec . gemgate demo`."""
    pipx = (UV.with_name("uvx"), "pipx", "run", "--python", sys.executable, "--spec", released["wheel"])
    await first_answer(machine, *pipx, "gemgate", "demo", "--port", "0")


@pytest.mark.soak
async def test_one_line_from_an_index(released: dict[str, Path], machine: Machine, tmp_path: Path) -> None:
    """`pip install gemgate && gemgate demo`, where an index on this machine has gemgate and the usual one the rest: the
    sum makes sure that the usual one's gemgate, if somebody has put one there, is not taken.
    """
    folder = tmp_path / "index" / "simple" / "gemgate"
    folder.mkdir(parents=True)
    wheel = released["wheel"]
    shutil.copy(wheel, folder)
    (folder / "index.html").write_text(f'<!DOCTYPE html><a href="{wheel.name}">{wheel.name}</a>')
    serve = partial(QuietHandler, directory=str(folder.parents[1]))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        venv = machine.home / "venv"
        await asyncio.to_thread(machine.run, sys.executable, "-m", "venv", venv)
        index = f"http://127.0.0.1:{server.server_port}/simple"
        locked = (ROOT / "requirements" / "run.txt").read_text()
        total = hashlib.sha256(wheel.read_bytes()).hexdigest()
        wanted = machine.home / "wanted.txt"
        wanted.write_text(f"{locked}\ngemgate=={__version__} --hash=sha256:{total}\n")
        pip = (venv / "bin" / "python", "-m", "pip", "install", "--quiet", "--extra-index-url", index)
        await asyncio.to_thread(machine.run, *pip, "--require-hashes", "-r", wanted)
    finally:
        server.shutdown()
        server.server_close()
    await first_answer(machine, venv / "bin" / "gemgate", "demo", "--port", "0")


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.soak
@pytest.mark.parametrize("platform", supply.PLATFORMS)
@pytest.mark.parametrize("python", supply.PYTHONS)
def test_every_locked_package_has_a_wheel(platform: str, python: str) -> None:
    if not UV.exists():
        pytest.skip("uv is not installed (make install)")
    assert supply.without_wheel(platform, python) == ""
