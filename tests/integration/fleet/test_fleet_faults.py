"""The parts of a fleet fail in turn: serving goes on or says so, nothing is lost or made twice, all heals by itself.

Each test prints a row of the table in `docs/fleet.md`: what failed, what callers saw, how long until all was well.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
import pytest
from aiohttp import web
from sqlalchemy.engine import make_url

from gemgate.fleet.registry import node_signature
from gemgate.nodes import NodeCard, NodeReport
from gemgate.stores.sql.database import open_database
from gemgate.stores.sql.nodes import SqlNodeRegistry
from gemgate_simulator import Painting
from tests.integration.fleet.conftest import Postgres, Redis
from tests.support.fleet_calls import chat, record, text_of
from tests.support.fleets import ADMIN, LIMITED, MODEL, TOKEN, Process, RunningFleet, request
from tests.support.patience import PATIENT, until
from tests.support.servers import free_port

SKEWED = Path(__file__).parents[2] / "support" / "skewed.py"
SLOWEST = 15.0
"""Seconds a call may take while a part is away: its time limits added up, and room for a loaded machine."""
pytestmark = pytest.mark.timeout(300)


def tell(fault: str, seen: str, healed: float | None = None) -> None:
    print(f"\n| {fault} | {seen} | {'-' if healed is None else f'{healed:.1f} s'} |")


def said(fleet: RunningFleet) -> str:
    """What /health says is amiss."""
    return " ".join(fleet.ask("GET", "/health")[1]["degraded"])


async def well(fleet: RunningFleet) -> float:
    """Wait until nothing is amiss; how long that took."""
    since = time.monotonic()
    await until(lambda: not said(fleet), PATIENT)
    fleet.wait_healthy()
    return time.monotonic() - since


async def calls_for(fleet: RunningFleet, seconds: float, words: str) -> int:
    """Chats one after the other; each is answered, and none waits longer than is told."""
    number, end = 0, time.monotonic() + seconds
    async with aiohttp.ClientSession(fleet.url) as http:
        while time.monotonic() < end:
            async with asyncio.timeout(SLOWEST):
                status, _, body = await chat(http, f"{words} {number}.")
            assert status == 200, body
            number += 1
    return number


@pytest.fixture
def second(fleet: RunningFleet) -> Iterator[Process]:
    """One more gateway beside the first, on a port that it keeps."""
    front = fleet.front("second", free_port())
    front.wait_listening()
    yield front
    if front.popen.poll() is None:
        front.end()


async def balanced(http: aiohttp.ClientSession, urls: Sequence[str], words: str) -> tuple[int, Any]:
    """As a load balancer does: another front where nobody listens; what broke off is not sent again."""
    body = {"model": MODEL, "messages": [{"role": "user", "content": words}]}
    headers = {"authorization": f"Bearer {ADMIN}"}
    for url in urls:
        try:
            async with http.post(f"{url}/v1/chat/completions", json=body, headers=headers) as answer:
                return answer.status, await answer.json()
        except aiohttp.ClientConnectorError:
            continue
        except aiohttp.ClientError as error:
            return 0, type(error).__name__
    return -1, "nobody listens"


async def test_one_of_two_fronts_is_killed_and_comes_back(fleet: RunningFleet, second: Process) -> None:
    fleet.sim.google.reply("front", "an answer", delay=0.1)
    port = int(second.url.rpartition(":")[2])
    outcomes: dict[str, tuple[int, Any]] = {}
    left = iter(range(160))
    fronts = [fleet.url, second.url]
    async with aiohttp.ClientSession() as http:

        async def lane() -> None:
            for number in left:
                if number == 60:
                    await asyncio.to_thread(second.kill)
                words = f"front {number:04d}."
                first = number % 2
                outcomes[words] = await balanced(http, (fronts[first], fronts[1 - first]), words)

        await asyncio.gather(*(lane() for _ in range(8)))
    cut = {words for words, (status, _) in outcomes.items() if status != 200}
    assert all(outcomes[words][0] == 0 for words in cut), "only what ran in the killed front broke off"
    assert len(cut) <= 8
    received = Counter(call.prompt for call in record(fleet).calls)
    assert max(received.values()) == 1, "no prompt reached Google twice"
    since = time.monotonic()
    again = fleet.front("second", port)
    try:
        again.wait_listening()
        back = time.monotonic() - since
        await share_all(fleet, again)
    finally:
        again.end()
    tell("one of two gateways killed", f"{len(cut)} of 160 calls cut off, the others 200 by the other front", back)


async def share_all(fleet: RunningFleet, front: Process) -> None:
    """Both fronts see the same nodes, continue each other's conversations and count one limit."""
    async with aiohttp.ClientSession(fleet.url) as one, aiohttp.ClientSession(front.url) as other:
        status, node, first = await chat(one, "shared by both")
        assert status == 200
        status, again, _ = await chat(other, "shared by both", text_of(first), "go on")
        assert (status, again) == (200, node), "the conversation's node, by the other front"
        statuses = [(await chat((one, other)[n % 2], f"limited {n}", key=LIMITED))[0] for n in range(5)]
    assert statuses == [200, 200, 200, 429, 429], "three an hour, whichever front counts"


@pytest.mark.parametrize("how", ["stopped", "hung"])
async def test_redis_is_away_and_comes_back(fleet: RunningFleet, redis: Redis, how: str) -> None:
    (redis.stop if how == "stopped" else redis.stop_still)()
    try:
        number = await calls_for(fleet, 4, f"redis {how}")
        await until(lambda: "Redis" in said(fleet))
    finally:
        (redis.start if how == "stopped" else redis.go_on)()
    healed = await well(fleet)
    assert record(fleet).generations == number
    tell(f"Redis {how}", f"{number} of {number} calls 200; each gateway counts for itself, /health says so", healed)


async def test_postgresql_hangs_under_a_batch_and_goes_on(fleet: RunningFleet, postgres: Postgres) -> None:
    await under_a_batch(fleet, postgres.stop_still, postgres.go_on, "PostgreSQL hung")


async def test_postgresql_crashes_under_a_batch_and_comes_back(fleet: RunningFleet, postgres: Postgres) -> None:
    await under_a_batch(fleet, postgres.crash, postgres.come_back, "PostgreSQL crashed")


async def under_a_batch(fleet: RunningFleet, away: Any, back: Any, words: str) -> None:
    """A batch is under way when its database goes; chats go on, the batch waits, and nothing is made twice."""
    path = order(fleet, 16, words)
    await until(lambda: bool(painted(fleet)), PATIENT)
    await asyncio.to_thread(away)
    try:
        number = await calls_for(fleet, 5, "meanwhile")
        status, body = fleet.ask("GET", path)
        assert status == 503, body
        assert "retry" in str(body).lower() or "away" in str(body), body
    finally:
        await asyncio.to_thread(back)
    healed = await well(fleet)
    await until(lambda: ended(fleet, path), 2 * PATIENT)
    made = painted(fleet)
    assert (len(made), max(made.values())) == (16, 1), made
    tell(words, f"{number} of {number} chats 200, batch routes 503, 16 of 16 tasks made once", healed)


def order(fleet: RunningFleet, count: int, words: str) -> str:
    """Order images, each with its number; where the batch's status is."""
    fleet.sim.google.images(cheap=True)
    fleet.sim.google.reply("number", "", image=Painting(), pace=0.1, busy=3)
    prompts = [f"draw number {n:02d} of {words}" for n in range(count)]
    status, told = fleet.ask("POST", "/v1/batch/images", {"prompts": prompts})
    assert status == 200, told
    return f"/v1/batch/{told['batch_id']}/status"


def painted(fleet: RunningFleet) -> Counter[str]:
    """How often Google made each image, by its number."""
    return Counter(c.prompt.split("number ")[1][:2] for c in record(fleet).calls if "number " in c.prompt)


def ended(fleet: RunningFleet, path: str) -> bool:
    status, told = fleet.ask("GET", path)
    return status == 200 and told["completed"] + told["failed"] == told["total"]


@pytest.mark.parametrize("off", [300.0, -300.0])
async def test_a_node_whose_clock_is_off_serves_as_the_others(fleet: RunningFleet, off: float) -> None:
    """Leases, beats and limits go by the database's clock, whatever a node's own one says."""
    await asyncio.to_thread(fleet.nodes["w3"].end)
    fleet.launcher = lambda name: [sys.executable, str(SKEWED)] if name == "w3" else []
    try:
        w3 = fleet.begin("w3", SKEW=str(off))
        await asyncio.to_thread(w3.wait_listening)
        fleet.wait_healthy()
        fleet.sim.google.forget()
        async with aiohttp.ClientSession(fleet.url) as http:
            for _ in range(4):
                answers = [await chat(http, f"clock {off} {n} {time.monotonic()}") for n in range(6)]
                assert {status for status, _, _ in answers} == {200}
                await asyncio.sleep(1)
            assert "w3" in {node for _, node, _ in answers}
        path = order(fleet, 9, f"clock {off}")
        await until(lambda: ended(fleet, path), 2 * PATIENT)
        made = painted(fleet)
        assert (len(made), max(made.values())) == (9, 1), made
        owners = {row["name"]: row["node"] for row in fleet.ask("GET", "/api/accounts")[1]["accounts"]}
        assert owners["cem"] == owners["dan"] == "w3"
        assert abs(fleet.rows()["w3"]["age"]) < 15
    finally:
        await asyncio.to_thread(fleet.nodes["w3"].end)
        fleet.launcher = lambda name: []
        await asyncio.to_thread(fleet.restart, "w3")
    tell(f"a node's clock {off:+.0f} s off", "24 of 24 chats 200, 9 of 9 tasks made once")


async def test_a_trusted_node_that_answers_nonsense_spoils_no_view(fleet: RunningFleet, postgres: Postgres) -> None:
    """A node of another version, say: its rows are left out and it is named; the others' are shown."""
    nonsense: list[Any] = [[1], None, 7, {}, {"accounts": 5}, {"accounts": [7], "requests": [{}], "waiting": "x"}]
    nonsense += [{"requests": [{"time": "late"}]}, {"accounts": [{"state": 1}], "waiting": None, "degraded": 5}]
    current: list[Any] = []

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(current[0])

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    url = f"http://127.0.0.1:{port}"
    database = await open_database(postgres.url)
    registry = SqlNodeRegistry(database)
    try:
        await registry.announce(NodeCard(url, "odd", 1.0, node_signature(TOKEN, url)), NodeReport("ERROR"))
        await until(lambda: "odd" in fleet.rows())
        for current[:] in [[one] for one in nonsense]:
            for path in ("/api/accounts", "/api/overview", "/api/requests"):
                status, _, told = await asyncio.to_thread(request, fleet.url, "GET", path, key=ADMIN)
                assert status == 200, (current, path, told)
                assert "odd" in str(told.get("silent", told.get("degraded"))), (current, path)
                if path != "/api/requests":
                    assert {row["name"] for row in told["accounts"]} == {"ann", "ben", "cem", "dan"}, told
    finally:
        await registry.forget("odd")
        await database.close()
        await runner.cleanup()
        await until(lambda: "odd" not in fleet.rows())


async def test_a_node_whose_text_rests_says_so_to_every_gateway_and_goes_on_with_images(
    fleet: RunningFleet, postgres: Postgres
) -> None:
    """Gateways other than ours read one word in the table; ours looks at what is left."""
    for account in ("ann", "ben"):
        fleet.sim.google.fault("generate", "code", code=1037, account=account, match="resting", times=-1)
    try:
        async with aiohttp.ClientSession(fleet.url) as http:
            for number in range(8):
                assert (await chat(http, f"resting {number}"))[0] == 200
            await until(lambda: all("text" in fleet.rows()[name]["cooling"] for name in ("w1", "w2")))
            words = await asyncio.to_thread(words_in_table, postgres)
            assert (words["w1"], words["w2"], words["w3"]) == ("429_LIMIT", "429_LIMIT", "HEALTHY"), words
            assert {(await chat(http, f"text {number}"))[1] for number in range(6)} == {"w3"}
        fleet.sim.google.images(cheap=True)
        painters = set()
        for number in range(9):
            body = {"prompt": f"a picture {number}", "response_format": "url"}
            status, headers, told = await asyncio.to_thread(
                request, fleet.url, "POST", "/v1/images/generations", body, key=ADMIN
            )
            assert status == 200, told
            painters.add(headers["x-gemgate-node"])
        assert painters & {"w1", "w2"}, "what does not rest there is still asked of them"
        made = Counter(call.prompt for call in record(fleet).calls if call.generated)
        assert max(made.values()) == 1
    finally:
        fleet.sim.google.clear()
        for account in ("ann", "ben"):
            assert fleet.ask("POST", f"/api/accounts/{account}/reset", {})[0] == 200
    fleet.wait_healthy()
    await until(lambda: set(words_in_table(postgres).values()) <= {"HEALTHY", "BUSY"})
    tell("text of two nodes of three rests", "`429_LIMIT` in the table; chats by the third, pictures by all, all 200")


def words_in_table(postgres: Postgres) -> dict[str, str]:
    """As a program that is not ours reads them: plain SQL on the nodes that live."""
    url = make_url(postgres.url).set(drivername="postgresql").render_as_string(hide_password=False)
    query = "SELECT worker_id, status FROM gemini_service_nodes WHERE last_heartbeat > now() - interval '15 seconds'"
    with psycopg.connect(url) as connection:
        return dict(connection.execute(query).fetchall())
