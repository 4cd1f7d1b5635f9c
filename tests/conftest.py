"""What holds for the whole run: the longest files begin first; where NO_SKIPS is set, a test that lacks a program has
failed (docs/decisions.md 20), no test may show a cookie, and the collector leaves the run's own objects alone.
"""

from __future__ import annotations

import gc
import logging
import os
import re
import signal
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support import leaks

settings.register_profile("any machine", deadline=None)  # no test is gated by wall time
settings.load_profile("any machine")

DAY = 86_400
DAYS_END = 30
"""Seconds; most tests take fewer."""
COLLECTED_RARELY = (20_000, 20, 20)
"""Nothing is frozen within a module: a whole collection looks through all that its tests hold."""
LONGEST_FIRST = (
    "integration/sdk/test_langchain.py",
    "integration/fleet/test_fleet_faults.py",
    "integration/test_openapi_fuzz.py",
    "browser/test_desktop.py",
    "integration/fleet/test_fleet.py",
    "integration/soak/test_released.py",
    "integration/test_blocked_address.py",
    "integration/test_silence.py",
    "integration/test_proxies.py",
    "integration/test_batch_command.py",
    "integration/test_batch_chaos.py",
    "integration/test_jobs_command.py",
    "unit/policy/test_nights.py",
    "unit/imaging/test_detection.py",
    "simulation/test_simulation.py",
    "simulation/test_lives.py",
    "integration/test_tenants.py",
    "integration/soak/test_at_rest.py",
    "browser/page/test_appearance.py",
    "docs/test_faults.py",
)
"""Files of half a minute and more, most of it in one test: begun last, they would keep one worker busy while the
others have nothing left. `make test` deals files out in this order.
"""
_LACKS = re.compile(r"is not installed|is missing|could not import")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--dist-folder", help="a wheel and an sdist that were built already (make dist)")
    parser.addoption("--soak-requests", default="200000", help="how many requests the soak sends")
    parser.addoption("--soak-minutes", default="110", help="after how many minutes it ends with those it has sent")


def pytest_configure() -> None:
    """Whoever runs the suite in the background of a shell ignores Ctrl-C, and all that it starts inherits that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    places = {here / name: at for at, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_collection_finish() -> None:
    _settle()
    gc.set_threshold(*COLLECTED_RARELY)


def pytest_runtest_setup() -> None:
    """No test begins at the end of a day, as budgets and usage count it: what it asks for would be of two days."""
    left = DAY - time.time() % DAY
    if left < DAYS_END:
        time.sleep(left)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None]:
    yield
    if nextitem is None or nextitem.path != item.path:
        logging.getLogger("gemgate").setLevel(logging.NOTSET)  # a command that ran in this process has set its own
        _settle()


def _settle() -> None:
    """As `gemgate serve` does: thousands of collected tests, and what ended modules leave for good, are not looked
    through again at each full collection, which took a tenth of the run and half a second at a time.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A machine that installs what the tests need must not pass because something is missing after all."""
    report = yield
    if report.when == "teardown" and item.get_closest_marker("stock") is None:
        said = "".join(text for _, text in report.sections)
        places = [f"the captured output ({one})" for one in leaks.in_text(said)]
        folder = getattr(item, "funcargs", {}).get("tmp_path")
        if folder is not None:
            places += leaks.in_folder(folder)
        if places:
            report.outcome = "failed"
            report.longrepr = f"{report.nodeid} lets a cookie be seen in {', '.join(places)}"
    if os.environ.get("NO_SKIPS") and report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2]
        if _LACKS.search(reason):
            report.outcome = "failed"
            report.longrepr = f"{report.nodeid} was skipped, and nothing may be missing here: {reason}"
    return report
