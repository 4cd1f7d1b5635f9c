"""The demo model keeps to what our prompts ask of it: the real prompts, the real parser."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from gemgate.chat import ChatRequest, Message, ResponseFormat, Text, Tool, ToolCall, ToolChoice, ToolResult
from gemgate.prompting import turns
from gemgate.prompting.compose import compose
from gemgate_simulator.demo import demo
from gemgate_simulator.schema_values import Filler
from gemgate_simulator.script import Prompt, Said
from tests.support.tool_corpus import SENTINEL, TOOLS

WEATHER = TOOLS[0]
CALLS = Message("assistant", (ToolCall("c1", "get_weather", '{"city":"Paris"}'),))
RESULT = Message("tool", (ToolResult("c1", "get_weather", (Text("Sunny, 25 °C"),)),))


def ask(*messages: Message | str, history: tuple[Said, ...] = (), **request: Any) -> tuple[str, list[tuple[str, Any]]]:
    """What the demo model answers, as our own turn reads it: text and calls."""
    said = tuple(m if isinstance(m, Message) else Message("user", (Text(m),)) for m in messages)
    turn = turns.parser_for(ChatRequest(said, "m", **request), lambda: SENTINEL, str)
    if history:
        text = compose(said, reminder=turn.reminder, sentinel=SENTINEL, continuing=True).text
    else:
        text = compose(said, instructions=turn.instructions, sentinel=turn.sentinel).text
    events = turn.feed(demo(Prompt(text, "alice", "gemini-flash", history=history)).text)
    settled = turn.finish()
    assert isinstance(settled, turns.Finished), settled
    told = [*events, *settled.events]
    calls = [(e.call.name, json.loads(e.call.arguments)) for e in told if isinstance(e, turns.ToolCalled)]
    return "".join(e.text for e in told if isinstance(e, turns.TextDelta)), calls


def test_a_question_that_a_function_answers_becomes_a_call() -> None:
    assert ask("What is the weather in Paris?", tools=TOOLS)[1] == [
        ("get_weather", {"city": "Paris", "unit": "celsius", "days": 1})
    ]
    assert ask("北京的天气怎么样？", tools=(WEATHER,), tool_choice=ToolChoice("required"))[1][0][1]["city"] == "北京"


def test_several_places_are_several_calls_unless_only_one_is_allowed() -> None:
    question = "What is the weather in Paris and London?"
    assert [args["city"] for _, args in ask(question, tools=(WEATHER,))[1]] == ["Paris", "London"]
    assert len(ask(question, tools=(WEATHER,), tool_choice=ToolChoice("auto", parallel=False))[1]) == 1


def test_duties_are_kept() -> None:
    assert ask("Hello", tools=TOOLS)[1] == []
    assert ask("Weather in Paris?", tools=TOOLS, tool_choice=ToolChoice("none"))[1] == []
    named = ToolChoice("required", allowed=("_ping",))
    assert [name for name, _ in ask("Hello", tools=TOOLS, tool_choice=named)[1]] == ["_ping"]


def test_a_result_is_told_in_words_and_an_open_duty_goes_on() -> None:
    text, calls = ask("Weather in Paris?", CALLS, RESULT, tools=(WEATHER,))
    assert (text, calls) == ("The result is: Sunny, 25 °C", [])
    assert ask("Weather in Paris?", CALLS, RESULT, tools=(WEATHER,), tool_choice=ToolChoice("required"))[1]


def test_functions_are_remembered_in_a_chat_that_goes_on() -> None:
    first = turns.parser_for(ChatRequest((Message("user", (Text("Hi"),)),), "m", tools=TOOLS), lambda: SENTINEL, str)
    opening = compose((Message("user", (Text("Hi"),)),), instructions=first.instructions, sentinel=SENTINEL).text
    assert ask("Weather in Rome?", tools=TOOLS, history=(Said(opening, "You said: Hi"),))[1][0][1]["city"] == "Rome"


def test_without_functions_the_answer_speaks_of_the_question_only() -> None:
    text, _ = ask("Good morning", tools=TOOLS)
    assert text == "You said: Good morning"
    assert ask("count to 3", Message("assistant", (Text("1"),)), "count to 4", tools=TOOLS)[0] == "1, 2, 3, 4"


@pytest.mark.parametrize("tool", TOOLS, ids=[tool.name for tool in TOOLS])
def test_arguments_fit_every_schema(tool: Tool) -> None:
    (call,) = ask("Do it", tools=TOOLS, tool_choice=ToolChoice("required", allowed=(tool.name,)))[1]
    assert call[0] == tool.name
    assert not [*Draft202012Validator(dict(tool.parameters)).iter_errors(call[1])]


SCHEMAS: list[dict[str, Any]] = [
    {"type": "object", "properties": {"setup": {"type": "string"}, "rating": {"type": ["integer", "null"]}}},
    {"$ref": "#/$defs/N", "$defs": {"N": {"type": "object", "properties": {"next": {"$ref": "#/$defs/N"}}}}},
    {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 2},
    {"anyOf": [{"type": "null"}, {"type": "object", "properties": {"at": {"type": "string", "format": "date"}}}]},
    {"type": "object", "properties": {"n": {"type": "number", "exclusiveMinimum": 5, "maximum": 9}}, "required": ["n"]},
    {"allOf": [{"type": "object", "properties": {"k": {"const": 1}}}, {"required": ["k"]}]},
    {"type": "object", "properties": {"id": {"type": "string", "pattern": "^[A-Z]\\d$", "maxLength": 2}}},
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=range(len(SCHEMAS)))
def test_an_answer_in_a_form_fits_it(schema: dict[str, Any]) -> None:
    text, _ = ask('Name a "cat" of 7 years', response_format=ResponseFormat("json_schema", schema=schema, strict=True))
    assert not [*Draft202012Validator(schema).iter_errors(json.loads(text))]


def test_numbers_and_quoted_words_of_the_question_are_used() -> None:
    schema = {"type": "object", "properties": {"customer": {"type": "string"}, "a": {"type": "integer"}}}
    assert Filler("Create '你好啊集团' with 3", schema).value(schema) == {"customer": "你好啊集团", "a": 3}
