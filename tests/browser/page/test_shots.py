"""Screenshots of every room for people to look at, in test-artifacts/page/rooms: with 0, 1 and 12 accounts, 0 and 5000
images, in both languages and themes, on a phone and a wide screen. Held at once: no overflow, no complaint, axe-core.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import product
from pathlib import Path

import pytest
from playwright.async_api import Browser

from gemgate_simulator import Simulator
from tests.browser.page import conftest
from tests.browser.page.conftest import Visitor, overflows, violations, visiting
from tests.support import page_scenes
from tests.support.page_views import PAGES
from tests.support.patience import until
from tests.support.serving import Served, served, settings_for

pytestmark = [pytest.mark.system]

ROOMS = conftest.SHOTS / "rooms"
WIDE, NARROW = {"width": 1400, "height": 900}, {"width": 390, "height": 844}
LOOKS = list(product(("en", "zh"), ("light", "dark"), (WIDE, NARROW)))


@asynccontextmanager
async def scene(folder: Path, accounts: int, images: int) -> AsyncIterator[Served]:
    """A gateway with so many accounts and images, and a day behind it when it has accounts."""
    names = tuple(f"account{number + 1}" for number in range(accounts))
    async with Simulator(accounts=names or ("nobody",)) as sim:
        lines = []
        for name in names:
            header = "; ".join(f"{key}={value}" for key, value in sim.google.cookies(name).items())
            (folder / f"{name}.txt").write_text(header)
            lines.append(f'[[account]]\nname = "{name}"\nsource = "file:{name}.txt"\n')
        if lines:
            (folder / "accounts.toml").write_text("\n".join(lines))
        settings = settings_for(None, folder, proxy_url=sim.proxy_url, proxy_ca_file=sim.ca_file, concurrency=4)
        async with served(settings, wait_ready=bool(names)) as gate:
            await until(lambda: all(one.is_open for one in gate.service.pool.accounts))
            await page_scenes.images(gate, images)
            if names:
                if accounts > 2:
                    sim.google.fault("generate", "code", code=1037, account=names[2], times=3)
                await page_scenes.some_calls(gate)
                page_scenes.a_day_of_calls(gate.service.series, gate.service.clock.now())
            yield gate


async def looked_at(visitor: Visitor, name: str, axe: str) -> list[str]:
    ROOMS.mkdir(parents=True, exist_ok=True)
    await visitor.page.screenshot(path=ROOMS / f"{name}.png", full_page="gallery" not in name)
    found = [f"{name} overflows: {element}" for element in await overflows(visitor.page)]
    return found + [f"{name}: {violation}" for violation in await violations(visitor.page, axe)]


@pytest.mark.soak
async def test_a_handful_of_rooms(tmp_path: Path, chrome: Browser, axe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conftest, "SIZES", {"wide": WIDE, "narrow": NARROW})
    wrong: list[str] = []
    async with scene(tmp_path, 12, 5000) as gate:
        for language, theme, size in (("en", "light", "wide"), ("zh", "dark", "narrow")):
            async with visiting(chrome, gate.url, language=language, theme=theme, size=size) as visitor:
                for place in ("overview", "connect", "chat", "gallery"):
                    await visitor.open(place)
                    wrong += await looked_at(visitor, f"{place}-12-5000-{language}-{theme}-{size}", axe)
    assert not wrong, "\n".join(wrong)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("accounts", "images"), [(0, 0), (1, 0), (1, 5000), (12, 0), (12, 5000)])
async def test_every_room_in_every_look(
    tmp_path: Path, chrome: Browser, axe: str, monkeypatch: pytest.MonkeyPatch, accounts: int, images: int
) -> None:
    monkeypatch.setattr(conftest, "SIZES", {"1400": WIDE, "390": NARROW})
    wrong: list[str] = []
    async with scene(tmp_path, accounts, images) as gate:
        for language, theme, screen in LOOKS:
            size = str(screen["width"])
            async with visiting(chrome, gate.url, language=language, theme=theme, size=size) as visitor:
                for place in PAGES:
                    await visitor.open(place)
                    name = f"{place.replace('/', '-')}-{accounts}-{images}-{language}-{theme}-{size}"
                    wrong += await looked_at(visitor, name, axe)
    assert not wrong, "\n".join(wrong)
