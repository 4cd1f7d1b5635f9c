"""docs/google-wire.md says what the code does: its codes, its RPCs, and the numbers that WIRE_FACTS can change."""

from __future__ import annotations

import re
from pathlib import Path

from gemini_webapi.constants import GRPC

from gemgate.policy.session_end import _OF_STATUS
from gemgate.upstreams.web import facts
from gemgate.upstreams.web.codes import CODES, STATUSES

ROOT = Path(__file__).parents[2]
PAGE = " ".join((ROOT / "docs" / "google-wire.md").read_text("utf-8").split())
SOURCE = "\n".join(path.read_text("utf-8") for path in (ROOT / "src" / "gemgate").rglob("*.py"))


def section(number: str) -> str:
    """From its number to the next one."""
    found = re.search(rf"\*\*{re.escape(number)}[. (*].*?(?=\*\*\d+\.\d+|## \d)", PAGE)
    assert found, number
    return found[0]


def test_the_table_of_codes_is_the_codes() -> None:
    rows = re.findall(r"\| ((?:1\d{3}(?:, )?)+) \|", section("4.1"))
    assert {int(code) for row in rows for code in row.split(", ")} == set(CODES)
    assert {
        int(number) for number in re.findall(r"\b\d+\b", section("4.4").partition("Statuses")[2].partition("are")[0])
    } == set(STATUSES)


def test_numbers_of_accounts_that_are_told_apart_are_named() -> None:
    assert {number for number in _OF_STATUS if str(number) not in PAGE} == set()


def test_every_rpc_in_use_is_named() -> None:
    used = {GRPC[name].value for name in set(re.findall(r"GRPC\.([A-Z_]+)", SOURCE))}
    believed = facts.load(None)
    used |= {believed.turns.stop_rpc, believed.research.budget_rpc}
    assert {one for one in used if f"`{one}`" not in PAGE} == set()


def test_numbers_that_a_release_may_change_are_those_of_the_page() -> None:
    believed = facts.load(None)
    assert (
        f"pace of {believed.address.calls_per_minute:g} a minute after a burst of {believed.address.burst_calls:g}"
        in section("4.3")
    )
    assert believed.address.rest_seconds == 7200, "4.3 says two hours"
    assert f"{believed.session.rotate_gap_seconds:g} seconds apart" in section("5.4")
    assert f"within {believed.session.superseded_seconds / 60:g} minutes" in section("5.3")
    assert believed.session.phantom_seconds == 60, "5.3 says each minute"
    assert believed.prompt.plain_bytes < 129_950, "1.1: what came through whole"
    assert believed.prompt.with_files_bytes < 157_833, "1.2: what was read"
    assert believed.prompt.temporary_share == 0.9, "1.4 says a tenth less"
    for fact in (believed.videos.tool, believed.music.tool):
        assert f"slot 49 = {fact}" in PAGE
