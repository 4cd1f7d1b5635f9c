"""Ctrl-C at many moments of a command: it ends with 130 and not a word, and leaves nothing half done behind."""

from __future__ import annotations

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import termios
import time
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from tests.support.patience import AT_ONCE, PATIENCE

BEGINS = """\
import os, sys

class Begun:
    @staticmethod
    def find_spec(name, *_):
        if name == "gemgate.cli":
            sys.meta_path.remove(Begun)
            os.close({pipe})

sys.meta_path.insert(0, Begun)
from gemgate.__main__ import main
if __name__ == "__main__":
    sys.exit(main())
"""
"""As an installer's script, but it says when our code has begun: what comes before is Python's own start."""
HALF = re.compile(r"^\..*\.[0-9a-f]{8,16}$")
"""The name of a file that is being written."""
MOMENTS = 7
FINE = 150
"""How many of them, in the suite and by hand."""

QUICK = {
    "prints": ("settings",),
    "looks": ("accounts", "list"),
    "writes": ("init", "--yes", "--no-answer"),
    "works": ("clean", ".", "--output", "out"),
    "serves": ("serve", "--port", "0"),
    "packs": ("backup", "all.zip"),
}
SLOW = {
    "pretends": ("demo", "--port", "0"),
    "asks": ("init", "--yes"),
    "unpacks": ("restore", "old.zip", "--replace"),
    "checks": ("doctor",),
    "signs in": ("models",),
}
ENDLESS = {"serve", "demo"}


@dataclass(frozen=True)
class Ended:
    code: int
    out: list[str]
    err: list[str]
    seconds: float


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures, a database and a backup of it."""
    folder = tmp_path_factory.mktemp("furnished")
    for number in range(4):
        Image.effect_noise((500, 400), 60).convert("RGB").save(folder / f"{number}.png")
    (folder / "tmp").mkdir()
    for words in (("accounts", "list"), ("backup", "old.zip")):
        with begun(folder, *words) as process:
            out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, (out, err)
    return folder


@contextmanager
def begun(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """The command, from the moment at which its first module comes in."""
    ours, theirs = os.pipe()
    script = folder / "started.py"
    script.write_text(BEGINS.format(pipe=theirs))
    places = {"HOME": folder, "DATA_DIR": folder / "data", "TMPDIR": folder / "tmp"}
    environment = {**os.environ, "LC_ALL": "C.UTF-8", **{name: str(place) for name, place in places.items()}}
    with subprocess.Popen(
        [sys.executable, str(script), *words],
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=(theirs,),
    ) as process:
        os.close(theirs)
        os.read(ours, 1)
        os.close(ours)
        try:
            yield process
        finally:
            process.kill()


def ended(folder: Path, words: tuple[str, ...], *presses: float) -> Ended:
    """How it ends when Ctrl-C comes after so many seconds each time; without any, by itself or as soon as it serves."""
    with begun(folder, *words) as process:
        start = time.monotonic()
        if not presses and words[0] in ENDLESS:
            assert process.stdout is not None
            process.stdout.readline()
            presses = (time.monotonic() - start,)
        for moment in presses:
            time.sleep(max(0.0, start + moment - time.monotonic()))
            process.send_signal(signal.SIGINT)
        seconds = time.monotonic() - start
        out, err = (text.replace(str(folder), "").splitlines() for text in process.communicate(timeout=PATIENCE))
        if not presses:
            seconds = time.monotonic() - start
        return Ended(process.returncode, out, err, seconds)


def wrong(whole: Ended, found: Ended, folder: Path) -> list[str]:
    """What should not be: of a command that Ctrl-C came for too late, nothing may be missing."""
    said = [f"says {line}" for line in found.err if line not in whole.err]
    if found.code != 130 and (found.code != whole.code or len(found.out) < len(whole.out)):
        said.append(f"ends with {found.code}")
    for file in (path for path in folder.rglob("*") if path.is_file()):
        if HALF.match(file.name) or (folder / "tmp") in file.parents:
            said.append(f"leaves {file.relative_to(folder)}")
        elif not _sound(file):
            said.append(f"leaves half of {file.relative_to(folder)}")
    return said


def _sound(file: Path) -> bool:
    try:
        if file.suffix == ".zip":
            with zipfile.ZipFile(file) as archive:
                return archive.testzip() is None
        if file.suffix == ".png":
            Image.open(file).load()
        if file.suffix == ".toml":
            return "log_level" in file.read_text() and tomllib.loads(file.read_text()) is not None
    except (OSError, ValueError, zipfile.BadZipFile):
        return False
    return True


def pressed(furnished: Path, place: Path, words: tuple[str, ...], moments: int, *again: float) -> list[str]:
    """What was wrong, at so many moments from the first to a little after its end. again: presses so much later."""

    def fresh() -> Path:
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(furnished, place)
        return place

    whole = ended(fresh(), words)
    found: list[str] = []
    for number in range(moments):
        moment = 1.1 * whole.seconds * number / moments
        one = ended(fresh(), words, moment, *(moment + later for later in again))
        found += [f"{moment:.3f} s: {what}" for what in wrong(whole, one, place)]
    return found


@pytest.mark.parametrize("words", QUICK.values(), ids=QUICK)
def test_ctrl_c_ends_a_command_quietly_at_any_moment(words: tuple[str, ...], furnished: Path, tmp_path: Path) -> None:
    assert pressed(furnished, tmp_path / "at", words, MOMENTS) == []


@pytest.mark.parametrize(
    ("words", "question"),
    [(("accounts", "remove", "ann"), "[y/N]"), (("accounts", "add"), "1PSID:"), (("init",), "1/5")],
    ids=["confirm", "secret", "questions"],
)
def test_ctrl_c_at_a_question_leaves_at_once_and_the_terminal_shows_what_is_typed(
    words: tuple[str, ...], question: str, tmp_path: Path
) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "HOME": str(tmp_path), "DATA_DIR": str(tmp_path / "data")}
    said = b""
    with subprocess.Popen(
        [sys.executable, "-m", "gemgate", *words],
        env=environment,
        cwd=tmp_path,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        try:
            while question.encode() not in said:
                said += os.read(ours, 4096)
            time.sleep(0.2)  # it has been asked, and is waited for
            process.send_signal(signal.SIGINT)
            assert process.wait(AT_ONCE) == 130
            assert termios.tcgetattr(theirs)[3] & termios.ECHO
        finally:
            process.kill()
            os.close(ours)
            os.close(theirs)
    assert b"Traceback" not in said


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("again", [(), (0.02,), (0.01, 0.02)], ids=["once", "twice", "thrice"])
@pytest.mark.parametrize("words", [*QUICK.values(), *SLOW.values()], ids=[*QUICK, *SLOW])
def test_ctrl_c_ends_a_command_quietly_at_every_moment(
    words: tuple[str, ...], again: tuple[float, ...], furnished: Path, tmp_path: Path
) -> None:
    assert pressed(furnished, tmp_path / "at", words, FINE, *again) == []
