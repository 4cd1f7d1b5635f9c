"""Every kind of fault as a client at the other end of the wire meets it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from curl_cffi.requests.exceptions import RequestException, Timeout

from gemgate_simulator import Simulator
from tests.integration.simulator.conftest import Wire
from tests.integration.simulator.sockets import H2Client, as_http1, connect
from tests.support.handmade_calls import Hand
from tests.support.patience import until

GEMINI = "gemini.google.com"
TEXT = "word " * 40
FRAME = b"\n[["


@pytest.fixture
def wordy(wire: Wire) -> Wire:
    wire.sim.google.reply("", TEXT, chars=10)
    return wire


async def body(wire: Wire, prompt: str = "hello", **options: Any) -> bytes:
    return (await wire.send(wire.hand.generate(prompt), **options)).content


async def cut_off(wire: Wire, enough: Callable[[bytes], bool], seconds: float = 0.6) -> bytes:
    """What arrives of an answer until it is enough, and within so many seconds after that."""
    found = b""

    async def read() -> None:
        nonlocal found
        async with wire.open(wire.hand.generate("hello")) as response:
            async for chunk in response.aiter_content():
                found += chunk

    task = asyncio.create_task(read())
    await until(lambda: wire.sim.record.open_streams and enough(found))
    await asyncio.wait([task], timeout=seconds)
    while not task.done():
        task.cancel()
        await asyncio.sleep(0.01)
    await asyncio.gather(task, return_exceptions=True)
    return found


@pytest.mark.parametrize("status", [400, 401, 403, 429])
async def test_a_refusing_status_generates_nothing(wordy: Wire, status: int) -> None:
    wordy.sim.google.fault("generate", "status", status=status)
    assert (await wordy.send(wordy.hand.generate())).status_code == status
    assert (wordy.sim.record.received, wordy.sim.record.generations) == (1, 0)
    assert (await wordy.send(wordy.hand.generate())).status_code == 200  # once only


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_after_a_server_error_nobody_knows(wordy: Wire, status: int) -> None:
    wordy.sim.google.fault("generate", "status", status=status)
    assert (await wordy.send(wordy.hand.generate())).status_code == status
    assert (wordy.sim.record.received, wordy.sim.record.generations) == (1, 1)
    assert wordy.sim.google.world.chats.of("alice") == []


@pytest.mark.parametrize("kind", ["reset", "hangup", "reset_stream"])
async def test_a_connection_that_breaks_before_the_answer(wordy: Wire, kind: str) -> None:
    wordy.sim.google.fault("generate", kind)
    with pytest.raises(RequestException):
        await body(wordy)
    assert (wordy.sim.record.received, wordy.sim.record.generations) == (1, 1)
    assert wordy.sim.record.calls[0].outcome == "broken"
    assert TEXT.strip().encode() in await body(wordy)


@pytest.mark.parametrize("kind", ["reset", "hangup", "reset_stream"])
async def test_a_connection_that_breaks_in_the_middle(wordy: Wire, kind: str) -> None:
    wordy.sim.google.fault("generate", kind, after_frames=3)
    with pytest.raises(RequestException):
        await body(wordy)
    assert wordy.sim.record.calls[0].frames == 3
    assert wordy.sim.google.world.chats.of("alice")[0].turns[0].state == "whole"  # the service finished it


async def test_an_early_reset_is_not_received(wordy: Wire) -> None:
    wordy.sim.google.fault("generate", "reset", early=True)
    with pytest.raises(RequestException):
        await body(wordy)
    record = wordy.sim.record
    assert (record.headers, record.received, record.headers_only, record.generations) == (1, 0, 1, 0)


@pytest.mark.parametrize("kind", ["reset", "hangup"])
async def test_a_fault_of_reused_connections_spares_fresh_ones(wordy: Wire, kind: str) -> None:
    wordy.sim.google.fault("generate", kind, reused=True)
    assert await body(wordy)
    assert wordy.sim.record.received == 1
    if kind == "reset" or wordy.sim.record.requests[0].http == "1.1":
        assert await body(wordy)  # curl sends again without a word
        assert wordy.sim.record.received == 3
        assert len({seen.connection for seen in wordy.sim.record.requests}) == 2


async def test_a_clean_end_in_the_middle(wordy: Wire) -> None:
    wordy.sim.google.fault("generate", "close", after_frames=2)
    wordy.sim.google.fault("generate", "close", after_frames=2, torn=True, match="torn")
    whole, torn = await body(wordy), await body(wordy, "torn")
    assert whole.count(FRAME) == 2 + 2
    assert whole.endswith(b"\n")
    assert torn.count(FRAME) == 2 + 3
    assert not torn.endswith(b"\n")


async def test_a_clean_end_without_frames(wordy: Wire) -> None:
    wordy.sim.google.fault("generate", "empty")
    assert await body(wordy) == b")]}'\n\n"


async def test_a_turn_that_was_cut_can_stay_unfinished(wordy: Wire) -> None:
    wordy.sim.google.fault("generate", "close", after_frames=2, finished=False)
    await body(wordy)
    turn = wordy.sim.google.world.chats.of("alice")[0].turns[0]
    assert (turn.state, turn.texts[0]) == ("stopped", TEXT[:20])
    wordy.sim.google.fault("generate", "status", status=502, finished=True)
    await body(wordy, "made in silence")
    turn = wordy.sim.google.world.chats.of("alice")[0].turns[0]
    assert (turn.prompt, turn.state, turn.texts[0]) == ("made in silence", "whole", TEXT)


async def test_a_stall_that_ends(wordy: Wire) -> None:
    wordy.sim.google.fault("generate", "stall", after_frames=2, seconds=0.2)
    assert (await body(wordy)).count(FRAME) >= 1 + 20
    assert wordy.sim.record.calls[0].outcome == "complete"


@pytest.mark.parametrize("after", [0, 2])
async def test_a_stall_for_ever(wordy: Wire, after: int) -> None:
    wordy.sim.google.fault("generate", "stall", after_frames=after)
    frames = 2 + after if after else 0
    found = await cut_off(wordy, lambda found: found.count(FRAME) >= frames)
    assert found.count(FRAME) == frames
    await until(lambda: wordy.sim.record.cancelled == 1)
    assert wordy.sim.record.open_streams == 0


async def test_a_trickle_never_completes_a_frame(wordy: Wire) -> None:
    wordy.sim.google.fault("generate", "trickle", after_frames=1, seconds=0.02)
    found = await cut_off(wordy, lambda found: len(found.partition(b"99999999\n[")[2]) > 5)
    start, _, rest = found.partition(b"99999999\n[")
    assert start.count(FRAME) == 2 + 1
    assert len(rest) > 5
    assert not rest.strip()


async def test_garbage_and_a_captcha_are_ok_by_their_status(wordy: Wire) -> None:
    wordy.sim.google.fault("generate", "garbage")
    assert b"not a frame" in await body(wordy)
    wordy.sim.google.fault("generate", "garbage", after_frames=2)
    assert (await body(wordy)).count(FRAME) == 2 + 2
    wordy.sim.google.fault("generate", "captcha")
    response = await wordy.send(wordy.hand.generate())
    assert (response.status_code, "unusual traffic" in response.text) == (200, True)
    assert response.headers["content-type"].startswith("text/html")
    assert wordy.sim.record.generations == 2


async def test_slow_headers(wordy: Wire) -> None:
    wordy.sim.google.fault("generate", "slow_headers", seconds=5)
    with pytest.raises(Timeout):
        await body(wordy, timeout=1)
    await until(lambda: wordy.sim.record.cancelled == 1)
    wordy.sim.google.fault("generate", "slow_headers", seconds=0.1)
    assert (await body(wordy)).count(FRAME) > 20


async def test_faults_choose_by_account_prompt_and_number(wordy: Wire) -> None:
    google = wordy.sim.google
    google.fault("generate", "status", status=500, account="bob", times=-1)
    google.fault("generate", "status", status=503, match="apples", times=2)
    bob = Hand(google, "bob")

    async def status(hand: Hand, prompt: str) -> int:
        return (await wordy.send(hand.generate(prompt))).status_code

    assert [await status(wordy.hand, "pears") for _ in range(2)] == [200, 200]
    assert [await status(wordy.hand, "apples") for _ in range(3)] == [503, 503, 200]
    assert [await status(bob, "pears") for _ in range(3)] == [500, 500, 500]
    google.clear()
    assert await status(bob, "pears") == 200


@pytest.mark.parametrize(
    ("where", "fault", "status"),
    [
        ("init", {"kind": "status", "status": 403}, 403),
        ("init", {"kind": "captcha"}, 200),
        ("init", {"kind": "guest"}, 200),
        ("init", {"kind": "empty"}, 200),
        ("init", {"kind": "garbage"}, 200),
        ("init", {"kind": "close"}, 200),
        ("init", {"kind": "slow_headers", "seconds": 0.05}, 200),
        ("any", {"kind": "status", "status": 503}, 503),
    ],
)
async def test_the_page_may_fail(wire: Wire, where: str, fault: dict[str, Any], status: int) -> None:
    wire.sim.google.fault(where, **fault)
    response = await wire.get("https://gemini.google.com/app")
    assert response.status_code == status
    assert ("SNlM0e" in response.text) == (fault["kind"] == "slow_headers")
    assert "SNlM0e" in (await wire.get("https://gemini.google.com/app")).text


@pytest.mark.parametrize("kind", ["reset", "hangup", "stall", "trickle"])
async def test_any_plain_answer_may_break(wire: Wire, kind: str) -> None:
    for where, request in [
        ("init", wire.hand.request("GET", GEMINI, "/app", {})),
        ("rotate", wire.hand.rotate()),
        ("upload", wire.hand.upload()),
        ("preflight", wire.hand.request("GET", "www.google.com", "/", {})),
        ("image", wire.hand.request("GET", "lh3.googleusercontent.com", "/gg/x", {})),
        ("otAQ7b", wire.hand.rpc(("otAQ7b", "[]"))),
    ]:
        wire.sim.google.fault(where, kind)
        with pytest.raises(RequestException):
            await wire.send(request, timeout=0.15)


async def test_rpc_faults(wire: Wire) -> None:
    google, hand = wire.sim.google, wire.hand
    google.fault("jSf9Qc", "reject7")
    assert hand.ask("jSf9Qc") == {"status": 7}
    google.fault("jSf9Qc", "code", code=13)
    assert hand.ask("jSf9Qc") == {"status": 13}
    google.fault("jSf9Qc", "unparsable")
    with pytest.raises(ValueError, match="Unterminated"):
        hand.ask("jSf9Qc")
    google.fault("jSf9Qc", "status", status=500)
    assert (await wire.send(hand.rpc(("jSf9Qc", "[]")))).status_code == 500
    assert hand.ask("jSf9Qc")[0] == 2
    assert list(wire.sim.record.violations) == []


async def test_rotation_and_uploads_may_be_refused(wire: Wire) -> None:
    for where, request in [("rotate", wire.hand.rotate()), ("upload", wire.hand.upload())]:
        wire.sim.google.fault(where, "status", status=429)
        assert (await wire.send(request)).status_code == 429
        assert (await wire.send(request)).status_code == 200


async def test_a_reset_stream_leaves_the_connection_to_its_neighbours() -> None:
    async with Simulator() as sim:
        sim.google.reply("neighbour", "word " * 20, chars=10, pace=0.02)
        sim.google.fault("generate", "reset_stream", after_frames=1, match="victim")
        sim.google.fault("generate", "reset", after_frames=1, match="bomb")
        hand = Hand(sim.google)
        client = H2Client(*await connect(sim, GEMINI, "h2"))
        neighbour, victim = client.send(hand.generate("neighbour")), client.send(hand.generate("victim"))
        await client.read_until(lambda: victim in client.broken)
        await client.read_until(lambda: neighbour in client.ended)
        client.send(hand.generate("neighbour"))
        client.send(hand.generate("bomb"))
        with pytest.raises(ConnectionResetError):
            await client.read_until(lambda: False)
        await until(lambda: sim.record.open_streams == 0)
        assert [call.outcome for call in sim.record.calls] == ["complete", "broken", "broken", "broken"]
        assert sim.record.cancelled == 0


async def test_a_hangup_is_a_fin_and_a_reset_is_a_rst() -> None:
    async with Simulator() as sim:
        hand = Hand(sim.google)
        sim.google.fault("generate", "hangup")
        reader, writer = await connect(sim, GEMINI, "http/1.1")
        writer.write(as_http1(hand.generate()))
        assert await reader.read() == b""
        sim.google.fault("generate", "reset")
        reader, writer = await connect(sim, GEMINI, "http/1.1")
        writer.write(as_http1(hand.generate()))
        with pytest.raises(ConnectionResetError):
            await reader.read()
