"""How hard a model shall think: every dialect knows the same levels, and names the wish for one that there is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gemgate.chat import ChatRequest
from gemgate.dialects.anthropic.request import MessagesRequest
from gemgate.dialects.anthropic.request import read_request as messages
from gemgate.dialects.gemini.request import GenerateContentRequest
from gemgate.dialects.gemini.request import read_request as contents
from gemgate.dialects.interactions.request import InteractionRequest
from gemgate.dialects.interactions.request import read_request as interaction
from gemgate.dialects.openai_chat import ChatCompletionRequest
from gemgate.dialects.openai_chat import read_request as completion
from gemgate.dialects.responses.request import ResponsesRequest
from gemgate.dialects.responses.request import read_request as response

SAID = [{"role": "user", "content": "hi"}]
Ask = Callable[[str], ChatRequest]


def _completion(**more: Any) -> ChatRequest:
    return completion(ChatCompletionRequest(messages=SAID, **more))


DIALECTS: dict[str, Ask] = {
    "reasoning_effort": lambda level: _completion(reasoning_effort=level),
    "reasoning.effort": lambda level: _completion(reasoning={"effort": level}),
    "reasoning.effort of responses": lambda level: response(
        ResponsesRequest.model_validate({"input": "hi", "reasoning": {"effort": level}})
    ),
    "output_config.effort": lambda level: messages(
        MessagesRequest.model_validate(
            {"model": "m", "max_tokens": -1, "messages": SAID, "output_config": {"effort": level}}
        )
    ),
    "generationConfig.thinkingConfig.thinkingLevel": lambda level: contents(
        GenerateContentRequest.model_validate(
            {
                "contents": [{"parts": [{"text": "hi"}]}],
                "generationConfig": {"thinkingConfig": {"thinkingLevel": level}},
            }
        ),
        "m",
        stream=False,
    ),
    "generation_config.thinking_level": lambda level: interaction(
        InteractionRequest.model_validate({"input": "hi", "generation_config": {"thinking_level": level}})
    ),
}


@pytest.mark.parametrize("field", DIALECTS)
def test_a_level_that_there_is_not_is_named(field: str) -> None:
    request = DIALECTS[field]("hihg")
    assert request.ignored == (field.partition(" of ")[0],)
    assert request.thinking is None


@pytest.mark.parametrize("field", DIALECTS)
@pytest.mark.parametrize(("level", "thinks"), [("none", False), ("LOW", False), ("high", True), ("XHigh", True)])
def test_levels_are_on_or_off_in_any_case(field: str, level: str, thinks: bool) -> None:
    request = DIALECTS[field](level)
    assert (request.thinking, request.ignored) == (thinks, ())


@pytest.mark.parametrize("field", DIALECTS)
@pytest.mark.parametrize("level", ["", "auto", "default", "THINKING_LEVEL_UNSPECIFIED"])
def test_no_wish_leaves_it_to_the_model(field: str, level: str) -> None:
    request = DIALECTS[field](level)
    assert (request.thinking, request.ignored) == (None, ())


def test_anthropics_medium_is_not_extended() -> None:
    assert DIALECTS["output_config.effort"]("medium").thinking is False
    assert DIALECTS["reasoning_effort"]("medium").thinking is True
