"""The promises of `ports.MediaSource`, which only the web app keeps."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gemgate.accounts import Cookies
from gemgate.errors import Broken, GatewayError
from gemgate.findings import Media
from gemgate.media import VideoRequest
from gemgate.ports.upstream import Completed, MediaSource, Prompt
from gemgate.upstreams.official import KeyPlace, OfficialUpstream
from gemgate.upstreams.web.upstream import WebUpstream
from gemgate_simulator import Simulator
from gemgate_simulator.mp4 import Movie

BYTES = 200_000


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(("alice",)) as simulator:
        simulator.google.videos(looks=0, seconds=8, nbytes=BYTES)
        yield simulator
        assert not simulator.record.violations


@pytest.fixture
async def source(sim: Simulator) -> AsyncIterator[WebUpstream]:
    upstream = WebUpstream(proxy=sim.proxy_url, ca_file=str(sim.ca_file), lanes=2)
    yield upstream
    await upstream.close()


async def film(source: WebUpstream, sim: Simulator) -> Media:
    """A video that was asked for and is there."""
    opened = await source.open(Cookies.of(sim.google.cookies("alice")))
    prompt = Prompt("a fox runs", opened.models[0], exact=True, making=VideoRequest("a fox runs"))
    (ended,) = [piece async for piece in source.stream(prompt) if isinstance(piece, Completed)]
    (media,) = ended.findings.media
    return media


async def test_the_whole_file_is_written_and_nothing_else(source: WebUpstream, sim: Simulator, tmp_path: Path) -> None:
    target = tmp_path / "film.mp4"
    size = await source.fetch_media(await film(source, sim), target)
    assert target.read_bytes() == Movie(1280, 720, 8, BYTES).data()
    assert size == target.stat().st_size == BYTES


async def test_a_file_that_is_cut_off_is_broken_and_may_be_fetched_again(
    source: WebUpstream, sim: Simulator, tmp_path: Path
) -> None:
    sim.google.videos(looks=0, seconds=8, nbytes=BYTES, cut=BYTES // 2, cuts=1)
    media = await film(source, sim)
    with pytest.raises(Broken) as caught:
        await source.fetch_media(media, tmp_path / "film.mp4")
    assert caught.value.generated == "maybe"
    assert await source.fetch_media(media, tmp_path / "film.mp4") == BYTES
    assert sim.record.generations == 1


async def test_an_address_that_is_not_google_s_is_not_asked(
    source: WebUpstream, sim: Simulator, tmp_path: Path
) -> None:
    await film(source, sim)
    with pytest.raises(GatewayError):
        await source.fetch_media(Media("video", "https://example.org/film.mp4"), tmp_path / "film.mp4")
    assert not (tmp_path / "film.mp4").exists()


def test_the_official_api_has_none() -> None:
    assert isinstance(WebUpstream(proxy=None), MediaSource)
    assert not isinstance(OfficialUpstream(KeyPlace("env:KEY", environ={})), MediaSource)
