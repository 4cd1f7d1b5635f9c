"""Two versions of one schema in a fleet: one is put in the place of the other, node by node, and no caller notices."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import aiohttp
import pytest

from gemgate.version import __version__
from tests.support.fleet_calls import chat, record
from tests.support.fleets import ACCOUNTS, RunningFleet

OLDER = "0.0.9"


def as_version(version: str, folder: Path) -> dict[str, str]:
    """The environment in which gemgate says that it is another version."""
    (folder / "sitecustomize.py").write_text(f"import gemgate.version\ngemgate.version.__version__ = {version!r}\n")
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))}


def replace(fleet: RunningFleet, name: str, **environment: str) -> None:
    """As docs/fleet.md says it: drain, wait until nothing runs there, restart, resume."""
    fleet.ask("POST", f"/api/nodes/{name}/drain", {"draining": True})
    fleet.wait(lambda rows: rows[name]["inflight"] == 0)
    assert fleet.nodes[name].end() == 0
    fleet.begin(name, **environment).wait_listening()
    fleet.ask("POST", f"/api/nodes/{name}/drain", {"draining": False})
    fleet.wait_healthy()


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_a_fleet_is_brought_to_a_new_version_under_calls(fleet: RunningFleet, tmp_path: Path) -> None:
    for name in ACCOUNTS:
        await asyncio.to_thread(replace, fleet, name, **as_version(OLDER, tmp_path))
    fleet.sim.google.forget()
    _, overview = fleet.ask("GET", "/api/overview")
    for name in ACCOUNTS:
        assert f"node {name} runs gemgate {OLDER}, this gateway {__version__}" in json.dumps(overview)
    statuses: list[int] = []
    served: set[str] = set()
    for name in ACCOUNTS:
        replaced = asyncio.create_task(asyncio.to_thread(replace, fleet, name))
        async with aiohttp.ClientSession(fleet.url) as http:
            while not replaced.done():
                status, node, _ = await chat(http, f"while {name} changes, {len(statuses)}")
                statuses.append(status)
                served.add(node)
        await replaced
    assert set(statuses) == {200}
    assert served == set(ACCOUNTS)
    assert record(fleet).generations == len(statuses)
    _, overview = fleet.ask("GET", "/api/overview")
    assert OLDER not in json.dumps(overview)
