"""Several accounts behind one set of cookies, told apart by number; and a page's language (docs/google-wire.md 5.6)."""

from __future__ import annotations

import pytest

from gemgate.accounts import Cookies
from gemgate.errors import GatewayError, SignedOut
from gemgate.ports.upstream import ImageReady
from gemgate.upstreams.web.seat import Seat
from gemgate.upstreams.web.upstream import WebUpstream
from gemgate_simulator import Painting, Simulator
from tests.integration.upstream.conftest import SignIn, answered, joined, pieces


@pytest.fixture
def both(sim2: Simulator) -> Simulator:
    """Alice's cookies are also bob's, whose number is 1."""
    sim2.google.sign_in_beside("alice", "bob")
    return sim2


@pytest.mark.parametrize(("number", "name"), [(0, "alice"), (1, "bob")])
async def test_everything_is_the_account_s_of_that_number(
    both: Simulator, signed_in: SignIn, number: int, name: str
) -> None:
    upstream = await signed_in(both, number=number)
    both.google.reply("paint", "here", image=Painting("gradient", size=(64, 48)))
    first = answered(await pieces(upstream, "say one"))
    assert joined(await pieces(upstream, "say two", thread=first.thread))
    assert await upstream.has_chat(first.thread.cid)
    assert both.record.generations_of(name) == 2
    image = next(piece for piece in await pieces(upstream, "paint") if isinstance(piece, ImageReady))
    fetched = await upstream.fetch_image(image.ref, None)
    assert fetched.source == "full_size"
    assert len((await upstream.usage()).windows) >= 2
    await upstream.delete_chat(first.thread.cid)
    assert (await upstream.rotate()).renewal == "renewed"
    assert both.record.generations == 3
    assert not both.record.violations


async def test_images_of_the_second_account_are_refused_to_the_first(both: Simulator, signed_in: SignIn) -> None:
    both.google.reply("paint", "here", image=Painting("gradient", size=(64, 48)))
    second, first = await signed_in(both, number=1), await signed_in(both)
    ref = next(piece for piece in await pieces(second, "paint") if isinstance(piece, ImageReady)).ref
    with first._using() as client, pytest.raises(GatewayError):
        await client.full_size_address(ref, 5.0)
    with second._using() as client:
        address = await client.full_size_address(ref, 5.0)
        way = await client.session.get(f"{address}=d-I?alr=yes")
    with first._using() as client:
        refused = await client.session.get(way.text)
    assert refused.status_code == 403


async def test_a_number_that_nobody_has_says_so(both: Simulator) -> None:
    upstream = WebUpstream(proxy=both.proxy_url, ca_file=str(both.ca_file), number=2)
    with pytest.raises(SignedOut) as caught:
        await upstream.open(Cookies.of(both.google.cookies("alice")))
    assert caught.value.code == "account_number"
    assert "/u/2" in caught.value.en
    assert both.record.generations == 0


@pytest.mark.parametrize("number", [0, 1])
async def test_a_language_is_asked_for_and_kept(both: Simulator, signed_in: SignIn, number: int) -> None:
    both.google.account("alice").language = both.google.account("bob").language = "de"
    upstream = await signed_in(both, number=number, language="fr")
    assert joined(await pieces(upstream, "say hello"))
    with upstream._using() as client:
        assert client.language == "fr"
        await client.reload(client.session_id)
        assert client.language == "fr"
    assert joined(await pieces(upstream, "say hello again"))
    assert not both.record.violations


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("https://gemini.google.com/app", "https://gemini.google.com/u/3/app"),
        ("https://gemini.google.com/_/BardChatUi/x?a=1", "https://gemini.google.com/u/3/_/BardChatUi/x?a=1"),
        ("https://lh3.googleusercontent.com/gg/abc=s0", "https://lh3.googleusercontent.com/gg/abc=s0?authuser=3"),
        (
            "https://work.fife.usercontent.google.com/rd-gg-dl/a=s0-d-I?alr=yes",
            "https://work.fife.usercontent.google.com/rd-gg-dl/a=s0-d-I?alr=yes&authuser=3",
        ),
        ("https://accounts.google.com/RotateCookies", "https://accounts.google.com/RotateCookies"),
        ("https://content-push.googleapis.com/upload", "https://content-push.googleapis.com/upload"),
    ],
)
def test_addresses_name_the_account(url: str, asked: str) -> None:
    assert Seat(3).address(url) == asked
    assert Seat(0, "de").address(url) == url
