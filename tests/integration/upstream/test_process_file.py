"""The call that shows a file to Google before a prompt may refer to it (docs/google-wire.md 8.2)."""

from __future__ import annotations

import pytest

from gemgate.errors import Broken, GatewayError
from gemgate.ports import SentFile, Upload
from gemgate.simulator import Simulator
from gemgate.upstreams.web.facts import UploadFacts, shipped
from tests.integration.upstream.conftest import SignIn, joined, pieces

CALLED = shipped().model_copy(update={"uploads": UploadFacts(process_file=True)})
FILE = Upload("a.txt", "text/plain", b"five.", "0" * 64)


@pytest.mark.parametrize("wanted", [False, True], ids=["today", "wanted"])
async def test_it_is_called_where_the_operator_says_so(sim2: Simulator, signed_in: SignIn, wanted: bool) -> None:
    assert not shipped().uploads.process_file
    sim2.google.world.switches.files.processed = wanted
    sim2.google.reply("read", lambda prompt: f"{prompt.files[0].name}: {prompt.files[0].data.decode()}")
    upstream = await signed_in(sim2, facts=CALLED)
    sent = (SentFile(await upstream.upload(FILE), FILE.name, FILE.mime),)
    assert joined(await pieces(upstream, "read it", files=sent)) == "a.txt: five."
    assert sim2.record.requests_of("process_file") == 1
    assert not sim2.record.violations


async def test_without_it_such_a_day_is_told_by_googles_code(sim2: Simulator, signed_in: SignIn) -> None:
    sim2.google.world.switches.files.processed = True
    upstream = await signed_in(sim2)
    sent = (SentFile(await upstream.upload(FILE), FILE.name, FILE.mime),)
    with pytest.raises(GatewayError) as caught:
        await pieces(upstream, "read it", files=sent)
    assert "1100" in caught.value.en
    assert sim2.record.requests_of("process_file") == sim2.record.generations == 0


async def test_an_old_page_is_loaded_anew_for_it(sim2: Simulator, signed_in: SignIn) -> None:
    upstream = await signed_in(sim2, facts=CALLED)
    sim2.google.account("alice").token_life = 0.0
    with pytest.raises(Broken) as caught:
        await upstream.upload(FILE)
    assert (caught.value.remedy, sim2.record.requests_of("process_file")) == ("reload", 2)
