"""The simulated model that works through a task with an agent's own tools, one step for each prompt of the task.

It reads no mind: the code word and the functions come out of the prompt, as a model would read them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gemgate_simulator.script import Prompt
from gemgate_simulator.tool_following import read

TASK = "garden ledger"
"""Words that stand in every prompt of the task and in no agent's own prompts."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a function: the first of `names` that the agent offers."""

    names: tuple[str, ...]
    arguments: dict[str, Any]


Step = str | tuple[Call, ...]
"""Words that end a turn, or calls that are made at once."""


@dataclass(slots=True)
class Worker:
    """Plays `steps` in their order; whatever else an agent asks by the way gets a few words.

    tools: False where the agent has none and reads what it shall do out of the words.
    went_on: of each step, whether its prompt came in the chat of the one before; sizes: characters of its prompt.
    """

    steps: Sequence[Step]
    tools: bool = True
    at: int = 0
    results: list[str] = field(default_factory=list)
    went_on: list[bool] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    aside: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def __call__(self, prompt: Prompt) -> str:
        wanted = read(prompt)
        everything = "\n".join((*(said.prompt for said in prompt.history), prompt.text))
        able = bool(wanted.functions) or not self.tools
        if TASK not in everything or not able or self.at >= len(self.steps):
            self.aside.append(prompt.text)
            return json.dumps({"title": "Garden"}) if wanted.form is not None else "Garden"
        self.results += wanted.results
        self.went_on.append(bool(prompt.history))
        self.sizes.append(len(prompt.text))
        step = self.steps[self.at]
        self.at += 1
        if isinstance(step, str):
            return step
        offered = {function.name for function in wanted.functions}
        return "\n\n".join(self._written(call, offered, wanted.code_word) for call in step)

    def _written(self, call: Call, offered: set[str], code_word: str) -> str:
        name = next((name for name in call.names if name in offered), "")
        if not name:
            self.missing.append(f"{call.names} of {sorted(offered)}")
            name = call.names[0]
        return f"{code_word} toolcall {name}\n````json\n{json.dumps(call.arguments)}\n````\n{code_word} toolend"
