"""The tool parser against everything: fragments in any order, cut anywhere; and the cost of hostile answers."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemgate.chat import ToolChoice
from gemgate.prompting import tool_calls
from gemgate.prompting.tool_parser import Called, Item, Scrubber, ToolParser
from tests.support.tool_corpus import SENTINEL, TOOLS, WRONG, Entry, joined, parsed

FRAGMENTS = st.sampled_from(
    [
        SENTINEL,
        SENTINEL.upper(),
        SENTINEL[:5],
        SENTINEL[:9],
        WRONG,
        " toolcall ",
        " toolend",
        " toolresult ",
        "toolcall",
        " tool",
        "get_weather",
        "get\\_weather",
        "list_files",
        "nobody",
        '{"city": "Paris"}',
        '{"city": "Par',
        "{}",
        "{",
        "}",
        "(",
        "```json\n",
        "```\n",
        "```",
        "~~~",
        "`",
        "\n",
        "\n\n",
        " ",
        "\t",
        "- ",
        "1. ",
        "> ",
        "**",
        "\\",
        '"',
        "text",
        "文字",
        "，",
        "zq",
        "&quot;",
        "end",
    ]
)
ANSWERS = st.lists(FRAGMENTS, max_size=30).map("".join)


@given(answer=ANSWERS, data=st.data())
@settings(max_examples=1500)
def test_any_mix_of_fragments_is_read_alike_however_it_is_cut(answer: str, data: st.DataObject) -> None:
    entry = Entry("", "", answer, (), ())
    whole = parsed(entry)
    assert SENTINEL not in "".join(item for item in whole if isinstance(item, str)).lower()
    assert parsed(entry, tuple(range(1, len(answer)))) == whole
    if len(answer) > 1:
        cuts = data.draw(st.lists(st.integers(1, len(answer) - 1), max_size=6, unique=True).map(sorted))
        assert parsed(entry, tuple(cuts)) == whole


@given(text=st.text(max_size=300))
@settings(max_examples=500)
def test_an_answer_without_the_code_word_passes_unchanged(text: str) -> None:
    items = parsed(Entry("", "", text, (), ()), tuple(range(1, len(text))))
    assert items == ([text] if text else [])


@given(
    before=st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40),
    city=st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60),
)
@settings(max_examples=500)
def test_a_call_that_we_write_is_read_back(before: str, city: str) -> None:
    import json

    from gemgate.chat import ToolCall

    call = tool_calls.render_call(ToolCall("1", "get_weather", json.dumps({"city": city})), SENTINEL)
    items = parsed(Entry("", "", f"{before}\n\n{call}\n", (), ()))
    calls = [item for item in items if isinstance(item, Called)]
    assert [json.loads(c.arguments) for c in calls] == [{"city": city}]


HOSTILE = {
    "a long word": "a" * 400_000,
    "line breaks": "\n" * 200_000,
    "code words": SENTINEL * 20_000,
    "beginnings of the code word": SENTINEL[:6] * 60_000,
    "list signs": "\n1. " * 60_000,
    "backticks": "`" * 300_000,
    "fences": "```\n" * 60_000,
    "an endless body": f"{SENTINEL} toolcall get_weather\n" + "{" * 300_000,
    "open strings": f"{SENTINEL} toolcall get_weather\n" + '{"a":"' * 60_000,
    "calls": f"{SENTINEL} toolcall nobody\n" * 4_000,
    "backslashes": f"{SENTINEL} toolcall get_weather\n" + "\\" * 300_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_answers_cost_no_more_than_their_length(name: str) -> None:
    text = HOSTILE[name]
    spent = []
    for part in (text[: len(text) // 4], text):
        began = time.process_time()
        parser = ToolParser(TOOLS, SENTINEL)
        for at in range(0, len(part), 997):
            parser.feed(part[at : at + 997])
        parser.finish()
        spent.append(time.process_time() - began)
    assert spent[1] < 12 * spent[0] + 0.3, spent


def test_text_streams_while_it_comes() -> None:
    parser = ToolParser(TOOLS, SENTINEL)
    sent: list[Item] = []
    for word in ("The ", "capital ", "of ", "France ", "is ", "Paris", "."):
        sent += parser.feed(word)
    assert len(sent) >= 6
    assert "".join(item for item in sent if isinstance(item, str)).startswith("The capital of France is")


def test_a_call_goes_out_when_its_end_marker_is_there_and_not_before() -> None:
    parser = ToolParser(TOOLS, SENTINEL)
    assert parser.feed(f'{SENTINEL} toolcall get_weather\n```json\n{{"city": "Paris"}}\n```\n') == []
    assert parser.feed(f"{SENTINEL} toolend") == []
    assert joined(parser.feed("\n")) == [Called("get_weather", '{"city":"Paris"}')]


@pytest.mark.parametrize("choice", [ToolChoice(), ToolChoice("required"), ToolChoice("required", ("list_files",))])
def test_a_model_that_repeats_its_instructions_calls_nothing_and_leaks_nothing(choice: ToolChoice) -> None:
    told = tool_calls.instructions(TOOLS, choice, SENTINEL)
    items = parsed(Entry("", "", told, (), ()))
    assert not [item for item in items if isinstance(item, Called) and item.name != "list_files"]
    text = "".join(item for item in items if isinstance(item, str)).lower()
    assert SENTINEL not in text
    assert "toolcall" not in text


def test_thoughts_lose_the_code_word_wherever_they_are_cut() -> None:
    thought = (
        f"I should write {SENTINEL} toolcall get_weather and {SENTINEL.upper()} toolend. zq is nice, {SENTINEL[:3]}"
    )
    whole = None
    for size in range(1, len(thought) + 1):
        scrubber = Scrubber(SENTINEL)
        shown = "".join(scrubber.feed(thought[at : at + size]) for at in range(0, len(thought), size))
        shown += scrubber.finish()
        whole = whole or shown
        assert shown == whole
    assert whole == f"I should write  get_weather and . zq is nice, {SENTINEL[:3]}"
