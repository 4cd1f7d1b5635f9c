"""Settings of a gateway whose Google is simulated: for `gemgate demo`, the first answer of `gemgate init`, and the
laboratory's demonstration.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemgate.settings import Settings, explicit, is_loopback
from gemgate.stores.vault import new_key

if TYPE_CHECKING:
    from gemgate_simulator import Simulator


@asynccontextmanager
async def simulated(host: str, port: int) -> AsyncIterator[Settings]:
    """A Google with one account, and the settings that lead to it, as long as the block lasts: no limits, and a
    folder for data that goes with it.
    """
    from gemgate_simulator import Simulator  # a real gateway does not need it

    async with Simulator(accounts=("demo",)) as simulator:
        cookies = simulator.google.cookies("demo")
        with tempfile.TemporaryDirectory(prefix="gemgate-demo-") as folder:
            yield _settings(
                simulator,
                Path(folder),
                host=host,
                port=port,
                auth="" if is_loopback(host) else "none",
                secure_1psid=cookies["__Secure-1PSID"],
                secure_1psidts=cookies["__Secure-1PSIDTS"],
                concurrency=16,
            )


ROTATED_EVERY = 2.0
"""Seconds between the rotations of the laboratory's demonstration, whose sessions live for seconds."""


@asynccontextmanager
async def simulated_sessions(lifetimes: Sequence[float]) -> AsyncIterator[tuple[Settings, list[Mapping[str, str]]]]:
    """A Google with one account for each of these, which its cookies outlive by so many seconds when they are not
    rotated; the settings that lead to it, and the cookies.
    """
    from gemgate_simulator import Simulator

    async with Simulator(accounts=()) as simulator:
        google = simulator.google
        for number, seconds in enumerate(lifetimes):
            google.add_account(f"demo-{number}", lifetime=seconds, rotate_gap=0.0)
        with tempfile.TemporaryDirectory(prefix="gemgate-lab-") as folder:
            facts = _quick_facts(Path(folder))
            settings = _settings(
                simulator, Path(folder), wire_facts=facts, cookie_refresh_seconds=ROTATED_EVERY, canary=""
            )
            yield settings, [google.cookies(name) for name in google.names]


def _quick_facts(folder: Path) -> Path:
    """What is believed of Google where a session lives for seconds."""
    file = folder / "facts.toml"
    file.write_text("[session]\nrotate_gap_seconds = 1\nsuperseded_seconds = 0\n", "utf-8")
    return file


def _settings(simulator: Simulator, folder: Path, **more: Any) -> Settings:
    return explicit(
        proxy_url=simulator.proxy_url,
        proxy_ca_file=simulator.ca_file,
        data_dir=folder,
        cookie_keys=new_key(),
        rate_limit_per_hour=0,
        model_interval_seconds=0,
        rpm_limit=0,
        address_rpm_limit=0,
        **more,
    )
