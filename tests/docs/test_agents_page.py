"""docs/front-ends.md has a section for each agent, and the agents of the suite are set up with what stands there."""

from __future__ import annotations

import ast
import json
import re
import tomllib

import pytest
import yaml

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


def blocks(kind: str) -> list[str]:
    page = documented.PAGE.read_text("utf-8").partition("## More chat programs")[2]
    return re.findall(rf"(?ms)^```{kind}\n(.*?)^```", page)


def test_files_of_programs_that_are_not_run_are_files_of_their_kind() -> None:
    librechat, continued = map(yaml.safe_load, blocks("yaml"))
    (endpoint,) = librechat["endpoints"]["custom"]
    assert (endpoint["baseURL"], endpoint["apiKey"]) == ("http://HOST:8100/v1", "KEY")
    assert endpoint["titleModel"] in endpoint["models"]["default"]
    (model,) = continued["models"]
    assert (model["apiBase"], model["apiKey"]) == ("http://HOST:8100/v1", "KEY")
    assert "autocomplete" not in model["roles"]


def test_libraries_are_told_never_to_ask_twice_by_themselves() -> None:
    """A broken answer may have been generated, and costs as much again."""
    for text in blocks("python"):
        calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
        given = {word.arg: ast.literal_eval(word.value) for call in calls for word in call.keywords}
        assert given["max_retries"] == 0
        assert "http://HOST:8100/v1" in given.values()
