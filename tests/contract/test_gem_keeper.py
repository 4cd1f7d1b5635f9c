"""The promises of `ports.GemKeeper`, which only the web app keeps."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gemgate.accounts import Cookies, Gem
from gemgate.errors import GatewayError
from gemgate.ports.upstream import GemKeeper
from gemgate.upstreams.official import KeyPlace, OfficialUpstream
from gemgate.upstreams.web.upstream import WebUpstream
from gemgate_simulator import Simulator

POET = Gem("", "Poet", 'You rhyme.\n"Always".', "Verses")


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(("alice",)) as simulator:
        yield simulator
        assert simulator.record.generations == 0
        assert not simulator.record.violations


@pytest.fixture
async def keeper(sim: Simulator) -> AsyncIterator[WebUpstream]:
    upstream = WebUpstream(proxy=sim.proxy_url, ca_file=str(sim.ca_file), lanes=2)
    await upstream.open(Cookies.of(sim.google.cookies("alice")))
    yield upstream
    await upstream.close()


async def test_what_is_saved_is_told_until_it_is_deleted(keeper: WebUpstream) -> None:
    gem = replace(POET, id=await keeper.save_gem(POET))
    assert await keeper.gems() == (gem,)
    changed = replace(gem, name="Bard", prompt="You sing.")
    assert await keeper.save_gem(changed) == gem.id
    assert await keeper.gems() == (changed,)
    await keeper.delete_gem(gem.id)
    assert await keeper.gems() == ()


async def test_a_gem_is_a_model_of_the_next_session(sim: Simulator, keeper: WebUpstream) -> None:
    gem_id = await keeper.save_gem(POET)
    opened = await keeper.open(Cookies.of(sim.google.cookies("alice")))
    (offer,) = (model for model in opened.models if model.gem)
    assert (offer.name, offer.gem, offer.base) == ("gem:Poet", gem_id, opened.models[0].id)


async def test_a_refusal_is_an_error_and_leaves_the_session_open(sim: Simulator, keeper: WebUpstream) -> None:
    for rpc, call in (("CNgdBe", keeper.gems), ("oMH3Zd", lambda: keeper.save_gem(POET))):
        sim.google.fault(rpc, "reject7")
        with pytest.raises(GatewayError) as caught:
            await call()
        assert caught.value.generated == "no"
    assert await keeper.gems() == ()


def test_the_official_api_has_none() -> None:
    assert isinstance(WebUpstream(proxy=None), GemKeeper)
    assert not isinstance(OfficialUpstream(KeyPlace("env:KEY", environ={})), GemKeeper)
