"""The image that a release publishes, built without an engine: each line of the Dockerfile in a root folder of its own,
on Debian with its own Python in place of the base image. It runs as the chart runs it: as its user, on a root that
nobody may write.

Run by hand, as root, with mmdebstrap and bubblewrap: `pytest tests/integration/deploy/test_image.py -m soak -s`.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from gemgate_simulator import Simulator
from tests.support.patience import PATIENCE
from tests.support.roots import debian, entered, reaching_packages
from tests.support.servers import free_port

ROOT = Path(__file__).parents[3]
pytestmark = [pytest.mark.soak, pytest.mark.timeout(1200)]
SAYS_NOTHING = {"ARG", "EXPOSE", "VOLUME", "STOPSIGNAL"}


@dataclass(slots=True)
class Stage:
    """One stage while it is built: its root folder, and what its lines have said so far."""

    root: Path
    env: dict[str, str] = field(default_factory=lambda: {"PATH": "/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin"})
    workdir: str = "/"
    user: str = "root"
    check: list[str] = field(default_factory=list)
    entry: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)

    def take(self, word: str, rest: str, stages: dict[str, Stage]) -> None:
        match word:
            case "ENV":
                for pair in shlex.split(rest):
                    name, _, value = pair.partition("=")
                    self.env[name] = re.sub(r"\$(\w+)", lambda found: self.env[found[1]], value)
            case "WORKDIR":
                self.workdir = rest
                self.inside(rest).mkdir(parents=True, exist_ok=True)
            case "USER":
                self.user = rest
            case "COPY":
                self.copy(rest.split(), stages)
            case "RUN":
                self.run(rest)
            case "HEALTHCHECK":
                self.check = json.loads(rest.partition("CMD ")[2])
            case "ENTRYPOINT":
                self.entry = json.loads(rest)
            case "CMD":
                self.command = json.loads(rest)
            case _:
                assert word in SAYS_NOTHING, word

    def inside(self, place: str) -> Path:
        return self.root / os.path.join(self.workdir, place).lstrip("/")

    def copy(self, words: list[str], stages: dict[str, Stage]) -> None:
        source = ROOT
        if words[0].startswith("--from="):
            source = stages[words.pop(0).partition("=")[2]].root
        *froms, to = words
        for each in froms:
            place, there = source / each.lstrip("/"), self.inside(to)
            if place.is_dir():
                shutil.copytree(place, there, symlinks=True, dirs_exist_ok=True)
            else:
                target = there / place.name if to.endswith("/") else there
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(place, target)

    def run(self, line: str) -> None:
        binds, variables = reaching_packages()
        words = entered(
            self.root, ("sh", "-ec", line), env={**variables, **self.env}, binds=[*binds, "--chdir", self.workdir]
        )
        done = subprocess.run(words, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, (line, done.stderr[-2000:])

    def started(self, command: list[str], volumes: list[str], env: dict[str, str]) -> list[str]:
        """The command of a container, as its user, on a root that is not written."""
        uid, gid = re.findall(rf"(?m)^{self.user}:x:(\d+):(\d+)", (self.root / "etc/passwd").read_text())[0]
        rights = ("setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--no-new-privs")
        binds = [*volumes, "--chdir", self.workdir]
        return entered(self.root, (*rights, *command), env={**self.env, **env}, binds=binds, read_only=True)


def lines() -> list[tuple[str, str]]:
    """The Dockerfile's instructions."""
    text = re.sub(r"(?m)^\s*#.*\n", "", (ROOT / "Dockerfile").read_text()).replace("\\\n", " ")
    split = [line.partition(" ") for line in text.splitlines() if line.strip()]
    return [(word, rest.strip()) for word, _, rest in split]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """The last stage, built."""
    folder = tmp_path_factory.mktemp("image")
    base = debian(folder / "base", "python3-venv", "ca-certificates")
    (base / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    stages: dict[str, Stage] = {}
    stage: Stage | None = None
    for word, rest in lines():
        if word == "FROM":
            name = rest.rpartition(" AS ")[2] if " AS " in rest else "last"
            subprocess.run(["cp", "-a", base, folder / name], check=True, timeout=120)
            stage = stages[name] = Stage(folder / name)
        elif stage is not None:
            stage.take(word, rest, stages)
    return stages["last"]


async def test_it_serves_is_healthy_and_ends(image: Stage, tmp_path: Path) -> None:
    uid = int(re.findall(rf"(?m)^{image.user}:x:(\d+)", (image.root / "etc/passwd").read_text())[0])
    assert uid != 0
    assert not [*image.root.glob("opt/*/bin/pip*")], "nothing in it installs packages"
    volumes = []
    for name in ("data", "keys"):
        made = image.root / name  # as the image has it: a volume takes its owner and rights from there
        assert made.stat().st_uid == uid
        subprocess.run(["cp", "-a", made, tmp_path / name], check=True)
        volumes += ["--bind", str(tmp_path / name), f"/{name}"]
    key, port = "a-client-key-for-tests", str(free_port())
    async with Simulator(("alice",)) as sim:
        volumes += ["--ro-bind", str(sim.ca_file), "/tmp/ca.pem"]
        cookies = sim.google.cookies("alice")
        env = {"API_KEY": key, "PORT": port, "PROXY_URL": sim.proxy_url, "PROXY_CA_FILE": "/tmp/ca.pem"}
        env |= {"SECURE_1PSID": cookies["__Secure-1PSID"], "SECURE_1PSIDTS": cookies["__Secure-1PSIDTS"]}
        process = await asyncio.create_subprocess_exec(
            *image.started([*image.entry, *image.command], volumes, env),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            body = {"messages": [{"role": "user", "content": "Count to 3"}]}
            by_key = {"authorization": f"Bearer {key}"}
            async with asyncio.timeout(PATIENCE), aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
                while True:
                    with suppress(aiohttp.ClientError):
                        async with http.get("/ready") as ready:
                            if ready.status == 200:
                                break
                    assert process.returncode is None, await process.communicate()
                    await asyncio.sleep(0.1)
                async with http.post("/v1/chat/completions", json=body, headers=by_key) as answer:
                    assert "3" in (await answer.json())["choices"][0]["message"]["content"]
                async with http.post("/v1/images/generations", json={"prompt": "a boat"}, headers=by_key) as made:
                    assert made.status == 200, await made.text()
            looked = await asyncio.create_subprocess_exec(*image.started(image.check, volumes, env))
            assert await looked.wait() == 0
            (gateway,) = [one for one in Path("/proc").glob("[0-9]*") if is_gateway(one, port)]
            assert gateway.stat().st_uid == uid
            os.kill(int(gateway.name), 15)
            said = (await asyncio.wait_for(process.communicate(), PATIENCE))[0].decode()
            assert process.returncode == 0, said
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    kept = tmp_path / "data" / "gemgate.sqlite3"
    assert (kept.stat().st_uid, (tmp_path / "keys" / "cookie.key").stat().st_mode & 0o777) == (uid, 0o600)


def is_gateway(process: Path, port: str) -> bool:
    """Whether it is the program itself, and no sandbox around it."""
    with suppress(OSError):
        words = (process / "cmdline").read_bytes().split(b"\0")
        environment = (process / "environ").read_bytes().split(b"\0")
        return any(word.endswith(b"/gemgate") for word in words[:2]) and f"PORT={port}".encode() in environment
    return False
