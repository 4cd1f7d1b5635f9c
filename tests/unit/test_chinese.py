"""Every text that the code tells in English only has its Chinese in a `chinese.toml`, and nothing else stands there."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.markup import render
from tools.docs import examples
from typer import rich_utils
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from gemgate import cli
from gemgate.chinese import chinese
from gemgate.cli import terminal
from gemgate.cli.chinese_help import HEADINGS, paragraphs
from gemgate.errors import LocalText, system_words
from gemgate.settings import Settings
from gemgate.settings.sections import about
from gemgate.telemetry.metric_specs import METERS
from gemgate.web.document import openapi_document
from gemgate.web.document_in_chinese import in_chinese

PACKAGES = ("gemgate.settings", "gemgate.web", "gemgate.cli", "tools.docs")
CJK = re.compile(r"[\u4e00-\u9fff]")
NAMES = {
    *("Gemini generateContent", "Gemini countTokens", "Anthropic messages"),
    *("OpenAI chat completions", "OpenAI responses"),
}
"""Texts that are names, and the same in both languages."""


def told(part: Any) -> Iterator[str]:
    """The texts for people in a part of the OpenAPI document."""
    if isinstance(part, list):
        for one in part:
            yield from told(one)
    elif isinstance(part, dict):
        for name, value in part.items():
            if name in ("summary", "description") and isinstance(value, str):
                yield " ".join(value.split())
            else:
                yield from told(value)


def helps(command: Any) -> Iterator[str]:
    """All help texts of a command and of those below it."""
    context = command.context_class(command)
    yield from (text for text in (command.help, command.short_help) if text)
    yield from (parameter.help for parameter in command.get_params(context) if parameter.help)
    if isinstance(command, TyperGroup):
        for below in command.commands.values():
            yield from helps(below)


@pytest.fixture(scope="module")
def help_texts() -> set[str]:
    commands = [get_command(cli.app), *map(cli.command, cli.COMMANDS)]
    return {text for command in commands for text in helps(command)}


def test_every_setting_is_told_in_chinese() -> None:
    assert set(chinese("gemgate.settings")) == set(Settings.model_fields)


def test_every_text_of_the_openapi_document_is_told_in_chinese() -> None:
    assert set(chinese("gemgate.web")) == set(told(openapi_document()))
    assert set(told(in_chinese(openapi_document()))) == set(chinese("gemgate.web").values())


def test_every_summary_is_a_whole_sentence() -> None:
    summaries = [one["summary"] for path in openapi_document()["paths"].values() for one in path.values()]
    assert [summary for summary in summaries if summary.endswith((",", ":", ";"))] == []


def test_every_help_is_told_in_chinese(help_texts: set[str]) -> None:
    assert set(chinese("gemgate.cli")) == {one for text in help_texts for one in paragraphs(text)}


def test_no_help_loses_words_that_look_like_markup(help_texts: set[str]) -> None:
    texts = help_texts | set(chinese("gemgate.cli").values())
    assert [text for text in texts if render(text).plain != text] == []


def test_every_metric_and_every_note_of_an_example_is_told_in_chinese() -> None:
    notes = {example.note for example in examples.load()[0] if example.note}
    assert set(chinese("tools.docs")) == {meter.name for meter in METERS} | notes


@pytest.mark.parametrize("package", PACKAGES)
def test_what_is_told_is_chinese_and_names_the_same_things(package: str) -> None:
    english = {name: about(name, "en") for name in Settings.model_fields} | {one.name: one.about for one in METERS}
    for name, text in chinese(package).items():
        original = english.get(name, name)
        assert CJK.search(text) or text in NAMES or not re.search("[a-z]{2} [a-z]", re.sub("`[^`]*`", "", original)), (
            name
        )
        assert sorted(re.findall("`[^`]+`", text)) == sorted(re.findall("`[^`]+`", original)), name
        assert not re.search(r"[\u4e00-\u9fff][,;:?!]|[,;:?!][\u4e00-\u9fff]", text), text


def test_nothing_chinese_is_read_before_somebody_asks_for_it() -> None:
    chinese.cache_clear()
    openapi_document()
    about("port", "en")
    CliRunner().invoke(cli.app, ["settings", "--help"], env={"LC_ALL": "C"})
    assert chinese.cache_info().misses == 0


def test_the_help_speaks_the_language_of_the_terminal_each_time_anew() -> None:
    for _ in range(2):
        for locale, usage, words in (
            ("zh_CN.UTF-8", "用法：", "图片数量。 [默认：1]"),
            ("C", "Usage: ", "How many pictures. [default: 1]"),
        ):
            shown = CliRunner().invoke(cli.app, ["image", "--help"], env={"LC_ALL": locale, "COLUMNS": "200"}).stdout
            assert usage in shown
            assert words in shown
            assert ("选项" in shown) == (locale != "C")
    shown = CliRunner().invoke(cli.app, ["--help"], env={"LC_ALL": "zh_CN.UTF-8", "COLUMNS": "200"}).stdout
    assert all(chinese("gemgate.cli")[summary] in shown for _, summary in cli.COMMANDS.values())
    assert HEADINGS["COMMANDS_PANEL_TITLE"] in shown


def test_the_list_of_settings_speaks_the_language_of_the_terminal() -> None:
    for locale, said in (("zh_CN.UTF-8", "监听地址"), ("C", "Address to listen on")):
        rows = json.loads(CliRunner().invoke(cli.app, ["settings", "--json"], env={"LC_ALL": locale}).stdout)
        assert rows["HOST"]["about"] == said


WORDS = re.compile(r"[a-z]{2,} [a-z]{2,}")
OF_ACCOUNTS = {"accounts.py", "account_browsers.py", "lives.py", "lab_run.py"}
ENGLISH_ONLY = OF_ACCOUNTS | {"canary.py"}
"""Commands whose tables name facts and states as the code does."""


def one_language(source: Path) -> Iterator[str]:
    """Sentences that a command prints as they stand, without a Chinese text beside them."""
    for call in ast.walk(ast.parse(source.read_text("utf-8"))):
        if isinstance(call, ast.Call) and re.fullmatch(
            r"fail|marked|(out|err)\.print|.*\.add_task", ast.unparse(call.func)
        ):
            for part in (part for given in call.args[:1] for part in ([given, *getattr(given, "values", ())])):
                if isinstance(part, ast.Constant) and WORDS.search(str(part.value)):
                    yield f"{source.name}:{call.lineno} {part.value!s}"


def test_what_a_command_prints_stands_in_both_languages() -> None:
    folder = Path(next(iter(cli.__path__)))
    sources = [one for one in sorted(folder.glob("*.py")) if one.name not in ENGLISH_ONLY]
    assert [line for source in sources for line in one_language(source)] == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("edit", "missing.png", "x"), "missing.png: 文件或目录不存在"),
        (("transcribe", "missing.mp3"), "missing.mp3: 文件或目录不存在"),
        (("batch", "run", "missing.txt"), "missing.txt: 文件或目录不存在"),
        (("clean", "missing.png"), "文件或目录不存在"),
        (("logo", "calibrate", "missing.png"), "missing.png: 文件或目录不存在"),
        (("batch", "list", "--url", "http://127.0.0.1:1"), "http://127.0.0.1:1 没有响应：连接被拒绝"),
        (("video", "x", "--image", "missing.png"), "文件或目录不存在"),
        (("music", " "), "提示词为空"),
        (("chat", "x"), "尚未配置 Google 账号"),
    ],
)
def test_what_the_system_says_is_said_in_chinese(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli.app, words, env={"LC_ALL": "zh_CN.UTF-8", "DATA_DIR": str(tmp_path / "data")})
    assert done.exit_code != 0
    assert sentence in done.output, done.output


def test_every_error_of_a_file_has_its_words() -> None:
    path = Path("/nowhere/at/all")
    with pytest.raises(OSError, match="No such file") as missing:
        path.read_bytes()
    assert system_words(missing.value) == LocalText("No such file or directory", "文件或目录不存在")
    assert system_words(OSError(9999, "Odd")) == LocalText("Odd", "Odd")
    assert system_words(OSError()) == LocalText("OSError", "OSError")
    assert system_words(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "odd")).zh == "不是文本文件"


@pytest.mark.parametrize(("nbytes", "told"), [(830, "830 B"), (12_345, "12 kB"), (1_917_532, "1.9 MB")])
def test_a_small_file_is_not_of_no_size(nbytes: int, told: str) -> None:
    assert terminal.amount(nbytes) == told


@pytest.mark.parametrize("page", ["quick-reference.md", "quick-reference.zh.md"])
def test_the_quick_reference_has_every_command(page: str) -> None:
    text = (Path(__file__).parents[2] / "docs" / page).read_text("utf-8").split("\n## ")[1]
    assert [name for name in cli.COMMANDS if not re.search(rf"`(gemgate )?{name}\b", text)] == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("banana", "没有命令 'banana'。"),
        ("imag x", "没有命令 'imag'。 您是否想输入 'image'？"),
        ("chat --banan", "没有选项 --banan。"),
        ("music x --length banana", "'--length' 的值无效： 'banana' 不可用，可选 'short', 'standard'。"),
        ("music --length", "选项 '--length' 需要一个值。"),
        ("music", "缺少 'prompt'。"),
        ("image x y", "多余的参数：y"),
        ("image x -n 99", "'-n' / '--count' 的值无效： 不得大于 10"),
        ("image x -n abc", "'-n' / '--count' 的值无效： 必须是整数"),
        ("restore missing.zip", "'file' 的值无效： 'missing.zip' 不存在。"),
        ("migrate", "缺少 '--from'。"),
        ("jobs lst", "没有命令 'lst'。 您是否想输入 'list'？"),
    ],
)
def test_what_is_typed_wrongly_is_told_in_chinese(monkeypatch: pytest.MonkeyPatch, words: str, told: str) -> None:
    for heading in ("ERRORS_PANEL_TITLE", "RICH_HELP"):
        monkeypatch.setattr(rich_utils, heading, getattr(rich_utils, heading))
    monkeypatch.setattr(rich_utils, "MAX_WIDTH", 200)
    done = CliRunner().invoke(cli.app, words.split(), env={"LC_ALL": "zh_CN.UTF-8"})
    assert done.exit_code == 2
    assert told in done.stderr, done.stderr
    assert " 错误 " in done.stderr
    assert not re.search(r"Error|Usage|Try", done.stderr)
