"""One reader for all files of prompts: lines, tables, objects; what cannot be ordered is refused by its line."""

import contextlib
import csv
import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemgate.dialects import prompt_files
from gemgate.errors import BadRequest

PAGE = Path(__file__).parents[3] / "docs" / "batches.md"


@pytest.mark.parametrize("page", [PAGE, PAGE.with_suffix(".zh.md")], ids=lambda page: page.name)
def test_the_table_that_the_page_shows_is_read_whole(page: Path) -> None:
    text = page.read_text("utf-8")
    block = re.findall(r"(?ms)^```csv\n(.*?)^```", text)[0]
    read = prompt_files.read(block.encode(), ".csv")
    assert (len(read.orders()), read.refused) == (2, ())
    assert all(f"`{column}`" in text for column in prompt_files.COLUMNS)


def items(text: str, kind: str = "") -> list[dict]:
    return prompt_files.read(text.encode(), kind).orders()


def refusals(text: str, kind: str = "") -> list[tuple[int, str]]:
    return [(one.line, one.en) for one in prompt_files.read(text.encode(), kind).refused]


def test_lines_leave_out_blanks_and_comments() -> None:
    assert items("a red fox\n\n# not this\n  a blue jay \n") == [{"prompt": "a red fox"}, {"prompt": "a blue jay"}]


@pytest.mark.parametrize("kind", ["", ".csv", "orders.csv", "text/csv; charset=utf-8"])
def test_a_heading_makes_a_table(kind: str) -> None:
    text = '\ufeffprompt;size;aspect\r\n"a cat; asleep";4k;1:1\r\na dog;;16:9\r\n'
    assert items(text, kind) == [
        {"prompt": "a cat; asleep", "size": "4k", "aspect": "1:1"},
        {"prompt": "a dog", "aspect": "16:9"},
    ]


@pytest.mark.parametrize("kind", ["", ".jsonl", "application/jsonl"])
def test_objects(kind: str) -> None:
    assert items('{"prompt": "a fox", "size": "2k"}\n{"prompt": "a jay"}\n', kind) == [
        {"prompt": "a fox", "size": "2k"},
        {"prompt": "a jay"},
    ]


@pytest.mark.parametrize(
    ("text", "kind", "line", "said"),
    [
        ("title,size\na fox,4k\n", ".csv", 1, "one of them prompt"),
        ("prompt,colour\na fox,red\n", ".csv", 1, "unknown column colour"),
        ("prompt,size\na, fox,4k\n", ".csv", 2, "quote a prompt"),
        ("prompt,size\na fox,huge\n", ".csv", 2, "size"),
        ('{"prompt": "a fox", "sizee": "2k"}\n', ".jsonl", 1, "unknown field sizee"),
        ('{"prompt": "a fox"}\n{"prompt": 3}\n', ".jsonl", 2, "prompt"),
        ('{"prompt": "a fox"}\nnot json\n', ".jsonl", 2, "no JSON"),
        ("[1]\n", ".jsonl", 1, "object"),
        ('{"prompt": " "}\n', ".jsonl", 1, "no prompt"),
        ('prompt\na fox\n"a hen\na cow\na jay\n', ".csv", 3, "in pairs"),
        ('prompt\n"a" fox\n', ".csv", 2, "in pairs"),
    ],
)
def test_what_cannot_be_ordered_is_named_by_its_line(text: str, kind: str, line: int, said: str) -> None:
    found = refusals(text, kind)
    assert found, items(text, kind)
    assert found[0][0] == line
    assert said in found[0][1]
    with pytest.raises(BadRequest, match=f"line {line}"):
        items(text, kind)


@pytest.mark.parametrize("data", [b"\x89PNG\r\n\x1a\n\0\0\0", "caf\u00e9".encode("latin-1"), b""])
def test_what_is_no_text_of_prompts_is_refused(data: bytes) -> None:
    with pytest.raises(BadRequest):
        prompt_files.read(data).orders()


@given(
    st.lists(
        st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1).filter(str.strip), min_size=1, max_size=8
    )
)
def test_a_table_gives_back_what_was_put_in(prompts: list[str]) -> None:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["prompt", "size"])
    writer.writerows([prompt, "2k"] for prompt in prompts)
    assert items(out.getvalue(), ".csv") == [{"prompt": prompt.strip(), "size": "2k"} for prompt in prompts]
    objects = "\n".join(json.dumps({"prompt": prompt}) for prompt in prompts)
    assert items(objects, ".jsonl") == [{"prompt": prompt} for prompt in prompts]


@given(st.binary(max_size=300), st.sampled_from(["", ".csv", ".jsonl", ".txt"]))
def test_no_file_breaks_the_reader(data: bytes, kind: str) -> None:
    with contextlib.suppress(BadRequest):
        prompt_files.read(data, kind).orders()


@pytest.mark.parametrize("kind", ["text/plain", "text/csv", "application/jsonl"])
def test_no_more_is_read_than_a_batch_has_room_for(kind: str) -> None:
    lines = {"text/plain": "x\n", "text/csv": "x,4k\n", "application/jsonl": "7\n"}[kind]
    head = "prompt,size\n" if kind == "text/csv" else ""
    with pytest.raises(BadRequest, match="more than 10000 prompts"):
        prompt_files.read((head + lines * 10_001).encode(), kind)


@pytest.mark.parametrize("name", ["prompts", "items"])
@pytest.mark.parametrize("given", ["a text of letters", 7, {"prompt": "x"}, True])
def test_an_order_whose_list_is_none_is_refused(name: str, given: object) -> None:
    with pytest.raises(BadRequest, match=f"{name} must be a list"):
        prompt_files.of_order({name: given})


def test_an_order_in_json_is_bounded_as_well() -> None:
    with pytest.raises(BadRequest, match="more than 10000 prompts"):
        prompt_files.of_order({"prompts": ["x"] * 6_000, "items": [{"prompt": "x"}] * 6_000})
