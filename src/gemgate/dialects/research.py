"""Deep research as OpenAI and Google call it: which names mean it, what is asked, and how plan, progress and report are
worded.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any

from pydantic import Field, StrictBool

from gemgate import catalog
from gemgate.chat import ChatRequest, Text
from gemgate.dialects.wire import Wishes, ignored, read
from gemgate.errors import BadRequest
from gemgate.frozen import frozen
from gemgate.research import ResearchPlan

AGENT = "deep-research-"
"""How the names of Google's agents begin; a date follows."""
MOST_BYTES = 100_000
"""Of what is to be looked into: below the least that any account reads of a prompt."""


class AgentConfig(Wishes):
    """Google's configuration of the agent; its other wishes are the app's own matter."""

    type: str | None = Field(default=None, pattern=r"^deep-research$")
    collaborative_planning: StrictBool | None = None
    thinking_summaries: str | None = None
    visualization: str | None = None
    enable_bigquery_tool: StrictBool | None = None


@frozen
class ResearchCall:
    """What is to be looked into. plans: only a plan is wanted, for its caller to accept or to change."""

    prompt: str = field(repr=False)
    plans: bool = False
    ignored: tuple[str, ...] = ()


def is_model(name: str | None) -> bool:
    """Whether a model's name means deep research."""
    plain = (name or "").strip().removeprefix("models/").lower()
    return plain in catalog.RESEARCH_MODELS or plain.startswith(AGENT)


def is_agent(name: object) -> bool:
    """Whether an agent's name does; dates come and go."""
    return isinstance(name, str) and is_model(name)


def read_call(chat: ChatRequest, config: AgentConfig | None = None) -> ResearchCall:
    """What a call asks for, from its words; BadRequest for what a research cannot take along."""
    config = config or AgentConfig()
    said: list[tuple[str, str]] = []
    for message in chat.messages:
        if any(not isinstance(part, Text) for part in message.parts):
            raise BadRequest(
                "A deep research takes text alone: leave images, files and tool results out",
                "Deep Research 只接受文本：请去掉图片、文件和工具结果",
                param="input",
                code="unsupported_content",
            )
        if message.text.strip():
            said.append((message.role, message.text.strip()))
    if not any(role == "user" for role, _ in said):
        raise BadRequest("input is empty", "input 为空", param="input")
    if len(said) == 1:
        prompt = said[0][1]
    else:
        prompt = "\n\n".join(text if role in ("system", "developer") else f"{role}: {text}" for role, text in said)
    if len(prompt.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        raise BadRequest(
            f"What is to be looked into may have {MOST_BYTES} bytes",
            f"研究内容最多 {MOST_BYTES} 字节",
            param="input",
            code="string_above_max_length",
        )
    functions = tuple(f"tools.{tool.name}" for tool in chat.tools)
    wishes = ignored(config, "enable_bigquery_tool", prefix="agent_config.")
    if config.visualization not in (None, "auto"):
        wishes = (*wishes, "agent_config.visualization")
    return ResearchCall(prompt, bool(config.collaborative_planning), (*chat.ignored, *functions, *wishes))


def needs_background(what: str) -> BadRequest:
    """As in the official APIs: no connection waits for a research."""
    return BadRequest(
        f"{what[:100]} runs in the background only: set background to true, and ask for it by its id",
        f"{what[:100]} 只能在后台运行：请将 background 设为 true，再按 id 查询结果",
        param="background",
        code="background_required",
    )


def plan_text(plan: ResearchPlan) -> str:
    """A plan as Markdown."""
    steps = "".join(f"\n{number}. {step}" for number, step in enumerate(plan.steps, 1))
    eta = f"\n\n{plan.eta}" if plan.eta else ""
    return f"## {plan.title or 'Research plan'}\n{steps}{eta}"


def step_text(heading: str, words: str) -> str:
    """A step of a research, as a line of thoughts."""
    return f"\n\n**{heading}**" + (f"\n{words}" if words else "")


def page_text(url: str, title: str) -> str:
    """A page that was visited."""
    return f"\n- [{' '.join(title.split()).replace('[', '(').replace(']', ')') or url}]({url})"


def read_config(config: Any) -> AgentConfig:
    """Google's configuration as it was sent; BadRequest."""
    if config is None:
        return AgentConfig()
    if not isinstance(config, dict):
        raise BadRequest("agent_config must be an object", "agent_config 必须是对象", param="agent_config")
    return read(AgentConfig, config)
