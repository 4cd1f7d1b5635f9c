"""What a line looks like: the library's own form, on a terminal and elsewhere, with the request it belongs to."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from contextvars import copy_context
from datetime import datetime
from typing import Any

import pytest
import structlog

from gemgate.telemetry.logs import REQUEST_ID, get_logger, set_up_logging


class Stream(io.StringIO):
    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


SetUp = Callable[..., Stream]


@pytest.fixture
def logging_to(monkeypatch: pytest.MonkeyPatch) -> Iterator[SetUp]:
    """Sets up logging to the standard error that it returns; logging is as it was afterwards."""
    root, ours = logging.getLogger(), logging.getLogger("gemgate")
    before = root.handlers[:], root.level, ours.level

    def set_up(form: str = "console", *, terminal: bool = False) -> Stream:
        stream = Stream(terminal=terminal)
        monkeypatch.setattr(sys, "stderr", stream)
        set_up_logging("debug", form)
        return stream

    yield set_up
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])
    structlog.reset_defaults()


VALUES: list[dict[str, Any]] = [
    {},
    {"b": 1, "a": "x", "part": 0.5, "yes": True, "none": None, "empty": ""},
    {"text": "two words", "tab": "a\tb", "lines": "a\r\nb", "pair": "a=b", "quote": "it's", "quotes": '"'},
    {"list": ["a", 1], "bytes": b"x", "chinese": "没有账号", "trail": " "},
]
COLOUR = re.compile(r"\x1b\[\d+m")


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("level", ["debug", "info", "warning", "error", "critical"])
@pytest.mark.parametrize("values", VALUES, ids=["none", "plain", "quoted", "other"])
def test_a_line_for_people_is_structlog_s(
    logging_to: SetUp, values: dict[str, Any], level: str, terminal: bool
) -> None:
    stderr = logging_to(terminal=terminal)
    getattr(get_logger(), level)("something.happened", **values)
    line = stderr.getvalue().removesuffix("\n")
    assert bool(COLOUR.search(line)) == terminal
    when = COLOUR.sub("", line).partition(" ")[0]
    datetime.fromisoformat(when)
    render = structlog.dev.ConsoleRenderer(colors=terminal)
    assert line == render(None, level, {"timestamp": when, "level": level, "event": "something.happened", **values})


@pytest.mark.parametrize("terminal", [False, True])
def test_a_traceback_is_below_its_line(logging_to: SetUp, terminal: bool) -> None:
    stderr = logging_to(terminal=terminal)
    try:
        raise ValueError("token=hunter2hunter2")
    except ValueError:
        get_logger().exception("it.broke")
    first, *_, last = COLOUR.sub("", stderr.getvalue()).splitlines()
    assert first.rstrip().endswith("[error    ] it.broke")
    assert last == "ValueError: token=***"


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_line_bears_its_request_s_id_unless_it_names_one(logging_to: SetUp, form: str) -> None:
    stderr = logging_to(form)

    def within_a_request() -> None:
        REQUEST_ID.set("req_1")
        get_logger().info("ours")
        get_logger().info("of.another", request_id="req_2")
        logging.getLogger("library").warning("theirs")

    copy_context().run(within_a_request)
    get_logger().info("outside")
    lines = stderr.getvalue().splitlines()
    if form == "json":
        assert [json.loads(line).get("request_id") for line in lines] == ["req_1", "req_2", "req_1", None]
    else:
        assert [re.findall(r"request_id=(\S+)", line) for line in lines] == [["req_1"], ["req_2"], ["req_1"], []]
