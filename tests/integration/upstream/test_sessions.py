"""Who is signed in is what Google says of the account, not what a page holds (docs/google-wire.md 5.1, 5.6)."""

from __future__ import annotations

import pytest

from gemgate.accounts import PSIDTS, Cookies
from gemgate.dialects import cookie_text
from gemgate.errors import Broken, Drift, GatewayError, SignedOut
from gemgate.ports.upstream import ImageReady
from gemgate.upstreams.web.upstream import WebUpstream
from gemgate_simulator import Painting, Simulator
from tests.integration.upstream.conftest import SignIn, answered, joined, pieces, thoughts


def _closed(sim: Simulator) -> WebUpstream:
    return WebUpstream(proxy=sim.proxy_url, ca_file=str(sim.ca_file))


async def test_a_page_without_a_token_is_no_sign_of_death(sim2: Simulator, signed_in: SignIn) -> None:
    sim2.google.account("alice").page = "empty"
    upstream = await signed_in(sim2)
    assert joined(await pieces(upstream, "say hello"))
    assert (await upstream.ping()).status == "AVAILABLE"
    assert not sim2.record.violations


async def test_the_last_good_token_is_used_where_none_is_refused(sim2: Simulator, signed_in: SignIn) -> None:
    upstream = await signed_in(sim2)
    sim2.google.account("alice").page = "old"
    upstream.offers = (await upstream.open(Cookies.of(sim2.google.cookies("alice")))).models
    assert joined(await pieces(upstream, "say hello"))
    assert not sim2.record.violations


async def test_without_any_token_such_an_account_is_not_called_signed_out(sim2: Simulator) -> None:
    sim2.google.account("alice").page = "old"
    with pytest.raises(Broken) as caught:
        await _closed(sim2).open(Cookies.of(sim2.google.cookies("alice")))
    assert caught.value.code == "no_page_token"


@pytest.mark.parametrize("page", ["token", "empty", "old"])
async def test_a_dead_session_is_signed_out_whatever_its_page_was(
    sim2: Simulator, signed_in: SignIn, page: str
) -> None:
    upstream = await signed_in(sim2)
    sim2.google.account("alice").page = page
    sim2.google.expire("alice")
    with pytest.raises(SignedOut):
        await upstream.ping()
    with pytest.raises(SignedOut):
        await upstream.open(Cookies.of(sim2.google.cookies("alice")))
    assert sim2.record.generations == 0


async def test_the_consent_page_is_named(sim2: Simulator) -> None:
    sim2.google.account("alice").consented = False
    with pytest.raises(GatewayError) as caught:
        await _closed(sim2).open(Cookies.of(sim2.google.cookies("alice")))
    assert caught.value.code == "consent_required"
    assert "SOCS" in caught.value.en


async def test_an_rpc_with_an_old_page_loads_it_anew_once(sim2: Simulator, signed_in: SignIn) -> None:
    upstream = await signed_in(sim2)
    sim2.google.world.build = "boq_assistant-bard-web-server_20261129.01_p0"
    assert len((await upstream.usage()).windows) == 3
    assert sim2.record.requests_of("init") == 2
    assert sim2.record.requests_of("jSf9Qc") == 2
    assert not sim2.record.violations


@pytest.mark.parametrize(
    ("kind", "renewals"),
    [("any", ["renewed"]), ("pair", ["renewed"]), ("jar", ["refused", "renewed"]), ("withheld", ["withheld"] * 2),
     ("bound", ["refused"] * 2)],
)  # fmt: skip
async def test_rotation_tells_what_came_of_it(
    sim2: Simulator, signed_in: SignIn, kind: str, renewals: list[str]
) -> None:
    upstream = await signed_in(sim2)
    sim2.google.account("alice").rotation = kind
    before = sim2.google.cookies("alice")
    rotated = []
    while not rotated or rotated[-1].other_way:
        rotated.append(await upstream.rotate())
        sim2.google.advance(61)
    now = sim2.google.cookies("alice")
    assert [one.renewal for one in rotated] == renewals
    assert rotated[-1].cookies.as_dict() == now
    assert (now[PSIDTS] != before[PSIDTS]) == (renewals[-1] == "renewed")
    assert sim2.record.requests_of("rotate") == len(renewals)
    assert (await upstream.ping()).status == "AVAILABLE"
    assert joined(await pieces(upstream, "say hello"))
    if kind == "jar":  # the way that worked is gone first from now on
        assert (await upstream.rotate()).renewal == "renewed"
    assert not sim2.record.violations


async def test_asking_too_often_is_no_refusal(sim2: Simulator, signed_in: SignIn) -> None:
    upstream = await signed_in(sim2)
    assert (await upstream.rotate()).renewal == "renewed"
    with pytest.raises(Broken) as caught:
        await upstream.rotate()
    assert (caught.value.code, caught.value.generated) == ("rotated_too_often", "no")
    assert (await upstream.ping()).status == "AVAILABLE"


async def test_a_status_check_with_an_old_page_loads_it_anew(sim2: Simulator, signed_in: SignIn) -> None:
    upstream = await signed_in(sim2)
    sim2.google.world.build = "boq_assistant-bard-web-server_20261129.01_p0"
    assert (await upstream.ping()).status == "AVAILABLE"
    assert sim2.record.requests_of("init") == 2


async def test_the_turns_of_a_conversation_are_counted(sim2: Simulator, signed_in: SignIn) -> None:
    upstream = await signed_in(sim2)
    thread = None
    for number in range(3):
        thread = answered(await pieces(upstream, f"say {number}", thread=thread)).thread
    assert thread is not None
    assert thread.turns == 3
    assert not sim2.record.violations


@pytest.mark.parametrize(("usage", "known"), [("rows", 3), ("new_kind", 3), ("empty", 0)])
async def test_usage_that_is_not_told_is_unknown(sim2: Simulator, signed_in: SignIn, usage: str, known: int) -> None:
    upstream = await signed_in(sim2)
    sim2.google.world.switches.usage = usage
    told = await upstream.usage()
    assert len(told.windows) == known
    assert told.tier == ("pro" if known else "unknown")


@pytest.mark.parametrize(
    ("fault", "error"),
    [({"kind": "reject7"}, SignedOut), ({"kind": "code", "code": 3}, Broken), ({"kind": "empty"}, Drift)],
    ids=["not signed in", "refused", "no part"],
)
async def test_an_rpc_that_is_refused_is_not_one_that_finds_nothing(
    sim2: Simulator, signed_in: SignIn, fault: dict[str, object], error: type[GatewayError]
) -> None:
    upstream = await signed_in(sim2)
    assert not await upstream.has_chat("c_nowhere")
    sim2.google.fault("hNvQHb", **fault)
    with pytest.raises(error):
        await upstream.has_chat("c_nowhere")


async def test_a_second_temporary_chat_ends_the_first(sim2: Simulator, signed_in: SignIn) -> None:
    upstream = await signed_in(sim2)
    first = answered(await pieces(upstream, "say one", temporary=True))
    again = answered(await pieces(upstream, "say two", temporary=True, thread=first.thread))
    assert again.thread.cid == first.thread.cid
    await pieces(upstream, "say three", temporary=True)
    with pytest.raises(Broken) as caught:
        await pieces(upstream, "say four", temporary=True, thread=again.thread)
    assert (caught.value.generated, caught.value.remedy) == ("no", "fresh_chat")


def _jar(sim: Simulator, *more: tuple[str, str]) -> Cookies:
    """Cookies as a browser's export has them: Netscape lines."""
    rows = [*sim.google.cookies("alice").items(), *more]
    return cookie_text.read("\n".join(f".google.com\tTRUE\t/\tTRUE\t0\t{name}\t{value}" for name, value in rows))


async def test_an_account_that_rotates_with_its_whole_jar_is_renewed(sim2: Simulator) -> None:
    sim2.google.account("alice").rotation = "jar"
    upstream = _closed(sim2)
    await upstream.open(_jar(sim2, ("SID", "g.sid"), ("SAPISID", "abc/def")))
    refused = await upstream.rotate()
    assert (refused.renewal, refused.other_way) == ("refused", True)
    sim2.google.advance(61)
    rotated = await upstream.rotate()
    assert rotated.renewal == "renewed"
    assert [(one.name, one.value) for one in rotated.cookies.others] == [("SID", "g.sid"), ("SAPISID", "abc/def")]
    await upstream.close()


async def test_more_cookies_than_three_show_more_models(sim2: Simulator) -> None:
    sim2.google.account("alice").flagged = True
    upstream = _closed(sim2)
    bare = await upstream.open(Cookies.of(sim2.google.cookies("alice")))
    assert "gemini-pro" not in {offer.name for offer in bare.models}
    whole = await upstream.open(_jar(sim2, ("SID", "g.sid"), ("SAPISID", "abc/def")))
    assert {offer.name for offer in whole.models} - {offer.name for offer in bare.models} == {"gemini-pro"}
    await upstream.close()


async def test_more_cookies_than_three_bring_images_in_full_size(sim2: Simulator) -> None:
    sim2.google.account("alice").flagged = True
    sim2.google.reply("a cat", "Here.", image=Painting("gradient", size=(64, 48)))
    sources = []
    for more in ((), (("SID", "g.sid"),)):
        upstream = _closed(sim2)
        upstream.offers = (await upstream.open(_jar(sim2, *more))).models
        (ref,) = [piece.ref for piece in await pieces(upstream, "a cat") if isinstance(piece, ImageReady)]
        sources.append((await upstream.fetch_image(ref, None)).source)
        await upstream.close()
    assert sources == ["s0", "full_size"]
    assert not sim2.record.violations


async def test_a_lower_model_thinks_in_silence(sim2: Simulator, signed_in: SignIn) -> None:
    upstream = await signed_in(sim2)
    sim2.google.reply("think", "done", thoughts="hm")
    assert thoughts(await pieces(upstream, "think", extended_thinking=True)) == "hm"
    sim2.google.world.switches.terse = True
    assert thoughts(await pieces(upstream, "think", extended_thinking=True)) == ""
    sim2.google.world.switches.terse = False
    sim2.google.account("alice").guest = True
    found = await pieces(upstream, "think")
    assert thoughts(found) == ""
    assert answered(found).served == "3.1 Flash Lite"


async def test_the_answer_to_the_consent_page_is_taken_from_the_import(sim2: Simulator) -> None:
    sim2.google.account("alice").consented = False
    upstream = _closed(sim2)
    assert (await upstream.open(_jar(sim2, ("SOCS", "CAISNQgDEitib3E")))).models
    await upstream.close()


async def test_a_session_that_shows_none_of_its_chats_is_a_phantom(sim2: Simulator, signed_in: SignIn) -> None:
    upstream = await signed_in(sim2)
    sim2.google.account("alice").phantom = True
    assert (await upstream.ping()).status == "AVAILABLE"  # nobody knows of a chat that should be there
    sim2.google.account("alice").phantom = False
    await pieces(upstream, "say hello")
    sim2.google.account("alice").phantom = True
    for look in (upstream.ping(), upstream.open(Cookies.of(sim2.google.cookies("alice")), had_chats=True)):
        with pytest.raises(Broken) as caught:
            await look
        assert (caught.value.code, caught.value.generated) == ("phantom_session", "no")
    sim2.google.account("alice").phantom = False
    assert (await upstream.ping()).status == "AVAILABLE"
    assert not sim2.record.violations


async def test_chats_alone_prove_a_session(sim2: Simulator, signed_in: SignIn) -> None:
    upstream = await signed_in(sim2)
    await pieces(upstream, "say hello")
    sim2.google.world.switches.silent_status = True
    assert (await upstream.ping()).status == "AVAILABLE"
    assert (await upstream.open(Cookies.of(sim2.google.cookies("alice")))).status == "AVAILABLE"
    assert sim2.record.requests_of("MaZiqc") == 2
