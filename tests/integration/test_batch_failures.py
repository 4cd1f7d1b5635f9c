"""What a batch does when things go wrong: it waits, moves, and looks for what is there already.

The counts of the simulated Google decide: nothing that was made may be made again.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gemgate.batches import Claim, Task
from gemgate.errors import StorageDown
from gemgate.jobs import JobRules
from gemgate.policy import pacer
from gemgate.policy.backoff import Backoff
from gemgate.ports.runtime import TelemetryEvent
from gemgate_simulator import Answer, Painting, Simulator
from tests.support.batch_calls import QUICK, ordered, status, steered, until_status
from tests.support.patience import AT_ONCE, until
from tests.support.serving import Served, served, settings_for

NO_BREAKER = {"cooldown_auth_seconds": 0, "cooldown_429_seconds": 0}


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice", "bob")) as simulator:
        simulator.google.images(cheap=True)
        yield simulator


def two_accounts(sim: Simulator, folder: Path, **more: Any) -> Any:
    """alice and bob from cookie files named in accounts.toml."""
    for name in ("alice", "bob"):
        (folder / f"{name}.json").write_text(json.dumps(sim.google.cookies(name)))
    (folder / "accounts.toml").write_text(
        "\n".join(f'[[account]]\nname = "{name}"\nsource = "file:{name}.json"\n' for name in ("alice", "bob"))
    )
    settings = settings_for(None, folder, **more)
    return settings.model_copy(update={"proxy_url": sim.proxy_url, "proxy_ca_file": sim.ca_file})


async def tasks(gate: Served, batch_id: str) -> list[Task]:
    return list(await gate.service.jobs.store.tasks(batch_id, limit=10_000))


async def test_tries_follow_the_rule_and_are_counted(sim: Simulator, tmp_path: Path) -> None:
    rules = replace(QUICK, backoff=Backoff(first=0.1, tries=5, jitter=0.25))
    settings = settings_for(sim, tmp_path, **NO_BREAKER)
    async with served(settings, job_rules=rules) as gate, aiohttp.ClientSession(gate.url) as http:
        sim.google.fault("generate", "status", status=503, times=3)
        batch_id = (await ordered(http, prompts=["a cat"]))["batch_id"]
        body = await until_status(http, batch_id)
        assert body["completed"] == 1
        (task,) = await tasks(gate, batch_id)
        assert (task.failures, task.attempt) == (3, 4)
        at = [call.time for call in sim.record.calls]
        gaps = [later - earlier for earlier, later in itertools.pairwise(at)]
        for number, gap in enumerate(gaps):
            assert 0.1 * 2**number <= gap < 0.1 * 2**number * 1.25 + AT_ONCE, gaps


async def test_after_the_last_try_it_has_failed_and_says_why(sim: Simulator, tmp_path: Path) -> None:
    settings = settings_for(sim, tmp_path, **NO_BREAKER)
    rules = replace(QUICK, backoff=Backoff(first=0.01, tries=5))
    async with served(settings, job_rules=rules) as gate, aiohttp.ClientSession(gate.url) as http:
        sim.google.fault("generate", "status", status=503, times=-1)
        batch_id = (await ordered(http, prompts=["a cat"]))["batch_id"]
        body = await until_status(http, batch_id)
        assert (body["status"], body["failed"]) == ("failed", 1)
        assert "503" in body["errors"][0]["error"]
        assert body["errors"][0]["retryable"] is True
        assert sim.record.received == 6, "one try and five more"
        sim.google.clear()
        sim.google.images(cheap=True)
        await steered(http, batch_id, "retry")
        assert (await until_status(http, batch_id))["completed"] == 1


async def test_a_429_cools_the_account_and_the_task_waits_for_the_thaw_without_a_try(
    sim: Simulator, tmp_path: Path
) -> None:
    settings = settings_for(sim, tmp_path, cooldown_429_seconds=2)
    async with served(settings, job_rules=QUICK) as gate, aiohttp.ClientSession(gate.url) as http:
        sim.google.fault("generate", "code", code=1037)
        batch_id = (await ordered(http, prompts=[f"p{n}" for n in range(4)], concurrency=1))["batch_id"]
        await until(gate.service.pool.accounts[0].cooldowns)
        body = await until_status(http, batch_id, lambda body: "waiting_for" in body)
        assert "limit" in body["waiting_for"]
        assert sim.record.received == 1
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert (await until_status(http, batch_id))["completed"] == 4
        assert loop.time() - began > 0.5, "nobody asked before the thaw"
        assert [task.failures for task in await tasks(gate, batch_id)] == [0, 0, 0, 0]
        assert sim.record.generations == 4
        assert sim.record.received == 5


async def test_a_429_without_a_cool_down_is_one_of_the_tries(sim: Simulator, tmp_path: Path) -> None:
    async with (
        served(settings_for(sim, tmp_path, **NO_BREAKER), job_rules=QUICK) as gate,
        aiohttp.ClientSession(gate.url) as http,
    ):
        sim.google.fault("generate", "code", code=1037, times=2)
        batch_id = (await ordered(http, prompts=["a"]))["batch_id"]
        assert (await until_status(http, batch_id))["completed"] == 1
        assert [task.failures for task in await tasks(gate, batch_id)] == [2]


async def test_a_task_moves_to_another_account_when_its_own_is_spent(sim: Simulator, tmp_path: Path) -> None:
    async with (
        served(two_accounts(sim, tmp_path), job_rules=QUICK) as gate,
        aiohttp.ClientSession(gate.url) as http,
    ):
        await until(lambda: sum(account.is_open for account in gate.service.pool.accounts) == 2)
        sim.google.account("alice").used = (1.0, 1.0)
        batch_id = (await ordered(http, prompts=[f"p{n}" for n in range(6)], concurrency=4))["batch_id"]
        assert (await until_status(http, batch_id))["completed"] == 6
        assert sim.record.generated_by_account == {"bob": 6}
        assert [task.failures for task in await tasks(gate, batch_id)] == [0] * 6
        assert sim.record.by_account["alice"] <= 8, "a spent account is asked once per lane, then left alone"


async def test_a_quota_notice_instead_of_a_image_moves_the_task_as_well(sim: Simulator, tmp_path: Path) -> None:
    async with (
        served(two_accounts(sim, tmp_path), job_rules=QUICK) as gate,
        aiohttp.ClientSession(gate.url) as http,
    ):
        await until(lambda: sum(account.is_open for account in gate.service.pool.accounts) == 2)
        sim.google.refuse("p", "quota", times=1)
        batch_id = (await ordered(http, prompts=[f"p{n}" for n in range(3)], concurrency=1))["batch_id"]
        assert (await until_status(http, batch_id))["completed"] == 3
        assert [task.failures for task in await tasks(gate, batch_id)] == [0, 0, 0]
        assert sim.record.generations == 4
        assert sum(bool(account.cooldowns()) for account in gate.service.pool.accounts) == 1


@pytest.mark.parametrize("meaning", ["refusal", "quota"])
async def test_words_of_a_model_and_of_a_caller_are_in_no_fact(sim: Simulator, tmp_path: Path, meaning: str) -> None:
    """Facts are logged and traced: docs/privacy.md says that neither has a prompt or an answer."""
    settings = settings_for(sim, tmp_path)
    async with served(settings, job_rules=QUICK) as gate, aiohttp.ClientSession(gate.url) as http:
        facts, emit = list[TelemetryEvent](), gate.service.observer.emit
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(gate.service.observer, "emit", lambda fact: (facts.append(fact), emit(fact))[1])
            sim.google.refuse("a secret zebra", meaning)
            batch_id = (await ordered(http, prompts=["a secret zebra"]))["batch_id"]
            await until(lambda: any(fact.name in ("task.failed", "task.waiting") for fact in facts))
            (task,) = await tasks(gate, batch_id)
        said = task.error.partition(": ")[2]
        assert len(said) > 20, "the caller is told in Google's words"
        for fact in facts:
            assert said[:20] not in str(fact.data), fact
            assert "zebra" not in str(fact.data), fact


async def test_when_everybody_is_signed_out_it_waits_and_goes_on_with_new_cookies(
    sim: Simulator, tmp_path: Path
) -> None:
    async with (
        served(settings_for(sim, tmp_path), job_rules=QUICK) as gate,
        aiohttp.ClientSession(gate.url) as http,
    ):
        sim.google.expire("alice")
        batch_id = (await ordered(http, prompts=["a", "b"]))["batch_id"]
        body = await until_status(http, batch_id, lambda body: "waiting_for" in body)
        assert body["pending"] == 2
        await asyncio.sleep(0.6)
        fresh = sim.google.sign_in("alice")
        async with http.post("/api/cookies", json={"cookies": fresh}) as answer:
            assert answer.status == 200, await answer.text()
        assert (await until_status(http, batch_id))["completed"] == 2
        assert [task.failures for task in await tasks(gate, batch_id)] == [0, 0]


async def test_an_answer_lost_on_its_way_is_read_back_and_not_made_again(sim: Simulator, tmp_path: Path) -> None:
    sim.google.world.reads_temporary = True
    async with (
        served(settings_for(sim, tmp_path, **NO_BREAKER), job_rules=QUICK) as gate,
        aiohttp.ClientSession(gate.url) as http,
    ):
        sim.google.fault("generate", "reset", after_frames=1, finished=True, match="lost", times=3)
        batch_id = (await ordered(http, prompts=["lost 1", "lost 2", "lost 3", "kept"], concurrency=1))["batch_id"]
        assert (await until_status(http, batch_id))["completed"] == 4
        assert sim.record.generations == 4
        assert sim.record.requests_of("hNvQHb") == 3
        assert [task.failures for task in await tasks(gate, batch_id)] == [1, 1, 1, 0]
        assert not sim.record.violations


async def test_a_refusal_is_read_back_as_well(sim: Simulator, tmp_path: Path) -> None:
    sim.google.world.reads_temporary = True
    async with (
        served(settings_for(sim, tmp_path), job_rules=QUICK) as gate,
        aiohttp.ClientSession(gate.url) as http,
    ):
        sim.google.refuse("celebrity", "refusal")
        sim.google.fault("generate", "reset", after_frames=1, finished=True, match="celebrity")
        batch_id = (await ordered(http, prompts=["a celebrity"]))["batch_id"]
        body = await until_status(http, batch_id)
        assert body["errors"][0]["code"] == "content_policy_violation"
        assert sim.record.generations == 1


async def test_where_a_chat_cannot_be_read_the_image_is_made_again_and_only_then(
    sim: Simulator, tmp_path: Path
) -> None:
    async with (
        served(settings_for(sim, tmp_path), job_rules=QUICK) as gate,
        aiohttp.ClientSession(gate.url) as http,
    ):
        sim.google.fault("generate", "reset", after_frames=1, match="lost")
        batch_id = (await ordered(http, prompts=["lost", "kept"]))["batch_id"]
        assert (await until_status(http, batch_id))["completed"] == 2
        assert sim.record.generations == 3
        assert sim.record.requests_of("hNvQHb") == 1


async def test_a_image_that_could_not_be_fetched_is_fetched_again_and_not_made_again(
    sim: Simulator, tmp_path: Path
) -> None:
    async with (
        served(settings_for(sim, tmp_path, **NO_BREAKER), job_rules=QUICK) as gate,
        aiohttp.ClientSession(gate.url) as http,
    ):
        for place in ("c8o8Fe", "image"):
            sim.google.fault(place, "status", status=500, times=6)
        batch_id = (await ordered(http, prompts=["a cat"]))["batch_id"]
        assert (await until_status(http, batch_id))["completed"] == 1
        (task,) = await tasks(gate, batch_id)
        assert task.failures >= 1
        assert sim.record.generations == 1


async def test_a_store_that_is_away_costs_no_try_and_no_second_image(
    sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        served(settings_for(sim, tmp_path, **NO_BREAKER), job_rules=QUICK) as gate,
        aiohttp.ClientSession(gate.url) as http,
    ):
        put, failures = gate.service.blobs.put, iter([True, True, False])

        async def sometimes(*args: Any, **more: Any) -> bool:
            if next(failures, False):
                raise StorageDown("the bucket is away")
            return await put(*args, **more)

        monkeypatch.setattr(gate.service.blobs, "put", sometimes)
        batch_id = (await ordered(http, prompts=["a cat"]))["batch_id"]
        body = await until_status(http, batch_id)
        assert body["completed"] == 1
        assert sim.record.generations == 1
        assert [task.failures for task in await tasks(gate, batch_id)] == [0]
        assert gate.service.pool.accounts[0].status().state == "ready"


async def test_a_image_stored_before_a_crash_is_found_and_not_made_again(sim: Simulator, tmp_path: Path) -> None:
    """The process dies between storing the image and settling its task: emulated by taking every lease back."""
    async with (
        served(settings_for(sim, tmp_path), job_rules=QUICK) as gate,
        aiohttp.ClientSession(gate.url) as http,
    ):
        store = gate.service.jobs.store
        settle, stuck = store.settle, asyncio.Event()

        async def dies(claim: Claim, outcome: Any) -> bool:
            if claim.task.attempt == 1:
                stuck.set()
                await asyncio.Event().wait()
            return await settle(claim, outcome)

        gate.service.jobs.worker.store.settle = dies  # type: ignore[method-assign]
        batch_id = (await ordered(http, prompts=["a cat"]))["batch_id"]
        await stuck.wait()
        made = await gate.service.gallery.count()
        assert await store.free() == 1
        body = await until_status(http, batch_id)
        assert (body["completed"], made) == (1, 1)
        assert sim.record.generations == 1
        assert body["results"][0]["details"]["logo"] in ("removed", "absent"), (
            "facts of the first run, not measured anew"
        )


async def test_a_run_that_lost_its_task_sends_nothing_and_changes_nothing(sim: Simulator, tmp_path: Path) -> None:
    """Stopped past its lease while it waits for a lane, and gone on with after another run has finished."""
    async with (
        served(settings_for(sim, tmp_path, concurrency=1), job_rules=QUICK) as gate,
        aiohttp.ClientSession(gate.url) as http,
    ):
        account = gate.service.pool.accounts[0]
        account.busy = 1  # somebody holds the only lane
        batch_id = (await ordered(http, prompts=["a cat"]))["batch_id"]
        await until(lambda: gate.service.pool.waiting == 1)
        store = gate.service.jobs.store
        assert await store.free() == 1
        claim = await store.claim("another process", ["image"], 60)
        assert claim is not None
        assert await store.settle(claim, claim_done())
        account.busy = 0
        account.changed()
        await until(lambda: gate.service.jobs.worker.running == 0)
        assert sim.record.received == 0
        (task,) = await tasks(gate, batch_id)
        assert (task.status, task.attempt, "other" in task.result) == ("done", 2, True)


def claim_done() -> Any:
    from gemgate.batches import Done

    facts = {
        "width": 1, "height": 1, "nbytes": 1, "mime": "image/png", "sha256": "", "source": "other", "logo": "absent",
        "model": "m", "name": "202601/20260101/x.png", "requested": None, "resampled": False, "note": "",
    }  # fmt: skip
    return Done(json.dumps(facts))


async def a_third_fails(sim: Simulator, folder: Path, count: int, rules: JobRules) -> None:
    """429, 503 and resets, three in ten: all tasks end right, and each failure is one try of its own task."""
    settings = settings_for(sim, folder, concurrency=8, **NO_BREAKER)
    async with served(settings, job_rules=rules) as gate, aiohttp.ClientSession(gate.url) as http:
        faults = [("code", {"code": 1037}), ("status", {"status": 503}), ("reset", {"after_frames": 1})]
        for number in range(0, count, 3):
            kind, more = faults[number // 3 % 3]
            sim.google.fault("generate", kind, match=f"number {number:04d} ", **more)
        order = {"prompts": [f"number {n:04d} of many" for n in range(count)], "concurrency": 6}
        batch_id = (await ordered(http, **order))["batch_id"]
        body = await until_status(http, batch_id, seconds=60 + count)
        assert (body["completed"], body["failed"]) == (count, 0)
        assert len({result["url"] for result in body["results"]}) == count
        failures = [task.failures for task in await tasks(gate, batch_id)]
        assert failures == [1 if n % 3 == 0 else 0 for n in range(count)]
        refused = sum(call.fault in ("status", "code") and not call.generated for call in sim.record.calls)
        broken = sum(call.generated and bool(call.fault) for call in sim.record.calls)
        assert sim.record.generations == count + broken
        assert sim.record.received == count + broken + refused
        waits: dict[str, list[float]] = {}
        for call in sim.record.calls:
            waits.setdefault(call.prompt, []).append(call.time)
        gaps = [times[1] - times[0] for times in waits.values() if len(times) > 1]
        assert len(gaps) == len(range(0, count, 3))
        assert min(gaps) >= rules.backoff.first
        assert gate.service.pool.accounts[0].status("image").usable, "tries of tasks, and not the account's breaker"
        print(
            f"{count} tasks: {refused} refused, {broken} broken off, again after {min(gaps):.2f} to {max(gaps):.2f} s"
        )


@pytest.fixture
def short_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The account's own pace after a 429 a hundredth of what it is: it is not what fails or is waited for here."""
    monkeypatch.setattr(pacer, "FIRST_GAP", 0.02)
    monkeypatch.setattr(pacer, "LONGEST_GAP", 0.2)


@pytest.mark.usefixtures("short_gaps")
async def test_a_third_of_all_generations_fail_and_every_task_ends_right(sim: Simulator, tmp_path: Path) -> None:
    await a_third_fails(sim, tmp_path, 30, QUICK)


@pytest.mark.soak
@pytest.mark.usefixtures("short_gaps")
async def test_a_third_of_a_thousand_generations_fail(sim: Simulator, tmp_path: Path) -> None:
    """With a task's waits as they really are."""
    await a_third_fails(sim, tmp_path, 1000, JobRules())


async def test_giving_leases_back_lets_the_next_process_begin_at_once(sim: Simulator, tmp_path: Path) -> None:
    sim.google.reply("p", "", image=Painting(), delay=3)
    rules = replace(QUICK, lease=60.0, grace=0.0)
    settings = settings_for(sim, tmp_path)
    async with served(settings, job_rules=rules) as gate, aiohttp.ClientSession(gate.url) as http:
        batch_id = (await ordered(http, prompts=[f"p{n}" for n in range(4)]))["batch_id"]
        await until(lambda: sim.record.open_streams == 2)
        await gate.service.jobs.stop()
        assert [task.status for task in await tasks(gate, batch_id)] == ["queued"] * 4
        assert [task.failures for task in await tasks(gate, batch_id)] == [0] * 4
        assert (await status(http, batch_id))["pending"] == 4
    async with served(settings, job_rules=rules) as gate, aiohttp.ClientSession(gate.url) as http:
        assert (await until_status(http, batch_id))["completed"] == 4


async def test_chats_come_first_when_there_is_one_lane(sim: Simulator, tmp_path: Path) -> None:
    sim.google.reply("p", "", image=Painting(), delay=1.5)
    sim.google.reply("hello", "Hello!")
    async with (
        served(settings_for(sim, tmp_path, concurrency=1), job_rules=QUICK) as gate,
        aiohttp.ClientSession(gate.url) as http,
    ):
        batch_id = (await ordered(http, prompts=[f"p{n}" for n in range(4)], concurrency=4))["batch_id"]
        await until(lambda: sim.record.open_streams == 1)
        body = {"messages": [{"role": "user", "content": "hello"}]}
        async with http.post("/v1/chat/completions", json=body) as answer:
            assert answer.status == 200
        assert (await status(http, batch_id))["completed"] <= 2, "the chat did not wait for the whole batch"
        assert (await until_status(http, batch_id))["completed"] == 4
        assert sim.record.peak["alice"] == 1


async def test_slow_answers_outlive_a_short_lease(sim: Simulator, tmp_path: Path) -> None:
    sim.google.reply("slow", lambda _: Answer("", images=(Painting(),), delay=3.5))
    rules = JobRules(lease=1.5, poll=0.1, backoff=QUICK.backoff)
    async with (
        served(settings_for(sim, tmp_path, first_byte_timeout_seconds=20), job_rules=rules) as gate,
        aiohttp.ClientSession(gate.url) as http,
    ):
        batch_id = (await ordered(http, prompts=["slow 1", "slow 2"]))["batch_id"]
        assert (await until_status(http, batch_id))["completed"] == 2
        assert sim.record.generations == 2
        assert [task.attempt for task in await tasks(gate, batch_id)] == [1, 1]
