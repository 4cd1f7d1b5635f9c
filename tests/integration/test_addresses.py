"""The gateway knows its own addresses: aliases of its routes, its API reference, the scheme and path of its links."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import openai
import pytest

from gemgate_simulator import Painting, Simulator
from tests.support.nginx import nginx
from tests.support.serving import Served, served, settings_for

KEY = {"authorization": "Bearer sk-alias"}
TURN = [{"role": "user", "content": "say hello"}]
IMAGE = {"model": "gemini-2.5-flash-image", "prompt": "a red fox", "response_format": "url"}


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice",)) as simulator:
        simulator.google.reply("hello", "Hello there.")
        simulator.google.reply("fox", image=Painting())
        yield simulator


@pytest.fixture
async def gate(sim: Simulator, tmp_path: Path) -> AsyncIterator[Served]:
    async with served(settings_for(sim, tmp_path, api_key="sk-alias", trusted_proxies="127.0.0.1/32")) as running:
        yield running


@pytest.mark.parametrize("base", ["/v1beta/openai", "/openai/v1", "/v1/v1", "", "/api/v1", "/openai", "/v1/"])
async def test_openais_client_works_at_every_base(gate: Served, base: str) -> None:
    async with openai.AsyncOpenAI(base_url=gate.url + base, api_key="sk-alias", max_retries=0) as client:
        assert "gemini-3.0-pro" in {model.id async for model in client.models.list()}
        answer = await client.chat.completions.create(model="gemini-3-flash-preview", messages=TURN)  # type: ignore[arg-type]
        assert answer.choices[0].message.content == "Hello there."
    async with openai.AsyncOpenAI(base_url=gate.url + base, api_key="wrong", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError) as refused:
            await client.models.list()
    assert refused.value.body["code"] == "invalid_api_key"  # type: ignore[index] # in OpenAI's own form


async def test_aliases_speak_their_dialects(gate: Served) -> None:
    async with aiohttp.ClientSession(gate.url) as http:
        said = {"model": "gemini-3-flash-preview", "max_tokens": 50, "messages": TURN}
        for path in ("/anthropic/v1/messages", "/messages", "/v1/messages/"):
            async with http.post(path, json=said, headers=KEY) as answer:
                assert (await answer.json())["type"] == "message"
            async with http.post(path, json=said) as answer:
                assert answer.status == 401
                assert (await answer.json())["type"] == "error"
        contents = {"contents": [{"parts": [{"text": "say hello"}]}]}
        path = "/v1/v1beta/models/gemini-3-flash-preview:generateContent"
        async with http.post(path, json=contents, headers=KEY) as answer:
            assert (await answer.json())["candidates"]
        async with http.post("/images/generations", json=IMAGE, headers=KEY) as answer:
            link = (await answer.json())["data"][0]["url"]
        async with http.get(link, headers=KEY) as image:
            assert image.content_type == "image/png"


@pytest.mark.parametrize("base", ["/v1", "", "/openai/v1"])
async def test_compacting_by_openais_service_is_a_clear_404(gate: Served, base: str) -> None:
    async with openai.AsyncOpenAI(base_url=gate.url + base, api_key="sk-alias", max_retries=0) as client:
        with pytest.raises(openai.NotFoundError, match="Compact by a prompt") as refused:
            await client.responses.compact(model="gemini-3-flash-preview", input="hello")
    assert refused.value.code == "not_offered"


async def test_docs_lead_to_the_reference(gate: Served) -> None:
    async with aiohttp.ClientSession(gate.url) as http:
        for path, place in (("/docs", "./#/reference"), ("/docs/", "../#/reference")):
            async with http.get(path, allow_redirects=False) as answer:
                assert (answer.status, answer.headers["location"]) == (307, place)


@pytest.mark.parametrize(("said", "scheme"), [("https", "https"), ("HTTPS , http", "https"), ("https,http", "https"),
                                              ("http, https", "http"), ("", "http")])  # fmt: skip
async def test_links_have_the_scheme_of_the_first_hop(gate: Served, said: str, scheme: str) -> None:
    headers = {**KEY, "x-forwarded-proto": said}
    async with (
        aiohttp.ClientSession(gate.url, headers=headers) as http,
        http.post("/v1/images/generations", json=IMAGE) as answer,
    ):
        assert (await answer.json())["data"][0]["url"].startswith(f"{scheme}://127.0.0.1")


@pytest.mark.parametrize(
    ("said", "below"),
    [("/gem", "/gem"), ("/a/gem/", "/a/gem"), ("/gem, /other", "/gem"), ("", ""), ("/", ""), ("//evil.test", ""),
     ("/a/../b", ""), ("gem", ""), ("/<b>", "")],
)  # fmt: skip
async def test_a_trusted_proxy_says_below_which_path_we_stand(gate: Served, said: str, below: str) -> None:
    headers = {**KEY, "x-forwarded-prefix": said}
    async with aiohttp.ClientSession(gate.url, headers=headers) as http:
        for path in (below + "/v1/images/generations", "/v1/images/generations"):  # taken off by the proxy, or not
            async with http.post(path, json=IMAGE) as answer:
                link = (await answer.json())["data"][0]["url"]
            assert link.startswith(f"{gate.url}{below}/images/")
        async with http.get(link) as image:
            assert image.content_type == "image/png"
        edit = {"prompt": "the fox at night", "images": [{"image_url": link}]}
        async with http.post("/v1/images/edits", json=edit) as answer:
            assert answer.status == 200, await answer.text()


async def test_nobody_else_says_it(sim: Simulator, tmp_path: Path) -> None:
    async with (
        served(settings_for(sim, tmp_path, api_key="sk-alias")) as gate,
        aiohttp.ClientSession(gate.url, headers={**KEY, "x-forwarded-prefix": "/gem"}) as http,
    ):
        async with http.post("/v1/images/generations", json=IMAGE) as answer:
            assert (await answer.json())["data"][0]["url"].startswith(f"{gate.url}/images/")
        async with http.post("/gem/v1/images/generations", json=IMAGE) as answer:
            assert answer.status == 404


@pytest.mark.parametrize("end", ["/", ""])
async def test_below_a_path_of_nginx_whether_it_takes_it_off_or_not(sim: Simulator, tmp_path: Path, end: str) -> None:
    settings = settings_for(sim, tmp_path, api_key="sk-alias", public_base_url="http://example.test/gem")
    async with served(settings) as gate:
        with nginx(tmp_path, f"proxy_pass {gate.url}{end};", "/gem/") as front:
            async with aiohttp.ClientSession(front, headers=KEY) as http:
                async with http.post("/gem/v1/images/generations", json=IMAGE) as answer:
                    link = (await answer.json())["data"][0]["url"]
                assert link.startswith("http://example.test/gem/images/")
                async with http.get(link.removeprefix("http://example.test")) as image:
                    assert image.status == 200
                async with http.get("/gem/docs", allow_redirects=False) as answer:
                    assert answer.status == 307
