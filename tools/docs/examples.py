"""Every route's example, told once in gemgate/web/examples.toml and written out in curl, Python and JavaScript.

Tests run exactly what these functions write, with another address and with ids that earlier answers gave.
"""

from __future__ import annotations

import base64
import io
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from PIL import Image

from gemgate.web import examples

ADDRESS = "http://127.0.0.1:8100"
Language = Literal["curl", "python", "javascript"]


@dataclass(frozen=True, slots=True)
class Example:
    """One call. `{name}` in path, body and form stands for a value that is known or was saved.

    key:   "client", "admin" or "none".
    form:  a multipart body; a value `@NAME` is a file, made by `files` in tests.
    save:  values to keep from the answer: name -> keys into the JSON, with dots.
    shows: what the answer is: json, stream, file, text.
    may:   codes of refusals that are as right an answer, when the thing is not (any more) in that state.
    """

    operation: str
    method: str
    path: str
    key: str = "client"
    body: Any = None
    raw: str = ""
    form: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    save: Mapping[str, str] = field(default_factory=dict)
    shows: str = "json"
    status: int = 200
    note: str = ""
    may: tuple[str, ...] = ()


def load() -> tuple[list[Example], dict[str, str]]:
    """All examples in the order in which they can be run, and what stands for ids on the page."""
    data = examples.told()
    return [Example(**row) for row in data["example"]], data["values"]


def filled(example: Example, values: Mapping[str, str]) -> Example:
    """The example with values in its places."""
    places = ("path", "body", "form", "headers", "raw")
    return replace(example, **{name: examples.filled(getattr(example, name), values) for name in places})


def write(example: Example, language: Language, address: str = ADDRESS) -> str:
    """The call in one language; keys come from the environment: GEMGATE_KEY, GEMGATE_ADMIN_KEY."""
    return {"curl": _curl, "python": _python, "javascript": _javascript}[language](example, address)


def _variable(example: Example) -> str | None:
    return {"client": "GEMGATE_KEY", "admin": "GEMGATE_ADMIN_KEY"}.get(example.key)


def _curl(example: Example, address: str) -> str:
    words = ["curl -sS" + (" -N" if example.shows == "stream" else "")]
    if example.shows == "file":
        words[0] += f" -o {file_name(example)}"
    if example.method != "GET" and not (example.method == "POST" and (example.body or example.form or example.raw)):
        words[0] += f" -X {example.method}"
    words[0] += f" {shlex.quote(address + example.path) if set(example.path) & set('?&') else address + example.path}"
    if variable := _variable(example):
        words.append(f'-H "Authorization: Bearer ${variable}"')
    words += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in example.headers.items()]
    if example.body is not None:
        words.append("-H 'Content-Type: application/json'")
        words.append(f"-d {_quoted(_json(example.body))}")
    if example.raw:
        words.append(f"--data-binary {shlex.quote(example.raw)}")
    words += [f"-F {shlex.quote(f'{name}={value}')}" for name, value in example.form.items()]
    return " \\\n  ".join(words)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _json(value: Any, indent: int | None = None) -> str:
    one_line = json.dumps(value, ensure_ascii=False)
    return one_line if indent is None or len(one_line) < 90 else json.dumps(value, ensure_ascii=False, indent=indent)


def _python(example: Example, address: str) -> str:
    lines = ["import requests", ""]
    arguments = [f'"{address}{example.path}"']
    headers = []
    if variable := _variable(example):
        lines.insert(0, "import os")
        headers.append(f"\"Authorization\": f\"Bearer {{os.environ.get('{variable}', 'any')}}\"")
    headers += [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in example.headers.items()]
    if headers:
        arguments.append(f"headers={{{', '.join(headers)}}}")
    if example.body is not None:
        literal = _json(example.body, 4).replace(": true", ": True").replace(": false", ": False")
        arguments.append(f"json={literal}".replace("\n", "\n    "))
    if example.raw:
        arguments.append(f"data={json.dumps(example.raw)}")
    if example.form:
        files = {name: value[1:] for name, value in example.form.items() if value.startswith("@")}
        plain = {name: value for name, value in example.form.items() if not value.startswith("@")}
        opened = ", ".join(f'"{name}": open("{path}", "rb")' for name, path in files.items())
        arguments.append(f"files={{{opened}}}")
        if plain:
            arguments.append(f"data={json.dumps(plain)}")
    arguments.append("timeout=300")
    joined = ",\n    ".join(arguments)
    method = example.method.lower()
    if example.shows == "stream":
        arguments.append("stream=True")
        joined = ",\n    ".join(arguments)
        lines += [
            f"with requests.{method}(\n    {joined},\n) as answer:",
            "    for line in answer.iter_lines():",
            "        print(line.decode())",
        ]
        return "\n".join(lines)
    lines += [f"answer = requests.{method}(\n    {joined},\n)"]
    if example.shows == "file":
        lines.append(f'open("{file_name(example)}", "wb").write(answer.content)')
    else:
        lines.append(f"print(answer.{'json()' if example.shows == 'json' else 'text'})")
    return "\n".join(lines)


def _javascript(example: Example, address: str) -> str:
    lines, options = [], []
    if example.method != "GET":
        options.append(f'method: "{example.method}"')
    headers = []
    if variable := _variable(example):
        headers.append(f'"Authorization": `Bearer ${{process.env.{variable}}}`')
    headers += [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in example.headers.items()]
    if example.body is not None:
        headers.append('"Content-Type": "application/json"')
    if headers:
        options.append(f"headers: {{ {', '.join(headers)} }}")
    if example.body is not None:
        options.append(f"body: JSON.stringify({_json(example.body, 2)})".replace("\n", "\n  "))
    if example.raw:
        options.append(f"body: {json.dumps(example.raw)}")
    if example.form:
        lines += ['import { openAsBlob } from "node:fs";', "", "const form = new FormData();"]
        for name, value in example.form.items():
            if value.startswith("@"):
                lines.append(f'form.set("{name}", await openAsBlob("{value[1:]}"), "{value[1:]}");')
            else:
                lines.append(f"form.set({json.dumps(name)}, {json.dumps(value)});")
        options.append("body: form")
    joined = ",\n  ".join(options)
    call = f'fetch("{address}{example.path}"' + (f", {{\n  {joined},\n}})" if options else ")")
    lines.append(f"const answer = await {call};")
    if example.shows == "stream":
        lines += [
            "const text = new TextDecoder();",
            "for await (const chunk of answer.body) process.stdout.write(text.decode(chunk, { stream: true }));",
        ]
    elif example.shows == "file":
        lines.insert(0, 'import { writeFile } from "node:fs/promises";')
        lines.append(f'await writeFile("{file_name(example)}", Buffer.from(await answer.arrayBuffer()));')
    elif example.shows == "json":
        lines.append("console.log(JSON.stringify(await answer.json(), null, 2));")
    else:
        lines.append("console.log(await answer.text());")
    return "\n".join(lines)


def image_base64() -> str:
    """A small image for examples that carry one."""
    made = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(made, "PNG")
    return base64.b64encode(made.getvalue()).decode()


FILES = {
    "accounts.history.export": "chats.zip",
    "accounts.history.export_one": "chat.markdown",
    "batch.archive": "batch.zip",
    "files.content": "notes.txt.copy",
    "gemini.videos.content": "video.mp4",
    "history.export": "chats.zip",
    "images.gallery.archive": "pictures.zip",
    "music.content": "music.mp3",
    "videos.content": "video.mp4",
}
"""Names of files that are no picture."""


def file_name(example: Example) -> str:
    """Where an example puts the file that it gets."""
    return FILES.get(example.operation, "picture.png")
