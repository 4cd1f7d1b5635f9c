"""The door: tunnels, TLS, HTTP/1.1 and HTTP/2 with flow control, and clients that leave."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest
from curl_cffi.requests import AsyncSession
from curl_cffi.requests.exceptions import CertificateVerifyError, RequestException

from gemgate_simulator import Prompt, Simulator
from tests.integration.simulator.conftest import Wire
from tests.integration.simulator.sockets import H2Client, as_http1, connect
from tests.support.handmade_calls import Hand
from tests.support.patience import PATIENCE, until

APP = "https://gemini.google.com/app"
GEMINI = "gemini.google.com"


@pytest.fixture
async def sim2() -> Simulator:
    async with Simulator(accounts=("alice", "bob")) as simulator:
        yield simulator


@pytest.mark.parametrize(
    "host",
    [
        "google.com",
        "www.google.com",
        "accounts.google.com",
        "content-push.googleapis.com",
        "lh3.googleusercontent.com",
        "contribution.usercontent.google.com",
        "work.fife.usercontent.google.com",
    ],
)
async def test_every_google_host_is_served_with_a_valid_certificate(wire: Wire, host: str) -> None:
    assert (await wire.get(f"https://{host}/nothing")).status_code == 404


@pytest.mark.parametrize("host", ["example.com", "evilgoogle.com", "google.com.evil.example", "localhost"])
async def test_other_hosts_are_refused_and_recorded(wire: Wire, host: str) -> None:
    with pytest.raises(RequestException, match="CONNECT tunnel failed, response 403"):
        await wire.get(f"https://{host}/")
    assert list(wire.sim.record.violations) == [f"CONNECT to unknown host {host!r}"]
    assert wire.sim.record.refused_hosts == {host: 1}
    wire.sim.google.tolerate("*")
    with pytest.raises(RequestException, match="403"):
        await wire.get(f"https://{host}/")
    assert wire.sim.record.refused_hosts == {host: 2}
    assert len(wire.sim.record.violations) == 1


async def test_plain_http_through_the_proxy_is_refused_and_recorded(sim2: Simulator) -> None:
    async with AsyncSession(proxy=sim2.proxy_url, timeout=10) as session:
        assert (await session.get("http://detectportal.example/")).status_code == 403
    assert sim2.record.refused_hosts == {"detectportal.example": 1}


async def test_nobody_else_trusts_the_authority(sim: Simulator) -> None:
    async with AsyncSession(proxy=sim.proxy_url, timeout=10) as session:
        with pytest.raises(CertificateVerifyError):
            await session.get(APP)
    assert len(sim.record.requests) == 0


async def test_two_simulators_have_two_authorities_and_two_worlds(sim: Simulator) -> None:
    async with Simulator() as other:
        async with AsyncSession(proxy=other.proxy_url, verify=str(sim.ca_file), timeout=10) as session:
            with pytest.raises(CertificateVerifyError):
                await session.get(APP)
        assert other.google.cookies("alice") != sim.google.cookies("alice")


async def test_a_connection_is_kept_alive(wire: Wire) -> None:
    for _ in range(5):
        assert (await wire.send(wire.hand.generate("say hi"))).status_code == 200
    assert len({seen.connection for seen in wire.sim.record.requests}) == 1


async def test_a_hundred_calls_at_once(wire: Wire) -> None:
    await wire.get(APP)  # a connection to share: curl opens one for each of a hundred calls that begin together
    wire.sim.google.reply("", "word " * 40, pace=0.01, chars=40)
    await asyncio.gather(*(wire.send(wire.hand.generate("go")) for _ in range(100)))
    record = wire.sim.record
    assert (record.received, record.generations, record.open_streams, record.cancelled) == (100, 100, 0, 0)
    assert record.peak["alice"] > 50
    assert list(record.violations) == []
    if record.requests[0].http == "2":
        assert len({seen.connection for seen in record.requests}) == 1


async def test_a_delayed_answer_does_not_hold_up_the_others(wire: Wire) -> None:
    wire.sim.google.reply("slow", "late", delay=30.0)
    slow = asyncio.create_task(wire.send(wire.hand.generate("slow")))
    await until(lambda: wire.sim.record.open_streams == 1)
    for _ in range(20):
        assert (await wire.send(wire.hand.generate("say hi"))).status_code == 200
    assert not slow.done()
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)


async def test_large_bodies_both_ways(wire: Wire) -> None:
    data = bytes(range(256)) * 20_000
    answer = await wire.send(wire.hand.upload(data, "big.bin"))
    assert wire.sim.google.uploads[answer.text].data == data
    text = "All work and no play. " * 500
    wire.sim.google.reply("", text, chars=20)
    found = await wire.send(wire.hand.generate("go"))
    assert len(found.content) > 3_000_000
    assert wire.sim.record.calls[-1].outcome == "complete"


async def test_a_prompt_of_a_megabyte_arrives_whole(wire: Wire) -> None:
    prompt = "世界 & <tags> + 100% = \n" * 40_000
    wire.sim.google.reply("", "ok")
    assert (await wire.send(wire.hand.generate(prompt))).status_code == 200
    assert wire.sim.record.calls[0].prompt == prompt


@pytest.mark.parametrize("abort", [True, False], ids=["reset", "close"])
async def test_a_client_that_leaves_on_http1_stops_the_answer_at_once(sim2: Simulator, abort: bool) -> None:
    sim2.google.reply("", "word " * 1000, chars=10, pace=0.02)
    reader, writer = await connect(sim2, GEMINI, "http/1.1")
    writer.write(as_http1(Hand(sim2.google).generate("go")))
    await reader.readuntil(b")]}'")
    assert sim2.record.open_streams == 1
    if abort:
        writer.transport.abort()
    else:
        writer.close()
    await until(lambda: sim2.record.cancelled == 1)
    assert sim2.record.open_streams == 0
    assert sim2.record.calls[0].outcome == "cancelled"
    told = sim2.record.calls[0].frames
    await asyncio.sleep(0.1)
    assert sim2.record.calls[0].frames == told < 400


async def test_a_reset_stream_stops_that_answer_and_no_other(sim2: Simulator) -> None:
    sim2.google.reply("long", "word " * 1000, chars=10, pace=0.02)
    sim2.google.reply("short", "word " * 10, chars=10, pace=0.02)
    hand = Hand(sim2.google)
    client = H2Client(*await connect(sim2, GEMINI, "h2"))
    long, short = client.send(hand.generate("long")), client.send(hand.generate("short"))
    await client.read_until(lambda: bool(client.body[long]))
    client.give_up(long)
    await until(lambda: sim2.record.cancelled == 1)
    await client.read_until(lambda: short in client.ended)
    again = client.send(hand.generate("short"))
    await client.read_until(lambda: again in client.ended)
    assert [call.outcome for call in sim2.record.calls] == ["cancelled", "complete", "complete"]
    assert sim2.record.open_streams == 0


async def test_a_goodbye_on_http2_stops_every_answer(sim2: Simulator) -> None:
    sim2.google.reply("", "word " * 1000, chars=10, pace=0.02)
    hand = Hand(sim2.google)
    client = H2Client(*await connect(sim2, GEMINI, "h2"))
    streams = [client.send(hand.generate("go")) for _ in range(3)]
    await client.read_until(lambda: all(client.body[stream] for stream in streams))
    assert sim2.record.open_streams == 3
    client.h2.close_connection()
    client.flush()
    await until(lambda: sim2.record.cancelled == 3)
    assert sim2.record.open_streams == 0
    async with asyncio.timeout(PATIENCE):
        while await client.reader.read(1 << 16):
            pass


@pytest.mark.parametrize("closing", ["discards", "keeps"])
async def test_a_cancelled_answer_is_gone_or_stands_in_the_history_as_far_as_it_came(
    sim2: Simulator, closing: Literal["discards", "keeps"]
) -> None:
    sim2.google.world.switches.closing = closing
    sim2.google.reply("", "word " * 100, chars=10, pace=0.01)
    hand = Hand(sim2.google)
    client = H2Client(*await connect(sim2, GEMINI, "h2"))
    stream = client.send(hand.generate("go"))
    await client.read_until(lambda: client.body[stream].count(b"\n[[") > 3)
    chat = sim2.google.world.chats.of("alice")[0]
    turn = hand.ask("hNvQHb", f'["{chat.cid}",10,null,1,[1],[4],null,1]')[0][0]
    assert turn[3][0][0][8][0] == 1
    client.give_up(stream)
    await until(lambda: sim2.record.cancelled == 1)
    if closing == "discards":
        assert not chat.turns
        assert not sim2.google.world.chats.of("alice")
    else:
        assert chat.turns[0].state == "stopped"
        assert 0 < len(chat.turns[0].texts[0]) < 500


async def test_a_slow_reader_on_http2_holds_only_itself(sim2: Simulator) -> None:
    sim2.google.reply("big", "0123456789" * 2000, chars=20)
    hand = Hand(sim2.google)
    client = H2Client(*await connect(sim2, GEMINI, "h2"))
    big = client.send(hand.generate("big"))
    await client.read_until(lambda: len(client.body[big]) == 65_535)
    for _ in range(3):
        small = client.send(hand.generate("say hi"))
        await client.read_until(lambda stream=small: stream in client.ended)
    assert len(client.body[big]) == 65_535
    assert sim2.record.calls[0].frames < 200  # of a thousand: the rest is not even made yet
    client.open_window(big, 1 << 25)
    await client.read_until(lambda: big in client.ended)
    assert sim2.record.calls[0].frames == 1000 or sim2.record.calls[0].frames == 500  # 500 when parts go in pairs
    assert len(client.body[big]) > 8_000_000


async def test_a_slow_reader_on_http1_is_waited_for(sim2: Simulator) -> None:
    sim2.google.reply("big", "0123456789" * 4000, chars=20)
    reader, writer = await connect(sim2, GEMINI, "http/1.1", limit=1 << 14)
    writer.write(as_http1(Hand(sim2.google).generate("big")))
    await until(lambda: sim2.record.open_streams == 1 and sim2.record.calls[0].frames > 0)
    told = -1
    while told != sim2.record.calls[0].frames:
        told = sim2.record.calls[0].frames
        await asyncio.sleep(0.15)
    assert told < 1000
    size = 0
    while sim2.record.open_streams:
        size += len(await reader.read(1 << 20))
    assert size > 10_000_000
    writer.close()


async def test_a_client_is_told_how_many_streams_it_may_open(sim2: Simulator) -> None:
    client = H2Client(*await connect(sim2, GEMINI, "h2"))
    await client.read()
    assert client.h2.remote_settings.max_concurrent_streams == 100


async def test_broken_http_is_recorded(sim2: Simulator) -> None:
    reader, writer = await connect(sim2, GEMINI, "http/1.1")
    writer.write(b"NONSENSE\r\n\r\n")
    assert b" 400 " in await reader.read()
    reader, writer = await connect(sim2, GEMINI, "h2")
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    while await reader.read(1000):
        pass
    assert [rule[:6] for rule in sim2.record.violations] == ["HTTP/1", "HTTP/2"]


async def test_expect_100_continue_and_head(sim2: Simulator) -> None:
    hand = Hand(sim2.google)
    reader, writer = await connect(sim2, GEMINI, "http/1.1")
    request = hand.generate("say hi")
    request.headers["expect"] = "100-continue"
    head, _, body = as_http1(request).partition(b"\r\n\r\n")
    writer.write(head + b"\r\n\r\n")
    assert b"100 Continue" in await reader.readuntil(b"\r\n\r\n")
    assert (sim2.record.headers, sim2.record.received, sim2.record.headers_only) == (1, 0, 1)
    writer.write(body)
    assert b" 200 OK" in await reader.readuntil(b"\r\n\r\n")
    assert sim2.record.headers_only == 0
    writer.close()
    client = H2Client(*await connect(sim2, "www.google.com", "h2"))
    stream = client.send(hand.request("HEAD", "www.google.com", "/", {}))
    await client.read_until(lambda: stream in client.ended)
    assert (client.status[stream], client.body[stream]) == (404, b"")


async def test_pipelined_requests_are_answered_in_order(sim2: Simulator) -> None:
    hand = Hand(sim2.google)
    sim2.google.reply("first", "FIRST", delay=0.05)
    sim2.google.reply("second", "SECOND")
    reader, writer = await connect(sim2, GEMINI, "http/1.1")
    writer.write(as_http1(hand.generate("first")) + as_http1(hand.generate("second")))
    data = b""
    while b"SECOND" not in data:
        data += await reader.read(1 << 16)
    assert data.index(b"FIRST") < data.index(b"SECOND")
    writer.close()


async def test_stopping_ends_every_answer(sim2: Simulator) -> None:
    async with Simulator() as sim:
        sim.google.reply("", "word " * 1000, pace=0.05)
        reader, writer = await connect(sim, GEMINI, "http/1.1")
        writer.write(as_http1(Hand(sim.google).generate("go")))
        await reader.readuntil(b")]}'")
        ca_file = sim.ca_file
    assert not ca_file.exists()
    assert sim.record.open_streams == 0
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readuntil(b"never")
    async with AsyncSession(proxy=sim.proxy_url, timeout=5) as session:
        with pytest.raises(RequestException):
            await session.get(APP)


@pytest.mark.parametrize("protocol", ["h2", "http/1.1"])
async def test_a_scripted_function_that_raises_breaks_the_connection_loudly(
    sim2: Simulator, protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(prompt: Prompt) -> str:
        raise LookupError(prompt.text)

    sim2.google.reply("", broken)
    reader, writer = await connect(sim2, GEMINI, protocol)
    request = Hand(sim2.google).generate("the reason")
    if protocol == "h2":
        H2Client(reader, writer).send(request)
    else:
        writer.write(as_http1(request))
    async with asyncio.timeout(PATIENCE):
        while await reader.read(1 << 16):
            pass
    assert "the reason" in caplog.text
    assert list(sim2.record.violations) == []
