"""Files on their way up: every dialect, every way to name them; and prompts too long for one, whose rest is a file."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gemgate_simulator import Simulator
from tests.support.patience import until
from tests.support.serving import Served, served, settings_for

MODEL = "gemini-3-flash-preview"
PDF = b"%PDF-1.4\n% the menu\n%%EOF\n"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAFUlEQVR42mNkaGhgwAaYGHCAwSkBAMyIARAUbW44AAAAAElFTkSuQmCC"
)

Body = tuple[str, dict[str, Any]]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def chat(*parts: dict[str, Any]) -> Body:
    content = [{"type": "text", "text": "read this"}, *parts]
    return "/v1/chat/completions", {"model": MODEL, "messages": [{"role": "user", "content": content}]}


def responses(*parts: dict[str, Any]) -> Body:
    content = [{"type": "input_text", "text": "read this"}, *parts]
    return "/v1/responses", {"model": MODEL, "input": [{"role": "user", "content": content}]}


def anthropic(*parts: dict[str, Any]) -> Body:
    content = [{"type": "text", "text": "read this"}, *parts]
    return "/v1/messages", {"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": content}]}


def gemini(*parts: dict[str, Any]) -> Body:
    return f"/v1beta/models/{MODEL}:generateContent", {"contents": [{"parts": [{"text": "read this"}, *parts]}]}


IN_THE_BODY: dict[str, Body] = {
    "chat": chat(
        {"type": "file", "file": {"filename": "menu.pdf", "file_data": f"data:application/pdf;base64,{b64(PDF)}"}},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{b64(PNG)}"}},
    ),
    "responses": responses(
        {"type": "input_file", "filename": "menu.pdf", "file_data": f"data:application/pdf;base64,{b64(PDF)}"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{b64(PNG)}"},
    ),
    "anthropic": anthropic(
        {
            "type": "document",
            "title": "menu.pdf",
            "source": {"type": "base64", "media_type": "application/pdf", "data": b64(PDF)},
        },
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": b64(PNG)}},
    ),
    "gemini": gemini(
        {"inlineData": {"mimeType": "application/pdf", "data": b64(PDF), "displayName": "menu.pdf"}},
        {"inline_data": {"mime_type": "image/png", "data": b64(PNG)}},
    ),
}


BY_LINK: dict[str, Callable[[str], Body]] = {
    "chat": lambda url: chat({"type": "image_url", "image_url": {"url": url}}),
    "responses": lambda url: responses({"type": "input_image", "image_url": url}),
    "responses file": lambda url: responses({"type": "input_file", "file_url": url}),
    "anthropic": lambda url: anthropic({"type": "image", "source": {"type": "url", "url": url}}),
    "anthropic document": lambda url: anthropic({"type": "document", "source": {"type": "url", "url": url}}),
    "gemini": lambda url: gemini({"fileData": {"mimeType": "image/png", "fileUri": url}}),
}

BY_ID: dict[str, Callable[[str], Body]] = {
    "chat": lambda file: chat({"type": "file", "file": {"file_id": file}}),
    "chat extension": lambda file: (chat()[0], {**chat()[1], "files": [file]}),
    "responses": lambda file: responses({"type": "input_file", "file_id": file}),
    "anthropic": lambda file: anthropic({"type": "document", "source": {"type": "file", "file_id": file}}),
    "gemini": lambda file: gemini({"fileData": {"fileUri": f"files/{file}"}}),
}


@pytest.fixture
async def gate(sim: Simulator, tmp_path: Path) -> AsyncIterator[Served]:
    async with served(settings_for(sim, tmp_path, api_key="ann:a,ben:b")) as running:
        yield running


@pytest.fixture
async def http(gate: Served) -> AsyncIterator[aiohttp.ClientSession]:
    keys = {"authorization": "Bearer a", "x-api-key": "a", "x-goog-api-key": "a"}
    async with aiohttp.ClientSession(gate.url, headers=keys) as session:
        yield session


async def send(http: aiohttp.ClientSession, body: Body, **headers: str) -> tuple[int, dict[str, Any]]:
    async with http.post(body[0], json=body[1], headers=headers) as answer:
        return answer.status, await answer.json()


def went_up(sim: Simulator) -> list[tuple[str, str, bytes]]:
    return [(file.name, file.mime, file.data) for file in sim.record.calls[-1].files]


def uploads(sim: Simulator) -> int:
    return sum(seen.where == "upload" and seen.status == 200 for seen in sim.record.requests)


@pytest.mark.parametrize("dialect", IN_THE_BODY)
async def test_files_in_the_body_go_up_under_their_names(
    sim: Simulator, http: aiohttp.ClientSession, dialect: str
) -> None:
    for _ in range(2):
        status, body = await send(http, IN_THE_BODY[dialect])
        assert status == 200, body
        assert went_up(sim) == [("menu.pdf", "application/pdf", PDF), ("file-2.png", "image/png", PNG)]
    assert sim.record.generations == 2
    assert not sim.record.violations


async def test_a_title_that_is_no_file_name_gets_its_extension(sim: Simulator, http: aiohttp.ClientSession) -> None:
    source = {"type": "base64", "media_type": "application/pdf", "data": b64(PDF)}
    document = {"type": "document", "title": "Menu of v1.2", "source": source}
    assert (await send(http, anthropic(document)))[0] == 200
    assert went_up(sim) == [("Menu of v1.2.pdf", "application/pdf", PDF)]


async def test_more_than_ten_files_are_refused_before_anything_is_sent(
    sim: Simulator, http: aiohttp.ClientSession
) -> None:
    parts = [
        {"type": "file", "file": {"filename": f"{n}.txt", "file_data": f"data:text/plain;base64,{b64(b'%d' % n)}"}}
        for n in range(11)
    ]
    status, body = await send(http, chat(*parts))
    assert (status, body["error"]["code"]) == (400, "too_many_files")
    assert (sim.record.generations, uploads(sim)) == (0, 0)
    assert (await send(http, chat(*parts[1:])))[0] == 200
    assert len(went_up(sim)) == 10


async def test_a_image_under_a_wrong_name_is_still_seen(sim: Simulator, http: aiohttp.ClientSession) -> None:
    file = {"filename": "photo.pdf", "file_data": f"data:application/pdf;base64,{b64(PNG)}"}
    assert (await send(http, chat({"type": "file", "file": file})))[0] == 200
    assert went_up(sim) == [("photo.pdf.png", "image/png", PNG)]


@pytest.mark.parametrize("broken", [b"hello", PNG[: len(PNG) // 2]], ids=["text", "cut off"])
async def test_of_several_files_the_one_that_is_no_picture_is_named(http: aiohttp.ClientSession, broken: bytes) -> None:
    parts = [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{b64(data)}"}} for data in (PNG, broken)
    ]
    status, body = await send(http, chat(*parts))
    assert (status, body["error"]["code"]) == (400, "invalid_image")
    assert body["error"]["message"].startswith("File 2 ")


def place_in(body: dict[str, Any]) -> str:
    """Which field an error names, in OpenAI's or Google's shape."""
    error = body["error"]
    return str(error["param"] if "param" in error else error["details"][0]["fieldViolations"][0]["field"])


async def test_what_is_wrong_with_a_file_is_told_with_its_place_in_the_body(
    sim: Simulator, http: aiohttp.ClientSession
) -> None:
    no_picture = b64(b"hello")
    shown = f"data:image/png;base64,{no_picture}"
    wrong: dict[str, Body] = {
        "messages[0].content[1].image_url.url": chat({"type": "image_url", "image_url": {"url": shown}}),
        "input[0].content[1].image_url": responses({"type": "input_image", "image_url": shown}),
        "contents[0].parts[1].inlineData.data": gemini({"inlineData": {"mimeType": "image/png", "data": no_picture}}),
        "messages[0].content[1].file.file_id": chat({"type": "file", "file": {"file_id": "file-none"}}),
        "input[0].content[1].file_id": responses({"type": "input_file", "file_id": "file-none"}),
        "contents[0].parts[1].fileData.fileUri": gemini({"fileData": {"fileUri": "files/none"}}),
        "files[0]": (chat()[0], {**chat()[1], "files": ["file-none"]}),
        "messages[0].content[2].image_url.url": chat(
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{b64(PNG)}"}},
            {"type": "image_url", "image_url": {"url": "http://127.0.0.1:1/cat.png"}},
        ),
    }
    for place, body in wrong.items():
        status, told = await send(http, body)
        assert status in (400, 404), told
        assert place_in(told) == place
    assert sim.record.received == 0


async def test_a_file_that_is_not_there_is_named_as_it_was_asked_for(http: aiohttp.ClientSession) -> None:
    for name, write in BY_ID.items():
        _, told = await send(http, write("none"))
        asked = "files/none" if name == "gemini" else "none"
        assert told["error"]["message"] == f"There is no file {asked}", name
    google = {"x-goog-api-key": "a"}
    for path in ("/v1beta/files/none", "/v1/files/none"):
        for method in ("GET", "DELETE"):
            async with http.request(method, path, headers=google) as answer:
                assert (await answer.json())["error"]["message"] == "There is no file files/none"


async def test_the_same_file_goes_up_once_for_all_dialects(sim: Simulator, http: aiohttp.ClientSession) -> None:
    for body in IN_THE_BODY.values():
        assert (await send(http, body))[0] == 200
    first = uploads(sim)
    for body in IN_THE_BODY.values():
        assert (await send(http, body))[0] == 200
    assert uploads(sim) == first
    assert len({file.id for call in sim.record.calls for file in call.files}) == 2
    assert sim.record.generations == 8


async def test_links_are_fetched_in_every_dialect(
    sim: Simulator, gate: Served, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def image(_: web.Request) -> web.Response:
        return web.Response(body=PNG, content_type="image/png")

    site = web.Application()
    site.router.add_get("/album/cat.png", image)
    runner = web.AppRunner(site)
    await runner.setup()
    listening = web.TCPSite(runner, "127.0.0.1", 0)
    await listening.start()
    port = runner.addresses[0][1]
    fetcher = gate.service.gateway._attachments._fetcher
    fetched = {name: write for name, write in BY_LINK.items() if name != "gemini"}  # its uris are uploads only
    try:
        for name, write in fetched.items():
            link = f"http://127.0.0.1:{port}/album/cat.png?size=2"
            status, body = await send(http, write(link))
            assert status == 400, (name, body)  # this machine is not a public address
            monkeypatch.setattr(fetcher, "_allowed", lambda _: True)
            status, body = await send(http, write(link))
            monkeypatch.undo()
            assert status == 200, (name, body)
            assert went_up(sim) == [("cat.png", "image/png", PNG)], name
    finally:
        await runner.cleanup()
    assert sim.record.generations == len(fetched)
    assert uploads(sim) == 1


@pytest.mark.parametrize("link", ["http://169.254.169.254/latest", "http://localhost:1/x", "file:///etc/passwd"])
async def test_links_inward_are_refused_in_every_dialect(
    sim: Simulator, http: aiohttp.ClientSession, link: str
) -> None:
    for name, write in BY_LINK.items():
        status, body = await send(http, write(link))
        assert status == 400, (name, body)
        assert body["error"]["message"], name
    assert sim.record.received == 0


async def test_uploaded_files_are_used_by_their_id_and_only_by_their_owner(
    sim: Simulator, gate: Served, http: aiohttp.ClientSession
) -> None:
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("files", PDF, filename="../../menü 1.pdf", content_type="application/pdf")
    async with http.post("/upload", data=form) as answer:
        (file,) = (await answer.json())["files"]
    for name, write in BY_ID.items():
        status, body = await send(http, write(file))
        assert status == 200, (name, body)
        assert went_up(sim) == [("menü 1.pdf", "application/pdf", PDF)], name
    other = {"authorization": "Bearer b", "x-api-key": "b", "x-goog-api-key": "b"}
    for name, write in BY_ID.items():
        status, body = await send(http, write(file), **other)
        assert status == 404, (name, body)
    async with http.delete(f"/v1/files/{file}") as answer:
        assert answer.status == 200
    for name, write in BY_ID.items():
        assert (await send(http, write(file)))[0] == 404, name
    assert sim.record.generations == len(BY_ID)
    assert uploads(sim) == 1


async def test_a_link_to_our_own_upload_is_that_upload(sim: Simulator, http: aiohttp.ClientSession) -> None:
    """Google's clients name an upload by the address that the upload was answered with."""
    headers = {
        "x-goog-upload-protocol": "raw",
        "x-goog-upload-file-name": "menu.pdf",
        "content-type": "application/pdf",
    }
    async with http.post("/upload/v1beta/files", data=PDF, headers=headers) as answer:
        file = (await answer.json())["file"]
    status, body = await send(http, gemini({"fileData": {"fileUri": file["uri"], "mimeType": file["mimeType"]}}))
    assert status == 200, body
    assert went_up(sim) == [("menu.pdf", "application/pdf", PDF)]


async def test_an_upload_that_has_expired_is_gone_in_every_dialect(
    sim: Simulator, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gemgate.web.routes.gemini_files.FILE_SECONDS", 0.3)
    headers = {"x-goog-upload-protocol": "raw", "x-goog-upload-file-name": "menu.pdf"}
    async with http.post("/upload/v1beta/files", data=PDF, headers=headers) as answer:
        file = (await answer.json())["file"]
    assert file["expirationTime"]
    await asyncio.sleep(0.4)
    name = file["name"].removeprefix("files/")
    async with http.get(f"/v1beta/files/{name}") as answer:
        assert answer.status == 404
    for dialect, write in BY_ID.items():
        status, body = await send(http, write(name if dialect == "gemini" else f"file-{name}"))
        assert status == 404, (dialect, body)
    assert sim.record.received == 0


OLD = [
    {"role": "system", "content": "Always answer in verse."},
    *[
        {"role": role, "content": f"{role} {number}: " + f"word{number} " * 300}
        for number in range(4)
        for role in ("user", "assistant")
    ],
    {"role": "user", "content": "the last question"},
]


def said(sim: Simulator) -> str:
    """Everything that the last prompt told Google, in the text and in files."""
    call = sim.record.calls[-1]
    return call.prompt + "".join(file.data.decode() for file in call.files)


async def test_older_turns_of_a_long_prompt_go_up_as_a_file(sim: Simulator, tmp_path: Path) -> None:
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
    settings = settings_for(sim, tmp_path, prompt_max_bytes=6000)
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
        body = {"messages": OLD, "tools": [tool]}
        async with http.post("/v1/chat/completions", json=body) as answer:
            assert answer.status == 200, await answer.text()
            assert answer.headers["x-gemgate-context"].startswith("file; bytes=")
            reply = (await answer.json())["choices"][0]["message"]["content"]
        call = sim.record.calls[-1]
        assert len(call.prompt) <= 6000
        assert [(file.name, file.mime) for file in call.files] == [("history.md", "text/markdown")]
        for inline in ("Always answer in verse.", "get_weather", "the last question"):
            assert inline in call.prompt
        for message in OLD:
            assert message["content"].strip() in said(sim)
        more = [*OLD, {"role": "assistant", "content": reply}]
        body["messages"] = [*more, {"role": "user", "content": "and another"}]
        async with http.post("/v1/chat/completions", json=body) as answer:
            assert answer.headers["x-gemgate-conversation"] == "hit"
            assert answer.headers["x-gemgate-context"].startswith("inline; bytes=")
        assert not sim.record.calls[-1].files  # the file stands in the conversation already
        too_much = {"messages": [{"role": "system", "content": "x" * 7000}, OLD[-1]]}
        async with http.post("/v1/chat/completions", json=too_much) as answer:
            assert answer.status == 400
            assert (await answer.json())["error"]["code"] == "context_length_exceeded"
    assert sim.record.generations == 2
    assert not sim.record.violations


async def test_a_last_message_that_is_too_long_goes_up_whole(sim: Simulator, tmp_path: Path) -> None:
    question = "Sum this up: " + "".join(f"line {number}\n" for number in range(2000))
    settings = settings_for(sim, tmp_path, prompt_max_bytes=6000)
    async with (
        served(settings) as gate,
        aiohttp.ClientSession(gate.url) as http,
        http.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": question}]}) as answer,
    ):
        assert answer.status == 200
    (file,) = sim.record.calls[-1].files
    assert (file.name, file.data.decode().strip()) == ("message.md", question.strip())


@pytest.mark.parametrize(("status", "told"), [(413, 400), (400, 502)])
async def test_a_refusal_of_one_prompt_shrinks_nothing(sim: Simulator, tmp_path: Path, status: int, told: int) -> None:
    long = {"messages": [*OLD[:-1], {"role": "assistant", "content": "much more " * 3000}, OLD[-1]]}
    sim.google.fault("generate", "status", status=status, times=1)
    async with served(settings_for(sim, tmp_path)) as gate, aiohttp.ClientSession(gate.url) as http:
        async with http.post("/v1/chat/completions", json=long) as answer:
            assert answer.status == told, await answer.text()
            assert told != 400 or (await answer.json())["error"]["code"] == "context_length_exceeded"
        async with http.post("/v1/chat/completions", json=long) as answer:
            assert answer.status == 200
            assert answer.headers["x-gemgate-context"].startswith("inline; bytes=")
        await until(lambda: sim.record.open_streams == 0)


async def test_of_many_screenshots_the_newest_ten_go_up_and_the_others_are_named(
    sim: Simulator, http: aiohttp.ClientSession
) -> None:
    def shot(number: int) -> dict[str, Any]:
        data = f"data:text/plain;base64,{b64(b'%d' % number)}"
        return {"type": "file", "file": {"filename": f"shot-{number}.txt", "file_data": data}}

    messages: list[dict[str, Any]] = []
    for number in range(25):
        messages += [
            {"role": "user", "content": [{"type": "text", "text": f"look {number}"}, shot(number)]},
            {"role": "assistant", "content": "seen"},
        ]
    messages.append({"role": "user", "content": [{"type": "text", "text": "and now?"}, shot(90), shot(91)]})
    async with http.post("/v1/chat/completions", json={"model": MODEL, "messages": messages}) as answer:
        assert answer.status == 200, await answer.text()
        assert "files_left_out=17" in answer.headers["x-gemgate-context"]
    newest = [*(f"shot-{number}.txt" for number in range(17, 25)), "shot-90.txt", "shot-91.txt"]
    assert [name for name, _, _ in went_up(sim)] == newest
    prompt = sim.record.calls[-1].prompt
    assert "(the attached file shot-16.txt is left out here)" in prompt
    assert prompt.count("is left out here)") == 17
    assert "(attached file 10)" in prompt
    assert (sim.record.generations, uploads(sim)) == (1, 10)

    messages[-1]["content"] += [shot(number) for number in range(92, 101)]
    status, body = await send(http, ("/v1/chat/completions", {"model": MODEL, "messages": messages}))
    assert (status, body["error"]["code"]) == (400, "too_many_files")
    assert (sim.record.generations, uploads(sim)) == (1, 10)


async def test_a_file_whose_text_nobody_can_count_is_told(sim: Simulator, http: aiohttp.ClientSession) -> None:
    body = IN_THE_BODY["chat"]
    async with http.post(body[0], json=body[1]) as answer:
        assert answer.status == 200
        assert answer.headers["x-gemgate-context"].endswith("files_of_unknown_length=1")
