"""`gemgate image` and `gemgate edit` as a person types them, in processes of their own, against a simulated Google."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from gemgate_simulator import BlockingSimulator
from gemgate_simulator.mp3 import Recording
from gemgate_simulator.mp4 import Movie


@pytest.fixture(scope="module")
def sim() -> Iterator[BlockingSimulator]:
    with BlockingSimulator.spawn() as running:
        yield running


@pytest.fixture
def gemgate(sim: BlockingSimulator, tmp_path: Path):
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
        "PROXY_CA_FILE": sim.ca_file,
        "COLUMNS": "200",
        "PYTHONUTF8": "1",
    }

    def run(*arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gemgate", *arguments]
        return subprocess.run(
            command, env=environment, cwd=tmp_path, input=typed, capture_output=True, text=True, timeout=60, check=False
        )

    return run


def test_image_writes_files_and_says_what_it_measured(gemgate, sim: BlockingSimulator, tmp_path: Path) -> None:
    before = sim.google.record().generations
    done = gemgate("image", "a red fox in snow", "-n", "2", "-o", "foxes", "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    rows = json.loads(done.stdout)
    assert len(rows) == 2
    assert sim.google.record().generations == before + 2
    for row in rows:
        data = (tmp_path / row["file"]).read_bytes()
        assert Image.open(io.BytesIO(data)).size == (row["width"], row["height"])
        assert len(data) == row["bytes"]
        assert row["logo"] in ("removed", "absent", "kept")


def test_edit_sends_the_image_up_byte_for_byte(gemgate, sim: BlockingSimulator, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), (200, 30, 30)).save(buffer, "PNG")
    (tmp_path / "fox.png").write_bytes(buffer.getvalue())
    done = gemgate("edit", "fox.png", "make it night", "-o", "out")
    assert done.returncode == 0, done.stderr
    files = sim.google.record().calls[-1].files
    assert [sim.google.upload(file.id).data for file in files] == [buffer.getvalue()]
    assert len(list((tmp_path / "out").iterdir())) == 1
    assert "removed" in done.stdout or "absent" in done.stdout or "kept" in done.stdout


def test_a_size_that_google_does_not_deliver_is_a_failure_only_when_required(gemgate) -> None:
    assert gemgate("image", "a lake", "--size", "4k", "--json").returncode == 0
    refused = gemgate("image", "a lake", "--size", "4k", "--require-size")
    assert refused.returncode == 1
    assert "4096" in refused.stderr


def test_wrong_words_are_told_in_one_line_and_choices_with_all_there_are(gemgate, tmp_path: Path) -> None:
    wrong = gemgate("image", "a lake", "--size", "9k")
    assert wrong.returncode == 2
    assert all(f"'{size}'" in wrong.stderr for size in ("1k", "2k", "4k"))
    empty = gemgate("image", "  ")
    assert (empty.returncode, empty.stderr.count("\n")) == (2, 1)
    (tmp_path / "page.png").write_bytes(b"<html>")
    page = gemgate("edit", "page.png", "x")
    assert (page.returncode, page.stderr.count("\n")) == (1, 1)
    assert "page.png: not a picture" in page.stderr
    missing = gemgate("edit", "nowhere.png", "x")
    assert missing.returncode == 2
    assert "nowhere.png" in missing.stderr


def test_video_writes_the_file_and_says_what_it_measured(gemgate, sim: BlockingSimulator, tmp_path: Path) -> None:
    sim.google.videos(looks=0, nbytes=120_000)
    before = sim.google.record().generations
    done = gemgate("video", "a red fox runs", "--portrait", "-o", "out/fox.mp4", "--json")
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert (row["file"], row["size"], row["bytes"]) == ("out/fox.mp4", "720x1280", 120_000)
    assert (tmp_path / "out/fox.mp4").read_bytes() == Movie(720, 1280, nbytes=120_000).data()
    assert sim.google.record().generations == before + 1


def test_a_video_that_is_refused_is_one_clear_line(gemgate, sim: BlockingSimulator) -> None:
    sim.google.refuse("nasty", "refusal", wording=1)
    done = gemgate("video", "something nasty")
    assert done.returncode == 1
    assert "Google made no video" in done.stderr
    assert "Traceback" not in done.stderr


def test_music_writes_the_sound_or_the_film(gemgate, sim: BlockingSimulator, tmp_path: Path) -> None:
    sim.google.music(looks=0, seconds=2.0)
    before = sim.google.record().generations
    done = gemgate("music", "a slow waltz", "--length", "short", "--instrumental", "-o", "out/waltz.mp3", "--json")
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert (row["file"], row["seconds"], row["instrumental"]) == ("out/waltz.mp3", Recording(2.0).length, True)
    assert (tmp_path / "out/waltz.mp3").read_bytes() == Recording(2.0).data()
    done = gemgate("music", "a fast waltz", "--length", "short", "-o", "out/waltz.mp4")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/waltz.mp4").read_bytes() == Movie(720, 720, 2.0).data()
    assert sim.google.record().generations == before + 2


def test_research_writes_the_report_with_its_sources(gemgate, sim: BlockingSimulator, tmp_path: Path) -> None:
    sim.google.research(looks=1)
    before = sim.google.record().generations
    done = gemgate("research", "why are foxes white", "-o", "out/report.md")
    assert done.returncode == 0, done.stderr
    assert "3 sources" in done.stdout
    assert "Compare what they say" in done.stderr
    written = (tmp_path / "out/report.md").read_text(encoding="utf-8")
    assert written.startswith("# Foxes in snow\n")
    assert written.endswith("3. [Ice ages](https://example.net/ice)\n")
    assert sim.google.record().generations == before + 2


def test_a_plan_that_is_left_is_no_report(gemgate, sim: BlockingSimulator, tmp_path: Path) -> None:
    before = sim.google.record().generations
    done = gemgate("research", "why are foxes white", "--plan", "-o", "report.md", typed="q\n")
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
    assert "Compare what they say" in done.stderr
    assert not (tmp_path / "report.md").exists()
    assert sim.google.record().generations == before + 1
