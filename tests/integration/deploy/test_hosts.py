"""Descriptions for hosts: they name what is there, and what they leave out of a volume survives a restart."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import tomllib
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from gemgate.settings import Settings
from gemgate_simulator import Simulator
from tests.support.chaos import Node
from tests.support.patience import PATIENCE
from tests.support.servers import postgres_server, postgres_url  # noqa: F401 - fixtures

ROOT = Path(__file__).parents[3]
HOSTS = ROOT / "deploy" / "hosts"
VARIABLES = {"DATABASE_URL", "COOKIE_KEYS", "API_KEY", "ADMIN_KEY"}


def generated() -> str:
    """What Render makes: 32 bytes in plain base64."""
    return base64.b64encode(os.urandom(31) + b"\xff").decode()


def test_they_name_what_is_there() -> None:
    render = yaml.safe_load((HOSTS / "render.yaml").read_text())
    (service,) = render["services"]
    variables = {one.pop("key"): one for one in service["envVars"]}
    assert set(variables) == VARIABLES <= {name.upper() for name in Settings.model_fields}
    assert variables.pop("DATABASE_URL")["fromDatabase"]["name"] == render["databases"][0]["name"]
    assert all(one == {"generateValue": True} for one in variables.values()), "no secret stands in a file"
    railway = json.loads((HOSTS / "railway.json").read_text())
    fly = tomllib.loads((HOSTS / "fly.toml").read_text())
    (check,) = fly["http_service"]["checks"]
    assert {service["healthCheckPath"], railway["deploy"]["healthcheckPath"], check["path"]} == {"/health"}
    for path in (ROOT / service["dockerfilePath"], ROOT / railway["build"]["dockerfilePath"]):
        assert path.is_file()
    assert (HOSTS / fly["build"]["dockerfile"]).resolve() == ROOT / "Dockerfile"
    assert f"PORT={fly['http_service']['internal_port']}" in (ROOT / "Dockerfile").read_text()
    for page in ("README.md", "README.zh.md"):
        assert all(f"{name}=" in (HOSTS / page).read_text("utf-8") for name in VARIABLES)


async def test_nothing_but_the_database_outlives_a_restart(
    sim: Simulator,
    postgres_url: str,  # noqa: F811
    tmp_path: Path,
) -> None:
    """As these hosts start it: their PORT, the keys that they make, and a folder that is empty each time."""
    admin, key = generated(), generated()
    environment = {
        "DATABASE_URL": postgres_url.replace("+psycopg", ""),
        "COOKIE_KEYS": generated(),
        "API_KEY": key,
        "ADMIN_KEY": admin,
        "PROXY_URL": sim.proxy_url,
        "PROXY_CA_FILE": str(sim.ca_file),
    }
    by_admin, by_key = ({"authorization": f"Bearer {one}"} for one in (admin, key))
    cookies = sim.google.cookies("alice")
    for start in (1, 2):
        folder = tmp_path / str(start)
        folder.mkdir()
        node = Node("host", {**environment, "DATA_DIR": str(folder / "data")}, folder)
        try:
            await node.start()
            async with aiohttp.ClientSession(node.url) as http:
                if start == 1:
                    body: dict[str, Any] = {"name": "alice", "cookies": cookies}
                    async with http.post("/api/accounts", json=body, headers=by_admin) as answer:
                        assert answer.status in (200, 201), await answer.text()

                async with asyncio.timeout(PATIENCE):
                    while (await http.get("/ready")).status != 200:
                        await asyncio.sleep(0.05)
                chat = {"model": "gemini-3-flash-preview", "messages": [{"role": "user", "content": "hello"}]}
                async with http.post("/v1/chat/completions", json=chat, headers=by_key) as answer:
                    assert answer.status == 200, await answer.text()
            assert node.process is not None
            node.process.terminate()
            await asyncio.to_thread(node.process.wait, 30)
        finally:
            node.end()
    assert sim.record.generations == 2
