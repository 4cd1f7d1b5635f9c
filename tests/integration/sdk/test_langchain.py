"""LangChain's standard chat-model suites, unchanged, for each of its clients that can be pointed at us."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from gemgate_simulator import Simulator
from tests.support.clients import genai2, judged
from tests.support.serving import served, settings_for

__all__ = ["genai2"]

NOT_OURS = re.compile(
    r"test_audio_inputs|test_stream_time"  # Google's web app is not sent sound; recordings are not used
    r"|TestAnthropic\.test_json_mode"  # ChatAnthropic has none
    r"|(TestOpenAIChat|TestOpenAIChatByFunctions)\.test_(image|pdf)_tool_message"  # the API has no images there
    r"|TestGoogle\.(test_\w+_with_model_override|test_anthropic_inputs)"  # nor has Google's client these
)
"""Tests of the suite that a client declares itself out of."""


CLIENTS = {
    "TestOpenAIChat": 46,
    "TestOpenAIChatByFunctions": 8,
    "TestOpenAIResponses": 48,
    "TestAnthropic": 47,
    "TestGoogle": 43,
}
"""How many tests of the suite each client has to pass at least."""


@pytest.mark.timeout(300)
async def test_the_standard_suites_pass(genai2: Path, tmp_path: Path) -> None:
    # By functions only what the way to structured output changes: it is the same client as the first.
    wanted = "not ByFunctions or structured_output"
    async with Simulator(accounts=("alice",)) as sim:
        async with served(settings_for(sim, tmp_path, concurrency=4)) as gate:
            verdict = await judged(genai2, "langchain_suites", gate.url, tmp_path, "-k", wanted)
        assert not verdict.failed, verdict.report
        assert [name for name in verdict.skipped if not NOT_OURS.search(name)] == [], verdict.report
        passed = Counter(name.partition(".")[0] for name in verdict.passed)
        assert all(passed[client] >= tests for client, tests in CLIENTS.items()), passed
        assert sim.record.generations >= sum(CLIENTS.values())
        assert not sim.record.violations
