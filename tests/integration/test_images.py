"""Pictures end to end: made by the simulated Google, finished by us, judged by the OpenAI SDK, Pillow and HTTP."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import io
import json
import re
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import numpy as np
import openai
import pytest
from PIL import Image

from gemgate.accounts import MeasuredWalls
from gemgate.errors import StorageDown
from gemgate.gateway import image_delivery
from gemgate.images import GeneratedImage
from gemgate.imaging import Cleaned, Profile
from gemgate.imaging.logo import draw
from gemgate.imaging.logo_profiles import V1_SMALL
from gemgate.ports.conversations import Conversation
from gemgate.ports.gallery import GalleryImage
from gemgate.ports.runtime import TelemetryEvent
from gemgate.ports.upstream import Thread
from gemgate_simulator import Simulator
from tests.support.image_files import encoded
from tests.support.image_kinds import TEST_SEEDS, paint
from tests.support.painted import paints, png
from tests.support.patience import PATIENCE, until
from tests.support.serving import Served, served, settings_for

NAME = re.compile(r"\d{8}_\d{6}_[a-z0-9-]+_[0-9a-f]{6}\.png")


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def pixels(data: bytes) -> bytes:
    return opened(data).convert("RGB").tobytes()


@pytest.fixture
async def client(gate: Served) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="any", max_retries=0) as made:
        yield made


async def test_the_sdk_generates_images_that_open(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    paints(sim, png())
    reply = await client.images.generate(model="gemini-2.5-flash-image", prompt="a cat in the rain", n=2)
    assert len(reply.data) == 2
    for entry in reply.data:
        data = base64.b64decode(entry.b64_json)
        assert opened(data).size == (320, 200)
        assert pixels(data) == pixels(png())
        assert hashlib.sha256(data).hexdigest() == entry.sha256
        assert (entry.width, entry.height, entry.mime, entry.logo) == (320, 200, "image/png", "absent")
        assert entry.source == "full_size"
    assert reply.usage.total_tokens > 0
    assert sim.record.generations == 2
    assert all("a cat in the rain" in call.prompt for call in sim.record.calls)
    assert all(call.temporary for call in sim.record.calls)
    assert not sim.record.violations


async def test_a_link_leads_to_the_same_bytes_with_caching_ranges_and_a_telling_name(
    client: openai.AsyncOpenAI, http: aiohttp.ClientSession, sim: Simulator
) -> None:
    paints(sim, png())
    reply = await client.images.generate(model="gemini-2.5-flash-image", prompt="一只戴帽子的猫", response_format="url")
    url = reply.data[0].url
    assert NAME.fullmatch(url.rpartition("/")[2])
    assert "mao" in url
    async with http.get(url) as answer:
        data = await answer.read()
        assert hashlib.sha256(data).hexdigest() == reply.data[0].sha256
        assert answer.headers["content-type"] == "image/png"
        assert "immutable" in answer.headers["cache-control"]
        etag = answer.headers["etag"]
    async with http.get(url, headers={"if-none-match": etag}) as answer:
        assert answer.status == 304
    known = [
        {"if-none-match": 'W/"other", W/' + etag},
        {"if-none-match": "*"},
        {"if-modified-since": answer.headers["last-modified"]},
    ]
    for headers in known:
        async with http.get(url, headers=headers) as answer:
            assert (answer.status, await answer.read()) == (304, b"")
    async with http.get(url, headers={"if-modified-since": "never"}) as answer:
        assert answer.status == 200
    async with http.head(url) as answer:
        assert (answer.status, await answer.read()) == (200, b"")
        assert int(answer.headers["content-length"]) == len(data)
    for given, status, expected in [
        ("bytes=0-9", 206, data[:10]),
        ("bytes=-5", 206, data[-5:]),
        (f"bytes={len(data) - 3}-", 206, data[-3:]),
        (f"bytes={len(data)}-", 416, b""),
        ("bytes=5-2", 416, b""),
        ("bytes=0-0", 206, data[:1]),
        (f"bytes=5-{len(data) + 9}", 206, data[5:]),
        ("bytes=0-1,4-5", 200, data),
        ("nonsense", 200, data),
    ]:
        async with http.get(url, headers={"range": given}) as answer:
            assert (answer.status, await answer.read()) == (status, expected)


@pytest.mark.parametrize("path", ["../../gemgate.sqlite3", "202611/20261121/../x.png", "202611/20261121/none.png", "x"])
async def test_no_path_leads_out_of_the_images(http: aiohttp.ClientSession, path: str) -> None:
    async with http.get("/images/" + path) as answer:
        assert answer.status == 404


async def test_an_edit_by_the_sdk_sends_the_references_byte_for_byte(
    client: openai.AsyncOpenAI, sim: Simulator
) -> None:
    paints(sim, png(seed=9), "make it blue")
    one, two = png(64, 64, 2), png(64, 32, 3)
    edited = await client.images.edit(
        model="gemini-2.5-flash-image", image=("ref.png", one, "image/png"), prompt="make it blue"
    )
    assert opened(base64.b64decode(edited.data[0].b64_json)).size == (320, 200)
    call = sim.record.calls[-1]
    assert [(f.data, f.mime, f.name) for f in call.files] == [(one, "image/png", "ref.png")]
    await client.images.edit(
        model="gemini-2.5-flash-image",
        image=[("a.png", one, "image/png"), ("b.png", two, "image/png")],
        prompt="make it blue",
    )
    assert [f.data for f in sim.record.calls[-1].files] == [one, two]
    assert sim.record.generations == 2
    assert not sim.record.violations


async def test_the_same_reference_goes_up_once(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    paints(sim, png())
    for _ in range(3):
        await client.images.edit(model="gemini-2.5-flash-image", image=("r.png", png(8, 8), "image/png"), prompt="x")
    assert sim.record.requests_of("upload") == 1


async def test_the_simple_routes_answer_in_their_shapes(http: aiohttp.ClientSession, sim: Simulator) -> None:
    paints(sim, png())
    async with http.post("/v1/generate-images", json={"prompt": "a dog", "count": 2}) as answer:
        body = await answer.json()
    assert answer.status == 200
    assert set(body) >= {"images", "model", "details"}
    assert body["model"] == "gemini-2.5-flash-image"
    assert all(image.startswith("data:image/png;base64,") for image in body["images"])
    assert pixels(base64.b64decode(body["images"][0].partition(",")[2])) == pixels(png())
    assert set(body["details"][0]) >= {"width", "height", "bytes", "mime", "sha256", "source", "logo", "model"}
    async with http.post("/v1/generate-images", json={"prompt": "a dog", "response_type": "url"}) as answer:
        url = (await answer.json())["images"][0]
    async with http.get(url) as answer:
        assert answer.status == 200
    reference = base64.b64encode(png(16, 16)).decode()
    for path in ("/v1/images/edit", "/v1/images/edits"):
        for image in (reference, "data:image/png;base64," + reference):
            async with http.post(path, json={"prompt": "redder", "image": image}) as answer:
                assert list(await answer.json())[:2] == ["images", "model"]
    assert sim.record.calls[-1].files[0].data == png(16, 16)
    several = [reference, base64.b64encode(png(8, 8)).decode()]
    async with http.post("/v1/images/edit", json={"prompt": "both", "image": several}) as answer:
        assert answer.status == 200
    assert [file.data for file in sim.record.calls[-1].files] == [png(16, 16), png(8, 8)]


async def test_openai_s_json_edit_takes_file_ids_and_data_urls(
    client: openai.AsyncOpenAI, http: aiohttp.ClientSession, sim: Simulator
) -> None:
    paints(sim, png())
    file = await client.files.create(file=("up.png", png(20, 20), "image/png"), purpose="vision")
    data_url = "data:image/png;base64," + base64.b64encode(png(10, 10)).decode()
    body = {"prompt": "x", "images": [{"file_id": file.id}, {"image_url": data_url}]}
    async with http.post("/v1/images/edits", json=body) as answer:
        assert (await answer.json())["data"][0]["b64_json"]
    assert [f.data for f in sim.record.calls[-1].files] == [png(20, 20), png(10, 10)]
    assert sim.record.calls[-1].files[0].name == "up.png"


REFUSED = [
    ("/v1/images/generations", {"prompt": ""}, 400, "error"),
    ("/v1/images/generations", {"prompt": "x", "n": 11}, 400, "error"),
    ("/v1/images/generations", {"prompt": "x", "n": 0}, 400, "error"),
    ("/v1/images/generations", {"prompt": "x", "size": "big"}, 400, "error"),
    ("/v1/images/generations", {"prompt": "x", "model": "dall-e-3"}, 404, "error"),
    ("/v1/images/edits", {"prompt": "x", "images": []}, 400, "error"),
    ("/v1/images/edits", {"prompt": "x", "images": [{"image_url": "http://127.0.0.1/x.png"}]}, 400, "error"),
    ("/v1/images/edits", {"prompt": "x", "images": [{"file_id": "file-nope"}]}, 404, "error"),
    ("/v1/images/edits", {"prompt": "x", "images": [{"image_url": "data:image/png;base64,aGVsbG8="}]}, 400, "error"),
    ("/v1/images/edits", {"prompt": "x", "image": "!!!"}, 400, "detail"),
    ("/v1/images/edit", {"prompt": "x"}, 400, "detail"),
    ("/v1/images/edit", {"prompt": "x", "image": "http://example.com/x.png"}, 400, "detail"),
    ("/v1/images/edit", {"prompt": "x", "image": "/etc/passwd"}, 400, "detail"),
    ("/v1/images/edit", {"prompt": "x", "image": base64.b64encode(b"GIF nonsense").decode()}, 400, "detail"),
    ("/v1/images/edit", {"prompt": "x", "image": base64.b64encode(png(64, 64)[:900]).decode()}, 400, "detail"),
    ("/v1/images/edit", {"prompt": "x", "image": [base64.b64encode(b"GIF nonsense").decode()]}, 400, "detail"),
    ("/v1/generate-images", {"prompt": "x", "count": 99}, 400, "detail"),
    ("/v1/generate-images", {"count": 1}, 400, "detail"),
]


@pytest.mark.parametrize(("path", "body", "status", "key"), REFUSED)
async def test_bad_requests_are_refused_in_the_envelope_of_their_body(
    http: aiohttp.ClientSession, sim: Simulator, path: str, body: dict, status: int, key: str
) -> None:
    async with http.post(path, json=body) as answer:
        assert answer.status == status
        assert key in await answer.json()
    assert sim.record.received == 0


def bomb() -> bytes:
    """A PNG that claims far more pixels than it could hold."""
    data = bytearray(png(8, 8))
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    return bytes(data)


async def test_a_decompression_bomb_is_refused_by_its_header(http: aiohttp.ClientSession, sim: Simulator) -> None:
    body = {"prompt": "x", "image": base64.b64encode(bomb()).decode()}
    async with http.post("/v1/images/edit", json=body) as answer:
        assert answer.status == 413
        assert "detail" in await answer.json()
    assert sim.record.received == 0


async def test_a_mask_is_explained(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="mask"):
        await client.images.edit(
            model="gemini-2.5-flash-image",
            image=("a.png", png(8, 8), "image/png"),
            mask=("m.png", png(8, 8), "image/png"),
            prompt="x",
        )


@pytest.mark.parametrize(
    ("text", "status", "code", "state"),
    [
        ("I can't create images of real people, it violates our policy.", 400, "content_policy_violation", "ready"),
        ("抱歉，我无法生成这张图片。", 400, "content_policy_violation", "ready"),
        ("Here is a poem instead.", 400, "no_image", "ready"),
        ("您今天的图片生成次数已达到上限。", 429, None, "ready"),
        ("The selected model cannot create images. Switch to another model.", 400, "model_not_available", "ready"),
    ],
)
async def test_text_instead_of_a_image_has_its_own_error_and_consequence(
    client: openai.AsyncOpenAI, sim: Simulator, gate: Served, text: str, status: int, code: str | None, state: str
) -> None:
    sim.google.reply("", text)
    with pytest.raises(openai.APIStatusError) as caught:
        await client.images.generate(model="gemini-2.5-flash-image", prompt="x")
    assert caught.value.status_code == status
    if code:
        assert caught.value.code == code
    account = gate.service.pool.accounts[0]
    assert account.status().state == state
    cooling = set(account.cooldowns())
    assert cooling == ({"image"} if status == 429 else set())
    assert sim.record.generations == 1
    # text goes on
    reply = await client.chat.completions.create(
        model="gemini-2.5-flash", messages=[{"role": "user", "content": "say hello"}]
    )
    assert reply.choices


async def test_what_google_delivers_is_told_and_can_be_required(
    client: openai.AsyncOpenAI, http: aiohttp.ClientSession, sim: Simulator
) -> None:
    paints(sim, png(640, 480))
    small = (await client.images.generate(model="gemini-3-pro-image-preview-4k", prompt="x")).data[0]
    assert (small.requested, small.delivered, small.resampled) == (4096, 640, False)
    assert "smaller" in small.note
    for language, word in (("zh-CN", "小于要求的 4096 像素"), ("en", "smaller than the 4096 px asked for")):
        async with http.get("/api/gallery", headers={"accept-language": language}) as answer:
            assert word in (await answer.json())["pictures"][0]["details"]["note"]
    body = {"prompt": "x", "model": "gemini-3-pro-image-preview-4k", "size_policy": "require"}
    async with http.post("/v1/generate-images", json=body) as answer:
        assert answer.status == 422
        assert "640" in (await answer.json())["detail"]
    body = {"prompt": "x", "model": "gemini-3-pro-image-preview", "resample": True}
    async with http.post("/v1/generate-images", json=body) as answer:
        made = await answer.json()
    assert made["details"][0]["resampled"] is True
    assert opened(base64.b64decode(made["images"][0].partition(",")[2])).size == (2048, 1536)


async def test_without_the_full_size_route_the_link_without_limit_is_taken_and_said(
    client: openai.AsyncOpenAI, sim: Simulator
) -> None:
    paints(sim, png())
    sim.google.fault("c8o8Fe", "status", status=500, times=-1)
    entry = (await client.images.generate(model="gemini-2.5-flash-image", prompt="x")).data[0]
    assert entry.source == "s0"
    assert sim.record.generations == 1


async def test_several_images_come_with_the_errors_beside_them(http: aiohttp.ClientSession, sim: Simulator) -> None:
    paints(sim, png())
    sim.google.reply("", "I can't create that image.", times=1)
    async with http.post("/v1/generate-images", json={"prompt": "x", "count": 3}) as answer:
        body = await answer.json()
    assert answer.status == 200
    assert len(body["images"]) == 2
    assert body["errors"][0]["code"] == "content_policy_violation"


async def test_streamed_images_come_as_they_are_made_and_what_failed_is_told_last(
    client: openai.AsyncOpenAI, sim: Simulator
) -> None:
    paints(sim, png())
    sim.google.reply("", "I can't create that image.", times=1)
    events = await client.images.generate(model="gemini-2.5-flash-image", prompt="x", n=3, stream=True)
    seen = [await anext(events), await anext(events)]
    with pytest.raises(openai.APIError, match="create") as caught:
        await anext(events)
    assert caught.value.code == "content_policy_violation"
    assert [event.type for event in seen] == ["image_generation.completed"] * 2
    assert all(pixels(base64.b64decode(event.b64_json)) == pixels(png()) for event in seen)
    assert seen[0].sha256 == hashlib.sha256(base64.b64decode(seen[0].b64_json)).hexdigest()
    assert sim.record.generations == 3


async def test_a_stream_of_which_nothing_succeeds_is_a_plain_error(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    sim.google.reply("", "I can't create that image.")
    with pytest.raises(openai.BadRequestError) as caught:
        await client.images.generate(model="gemini-2.5-flash-image", prompt="x", n=2, stream=True)
    assert caught.value.code == "content_policy_violation"


async def test_streamed_images_as_links(http: aiohttp.ClientSession, sim: Simulator) -> None:
    paints(sim, png())
    body = {"prompt": "x", "stream": True, "response_format": "url"}
    async with http.post("/v1/images/generations", json=body) as answer:
        assert answer.content_type == "text/event-stream"
        event = json.loads((await answer.text()).split("data: ")[1])
    assert "b64_json" not in event
    async with http.get(event["url"]) as answer:
        assert hashlib.sha256(await answer.read()).hexdigest() == event["sha256"]


async def test_of_several_failures_the_one_that_may_have_cost_a_generation_is_told(
    http: aiohttp.ClientSession, sim: Simulator
) -> None:
    """Whoever would send the call again looks at this header (docs/decisions.md 1)."""
    sim.google.fault("generate", "code", code=1037, times=1)
    sim.google.reply("", "A poem instead.")
    async with http.post("/v1/generate-images", json={"prompt": "x", "count": 2}) as answer:
        assert answer.headers["x-gemgate-generated"] == "maybe"
        assert not answer.ok
    assert sim.record.generations == 1


async def test_a_image_in_a_chat_stands_in_the_text_and_beside_it(
    client: openai.AsyncOpenAI, http: aiohttp.ClientSession, sim: Simulator
) -> None:
    paints(sim, png(), "draw", "Look: http://googleusercontent.com/image_generation_content/0\n")
    messages = [{"role": "user", "content": "draw a cat"}]
    whole = await client.chat.completions.create(model="gemini-2.5-flash", messages=messages)
    content = whole.choices[0].message.content
    url = re.search(r"!\[[^\]]*\]\((\S+)\)", content).group(1)
    assert "googleusercontent" not in content
    async with http.get(url) as answer:
        assert pixels(await answer.read()) == pixels(png())
    assert whole.choices[0].message.images[0]["image_url"]["url"] == url
    stream = await client.chat.completions.create(model="gemini-2.5-flash", messages=messages, stream=True)
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert re.search(r"!\[[^\]]*\]\(\S+/images/\S+\)", text)


async def test_with_keys_links_are_signed_and_expire(sim: Simulator, tmp_path: Path) -> None:
    paints(sim, png())
    settings = settings_for(sim, tmp_path, api_key="ann:secret-a,ben:secret-b")
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
        body = {"prompt": "x", "response_type": "url"}
        async with http.post("/v1/generate-images", json=body) as answer:
            assert answer.status == 401
        headers = {"authorization": "Bearer secret-a"}
        async with http.post("/v1/generate-images", json=body, headers=headers) as answer:
            url = (await answer.json())["images"][0]
        assert "sig=" in url
        outsider = {"x-forwarded-for": "203.0.113.9"}  # from elsewhere: not the machine's own admin
        async with http.get(url, headers=outsider) as answer:
            assert answer.status == 200
        for broken in (
            url.partition("?")[0],
            url[:-1] + ("0" if url[-1] != "0" else "1"),
            url.replace("exp=1", "exp=9"),
        ):
            async with http.get(broken, headers=outsider) as answer:
                assert answer.status == 401


async def test_files_are_kept_per_owner_and_deleted(sim: Simulator, tmp_path: Path) -> None:
    settings = settings_for(sim, tmp_path, api_key="ann:secret-a,ben:secret-b", admin_key="root")
    async with (
        served(settings) as gate,
        openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="secret-a") as ann,
        openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="secret-b", max_retries=0) as ben,
    ):
        made = await ann.files.create(file=("../../evil 文件.txt", b"hello", "text/plain"), purpose="user_data")
        assert (made.filename, made.bytes, made.status) == ("evil 文件.txt", 5, "processed")
        assert (await ann.files.content(made.id)).content == b"hello"
        assert [f.id async for f in ann.files.list()] == [made.id]
        assert [f.id async for f in ben.files.list()] == []
        with pytest.raises(openai.NotFoundError):
            await ben.files.retrieve(made.id)
        with pytest.raises(openai.NotFoundError):
            await ben.files.delete(made.id)
        assert (await ann.files.delete(made.id)).deleted
        with pytest.raises(openai.NotFoundError):
            await ann.files.retrieve(made.id)


async def test_uploaded_handles_work_in_chats(http: aiohttp.ClientSession, sim: Simulator) -> None:
    form = aiohttp.FormData()
    form.add_field("files", b"# notes", filename="notes.md", content_type="text/markdown")
    form.add_field("files", png(8, 8), filename="a.png", content_type="image/png")
    async with http.post("/upload", data=form) as answer:
        body = await answer.json()
    assert body["success"] is True
    assert len(body["files"]) == 2
    sim.google.reply("read", "done")
    chat = {"messages": [{"role": "user", "content": "read them"}], "files": body["files"]}
    async with http.post("/v1/chat/completions", json=chat) as answer:
        assert answer.status == 200
    assert [(f.name, f.mime) for f in sim.record.calls[-1].files] == [
        ("notes.md", "text/markdown"),
        ("a.png", "image/png"),
    ]


@pytest.mark.parametrize(
    "body", [b"", b"--x\r\nbroken", b'--x\r\nContent-Disposition: form-data; name="files"\r\n\r\n']
)
@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=x", "text/plain"])
async def test_malformed_forms_are_400(http: aiohttp.ClientSession, body: bytes, kind: str) -> None:
    async with http.post("/upload", data=body, headers={"content-type": kind}) as answer:
        assert answer.status == 400
        assert (await answer.json())["detail"]


async def test_who_wants_links_costs_no_base64(
    http: aiohttp.ClientSession, sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    paints(sim, png())
    encoded: list[int] = []
    encode = binascii.b2a_base64

    def watched(data: bytes, **more: bool) -> bytes:
        encoded.append(len(data))
        return encode(data, **more)

    monkeypatch.setattr(binascii, "b2a_base64", watched)
    reference = base64.b64encode(png(16, 16)).decode()
    chat = {"model": "gemini-2.5-flash-image", "messages": [{"role": "user", "content": "a cat"}]}
    for path, body in [
        ("/v1/generate-images", {"prompt": "x", "response_type": "url", "count": 2}),
        ("/v1/images/edit", {"prompt": "x", "image": reference, "response_type": "url"}),
        ("/v1/images/edits", {"prompt": "x", "image": reference, "response_format": "url"}),
        ("/v1/images/generations", {"prompt": "x", "response_format": "url"}),
        ("/v1/images/generations", {"prompt": "x", "response_format": "url", "stream": True}),
        ("/v1/chat/completions", chat),
    ]:
        async with http.post(path, json=body) as answer:
            assert answer.status == 200
            assert "/images/" in await answer.text()
    assert not [size for size in encoded if size > 10_000]
    async with http.post("/v1/generate-images", json={"prompt": "x"}) as answer:
        assert answer.status == 200
        await answer.read()
    assert max(encoded) > 10_000


async def test_storage_that_is_away_loses_no_image(sim: Simulator, tmp_path: Path) -> None:
    paints(sim, png())
    settings = settings_for(
        sim, tmp_path, storage="s3", s3_endpoint="http://127.0.0.1:9", s3_bucket="b", s3_access_key_id="k",
        s3_secret_access_key="s",
    )  # fmt: skip
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
        async with http.post("/v1/generate-images", json={"prompt": "x", "response_type": "url"}) as answer:
            made = await answer.json()
        assert "waits on the gateway" in made["details"][0]["note"]
        url = made["images"][0]
        async with http.get(url) as answer:
            assert pixels(await answer.read()) == pixels(png())
        await until(lambda: gate.service.blobs.waiting == 1)
    after_a_restart = served(settings)
    async with after_a_restart as gate, aiohttp.request("GET", gate.url + urlsplit(url).path) as answer:
        assert pixels(await answer.read()) == pixels(png())


async def test_when_nothing_can_store_a_image_it_comes_in_the_answer(
    gate: Served, http: aiohttp.ClientSession, sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object, **__: object) -> bool:
        raise StorageDown("The disk is full", "磁盘已满")

    monkeypatch.setattr(gate.service.blobs, "put", full)
    paints(sim, png())
    async with http.post("/v1/generate-images", json={"prompt": "x", "response_type": "url"}) as answer:
        made = await answer.json()
    assert pixels(base64.b64decode(made["images"][0].partition(",")[2])) == pixels(png())
    assert "not stored: The disk is full" in made["details"][0]["note"]
    chinese = {"accept-language": "zh-CN"}
    async with http.post("/v1/generate-images", json={"prompt": "x"}, headers=chinese) as answer:
        assert "未存储：磁盘已满" in (await answer.json())["details"][0]["note"]


async def test_a_moved_logo_is_told_once_and_images_keep_coming_as_they_are(
    gate: Served, http: aiohttp.ClientSession, sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts: list[TelemetryEvent] = []
    note = gate.service.observer.emit

    def watched(fact: TelemetryEvent) -> None:
        facts.append(fact)
        note(fact)

    monkeypatch.setattr(gate.service.observer, "emit", watched)
    moved = Profile("moved", 64, 70, 41, 0.5)
    for seed in range(5):
        plain = paint("leaves", TEST_SEEDS + seed, 500, 500)
        paints(sim, encoded(draw(plain, moved), "PNG"))
        async with http.post("/v1/generate-images", json={"prompt": "x"}) as answer:
            made = await answer.json()
        assert made["details"][0]["logo"] == "absent"
        came = np.asarray(opened(base64.b64decode(made["images"][0].partition(",")[2])))
        assert np.array_equal(came, draw(plain, moved))
    (told,) = [fact for fact in facts if fact.name == "logo.moved"]
    assert "64 px" in str(told.data["what"])


def aged(moment: float) -> Conversation:
    return Conversation("old", "", "tip", 2, "default", "g1", "fbb1", Thread(("c_1", "r_1")), moment, moment)


async def test_what_is_older_than_the_retention_goes_and_nothing_else(sim: Simulator, tmp_path: Path) -> None:
    paints(sim, png())
    async with served(settings_for(sim, tmp_path)) as gate, aiohttp.ClientSession(gate.url) as http:
        async with http.post("/v1/generate-images", json={"prompt": "new", "response_type": "url"}) as answer:
            new = urlsplit((await answer.json())["images"][0]).path
        name = "202601/20260101/20260101_000000_old_0a1b2c.png"
        await gate.service.blobs.put("images/" + name, png(), "image/png")
        facts = GeneratedImage(320, 200, len(png()), "image/png", "00", "full_size", "absent", "m", name)
        await gate.service.gallery.remember(GalleryImage(facts, "", time.time() - 3 * 86_400))
        await gate.service.gateway.conversations.store.save(aged(time.time() - 3 * 86_400))
        async with http.get("/images/" + name) as answer:
            assert answer.status == 200
    async with served(settings_for(sim, tmp_path, retention_days=2)) as gate, aiohttp.ClientSession(gate.url) as http:
        async with asyncio.timeout(PATIENCE):
            while await gate.service.gallery.find(name) or await gate.service.gateway.conversations.store.count():
                await asyncio.sleep(0.02)
        async with http.get("/images/" + name) as answer:
            assert answer.status == 404
        async with http.get(new) as answer:
            assert answer.status == 200


async def test_a_image_that_takes_too_long_comes_as_it_is_but_says_what_made_it(
    http: aiohttp.ClientSession, sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = threading.Event()

    def stuck(*_: object, **__: object) -> Cleaned:
        waited.wait(10)
        raise AssertionError("nobody waits for this any more")

    monkeypatch.setattr(image_delivery.imaging, "clean", stuck)
    monkeypatch.setattr(image_delivery, "CPU_SECONDS", 0.05)
    marked = encoded(draw(paint("leaves", TEST_SEEDS, 500, 500), V1_SMALL), "PNG")
    paints(sim, marked)
    async with http.post("/v1/generate-images", json={"prompt": "x"}) as answer:
        made = await answer.json()
    waited.set()
    data = base64.b64decode(made["images"][0].partition(",")[2])
    assert pixels(data) == pixels(marked)
    assert b"trainedAlgorithmicMedia" in data
    facts = made["details"][0]
    assert (facts["logo"], facts["note"]) == ("kept", "cleaning took too long")
    assert (facts["bytes"], facts["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())


REFERENCE = "data:image/png;base64," + base64.b64encode(png(16, 16)).decode()
WAYS = {
    "generations": ("/v1/images/generations", {"prompt": "一只狗"}),
    "streamed": ("/v1/images/generations", {"prompt": "一只狗", "stream": True}),
    "edits": ("/v1/images/edits", {"prompt": "一只狗", "images": [{"image_url": REFERENCE}]}),
    "simple": ("/v1/generate-images", {"prompt": "一只狗", "count": 2}),
    "simple edit": ("/v1/images/edit", {"prompt": "一只狗", "image": REFERENCE}),
    "predict": ("/v1beta/models/gemini-2.5-flash-image:predict", {"instances": [{"prompt": "一只狗"}]}),
}


@pytest.mark.parametrize("way", WAYS)
async def test_every_image_tells_how_its_prompt_went_up(
    gate: Served, http: aiohttp.ClientSession, sim: Simulator, way: str
) -> None:
    paints(sim, png())
    account = gate.service.pool.accounts[0]
    account.measured = MeasuredWalls(3_000, 4_000, 0, 0.0)
    path, body = WAYS[way]
    async with http.post(path, json=body) as answer:
        await answer.read()
    assert answer.status == 200
    sent = len(sim.record.calls[-1].prompt.encode())
    limit = account.walls.of(temporary=True).plain
    assert answer.headers["x-gemgate-context"] == f"inline; bytes={sent}; limit={limit}"
    assert (answer.headers["x-gemgate-conversation"], answer.headers["x-gemgate-attempts"]) == ("miss", "1")
    before = sim.record.generations
    longer = json.dumps(body, ensure_ascii=False).replace("一只狗", "狗" * 2_000)
    async with http.post(path, data=longer, headers={"content-type": "application/json"}) as answer:
        told = await answer.json()
    assert (answer.status, sim.record.generations) == (400, before), told
    assert "x-gemgate-context" not in answer.headers
