"""The demo model: no intelligence, but enough sense to try every feature without an account, in English and Chinese."""

from __future__ import annotations

from gemgate.simulator.script import Answer, Prompt


def demo(prompt: Prompt) -> Answer:
    return Answer(f"You said: {prompt.text}")
