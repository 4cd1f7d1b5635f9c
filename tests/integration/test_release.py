"""What is released can be installed into an empty environment, and serves there: the page, an answer, an image."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import aiohttp
import pytest

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
    assert {"src", "README.md", "README.zh.md", "LICENSE", "CHANGELOG.md", "pyproject.toml"} <= tops
    assert not tops & {"tests", ".venv", ".git", "data"}


@pytest.mark.parametrize("kind", ["wheel", pytest.param("sdist", marks=pytest.mark.soak)])
async def test_it_serves_from_an_empty_environment(kind: str, released: dict[str, Path], tmp_path: Path) -> None:
    if not UV.exists():
        pytest.skip("uv is not installed (make install)")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("VIRTUAL_ENV", "PYTHON"))}
    environment |= {"HOME": os.environ.get("HOME", str(tmp_path)), "UV_PYTHON_DOWNLOADS": "never"}
    venv = tmp_path / "venv"
    for command in (
        [UV, "venv", "--python", sys.executable, venv],
        [UV, "pip", "install", "--python", venv / "bin" / "python", f"{released[kind]}[demo]"],
    ):
        await asyncio.to_thread(
            subprocess.run, command, check=True, capture_output=True, timeout=300, env=environment, cwd=tmp_path
        )
    gemgate = venv / "bin" / "gemgate"
    said = subprocess.run([gemgate, "--version"], capture_output=True, text=True, check=True, timeout=60).stdout
    assert said == f"gemgate {__version__}\n"
    process = await asyncio.create_subprocess_exec(
        *(gemgate, "demo", "--port", "0"),
        env={**environment, "HOME": str(tmp_path), "NO_COLOR": "1", "COLUMNS": "200"},
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            while b"gemgate demo" not in (line := await process.stdout.readline()):
                assert line, "it ended before it served"
        address = next(word for word in line.decode().split() if word.startswith("http://")).rstrip(":")
        async with asyncio.timeout(60), aiohttp.ClientSession(address) as http:
            async with http.get("/") as page:
                assert "<title>gemgate</title>" in await page.text()
            while True:
                async with http.get("/ready") as ready:
                    if ready.status == 200:
                        break
                await asyncio.sleep(0.1)
            async with http.post("/v1/generate", json={"prompt": "Count to 3"}) as answer:
                assert "3" in (await answer.json())["text"]
            body = {"prompt": "a boat", "response_type": "url"}
            async with http.post("/v1/generate-images", json=body) as answer:
                assert (await answer.json())["images"]
    finally:
        process.terminate()
        await process.communicate()
