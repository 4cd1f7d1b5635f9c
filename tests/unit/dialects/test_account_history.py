"""A chat as Markdown, and the name of its file: whatever people and models wrote."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gemgate.dialects.account_history import file_name, safe, write_chat, write_entry, write_markdown, write_turn
from gemgate.findings import Document, Findings, WebSource
from gemgate.ports.history import ChatTurn, ListedChat


def chat(title: str, *turns: ChatTurn, cut: bool = False) -> dict[str, Any]:
    return write_chat(write_entry("a", ListedChat("c_1", title, updated_at=1.8e9), None, is_open=True), turns, cut=cut)


@given(st.text(max_size=200), st.text(min_size=1, max_size=100))
def test_a_file_name_is_one_that_every_system_takes(title: str, chat_id: str) -> None:
    name = file_name({**chat(title), "id": chat_id})
    assert re.fullmatch(r"[\w-]+\.md", name)
    assert len(name.encode()) < 600
    assert not set('/\\:*?"<>|\0.') & set(name[:-3])
    assert safe(title)


@given(st.text(max_size=50), st.lists(st.tuples(st.text(max_size=80), st.text(max_size=80)), max_size=5))
def test_every_word_is_in_it_in_its_order(title: str, said: list[tuple[str, str]]) -> None:
    text = write_markdown(chat(title, *(ChatTurn(f"r_{n}", *pair) for n, pair in enumerate(said))))
    place = 0
    for pair in said:
        for words in pair:
            place = text.index(words, place) + len(words) if words.rstrip("\n") == words else place
    assert text.count("\n## Prompt") >= len(said)


def test_what_an_answer_brought_stands_with_it() -> None:
    found = Findings(
        sources=(WebSource("https://example.org/a", "Tides"),),
        documents=(Document("d", "Plan", "print(1)", "plan.py", "python", is_code=True),),
    )
    turn = ChatTurn("r_1", "why?", "salt ```py\nx", findings=found, images=2, model="3 Pro", whole=False, at=1.8e9)
    text = write_markdown(chat("a\n# b", turn, cut=True))
    for part in ("# a # b\n", "older turns are missing", "## Answer · 3 Pro · unfinished", "[Tides](https://example.org/a)",
                 "```python\nprint(1)\n```", "*2 images*"):  # fmt: skip
        assert part in text, part
    chinese = write_markdown(chat("标题", turn), chinese=True)
    assert all(part in chinese for part in ("## 提问", "## 回答 · 3 Pro · 未完成", "**来源**", "*2 张图片*"))


def test_code_that_was_cut_off_is_closed() -> None:
    text = write_markdown(chat("t", ChatTurn("r", "q", "```py\nx = 1"), ChatTurn("s", "next", "done")))
    assert "x = 1\n```\n" in text
    whole = write_markdown(chat("t", ChatTurn("r", "q", "```py\nx = 1\n```")))
    assert whole.count("```") == 2


def test_a_closed_chat_has_no_title_and_its_key() -> None:
    entry = write_entry("a", ListedChat("c_1", "secret"), "blog", is_open=False)
    assert "secret" not in str(entry)
    assert (entry["key"], entry["made_by"], entry["open"]) == ("blog", "gateway", False)
    assert "secret" not in repr(ListedChat("c_1", "secret"))
    assert "secret" not in repr(ChatTurn("r", "secret", "secret", "secret"))
    assert write_turn(ChatTurn("r", "q"))["model"] == "unknown"
