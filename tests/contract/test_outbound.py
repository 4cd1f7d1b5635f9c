"""The promises of `ports.Fetcher` and `ports.Sender`: public addresses are reached, others refused at every step."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from gemgate.errors import BadRequest, Unreachable
from gemgate.outbound import GuardedFetcher, GuardedSender, is_public
from gemgate.ports.outbound import Posted
from tests.support.patience import AT_ONCE


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True), ("2001:4860:4860::8888", True), ("127.0.0.1", False), ("10.1.2.3", False),
        ("172.16.0.1", False), ("192.168.1.1", False), ("169.254.169.254", False), ("100.64.0.1", False),
        ("0.0.0.0", False), ("224.0.0.1", False), ("255.255.255.255", False), ("::1", False), ("::", False),
        ("fe80::1", False), ("fe80::1%eth0", False), ("fc00::1", False), ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", True), ("2002:7f00:1::", False), ("64:ff9b::7f00:1", False), ("ff02::1", False),
        ("192.0.2.1", False), ("198.18.0.1", False), ("240.0.0.1", False), ("x", False),
        ("192.0.0.8", False), ("192.88.99.1", False), ("::ffff:0:127.0.0.1", False), ("3fff::1", False),
        ("5f00::1", False), ("4000::1", False), ("100:0:0:1::1", False), ("2001:0:7f00:1::", False),
        ("64:ff9b::808:808", True), ("64:ff9b::a9fe:a9fe", False), ("64:ff9b::c000:8", False),
        ("2002:808:808::1", False), ("2002:c000:8::1", False), ("::ffff:192.0.0.8", False), ("::ffff:224.0.0.1", False),
        ("fec0::1", False), ("64:ff9b:1::7f00:1", False), ("::10.0.0.1", False), ("::8.8.8.8", False),
    ],
)  # fmt: skip
def test_only_addresses_of_the_open_internet_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x", "http://localhost/x", "http://[::1]/x", "http://169.254.169.254/latest/meta-data",
        "http://2130706433/", "http://0x7f.0.0.1/", "http://0177.0.0.1/", "http://127.1/", "ftp://example.com/x",
        "file:///etc/passwd", "http://user:pw@example.com/", "http://", "http://[::ffff:10.0.0.1]/", "http://a:99999/",
        "gopher://x/", "http://0.0.0.0/", "//example.com/x", "http://10.0.0.1:22/",
        "http://127\u30020\u30020\u30021/", "http://169\uff0e254\uff0e169\uff0e254/", "http://127\uff610\uff610\uff611/",
        f"http://example.com/{'a' * 8_192}", f"http://{'a.' * 200}com/", f"http://{chr(0xFDFA) * 400}/",
        "http://127\u20240\u20240\u20241/", "http://\u2460\u2461\u2466.0.0.1/", "http://\uff11\uff12\uff17.0.0.1/",
    ],
)  # fmt: skip
async def test_private_and_odd_links_are_refused(url: str) -> None:
    with pytest.raises(BadRequest):
        await GuardedFetcher(timeout=5).fetch(url, 1000)


class Site:
    def __init__(self, port: int) -> None:
        self.port = port
        self.hits: list[str] = []


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async def serve(request: web.Request) -> web.StreamResponse:
        found.hits.append(request.path)
        match request.path:
            case "/cat.png":
                return web.Response(body=b"PNG" * 10, content_type="image/png")
            case "/moved":
                raise web.HTTPFound("/cat.png")
            case "/inside":
                raise web.HTTPFound("http://10.0.0.1/secret")
            case "/loop":
                raise web.HTTPFound("/loop")
            case "/endless":
                answer = web.StreamResponse()
                await answer.prepare(request)
                for _ in range(200):
                    await answer.write(b"x" * 1000)
                    await asyncio.sleep(0.001)
                return answer
            case "/slow":
                await asyncio.sleep(5)
        raise web.HTTPNotFound

    app = web.Application()
    app.router.add_get("/{tail:.*}", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    await web.SockSite(runner, sock).start()
    found = Site(sock.getsockname()[1])
    yield found
    await runner.cleanup()


@pytest.fixture
def fetcher(request: pytest.FixtureRequest) -> GuardedFetcher:
    """Takes 127.0.0.1 for a public address, and nothing else; impatient where a page is slow."""
    timeout = 1 if "/slow" in request.node.name else AT_ONCE
    return GuardedFetcher(allowed=lambda address: address == "127.0.0.1" or is_public(address), timeout=timeout)


async def test_a_link_is_fetched_with_its_type_and_name(site: Site, fetcher: GuardedFetcher) -> None:
    got = await fetcher.fetch(f"http://127.0.0.1:{site.port}/moved", 1000)
    assert (got.data, got.mime, got.name) == (b"PNG" * 10, "image/png", "cat.png")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/inside", "public address"),
        ("/loop", "redirects"),
        ("/endless", "larger"),
        ("/slow", "no answer"),
        ("/gone", "HTTP 404"),
    ],
)
async def test_what_goes_wrong_is_named(site: Site, fetcher: GuardedFetcher, path: str, reason: str) -> None:
    with pytest.raises(BadRequest, match=reason):
        await fetcher.fetch(f"http://127.0.0.1:{site.port}{path}", 5000)


async def test_a_name_that_resolves_to_a_private_address_is_refused_before_connecting(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the addresses that are checked are the ones that are connected to."""
    answers = iter(["93.184.216.34", "127.0.0.1"])

    async def resolve(host: str, port: int, **_: object) -> list:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve, raising=False)
    fetcher = GuardedFetcher(timeout=AT_ONCE)
    next(answers)
    with pytest.raises(BadRequest, match="public address"):
        await fetcher.fetch(f"http://rebind.example:{site.port}/cat.png", 1000)
    assert site.hits == []


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (["93.184.216.34"], ["127.0.0.1"]),
        (["93.184.216.34", "127.0.0.1"], ["93.184.216.34"]),
        (["127.0.0.1", "93.184.216.34"], ["93.184.216.34"]),
        (["::1"], ["93.184.216.34"]),
        (["fe80::1%1"], ["93.184.216.34"]),
        (["2606:4700::1111%1"], ["127.0.0.1"]),
        (["::ffff:127.0.0.1"], ["127.0.0.1"]),
        (["0.0.0.0"], ["127.0.0.1"]),
        ([], ["127.0.0.1"]),
    ],
)
@pytest.mark.parametrize("way", ["fetch", "tell"])
async def test_a_name_is_asked_once_and_no_answer_of_it_leads_inside(
    site: Site, monkeypatch: pytest.MonkeyPatch, first: list[str], then: list[str], way: str
) -> None:
    """Names that change their answer between judging and connecting, as a TTL of nothing allows."""
    asked: list[str] = []

    async def resolve(host: str, port: int, **_: object) -> list[object]:
        asked.append(host)
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (one, port, 0, 0))
            if ":" in one
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port))
            for one in (first if len(asked) == 1 else then)
        ]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve, raising=False)
    url = f"http://changing.example:{site.port}/cat.png"
    fetcher, sender = GuardedFetcher(timeout=0.5), GuardedSender(timeout=0.5)
    with pytest.raises((BadRequest, Unreachable)):
        await (fetcher.fetch(url, 1000) if way == "fetch" else sender.post(url, b"{}", {}))
    assert asked == ["changing.example"]
    assert site.hits == []


@pytest.mark.parametrize("stop", ["\u3002", "\uff0e", "\uff61", "\u2024"])
async def test_another_full_stop_is_judged_as_the_client_connects(site: Site, stop: str) -> None:
    """The client reads 127<stop>0<stop>0<stop>1 as an address and asks no resolver for it."""
    host = stop.join(["127", "0", "0", "1"])
    with pytest.raises(BadRequest, match="public address"):
        GuardedFetcher().check(f"http://{host}:{site.port}/cat.png")
    with pytest.raises(BadRequest, match="public address"):
        await GuardedSender().post(f"http://{host}:{site.port}/cat.png", b"x", {})
    assert site.hits == []


@pytest.mark.parametrize("host", ["127.0.0.1", "127\u30020\u30020\u30021", "localhost", "0x7f.1"])
async def test_the_socket_judges_what_the_check_let_pass(
    site: Site, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setattr(GuardedFetcher, "check", lambda self, url: None)
    with pytest.raises(BadRequest, match="public address"):
        await GuardedFetcher(timeout=5).fetch(f"http://{host}:{site.port}/cat.png", 1000)
    assert site.hits == []


@pytest.fixture
def sender() -> GuardedSender:
    return GuardedSender(allowed=lambda address: address == "127.0.0.1" or is_public(address), timeout=1)


async def test_what_is_sent_arrives_with_its_headers_and_the_status_comes_back(sender: GuardedSender) -> None:
    heard: list[tuple[bytes, str, str]] = []

    async def hear(request: web.Request) -> web.Response:
        heard.append((await request.read(), request.headers["X-Signature"], request.method))
        return web.Response(status=202, body=b"x" * 100_000)

    app = web.Application()
    app.router.add_post("/hook", hear)
    runner = web.AppRunner(app)
    await runner.setup()
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    await web.SockSite(runner, sock).start()
    url = f"http://127.0.0.1:{sock.getsockname()[1]}/hook"
    sender.check(url)
    assert await sender.post(url, b'{"done": true}', {"X-Signature": "abc"}) == Posted(202)
    assert (await sender.post(url + "/elsewhere", b"", {})).status == 404
    assert heard == [(b'{"done": true}', "abc", "POST")]
    assert (await sender.post(url, b"", {"X-Signature": "abc"}, read=10)).body == b"x" * 10
    await runner.cleanup()
    with pytest.raises(Unreachable) as caught:
        await sender.post(url + "?key=1", b"x", {})
    assert url.removesuffix("/hook") in caught.value.en
    assert "hook" not in caught.value.en + caught.value.zh


@pytest.mark.parametrize("secret", ["http://10.0.0.1/SECRET", "ftp://a.example/SECRET", "http://[SECRET", "SECRET"])
async def test_an_address_to_tell_is_refused_by_its_host_alone(secret: str) -> None:
    with pytest.raises(BadRequest) as caught:
        GuardedSender().check(secret)
    assert "SECRET" not in caught.value.en + caught.value.zh


async def test_a_link_is_refused_without_its_user_and_its_signature() -> None:
    with pytest.raises(BadRequest, match=r"http://10\.0\.0\.1/cat\.png is not used"):
        GuardedFetcher().check("http://u:SECRET@10.0.0.1/cat.png?sig=SECRET#SECRET")


async def test_a_redirect_is_an_answer_and_not_followed(site: Site, sender: GuardedSender) -> None:
    assert (await sender.post(f"http://127.0.0.1:{site.port}/moved", b"x", {})).status in range(300, 500)
    assert "/cat.png" not in site.hits
