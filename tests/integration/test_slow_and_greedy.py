"""Peers that are slow, silent or greedy, and keys that want more than they may (docs/threats.md)."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from starlette.requests import Request

from gemgate.caller import Caller
from gemgate.cli.console import quoted
from gemgate.cli.terminal import plain
from gemgate.errors import BadRequest, Busy, SettingsError
from gemgate.files import Inline, Link
from gemgate.gateway.attachments import Attachments
from gemgate.settings import explicit
from gemgate.stores.drafts import drafted
from gemgate.stores.uploads import MAX_OPEN_OF_ONE, ResumableUploads
from gemgate.testing import FakeClock
from gemgate.web import interim, request_body
from gemgate.web.interim import InterimProtocol
from gemgate.web.stored_files import media_type
from gemgate_simulator import Simulator
from tests.support.patience import PATIENCE, until
from tests.support.serving import served, settings_for

ADMIN = "admin-key-of-this-test"


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice",)) as running:
        yield running


async def _listening(monkeypatch: pytest.MonkeyPatch, app: object = None) -> tuple[asyncio.Server, int]:
    import uvicorn

    async def answers(scope: dict, receive: object, send: object) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": b"ok"})  # type: ignore[operator]

    config = uvicorn.Config(app or answers, http=InterimProtocol, lifespan="off", log_config=None)
    config.load()
    state = uvicorn.server.ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: InterimProtocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    return server, server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("before", [b"", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"])
async def test_a_head_that_does_not_come_ends_the_connection(monkeypatch: pytest.MonkeyPatch, before: bytes) -> None:
    monkeypatch.setattr(interim, "HEAD_SECONDS", 1.0)
    server, port = await _listening(monkeypatch)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        if before:
            writer.write(before)
            await reader.readuntil(b"ok")
        writer.write(b"GET / HTTP/1.1\r\nX: ")
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read(1) == b""
        writer.close()
        assert not InterimProtocol._unheard
    finally:
        server.close()


async def test_an_answered_connection_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interim, "HEAD_SECONDS", 1.0)
    server, port = await _listening(monkeypatch)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b"200" in await reader.readuntil(b"ok")
            await asyncio.sleep(1.5)
        writer.close()
    finally:
        server.close()


async def test_one_address_has_so_many_connections_without_a_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interim, "UNHEARD", 3)
    monkeypatch.setattr(interim, "CROWDED_SECONDS", 0.2)
    server, port = await _listening(monkeypatch)
    try:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        async with asyncio.timeout(PATIENCE):
            reader, fourth = await asyncio.open_connection("127.0.0.1", port)
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read(1) == b""
        silent[0][1].write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")  # the others do not suffer
        assert b"200" in await silent[0][0].readuntil(b"ok")
        for writer in (fourth, *(one for _, one in silent)):
            writer.close()
    finally:
        server.close()


async def test_what_comes_whole_is_given_no_time_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []
    await_head, timeout_at = InterimProtocol._await_head, asyncio.timeout_at

    def heads(self: InterimProtocol) -> None:
        given.append("head")
        await_head(self)

    def bodies(when: float) -> asyncio.Timeout:
        given.append("body")
        return timeout_at(when)

    async def read(scope: dict, receive: object, send: object) -> None:
        body = await request_body.read_body(Request(scope, receive), 100)  # type: ignore[arg-type]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"3")]})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": body})  # type: ignore[operator]

    monkeypatch.setattr(InterimProtocol, "_await_head", heads)
    monkeypatch.setattr(request_body.asyncio, "timeout_at", bodies)
    server, port = await _listening(monkeypatch, read)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"
        for _ in range(2):
            writer.write(head + b"abc")
            await reader.readuntil(b"abc")
        assert given == ["head"]  # from the connection to its first byte
        for piece, awaited in ((head[:9], ["head", "head"]), (head[9:], ["head", "head", "body"])):
            writer.write(piece)
            await until(lambda awaited=awaited: given == awaited)
        writer.write(b"abc")
        await reader.readuntil(b"abc")
        writer.close()
    finally:
        server.close()


async def test_who_leaves_is_missed_by_each_request_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several on one connection the server tells the last: the others would be made to their end for nobody."""
    begun, missed = asyncio.Event(), asyncio.Event()

    async def waits(scope: dict, receive: object, send: object) -> None:
        begun.set()
        while (await receive())["type"] != "http.disconnect":  # type: ignore[operator]
            pass
        missed.set()

    server, port = await _listening(monkeypatch, waits)
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
        async with asyncio.timeout(PATIENCE):
            await begun.wait()
            writer.close()
            await missed.wait()
    finally:
        server.close()


async def test_a_body_that_stops_is_told_so(sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "SILENCE_SECONDS", 0.2)
    async with served(settings_for(sim, tmp_path), wait_ready=False) as gate:
        host, _, port = gate.url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{")
        async with asyncio.timeout(PATIENCE):
            assert b"body_timeout" in await reader.readuntil(b"}}")
        writer.close()


class _Web:
    def __init__(self, size: int) -> None:
        self.size = size
        self.fetched = 0

    async def fetch(self, url: str, max_bytes: int) -> Inline:
        if self.size > max_bytes:
            raise BadRequest("it is larger")
        self.fetched += 1
        return Inline(b"x" * self.size, "text/plain", "a.txt")


async def test_the_links_of_a_request_are_bounded_in_number_and_together() -> None:
    web = _Web(600)
    files = Attachments(web, None, max_bytes=1000, max_pixels=10)
    with pytest.raises(BadRequest, match="links"):
        await files.load([Link("https://a.example/x")] * 1000, Caller())
    assert web.fetched == 0
    with pytest.raises(BadRequest):
        await files.load([Link("https://a.example/x")] * 8, Caller())
    assert web.fetched == 3  # 1800 of 2000 bytes


def test_open_uploads_of_one_owner_leave_room_for_others() -> None:
    uploads = ResumableUploads(clock=FakeClock(), max_bytes=1000)
    for _ in range(MAX_OPEN_OF_ONE):
        uploads.begin("alice", "a", "", None)
    with pytest.raises(Busy):
        uploads.begin("alice", "a", "", None)
    assert uploads.begin("bob", "a", "", None)


@pytest.mark.parametrize("declared", ["text/plain\r\nX: 1", "text/\x00", "文/本", "", "text", "a/b/c", "a" * 200 + "/"])
def test_what_is_no_media_type_never_gets_into_a_header(declared: str) -> None:
    assert media_type(declared) == ""
    assert media_type("Text/Plain; charset=x") == "text/plain"


async def test_a_file_of_a_strange_type_can_be_fetched(sim: Simulator, tmp_path: Path) -> None:
    async with served(settings_for(sim, tmp_path), wait_ready=False) as gate, aiohttp.ClientSession(gate.url) as http:
        start = {"x-goog-upload-protocol": "resumable", "x-goog-upload-command": "start"}
        body = {"file": {"mime_type": "text/plain\r\nX: 1", "display_name": "a"}}
        async with http.post("/upload/v1beta/files", json=body, headers=start) as answer:
            place = answer.headers["x-goog-upload-url"]
        finish = {"x-goog-upload-command": "upload, finalize", "x-goog-upload-offset": "0"}
        async with http.post(place, data=b"words", headers=finish) as answer:
            name = (await answer.json())["file"]["name"]
        async with http.get(f"/v1/files/file-{name.removeprefix('files/')}/content") as answer:
            assert (answer.status, await answer.read()) == (200, b"words")
            assert answer.headers["content-type"].partition(";")[0] in ("text/plain", "application/octet-stream")


@pytest.mark.parametrize("token", ["x", "fifteen-letters"])
def test_a_short_internal_token_is_refused_wherever_it_counts(tmp_path: Path, token: str) -> None:
    with pytest.raises(ValueError, match="16 characters"):
        explicit(data_dir=tmp_path, internal_token=token)


async def test_a_batch_does_no_more_than_its_key_may(sim: Simulator, tmp_path: Path) -> None:
    settings = settings_for(sim, tmp_path, api_key="other:client-key-1", admin_key=ADMIN)
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:

        async def key(**limits: object) -> dict[str, str]:
            body = {"name": f"k{len(limits)}{next(iter(limits))}", **limits}
            async with http.post("/api/keys", json=body, headers={"authorization": f"Bearer {ADMIN}"}) as answer:
                assert answer.status == 201
                return {"authorization": f"Bearer {(await answer.json())['key']}"}

        async def uploaded(headers: dict[str, str], model: str) -> str:
            call = {"model": model, "messages": [{"role": "user", "content": "x"}]}
            line = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": call}
            form = aiohttp.FormData({"purpose": "batch"})
            form.add_field("file", json.dumps(line).encode(), filename="a.jsonl")
            async with http.post("/v1/files", data=form, headers=headers) as answer:
                return (await answer.json())["id"]

        async def ordered(headers: dict[str, str], model: str) -> int:
            file = await uploaded(headers, model)
            body = {"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
            async with http.post("/v1/batches", json=body, headers=headers) as answer:
                return answer.status

        flash = await key(models=["gemini-3-flash-preview", "gemini-2.5-flash-image"])
        order = {"items": [{"prompt": "x", "model": "gemini-3-pro-image-preview-4k"}]}
        async with http.post("/v1/batch/images", json=order, headers=flash) as answer:
            assert answer.status == 403
        assert await ordered(flash, "gemini-3.0-pro") == 403
        assert await ordered(flash, "gemini-3-flash-preview") == 200
        assert await ordered(await key(operations=["batches", "files"]), "gemini-3-flash-preview") == 403


async def test_what_a_revoked_key_ordered_is_given_up(sim: Simulator, tmp_path: Path) -> None:
    settings = settings_for(sim, tmp_path, api_key="other:client-key-1", admin_key=ADMIN)
    admin = {"authorization": f"Bearer {ADMIN}"}
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
        async with http.post("/api/keys", json={"name": "bob"}, headers=admin) as answer:
            made = await answer.json()
        headers = {"authorization": f"Bearer {made['key']}"}
        body = {"prompts": ["x"] * 24, "concurrency": 1}
        async with http.post("/v1/batch/images", json=body, headers=headers) as answer:
            batch = (await answer.json())["batch_id"]
        async with http.delete(f"/api/keys/{made['id']}", headers=admin) as answer:
            assert answer.status == 200
        async with http.get(f"/v1/batch/{batch}/status", headers=admin) as answer:
            told = await answer.json()
        assert told["cancelled"] >= 20


async def test_a_configured_key_does_not_take_over_one_made_on_the_page(sim: Simulator, tmp_path: Path) -> None:
    admin = {"authorization": f"Bearer {ADMIN}"}
    async with (
        served(settings_for(sim, tmp_path, admin_key=ADMIN), wait_ready=False) as gate,
        aiohttp.ClientSession(gate.url) as http,
        http.post("/api/keys", json={"name": "key1"}, headers=admin),
    ):
        pass
    with pytest.raises(SettingsError, match="named key1"):
        async with served(settings_for(sim, tmp_path, api_key="another-persons-key", admin_key=ADMIN)):
            pass


def test_outside_text_moves_nothing_on_a_terminal() -> None:
    hostile = "a\x1b]52;c;aGk=\x07b\x1b[2Jc\x9b31md\re\u202ef\ttab\nline"
    assert plain(hostile) == "a]52;c;aGk=b[2Jc31mdef\ttab\nline"
    assert quoted("[/nope] [red]x") == "\\[/nope] \\[red]x"


def test_drafts_follow_no_link_that_somebody_put_there(tmp_path: Path) -> None:
    target, whole = tmp_path / "target", tmp_path / "b.zip"
    target.write_text("mine")
    for name in (".b.zip.part", "b.zip"):
        (tmp_path / name).symlink_to(target)
    with drafted(whole, 0o600) as file:
        file.write(b"new")
    assert target.read_text() == "mine"
    assert (whole.read_bytes(), whole.is_symlink(), whole.stat().st_mode & 0o777) == (b"new", False, 0o600)
    with pytest.raises(ZeroDivisionError), drafted(whole):
        raise ZeroDivisionError
    assert whole.read_bytes() == b"new"
    assert len(list(tmp_path.iterdir())) == 3
