"""Services: a plan in, bytes out, for each keeper; and systemd's own judge over its units, whatever the paths are.

`GOLDEN=write` writes the files anew; read the difference before it is committed.
"""

from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gemgate.cli import service_files
from gemgate.cli.service_files import Keeper, Plan

HERE = Path(__file__).parent / "service"
HOME = PurePosixPath("/home/ann")
PLANS = {
    "systemd-user": Plan(
        "systemd-user",
        ("/home/ann/.local/bin/gemgate",),
        HOME / "my models" / "gemgate.toml",
        HOME,
        HOME / ".local/share/gemgate/gemgate.log",
        uid=1000,
    ),
    "systemd-system": Plan(
        "systemd-system",
        ("/opt/gemgate/bin/gemgate",),
        PurePosixPath("/etc/gemgate/gemgate.toml"),
        PurePosixPath("/root"),
        PurePosixPath("/var/log/gemgate.log"),
    ),
    "launchd-user": Plan(
        "launchd-user",
        ("/Users/ann/.local/bin/gemgate",),
        PurePosixPath("/Users/ann/A & B/gemgate.toml"),
        PurePosixPath("/Users/ann"),
        PurePosixPath("/Users/ann/Library/Application Support/gemgate/gemgate.log"),
        uid=501,
    ),
    "launchd-system": Plan(
        "launchd-system",
        ("/opt/gemgate/bin/python", "-m", "gemgate"),
        PurePosixPath("/etc/gemgate.toml"),
        PurePosixPath("/var/root"),
        PurePosixPath("/Library/Logs/gemgate.log"),
        user="ann",
    ),
    "task": Plan(
        "task",
        (r"C:\Users\Ann\bin\gemgate.exe",),
        PureWindowsPath(r"C:\Users\Ann\A & B\gemgate.toml"),
        PureWindowsPath(r"C:\Users\Ann"),
        PureWindowsPath(r"C:\Users\Ann\AppData\Local\gemgate\gemgate.log"),
        user=r"DESK\Ann",
    ),
}


def told(plan: Plan) -> bytes:
    """The file, and every command that is ever run."""
    steps = [
        *(("install", *step) for step in service_files.install_steps(plan)),
        *(("restart", *step) for step in service_files.restart_steps(plan)),
        ("status", *service_files.status_step(plan)),
        ("logs", *service_files.log_step(plan, lines=100, follow=False)),
        ("logs -f", *service_files.log_step(plan, lines=100, follow=True)),
        *(("uninstall", *step) for step in service_files.uninstall_steps(plan)),
    ]
    lines = [f"# {plan.file}", "", *(" | ".join(step) for step in steps), ""]
    encoding = "utf-16" if plan.keeper == "task" else "utf-8"
    return service_files.content(plan).decode(encoding).encode() + "\n".join(lines).encode()


def test_there_is_a_plan_for_each_keeper() -> None:
    assert set(PLANS) == set(get_args(Keeper.__value__ if hasattr(Keeper, "__value__") else Keeper))


@pytest.mark.parametrize("keeper", PLANS)
def test_the_file_and_the_commands_are_these(keeper: str) -> None:
    place = HERE / f"{keeper}.txt"
    made = told(PLANS[keeper])
    if os.environ.get("GOLDEN") == "write":
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(made)
    assert made == place.read_bytes()


def test_windows_reads_its_task_and_launchd_its_list() -> None:
    task = ET.fromstring(service_files.content(PLANS["task"]).decode("utf-16"))
    arguments = task.find(".//{*}Arguments")
    assert arguments is not None
    assert arguments.text is not None
    assert r'"C:\Users\Ann\A & B\gemgate.toml"' in arguments.text
    read = plistlib.loads(service_files.content(PLANS["launchd-user"]))
    assert read["ProgramArguments"][-1] == "/Users/ann/A & B/gemgate.toml"


def judged(plan: Plan, folder: Path) -> str:
    """What `systemd-analyze verify` has to say of a unit; "" for nothing."""
    unit = folder / "gemgate.service"
    unit.write_bytes(service_files.content(plan))
    whose = ["--user"] if plan.keeper == "systemd-user" else []
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder)}
    command = ["systemd-analyze", "verify", *whose, str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    return "" if done.returncode == 0 and "gemgate" not in done.stderr else done.stderr or f"status {done.returncode}"


NAMES = st.text(st.characters(exclude_characters="/\0\n\r", exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="this machine has no systemd")
@pytest.mark.parametrize("keeper", ["systemd-user", "systemd-system"])
def test_systemd_finds_nothing_wrong_with_its_units(keeper: Keeper, tmp_path: Path) -> None:
    folder = tmp_path / """a b%h $HOME "q" 'k' \\ ä 名"""
    program = folder / "bin" / "gemgate"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    plan = Plan(keeper, (str(program),), folder / "gemgate.toml", tmp_path, tmp_path / "log")
    assert judged(plan, tmp_path) == ""


@given(names=st.lists(NAMES, min_size=1, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_unit_names_every_path_as_it_is(names: list[str]) -> None:
    """Read back by systemd's rules for quotes, variables and specifiers, a path is what it was."""
    config = PurePosixPath("/", *(name for name in names if name not in (".", "..")), "gemgate.toml")
    plan = Plan("systemd-user", ("/bin/gemgate",), config, HOME, HOME / "log")
    lines = service_files.content(plan).decode().splitlines()
    start = next(line for line in lines if line.startswith("ExecStart="))
    quoted = start.partition("--config ")[2]
    assert (quoted[0], quoted[-1]) == ('"', '"')
    inner = quoted[1:-1].replace("$$", "$").replace("%%", "%")
    assert inner.replace('\\"', '"').replace("\\\\", "\\") == str(config)
    where = next(line for line in lines if line.startswith("WorkingDirectory="))
    assert where.partition("=")[2].replace("%%", "%") == str(config.parent)
