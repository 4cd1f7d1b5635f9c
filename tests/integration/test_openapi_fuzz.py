"""Our OpenAPI document against our service: what fits it, or nearly does, gets a status that it names, never a 5xx."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from gemgate_simulator import Simulator
from tests.support.serving import served, settings_for

SLOW = {"/v1/batch/{batch_id}/events"}
"""Streams without an end."""


def fuzz(url: str, each: int) -> tuple[Counter[int], list[str]]:
    """`each` cases of every operation, right and wrong by turns; statuses and what is wrong with them."""
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    seen: Counter[int] = Counter()
    wrong: list[str] = []

    def ask(case: Any) -> None:
        documented = case.operation.definition.raw["responses"]
        response = case.call(base_url=url, timeout=60)
        seen[response.status_code] += 1
        if response.status_code >= 500 or str(response.status_code) not in documented:
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
                    derandomize=True,
                    database=None,
                    deadline=None,
                    phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                )
                bounded(given(case=strategy)(ask))()
            except (schemathesis.errors.SchemathesisError, Unsatisfiable):
                continue  # nothing can be wrong about an operation without parameters
    return seen, wrong


async def run(tmp_path: Path, each: int) -> tuple[Counter[int], list[str]]:
    async with Simulator(accounts=("alice",)) as sim:
        sim.google.images(cheap=True)
        async with served(settings_for(sim, tmp_path)) as gate:
            seen, wrong = await asyncio.to_thread(fuzz, gate.url, each)
        assert not sim.record.violations
    return seen, wrong


@pytest.mark.timeout(180)
async def test_a_few_cases_of_every_operation(tmp_path: Path) -> None:
    seen, wrong = await run(tmp_path, 2)
    assert not wrong, "\n\n".join(wrong[:20])
    assert seen.total() >= 100
    assert seen[200] >= 15
    assert seen[400] >= 10


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_five_thousand_requests(tmp_path: Path) -> None:
    seen, wrong = await run(tmp_path, 60)
    print(f"\n{seen.total()} requests by status: {dict(sorted(seen.items()))}; wrong: {len(wrong)}")
    assert not wrong, "\n\n".join(wrong[:20])
    assert seen.total() >= 5_000
