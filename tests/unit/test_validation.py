"""What pydantic and tomllib find is told in our words, in both languages, wherever a person or a client meets it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal, get_args

import pytest
from pydantic import BaseModel, Field, ValidationError
from pydantic_core import _pydantic_core as core
from pydantic_core.core_schema import ErrorType
from typer.testing import CliRunner

from gemgate import cli
from gemgate.dialects import wire
from gemgate.errors import BadRequest, BadValue, LocalText, SettingsError
from gemgate.settings import Settings
from gemgate.settings.changes import with_values
from gemgate.settings.loading import load
from gemgate.validation import problem, toml_problem

SOURCES = Path(cli.__file__).parents[1]
CJK = re.compile(r"[\u4e00-\u9fff]")
ENGLISH = re.compile(r"[a-z]{3,} [a-z]{3,}")
PYDANTICS = re.compile(r"[Ii]nput|[Vv]alue error|Assertion|should|extract|instance|permitted|[Ff]rozen|sentinel")
NUMBERS = {"min_length": 3, "max_length": 3, "actual_length": 9, "ge": 1, "gt": 1, "le": 1, "lt": 1.5, "multiple_of": 2}


def told(text: LocalText) -> None:
    """It is in both languages, and no word in it is pydantic's."""
    assert CJK.search(text.zh), text
    assert not ENGLISH.search(text.zh.replace("openssl rand", "")), text
    assert text.en, text
    assert not PYDANTICS.search(text.en), text


@pytest.mark.parametrize("kind", get_args(ErrorType))
def test_every_error_of_pydantics_has_our_words(kind: str) -> None:
    listed = {one["type"]: one.get("example_context") for one in core.list_all_errors()}
    context = {name: NUMBERS.get(name, "'a' or 'b'") for name in listed.get(kind) or ()}
    if kind in ("value_error", "assertion_error"):  # its text is that of whoever raised it
        context = {}
    told(problem({"type": kind, "ctx": context, "msg": "Input should be"}))


class Wanted(BaseModel):
    count: Annotated[int, Field(ge=1)] = 1
    kind: Literal["a", "b"] = "a"
    text: str = Field("x", pattern=r"\S")
    many: list[str] = Field([], max_length=2)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"count": "x"}, LocalText("must be a whole number", "必须是整数")),
        ({"count": 0}, LocalText("must be at least 1", "不得小于 1")),
        ({"kind": "c"}, LocalText("must be one of 'a', 'b'", "必须是 'a', 'b' 之一")),
        ({"text": " "}, LocalText("must not be empty", "不能为空")),
        ({"text": 5}, LocalText("must be text", "必须是文本")),
        ({"many": ["", "", ""]}, LocalText("must have at most 2 item(s)", "最多 2 项")),
        ({"many": {}}, LocalText("must be a list", "必须是列表")),
    ],
)
def test_what_is_wrong_is_the_end_of_a_sentence(given: dict[str, object], words: LocalText) -> None:
    with pytest.raises(ValidationError) as refused:
        Wanted(**given)  # type: ignore[arg-type]
    assert problem(refused.value.errors()[0]) == words


def test_a_body_is_refused_in_the_callers_language() -> None:
    with pytest.raises(BadRequest) as refused:
        wire.read(Wanted, {"count": "many"})
    assert refused.value.en == "Invalid value for count: must be a whole number"
    assert refused.value.zh == "参数 count 无效：必须是整数"


def hostile() -> Iterator[tuple[str, str]]:
    """A value for each setting that has a wrong one."""
    for name in Settings.model_fields:
        for value in ("\x01!{};", "-7", "x=y=z"):
            yield name, value


def test_every_setting_is_refused_in_both_languages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    refused: dict[str, LocalText] = {}
    for name, value in hostile():
        with suppress(SettingsError):
            load({name: value})
            continue
        with pytest.raises(SettingsError) as error:
            load({name: value})
        refused[name] = LocalText(error.value.en, error.value.zh)
    for name, text in refused.items():
        told(text)
        assert re.match(rf"{name.upper()} \(from option\): |HOST=", text.en), text.en
        assert re.match(rf"{name.upper()}（来自命令选项）：|HOST=", text.zh), text.zh
    assert {"port", "history", "api_key", "trusted_proxies", "budget", "cookie_source", "model_aliases"} <= set(refused)
    assert {"proxy_url", "storage", "alert_urls", "internal_token", "model_policy", "max_body_mb"} <= set(refused)


@pytest.mark.parametrize("text", ["a = = ", "a = 'never ended", "[x]\n[x]", "a = 1\na = 2"])
def test_a_settings_file_that_is_not_toml_is_told_with_its_place(tmp_path: Path, text: str) -> None:
    file = tmp_path / "gemgate.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as refused:
        load(config=file)
    told(LocalText(refused.value.en, refused.value.zh))
    assert str(file) in refused.value.zh
    with pytest.raises(tomllib.TOMLDecodeError) as error:
        tomllib.loads(text)
    assert toml_problem(error.value).en in refused.value.en


def test_a_changed_setting_is_refused_in_the_same_words() -> None:
    with pytest.raises(BadRequest) as refused:
        with_values(Settings(), {"history": "sometimes"})
    assert refused.value.zh == "HISTORY 必须是 keep、temporary 或 delete:秒数"


def test_a_value_of_ours_tells_itself() -> None:
    found = {"type": "value_error", "ctx": {"error": BadValue("is odd", "很奇怪")}, "msg": "Value error, is odd"}
    assert problem(found) == LocalText("is odd", "很奇怪")


def test_nobody_else_reads_pydantics_words() -> None:
    reads = re.compile(r"""\[["']msg["']\]|Value error|Input should|ValueError\(f?["']""")
    lines = [
        f"{path.relative_to(SOURCES)}: {line.strip()}"
        for folder in ("settings", "dialects", "cli", "web", "cookies", "assembly")
        for path in sorted((SOURCES / folder).rglob("*.py"))
        for line in path.read_text("utf-8").splitlines()
        if reads.search(line)
    ]
    assert [line for line in lines if 'ValueError("padding")' not in line] == []


@pytest.mark.parametrize(
    ("words", "en", "zh"),
    [
        ("history export --format x", "'x' is not one of 'markdown', 'jsonl'", "'x' 不可用，可选 'markdown', 'jsonl'"),
        ("image x -n 99", "must be at most 10", "不得大于 10"),
        ("serve --port x", "must be a whole number", "必须是整数"),
    ],
)
def test_a_wrong_option_is_told_in_our_words(words: str, en: str, zh: str) -> None:
    for locale, sentence in (("C", en), ("zh_CN.UTF-8", zh)):
        done = CliRunner().invoke(cli.app, words.split(), env={"LC_ALL": locale, "COLUMNS": "200"})
        assert done.exit_code == 2
        assert sentence in " ".join(done.stderr.replace("│", " ").split())
        assert not PYDANTICS.search(done.stderr)
