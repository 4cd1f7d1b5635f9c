"""Settings of a gateway whose Google is simulated, for `gemgate demo` and the first answer of `gemgate init`."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cryptography.fernet import Fernet

from gemgate.settings import Settings, explicit, is_loopback


@asynccontextmanager
async def simulated(host: str, port: int) -> AsyncIterator[Settings]:
    """A Google with one account, and the settings that lead to it, as long as the block lasts: no limits, and a
    folder for data that goes with it.
    """
    from gemgate_simulator import Simulator  # a real gateway does not need it

    async with Simulator(accounts=("demo",)) as simulator:
        cookies = simulator.google.cookies("demo")
        with tempfile.TemporaryDirectory(prefix="gemgate-demo-") as folder:
            yield explicit(
                host=host,
                port=port,
                auth="" if is_loopback(host) else "none",
                secure_1psid=cookies["__Secure-1PSID"],
                secure_1psidts=cookies["__Secure-1PSIDTS"],
                proxy_url=simulator.proxy_url,
                proxy_ca_file=simulator.ca_file,
                data_dir=Path(folder),
                cookie_keys=Fernet.generate_key().decode(),
                rate_limit_per_hour=0,
                model_interval_seconds=0,
                rpm_limit=0,
                address_rpm_limit=0,
                concurrency=16,
            )
