"""Whatever the walls: what must be read is read, or there is a typed error. The judge cuts as Google does."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemgate.accounts import Walls
from gemgate.chat import File, Message, Part, Text, ToolCall, ToolResult
from gemgate.errors import PromptTooLong
from gemgate.files import Inline
from gemgate.prompting.compose import compose
from gemgate.prompting.fitting import Composed

SCRIPTS = ("plain words and more ", "汉字与标点，", "😀🚀👩‍👩‍👧", "    if a < b:\n        return {}\n", "naïve café ")


@dataclass(frozen=True)
class Seen:
    """What a model reads that stops at the walls."""

    text: str
    files: tuple[str, ...]
    cut: bool


def seen(composed: Composed, own: list[bytes], walls: Walls) -> Seen:
    data = composed.text.encode()
    told = data[: walls.plain]
    left = walls.with_files - len(told)
    files: list[str] = []
    cut = len(told) < len(data)
    inline = [source.data for source in composed.attachments if isinstance(source, Inline)]
    assert len([one for one in inline if one in own]) == len(own) - len(composed.left_out)
    for file in inline:
        part = file[: max(0, left)]
        cut = cut or len(part) < len(file)
        left -= len(part)
        files.append(part.decode("utf-8", "ignore"))
    return Seen(told.decode("utf-8", "ignore"), tuple(files), cut)


def written(number: int, script: str, size: int) -> str:
    unit = len(script.encode())
    return f"<<begin {number}>>{script * max(1, size // unit)}<<end {number}>>"


sizes = st.one_of(st.integers(1, 300), st.integers(300, 4000), st.integers(4000, 30_000))
turns = st.lists(
    st.tuples(st.sampled_from(["user", "assistant", "tool", "system", "file"]), st.sampled_from(SCRIPTS), sizes),
    max_size=10,
)


@given(turns, st.sampled_from(SCRIPTS), sizes, st.integers(2_000, 20_000), st.floats(1, 2), st.booleans())
def test_nothing_that_must_be_read_is_cut(
    talk: list[tuple[str, str, int]], script: str, newest: int, plain: int, more: float, continuing: bool
) -> None:
    walls = Walls(plain, int(plain * more))
    messages = [Message("system", (Text("<<the rules>>"),))]
    own: list[bytes] = []
    for number, (role, words, size) in enumerate(talk):
        said = written(number, words, size)
        part: Part = Text(said)
        if role == "file":
            own.append(said.encode())
            part = File(Inline(said.encode(), "text/plain", f"{number}.txt"))
        elif role == "tool":
            part = ToolResult(str(number), "f", (Text(said),))
        messages.append(Message("user" if role == "file" else role, (part,)))  # type: ignore[arg-type]
    question = written(99, script, newest)
    messages += [Message("assistant", (Text("ok"),)), Message("user", (Text(question),))]
    leading = next((at for at, (role, _, _) in enumerate(talk) if role != "system"), len(talk))
    fixed = 1_500 + sum(len(message.text.encode()) for message in messages[: leading + 1])
    try:
        composed = compose(
            messages,
            instructions="<<the tools>>",
            reminder="<<remember>>",
            continuing=continuing,
            walls=walls,
            file_sizes=[len(data) for data in own],
        )
    except PromptTooLong as error:
        too_long = error
    else:
        too_long = None
    if too_long is not None:
        assert too_long.generated == "no"
        assert too_long.details["bytes"] > too_long.details["maximum"]
        # only what must be read is too much
        assert fixed > walls.plain or fixed + len(question.encode()) > walls.with_files
        return
    read = seen(composed, own, walls)
    assert not read.cut
    assert composed.bytes == len(composed.text.encode()) + sum(
        len(source.data) for source in composed.attachments if isinstance(source, Inline)
    )
    assert not composed.limit or composed.bytes <= composed.limit
    for inline in ("<<the rules>>", "<<the tools>>", "<<remember>>"):
        assert inline in read.text
    everything = "\n".join((read.text, *read.files))
    assert question in everything
    whole = [f"<<begin {n}>>" in everything and f"<<end {n}>>" in everything for n in range(len(talk))]
    told = [n for n, (role, _, _) in enumerate(talk) if role != "file" and n >= leading]
    lost = [n for n in told if not whole[n]]
    assert not lost or composed.dropped
    assert lost == told[: len(lost)]  # the oldest ones first


def test_a_long_result_of_a_tool_leaves_the_field_and_the_rest_of_the_turn_stays() -> None:
    messages = [
        Message("user", (Text("Compare both."),)),
        Message("assistant", (ToolCall("a", "read", "{}"), ToolCall("b", "read", "{}"))),
        Message("tool", (ToolResult("a", "read", (Text("short"),)),)),
        Message("tool", (ToolResult("b", "read", (Text("long " * 4_000),)),)),
        Message("user", (Text("Only the differences, please."),)),
    ]
    composed = compose(messages, instructions="Tools.", walls=Walls(5_000, 30_000))
    for inline in ("Tools.", "(read returned) short", "Only the differences, please.", "part 1 of the attached file"):
        assert inline in composed.text
    assert [source.name for source in composed.attachments if isinstance(source, Inline)] == [
        "history.md",
        "message.md",
    ]
    assert composed.limit == 30_000


def test_a_huge_older_message_gives_its_end_and_says_what_is_gone() -> None:
    old = "".join(f"line {number}\n" for number in range(5_000))
    messages = [Message("user", (Text(old),)), Message("assistant", (Text("ok"),)), Message("user", (Text("And?"),))]
    composed = compose(messages, walls=Walls(4_000, 9_000))
    (file,) = composed.attachments
    assert isinstance(file, Inline)
    told = file.data.decode()
    assert "line 4999" in told
    assert "line 1\n" not in told
    assert "left out" in told
    assert composed.dropped > 40_000
    assert composed.bytes <= 9_000


def test_files_of_older_turns_are_left_out_before_anything_newer() -> None:
    def with_file(name: str) -> Message:
        return Message("user", (Text(name), File(Inline(b"x" * 3_000, "text/plain", name))))

    messages = [with_file("one.txt"), Message("assistant", (Text("ok"),)), with_file("two.txt")]
    composed = compose(messages, walls=Walls(4_000, 5_000), file_sizes=[3_000, 3_000])
    assert composed.left_out == {0}
    assert [source.name for source in composed.attachments if isinstance(source, Inline)] == ["two.txt"]
    assert "left out" in composed.text
    assert composed.dropped == 3_000


def test_past_both_walls_there_is_a_typed_error() -> None:
    with pytest.raises(PromptTooLong) as caught:
        compose([Message("system", (Text("x" * 700),)), Message("user", (Text("y"),))], walls=Walls(600, 900))
    assert caught.value.code == "context_length_exceeded"
    with pytest.raises(PromptTooLong):
        compose([Message("user", (Text("y" * 1000),))], walls=Walls(600, 900))
    assert compose([Message("user", (Text("y" * 1000),))]).text == "y" * 1000
