"""Pages that are written from the code, in English and Chinese: every setting, metric, error and command, every route with its
example.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

from gemgate.assembly.live_settings import LIVE
from gemgate.chinese import chinese
from gemgate.errors import LocalText
from gemgate.settings import Settings
from gemgate.settings.sections import about, in_sections
from gemgate.telemetry.metric_specs import METERS
from gemgate.web.document import ERRORS, openapi_document
from gemgate.web.document_in_chinese import in_chinese
from gemgate.web.routes import all_operations
from tools.docs import answers, command_help, examples
from tools.docs.error_codes import error_codes
from tools.docs.tables import table

NOTICE = "<!-- Written by `make docs-pages` from the code; changes here are lost. -->\n"

GROUPS: dict[LocalText, tuple[str, ...]] = {
    LocalText("OpenAI", "OpenAI"): (
        *(
            "chat.completions",
            "responses.",
            "images.generations",
            "images.edits",
            "images.tasks.",
            "audio.",
            "files.",
            "batches.",
        ),
        "models",
    ),
    LocalText("Gemini", "Gemini"): ("gemini.", "interactions."),
    LocalText("Anthropic", "Anthropic"): ("messages",),
    LocalText("Simple", "简易接口"): (
        "context.plan",
        "generate",
        "generate-images",
        "upload",
        "conversations",
        "api.models",
    ),
    LocalText("Batches of pictures", "图片批量任务"): ("batch.",),
    LocalText("Jobs of every kind", "各类任务"): ("jobs.",),
    LocalText("Videos", "视频"): ("videos",),
    LocalText("Music", "音乐"): ("music",),
    LocalText("Tools for agents", "供智能体使用的工具"): ("mcp",),
    LocalText("Pictures that are stored", "已存储的图片"): ("images.stored", "images.gallery"),
    LocalText("How the service is", "服务状况"): (
        "health",
        "ready",
        "info",
        "metrics",
        "overview",
        "requests.",
        "series",
        "settings",
        "usage",
        "budgets",
    ),
    LocalText("The accounts' own history", "账号自己的对话"): ("history.", "accounts.history."),
    LocalText("Administration", "管理"): (
        "accounts.",
        "lives.",
        "gems.",
        "cookies.",
        "pairings.",
        "keys.",
        "alerts",
        "nodes",
        "backup",
    ),
}
OF_THE_PAGE = (
    "page",
    "page.file",
    "page.docs",
    "session",
    "session.begin",
    "session.end",
    "session.list",
    "session.revoke",
)
"""Operations that only the page itself has a use for."""

LEVELS = {
    "client": LocalText("Needs a client key.", "需要客户端密钥。"),
    "admin": LocalText("Needs the admin key.", "需要管理密钥。"),
    "open": LocalText("Needs nobody's key.", "不需要密钥。"),
}
SETTINGS = LocalText(
    "# Settings\n\n"
    "Each is an environment variable; the same name in lower case works in `gemgate.toml` and, as an option, on the "
    "command line where a command has it. Later wins: file, `.env`, environment, option, database. `gemgate settings` "
    "prints what is in force and where it came from, secrets redacted.\n\n"
    "Those marked *live* can be changed while gateways run, in the page's *Settings* or with `PATCH /api/settings` "
    '(`{"settings": {"RATE_LIMIT_PER_HOUR": 100}}`; null gives one back to where it came from). Such a change stands in '
    "the database: it counts before the rest, for every gateway and worker on that database within 2 s, and survives "
    "restarts. The page lists who changed what, with *Undo*.\n",
    "# 设置\n\n"
    "每一项都是环境变量；同名的小写形式可用于 `gemgate.toml`，命令提供同名选项时也可用于命令行。后者优先：文件、`.env`、环境变量、选项、数据库。"
    "`gemgate settings` 打印当前生效的值及其来源，密钥已隐去。\n\n"
    "标有*可即时更改*的设置可以在网关运行时更改：在页面的*设置*中，或通过 `PATCH /api/settings`"
    '（`{"settings": {"RATE_LIMIT_PER_HOUR": 100}}`；null 恢复为来源值）。更改保存在数据库中：优先于其他来源，'
    "2 秒内对使用该数据库的所有网关和 worker 生效，重启后依然有效。页面列出谁更改了什么，并可*撤销*。\n",
)
LIVE_MARK = LocalText(". *Live*", "。*可即时更改*")
METRICS = LocalText(
    "# Metrics\n\n"
    "`GET /metrics` answers in Prometheus' text form, to the admin key. Names follow OpenTelemetry's GenAI conventions "
    "where those exist. A Grafana dashboard lies in `deploy/grafana/gemgate.json`.\n",
    "# 指标\n\n"
    "`GET /metrics` 以 Prometheus 的文本格式返回，需要管理密钥。有 OpenTelemetry 生成式 AI 规范的名称时采用该名称。"
    "Grafana 仪表盘位于 `deploy/grafana/gemgate.json`。\n",
)
ERROR_CODES = LocalText(
    "# Error codes\n\n"
    "Every `code` of an error, with its HTTP status and its words, `…` where they are filled in; a code may have other words, "
    "too. `-`: it ends a start or a command, or stands in a batch's file. What is wrong "
    "with the last account is a 503 for calls that need one. What to do about the frequent ones: "
    "[troubleshooting](troubleshooting.md).\n",
    "# 错误代码\n\n"
    "错误的每个 `code`、其 HTTP 状态与文字，`…` 处为填入的内容；同一代码也可能有其他文字。`-`：出现在启动、命令或批量任务的文件中。"
    "最后一个账号出的问题，对需要账号的调用而言是 503。"
    "常见错误如何处理：[故障排除](troubleshooting.zh.md)。\n",
)
COMMANDS = LocalText(
    "# Commands\n\n"
    "Every command with its arguments and options, as its `--help` (`-h`) has them. What each is for, at a glance, and which "
    "gateway it asks: [quick reference](quick-reference.md). A variable stands in for an option that is not typed; the "
    "rest of what can be set: [settings](settings.md).\n\n"
    "| exit code | meaning |\n|---|---|\n"
    "| 0 | done |\n"
    "| 1 | it failed, or a part of it did |\n"
    "| 2 | what was typed, named or set is wrong |\n"
    "| 3 | nothing goes on without a person ([batches](batches.md)) |\n"
    "| 130 | ended by Ctrl-C: what is under way is tidied up first, and Ctrl-C a third time does not wait for that |\n",
    "# 命令\n\n"
    "每个命令及其参数与选项，内容与其 `--help`（`-h`）相同。各命令的用途一览以及使用哪个网关：[速查](quick-reference.zh.md)。"
    "没有输入某个选项时，采用其环境变量的值；其他可设置的内容：[设置](settings.zh.md)。\n\n"
    "| 退出码 | 含义 |\n|---|---|\n"
    "| 0 | 完成 |\n"
    "| 1 | 全部或部分失败 |\n"
    "| 2 | 输入的、指定的或设置的内容有误 |\n"
    "| 3 | 没有人工处理便无法继续（[批量任务](batches.zh.md)） |\n"
    "| 130 | 由 Ctrl-C 结束：正在进行的工作先收尾，第三次按下则不再等待 |\n",
)
API = LocalText(
    "# API\n\n"
    "All examples read keys from the environment (`GEMGATE_KEY`, `GEMGATE_ADMIN_KEY`); a gateway on this machine that has "
    "no key set takes anything. The running gateway has this as OpenAPI at `/openapi.json`.\n",
    "# API\n\n"
    "所有示例都从环境变量读取密钥（`GEMGATE_KEY`、`GEMGATE_ADMIN_KEY`）；本机上没有设置密钥的网关接受任意值。"
    "运行中的网关在 `/openapi.json` 以 OpenAPI 提供同样的内容。\n",
)
FAILURES = LocalText(
    "Errors come in the form of the route's dialect and always carry a request id. {}.\n",
    "错误采用所用协议的格式，并且总是带有请求编号。{}。\n",
)


def settings_page(language: str = "en") -> str:
    """Every setting by what it is about, with its default; nothing is left out."""
    head = LocalText("| variable | default | meaning |", "| 变量 | 默认值 | 含义 |").for_(language)
    lines = [NOTICE, SETTINGS.for_(language)]
    for title, mine in in_sections():
        lines += [f"## {title.for_(language)}\n", *table(head, [_setting(name, language) for name in mine]), ""]
    return "\n".join(lines)


def _setting(name: str, language: str) -> tuple[str, str, str]:
    default = _default(name, Settings.model_fields[name]).for_(language)
    live = LIVE_MARK.for_(language) if name in LIVE else ""
    return f"`{name.upper()}`", default, _cell(about(name, language)) + live


def _default(name: str, field: Any) -> LocalText:
    if name == "data_dir":
        return LocalText("the platform's folder for user data", "操作系统的用户数据文件夹")
    value = field.default
    if value is None or value in ("", ()):
        return LocalText("none", "无")
    if isinstance(value, bool):
        return LocalText("on", "开") if value else LocalText("off", "关")
    shown = f"`{value:g}`" if isinstance(value, float) else f"`{value}`"
    return LocalText(shown, shown)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def metrics_page(language: str = "en") -> str:
    """Every metric with its labels."""
    head = LocalText("| metric | kind | labels | meaning |", "| 指标 | 类型 | 标签 | 含义 |")
    rows = []
    for meter in METERS:
        labels = ", ".join(f"`{label}`" for label in meter.labels) or "-"
        meaning = meter.about if language == "en" else chinese("tools.docs")[meter.name]
        rows.append((f"`{meter.shown}`", meter.kind, labels, _cell(meaning)))
    return _one_table(METRICS, head, rows, language)


def errors_page(language: str = "en") -> str:
    """Every code of an error."""
    head = LocalText("| code | status | words |", "| 代码 | 状态 | 文字 |")
    rows = [
        (f"`{one.code}`", one.status or "`-`", _cell(one.text.for_(language)).replace("`", "")) for one in error_codes()
    ]
    return _one_table(ERROR_CODES, head, rows, language)


def _one_table(begin: LocalText, head: LocalText, rows: Sequence[Sequence[str]], language: str) -> str:
    return "\n".join([NOTICE, begin.for_(language), *table(head.for_(language), rows)]) + "\n"


def commands_page(language: str = "en") -> str:
    """Every command with every argument and option."""
    told = (line for one in command_help.tree() for line in command_help.lines(one, language))
    return "\n".join([NOTICE, COMMANDS.for_(language), *told]).rstrip("\n") + "\n"


def api_page(language: str = "en") -> str:
    """Every route: what it is for, who may call it, what it takes, and an example in three languages."""
    told, values = examples.load()
    shown, before = answers.load(), dict[str, str]()
    statuses = ERRORS if language == "en" else {one: chinese("gemgate.web")[text] for one, text in ERRORS.items()}
    colon, semicolon = (": ", "; ") if language == "en" else ("：", "；")
    failures = semicolon.join(f"{status}{colon}{text}" for status, text in statuses.items())
    lines = [NOTICE, API.for_(language), FAILURES.for_(language).format(failures)]
    for title in GROUPS:
        names = [name for name in _names() if _group(name) == title]
        if names:
            lines.append(f"## {title.for_(language)}\n")
        for name in names:
            lines += _operation(name, language, [one for one in told if one.operation == name], values)
            lines += _answer(name, language, shown, before)
    return "\n".join(lines)


@cache
def _document(language: str) -> dict[str, Any]:
    return openapi_document() if language == "en" else in_chinese(openapi_document())


def _names() -> list[str]:
    return list(dict.fromkeys(one.name for one in all_operations() if one.name not in OF_THE_PAGE))


def _group(name: str) -> LocalText:
    def fits(start: str) -> bool:
        return name == start or name.startswith(start if start.endswith(".") else f"{start}.")

    for title, starts in GROUPS.items():
        if any(fits(start) for start in starts):
            return title
    raise AssertionError(f"no group of the API page takes the operation {name}")


def _operation(name: str, language: str, told: list[examples.Example], values: dict[str, str]) -> list[str]:
    document = _document(language)
    mine = [one for one in all_operations() if one.name == name]
    routes = list(dict.fromkeys(f"{one.method} {re.sub(r':path}', '}', one.path)}" for one in mine))
    entry = next((e for one in mine if (e := _entry(document, one.method, one.path))), {})
    lines = [f"### {entry.get('summary', name)}\n", *(f"`{route}`  " for route in routes)]
    lines += ["", f"{LEVELS[mine[0].level].for_(language)}\n", *_fields(entry, document, language)]
    assert told, f"the operation {name} has no example"
    for example in told:
        shown = examples.filled(example, values)
        if example.note:
            lines.append(f"{example.note if language == 'en' else chinese('tools.docs')[example.note]}\n")
        for form, fence in (("curl", "sh"), ("python", "python"), ("javascript", "javascript")):
            lines += [f"```{fence}", examples.write(shown, form), "```\n"]  # type: ignore[arg-type]
    return lines


def _answer(name: str, language: str, shown: dict[str, Any], told: dict[str, str]) -> list[str]:
    """What comes back: its media types, and an answer as it was once given. told: shape -> where it was shown before."""
    spec = next(one for one in all_operations() if one.name == name)
    responses = _entry(_document(language), spec.method, spec.path).get("responses", {})
    content = next(each.get("content", {}) for status, each in responses.items() if status < "300")
    words = {"en": ("Answers ", ", ", ", as {} does.", ".", ":"), "zh": ("返回 ", "、", "，同 {}。", "。", "：")}
    answers_with, comma, as_before, stop, colon = words[language]
    kinds = answers_with + comma.join(f"`{kind}`" for kind in content)
    shape = json.dumps(content.get("application/json"))
    if shape in told:
        return [f"{kinds}{as_before.format(told[shape])}\n"]
    if name not in shown:
        return [f"{kinds}{stop}\n"]
    told[shape] = f"`{spec.method} {spec.path.replace(':path}', '}')}`"
    return [f"{kinds}{colon}\n", "```json", answers.pretty(shown[name]), "```\n"]


def _entry(document: dict[str, Any], method: str, path: str) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"].get(re.sub(r":path}", "}", path), {}).get(method.lower(), {})
    return found


def _fields(entry: dict[str, Any], document: dict[str, Any], language: str) -> list[str]:
    """The fields of the body, one line each."""
    content = entry.get("requestBody", {}).get("content", {}).get("application/json", {})
    name = str(content.get("schema", {}).get("$ref", "")).rpartition("/")[2]
    schema = document["components"]["schemas"].get(name)
    if not schema:
        return []
    needed = set(schema.get("required", ()))
    fields = [
        f"`{field}`{'*' if field in needed else ''} {_type(kind, language)}"
        for field, kind in schema["properties"].items()
    ]
    if language == "en":
        return [f"Body (`*`: must be there): {'; '.join(fields)}.\n"]
    return [f"请求体（`*`：必填）：{'；'.join(fields)}。\n"]


def _type(schema: dict[str, Any], language: str) -> str:
    either, many, bare = (" or ", "list of {}", "list") if language == "en" else (" 或 ", "{} 列表", "列表")
    if "$ref" in schema:
        return "object"
    if "anyOf" in schema:
        kinds = (_type(one, language) for one in schema["anyOf"] if one.get("type") != "null")
        return either.join(dict.fromkeys(kinds))
    if "enum" in schema:
        return " \\| ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return many.format(_type(schema["items"], language)) if schema.get("items") else bare
    return str(schema.get("type", schema.get("const", "any")))


WRITERS: dict[str, Callable[[str], str]] = {
    "settings": settings_page, "metrics": metrics_page, "errors": errors_page, "commands": commands_page, "api": api_page,
}  # fmt: skip
PAGES: dict[str, Callable[[], str]] = {
    f"{name}{ending}": partial(write, language)
    for name, write in WRITERS.items()
    for language, ending in (("en", ".md"), ("zh", ".zh.md"))
}
