"""Generated images and the unmodified client library, over HTTP/2 and HTTP/1.1; faults; figures."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from curl_cffi.requests.exceptions import RequestException
from gemini_webapi import GeminiClient

from gemgate.accounts import PSID, PSIDTS
from gemgate.imaging import measure
from gemgate.imaging.logo_profiles import V2_SMALL
from gemgate_simulator import Painting, RemoteSimulator, Simulator
from gemgate_simulator.encode import caption, encoded
from gemgate_simulator.paint import decoded, fingerprint, frame_width, painted, read_mark
from gemgate_simulator.refusals import WORDINGS
from gemgate_simulator.studio import Rule, Sitting, Studio
from tests.integration.simulator.conftest import Stock, Wire
from tests.support.patience import until

pytestmark = pytest.mark.stock

FLASH, PRO = "gemini-flash", "gemini-pro"


async def test_it_saves_the_full_size_and_the_preview(sim: Simulator, stock: Stock, tmp_path: Path) -> None:
    client = await stock(sim)
    output = await client.generate_content("Generate an image. Aspect ratio 16:9.\n\na fox", model=PRO)
    (image,) = output.images
    small = Path(await image.save(str(tmp_path / "small"), full_size=False))
    large = Path(await image.save(str(tmp_path / "large")))
    (picture,) = sim.record.images
    assert (large.suffix, small.suffix) == (".png", ".jpg")
    assert large.read_bytes() == sim.google.original(picture.id)
    assert measure(small.read_bytes()).width == 1024
    assert (picture.width, picture.height, picture.model, picture.account) == (2816, 1536, PRO, "alice")
    assert output.text == "Here is your picture."
    assert [fetch.route for fetch in picture.fetches] == ["preview", "c8o8Fe", "hop1", "hop2", "original"]
    assert {fetch.outcome for fetch in picture.fetches} == {"complete"}
    assert list(sim.record.violations) == []


async def test_it_sees_progress_and_then_several_images(sim: Simulator, stock: Stock) -> None:
    client = await stock(sim)
    sim.google.reply("cats", "Two cats", image=[Painting(seed=1), Painting(seed=2)], progress=3)
    outputs = [output async for output in client.generate_content_stream("cats", model=FLASH)]
    assert [len(output.images) for output in outputs][:2] == [0, 0]
    assert len(outputs[-1].images) == 2
    assert outputs[-1].text == "Two cats"
    assert [image.image_id for image in outputs[-1].images] == [picture.id for picture in sim.record.images]
    assert sim.record.calls[-1].frames >= 4  # three of progress, then the text


@pytest.mark.parametrize("seed", range(4))
async def test_it_reads_every_spelling_of_a_image(stock: Stock, tmp_path: Path, seed: int) -> None:
    async with Simulator(seed=seed) as sim:
        client = await stock(sim)
        for n in range(4):
            output = await client.generate_content(f"draw a cat {n}", model=FLASH)
            assert output.text == "Here is your picture."
            file = await output.images[0].save(str(tmp_path / str(n)))
            about = caption(Path(file).read_bytes())
            assert about is not None
            assert about["prompt"] == f"draw a cat {n}"
        assert list(sim.record.violations) == []


async def test_it_edits_a_file_and_then_the_result(sim: Simulator, stock: Stock, tmp_path: Path) -> None:
    client = await stock(sim)
    reference = encoded(painted("photo", 9, (900, 700)), Painting(mime="image/jpeg"))
    (tmp_path / "ref.jpg").write_bytes(reference)
    chat = client.start_chat(model=FLASH)
    first = await chat.send_message("make the sky blue", files=[tmp_path / "ref.jpg"])
    assert sim.record.calls[-1].files[0].data == reference
    assert first.text == "Here is the edited picture."
    second = await chat.send_message("now make it darker")
    edge = frame_width((900, 700))
    inside = (slice(edge, -edge), slice(edge, -edge))
    plains = [decoded(sim.google.plain(output.images[0].image_id)) for output in (first, second)]
    assert np.array_equal(plains[0][inside], 255 - decoded(reference)[inside])
    assert np.array_equal(plains[1][inside], decoded(reference)[inside])
    file = Path(await second.images[0].save(str(tmp_path)))
    assert file.read_bytes() == sim.google.original(second.images[0].image_id)
    assert list(sim.record.violations) == []


@pytest.mark.parametrize("language", ["en", "zh", "ja"])
@pytest.mark.parametrize("meaning", ["refusal", "quota", "signed_out", "wrong_model", "other"])
async def test_it_gets_words_instead(stock: Stock, meaning: Any, language: str) -> None:
    async with Simulator() as sim:
        client = await stock(sim)
        sim.google.refuse("draw", meaning, language=language)
        output = await client.generate_content("draw a cat", model=FLASH)
        assert output.text == WORDINGS[meaning][language][0]
        assert not output.images


async def test_it_finds_the_images_in_the_history(sim: Simulator, stock: Stock, tmp_path: Path) -> None:
    client = await stock(sim)
    chat = client.start_chat(model=FLASH)
    await chat.send_message("draw a cat")
    sim.google.advance(24 * 3600)
    history = await client.read_chat(chat.cid)
    assert history is not None
    (image,) = history.turns[0].model_output.images  # newest first: the model's turn
    file = Path(await image.save(str(tmp_path), full_size=False))
    assert measure(file.read_bytes()).width == 1024
    file = Path(await image.save(str(tmp_path)))
    assert file.read_bytes() == sim.google.original(sim.record.images[0].id)
    assert list(sim.record.violations) == []


@pytest.mark.parametrize("finished", [True, False])
async def test_a_cut_answer_leaves_its_image_in_the_history_or_not(sim: Simulator, wire: Wire, finished: bool) -> None:
    sim.google.fault("generate", "hangup", after_frames=1, finished=finished)
    hand = wire.hand
    with pytest.raises(RequestException):
        await wire.send(hand.generate("draw a cat"))
    (call,) = sim.record.calls
    while call.outcome == "open":
        await asyncio.sleep(0.01)
    turn = hand.ask("hNvQHb", f'["{call.cid}",10,null,1,[1],[4],null,1]')[0][0]
    rich = json.dumps(turn[3][0][0][12:13])
    assert (sim.record.images[0].id in rich) is finished
    assert len(sim.record.images) == 1


async def test_a_second_account_cannot_use_the_first_ones_way(sim: Simulator, stock: Stock, tmp_path: Path) -> None:
    alice, bob = await stock(sim), await stock(sim, "bob")
    (image,) = (await alice.generate_content("draw a cat", model=FLASH)).images
    address = await alice._get_full_size_image(image.cid, image.rid, image.rcid, image.image_id)
    assert address
    session = bob.client
    assert session is not None
    relay = (await session.get(f"{address}=d-I?alr=yes")).text
    assert (await session.get(relay)).status_code == 403
    assert "belongs to another account" in sim.record.violations[-1]
    assert (await alice.client.get(relay)).status_code == 200  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("place", "fault"),
    [
        ("c8o8Fe", {"kind": "reject7"}),
        ("c8o8Fe", {"kind": "unparsable"}),
        ("c8o8Fe", {"kind": "html"}),
        ("hop1", {"kind": "expired"}),
        ("hop1", {"kind": "status", "status": 500}),
        ("hop2", {"kind": "reset"}),
        ("hop2", {"kind": "reset_stream"}),
        ("hop2", {"kind": "status", "status": 404}),
    ],
)
async def test_it_falls_back_to_the_preview(
    sim: Simulator, stock: Stock, tmp_path: Path, place: str, fault: dict[str, Any]
) -> None:
    client = await stock(sim)
    (image,) = (await client.generate_content("draw a cat", model=FLASH)).images
    sim.google.fault(place, **fault, match=None if place == "c8o8Fe" else "cat")
    file = Path(await image.save(str(tmp_path)))
    assert measure(file.read_bytes()).mime == "image/jpeg"
    assert decoded(file.read_bytes()).shape == (1024, 1024, 3)
    assert sim.record.fetches_of("preview") == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 404},
        {"kind": "truncated"},
        {"kind": "close", "torn": True},
    ],
)
async def test_it_asks_again_for_an_original_that_fails(
    sim: Simulator, stock: Stock, tmp_path: Path, fault: dict[str, Any]
) -> None:
    # It writes the last address into image.url before it fetches, and its fallback hangs "=s2048-rj" behind that
    client = await stock(sim)
    (image,) = (await client.generate_content("draw a cat", model=FLASH)).images
    sim.google.fault("original", **fault)
    file = Path(await image.save(str(tmp_path)))
    assert file.read_bytes() == sim.google.original(image.image_id)
    assert (sim.record.fetches_of("original"), sim.record.fetches_of("preview")) == (2, 0)


@pytest.mark.parametrize("kind", ["html", "empty"])
async def test_it_is_lost_when_a_hop_names_no_address(sim: Simulator, stock: Stock, tmp_path: Path, kind: Any) -> None:
    client = await stock(sim)
    (image,) = (await client.generate_content("draw a cat", model=FLASH)).images
    sim.google.fault("hop2", kind)
    with pytest.raises(RequestException):
        await image.save(str(tmp_path))


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        ({"kind": "truncated"}, "error"),
        ({"kind": "close"}, "half"),
        ({"kind": "html"}, "html"),
        ({"kind": "empty"}, "empty"),
        ({"kind": "wrong_type"}, "type"),
        ({"kind": "stall", "seconds": 0.4}, "late"),
        ({"kind": "slow_headers", "seconds": 0.4}, "late"),
        ({"kind": "reset"}, "error"),
        ({"kind": "status", "status": 429}, 429),
        ({"kind": "expired"}, 403),
    ],
)
async def test_every_fault_of_a_file_looks_like_itself(
    sim: Simulator, stock: Stock, fault: dict[str, Any], what: object
) -> None:
    client = await stock(sim)
    (image,) = (await client.generate_content("draw a cat", model=FLASH)).images
    session = client.client
    assert session is not None
    whole = (await session.get(image.url + "=s1024-rj")).content
    # libcurl sends a GET again by itself when a connection it used before is reset without a byte
    sim.google.fault("preview", **fault, times=2 if fault["kind"] == "reset" else 1)
    began = time.monotonic()
    try:
        response = await session.get(image.url + "=s1024-rj")
    except RequestException:
        assert what == "error"
        assert sim.record.images[0].fetches[-1].outcome == "broken"
        return
    body, kind = response.content, response.headers["content-type"]
    match what:
        case "half":
            assert (kind, body) == ("image/jpeg", whole[: len(whole) // 2])
        case "html":
            assert kind.startswith("text/html")
            assert response.status_code == 200
        case "empty":
            assert (kind, body) == ("image/jpeg", b"")
        case "type":
            assert (kind, body) == ("application/octet-stream", whole)
        case "late":
            assert body == whole
            assert time.monotonic() - began >= 0.4
        case _:
            assert response.status_code == what


async def test_a_image_may_take_its_time_and_nobody_else_waits(sim: Simulator, stock: Stock) -> None:
    client = await stock(sim)
    sim.google.reply("slow", image=Painting(), fetch_delay=5.0)
    (image,) = (await client.generate_content("slow", model=FLASH)).images
    session = client.client
    assert session is not None
    slow = asyncio.create_task(session.get(image.url + "=s512"))
    await asyncio.sleep(0.05)
    assert (await client.generate_content("say hi", model=FLASH)).text == "hi"
    assert not slow.done()
    assert (await slow).status_code == 200


async def test_painting_does_not_hold_up_the_loop(sim: Simulator, stock: Stock, tmp_path: Path) -> None:
    client = await stock(sim)
    sim.google.images(resolution="4K", enlarges=False)
    longest, running = 0.0, True

    async def watch() -> None:
        """What this thread works between two turns of the loop; others that want the processor do not count."""
        nonlocal longest
        while running:
            before = time.thread_time()
            await asyncio.sleep(0.001)
            longest = max(longest, time.thread_time() - before)

    watching = asyncio.create_task(watch())
    (image,) = (await client.generate_content("draw a cat", model=PRO)).images
    session = client.client
    assert session is not None
    data = (await session.get(image.url + "=s4096-rj")).content
    running = False
    await watching
    assert decoded(data).shape == (4096, 4096, 3)
    assert longest < 0.5, "painting, stamping and encoding take longer than this"


async def test_a_client_that_leaves_is_noted(sim: Simulator, stock: Stock) -> None:
    client = await stock(sim)
    (image,) = (await client.generate_content("draw a cat", model=FLASH)).images
    sim.google.fault("preview", "stall")
    session = client.client
    assert session is not None
    with pytest.raises(RequestException):
        await session.get(image.url + "=s1024-rj", timeout=0.5)
    fetch = sim.record.images[0].fetches[-1]
    await until(lambda: fetch.outcome != "open")
    assert fetch.outcome == "cancelled"


@pytest.fixture
async def remote() -> AsyncIterator[RemoteSimulator]:
    async with RemoteSimulator.spawn() as simulator:
        yield simulator


async def test_the_verbs_of_images_travel(
    remote: RemoteSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMINI_COOKIE_PATH", str(tmp_path))
    cookies = remote.accounts["alice"]
    client = GeminiClient(cookies[PSID], cookies[PSIDTS], proxy=remote.proxy_url, verify=str(remote.ca_file))
    await client.init(auto_refresh=False)
    google = remote.google
    await google.world(bare_pictures=True)  # the library knows the old rows only
    mine = encoded(painted("page", 1, (100, 90)), Painting())
    ordered = Painting("vector", 5, (300, 200), "image/webp", quality=100, logo=V2_SMALL, xmp=b"<x/>")
    await google.reply("both", image=[mine, ordered], fetch_delay=0.01)
    await google.refuse("celebrity", "refusal", language="zh", times=1)
    output = await client.generate_content("both", model=FLASH)
    files = [Path(await image.save(str(tmp_path / str(n)))) for n, image in enumerate(output.images)]
    assert files[0].read_bytes() == mine
    assert measure(files[1].read_bytes()).mime == "image/webp"
    plain = await google.plain(output.images[1].image_id)
    assert np.array_equal(decoded(plain), painted("vector", 5, (300, 200)))
    assert await google.original(output.images[1].image_id) == files[1].read_bytes()
    await google.images(model="gemini-flash", mime="image/jpeg", logo=V2_SMALL, cheap=True)
    assert (await client.generate_content("a celebrity", model=FLASH)).text == WORDINGS["refusal"]["zh"][0]
    (image,) = (await client.generate_content("draw a cat", model=FLASH)).images
    cheap = Path(await image.save(str(tmp_path / "cheap"))).read_bytes()
    assert measure(cheap).mime == "image/jpeg"
    record = await remote.record()
    assert [picture.logo for picture in record.images] == ["", "v2-48", "v2-48"]
    assert read_mark(cheap) == record.images[-1].number == record.generations
    assert record.fetches_of("original", prompt="draw a cat") == 1
    assert list(record.violations) == []
    with pytest.raises(ValueError, match="no picture"):
        await google.plain("image_nothing")
    with pytest.raises(TypeError, match="cannot travel"):
        google.reply("x", image=lambda prompt: mine)
    await client.close()


async def test_a_hundred_cheap_images_each_prove_their_generation(sim: Simulator, stock: Stock) -> None:
    client = await stock(sim)
    sim.google.images(cheap=True)
    session = client.client
    assert session is not None

    async def one(n: int) -> int | None:
        (image,) = (await client.generate_content(f"draw cat {n}.", model=FLASH)).images
        data = (await session.get(image.url + "=s0")).content
        (picture,) = sim.record.images_of(prompt=f"draw cat {n}.")
        assert picture.number == read_mark(data)
        return picture.number

    count = 100
    assert sorted(filter(None, await asyncio.gather(*map(one, range(count))))) == list(range(1, count + 1))


@pytest.mark.soak
def test_figures_of_painting() -> None:
    """Prints paintings per second: new ones, ones that were made before, cheap ones. CPU seconds beside it."""

    def measured(studio: Studio, count: int, order: Painting, prompt: str) -> str:
        cpu, began = time.process_time(), time.perf_counter()
        for n in range(count):
            text = prompt.format(n)
            studio.work(order, Sitting(text, "alice", "pro", FLASH, n, {"prompt": text}), None).original()
        seconds = time.perf_counter() - began
        return f"{count / seconds:8.1f}/s {1000 * (time.process_time() - cpu) / count:8.2f} ms CPU"

    for side in (1024, 2048, 4096):
        for mime in ("image/png", "image/jpeg"):
            order = Painting(size=(side, side), mime=mime)
            studio = Studio()
            print(f"\n{side} {mime:10} new    {measured(studio, 12, order, 'prompt {}')}", end="")
            print(f"\n{side} {mime:10} cached {measured(studio, 100, order, 'prompt 1')}", end="")
    studio = Studio()
    studio.rule(Rule({"cheap": True}))
    print(f"\ncheap                  {measured(studio, 2_000, Painting(), 'prompt {}')}")
    assert fingerprint(encoded(painted("photo", 1, (64, 64)), Painting()))
