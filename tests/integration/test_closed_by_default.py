"""Who is believed to be whom: addresses, hosts, keys and links are judged as they are used (docs/threats.md)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from starlette.requests import HTTPConnection

from gemgate.caller import Caller
from gemgate.cli.jobs import OVER
from gemgate.errors import SettingsError
from gemgate.settings import TOKEN_LENGTH, explicit
from gemgate.testing import FakeClock
from gemgate.web.auth import forwarded_caller
from gemgate.web.auth.access import Access, presented_key
from gemgate.web.auth.login_throttle import MOST
from gemgate.web.page import security_headers
from gemgate.web.relay.app import RelayApp
from gemgate.web.relay.node_client import NodeClient, _target
from gemgate_simulator import Simulator
from tests.support.painted import paints, png
from tests.support.patience import PATIENCE
from tests.support.serving import served, settings_for


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice",)) as running:
        yield running


ADMIN = "admin-key-of-this-test"


def connection(*headers: tuple[str, str], peer: str = "127.0.0.1", path: str = "/api/overview", query: str = "") -> Any:
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    return HTTPConnection(
        {
            "type": "http",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "query_string": query.encode(),
            "headers": raw,
            "client": (peer, 1),
            "server": ("127.0.0.1", 8100),
        }
    )


def judge(folder: Path, **settings: Any) -> Access:
    return Access(explicit(data_dir=folder, **settings), None, FakeClock())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        (["198.51.100.8"], "198.51.100.8"),
        (["6.6.6.1, 198.51.100.8"], "198.51.100.8"),
        (["6.6.6.1", "198.51.100.8"], "198.51.100.8"),
        (["198.51.100.8:4711"], "198.51.100.8"),
        (["[2001:db8::1]:4711"], "2001:db8::1"),
        (["2001:db8::1"], "2001:db8::1"),
        (["6.6.6.1, 198.51.100.8, 127.0.0.1"], "198.51.100.8"),
        (["6.6.6.1, nonsense"], "127.0.0.1"),
        (["6.6.6.1,"], "127.0.0.1"),
        (["6.6.6.1", "unknown, 127.0.0.1:80"], "127.0.0.1"),
    ],
)
def test_a_callers_address_is_what_our_own_proxy_saw(tmp_path: Path, lines: list[str], address: str) -> None:
    asked = connection(*(("x-forwarded-for", line) for line in lines))
    assert judge(tmp_path, trusted_proxies="127.0.0.0/8").address(asked) == address
    assert judge(tmp_path).address(asked) == "127.0.0.1"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8100", "[::1]:8100", "[::1]"])
def test_this_machine_is_known_by_its_names(tmp_path: Path, host: str) -> None:
    assert judge(tmp_path).page_access(connection(("host", host))) == "open"


@pytest.mark.parametrize("host", ["localhost:80@a.b", "evil.com", "localhost:x", "localhost:", "[::1", "", "[::1]x"])
def test_no_other_host_is_this_machine(tmp_path: Path, host: str) -> None:
    assert judge(tmp_path).page_access(connection(("host", host))) == "closed"


@pytest.mark.parametrize(
    "name",
    [
        *("Forwarded", "Via", "X-Real-IP", "X-Client-IP", "X-Cluster-Client-IP", "True-Client-IP", "CF-Connecting-IP"),
        *("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix", "X-Forwarded", "CF-Ray"),
        *("X-Original-Forwarded-For", "Fly-Client-IP", "X-Envoy-External-Address", "X-Amzn-Trace-Id", "CDN-Loop"),
        *("X-Amz-Cf-Id", "X-Appengine-User-IP", "X-Cloud-Trace-Context", "X-Google-Real-IP", "Ali-Cdn-Real-IP"),
        *("X-Sucuri-ClientIP", "X-Akamai-Edgescape", "X-Varnish", "Ngrok-Trace-Id", "Tailscale-User-Login"),
        *("X-Forward-For", "X_Forwarded_For", "CF_Ray", "X-Remote-Addr", "X-SSL-Client-DN", "Max-Forwards", "X-Host"),
    ],
)
def test_any_header_of_a_proxy_means_a_proxy(tmp_path: Path, name: str) -> None:
    assert judge(tmp_path).page_access(connection(("host", "localhost"), (name, "x"))) == "closed"


def test_where_keys_are_set_this_machine_is_no_admin(tmp_path: Path) -> None:
    assert judge(tmp_path, api_key="k-1234567").page_access(connection(("host", "localhost"))) == "closed"


@pytest.mark.parametrize("headers", [{"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}])
def test_foreign_pages_read_nothing_either(tmp_path: Path, headers: dict[str, str]) -> None:
    asked = connection(("host", "localhost"), *headers.items())
    assert judge(tmp_path, cors_origins="*").page_access(asked) == "closed"


@pytest.mark.parametrize("path", ["/api/accounts", "/metrics", "/api/requests"])
def test_an_admins_routes_are_never_shared_with_other_origins(tmp_path: Path, path: str) -> None:
    judged = judge(tmp_path, cors_origins="*")
    assert judged.cors_headers("https://evil.example", path) == {}
    assert judged.cors_headers("https://evil.example", "/v1/models")


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/api/gallery", ""), ("/api/info", ""), ("/images/x", ""), ("/v1/chat/completions", ""),
        ("/v1beta/models", "bob"), ("/v1/models/gemini:generateContent", "bob"), ("/upload/v1beta/files", "bob"),
    ],
)  # fmt: skip
def test_key_in_a_query_is_a_key_on_googles_routes_only(path: str, key: str) -> None:
    asked = connection(path=path, query="key=bob")
    assert presented_key(asked) == key
    assert (b"bob" in _target(asked.scope)) is not bool(key)


def test_no_spelling_of_a_key_in_a_query_goes_to_a_node() -> None:
    asked = connection(path="/v1/models", query="%6bey=secret&a=1&k%65y=secret&key=secret")
    assert _target(asked.scope) == b"/v1/models?a=1"


def test_public_https_makes_the_cookie_secure(tmp_path: Path) -> None:
    judged = judge(tmp_path, public_base_url="https://gem.example")
    assert judged.is_https(connection(("host", "gem.example")))
    assert not judged.is_https(connection(("host", "localhost:8100")))
    assert judged.is_https(connection(("host", "127.0.0.1:8100"), ("origin", "https://gem.example")))
    assert not judged.is_https(connection(("host", "localhost:8100"), ("origin", "http://gem.example")))


@pytest.mark.parametrize("path", ["/images/x", "/health", "/v1/models", "/api/overview"])
@pytest.mark.parametrize("admin", [ADMIN, "short"])
async def test_wrong_keys_count_wherever_they_come(sim: Simulator, tmp_path: Path, path: str, admin: str) -> None:
    """A long admin key is nobody's guess: its owner is let in whatever others at their address try."""
    settings = settings_for(sim, tmp_path, api_key="client-key-1", admin_key=admin)
    async with served(settings, wait_ready=False) as gate, aiohttp.ClientSession(gate.url) as http:
        last = 0
        for number in range(MOST + 1):
            async with http.get(path, headers={"authorization": f"Bearer guess{number}"}) as answer:
                last = answer.status
        assert last == 429
        async with http.get("/api/overview", headers={"authorization": f"Bearer {admin}"}) as answer:
            assert answer.status == (200 if len(admin) >= TOKEN_LENGTH else 429)


async def test_without_client_keys_guesses_of_the_admin_key_count_too(sim: Simulator, tmp_path: Path) -> None:
    settings = settings_for(sim, tmp_path, admin_key="short")
    async with served(settings, wait_ready=False) as gate, aiohttp.ClientSession(gate.url) as http:

        async def status(path: str, key: str) -> int:
            async with http.get(path, headers={"authorization": f"Bearer {key}"}) as answer:
                return answer.status

        # The same key again is no guess: programs send any where none is asked for.
        assert {await status("/v1/batch", "dummy") for _ in range(MOST * 2)} == {200}
        assert await status("/api/overview", "short") == 200
        assert {await status("/v1/batch", f"guess{number}") for number in range(MOST)} == {200}
        assert await status("/api/overview", "short") == 429


async def test_wrong_internal_tokens_count(sim: Simulator, tmp_path: Path) -> None:
    settings = settings_for(sim, tmp_path, internal_token="a-token-that-is-long-enough")
    async with served(settings, wait_ready=False) as gate, aiohttp.ClientSession(gate.url) as http:
        statuses = []
        for number in range(MOST + 1):
            async with http.get("/v1/models", headers={"x-gemgate-internal": f"guess-{number}"}) as answer:
                statuses.append(answer.status)
        assert statuses == [401] * MOST + [429]


async def test_a_image_of_another_key_needs_its_signature(sim: Simulator, tmp_path: Path) -> None:
    paints(sim, png())
    settings = settings_for(sim, tmp_path, api_key="ann:secret-a,ben:secret-b", admin_key=ADMIN)
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
        ann, ben = {"authorization": "Bearer secret-a"}, {"authorization": "Bearer secret-b"}
        body = {"prompt": "x", "response_type": "url"}
        async with http.post("/v1/generate-images", json=body, headers=ann) as answer:
            link = (await answer.json())["images"][0]
        bare = link.partition("?")[0]
        for address, headers, status in (
            (bare, ann, 200),
            (bare, ben, 401),
            (link, ben, 200),
            (link, {}, 200),
            (bare, {"authorization": f"Bearer {ADMIN}"}, 200),
            (bare + "?exp=%C2%B2&sig=a", {}, 401),
        ):
            async with http.get(address, headers=headers) as answer:
                assert answer.status == status, (address, headers)


async def test_a_long_path_is_answered_at_once_and_cut(sim: Simulator, tmp_path: Path) -> None:
    path = "/" + "w" * 40_000 + "://"
    async with (
        served(settings_for(sim, tmp_path), wait_ready=False) as gate,
        aiohttp.ClientSession(gate.url, timeout=aiohttp.ClientTimeout(total=3)) as http,
        http.get(path) as answer,
    ):
        assert answer.status == 404
        assert len(await answer.text()) < 500


def test_what_signs_a_browser_in_stays_at_the_edge() -> None:
    hop = NodeClient("a-token-that-is-long-enough", silence=1)
    secrets = {"cookie": "gemgate_80=secret", "x-csrf-token": "secret", "x-api-key": "secret"}
    asked = connection(("accept", "a"), *secrets.items())
    stated = forwarded_caller.ForwardedCaller(Caller(), "client", "http")
    head, _ = hop._head(urlsplit("http://node:1"), asked, stated, None, fresh=False)
    assert b"\r\naccept: a\r\n" in head
    for secret in (b"cookie", b"x-csrf-token", b"secret"):
        assert secret not in head


async def test_a_question_about_the_whole_server_finds_nothing() -> None:
    """`OPTIONS *` has no path to join to a node's address."""
    front: Any = RelayApp.__new__(RelayApp)
    sent: list[Any] = []
    beside = SimpleNamespace(opened=False)
    call: Any = SimpleNamespace(failed=lambda *_, **_more: None, request_id="r", headers={}, keepalive=beside)
    scope = {**connection(path="*").scope, "gemgate.context": call}

    async def send(message: Any) -> None:
        sent.append(message)

    await front(scope, None, send)
    assert sent[0]["status"] == 404


def _referring(url: str) -> list[tuple[str, dict[str, Any]]]:
    """A call of every dialect that takes an image by its link."""
    words = {"type": "text", "text": "what is this"}
    return [
        (
            "/v1/chat/completions",
            {"messages": [{"role": "user", "content": [words, {"type": "image_url", "image_url": {"url": url}}]}]},
        ),
        (
            "/v1/responses",
            {
                "input": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "input_text", "text": "what is this"},
                            {"type": "input_image", "image_url": url},
                        ],
                    }
                ]
            },
        ),
        (
            "/v1/messages",
            {
                "max_tokens": 99,
                "model": "gemini-3-flash-preview",
                "messages": [
                    {"role": "user", "content": [words, {"type": "image", "source": {"type": "url", "url": url}}]}
                ],
            },
        ),
        (
            "/v1beta/models/gemini-3-flash-preview:generateContent",
            {"contents": [{"role": "user", "parts": [{"text": "what is this"}, {"fileData": {"fileUri": url}}]}]},
        ),
        ("/v1/images/edits", {"prompt": "x", "images": [{"image_url": url}]}),
        ("/v1/images/edit", {"prompt": "x", "image": url}),
        ("/v1/batch/images", {"items": [{"prompt": "x", "references": [url]}]}),
    ]


async def test_a_link_as_a_reference_obeys_the_rule_of_the_image(sim: Simulator, tmp_path: Path) -> None:
    paints(sim, png())
    free = {"rate_limit_per_hour": 0, "model_interval_seconds": 0}
    settings = settings_for(sim, tmp_path, api_key="ann:secret-a,ben:secret-b", admin_key=ADMIN, **free)
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
        ann, ben = {"authorization": "Bearer secret-a"}, {"authorization": "Bearer secret-b"}
        body = {"prompt": "x", "response_type": "url"}
        async with http.post("/v1/generate-images", json=body, headers=ann) as answer:
            link = (await answer.json())["images"][0]
        bare = link.partition("?")[0]
        wrong = link[:-4] + "0000"
        for reference, headers, allowed in (
            (bare, ben, False),
            (wrong, ben, False),
            (bare, ann, True),
            (link, ben, True),
        ):
            for path, order in _referring(reference):
                async with http.post(path, json=order, headers=headers) as answer:
                    said = await answer.text()
                assert answer.status == (200 if allowed else 400), (path, reference, said)
                assert allowed or "another key" in said, (path, said)


async def test_a_name_is_one_owners_for_ever(tmp_path: Path) -> None:
    """An entry of API_KEY, then a key of the page, then a node with other settings, in every order."""
    admin = {"authorization": f"Bearer {ADMIN}"}

    async def made(settings: Any, name: str) -> int:
        async with served(settings, wait_ready=False) as gate, aiohttp.ClientSession(gate.url, headers=admin) as http:
            async with http.post("/api/keys", json={"name": name}) as answer:
                status = answer.status
            async with http.get("/api/keys") as answer:
                names = [(key["name"], key["origin"]) for key in (await answer.json())["keys"]]
        assert ("ann", "page") not in names
        return status

    def settings(keys: str | None) -> Any:
        return settings_for(None, tmp_path, api_key=keys, admin_key=ADMIN)

    assert await made(settings("ann:secret-a"), "eve") == 201
    assert await made(settings("ann:secret-a"), "ann") == 409
    assert await made(settings("ben:secret-b"), "ann") == 409  # ann has left API_KEY, what she made is here
    assert await made(settings(None), "ben") == 409
    assert await made(settings("ann:another-secret"), "dan") == 201
    for keys in ("eve:secret-e", "ann:secret-a,dan:secret-d"):
        with pytest.raises(SettingsError, match="made on the page"):
            await made(settings(keys), "x")


async def test_open_tasks_of_a_key_are_bounded(sim: Simulator, tmp_path: Path) -> None:
    paints(sim, png())
    free = {"rate_limit_per_hour": 0, "model_interval_seconds": 0, "batch_tasks_per_key": 3}
    settings = settings_for(sim, tmp_path, api_key="ann:secret-a,ben:secret-b", **free)
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
        ann, ben = {"authorization": "Bearer secret-a"}, {"authorization": "Bearer secret-b"}

        async def order(count: int, headers: dict[str, str]) -> tuple[int, Any]:
            body = {"prompts": [f"picture {number}" for number in range(count)]}
            async with http.post("/v1/batch/images", json=body, headers=headers) as answer:
                return answer.status, await answer.json()

        status, told = await order(4, ann)
        assert status == 429
        assert "BATCH_TASKS_PER_KEY" in str(told)
        gate.service.pool.kept_free = 99  # nothing is painted meanwhile
        assert (await order(2, ann))[0] == 200
        async with asyncio.TaskGroup() as group:
            three = [group.create_task(order(1, ann)) for _ in range(3)]
        assert sorted(one.result()[0] for one in three) == [200, 429, 429]
        assert (await order(3, ben))[0] == 200


async def test_files_of_a_key_are_bounded(tmp_path: Path) -> None:
    settings = settings_for(None, tmp_path, api_key="ann:secret-a,ben:secret-b", files_per_key_mb=0.005)
    async with served(settings, wait_ready=False) as gate, aiohttp.ClientSession(gate.url) as http:

        async def upload(size: int, key: str) -> tuple[int, Any]:
            form = aiohttp.FormData({"purpose": "user_data"})
            form.add_field("file", b"x" * size, filename="a.txt", content_type="text/plain")
            async with http.post("/v1/files", data=form, headers={"authorization": f"Bearer {key}"}) as answer:
                return answer.status, await answer.json()

        status, first = await upload(600, "secret-a")
        assert status == 200
        status, told = await upload(600, "secret-a")
        assert status == 413
        assert "FILES_PER_KEY_MB" in str(told)
        assert (await upload(600, "secret-b"))[0] == 200
        mine = {"authorization": "Bearer secret-a"}
        async with http.delete(f"/v1/files/{first['id']}", headers=mine) as answer:
            assert answer.status == 200
        assert (await upload(600, "secret-a"))[0] == 200


async def test_pictures_of_a_key_are_bounded(sim: Simulator, tmp_path: Path) -> None:
    """Refused before Google is asked, in the form of who calls; a picture that a chat brings by itself is shown, but
    not kept. What there is stays until its key deletes it.
    """
    paints(sim, png())
    settings = settings_for(sim, tmp_path, api_key="ann:secret-a,ben:secret-b", media_per_key_mb=0.05)
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:

        async def ask(method: str, path: str, body: Any = None, key: str = "secret-a") -> tuple[int, Any]:
            head = {"authorization": f"Bearer {key}"}
            async with http.request(method, path, json=body, headers=head) as answer:
                return answer.status, await answer.json()

        one = {"prompt": "a boat"}
        assert (await ask("POST", "/v1/images/generations", one))[0] == 200
        asked = sim.record.generations
        google = "/v1beta/models/gemini-2.5-flash-image:generateContent"
        for path, body in (
            ("/v1/images/generations", one),
            ("/v1/images/generations?async=true", one),
            ("/v1/batch/images", {"prompts": ["a boat"]}),
            ("/v1/videos", one),
            ("/v1/music", one),
            (google, {"contents": [{"parts": [{"text": "a boat"}]}]}),
        ):
            status, told = await ask("POST", path, body)
            assert status == 413, (path, told)
            assert "MEDIA_PER_KEY_MB" in str(told)
        assert sim.record.generations == asked
        chat = {"messages": [{"role": "user", "content": "show me a boat"}]}
        status, told = await ask("POST", "/v1/chat/completions", chat)
        assert status == 200
        assert "/images/" not in str(told)
        assert (await ask("POST", "/v1/images/generations", one, "secret-b"))[0] == 200
        (kept,) = (await ask("GET", "/api/gallery"))[1]["pictures"]
        assert (await ask("DELETE", f"/api/gallery/{kept['id']}"))[0] == 200
        assert (await ask("POST", "/v1/images/generations", one))[0] == 200


async def test_a_batch_that_fills_its_keys_room_fails_and_is_taken_up_again(sim: Simulator, tmp_path: Path) -> None:
    paints(sim, png())
    settings = settings_for(sim, tmp_path, media_per_key_mb=0.05)
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:

        async def ask(method: str, path: str, body: Any = None) -> Any:
            async with http.request(method, path, json=body) as answer:
                assert answer.status == 200, await answer.text()
                return await answer.json()

        async def ended(job: str) -> Any:
            async with asyncio.timeout(PATIENCE):
                while (state := await ask("GET", f"/api/jobs/{job}?wait=10"))["status"] not in OVER:
                    pass
            return state

        ordered = await ask("POST", "/v1/batch/images", {"prompts": ["a boat", "a ship"], "concurrency": 1})
        state = await ended(ordered["batch_id"])
        assert (state["completed"], state["failed"]) == (1, 1)
        (failed,) = state["errors"]
        assert "MEDIA_PER_KEY_MB" in failed["error"]
        assert failed["retryable"]
        assert sim.record.generations == 1
        (kept,) = (await ask("GET", "/api/gallery"))["pictures"]
        await ask("DELETE", f"/api/gallery/{kept['id']}")
        await ask("POST", f"/api/jobs/{ordered['batch_id']}/retry")
        state = await ended(ordered["batch_id"])
        assert (state["completed"], state["failed"]) == (2, 0)


async def test_named_conversations_of_a_key_are_bounded(sim: Simulator, tmp_path: Path) -> None:
    settings = settings_for(sim, tmp_path, conversations_per_key=2)
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:

        async def say(name: str) -> tuple[int, Any]:
            body = {"messages": [{"role": "user", "content": f"turn {name}"}], "conversation_id": name}
            async with http.post("/v1/chat/completions", json=body) as answer:
                return answer.status, await answer.json()

        for name in ("one", "two", "three"):
            assert (await say(name))[0] == 200
        await gate.service.gateway.conversations.store.forget_beyond()
        status, told = await say("four")
        assert (status, told["error"]["code"]) == (413, "conversations_full")
        assert (await say("one"))[0] == 200
        for name in ("two", "three"):
            async with http.delete(f"/conversations/{name}") as answer:
                assert answer.status == 200
        assert (await say("four"))[0] == 200


@pytest.mark.parametrize(("host", "status"), [("localhost", 200), ("evil.example", 403)])
async def test_the_document_is_not_told_to_a_foreign_name(tmp_path: Path, host: str, status: int) -> None:
    async with (
        served(settings_for(None, tmp_path), wait_ready=False) as gate,
        aiohttp.ClientSession(gate.url) as http,
        http.get("/openapi.json", headers={"host": host}) as answer,
    ):
        assert answer.status == status


@pytest.mark.parametrize(
    ("addressing", "source"), [("path", "https://s3.example/mine/"), ("virtual", "https://mine.s3.example")]
)
def test_images_on_the_page_come_from_our_bucket_only(tmp_path: Path, addressing: str, source: str) -> None:
    settings = explicit(data_dir=tmp_path, s3_endpoint="https://s3.example", s3_bucket="mine", s3_addressing=addressing)
    policy = security_headers(settings)["content-security-policy"]
    assert f"img-src 'self' data: blob: {source};" in policy


async def test_an_admin_sees_prompts_everywhere_and_a_key_its_own(sim: Simulator, tmp_path: Path) -> None:
    paints(sim, png())
    settings = settings_for(sim, tmp_path, api_key="ann:secret-a,ben:secret-b", admin_key=ADMIN)
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
        body = {"prompt": "a red fox"}
        async with http.post("/v1/generate-images", json=body, headers={"authorization": "Bearer secret-a"}) as answer:
            assert answer.status == 200
        seen = {}
        for key in ("secret-a", "secret-b", ADMIN):
            async with http.get("/api/gallery", headers={"authorization": f"Bearer {key}"}) as answer:
                seen[key] = [one["prompt"] for one in (await answer.json())["pictures"]]
        assert seen == {"secret-a": ["a red fox"], "secret-b": [], ADMIN: ["a red fox"]}


@pytest.mark.parametrize("header", ["host", "origin"])
async def test_a_long_name_is_told_short(tmp_path: Path, header: str) -> None:
    async with served(settings_for(None, tmp_path), wait_ready=False) as gate, aiohttp.ClientSession() as http:
        named = {header: ("https://" if header == "origin" else "") + "x" * 40_000}
        async with http.get(f"{gate.url}/v1/models", headers=named) as answer:
            assert answer.status == 403
            assert len(await answer.read()) < 1_000
