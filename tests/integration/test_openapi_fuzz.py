"""Our OpenAPI document against our service: what fits it, or nearly does, gets a status that it names, never a 5xx.

`FUZZ_SECONDS` is how long the soak asks (600 by default), with other cases in every round; nothing may stay behind.
"""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from gemgate_simulator import Simulator
from tests.support.serving import served, settings_for

CHECKS = [response_schema_conformance, content_type_conformance]
SLOW = {"/v1/batch/{batch_id}/events"}
"""Streams without an end."""


@contextmanager
def longest_turns() -> Iterator[list[tuple[float, str]]]:
    """The longest callbacks of the event loop, ours and the simulator's: seconds of the processor, and what it was.

    The collector stays away from them: most of what it would look through is the fuzzer's.
    """
    original, longest = asyncio.events.Handle._run, [(0.0, "")]

    def run(self: asyncio.Handle) -> None:
        start = time.thread_time()
        original(self)
        if (took := time.thread_time() - start) > longest[-1][0]:
            owner = getattr(self._callback, "__self__", None)
            longest.append((took, str(owner.get_coro() if isinstance(owner, asyncio.Task) else self._callback)[:300]))

    asyncio.events.Handle._run = run
    gc.disable()
    try:
        yield longest
    finally:
        gc.enable()
        asyncio.events.Handle._run = original


SIGNED_OUT = "cookie_expired"
"""What an account says that the fuzzer has added itself, with whatever it took for cookies."""


def document_at(url: str) -> dict[str, Any]:
    """Our document. Texts that must not be blank may be so here: of a pattern and a length schemathesis makes one
    pattern, `^\\S{1,32000}$`, which takes a second each time and has no blank inside of a text.
    """
    document: dict[str, Any] = requests.get(f"{url}/openapi.json", timeout=60).json()
    for schema in document["components"]["schemas"].values():
        for field in schema.get("properties", {}).values():
            if field.get("pattern") == r"\S" and "maxLength" in field:
                del field["pattern"]
                field["minLength"] = 1
    return document


def fuzz(url: str, each: int, number: int = 0) -> tuple[Counter[int], list[str]]:
    """`each` cases of every operation, right and wrong by turns; statuses and what is wrong with them.

    number: of the round; every one has cases of its own.
    """
    schema = schemathesis.openapi.from_dict(document_at(url))
    seen: Counter[int] = Counter()
    wrong: list[str] = []

    def ask(case: Any) -> None:
        documented = case.operation.definition.raw["responses"]
        response = case.call(base_url=url, timeout=60)
        seen[response.status_code] += 1
        try:
            case.validate_response(response, checks=CHECKS)
        except FailureGroup as group:
            flaws = "; ".join(f"{one.title}: {one.message[:300]}" for one in group.exceptions)
            wrong.append(f"{response.status_code} {case.as_curl_command()[:700]} -> {flaws}\n{response.text[:600]}")
        failed = response.status_code >= 500 and SIGNED_OUT not in response.text
        if failed or str(response.status_code) not in documented:
            wrong.append(f"{response.status_code} {case.as_curl_command()[:700]} -> {response.text[:300]}")

    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path in SLOW:
            continue
        takes_body = "requestBody" in operation.definition.raw
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE) if takes_body else (GenerationMode.POSITIVE,):
            try:
                strategy = operation.as_strategy(generation_mode=mode)
                bounded = settings(
                    max_examples=each,
                    database=None,
                    deadline=None,
                    phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                )
                seed(number)(bounded(given(case=strategy)(ask)))()
            except (schemathesis.errors.SchemathesisError, Unsatisfiable):
                continue  # nothing can be wrong about an operation without parameters
    return seen, wrong


def remove_accounts(url: str) -> None:
    """Those that the fuzzer has added, with their tasks."""
    for account in requests.get(f"{url}/api/accounts", timeout=60).json()["accounts"]:
        if account["name"] != "default":
            requests.delete(f"{url}/api/accounts/{quote(account['name'], safe='')}", timeout=60).raise_for_status()


async def run(tmp_path: Path, each: int) -> tuple[Counter[int], list[str]]:
    async with Simulator(accounts=("alice",)) as sim:
        sim.google.images(cheap=True)
        async with served(settings_for(sim, tmp_path)) as gate:
            seen, wrong = await asyncio.to_thread(fuzz, gate.url, each)
        assert not broken(sim)
    return seen, wrong


def broken(sim: Simulator) -> list[str]:
    """What we did that Google's app never does. One prompt comes by several doors: rightly two videos."""
    return [rule for rule in sim.record.violations if "once more while" not in rule]


@pytest.mark.timeout(180)
async def test_a_few_cases_of_every_operation(tmp_path: Path) -> None:
    seen, wrong = await run(tmp_path, 2)
    assert not wrong, "\n\n".join(wrong[:20])
    assert seen.total() >= 100
    assert seen[200] >= 15
    assert seen[400] >= 10


@pytest.mark.soak
@pytest.mark.timeout(0)
async def test_requests_for_ten_minutes(tmp_path: Path) -> None:
    seconds = float(os.environ.get("FUZZ_SECONDS", "600"))
    process, seen, wrong = psutil.Process(), Counter[int](), list[str]()
    rounds: list[tuple[float, int, Counter[str]]] = []
    async with Simulator(accounts=("alice",)) as sim:
        sim.google.images(cheap=True)
        async with served(settings_for(sim, tmp_path)) as gate:
            over = time.monotonic() + seconds
            with longest_turns() as longest:
                while not rounds or (time.monotonic() < over and not wrong):
                    found, flaws = await asyncio.to_thread(fuzz, gate.url, 5, len(rounds) + 1)
                    seen, wrong = seen + found, wrong + flaws
                    await asyncio.to_thread(remove_accounts, gate.url)
                    await asyncio.sleep(1)
                    await asyncio.to_thread(gc.collect)
                    tasks = Counter(str(task.get_coro().__qualname__) for task in asyncio.all_tasks())  # type: ignore[union-attr]
                    rounds.append((process.memory_info().rss / 1e6, process.num_fds(), tasks))
        assert not broken(sim)
    first, last = rounds[len(rounds) // 10], rounds[-1]
    print(f"\n{seen.total()} requests in {len(rounds)} rounds: {dict(sorted(seen.items()))}; wrong: {len(wrong)}")
    print(*(f"{took * 1000:.0f} ms: {what}" for took, what in longest[-5:]), sep="\n")
    print(
        *(f"{megabytes:.0f} MB, {fds} descriptors, {tasks.total()} tasks" for megabytes, fds, tasks in rounds), sep="\n"
    )
    assert not wrong, "\n\n".join(wrong[:20])
    assert longest[-1][0] < 0.05
    assert last[1] <= first[1] + 10
    assert last[2].total() <= first[2].total() + 10, last[2] - first[2]
