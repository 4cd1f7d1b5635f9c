"""Histories are told apart, and only histories."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from random import Random

from hypothesis import assume, given
from hypothesis import strategies as st

from gemgate.chat import File, Image, Message, Role, Text, Thought, Tool, ToolCall, ToolResult
from gemgate.files import Inline, Link, Stored
from gemgate.prompting.fingerprint import call_id, chain, scope

words = st.text(min_size=1, max_size=12).filter(lambda t: t.strip() and "![" not in t)
sources = st.one_of(
    st.binary(min_size=1, max_size=8).map(Inline),
    words.map(lambda w: Link("https://" + w)),
    words.map(Stored),
)
user_parts = st.lists(st.one_of(words.map(Text), sources.map(Image), sources.map(File)), min_size=1, max_size=3)
calls = st.builds(ToolCall, words, words, st.sampled_from(['{"a":1}', '{"b":[2]}', "{}"]))
results = st.builds(lambda i, n, t: ToolResult(i, n, (Text(t),)), words, words, words)
messages = st.one_of(
    user_parts.map(lambda p: Message("user", tuple(p))),
    words.map(lambda w: Message("system", (Text(w),))),
    st.lists(st.one_of(words.map(lambda w: Text(w.rstrip() or "x")), calls), min_size=1, max_size=3).map(
        lambda p: Message("assistant", tuple(p))
    ),
    results.map(lambda r: Message("tool", (r,))),
)
histories = st.lists(messages, min_size=1, max_size=6)


def plain(history: list[Message]) -> list:
    """What tells histories apart for a reader: roles and contents; not ids of calls, not how text is split, nor the
    order of a turn's results, nor whether one comes twice.
    """
    out = []
    for m in history:
        parts: list = []
        for p in m.parts:
            if isinstance(p, Text):
                if parts and parts[-1][0] == "t":
                    parts[-1] = ("t", parts[-1][1] + "\n" + p.text)
                else:
                    parts.append(("t", p.text))
            elif isinstance(p, ToolCall):
                parts.append(("c", p.name, p.arguments))
            elif isinstance(p, ToolResult):
                parts.append(("r", p.name, p.parts))
            else:
                parts.append(("f", p.source))
        if m.role == "assistant":
            parts = [("t", p[1].strip()) if p[0] == "t" else p for p in parts]
        out.append((m.role, tuple(p for p in parts if p != ("t", ""))))
    runs = groupby(out, key=lambda told: told[0] == "tool")
    return [one for results, run in runs for one in ([frozenset(run)] if results else run)]


@given(histories, histories)
def test_different_histories_never_share_a_name(one: list[Message], other: list[Message]) -> None:
    assume(plain(one) != plain(other))
    assert chain("s", one)[-1] != chain("s", other)[-1]


@given(histories)
def test_a_name_depends_on_the_whole_history_before_it(history: list[Message]) -> None:
    names = chain("s", history)
    assert len(names) == len(history)
    assert names == [chain("s", history[: n + 1])[-1] for n in range(len(history))]
    assert set(names).isdisjoint(chain("other tenant", history))


def test_what_clients_change_without_meaning_it_changes_nothing() -> None:
    said = Message("assistant", (Text("Here it is.\n\n![cat](/images/202611/x.png?exp=1&sig=a)"),))
    later = Message(
        "assistant", (Thought("hm"), Text("Here it is.\n\n![cat](https://gw/images/202611/x.png?exp=9&sig=b)\n"))
    )
    assert chain("s", [said]) == chain("s", [later])
    call = Message("assistant", (ToolCall("id1", "f", '{"a": 1, "b": 2}'),))
    assert chain("s", [call]) == chain("s", [replace(call, parts=(ToolCall("id2", "f", '{"b":2,"a":1}'),))])
    stripped = Message("assistant", (Text("\n Here it is."),))  # as some front ends keep answers
    assert chain("s", [stripped]) == chain("s", [Message("assistant", (Text("Here it is."),))])
    split = Message("user", (Text("a"), Text("b")))
    assert chain("s", [split]) == chain("s", [Message("user", (Text("a\nb"),))])


def test_the_scope_tells_tenants_models_and_tools_apart() -> None:
    tool = Tool("f", "", {"type": "object"})
    scopes = {
        scope("t", "m", ()),
        scope("u", "m", ()),
        scope("t", "n", ()),
        scope("t", "m", (tool,)),
    }
    assert len(scopes) == 4


OWN = call_id("f", '{"a":1}', b"\x01" * 6)


def asked(*parts: ToolCall) -> list[Message]:
    return [Message("user", (Text("go"),)), Message("assistant", parts)]


def test_a_call_with_an_id_of_ours_is_that_call_whatever_became_of_its_arguments() -> None:
    given = chain("s", asked(ToolCall(OWN, "f", '{"a":1}')))
    assert chain("s", asked(ToolCall(OWN, "f", '{"a":1,"all":false}'))) == given
    assert chain("s", asked(ToolCall("mine", "f", '{"a": 1}'))) == given  # the id was dropped, the arguments were not
    assert chain("s", asked(ToolCall("mine", "f", '{"a":1,"all":false}'))) != given
    assert chain("s", asked(ToolCall(call_id("f", '{"a":2}', b"\x01" * 6), "f", '{"a":1}'))) != given


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["x", "y"])), min_size=1, max_size=6), st.randoms())
def test_the_order_of_results_and_their_doubles_count_for_nobody(said: list[tuple[int, str]], dice: Random) -> None:
    before = asked(*(ToolCall(f"c{number}", "f", f'{{"n":{number}}}') for number in range(4)))
    after = [Message("assistant", (Text("done"),))]

    def told(results: list[tuple[int, str]]) -> str:
        messages = [Message("tool", (ToolResult(f"c{n}", "f", (Text(text),)),)) for n, text in results]
        return chain("s", [*before, *messages, *after])[-1]

    mixed = [*said, *(pair for pair in said if dice.random() < 0.5)]
    dice.shuffle(mixed)
    assert told(mixed) == told(said)
    assert told([*said, (3, "another")]) != told(said)
    assert {told([(0, "x")]), told([(1, "x")]), told([(0, "y")])} != {told([(0, "x")])}


@given(st.text(" \n\t", max_size=3), st.text(" \n\t", max_size=3), st.sampled_from(["user", "system", "assistant"]))
def test_white_space_at_the_ends_counts_for_nobody(before: str, after: str, role: Role) -> None:
    assert chain("s", [Message(role, (Text(f"{before}so be it{after}"),))]) == chain(
        "s", [Message(role, (Text("so be it"),))]
    )
