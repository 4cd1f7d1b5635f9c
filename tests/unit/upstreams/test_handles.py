"""A prepared handle sends what the jar holds now, and asks it for nothing that has not changed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from curl_cffi import CurlInfo
from curl_cffi.requests import AsyncSession, Response

from gemgate.upstreams.web.handles import IDLE_SECONDS, Handle, Handles
from gemgate.upstreams.web.seat import Seat


@pytest.fixture
async def session(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AsyncSession[Response]]:
    async with AsyncSession[Response]() as opened:
        opened.cookies.set("__Secure-1PSID", "first", domain=".google.com", secure=True)
        monkeypatch.setattr(opened.acurl, "add_handle", lambda curl: curl)
        yield opened


def sent(handle: Handle) -> set[str]:
    """The cookies that libcurl has for the prompt which begins."""
    handle.begin("rt=c", {}, 0, lambda _: b"", len, 10.0)
    return {line.decode().rpartition("\t")[2] for line in handle._curl.getinfo(CurlInfo.COOKIELIST)}


async def test_a_prompt_goes_out_with_the_cookies_of_the_jar(session: AsyncSession[Response]) -> None:
    handle = Handle(session, Seat())
    assert sent(handle) == {"first"}
    session.cookies.set("__Secure-1PSID", "second", domain=".google.com", secure=True)
    session.cookies.set("SIDCC", "more", domain=".google.com", path="/app", secure=True)
    assert sent(handle) == {"second", "more"}
    session.cookies.delete("SIDCC", domain=".google.com", path="/app")
    assert sent(handle) == {"second"}


async def test_cookies_are_handed_over_once_while_they_stay_the_same(
    session: AsyncSession[Response], monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = Handle(session, Seat())
    sent(handle)
    monkeypatch.setattr(session.cookies, "get_cookies_for_curl", lambda _: pytest.fail("nothing has changed"))
    assert sent(handle) == {"first"}


async def test_a_crowd_of_handles_does_not_stay(
    session: AsyncSession[Response], monkeypatch: pytest.MonkeyPatch
) -> None:
    handles = Handles(session, Seat())
    moment = 1000.0
    monkeypatch.setattr(handles, "_now", lambda: moment)
    crowd = [handles.take() for _ in range(5)]
    for handle in crowd:
        handles.give_back(handle, sound=True)
    for _ in range(4):
        moment += IDLE_SECONDS / 2 + 1
        used = handles.take()
        assert used is crowd[-1]
        handles.give_back(used, sound=True)
    assert list(handles._idle) == [crowd[-1]]
    handles.close()
    assert not handles._idle
