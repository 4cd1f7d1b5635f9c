"""What a line looks like: the library's own form, on a terminal and elsewhere, with the request it belongs to."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from collections.abc import Iterator
from contextvars import copy_context
from datetime import datetime
from typing import Any

import pytest
import structlog

from gemgate.telemetry.logs import REQUEST_ID, get_logger, set_up_logging


class Stream(io.StringIO):
    terminal = False

    def isatty(self) -> bool:
        return self.terminal


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stream]:
    """Standard error, and logging as it was afterwards."""
    root, ours = logging.getLogger(), logging.getLogger("gemgate")
    before = root.handlers[:], root.level, ours.level
    stream = Stream()
    monkeypatch.setattr(sys, "stderr", stream)
    yield stream
    root.handlers[:], root.level, ours.level = before
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
    stderr: Stream, monkeypatch: pytest.MonkeyPatch, values: dict[str, Any], level: str, terminal: bool
) -> None:
    monkeypatch.setattr(Stream, "terminal", terminal)
    set_up_logging("debug", "console")
    getattr(get_logger(), level)("something.happened", **values)
    line = stderr.getvalue().removesuffix("\n")
    assert bool(COLOUR.search(line)) == terminal
    when, told = COLOUR.sub("", line).split(" ", 1)
    datetime.fromisoformat(when)
    render = structlog.dev.ConsoleRenderer(colors=False)
    expected = render(None, level, {"timestamp": when, "level": level, "event": "something.happened", **values})
    assert f"{when} {told}" == expected


@pytest.mark.parametrize("terminal", [False, True])
def test_a_traceback_is_below_its_line(stderr: Stream, monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    monkeypatch.setattr(Stream, "terminal", terminal)
    set_up_logging("info", "console")
    try:
        raise ValueError("token=hunter2hunter2")
    except ValueError:
        get_logger().exception("it.broke")
    first, *_, last = COLOUR.sub("", stderr.getvalue()).splitlines()
    assert first.endswith("[error    ] it.broke")
    assert last == "ValueError: token=***"


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_line_bears_its_request_s_id_unless_it_names_one(stderr: Stream, form: str) -> None:
    set_up_logging("info", form)

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
