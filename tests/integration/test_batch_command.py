"""`gemgate batch` as a person types it, in processes of their own, with a gateway of its own and with one that runs."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from gemgate.cli import app
from gemgate_simulator import BlockingSimulator, Painting
from tests.support.patience import wait_until
from tests.support.servers import free_port, wait_for_port

SECONDS = 300


@pytest.fixture
def sim() -> Iterator[BlockingSimulator]:
    with BlockingSimulator.spawn() as running:
        running.google.images(cheap=True)
        paint(running)
        running.google.refuse("celebrity", "refusal")
        yield running


def paint(sim: BlockingSimulator, *, pace: float = 0.15, times: int | None = None) -> None:
    sim.google.reply("fox", "", image=Painting(), pace=pace, busy=3, times=times)


def paint_slowly_behind_three(sim: BlockingSimulator) -> None:
    """Whoever stops a batch after its third picture does not come too late."""
    paint(sim, pace=3.0)
    paint(sim, times=3)


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(sim: BlockingSimulator, tmp_path: Path) -> Iterator[Start]:
    cookies = sim.google.cookies("alice")
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "HOME": str(tmp_path),
        "DATA_DIR": str(tmp_path / "data"),
        "COOKIE_KEY_FILE": str(tmp_path / "cookie.key"),
        "SECURE_1PSID": cookies["__Secure-1PSID"],
        "SECURE_1PSIDTS": cookies["__Secure-1PSIDTS"],
        "PROXY_URL": sim.proxy_url,
        "PROXY_CA_FILE": str(sim.ca_file),
        "CONCURRENCY": "3",
        "COLUMNS": "200",
        "PYTHONUTF8": "1",
    }
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: str, **more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "gemgate", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, env={**environment, **more}, cwd=tmp_path, **pipes))  # type: ignore[call-overload]
        return started[-1]

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def typed(*arguments: str, **environment: str) -> Result:
    """The command in this process."""
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200", **environment})


def ended(process: subprocess.Popen[str], code: int = 0) -> tuple[str, str]:
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == code, (process.returncode, out, err)
    return out, err


def foxes(folder: Path, count: int) -> None:
    lines = ["# foxes", "", *(f"fox {number} in snow" for number in range(count))]
    (folder / "prompts.txt").write_text("\n".join(lines), encoding="utf-8")


@pytest.mark.timeout(900)
def test_a_run_that_was_stopped_goes_on_and_nothing_is_made_twice(
    start: Start, sim: BlockingSimulator, tmp_path: Path
) -> None:
    foxes(tmp_path, 10)
    run = ("batch", "run", "prompts.txt", "--size", "4k", "-o", "out")
    paint_slowly_behind_three(sim)
    first = start(*run)
    wait_until(lambda: len(list((tmp_path / "out").glob("*.png"))) >= 3, SECONDS)
    first.send_signal(signal.SIGINT)
    paint(sim)
    _, err = ended(first, 130)
    assert "The same command again goes on" in err
    assert 3 <= sim.google.record().generations < 10
    out, err = ended(start(*run))
    assert "of 10 are made" in err
    assert "completed" in out
    files = sorted((tmp_path / "out").iterdir())
    assert [file.name[:6] for file in files] == [f"{number:05d}_" for number in range(1, 11)]
    assert all(Image.open(file).size[0] > 0 for file in files)
    files[4].unlink()
    files[7].write_bytes(b"half a picture")
    summary = json.loads(ended(start(*run, "--json"))[0])
    assert (summary["completed"], len(summary["files"]), summary["errors"]) == (10, 10, [])
    assert len(list((tmp_path / "out").iterdir())) == 10
    record = sim.google.record()
    assert record.generations == 10
    assert {call.model for call in record.calls} == {"gemini-pro"}
    assert record.peak["alice"] == 3, "all lanes, where nobody else can want one"


def test_who_does_not_wait_for_what_is_being_made_presses_twice(
    start: Start, sim: BlockingSimulator, tmp_path: Path
) -> None:
    foxes(tmp_path, 2)
    paint(sim, pace=100.0)
    first = start("batch", "run", "prompts.txt", "-o", "out")
    wait_until(lambda: sim.google.record().generations == 2, SECONDS)
    first.send_signal(signal.SIGINT)
    assert first.stderr is not None
    assert any("Google is still making 2" in line for line in iter(first.stderr.readline, ""))
    first.send_signal(signal.SIGINT)
    ended(first, 130)
    paint(sim)
    assert "completed" in ended(start("batch", "run", "prompts.txt", "-o", "out"))[0]
    assert len(list((tmp_path / "out").iterdir())) == 2


@pytest.mark.timeout(900)
def test_on_a_gateway_that_runs_the_batch_goes_on_without_the_command(
    start: Start, sim: BlockingSimulator, tmp_path: Path
) -> None:
    port = free_port()
    url, key = f"http://127.0.0.1:{port}", "key-of-ann-0000"
    server = start(
        "serve",
        PORT=str(port),
        API_KEY=f"ann:{key}",
        ADMIN_KEY="key-of-admin-00",
        RATE_LIMIT_PER_HOUR="0",
        MODEL_INTERVAL_SECONDS="0",
    )
    wait_for_port(port, SECONDS)
    there = ("--url", url, "--key", key)
    image = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(image, "PNG")
    (tmp_path / "red.png").write_bytes(image.getvalue())
    items = [{"prompt": f"fox {number}"} for number in range(5)]
    items += [{"prompt": "fox in this", "references": ["red.png"]}, {"prompt": "a celebrity"}]
    (tmp_path / "items.jsonl").write_text("\n".join(map(json.dumps, items)), encoding="utf-8")
    paint_slowly_behind_three(sim)
    first = start("batch", "run", "items.jsonl", "-o", "out", *there)
    wait_until(lambda: sim.google.record().generations >= 2, SECONDS)
    first.send_signal(signal.SIGINT)
    paint(sim)
    assert "goes on without you" in ended(first, 130)[1]
    (row,) = json.loads(typed("batch", "list", "--json", *there).stdout)["data"]
    shown: dict[str, Any] = {}

    def over() -> bool:
        request = urllib.request.Request(f"{url}/v1/batch/{row['id']}/status")
        request.add_header("authorization", f"Bearer {key}")
        with urllib.request.urlopen(request) as answer:
            shown.update(json.load(answer))
        return shown["status"] == "completed"

    wait_until(over, SECONDS)
    assert (shown["completed"], shown["failed"]) == (6, 1)
    # It is found without --url as well, and taken with a key of its own settings
    out, err = ended(start("batch", "run", "items.jsonl", "-o", "out", API_KEY=f"ann:{key}"), 1)
    assert "6 pictures written" in out
    assert "refused" in err
    assert sim.google.record().generations == 7
    reference = next(call for call in sim.google.record().calls if "in this" in call.prompt)
    assert [sim.google.upload(file.id).data for file in reference.files] == [image.getvalue()]
    archive = tmp_path / "all.zip"
    assert typed("batch", "fetch", row["id"], "--zip", str(archive), *there).exit_code == 0
    assert len(zipfile.ZipFile(archive).namelist()) == 6 + 2
    wrong = typed("batch", "list", "--url", url, "--key", "wrong-key-000000")
    assert (wrong.exit_code, "--key" in wrong.stderr) == (1, True)
    shown_again = typed("batch", "show", row["id"], *there)
    assert "6/7, 1 failed" in shown_again.stdout
    assert "ended" in typed("batch", "cancel", row["id"], *there).stderr
    server.terminate()
    ended(server)


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["run", "missing.txt"], 2, "missing.txt"),
        (["run", "empty.txt"], 2, "no prompts"),
        (["run", "latin.txt"], 2, "UTF-8"),
        (["run", "bad.jsonl"], 2, "line 2"),
        (["run", "bad.jsonl", "--size", "8k"], 2, "--size"),
        (["list", "--url", "http://127.0.0.1:1"], 1, "http://127.0.0.1:1 does not answer"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, word: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").write_text("# nothing\n\n")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    (tmp_path / "bad.jsonl").write_text('{"prompt": "a"}\nfox\n')
    done = typed("batch", *arguments, DATA_DIR=str(tmp_path / "data"))
    assert (done.exit_code, word in done.stderr) == (code, True), done.output


def test_an_image_ordered_where_no_gateway_runs_is_made_by_the_command_that_watches_it(
    start: Start, sim: BlockingSimulator, tmp_path: Path
) -> None:
    out, err = ended(start("image", "a fox", "--async", "-o", "foxes"))
    job = out.strip()
    assert "No gateway runs here" in err
    assert f"gemgate jobs fetch {job} -o foxes" in err
    assert sim.google.record().generations == 0
    assert "completed" in ended(start("jobs", "watch", job))[0]
    assert "1 file written" in ended(start("jobs", "fetch", job, "-o", "foxes"))[0]
    (file,) = (tmp_path / "foxes").iterdir()
    assert Image.open(file).size[0] > 0
    assert sim.google.record().generations == 1
