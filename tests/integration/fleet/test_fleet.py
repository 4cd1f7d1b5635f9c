"""A fleet as it runs: every call through one address, to the best node, never generated twice."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import aiohttp
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from openai import AsyncOpenAI, NotFoundError

from gemgate_simulator import Painting
from tests.integration.fleet.conftest import Postgres
from tests.support.fleet_calls import OWNER, chat, kill_under_load, record, share_out, stream, text_of
from tests.support.fleets import ADMIN, KEY, LIMITED, MODEL, OTHER, TOKEN, RunningFleet, request, serving
from tests.support.patience import PATIENT, until


def sdk(fleet: RunningFleet, key: str = KEY) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"{fleet.url}/v1", api_key=key, max_retries=0)


async def test_the_openai_sdk_through_the_gateway(fleet: RunningFleet) -> None:
    async with sdk(fleet) as client:
        assert MODEL in [model.id async for model in client.models.list()]
        first = [{"role": "user", "content": "hello"}]
        whole = await client.chat.completions.create(model=MODEL, messages=first)  # type: ignore[arg-type]
        assert whole.choices[0].message.content == "You said: hello"
        fleet.sim.google.reply("stream", "word " * 100, chars=25)
        stream = await client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "stream please"}], stream=True
        )
        deltas = [chunk.choices[0].delta.content or "" async for chunk in stream]
        assert "".join(deltas).strip() == ("word " * 100).strip()
        assert sum(bool(delta) for delta in deltas) > 3
        answer = await client.responses.create(model=MODEL, input="hello")
        again = await client.responses.create(model=MODEL, input="more", previous_response_id=answer.id)
        assert again.output_text == "You said: more"
        images = await client.images.generate(prompt="a red boat", response_format="b64_json")
        assert images.data
        assert images.data[0].b64_json
    assert record(fleet).generations == 5


async def test_an_agents_tools_through_the_gateway(fleet: RunningFleet) -> None:
    """The gateway speaks the protocol itself, and what a tool asks goes to a node as any call does."""
    async with httpx2.AsyncClient(headers={"authorization": f"Bearer {KEY}"}, timeout=30) as http:
        way = streamable_http_client(f"{fleet.url}/mcp", http_client=http)
        async with Client(way) as client:
            said = await client.call_tool("ask", {"prompt": "hello"})
            made = await client.call_tool("make_image", {"prompt": "a red boat"})
    assert said.content[0].text == "You said: hello"
    assert [part.type for part in made.content] == ["resource_link", "text", "image"]
    assert record(fleet).generations == 2


async def test_every_dialect_is_passed_on_and_errors_come_in_the_callers_own(fleet: RunningFleet) -> None:
    said = {"contents": [{"parts": [{"text": "hi"}]}]}
    status, told = fleet.ask("POST", f"/v1beta/models/{MODEL}:generateContent", said, key="", x_goog_api_key=KEY)
    assert (status, told["candidates"][0]["content"]["parts"][0]["text"]) == (200, "You said: hi")
    message = {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]}
    status, told = fleet.ask("POST", "/v1/messages", message, key="", x_api_key=KEY, anthropic_version="2023-06-01")
    assert (status, told["content"][0]["text"]) == (200, "You said: hi")
    assert fleet.ask("POST", "/v1/generate", {"prompt": "hi"}, key=KEY)[1]["text"] == "You said: hi"

    wrong = fleet.ask("POST", "/v1/messages", message, key="", x_api_key="no", anthropic_version="2023-06-01")
    assert wrong[0] == 401
    assert wrong[1]["error"]["type"] == "authentication_error"
    status, told = fleet.ask("POST", f"/v1beta/models/{MODEL}:generateContent", said, key="", x_goog_api_key="no")
    assert (status, told["error"]["status"]) == (401, "UNAUTHENTICATED")
    status, told = fleet.ask("POST", "/v1/chat/completions", {"model": "gpt-9", "messages": []}, key=KEY)
    assert status in (400, 404)
    assert told["error"]["request_id"].startswith("req_")
    assert fleet.ask("GET", "/v1/nothing", key=KEY)[0] == 404


async def test_the_page_works_through_the_gateway(fleet: RunningFleet) -> None:
    status, _, told = request(fleet.url, "GET", "/api/session")
    assert (status, told["how"]) == (200, "key")
    status, headers, told = request(fleet.url, "POST", "/api/session", {"key": ADMIN})
    assert status == 200
    cookie, csrf = headers["set-cookie"].partition(";")[0], told["csrf"]
    status, _, told = request(fleet.url, "GET", "/api/overview", cookie=cookie)
    assert (status, told["level"]) == (200, "ok")
    assert {account["name"]: account["node"] for account in told["accounts"]} == OWNER
    weight = {"weight": 1.0}
    assert request(fleet.url, "POST", "/api/nodes/w1/weight", weight, cookie=cookie)[0] == 403
    assert request(fleet.url, "POST", "/api/nodes/w1/weight", weight, cookie=cookie, x_csrf_token=csrf)[0] == 200
    assert request(fleet.url, "GET", "/")[0] == 200
    # What names an account goes to the node that runs it, and `?node=` to that node.
    for account in OWNER:
        status, told = fleet.ask("GET", f"/api/accounts/{account}")
        assert (status, told["name"]) == (200, account)
    status, headers, _ = request(fleet.url, "GET", "/api/cookies/status?node=w2", key=ADMIN)
    assert (status, headers["x-gemgate-node"]) == (200, "w2")
    assert fleet.ask("GET", "/api/cookies/status?node=w9")[0] == 404
    status, told = fleet.ask("GET", "/api/series?step=minute")
    assert (status, told["silent"]) == (200, {}), "of all nodes, not of one"
    status, told = fleet.ask("POST", "/api/keys", {"name": "made-here"})
    assert status == 201
    assert fleet.ask("GET", "/v1/models", key=told["key"])[0] == 200


async def test_a_setting_that_is_changed_at_the_gateway_is_every_node_s(fleet: RunningFleet) -> None:
    said = {"prompt": "hi"}
    assert fleet.ask("POST", "/v1/generate", said, key=KEY)[0] == 200
    change = {"settings": {"KEY_BUDGET": "calls_per_day=0", "DEFAULT_MODEL": MODEL}}
    status, told = fleet.ask("PATCH", "/api/settings", change)
    assert (status, [one["after"] for one in told["changes"]]) == (200, ["calls_per_day=0", MODEL])
    try:
        await until(
            lambda: (
                {fleet.ask("POST", "/v1/generate", said, key=KEY)[1].get("code") for _ in range(6)}
                == {"insufficient_quota"}
            )
        )
    finally:
        for one in told["changes"]:
            undo = {"name": one["name"], "version": one["version"]}
            assert fleet.ask("POST", "/api/settings/undo", undo)[0] == 200
    await until(lambda: {fleet.ask("POST", "/v1/generate", said, key=KEY)[0] for _ in range(6)} == {200})


async def test_a_key_that_has_used_its_budget_up_is_no_trouble_for_others(fleet: RunningFleet) -> None:
    """Its refusals were taken for the nodes' own, which then got no calls of anybody for a minute."""
    made = fleet.ask("POST", "/api/keys", {"name": "poor", "budget": {"calls_per_day": 0}})[1]["key"]
    for _ in range(4):
        status, headers, told = request(fleet.url, "POST", "/v1/generate", {"prompt": "hi"}, key=made)
        assert (status, told["code"]) == (429, "insufficient_quota"), told
        assert headers["x-gemgate-rule"] == "calls_per_day"
    assert fleet.ask("POST", "/v1/generate", {"prompt": "hi"}, key=KEY)[0] == 200


async def test_a_gem_is_answered_by_the_node_whose_account_has_it(fleet: RunningFleet) -> None:
    status, made = fleet.ask("POST", "/api/gems/cem", {"name": "Sailor", "prompt": "You sail."})
    assert status == 200
    told = fleet.ask("GET", "/api/gems")[1]
    assert [(row["id"], row["account"], row["node"]) for row in told["gems"]] == [(made["id"], "cem", OWNER["cem"])]
    body = {"model": "gem:sailor", "messages": [{"role": "user", "content": "hi"}]}
    await until(lambda: "gem:Sailor" in str(fleet.ask("GET", "/v1/models", key=KEY)))  # its node says so with its beat
    assert fleet.ask("POST", "/v1/chat/completions", body, key=KEY)[0] == 200
    assert record(fleet).generated_by_account == {"cem": 1}
    assert fleet.ask("DELETE", f"/api/gems/cem/{made['id']}")[0] == 200


async def test_weights_are_obeyed(fleet: RunningFleet) -> None:
    weights = {"w1": 1.0, "w2": 2.0, "w3": 3.0}
    await share_out(fleet, weights, calls=120, at_once=8)


async def test_conversations_stay_on_their_node_and_are_never_anothers(fleet: RunningFleet) -> None:
    async with aiohttp.ClientSession(fleet.url) as http:

        async def converse(number: int) -> set[str]:
            said, nodes = [f"chat {number}"], set()
            for turn in range(3):
                status, node, body = await chat(http, *said)
                assert status == 200
                nodes.add(node)
                said += [text_of(body), f"chat {number} turn {turn}"]
            return nodes

        stayed = await asyncio.gather(*(converse(number) for number in range(6)))
        assert all(len(nodes) == 1 for nodes in stayed)
        assert len(set().union(*stayed)) == 3
        calls = record(fleet).calls
        assert sum(call.prompt.count("chat 0") for call in calls) == 3, "a turn is told once, not with its history"
        # The same words under another key are another conversation.
        said = ("chat 0", "You said: chat 0", "and now?")
        headers = {"authorization": f"Bearer {OTHER}"}
        body = {"messages": [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(said)]}
        async with http.post("/v1/chat/completions", json=body, headers=headers) as answer:
            assert answer.headers["x-gemgate-conversation"] == "miss"


async def test_a_spent_account_moves_traffic_at_once(fleet: RunningFleet) -> None:
    fleet.sim.google.fault("generate", "code", code=1037, account="ann", times=-1)
    try:
        async with aiohttp.ClientSession(fleet.url) as http:
            answers = [await chat(http, f"spent {number}") for number in range(12)]
        assert [status for status, _, _ in answers] == [200] * 12
        assert {node for _, node, _ in answers} == {"w2", "w3"}
        counted = record(fleet)
        assert counted.generations == 12
        assert counted.received_of("ann") == 1, "asked once; from then on it is known"
        fleet.wait(lambda rows: "text" in rows["w1"]["cooling"])
    finally:
        fleet.sim.google.clear()
        assert fleet.ask("POST", "/api/accounts/ann/reset", {})[0] == 200
    fleet.wait_healthy()


async def test_what_may_have_been_generated_is_not_sent_again(fleet: RunningFleet) -> None:
    fleet.sim.google.fault("generate", "reset", match="lost", times=-1, after_frames=0)
    async with (
        aiohttp.ClientSession(fleet.url) as http,
        http.post(
            "/v1/chat/completions",
            json={"messages": [{"role": "user", "content": "lost"}]},
            headers={"authorization": f"Bearer {KEY}"},
        ) as answer,
    ):
        assert answer.status == 502
        assert answer.headers["x-gemgate-generated"] == "maybe"
        assert answer.headers["x-gemgate-hops"] == "1"
        assert answer.headers["x-should-retry"] == "false"
    assert record(fleet).received_of(prompt="lost") == 1


async def test_draining_finishes_what_runs(fleet: RunningFleet) -> None:
    fleet.sim.google.reply("slow", "word " * 40, chars=5, pace=0.05)
    try:
        async with aiohttp.ClientSession(fleet.url) as http, stream(http, "slow story") as answer:
            node = answer.headers["x-gemgate-node"]
            read = await answer.content.readany()
            assert fleet.ask("POST", f"/api/nodes/{node}/drain", {"draining": True})[1]["draining"]
            others = [await chat(http, f"meanwhile {number}") for number in range(6)]
            assert all(status == 200 and other != node for status, other, _ in others)
            read += await answer.read()
        assert read.rstrip().endswith(b"data: [DONE]")
    finally:
        fleet.ask("POST", f"/api/nodes/{node}/drain", {"draining": False})
    assert record(fleet).generations == 7


async def test_streams_are_not_held_up_and_a_leaving_client_ends_them_at_google(fleet: RunningFleet) -> None:
    fleet.sim.google.reply("endless", "word " * 2000, chars=10, pace=0.1)
    async with aiohttp.ClientSession(fleet.url) as http, stream(http, "endless story") as answer:
        assert b"data: " in await answer.content.readany()
        assert record(fleet).open_streams == 1, "the beginning is here long before the end is made"
        answer.close()
    await until(lambda: record(fleet).open_streams == 0)
    counted = record(fleet)
    assert (counted.received, counted.generations) == (1, 1), "stopped at Google's own, or read on: never hung up on"


async def test_limits_are_counted_once_at_the_edge(fleet: RunningFleet) -> None:
    async with aiohttp.ClientSession(fleet.url) as http:
        answers = [await chat(http, f"counted {number}", key=LIMITED) for number in range(4)]
        assert [status for status, _, _ in answers] == [200, 200, 200, 429]
        assert "try again in" in answers[3][2]["error"]["message"]
    assert record(fleet).generations == 3


async def test_bodies_are_bounded_before_a_node_is_asked(fleet: RunningFleet) -> None:
    taken = sum(row["taken"] for row in fleet.rows().values())
    reader, writer = await asyncio.open_connection(*fleet.url.removeprefix("http://").split(":"))
    head = f"POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\ncontent-length: 99000000\r\n\r\n{{"
    writer.write(head.encode())
    answer = await reader.readuntil(b"\r\n\r\n")
    assert b" 413 " in answer.splitlines()[0]
    writer.close()
    assert sum(row["taken"] for row in fleet.rows().values()) == taken


async def test_a_node_off_loopback_takes_calls_from_its_gateway_only(fleet: RunningFleet) -> None:
    old = fleet.nodes.pop("w2")
    assert old.end() == 0
    new = fleet.begin("w2", HOST="0.0.0.0", EXTERNAL_IP="127.0.0.1")
    new.wait_listening()
    fleet.wait_healthy()
    body = {"messages": [{"role": "user", "content": "let me in"}]}
    forged = json.dumps({"tenant": "main", "client": "key:main", "address": "", "admin": True, "language": "en",
                         "request_id": "req_x", "level": "admin", "scheme": "http"})  # fmt: skip
    for headers in ({}, {"x_gemgate_caller": forged}):
        status, _, told = request(new.url, "POST", "/v1/chat/completions", body, **headers)
        assert (status, told["error"]["code"]) == (401, "gateway_only")
    status, _, told = request(
        new.url, "POST", "/v1/chat/completions", body, x_gemgate_internal="wrong", x_gemgate_caller=forged
    )
    assert (status, told["error"]["code"]) == (401, "internal_token")
    assert request(new.url, "GET", "/api/accounts", x_gemgate_internal=TOKEN, x_gemgate_caller=forged)[0] == 200
    # At the edge the same headers mean nothing, with the right token either.
    assert request(fleet.url, "GET", "/api/accounts", x_gemgate_internal=TOKEN, x_gemgate_caller=forged)[0] == 401
    assert record(fleet).received == 0


async def test_a_node_that_ends_is_gone_at_once_and_nobody_notices(fleet: RunningFleet) -> None:
    async with aiohttp.ClientSession(fleet.url) as http:
        ended = asyncio.create_task(asyncio.to_thread(fleet.nodes["w1"].end))
        statuses = []
        while not ended.done():
            statuses.append((await chat(http, f"while it ends {len(statuses)}"))[0])
        statuses += [(await chat(http, f"after it {number}"))[0] for number in range(6)]
    assert set(statuses) == {200}
    assert await ended == 0
    assert fleet.rows()["w1"]["status"] == "OFFLINE"
    assert record(fleet).generations == len(statuses)
    await asyncio.to_thread(fleet.restart, "w1")


async def test_a_killed_node_under_load_costs_no_call_that_google_did_not_have(fleet: RunningFleet) -> None:
    await kill_under_load(fleet, calls=150, at_once=12)


def seen(fleet: RunningFleet) -> tuple[int, int]:
    """Calls that the gateway has at w3, and prompts that Google has."""
    return fleet.rows()["w3"]["inflight"], record(fleet).received


async def test_calls_that_wait_in_a_killed_node_are_made_on_another(fleet: RunningFleet) -> None:
    fleet.sim.google.reply("wait", "an answer", delay=60.0)
    lanes, more = 32, 8
    try:
        for name in ("w1", "w2"):
            fleet.ask("POST", f"/api/nodes/{name}/weight", {"weight": 0.0})
        async with aiohttp.ClientSession(fleet.url) as http:
            calls = [asyncio.create_task(chat(http, f"wait {number:02d}.")) for number in range(lanes + more)]
            await until(
                lambda: all(a >= b for a, b in zip(seen(fleet), (lanes + more, lanes), strict=True)), looks=6000
            )
            fleet.sim.google.clear()
            for name in ("w1", "w2"):
                fleet.ask("POST", f"/api/nodes/{name}/weight", {"weight": 1.0})
            await asyncio.to_thread(fleet.nodes["w3"].kill)
            answers = await asyncio.gather(*calls)
    finally:
        for name in ("w1", "w2"):
            fleet.ask("POST", f"/api/nodes/{name}/weight", {"weight": 1.0})
    counted = record(fleet)
    lost = [number for number, (status, _, _) in enumerate(answers) if status != 200]
    assert len(lost) == lanes, "what Google had is told as lost"
    assert all(answers[number][2]["error"]["code"] == "node_lost" for number in lost)
    assert {node for status, node, _ in answers if status == 200} <= {"w1", "w2"}, "what it had not is made elsewhere"
    assert all(counted.received_of(prompt=f"wait {number:02d}.") == 1 for number in range(lanes + more))
    await asyncio.to_thread(fleet.restart, "w3")


async def test_serving_goes_on_while_postgresql_hangs(fleet: RunningFleet, postgres: Postgres) -> None:
    await hang_postgres(fleet, postgres, seconds=6)


async def hang_postgres(fleet: RunningFleet, postgres: Postgres, *, seconds: float) -> None:
    """PostgreSQL hangs; chats of one and of two turns are answered all the time, and afterwards all is as before."""
    async with aiohttp.ClientSession(fleet.url) as http:
        status, _, first = await chat(http, "before")
        assert status == 200
        postgres.stop_still()
        try:
            until_then = time.monotonic() + seconds
            number = 0
            while time.monotonic() < until_then:
                number += 1
                status, _, body = await chat(http, f"meanwhile {number}")
                assert status == 200, body
                status, _, body = await chat(http, f"meanwhile {number}", text_of(body), "go on")
                assert status == 200, body
        finally:
            postgres.go_on()
        fleet.wait_healthy()
        await until(lambda: not fleet.ask("GET", "/health")[1]["degraded"], PATIENT)
        status, _node, _ = await chat(http, "before", text_of(first), "and after")
        assert status == 200
    assert record(fleet).generations == 2 * number + 2
    await until(lambda: all(serving(row) for row in fleet.rows().values()), PATIENT)  # each node's next heartbeat


@pytest.mark.soak
@pytest.mark.timeout(1200)
async def test_all_of_it_in_full(fleet: RunningFleet, postgres: Postgres) -> None:
    took = await share_out(fleet, {"w1": 1.0, "w2": 2.0, "w3": 3.0}, calls=1002, at_once=16)
    print(f"\n1002 calls at weights 1:2:3: {dict(sorted(took.items()))}")
    fleet.sim.google.forget()
    await kill_under_load(fleet, calls=1000, at_once=16)
    fleet.nodes["w3"].kill()
    fleet.wait(lambda rows: not rows["w3"]["alive"], 20)
    await asyncio.to_thread(fleet.restart, "w3")
    fleet.sim.google.clear()
    fleet.sim.google.forget()
    await hang_postgres(fleet, postgres, seconds=30)


async def test_durable_calls_reach_a_node_that_can_answer_and_are_found_through_another_front(
    fleet: RunningFleet,
) -> None:
    """Keyed calls and a background response: asked at one front while two accounts are spent, had at the other."""
    fleet.sim.google.images(cheap=True)
    fleet.sim.google.reply("durable", "An answer that lasts")
    fleet.sim.google.reply("boat", "", image=Painting())
    for account in ("ann", "ben"):
        fleet.sim.google.fault("generate", "code", code=1037, account=account, times=-1)
    other = await asyncio.to_thread(fleet.front, "front-2")
    try:
        await asyncio.to_thread(other.wait_listening)
        said = {"model": MODEL, "messages": [{"role": "user", "content": "durable words"}]}
        calls: dict[str, tuple[str, Any]] = {
            "chat": ("/v1/chat/completions", said),
            "stream": ("/v1/chat/completions", {**said, "stream": True}),
            "image": ("/v1/images/generations", {"prompt": "a boat", "response_format": "b64_json"}),
        }
        told: list[dict[str, Any]] = []
        for url in (fleet.url, other.url):
            async with aiohttp.ClientSession(url, headers={"authorization": f"Bearer {KEY}"}) as http:
                told.append({})
                for name, (path, body) in calls.items():
                    async with http.post(path, json=body, headers={"Idempotency-Key": f"fleet {name}"}) as answer:
                        assert answer.status == 200, await answer.text()
                        read = await answer.text()
                        told[-1][name] = json.loads(read)["data"][0]["b64_json"] if name == "image" else read
        assert told[0] == told[1]
        async with (
            AsyncOpenAI(base_url=f"{fleet.url}/v1", api_key=KEY, max_retries=0) as here,
            AsyncOpenAI(base_url=f"{other.url}/v1", api_key=KEY, max_retries=0) as there,
        ):
            begun = await here.responses.create(model=MODEL, input="durable words", background=True)
            events = [event async for event in await there.responses.retrieve(begun.id, stream=True)]
            assert events[-1].type == "response.completed"
            assert (await there.responses.retrieve(begun.id)).output_text == "An answer that lasts"
            following = await there.responses.create(
                model=MODEL, input="durable again", previous_response_id=begun.id, background=True
            )
            assert (await here.responses.retrieve(following.id)).id == following.id
            await here.responses.delete(begun.id)
            with pytest.raises(NotFoundError):
                await there.responses.retrieve(begun.id)
            assert [event async for event in await here.responses.retrieve(following.id, stream=True)]
        counted = record(fleet)
        assert counted.generations == 5
        assert set(counted.generated_by_account) <= {"cem", "dan"}
    finally:
        await asyncio.to_thread(other.end)
        fleet.sim.google.clear()
        for account in ("ann", "ben"):
            assert fleet.ask("POST", f"/api/accounts/{account}/reset", {})[0] == 200


def test_an_upload_goes_on_at_the_gateway(fleet: RunningFleet) -> None:
    """The node names the address that the rest is sent to, and clients bring their key there."""
    wishes = {"x_goog_upload_protocol": "resumable", "x_goog_upload_command": "start"}
    about = {"x_goog_upload_header_content_type": "text/plain", "x_goog_upload_header_content_length": "5"}
    status, headers, _ = request(fleet.url, "POST", "/upload/v1beta/files", {}, x_goog_api_key=KEY, **wishes, **about)
    assert status == 200
    assert headers["x-goog-upload-url"].startswith(f"{fleet.url}/upload/v1beta/files/")
