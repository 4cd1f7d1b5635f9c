"""No text of a caller's ends a header's line, or breaks the answer that it stands in."""

from __future__ import annotations

import aiohttp
from hypothesis import given
from hypothesis import strategies as st
from tests.support.serving import served, settings_for

from gemgate.web.header_text import header_text
from gemgate.web.middleware import stamped
from gemgate_simulator import Simulator


@given(st.text())
def test_any_text_is_one_line_of_a_header(text: str) -> None:
    sent = header_text(text)
    assert not set(sent) & {0, 10, 13, 127}
    assert len(sent) == len(text)
    if text.isascii() and text.isprintable():
        assert sent.decode() == text


@given(st.text())
def test_a_head_takes_any_value_and_each_name_once(text: str) -> None:
    assert stamped([(b"X-One", b"old"), (b"two", b"2")], {"x-one": text}) == [
        (b"two", b"2"),
        (b"x-one", header_text(text)),
    ]


async def test_a_kind_of_tool_that_no_header_can_carry_is_named_all_the_same(tmp_path: object) -> None:
    async with Simulator(accounts=("alice",)) as sim, served(settings_for(sim, tmp_path)) as gate:  # type: ignore[arg-type]
        body = {"messages": [{"role": "user", "content": "hi"}], "tools": [{"type": "\U000dd6f8 tool\r\nx: 1"}]}
        for stream in (False, True):
            async with (
                aiohttp.ClientSession(gate.url) as http,
                http.post("/v1/chat/completions", json={**body, "stream": stream}) as answer,
            ):
                assert answer.status == 200, await answer.text()
                assert answer.headers["x-gemgate-ignored"] == "tools.__tool__x__1"
