"""docs/front-ends.md has a section for each agent, and the agents of the suite are set up with what stands there."""

from __future__ import annotations

import json
import tomllib

import pytest

from tests.agents import documented
from tests.agents.programs import (
    AIDER,
    CLAUDE,
    CLINE,
    CODEX,
    DAILY,
    GEMINI,
    KEY,
    LLM,
    OPENCODE,
    OTHERS,
    PI,
    QWEN,
    Program,
)

URL = "http://10.1.2.3:8100"
SECTIONS = {
    "Codex": CODEX, "Claude Code": CLAUDE, "Gemini CLI": GEMINI, "OpenCode": OPENCODE, "pi": PI, "Qwen Code": QWEN,
    "Cline": CLINE, "aider": AIDER, "llm": LLM,
}  # fmt: skip


def test_every_agent_has_its_section() -> None:
    assert documented.titles() == [*SECTIONS, "What all of them should know"]
    assert set(SECTIONS.values()) == {*DAILY, *OTHERS}


@pytest.mark.parametrize("title", SECTIONS)
def test_what_an_agent_is_given_stands_on_the_page(title: str) -> None:
    """Its address and its key; nothing is left to fill in."""
    program: Program = SECTIONS[title]
    given = json.dumps([program.environ(URL), program.files(URL), program.before(URL), program.first])
    assert "10.1.2.3:8100" in given
    assert "HOST" not in given
    assert KEY in given or title == "llm"
    section = documented.PAGE.read_text("utf-8").partition(f"### {title}\n")[2].partition("\n##")[0]
    for name, value in program.environ(URL).items():
        if URL in value or value == KEY:
            assert name in section


def test_blocks_are_what_they_say() -> None:
    config = tomllib.loads(CODEX.files(URL)[".codex/config.toml"])
    assert config["model_providers"]["gemgate"]["base_url"] == f"{URL}/v1"
    opencode = json.loads(OPENCODE.files(URL)[".config/opencode/opencode.json"])
    assert opencode["provider"]["gemgate"]["options"] == {"baseURL": f"{URL}/v1", "apiKey": KEY}
    assert CLAUDE.environ(URL)["ANTHROPIC_BASE_URL"] == URL
    assert CLINE.before(URL)[:3] == ("auth", "-p", "openai-compatible")
    assert AIDER.first[:2] == ("--model", "openai/gemini-3-flash-preview")
