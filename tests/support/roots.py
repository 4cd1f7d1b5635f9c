"""Root folders of Debian's packages, entered as a container is: what stands in for an engine for containers."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

RELEASE = "bookworm"
"""Debian with Python 3.11."""


def debian(folder: Path, *packages: str) -> Path:
    """A root folder with its smallest set of packages and these."""
    if not shutil.which("mmdebstrap") or not shutil.which("bwrap") or os.geteuid():
        pytest.skip("mmdebstrap or bubblewrap is not installed, or this is not root")
    made = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(packages)}", RELEASE, str(folder)]
    subprocess.run(made, check=True, capture_output=True, timeout=600)
    return folder


def entered(
    root: Path, command: Sequence[str], *, env: Mapping[str, str], binds: Sequence[str] = (), read_only: bool = False
) -> list[str]:
    """The command that runs another in there with this environment, in a network that is ours."""
    return [
        *("bwrap", "--ro-bind" if read_only else "--bind", str(root), "/", "--proc", "/proc", "--dev", "/dev"),
        *("--tmpfs", "/tmp", *binds, "--die-with-parent", "--unshare-pid", "--clearenv"),
        *(word for name, value in env.items() for word in ("--setenv", name, value)),
        *command,
    ]


def reaching_packages() -> tuple[list[str], dict[str, str]]:
    """Binds and variables with which pip reaches the registry in there as it does on this machine."""
    places = ("/etc/resolv.conf", "/etc/ssl/certs", "/etc/pip.conf")
    binds = [word for place in places for word in ("--ro-bind-try", place, place)]
    pips = {name: value for name, value in os.environ.items() if name.startswith("PIP_") and "FIND" not in name}
    return binds, {"PIP_CERT": "/etc/ssl/certs/ca-certificates.crt", **pips}
