"""Ctrl-C at any moment of a start ends it with 130 and not a word, however much is still to be imported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from tests.support.patience import PATIENCE, wait_until

PROJECT = Path(__file__).parents[3] / "pyproject.toml"
SCRIPT = "import sys\nfrom {module} import {function}\nif __name__ == '__main__':\n    sys.exit({function}())\n"
"""What an installer writes for an entry point."""
STANDS = """\
import time
open({mark!r}, "w").close()
try:
    time.sleep({seconds})
except BaseException:
    pass
"""
"""As pydantic's core does while it builds a model, it lets no exception through."""


def begun(folder: Path, how: str, *words: str) -> subprocess.Popen[bytes]:
    """`gemgate` as its users start it, with modules of the folder before all others."""
    line = [sys.executable, "-m", "gemgate"]
    if how == "script":
        entry = tomllib.loads(PROJECT.read_text("utf-8"))["project"]["scripts"]["gemgate"]
        module, _, function = entry.partition(":")
        script = folder / "started.py"
        script.write_text(SCRIPT.format(module=module, function=function))
        line = [sys.executable, str(script)]
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "HOME": str(folder), "DATA_DIR": str(folder / "data")}
    return subprocess.Popen(
        [*line, *words],
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize("how", ["module", "script"])
@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("signal", ("--version",)),
        ("enum", ("--version",)),
        ("typer", ("--version",)),
        ("pydantic", ("accounts", "list")),
        ("rich", ("models",)),
        ("sqlalchemy", ("serve",)),
        ("httptools", ("serve",)),
    ],
)
def test_ctrl_c_while_modules_are_imported_says_nothing(
    module: str, words: tuple[str, ...], how: str, tmp_path: Path
) -> None:
    """The import of one module stands still; it is interrupted there."""
    mark = tmp_path / "stands"
    (tmp_path / f"{module}.py").write_text(STANDS.format(mark=str(mark), seconds=10 * PATIENCE))
    with begun(tmp_path, how, *words) as process:
        try:
            wait_until(lambda: mark.exists() or process.poll() is not None)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    assert mark.exists(), (out, err)
    assert (process.returncode, out, err) == (130, b"", b"")
