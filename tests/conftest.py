"""What holds for the whole run: where NO_SKIPS is set, a test that lacks a program has failed (decisions.md 20)."""

from __future__ import annotations

import os
import re
from collections.abc import Generator

import pytest

_LACKS = re.compile(r"is not installed|is missing|could not import")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A machine that installs what the tests need must not pass because something is missing after all."""
    report = yield
    if os.environ.get("NO_SKIPS") and report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2]
        if _LACKS.search(reason):
            report.outcome = "failed"
            report.longrepr = f"{report.nodeid} was skipped, and nothing may be missing here: {reason}"
    return report
