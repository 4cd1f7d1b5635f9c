"""Pages that are written from the code: every setting, every metric, every route with its example."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from gemgate.settings import Settings
from gemgate.settings.sections import in_sections
from gemgate.telemetry.metric_specs import METERS
from gemgate.web.document import ERRORS, openapi_document
from gemgate.web.routes import all_operations
from tools.docs import answers, examples

NOTICE = "<!-- Written by `make docs-pages` from the code; changes here are lost. -->\n"

GROUPS: dict[str, tuple[str, ...]] = {
    "OpenAI": (
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
    "Gemini": ("gemini.", "interactions."),
    "Anthropic": ("messages",),
    "Simple": ("context.plan", "generate", "generate-images", "upload", "conversations", "api.models"),
    "Batches of pictures": ("batch.",),
    "Jobs of every kind": ("jobs.",),
    "Videos": ("videos",),
    "Music": ("music",),
    "Tools for agents": ("mcp",),
    "Pictures that are stored": ("images.stored", "images.gallery"),
    "How the service is": (
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
    "The accounts' own history": ("history.", "accounts.history."),
    "Administration": ("accounts.", "lives.", "gems.", "cookies.", "pairings.", "keys.", "alerts", "nodes", "backup"),
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

LEVELS = {"client": "a client key", "admin": "the admin key", "open": "nobody's key"}


def settings_page() -> str:
    """Every setting by what it is about, with its default; nothing is left out."""
    lines = [
        NOTICE,
        "# Settings\n",
        (
            "Each is an environment variable; the same name in lower case works in `gemgate.toml` and, as an option, on the "
            "command line where a command has it. Later wins: file, `.env`, environment, option. `gemgate settings` prints what "
            "is in force and where it came from, secrets redacted.\n"
        ),
    ]
    for title, mine in in_sections():
        lines += [f"## {title}\n", "| variable | default | meaning |", "|---|---|---|"]
        for name in mine:
            field = Settings.model_fields[name]
            lines.append(f"| `{name.upper()}` | {_default(name, field)} | {_cell(field.description or '')} |")
        lines.append("")
    return "\n".join(lines)


def _default(name: str, field: Any) -> str:
    if name == "data_dir":
        return "the platform's folder for user data"
    value = field.default
    if value is None or value in ("", ()):
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def metrics_page() -> str:
    """Every metric with its labels."""
    lines = [
        NOTICE,
        "# Metrics\n",
        (
            "`GET /metrics` answers in Prometheus' text form, to the admin key. Names follow OpenTelemetry's GenAI conventions "
            "where those exist. A Grafana dashboard lies in `deploy/grafana/gemgate.json`.\n"
        ),
        "| metric | kind | labels | meaning |",
        "|---|---|---|---|",
    ]
    for meter in METERS:
        labels = ", ".join(f"`{label}`" for label in meter.labels) or "-"
        lines.append(f"| `{meter.shown}` | {meter.kind} | {labels} | {_cell(meter.about)} |")
    return "\n".join(lines) + "\n"


def api_page() -> str:
    """Every route: what it is for, who may call it, what it takes, and an example in three languages."""
    document = openapi_document()
    told, values = examples.load()
    shown, before = answers.load(), dict[str, str]()
    lines = [
        NOTICE,
        "# API\n",
        (
            "All examples read keys from the environment (`GEMGATE_KEY`, `GEMGATE_ADMIN_KEY`); a gateway on this machine that has "
            "no key set takes anything. The running gateway has this as OpenAPI at `/openapi.json`.\n"
        ),
        "Errors come in the form of the route's dialect and always carry a request id. "
        + "; ".join(f"{status}: {text}" for status, text in ERRORS.items())
        + ".\n",
    ]
    for title in GROUPS:
        names = [name for name in _names() if _group(name) == title]
        if names:
            lines.append(f"## {title}\n")
        for name in names:
            lines += _operation(name, document, [one for one in told if one.operation == name], values)
            lines += _answer(name, document, shown, before)
    return "\n".join(lines)


def _names() -> list[str]:
    return list(dict.fromkeys(one.name for one in all_operations() if one.name not in OF_THE_PAGE))


def _group(name: str) -> str:
    def fits(start: str) -> bool:
        return name == start or name.startswith(start if start.endswith(".") else f"{start}.")

    for title, starts in GROUPS.items():
        if any(fits(start) for start in starts):
            return title
    raise AssertionError(f"no group of the API page takes the operation {name}")


def _operation(name: str, document: dict[str, Any], told: list[examples.Example], values: dict[str, str]) -> list[str]:
    mine = [one for one in all_operations() if one.name == name]
    routes = list(dict.fromkeys(f"{one.method} {re.sub(r':path}', '}', one.path)}" for one in mine))
    entry = next((e for one in mine if (e := _entry(document, one.method, one.path))), {})
    lines = [f"### {entry.get('summary', name)}\n", *(f"`{route}`  " for route in routes)]
    lines += ["", f"Needs {LEVELS[mine[0].level]}.\n", *_fields(entry, document)]
    assert told, f"the operation {name} has no example"
    for example in told:
        shown = examples.filled(example, values)
        if example.note:
            lines.append(f"{example.note}\n")
        for language, fence in (("curl", "sh"), ("python", "python"), ("javascript", "javascript")):
            lines += [f"```{fence}", examples.write(shown, language), "```\n"]  # type: ignore[arg-type]
    return lines


def _answer(name: str, document: dict[str, Any], shown: dict[str, Any], told: dict[str, str]) -> list[str]:
    """What comes back: its media types, and an answer as it was once given. told: shape -> where it was shown before."""
    spec = next(one for one in all_operations() if one.name == name)
    responses = _entry(document, spec.method, spec.path).get("responses", {})
    content = next(each.get("content", {}) for status, each in responses.items() if status < "300")
    kinds = f"Answers {', '.join(f'`{kind}`' for kind in content)}"
    shape = json.dumps(content.get("application/json"))
    if shape in told:
        return [f"{kinds}, as {told[shape]} does.\n"]
    if name not in shown:
        return [f"{kinds}.\n"]
    told[shape] = f"`{spec.method} {spec.path.replace(':path}', '}')}`"
    return [f"{kinds}:\n", "```json", answers.pretty(shown[name]), "```\n"]


def _entry(document: dict[str, Any], method: str, path: str) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"].get(re.sub(r":path}", "}", path), {}).get(method.lower(), {})
    return found


def _fields(entry: dict[str, Any], document: dict[str, Any]) -> list[str]:
    """The fields of the body, one line each."""
    content = entry.get("requestBody", {}).get("content", {}).get("application/json", {})
    name = str(content.get("schema", {}).get("$ref", "")).rpartition("/")[2]
    schema = document["components"]["schemas"].get(name)
    if not schema:
        return []
    needed = set(schema.get("required", ()))
    fields = [
        f"`{field}`{'*' if field in needed else ''} {_type(kind)}" for field, kind in schema["properties"].items()
    ]
    return [f"Body (`*`: must be there): {'; '.join(fields)}.\n"]


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return "object"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(one) for one in schema["anyOf"] if one.get("type") != "null"))
    if "enum" in schema:
        return " \\| ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}" if schema.get("items") else "list"
    return str(schema.get("type", schema.get("const", "any")))


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "metrics.md": metrics_page,
    "api.md": api_page,
}
