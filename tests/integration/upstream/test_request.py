"""Our StreamGenerate request is the library's: both are sent to the same simulated Google and compared."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

import pytest
from gemini_webapi import GeminiClient

from gemgate.ports.upstream import Thread
from gemgate_simulator import Simulator
from gemgate_simulator import google as simulated
from tests.integration.upstream.conftest import SignIn, offer, pieces, prompt

HEADERS = ("content-type", "origin", "referer", "x-same-domain", "x-goog-ext-73010989-jspb", "x-goog-ext-73010990-jspb")


class Wire:
    """Keeps what arrived at StreamGenerate, as sent."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.requests: list[Any] = []
        inner = simulated.Google.handle

        def handle(google: simulated.Google, request: Any) -> Any:
            if "StreamGenerate" in request.path:
                self.requests.append(request)
            return inner(google, request)

        monkeypatch.setattr(simulated.Google, "handle", handle)

    def last(self) -> tuple[dict[str, Any], dict[str, str], list[Any]]:
        """Query, headers and inner list of the last request, with what is random by design taken out."""
        request = self.requests[-1]
        query = {k: v[0] for k, v in parse_qs(request.target.partition("?")[2]).items() if k != "_reqid"}
        form = parse_qs(request.body.decode(), keep_blank_values=True)
        inner = json.loads(json.loads(form["f.req"][0])[1])
        headers = {name: request.headers[name] for name in HEADERS if name in request.headers}
        selector = json.loads(request.headers["x-goog-ext-525001261-jspb"])
        assert json.loads(request.headers["x-goog-ext-525005358-jspb"]) == [inner[59], 1]
        inner[59], inner[17] = "uuid", "the turn: the library never counts"
        return query | {"at": form["at"][0]}, headers, [inner, selector[:-1]]


@pytest.mark.parametrize("thinking", [False, True])
@pytest.mark.parametrize("temporary", [False, True])
async def test_it_equals_the_librarys(
    sim2: Simulator, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch, thinking: bool, temporary: bool, tmp_path: Any
) -> None:
    sim2.google.world.switches.silent = True
    sim2.google.world.switches.counts_turns = False
    monkeypatch.setenv("GEMINI_COOKIE_PATH", str(tmp_path))
    cookies = sim2.google.cookies("alice")
    library = GeminiClient(
        cookies["__Secure-1PSID"], cookies["__Secure-1PSIDTS"], proxy=sim2.proxy_url, verify=str(sim2.ca_file)
    )
    await library.init(auto_refresh=False)
    wire = Wire(monkeypatch)
    chat = library.start_chat(model="gemini-pro")
    await chat.send_message("first", temporary=temporary, extended_thinking=thinking, current_retry=0)
    theirs_new = wire.last()
    thread = Thread(tuple(chat.metadata))
    if not temporary:
        await chat.send_message("second <&> 你好 🚀", extended_thinking=thinking, current_retry=0)
        theirs_next = wire.last()
    upstream = await signed_in(sim2)
    pro = offer(upstream, "gemini-pro")
    options = {"temporary": temporary, "extended_thinking": thinking}

    async def send(text: str, thread: Thread | None = None) -> None:
        from dataclasses import replace

        async for _ in upstream.stream(replace(prompt(upstream, text, thread=thread, **options), offer=pro)):
            pass

    await send("first")
    ours_new = wire.last()
    ours_new[0]["at"], ours_new[0]["f.sid"] = theirs_new[0]["at"], theirs_new[0]["f.sid"]
    assert ours_new == theirs_new
    if not temporary:
        await send("second <&> 你好 🚀", thread)
        ours_next = wire.last()
        ours_next[0]["at"], ours_next[0]["f.sid"] = theirs_next[0]["at"], theirs_next[0]["f.sid"]
        assert ours_next == theirs_next
    await library.close()
    assert await pieces(upstream, "say hello")
    assert not [v for v in sim2.record.violations if "rid" not in v]
