"""Sizes, shapes and references in every spelling on every route: honoured or named, never painted without."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from gemgate_simulator import Painting, Simulator
from tests.support.batch_calls import until_status
from tests.support.painted import png
from tests.support.serving import Served, served, settings_for

IMAGE = "gemini-2.5-flash-image"
START = png(24, 24, seed=7)
DATA = "data:image/png;base64," + base64.b64encode(START).decode()
BARE = base64.b64encode(START).decode()


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice",)) as simulator:
        simulator.google.reply("lighthouse", image=Painting())
        yield simulator


async def post(http: aiohttp.ClientSession, path: str, **body: Any) -> tuple[int, dict[str, Any], str]:
    async with http.post(path, json={"prompt": "a lighthouse", **body}) as answer:
        return answer.status, await answer.json(), answer.headers.get("x-gemgate-ignored", "")


ROUTES = ("/v1/images/generations", "/v1/generate-images")


WISHES: list[tuple[dict[str, Any], str, int | None]] = [
    ({"aspect_ratio": "9:16"}, "Aspect ratio 9:16.", None),
    ({"aspect": "9:16"}, "Aspect ratio 9:16.", None),
    ({"aspectRatio": "9:16"}, "Aspect ratio 9:16.", None),
    ({"size": "16:9"}, "Aspect ratio 16:9.", None),
    ({"size": "2K"}, "", 2048),
    ({"quality": "4K"}, "", 4096),
    ({"image_size": "4K"}, "", 4096),
    ({"imageSize": "2k"}, "", 2048),
    ({"image_config": {"aspect_ratio": "4:3", "image_size": "2K"}}, "Aspect ratio 4:3.", 2048),
    ({"extra_body": {"google": {"image_config": {"aspect_ratio": "4:3"}}}}, "Aspect ratio 4:3.", None),
    ({"width": 1536, "height": 1024}, "Aspect ratio 3:2.", None),
    ({"size": "auto", "aspect": "", "quality": "auto"}, "", None),
]


@pytest.mark.parametrize("route", ROUTES)
async def test_a_wish_in_any_spelling(http: aiohttp.ClientSession, sim: Simulator, route: str) -> None:
    for wish, said, requested in WISHES:
        status, body, ignored = await post(http, route, model=IMAGE, **wish)
        assert status == 200, (wish, body)
        assert not ignored
        facts = body["data"][0] if "data" in body else body["details"][0]
        assert facts["requested"] == requested, wish
        prompt = sim.record.calls[-1].prompt
        assert said in prompt, wish
        assert bool(said) == ("Aspect ratio" in prompt), wish


MEANINGLESS: list[tuple[dict[str, Any], str]] = [
    ({"size": "huge"}, "size"),
    ({"aspect_ratio": "wide"}, "aspect_ratio"),
    ({"image_config": {"image_size": "9K"}}, "image_config.image_size"),
]


@pytest.mark.parametrize("route", [*ROUTES, "/v1/batch/images"])
async def test_a_wish_that_means_nothing_is_named(http: aiohttp.ClientSession, sim: Simulator, route: str) -> None:
    more = {"prompts": ["a lighthouse"]} if "batch" in route else {}
    for wish, param in MEANINGLESS:
        status, body, _ = await post(http, route, **wish, **more)
        assert status == 400, wish
        assert param in str(body)
    assert sim.record.generations == 0


@pytest.mark.parametrize("route", ROUTES)
async def test_what_changes_nothing_is_named(http: aiohttp.ClientSession, route: str) -> None:
    wishes = {"style": "vivid", "background": "transparent", "quality": "low", "user": "u", "output_format": None}
    status, _, ignored = await post(http, route, **wishes)
    assert status == 200
    assert ignored == "quality, style, background"


CHATS: list[tuple[dict[str, Any], str]] = [
    ({"image_config": {"aspect_ratio": "16:9", "image_size": "4K"}, "modalities": ["image", "text"]}, "16:9"),
    ({"image_config": {"aspect_ratio": "16:9"}, "stream": True}, "16:9"),
    ({"extra_body": {"google": {"image_config": {"aspect_ratio": "9:16"}}}}, "9:16"),
    ({"google": {"image_config": {"aspect_ratio": "9:16"}}}, "9:16"),
    ({"size": "1536x1024"}, "3:2"),
    ({"aspect_ratio": "4:5"}, "4:5"),
]


async def test_a_chats_wishes_reach_the_painter_and_a_texts_are_named(
    http: aiohttp.ClientSession, sim: Simulator
) -> None:
    turn = [{"role": "user", "content": "a lighthouse"}]
    for wish, said in CHATS:
        async with http.post("/v1/chat/completions", json={"model": IMAGE, "messages": turn, **wish}) as answer:
            assert answer.status == 200, (wish, await answer.text())
            assert "x-gemgate-ignored" not in answer.headers, wish
            await answer.read()
        assert f"Aspect ratio {said}." in sim.record.calls[-1].prompt
    sim.google.reply("weather", "Fine.")
    body = {"messages": [{"role": "user", "content": "the weather?"}], "image_config": {"aspect_ratio": "wide"}}
    async with http.post("/v1/chat/completions", json=body) as answer:
        assert answer.status == 200
        assert answer.headers["x-gemgate-ignored"] == "image_config"
    item = {"model": "gemini-3-flash-preview", "store": False, "input": "a lighthouse"}
    tool = {"tools": [{"type": "image_generation", "size": "16:9"}], "tool_choice": {"type": "image_generation"}}
    async with http.post("/v1/responses", json={**item, **tool}) as answer:
        assert answer.status == 200, await answer.text()
    assert "Aspect ratio 16:9." in sim.record.calls[-1].prompt
    tool["tools"][0]["size"] = "vast"  # type: ignore[index]
    async with http.post("/v1/responses", json={**item, **tool}) as answer:
        assert (await answer.json())["error"]["param"] == "tools[0].size"


FORMS: list[dict[str, Any]] = [
    {"image": DATA},
    {"image": BARE},
    {"image": [DATA]},
    {"image": {"url": DATA}},
    {"image": {"image_url": DATA}},
    {"image": {"b64_json": BARE}},
    {"images": [DATA]},
    {"images": [{"image_url": DATA}]},
    {"images": [{"image_url": {"url": DATA}}]},
    {"images": [{"type": "image_url", "image_url": {"url": DATA, "detail": "auto"}}]},
    {"image_url": DATA},
    {"image_urls": [DATA]},
    {"reference_images": [{"inlineData": {"mimeType": "image/png", "data": BARE}}]},
]


@pytest.mark.parametrize("route", [*ROUTES, "/v1/images/edits", "/v1/images/edit"])
async def test_a_reference_in_any_form_goes_up(http: aiohttp.ClientSession, sim: Simulator, route: str) -> None:
    for count, form in enumerate(FORMS, 1):
        status, body, _ = await post(http, route, **form)
        assert status == 200, (form, body)
        assert [file.data for file in sim.record.calls[-1].files] == [START], form
        assert sim.record.generations == count


@pytest.mark.parametrize("route", ["/v1/images/generations", "/v1/images/edits"])
async def test_a_reference_in_a_form(http: aiohttp.ClientSession, sim: Simulator, route: str) -> None:
    for name in ("image", "image[]", "image[0]", "images", "images[]", "images[1]"):
        form = aiohttp.FormData({"prompt": "a lighthouse", "aspect_ratio": "4:3"})
        form.add_field(name, START, filename="a.png", content_type="image/png")
        async with http.post(route, data=form) as answer:
            assert answer.status == 200, name
        assert [file.data for file in sim.record.calls[-1].files] == [START], name
        assert "Aspect ratio 4:3." in sim.record.calls[-1].prompt


async def test_references_of_a_batch_are_every_items(http: aiohttp.ClientSession, sim: Simulator) -> None:
    _, body, _ = await post(http, "/v1/batch/images", prompts=["a lighthouse", "the lighthouse"], image=DATA)
    assert (await until_status(http, body["batch_id"]))["status"] == "completed"
    assert [[file.data for file in call.files] for call in sim.record.calls] == [[START], [START]]


@pytest.mark.parametrize("route", [*ROUTES, "/v1/images/edits"])
async def test_what_is_no_image_is_refused_before_anything_is_painted(
    http: aiohttp.ClientSession, sim: Simulator, route: str
) -> None:
    for image in ("../../etc/passwd", "file:///etc/passwd", {"detail": "high"}, 7, ["?"]):
        status, _, _ = await post(http, route, image=image)
        assert status == 400, image
    assert sim.record.generations == 0


# Our own links


async def _made(http: aiohttp.ClientSession, **headers: str) -> tuple[str, bytes]:
    wish = {"prompt": "a lighthouse", "response_format": "url"}
    async with http.post("/v1/images/generations", json=wish, headers=headers) as answer:
        link: str = (await answer.json())["data"][0]["url"]
    parts = urlsplit(link)
    async with http.get(f"{parts.path}?{parts.query}", headers=headers) as answer:
        return link, await answer.read()


def _calls(link: str) -> dict[str, tuple[str, dict[str, Any]]]:
    text, ask = "gemini-3-flash-preview", "what is this lighthouse?"
    chat = [{"type": "text", "text": ask}, {"type": "image_url", "image_url": {"url": link}}]
    items = [{"type": "input_text", "text": ask}, {"type": "input_image", "image_url": link}]
    blocks = [{"type": "text", "text": ask}, {"type": "image", "source": {"type": "url", "url": link}}]
    parts = [{"text": ask}, {"fileData": {"fileUri": link, "mimeType": "image/png"}}]
    return {
        "edits": ("/v1/images/edits", {"prompt": "a lighthouse", "images": [{"image_url": link}]}),
        "simple": ("/v1/generate-images", {"prompt": "a lighthouse", "image": link}),
        "chat": ("/v1/chat/completions", {"model": text, "messages": [{"role": "user", "content": chat}]}),
        "responses": ("/v1/responses", {"model": text, "store": False, "input": [{"role": "user", "content": items}]}),
        "messages": (
            "/v1/messages",
            {"model": text, "max_tokens": 99, "messages": [{"role": "user", "content": blocks}]},
        ),
        "gemini": (f"/v1beta/models/{text}:generateContent", {"contents": [{"role": "user", "parts": parts}]}),
    }


@pytest.mark.parametrize("keyed", [False, True])
@pytest.mark.parametrize("public", [None, "http://192.168.1.5:8100", "https://pictures.test/gem"])
async def test_our_own_link_is_read_from_the_store_in_every_dialect(
    sim: Simulator, tmp_path: Path, keyed: bool, public: str | None
) -> None:
    more: dict[str, Any] = {"api_key": "sk-own"} if keyed else {}
    headers = {"authorization": "Bearer sk-own"} if keyed else {}
    settings = settings_for(sim, tmp_path, public_base_url=public, **more)
    async with served(settings) as gate, aiohttp.ClientSession(gate.url, headers=headers) as http:
        link, data = await _made(http)
        path = "/images/" + link.partition("/images/")[2]
        for spelt in dict.fromkeys(
            (link, path, urlsplit(link).path + path[len(urlsplit(path).path) :], gate.url + path)
        ):
            for name, (route, body) in _calls(spelt).items():
                async with http.post(route, json=body) as answer:
                    assert answer.status == 200, (name, spelt, await answer.text())
                assert [file.data for file in sim.record.calls[-1].files] == [data], (name, spelt)


async def test_nobody_is_shown_a_image_of_another_key(sim: Simulator, tmp_path: Path) -> None:
    """The link's signature shows it, as it does at `GET /images/…`; without it only its own key may see it."""
    settings = settings_for(sim, tmp_path, api_key="ann:sk-ann-1,bob:sk-bob-1")
    ann, bob = ({"authorization": f"Bearer sk-{name}-1"} for name in ("ann", "bob"))
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
        link, data = await _made(http, **ann)
        bare = urlsplit(link).path
        for headers, spelt, status in ((ann, bare, 200), (bob, link, 200), (bob, bare, 400)):
            for name, (route, body) in _calls(spelt).items():
                async with http.post(route, json=body, headers=headers) as answer:
                    assert answer.status == status, (name, spelt, await answer.text())
                if status == 200:
                    assert [file.data for file in sim.record.calls[-1].files] == [data], name


async def test_the_guard_stays_for_everything_else_of_ours(gate: Served, http: aiohttp.ClientSession) -> None:
    link, _ = await _made(http)
    other = link.replace(str(urlsplit(gate.url).port), "1")
    gone = link.rpartition("/")[0] + "/20200101_000000_gone_aaaaaa.png"
    outside = gate.url + "/images/202611/20261128/..%2f..%2fsettings"
    foreign = "ftp://" + urlsplit(link).netloc + "/images/202611/20261128/x.png"
    api = gate.url + "/api/settings"
    tries = (other, api, gate.url + "/images/../api/settings", gone, "/api/settings", outside, foreign)
    for url in tries:
        for name, (route, body) in _calls(url).items():
            async with http.post(route, json=body) as answer:
                assert answer.status == 400, (name, url, await answer.text())
