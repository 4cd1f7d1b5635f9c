"""What the figures were measured on, and how much processor time a process has used by the system's own account."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import version

import psutil

_PACKAGES = ("gemini-webapi", "curl-cffi", "uvicorn", "starlette", "uvloop", "orjson")


def description() -> str:
    """Cores, memory, system, Python and the versions that matter."""
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{os.cpu_count()} cores ({_processor()}), {memory:.0f} GB, {platform.system()} {platform.release()}, "
        f"{platform.python_implementation()} {platform.python_version()}\n"
        + ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    )


def load_average() -> float:
    """Of the last minute: above the number of cores, wall times say little."""
    return psutil.getloadavg()[0]


def cpu_seconds(pid: int) -> float:
    """Processor time of a process with all its threads, user and system; elsewhere than on Linux in steps of 10 ms."""
    if platform.system() == "Linux":
        return time.clock_gettime(~pid << 3 | 2)  # clock_getcpuclockid(3) makes it so, and Python has no name for it
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def resident(pid: int) -> int:
    """Resident memory of a process in bytes."""
    return int(psutil.Process(pid).memory_info().rss)


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123 - a device of sorts
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.machine()
