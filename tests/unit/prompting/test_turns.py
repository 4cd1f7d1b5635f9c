"""An answer on its way out: tools and their choice, JSON, and the one repair turn."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gemgate.chat import (
    ChatRequest,
    Message,
    ResponseFormat,
    Text,
    TextDelta,
    ThoughtDelta,
    Tool,
    ToolCall,
    ToolCalled,
    ToolChoice,
)
from gemgate.errors import BadRequest, OutputInvalid
from gemgate.prompting import turns
from gemgate.prompting.turns import AnswerParser, Finished, Out, RepairNeeded
from tests.support.tool_corpus import SENTINEL, TOOLS

S = SENTINEL
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def request(**more: Any) -> ChatRequest:
    return ChatRequest((Message("user", (Text("hi"),)),), **more)


AUTO = ToolChoice()


def turn(choice: ToolChoice = AUTO, **more: Any) -> AnswerParser:
    return turns.parser_for(request(tools=TOOLS, tool_choice=choice, **more), lambda: S, lambda n: f"call_{n}")


def block(name: str, **arguments: Any) -> str:
    return f"{S} toolcall {name}\n```json\n{json.dumps(arguments)}\n```\n{S} toolend\n"


def say(of: AnswerParser, *pieces: str) -> list[Out]:
    return [event for piece in pieces for event in of.feed(piece)]


def settled(of: AnswerParser) -> Finished:
    end = of.finish()
    assert isinstance(end, Finished), end
    return end


def again(of: AnswerParser) -> RepairNeeded:
    end = of.finish()
    assert isinstance(end, RepairNeeded), end
    return end


def text_of(events: list[Out] | tuple[Out, ...]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def calls_of(events: list[Out] | tuple[Out, ...]) -> list[ToolCall]:
    return [event.call for event in events if isinstance(event, ToolCalled)]


def test_an_answer_without_tools_passes_through() -> None:
    plain = turns.parser_for(request(), lambda: S, lambda n: f"call_{n}")
    assert plain.instructions == plain.reminder == plain.sentinel == ""
    events = say(plain, f"{S} is ", "", "just text")
    assert text_of(events) == f"{S} is just text"
    assert settled(plain) == Finished(())
    assert plain.feed_thought("hm") == [ThoughtDelta("hm")]


def test_text_and_calls_come_in_their_order_and_the_calls_are_numbered() -> None:
    of = turn()
    events = say(of, "Look: \n\n" + block("get_weather", city="Paris") + block("list_files"))
    end = settled(of)
    assert end.reason == "tool_calls"
    events += end.events
    assert [type(event) for event in events] == [TextDelta, ToolCalled, ToolCalled]
    assert calls_of(events) == [
        ToolCall("call_0", "get_weather", '{"city":"Paris"}'),
        ToolCall("call_1", "list_files", "{}"),
    ]


def test_a_broken_call_is_asked_for_once_more_and_what_was_good_stays() -> None:
    of = turn()
    events = say(of, "One moment.\n" + block("list_files") + block("get_weather", town="Paris"))
    ask = again(of)
    assert "lacks 'city'" in ask.prompt
    assert S in ask.prompt
    assert "first 1 of your calls" in ask.prompt
    assert ask.answer.startswith("One moment.")
    more = say(of, "Sorry!\n" + block("list_files") + block("get_weather", city="Paris"))
    end = settled(of)
    assert end.reason == "tool_calls"
    assert [call.name for call in calls_of(events + more)] == ["list_files", "get_weather"]
    assert text_of([*events, *more, *end.events]) == "One moment."


def test_a_call_that_stays_broken_is_the_clients_to_refuse() -> None:
    of = turn()
    say(of, block("get_weather", town="Rome"))
    again(of)
    events = say(of, block("get_weather", town="Oslo"))
    end = settled(of)
    assert end.reason == "tool_calls"
    (call,) = calls_of([*events, *end.events])
    assert (call.name, json.loads(call.arguments)) == ("get_weather", {"town": "Oslo"})


def test_a_tool_that_was_never_offered_is_the_clients_to_refuse() -> None:
    of = turn()
    say(of, block("launch", to="moon"))
    again(of)
    say(of, block("launch", to="mars"))
    (call,) = calls_of(list(settled(of).events))
    assert (call.name, json.loads(call.arguments)) == ("launch", {"to": "mars"})


def test_a_strict_tool_is_never_called_wrongly() -> None:
    tool = Tool("get_weather", "", {"type": "object", "required": ["city"]}, strict=True)
    of = turns.parser_for(request(tools=(tool,)), lambda: S, lambda n: "")
    say(of, block("get_weather"))
    again(of)
    say(of, block("get_weather"))
    with pytest.raises(OutputInvalid, match="lacks 'city'") as caught:
        of.finish()
    assert caught.value.generated == "maybe"
    assert "模型" in caught.value.zh


def test_what_is_no_object_is_never_a_call() -> None:
    of = turn()
    say(of, f"{S} toolcall get_weather\n```json\n[1, 2]\n```\n{S} toolend\n")
    again(of)
    say(of, f"{S} toolcall get_weather\n```json\n[1, 2]\n```\n{S} toolend\n")
    with pytest.raises(OutputInvalid):
        of.finish()


def test_a_call_that_stays_broken_beside_a_good_one_is_left_out() -> None:
    of = turn()
    events = say(of, block("list_files") + block("get_weather"))
    again(of)
    events += say(of, block("get_weather"))
    assert settled(of).reason == "tool_calls"
    assert [call.name for call in calls_of(events)] == ["list_files"]


def test_text_instead_of_the_corrected_call_is_an_answer() -> None:
    of = turn()
    events = say(of, "Hm.\n" + block("nobody"))
    again(of)
    assert say(of, "I cannot do that.") == []
    end = settled(of)
    assert end.reason == "stop"
    assert text_of(events) + text_of(end.events) == "Hm.\n\nI cannot do that."


def test_a_required_call_is_asked_for_once_more() -> None:
    of = turn(ToolChoice("required"))
    say(of, "I would rather talk.")
    assert "must call one of" in again(of).prompt
    events = say(of, block("list_files"))
    assert calls_of(events)
    assert settled(of).reason == "tool_calls"

    of = turn(ToolChoice("required", ("get_weather",)))
    assert "you must call `get_weather`" in of.instructions
    assert "### list_files" not in of.instructions
    say(of, block("list_files"))
    assert "may not be called now, only: get_weather" in again(of).prompt
    say(of, "No.")
    end = settled(of)
    assert (end.reason, text_of(end.events)) == ("stop", "No.")


def test_words_for_a_demanded_call_are_the_answer_the_first_ones() -> None:
    of = turn(ToolChoice("required"))
    events = say(of, "I would rather talk.")
    again(of)
    say(of, "As I said.")
    end = settled(of)
    assert (end.reason, text_of(events) + text_of(end.events)) == ("stop", "I would rather talk.")


@pytest.mark.parametrize("words", ["", " \n"])
def test_silence_for_a_demanded_call_is_an_error(words: str) -> None:
    of = turn(ToolChoice("required"))
    say(of, words)
    again(of)
    say(of, words)
    with pytest.raises(OutputInvalid, match="must call one of"):
        of.finish()


def test_words_for_a_demanded_strict_call_are_an_error() -> None:
    strict, loose = Tool("get_weather", "", {"type": "object"}, strict=True), Tool("look", "", {"type": "object"})
    for choice, fails in ((ToolChoice("required"), True), (ToolChoice("required", ("look",)), False)):
        of = turns.parser_for(request(tools=(strict, loose), tool_choice=choice), lambda: S, lambda n: "")
        say(of, "I would rather talk.")
        again(of)
        say(of, "No.")
        if fails:
            with pytest.raises(OutputInvalid, match="must call one of: get_weather, look"):
                of.finish()
        else:
            assert settled(of).reason == "stop"


def test_without_parallel_calls_only_the_first_goes_out() -> None:
    of = turn(ToolChoice(parallel=False))
    assert "at most one call" in of.instructions
    events = say(of, block("list_files") + block("get_weather", city="A") + block("get_weather"))
    assert settled(of).reason == "tool_calls"
    assert [call.name for call in calls_of(events)] == ["list_files"]


def test_where_no_tool_may_be_called_calls_are_dropped_and_text_is_enough() -> None:
    of = turn(ToolChoice("none"))
    assert "###" not in of.instructions
    assert "Do not call any function now" in of.instructions
    assert "Do not call any function now" in of.reminder
    events = say(of, "Here it is.\n" + block("list_files"))
    assert settled(of).reason == "stop"
    assert text_of(events) == "Here it is."
    assert not calls_of(events)


def test_where_no_tool_may_be_called_a_call_alone_is_no_answer() -> None:
    of = turn(ToolChoice("none"))
    say(of, block("list_files"))
    assert "no function may be called now" in again(of).prompt
    say(of, "The list is empty.")
    assert text_of(settled(of).events) == "The list is empty."
    of = turn(ToolChoice("none"))
    for _ in range(2):
        say(of, block("list_files"))
        last = None
        try:
            last = of.finish()
        except OutputInvalid:
            break
    assert not isinstance(last, Finished)


def test_earlier_calls_in_the_history_bring_the_grammar_even_without_tools() -> None:
    history = (
        Message("user", (Text("hi"),)),
        Message("assistant", (ToolCall("c", "list_files", "{}"),)),
        Message("user", (Text("and?"),)),
    )
    of = turns.parser_for(ChatRequest(history), lambda: S, lambda n: f"call_{n}")
    assert of.sentinel == S
    events = say(of, block("list_files") + "Two files.")
    end = settled(of)
    assert end.reason == "stop"
    assert text_of([*events, *end.events]) == "Two files."


def test_thoughts_never_show_the_code_word_and_lose_nothing_else() -> None:
    of = turn()
    shown = of.feed_thought(f"use {S} toolcall, ends in zq")
    shown += say(of, "text")
    assert "".join(e.text for e in shown if isinstance(e, ThoughtDelta)) == "use , ends in zq"
    assert isinstance(shown[-1], TextDelta) or text_of(list(settled(of).events))


def test_a_wanted_form_that_is_no_schema_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(BadRequest):
        turns.parser_for(request(response_format=ResponseFormat("json_schema", {"type": 3})), lambda: S, lambda n: "")


def test_a_tool_whose_schema_is_no_json_is_refused_by_its_name() -> None:
    tools = (TOOLS[0], Tool("odd", "", {"maximum": 10**40}))
    with pytest.raises(BadRequest, match="odd") as caught:
        turns.parser_for(request(tools=tools), lambda: S, lambda n: "")
    assert caught.value.param == "tools[1]"


ODD: list[dict[str, Any]] = [
    {"type": "any"},
    {"type": "STRING"},
    {"type": None},
    {"type": "string", "required": True},
    {"type": "string", "description": 7},
    {"type": "array", "items": [{"type": "number"}]},
    {"$ref": "https://example.org/v.json"},
    {"$ref": "#/components/V"},
    {"enum": None},
    {"type": "number", "minimum": 0, "exclusiveMinimum": True},
    {"anyOf": "x"},
]


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_schema_is_offered_as_it_is_and_validated_as_far_as_it_goes(odd: dict[str, Any]) -> None:
    schema = {"type": "object", "properties": {"v": odd, "n": {"type": "integer"}}, "required": ["n"]}
    tool = Tool("odd", "", schema)
    of = turns.parser_for(request(tools=(tool,)), lambda: S, lambda n: "")
    assert json.dumps(odd, separators=(",", ":")) in of.instructions
    assert [call.name for call in calls_of(say(of, block("odd", n=1)))] == ["odd"]
    wrong = turns.parser_for(request(tools=(tool,)), lambda: S, lambda n: "")
    assert calls_of(say(wrong, block("odd", n="many"))) == []


@pytest.mark.parametrize(
    "whole",
    [{"type": "object", "properties": []}, {"type": "object", "properties": None, "required": None}, {"type": "obj"}],
)
def test_a_schema_that_is_odd_at_its_root_is_offered_too(whole: dict[str, Any]) -> None:
    of = turns.parser_for(request(tools=(Tool("odd", "", whole),)), lambda: S, lambda n: "")
    assert len(calls_of(say(of, block("odd", n=1)))) == 1


JSON = ResponseFormat("json_schema", SCHEMA, "answer", strict=True)


def json_turn(wanted: ResponseFormat = JSON, **more: Any) -> AnswerParser:
    return turns.parser_for(request(response_format=wanted, **more), lambda: S, lambda n: f"call_{n}")


def test_json_is_held_back_until_it_is_valid_and_goes_out_alone() -> None:
    of = json_turn()
    assert '"required":["n"]' in of.instructions
    assert say(of, "Here you are:\n```json\n", '{"n": 1}', "\n```\nAnything else?") == []
    assert settled(of) == Finished((TextDelta('{"n": 1}'),))


def test_json_that_does_not_fit_is_asked_for_once_more_with_the_path() -> None:
    of = json_turn()
    say(of, '{"n": "many"}')
    ask = again(of)
    assert "$.n must be of type integer, not string" in ask.prompt
    assert ask.answer == '{"n": "many"}'
    say(of, '{"n": 2}')
    assert text_of(settled(of).events) == '{"n": 2}'


@pytest.mark.parametrize(("answer", "path"), [('{"n": "many"}', "$.n"), ("no idea", None)])
def test_strict_json_that_stays_wrong_is_an_error_that_names_the_path(answer: str, path: str | None) -> None:
    of = json_turn()
    say(of, answer)
    again(of)
    say(of, answer)
    with pytest.raises(OutputInvalid) as caught:
        of.finish()
    assert caught.value.code == "structured_output_failed"
    assert caught.value.details.get("path") == path


def test_lax_json_that_stays_wrong_is_given_as_it_is_but_no_json_is_an_error() -> None:
    lax = ResponseFormat("json_schema", SCHEMA, "answer")
    of = json_turn(lax)
    say(of, '{"n": "many"}')
    again(of)
    say(of, 'Again: {"n": "lots"}')
    assert text_of(settled(of).events) == '{"n": "lots"}'
    of = json_turn(ResponseFormat("json_object"))
    say(of, "[1, 2]")
    assert "must be a JSON object" in again(of).prompt
    say(of, "sorry")
    with pytest.raises(OutputInvalid, match="held no JSON"):
        of.finish()


def test_with_tools_and_json_a_call_needs_no_json_and_an_answer_does() -> None:
    of = turn(response_format=JSON)
    assert "# Tools" in of.instructions
    assert "# Form of the answer" in of.instructions
    events = say(of, "Let me look.\n" + block("list_files"))
    end = settled(of)
    assert end.reason == "tool_calls"
    assert text_of([*events, *end.events]) == ""
    of = turn(response_format=JSON)
    say(of, "prose")
    assert "no readable JSON" in again(of).prompt
    say(of, 'here: {"n": 5}')
    assert text_of(settled(of).events) == '{"n": 5}'


def test_there_is_one_repair_turn_whatever_went_wrong() -> None:
    of = turn(response_format=JSON)
    say(of, block("get_weather"))
    again(of)
    say(of, "no JSON either")
    with pytest.raises(OutputInvalid):
        of.finish()
