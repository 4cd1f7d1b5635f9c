"""google-genai as a judge: release 3 of our own requirements, release 2 in an environment of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gemgate_simulator import Simulator
from tests.support.clients import genai2, judged
from tests.support.serving import Served

__all__ = ["genai2"]


@pytest.mark.parametrize("release", ["3", "2"])
async def test_the_sdk_is_content(
    release: str, gate: Served, sim: Simulator, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    python = Path(sys.executable) if release == "3" else request.getfixturevalue("genai2")
    verdict = await judged(python, "google_sdk", gate.url, tmp_path)
    assert not verdict.failed, verdict.report
    assert not verdict.skipped, verdict.report
    assert len(verdict.passed) >= 28, verdict.report
    assert sim.record.generations == verdict.generations
