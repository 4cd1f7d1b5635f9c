"""The unmodified client library against the simulator, over HTTP/2 and HTTP/1.1."""

from __future__ import annotations

from pathlib import Path

import pytest
from gemini_webapi.constants import AccountStatus
from gemini_webapi.exceptions import (
    APIError,
    ModelInvalidError,
    TemporarilyBlockedError,
    UsageLimitExceededError,
)

from gemgate.accounts import PSID, PSIDTS
from gemgate_simulator import Answer, Simulator
from tests.integration.simulator.conftest import Stock

pytestmark = pytest.mark.stock

REVISED = ["The answer", "The answer is 41", "The answer is 42, <b>surely</b> 世界 😀"]


async def test_it_signs_in_with_eleven_round_trips(sim: Simulator, stock: Stock) -> None:
    client = await stock(sim)
    assert client.account_status == AccountStatus.AVAILABLE
    assert [model.model_name for model in client.list_models()] == ["gemini-flash", "gemini-pro", "gemini-flash-lite"]
    assert client.usage_info["tier"]["label"] == "PRO"
    assert client.abuse_status["is_clean"]
    assert len(sim.record.requests) == 11
    assert {seen.account for seen in sim.record.requests} == {"alice"}
    assert {seen.status for seen in sim.record.requests} == {200}
    assert list(sim.record.violations) == []


async def test_it_speaks_the_http_version_that_is_offered(
    sim: Simulator, stock: Stock, request: pytest.FixtureRequest
) -> None:
    await stock(sim)
    expected = "2" if "h2" in request.node.name else "1.1"
    assert {seen.http for seen in sim.record.requests} == {expected}


@pytest.mark.parametrize("model", [None, "gemini-flash", "gemini-pro", "gemini-flash-lite"])
async def test_it_generates(sim: Simulator, stock: Stock, model: str | None) -> None:
    client = await stock(sim)
    sim.google.reply("question", frames=REVISED)
    output = await client.generate_content("question", model=model)
    assert output.text == REVISED[-1]
    assert sim.record.calls[0].model == (model or "gemini-flash")
    assert (sim.record.received, sim.record.generations, sim.record.open_streams) == (1, 1, 0)
    assert list(sim.record.violations) == []


@pytest.mark.parametrize("tier", ["free", "plus", "ultra"])
async def test_every_tier_is_understood(sim: Simulator, stock: Stock, tier: str) -> None:
    sim.google.add_account("carol", tier=tier)
    client = await stock(sim, "carol")
    assert (await client.generate_content("say hi", model="gemini-pro")).text == "hi"
    assert client.usage_info["tier"]["label"] == tier.upper()
    assert list(sim.record.violations) == []


@pytest.mark.parametrize("seed", range(8))
async def test_it_reads_every_spelling(stock: Stock, seed: int) -> None:
    text = 'Line <one> & "two" 世界 😀 \\*escaped\\* =\u2028' * 40
    async with Simulator(seed=seed) as sim:
        client = await stock(sim)
        sim.google.reply("long", text, thoughts="思考 " * 30, chars=37, queued=1, busy=1)
        outputs = [output async for output in client.generate_content_stream("long")]
        assert outputs[-1].text == text
        assert outputs[-1].thoughts == "思考 " * 30
        assert list(sim.record.violations) == []


async def test_it_streams_with_thoughts_and_candidates(sim: Simulator, stock: Stock) -> None:
    client = await stock(sim)
    sim.google.reply("go", "word " * 50, thoughts="hmm " * 10, chars=20, candidates=2)
    outputs = [output async for output in client.generate_content_stream("go", extended_thinking=True)]
    assert "".join(output.text_delta for output in outputs) == "word " * 50
    assert "".join(output.thoughts_delta for output in outputs if output.thoughts_delta) == "hmm " * 10
    assert [candidate.text for candidate in outputs[-1].candidates] == ["word " * 50, "word " * 50 + " (draft 2)"]
    assert sim.record.calls[0].thinking


async def test_it_continues_reads_and_deletes_a_chat(sim: Simulator, stock: Stock) -> None:
    client = await stock(sim)
    chat = client.start_chat(model="gemini-pro")
    await chat.send_message("my name is Ada")
    assert (await chat.send_message("what is my name")).text == "Your name is Ada."
    again = client.start_chat(metadata=list(chat.metadata[:3]), model="gemini-pro")
    assert (await again.send_message("what did I say first")).text == "The first thing you said was: my name is Ada"
    history = await again.read_history()
    assert [turn.role for turn in history.turns] == ["model", "user"] * 3
    assert history.turns[-1].text == "my name is Ada"
    await client._fetch_recent_chats()
    assert [listed.cid for listed in client.list_chats()] == [chat.cid]
    await client.delete_chat(chat.cid)
    assert await client.read_chat(chat.cid) is None
    assert list(sim.record.violations) == []


async def test_it_uploads(sim: Simulator, stock: Stock, tmp_path: Path) -> None:
    client = await stock(sim)
    paths = [tmp_path / "notes.md", tmp_path / "图片.png"]
    paths[0].write_bytes(b"# Notes\r\n--boundary\r\n")
    paths[1].write_bytes(bytes(range(256)) * 8192)
    output = await client.generate_content("look at these", files=[*paths, b"raw bytes"])
    assert "notes.md" in output.text
    files = sim.record.calls[0].files
    assert [file.data for file in files] == [paths[0].read_bytes(), paths[1].read_bytes(), b"raw bytes"]
    assert [file.mime for file in files] == ["text/markdown", "image/png", "text/plain"]
    assert [file.name for file in files][:2] == ["notes.md", "图片.png"]
    assert all(file.owner == "alice" for file in files)
    assert list(sim.record.violations) == []


async def test_it_uses_gems_and_temporary_chats(sim: Simulator, stock: Stock) -> None:
    client = await stock(sim)
    assert len(await client.fetch_gems()) == 2
    gem = await client.create_gem("Short", "Be short")
    sim.google.reply("gem?", lambda prompt: f"{prompt.gem} {prompt.temporary}")
    assert (await client.generate_content("gem?", gem=gem, temporary=True)).text == f"{gem.id} True"
    await client.update_gem(gem, "Shorter", "Be shorter")
    assert sim.google.account("alice").gems[gem.id][0] == "Shorter"
    await client.delete_gem(gem)
    assert list(sim.record.violations) == []


async def test_it_saves_a_image_in_full_size(sim: Simulator, stock: Stock, tmp_path: Path) -> None:
    client = await stock(sim)
    picture = sim.google.gallery.add(lambda suffix: (b"\x89PNG " + suffix.encode(), "image/png"), alt="a cat")
    sim.google.reply("paint", Answer("Here it is", rich={7: [[picture.item()]]}))
    output = await client.generate_content("paint")
    image = output.images[0]
    assert image.alt == "a cat"
    preview = await image.save(str(tmp_path), filename="preview.png", full_size=False)
    assert Path(preview).read_bytes() == b"\x89PNG s1024-rj"
    assert sim.record.requests_of("c8o8Fe") == 0
    saved = await image.save(str(tmp_path))
    assert Path(saved).read_bytes() == b"\x89PNG "
    assert sim.record.requests_of("c8o8Fe") == 1
    assert sim.record.requests_of("image") == 1 + 3


async def test_without_cookies_it_becomes_a_guest(sim: Simulator, stock: Stock) -> None:
    client = await stock(sim, None)
    assert client.account_status == AccountStatus.UNAUTHENTICATED
    assert not client.access_token
    assert (await client.generate_content("say hi")).text == "hi"
    assert sim.record.generations_of("") == 1
    assert list(sim.record.violations) == []


async def test_dead_cookies_end_as_a_guest(sim: Simulator, stock: Stock) -> None:
    sim.google.expire("alice")
    client = await stock(sim)
    assert client.account_status == AccountStatus.UNAUTHENTICATED
    assert not client.access_token


async def test_when_sign_in_is_refused_it_asks_google_for_anonymous_cookies(sim: Simulator, stock: Stock) -> None:
    sim.google.fault("init", "status", status=401, times=2)
    client = await stock(sim)
    assert sim.record.requests_of("preflight") == 1
    assert sim.record.requests_of("init") == 3
    assert client._cookie_source == "Guest"
    assert "NID" in client.cookies.get_dict()


async def test_a_session_that_expires_is_answered_by_a_guest_as_the_library_does_it(
    sim: Simulator, stock: Stock
) -> None:
    client = await stock(sim)
    sim.google.expire("alice")
    with pytest.raises(APIError, match="Status: 401"):
        await client.generate_content("hello", model="gemini-pro", current_retry=0)
    assert sim.record.generations == 0
    assert list(sim.record.violations) == []
    assert (await client.generate_content("say hi", current_retry=0)).text == "hi"
    assert not client.access_token


async def test_it_rotates(sim: Simulator, stock: Stock) -> None:
    from gemini_webapi.utils import rotate_1psidts

    client = await stock(sim)
    old = sim.google.cookies("alice")
    assert await rotate_1psidts(client.client) == sim.google.cookies("alice")[PSIDTS] != old[PSIDTS]
    assert sim.google.cookies("alice")[PSID] == old[PSID]
    assert (await client.generate_content("say hi")).text == "hi"
    assert list(sim.record.violations) == []


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (1013, APIError),
        (1037, UsageLimitExceededError),
        (1050, ModelInvalidError),
        (1052, ModelInvalidError),
        (1060, TemporarilyBlockedError),
        (4711, APIError),
    ],
)
@pytest.mark.parametrize("after", [0, 2])
async def test_error_codes(sim: Simulator, stock: Stock, code: int, error: type[Exception], after: int) -> None:
    client = await stock(sim)
    sim.google.reply("", "word " * 50, chars=10)
    sim.google.fault("generate", "code", code=code, after_frames=after)
    texts = []

    async def read() -> None:
        async for output in client.generate_content_stream("hello", current_retry=0):
            texts.append(output.text)  # noqa: PERF401  (what came before the error counts)

    with pytest.raises(error):
        await read()
    assert len(texts) == after
    assert sim.record.received == 1
    assert sim.record.generations == (1 if after or code in (1013, 4711) else 0)


@pytest.mark.parametrize("kind", ["garbage", "captcha", "empty", "close", "hangup"])
async def test_broken_answers_are_api_errors(sim: Simulator, stock: Stock, kind: str) -> None:
    client = await stock(sim)
    sim.google.fault("generate", kind, times=-1)
    with pytest.raises(APIError):
        await client.generate_content("hello", current_retry=0)


async def test_a_stream_cut_short_is_found_in_the_history(sim: Simulator, stock: Stock) -> None:
    client = await stock(sim)
    sim.google.reply("", "word " * 50, chars=10)
    sim.google.fault("generate", "close", after_frames=2)
    assert (await client.generate_content("hello", current_retry=0)).text == "word " * 50
    assert sim.record.requests_of("hNvQHb") == 1
    assert (sim.record.received, sim.record.generations) == (1, 1)


async def test_a_status_in_the_list_of_models(sim: Simulator, stock: Stock) -> None:
    sim.google.fault("otAQ7b", "reject7")
    client = await stock(sim)
    assert client.account_status == AccountStatus.UNAUTHENTICATED
    await client.close()
    sim.google.fault("otAQ7b", "unparsable")
    client = await stock(sim)
    assert client.account_status == AccountStatus.AVAILABLE
    assert not client.list_models()


async def test_libcurl_sends_a_prompt_twice_when_a_reused_connection_dies(sim: Simulator, stock: Stock) -> None:
    client = await stock(sim)
    sim.google.fault("generate", "reset", reused=True)
    assert (await client.generate_content("say hi", current_retry=0)).text == "hi"
    assert sim.record.received == 2
    assert sim.record.generations == 2
    assert any("was sent twice" in rule for rule in sim.record.violations)
