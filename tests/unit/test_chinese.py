"""Every text that the code tells in English only has its Chinese in a `chinese.toml`, and nothing else stands there."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from rich.markup import render
from tools.docs import examples
from typer import rich_utils
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

import gemgate
from gemgate import cli
from gemgate.accounts import CAPABILITY_WORDS, STATE_WORDS, Capability, State
from gemgate.alerts import monitor
from gemgate.batches import BatchKind, JobStatus
from gemgate.chinese import chinese
from gemgate.cli import accounts, doctor, terminal
from gemgate.cli.chinese_help import HEADINGS
from gemgate.cli.help_tables import paragraphs
from gemgate.cli.words import CHINESE, span
from gemgate.errors import BadValue, GatewayError, LocalText, system_words
from gemgate.images import Logo
from gemgate.nodes import NodeStatus
from gemgate.settings import Settings
from gemgate.settings.sections import about
from gemgate.telemetry.metric_specs import METERS
from gemgate.upstreams.web.canary import Verdict
from gemgate.web.document import openapi_document
from gemgate.web.document_in_chinese import in_chinese

PACKAGES = ("gemgate.settings", "gemgate.web", "gemgate.cli", "tools.docs")
CJK = re.compile(r"[\u4e00-\u9fff]")
NAMES = {
    *("Gemini generateContent", "Gemini countTokens", "Anthropic messages"),
    *("OpenAI chat completions", "OpenAI responses", "Deep Research"),
}
"""Texts that are names, and the same in both languages."""


def kinds_of(kind: type) -> Iterator[type]:
    """A class and whatever is made of it, as far as it has been read."""
    yield kind
    for below in kind.__subclasses__():
        yield from kinds_of(below)


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


SENTENCE = re.compile(r"[A-Za-z]{2,},? [a-z]{2,}")
WORD = re.compile(r"[A-Za-z]{3,}")
SHOWN = re.compile(r"Table|fail|marked|typer\.(echo|confirm|prompt)|.*\.(print|add_column|add_row|add_task|status)")
"""Calls whose texts a person reads, be they a single word."""
BLOCKS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.With, ast.AsyncWith, ast.For, ast.AsyncFor)
BLOCKS += (ast.If, ast.Try, ast.Match, ast.While)
NOT_TOLD = {"service_files.py", "settings_file.py", "survival_chart.py"}
"""Files that make files of other formats; what they say to people is held by tests of theirs."""
COMMANDS_TYPED = {
    "fpath+=~/.zfunc; autoload -Uz compinit; compinit",
    "gemgate",
    "loginctl enable-linger",
    "pip install '.[mcp]'",
    "Count to 3",
}


def in_chinese_too(node: ast.AST) -> bool:
    """Whether something in it is Chinese."""
    return any(isinstance(part, ast.Constant) and CJK.search(str(part.value)) for part in ast.walk(node))


def one_language(source: Path) -> Iterator[str]:
    """Texts of a command that are in English only: no Chinese stands in their statement, nor in one that uses the name
    they are given; and the tables of help have none.
    """
    tree = ast.parse(source.read_text("utf-8"))
    above = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            continue
        chain: list[ast.AST] = [node]
        while not isinstance(chain[-1], ast.stmt):
            chain.append(above[chain[-1]])
        statement, calls = chain[-1], [ast.unparse(one.func) for one in chain if isinstance(one, ast.Call)]
        text = re.sub(r"`[^`]*`|\[/?[a-z ]+\]|\{\}", "", node.value).strip()
        shown = SENTENCE.search(text) or (WORD.search(text) and any(map(SHOWN.fullmatch, calls[:1])))
        if not shown or text in COMMANDS_TYPED or text.startswith(("gemgate ", "--")) or "AssertionError" in calls:
            continue
        if text.endswith(" of") and text.removesuffix(" of") in doctor._CHECKS:
            continue
        if isinstance(above[node], ast.Subscript) or (isinstance(statement, ast.Expr) and statement.value is node):
            continue
        if any(isinstance(one, ast.keyword) and one.arg in ("help", "style", "overflow", "default") for one in chain):
            continue
        if " ".join(node.value.split()) in chinese("gemgate.cli"):
            continue
        if in_chinese_too(chain[-2] if isinstance(statement, BLOCKS) else statement) or used_in_chinese(
            statement, above
        ):
            continue
        yield f"{source.name}:{node.lineno} {node.value!r}"


def used_in_chinese(statement: ast.stmt, above: dict[ast.AST, ast.AST]) -> bool:
    """Whether the name that a statement gives its text is used where Chinese stands as well."""
    names = {target.id for target in getattr(statement, "targets", ()) if isinstance(target, ast.Name)}
    place: ast.AST = statement
    while place in above and not isinstance(place, ast.FunctionDef | ast.AsyncFunctionDef):
        place = above[place]
    return any(
        in_chinese_too(one)
        for one in ast.walk(place)
        if isinstance(one, ast.stmt) and not isinstance(one, BLOCKS)
        if names & {name.id for name in ast.walk(one) if isinstance(name, ast.Name)}
    )


def test_what_a_command_prints_stands_in_both_languages() -> None:
    folder = Path(next(iter(cli.__path__)))
    sources = [one for one in sorted(folder.glob("*.py")) if one.name not in NOT_TOLD]
    assert [line for source in sources for line in one_language(source)] == []


@pytest.mark.parametrize(
    "line",
    [
        'out.print(f"{name} is gone now")',
        'table = Table("account", "state")',
        'why = "nothing was found"\n    fail(why)',
        'err.status("signing in …")',
        'return f" ({count} left of them)"',
    ],
)
def test_english_alone_is_found(tmp_path: Path, line: str) -> None:
    source = tmp_path / "odd.py"
    source.write_text(f"def shown():\n    {line}\n")
    assert list(one_language(source))
    source.write_text('def shown():\n    why = "it is gone now"\n    out.print(say(why, "已删除"))\n')
    assert not list(one_language(source))


def joined_by_commas(source: Path) -> Iterator[str]:
    """Chinese texts with a list in them that English commas keep apart."""
    for one in ast.walk(ast.parse(source.read_text("utf-8"))):
        if isinstance(one, ast.JoinedStr) and CJK.search("".join(ast.unparse(part) for part in one.values)):
            for part in ast.walk(one):
                if isinstance(part, ast.Call) and ast.unparse(part.func) == "', '.join":
                    yield f"{source.name}:{part.lineno}"


def test_lists_in_chinese_have_chinese_commas() -> None:
    sources = Path(next(iter(cli.__path__))).parent.rglob("*.py")
    assert [line for source in sources for line in joined_by_commas(source)] == []


def words(text: ast.Constant | ast.JoinedStr) -> str:
    """What stands in a text itself, without what is put into it."""
    return "{}".join(str(part.value) for part in ast.walk(text) if isinstance(part, ast.Constant))


BOTH = {
    "LocalText",
    *(kind.__name__ for kind in kinds_of(BadValue)),
    *(kind.__name__ for kind in kinds_of(GatewayError)),
}
"""What is made of an English and a Chinese text."""


def test_every_text_of_two_languages_has_chinese() -> None:
    """Of images notes, errors and reasons: whose English is a sentence, its Chinese is Chinese, and not left out."""
    folder, left = Path(next(iter(gemgate.__path__))), []
    for source in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(source.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or ast.unparse(node.func).rpartition(".")[2] not in BOTH:
                continue
            said = [words(one) for one in node.args if isinstance(one, ast.Constant | ast.JoinedStr)]
            there = len(node.args) > 1
            english = not there or (len(said) > 1 and said[1] not in NAMES and WORD.search(said[1]))
            if said and SENTENCE.search(said[0]) and english and not (there and CJK.search(said[1])):
                left.append(f"{source.relative_to(folder)}:{node.lineno} {said[0]}")
    assert left == []


def test_every_word_of_the_api_is_told_in_chinese() -> None:
    kinds = (State, Capability, JobStatus, BatchKind, NodeStatus, Verdict, Logo)
    assert {word for kind in kinds for word in get_args(kind)} - set(CHINESE) == set()
    for kind, words in ((State, STATE_WORDS), (Capability, CAPABILITY_WORDS)):
        assert set(words) == set(get_args(kind))


def test_every_deed_of_the_audit_is_told_in_chinese() -> None:
    sources = "".join(one.read_text("utf-8") for one in Path(next(iter(cli.__path__))).parent.rglob("*.py"))
    deeds = {*re.findall(r"\.note\(caller, \"([a-z ]+)\"", sources), *monitor._ACTIONS}
    assert len(deeds) > 15
    assert deeds - set(CHINESE) == set()


def test_a_reason_with_brackets_stands_in_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN")
    rest = {"capability": "image", "phase": "open", "seconds_left": 3444, "reason": "已达到上限（代码 1037）"}
    facts = {"state": "cooling", "seconds_left": 3444, "why": rest["reason"], "cooldowns": [rest], "reason": ""}
    for told in (accounts._state(facts), accounts._details(facts | {"notice": "", "last_error": ""})[0]):
        assert told.endswith("，剩余 58 分钟。已达到上限（代码 1037）")
    assert accounts._detail("session 214b327122f1") == "会话 214b327122f1"


def test_lengths_of_time_have_units_of_the_language(monkeypatch: pytest.MonkeyPatch) -> None:
    for locale, told in (
        ("C", ("-", "59 s", "58 min", "3 h", "3.5 d")),
        ("zh_CN", ("-", "59 秒", "58 分钟", "3 小时", "3.5 天")),
    ):
        monkeypatch.setenv("LC_ALL", locale)
        counted = [span(seconds, whole=True) for seconds in (None, 59, 3444, 9000)]
        assert (*counted, span(302_400)) == told


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("edit", "missing.png", "x"), "missing.png：文件或目录不存在"),
        (("transcribe", "missing.mp3"), "missing.mp3：文件或目录不存在"),
        (("batch", "run", "missing.txt"), "missing.txt：文件或目录不存在"),
        (("clean", "missing.png"), "文件或目录不存在"),
        (("logo", "calibrate", "missing.png"), "missing.png：文件或目录不存在"),
        (("batch", "list", "--url", "http://127.0.0.1:1"), "http://127.0.0.1:1 没有响应：连接被拒绝"),
        (("video", "x", "--image", "missing.png"), "文件或目录不存在"),
        (("music", " "), "提示词为空"),
        (("chat", ""), "提示词为空"),
        (("chat", " ", "--url", "http://127.0.0.1:1"), "提示词为空"),
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
