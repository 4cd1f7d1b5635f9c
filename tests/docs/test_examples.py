"""Every example of the API page is run as it is printed, in all three languages, against a served gateway."""

from __future__ import annotations

import ast
import asyncio
import base64
import contextlib
import io
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from subprocess import PIPE
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from PIL import Image
from tools.docs import answers, examples
from tools.docs.pages import OF_THE_PAGE

from gemgate.dialects.wire import dumps
from gemgate.jobs import JobRules
from gemgate.web.routes import all_operations
from gemgate_simulator import Simulator
from tests.support.audio_files import wav
from tests.support.conforming import Judged, documented, flaw
from tests.support.kept_chats import kept
from tests.support.serving import Served, served, settings_for

KEYS = {"GEMGATE_KEY": "a-client-key-for-tests", "GEMGATE_ADMIN_KEY": "an-admin-key-for-tests"}
TOLD, VALUES = examples.load()
RUNNER = Path(__file__).with_name("run_examples.mjs")
LONGEST = 1 << 24
"""Characters of what an example prints."""


def test_every_operation_has_an_example() -> None:
    told = {example.operation for example in TOLD}
    assert {one.name for one in all_operations()} - set(OF_THE_PAGE) - told == set()
    assert told <= {one.name for one in all_operations()}


@pytest.fixture
def judged() -> Judged:
    """What was answered."""
    return Judged()


@pytest.fixture
async def gate(judged: Judged, tmp_path: Path) -> AsyncIterator[tuple[Served, Simulator]]:
    async with Simulator(("alice",)) as sim:
        kept(sim, "Tides of the sea", pinned=True)
        keys = {"api_key": KEYS["GEMGATE_KEY"], "admin_key": KEYS["GEMGATE_ADMIN_KEY"]}
        settings = settings_for(sim, tmp_path / "data", account_history=True, **keys)
        async with served(settings, job_rules=JobRules(media_look=0.1), judged=judged) as running:
            yield running, sim


def files(folder: Path) -> None:
    Image.new("RGB", (64, 64), "red").save(folder / "picture.png")
    (folder / "notes.txt").write_text("some words")
    (folder / "speech.wav").write_bytes(wav())
    line = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions"}
    body = {"model": "gemini-3-flash-preview", "messages": [{"role": "user", "content": "hello"}]}
    (folder / "lines.jsonl").write_text(json.dumps({**line, "body": body}) + "\n")


def test_an_answer_of_every_operation_is_shown() -> None:
    """`ANSWERS=write` with the Python examples records them."""
    shown = answers.load()
    assert {one.operation for one in TOLD if one.shows == "json" and not one.may} - set(shown) == set()
    for name, answer in shown.items():
        assert not all(flaw(name, status, "application/json", dumps(answer)) for status in (200, 201, 202)), name


Tell = Callable[[str], Awaitable[str]]
"""What an example prints when it is run."""


@contextlib.asynccontextmanager
async def by_curl(folder: Path) -> AsyncIterator[Tell]:
    async def tell(code: str) -> str:
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", code, cwd=folder, env={**os.environ, **KEYS}, stdout=PIPE, stderr=PIPE
        )
        said, wrong = await process.communicate()
        assert process.returncode == 0, (code, wrong.decode())
        return said.decode()

    yield tell


@contextlib.asynccontextmanager
async def by_javascript(folder: Path) -> AsyncIterator[Tell]:
    """One Node for all of them: starting it for each would take most of the test."""
    process = await asyncio.create_subprocess_exec(
        "node", str(RUNNER), cwd=folder, env={**os.environ, **KEYS}, stdin=PIPE, stdout=PIPE, limit=LONGEST
    )
    assert process.stdin is not None
    assert process.stdout is not None
    asked, answers = process.stdin, process.stdout

    async def tell(code: str) -> str:
        asked.write(base64.b64encode(code.encode()) + b"\n")
        answer = json.loads(await answers.readline())
        assert answer["wrong"] is None, (code, answer["wrong"])
        return str(answer["said"])

    try:
        yield tell
    finally:
        asked.close()
        await process.wait()


@contextlib.asynccontextmanager
async def by_python(folder: Path) -> AsyncIterator[Tell]:
    """In this process, beside the loop, as well."""

    def run(code: str) -> str:
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.chdir(folder):
            exec(compile(code, "example", "exec"), {})
        return said.getvalue()

    async def tell(code: str) -> str:
        before = dict(os.environ)
        os.environ.update(KEYS)
        try:
            return await asyncio.to_thread(run, code)
        finally:
            os.environ.clear()
            os.environ.update(before)

    yield tell


BY = {"curl": by_curl, "python": by_python, "javascript": by_javascript}
KINDS = {
    ".png": re.compile(rb"\x89PNG|RIFF....WEBP", re.DOTALL),
    ".zip": re.compile(rb"PK"),
    ".mp4": re.compile(rb"....ftyp", re.DOTALL),
    ".mp3": re.compile(rb"ID3|\xff"),
    ".markdown": re.compile(rb"#|---"),
    ".copy": re.compile(rb"."),
}
"""How a file begins that is what its name says."""
PROGRAMS = {"curl": ("curl", "curl"), "javascript": ("node", "nodejs")}
"""What an example's language needs, and the package that has it."""


@pytest.fixture
async def tell(language: str, tmp_path: Path) -> AsyncIterator[Tell]:
    program, package = PROGRAMS.get(language, ("", ""))
    if program and shutil.which(program) is None:
        pytest.skip(f"{program} is not installed (apt-get install {package})")
    files(tmp_path)
    async with BY[language](tmp_path) as running:
        yield running


def part(thing: Any, keys: str) -> str:
    for key in keys.split("."):
        thing = thing[int(key)] if isinstance(thing, list) else thing[key]
    return str(thing)


@pytest.mark.parametrize("language", ["curl", "python", "javascript"])
async def test_the_examples_work(
    language: str, tell: Tell, gate: tuple[Served, Simulator], judged: Judged, tmp_path: Path
) -> None:
    running, sim = gate
    cookies = sim.google.cookies("alice")
    pixel = examples.image_base64()
    shown: dict[str, Any] = {}
    values = {**VALUES, "psid": cookies["__Secure-1PSID"], "psidts": cookies["__Secure-1PSIDTS"], "pixel": pixel}
    for example in TOLD:
        filled = examples.filled(example, values)
        said = await tell(examples.write(filled, language, running.url))  # type: ignore[arg-type]
        where = f"{example.operation} in {language}: {said[:400]}"
        if example.shows == "json":
            answer = ast.literal_eval(said) if language == "python" else json.loads(said)
            if refused(answer, example.may):
                continue
            assert "error" not in answer or answer["error"] is None, where
            assert "detail" not in answer, where
            for name, keys in example.save.items():
                if keys.startswith("header:"):
                    header = keys.removeprefix("header:")
                    values[name] = urlsplit(await asyncio.to_thread(begun_upload, filled, running.url, header)).path
                else:
                    values[name] = part(answer, keys)
            shown.setdefault(example.operation, answer)
            if example.operation == "images.generations" and example.status == 200:
                values["picture"] = urlsplit(answer["data"][0]["url"]).path.removeprefix("/images/")
        elif example.shows == "file":
            name = examples.file_name(example)
            got = (tmp_path / name).read_bytes()
            assert got[:1] != b"{", where
            assert KINDS[Path(name).suffix].match(got), where
        else:
            assert said.strip(), where
            assert '"error"' not in said.replace('"error":null', ""), where
        if example.operation == "batch.resume":
            await asyncio.sleep(0.3)
    assert not sim.record.violations
    answered = {name for name, status, _ in judged.seen if status < 300}
    assert documented() - answered - set(OF_THE_PAGE) <= {example.operation for example in TOLD if example.may}
    if language == "python" and os.environ.get("ANSWERS") == "write":
        known = {running.url: examples.ADDRESS} | {
            real: VALUES[name] for name, real in values.items() if name in VALUES
        }
        answers.write({name: answers.constant(answer, known) for name, answer in shown.items()})


def refused(answer: dict[str, Any], may: tuple[str, ...]) -> bool:
    code = answer.get("code") or (answer.get("error") or {}).get("code")
    return code in may


def begun_upload(example: examples.Example, address: str, header: str) -> str:
    """The same call once more, for a header that the examples do not print."""
    headers = {**example.headers, "Authorization": f"Bearer {KEYS['GEMGATE_KEY']}"}
    answer = requests.post(address + example.path, headers=headers, json=example.body, timeout=30)
    return answer.headers[header]


def test_python_examples_are_python_and_the_rest_is_quoted() -> None:
    for example in TOLD:
        shown = examples.filled(example, VALUES)
        compile(examples.write(shown, "python"), "example", "exec")
        assert "{" not in examples.write(shown, "curl").partition("-d ")[0].partition("--data")[0], example.operation
    assert sys.version_info >= (3, 11)
