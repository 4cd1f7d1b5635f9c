"""What models write, whole, cut anywhere, and what of it may go out."""

from __future__ import annotations

import random

import pytest

from gemgate.prompting.tool_parser import Called, ToolParser
from tests.support.tool_corpus import SENTINEL, TOOLS, WRONG, Entry, corpus, fits, parsed, shown

ENTRIES = corpus()
IDS = [entry.id for entry in ENTRIES]


def test_the_corpus_is_large_and_every_entry_has_a_name_of_its_own() -> None:
    assert len(ENTRIES) >= 200
    assert len(set(IDS)) == len(ENTRIES)
    assert len({entry.output for entry in ENTRIES}) >= len(ENTRIES) - 3
    assert sum(any("\u4e00" <= c <= "\u9fff" for c in entry.output) for entry in ENTRIES) >= 20


@pytest.mark.parametrize("entry", ENTRIES, ids=IDS)
def test_an_answer_becomes_the_expected_text_and_calls(entry: Entry) -> None:
    found = shown(parsed(entry))
    assert fits(found, entry.expect), f"{entry.note}: {found}"


@pytest.mark.parametrize("entry", ENTRIES, ids=IDS)
def test_it_does_not_matter_where_the_stream_is_cut(entry: Entry) -> None:
    whole = parsed(entry)
    for cut in range(1, len(entry.output)):
        assert parsed(entry, (cut,)) == whole, f"{entry.note}: cut at {cut}"
    assert parsed(entry, tuple(range(1, len(entry.output)))) == whole, f"{entry.note}: one by one"
    dice = random.Random(entry.id)
    for _ in range(20):
        cuts = sorted(dice.sample(range(1, len(entry.output)), min(len(entry.output) - 1, dice.randint(2, 9))))
        assert parsed(entry, tuple(cuts)) == whole, f"{entry.note}: cut at {cuts}"


@pytest.mark.parametrize("entry", ENTRIES, ids=IDS)
def test_nothing_of_the_protocol_gets_out(entry: Entry) -> None:
    parser = ToolParser(TOOLS, SENTINEL, allowed=entry.allowed)
    out = [item for char in entry.output for item in parser.feed(char)] + parser.finish()
    text = "".join(item for item in out if isinstance(item, str))
    assert SENTINEL not in text.lower()
    assert SENTINEL not in "".join(item.arguments for item in out if isinstance(item, Called)).lower()
    innocent = SENTINEL not in entry.output.lower() or WRONG in entry.output
    if not innocent:
        assert not any(word in text.lower() for word in ("toolcall", "toolend", "toolresult"))
    assert all(item != "" for item in out)


def test_valid_calls_of_the_corpus_number_more_than_a_hundred() -> None:
    assert sum(isinstance(item, Called) for entry in ENTRIES for item in parsed(entry)) > 150
