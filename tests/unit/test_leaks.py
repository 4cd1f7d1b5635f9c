"""The watch over cookies sees them: printed, logged, in a file's name and in a file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from gemgate_simulator import Simulator
from tests.support import leaks

ROOT = Path(__file__).parents[2]
DEEDS = """
import logging
import sys

COOKIE = "sidts-" + "x" * 70

def test_prints(tmp_path):
    print(COOKIE)

def test_prints_an_error(tmp_path):
    print(COOKIE, file=sys.stderr)

def test_logs(tmp_path):
    logging.getLogger("x").error("session %s", COOKIE)

def test_names_a_file(tmp_path):
    (tmp_path / f"cache_{COOKIE}.json").touch()

def test_keeps_a_row(tmp_path):
    (tmp_path / "gemgate.sqlite3").write_text("row " + COOKIE)

def test_behaves(tmp_path):
    print("sidts-short")
"""


def test_a_test_that_shows_a_cookie_fails(tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    (tmp_path / "test_deeds.py").write_text(DEEDS)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-c", os.devnull, str(tmp_path)]
    told = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60).stdout
    assert "6 passed, 5 errors" in told, told
    assert told.count("lets a cookie be seen") >= 5
    assert "sidts-xxxxxxxxxxx" not in told.partition("short test summary")[2]


def test_the_simulator_s_cookies_are_recognised() -> None:
    simulator = Simulator(("alice",))
    for value in simulator.google.cookies("alice").values():
        assert leaks.in_text(f"a line with {value} in it")
    assert not leaks.in_text("g.a000onepsid sidts-short AKEycc")
