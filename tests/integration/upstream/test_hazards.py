"""One test per hazard of the client library (docs/gemini-webapi.md 8, 9 and 11): each fails when its override is taken
away.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from loguru import logger

from gemgate.accounts import PSID, PSIDTS, Cookies
from gemgate.chat import TextDelta
from gemgate.errors import Blocked, Broken, Drift, GatewayError, ModelGone, Rejected, SignedOut, Spent, Stalled
from gemgate.ports.upstream import Accepted, Deadlines, SentFile, Started, Upload
from gemgate.upstreams.web import client
from gemgate.upstreams.web.logs import bridge
from gemgate.upstreams.web.upstream import WebUpstream
from gemgate_simulator import Simulator
from tests.integration.upstream.conftest import FAR, SOON, SignIn, answered, joined, pieces, prompt, thoughts
from tests.support.patience import AT_ONCE, PATIENCE, until


async def test_a_failed_rpc_during_sign_in_does_not_hang(sim2: Simulator) -> None:
    sim2.google.fault("otAQ7b", "status", status=500, times=-1)
    upstream = WebUpstream(proxy=sim2.proxy_url, ca_file=str(sim2.ca_file))
    with pytest.raises(Broken):
        async with asyncio.timeout(AT_ONCE):  # the library asks again, then waits for ever
            await upstream.open(Cookies.of(sim2.google.cookies("alice")))
    assert sim2.record.requests_of("otAQ7b") == 1


async def test_signing_in_takes_three_requests(sim2: Simulator, signed_in: SignIn) -> None:
    """The page, how the account stands, and its gems; the library asks for ten things one after the other."""
    await signed_in(sim2)
    assert [seen.where for seen in sim2.record.requests] == ["init", "rpc", "rpc"]


@pytest.mark.parametrize(
    ("fault", "expected", "generated"),
    [
        ({"kind": "status", "status": 401}, SignedOut, "no"),
        ({"kind": "status", "status": 403}, SignedOut, "no"),
        ({"kind": "status", "status": 429}, Blocked, "no"),
        ({"kind": "status", "status": 500}, Broken, "maybe"),
        ({"kind": "status", "status": 503}, Broken, "maybe"),
        ({"kind": "code", "code": 1013}, Broken, "maybe"),
        ({"kind": "code", "code": 1037}, Spent, "no"),
        ({"kind": "code", "code": 1050}, ModelGone, "no"),
        ({"kind": "code", "code": 1052}, ModelGone, "no"),
        ({"kind": "code", "code": 1060}, Blocked, "no"),
        ({"kind": "code", "code": 4711}, Broken, "maybe"),
        ({"kind": "reset"}, Broken, "maybe"),
        ({"kind": "hangup"}, Broken, "maybe"),
        ({"kind": "empty"}, Broken, "maybe"),
        ({"kind": "close"}, Broken, "maybe"),
        ({"kind": "garbage"}, Drift, "maybe"),
        ({"kind": "captcha"}, Blocked, "maybe"),
        ({"kind": "stall"}, Stalled, "maybe"),
        ({"kind": "trickle"}, Stalled, "maybe"),
        ({"kind": "slow_headers"}, Stalled, "maybe"),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else None,
)
async def test_every_failure_is_named_and_the_prompt_is_sent_once(
    sim: Simulator, signed_in: SignIn, fault: dict, expected: type[GatewayError], generated: str
) -> None:
    upstream = await signed_in(sim, deadlines=SOON if expected is Stalled else FAR)
    sim.google.fault("generate", times=-1, **fault)
    with pytest.raises(expected) as caught:
        await pieces(upstream, "hello")
    assert caught.value.generated == generated
    assert sim.record.received == 1


@pytest.mark.parametrize("kind", ["reset", "hangup", "reset_stream"])
async def test_libcurl_does_not_send_again_on_a_reused_connection(sim: Simulator, signed_in: SignIn, kind: str) -> None:
    upstream = await signed_in(sim)
    sim.google.reply("hello", "fine")
    await pieces(upstream, "hello")
    sim.google.fault("generate", kind, reused=True, times=1)
    received = sim.record.received
    with pytest.raises(Broken) as caught:
        await pieces(upstream, "hello again")
    assert caught.value.generated == "maybe"
    assert sim.record.received == received + 1
    assert joined(await pieces(upstream, "hello once more")) == "fine"


async def test_an_idle_session_closes_its_connections(
    sim: Simulator, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """libcurl looks at what it keeps only when it wants a connection: until then Google's end closes and ours stays."""
    monkeypatch.setattr(client, "IDLE_CONNECTION_SECONDS", 1)
    monkeypatch.setattr(client, "LOOK_SECONDS", 0.1)
    upstream = await signed_in(sim)
    port = urlsplit(sim.proxy_url).port

    def connections() -> int:
        return sum(one.raddr.port == port for one in psutil.Process().net_connections("tcp4") if one.raddr)

    sim.google.reply("hello", "fine", delay=0.5)
    await asyncio.gather(*(pieces(upstream, f"hello {number}") for number in range(5)))
    assert connections() >= 5
    await until(lambda: connections() == 0)
    assert joined(await pieces(upstream, "hello again")) == "fine"
    await until(lambda: connections() == 0)


async def test_no_account_answer_is_needed_when_nothing_left_the_machine(sim2: Simulator, signed_in: SignIn) -> None:
    upstream = await signed_in(sim2)
    await sim2.stop()
    with pytest.raises(GatewayError) as caught:
        await pieces(upstream, "hello")
    assert caught.value.generated == "no"


async def test_one_failing_call_does_not_close_its_neighbours(sim: Simulator, signed_in: SignIn) -> None:
    upstream = await signed_in(sim)
    sim.google.reply("slow", " ".join(f"word{i}" for i in range(60)), chars=10, pace=0.1)
    neighbours = [asyncio.create_task(pieces(upstream, f"slow {i}")) for i in range(3)]
    await until(lambda: sim.record.open_streams == 3)
    sim.google.fault("generate", "code", code=1013, match="doomed")
    with pytest.raises(Broken):
        await pieces(upstream, "doomed")
    for found in await asyncio.gather(*neighbours):
        assert joined(found).endswith("word59")
    assert sim.record.received == 4


async def test_more_than_ten_requests_run_at_once(sim: Simulator, signed_in: SignIn) -> None:
    upstream = await signed_in(sim, deadlines=Deadlines())
    sim.google.reply("wait", "done", delay=3)
    async with asyncio.timeout(PATIENCE):  # one after the other they take two minutes
        await asyncio.gather(*(pieces(upstream, f"wait {i}") for i in range(40)))
    assert sim.record.peak["alice"] > 30


async def test_recent_chats_do_not_grow(sim2: Simulator, signed_in: SignIn) -> None:
    upstream = await signed_in(sim2)
    for i in range(5):
        await pieces(upstream, f"hello {i}")
    assert upstream._session.client._recent_chats is None


async def test_a_call_is_one_request_without_usage_and_activity(sim2: Simulator, signed_in: SignIn) -> None:
    upstream = await signed_in(sim2)
    before = len(sim2.record.requests)
    sim2.google.fault("jSf9Qc", "status", status=500, times=-1)
    sim2.google.fault("ESY5D", "status", status=500, times=-1)
    assert joined(await pieces(upstream, "say hello"))
    assert len(sim2.record.requests) == before + 1


async def test_a_guest_session_is_refused_at_sign_in(sim2: Simulator) -> None:
    sim2.google.expire("alice")
    upstream = WebUpstream(proxy=sim2.proxy_url, ca_file=str(sim2.ca_file))
    with pytest.raises(SignedOut):
        await upstream.open(Cookies.of(sim2.google.cookies("alice")))
    with pytest.raises(SignedOut):
        await pieces_of_closed(upstream)


async def pieces_of_closed(upstream: WebUpstream) -> None:
    from gemgate.accounts import AccountModel
    from gemgate.ports.upstream import Prompt

    async for _ in upstream.stream(Prompt("x", AccountModel("a", "b", "c"))):
        pass


async def test_cookies_that_die_in_mid_life_are_noticed_and_no_guest_answers(
    sim2: Simulator, signed_in: SignIn
) -> None:
    upstream = await signed_in(sim2)
    sim2.google.expire("alice")
    for _ in range(2):
        with pytest.raises(SignedOut) as caught:
            await pieces(upstream, "hello")
        assert caught.value.generated == "no"
    with pytest.raises(SignedOut):
        await upstream.ping()
    assert sim2.record.generations == 0


async def test_an_account_that_google_rejects_says_what_a_person_must_do(sim2: Simulator) -> None:
    sim2.google.account("alice").status = 1040
    upstream = WebUpstream(proxy=sim2.proxy_url, ca_file=str(sim2.ca_file))
    with pytest.raises(Rejected, match="wants its terms accepted"):
        await upstream.open(Cookies.of(sim2.google.cookies("alice")))


async def test_leaving_a_stream_stops_it_upstream_at_once(sim: Simulator, signed_in: SignIn) -> None:
    upstream = await signed_in(sim, deadlines=Deadlines(total=60))
    sim.google.reply("long", "x" * 40_000, chars=10, pace=0.05)
    async with aclosing(upstream.stream(prompt(upstream, "long"))) as stream:
        async for piece in stream:
            if isinstance(piece, TextDelta):
                break
    await until(lambda: not sim.record.open_streams)
    assert (sim.record.cancelled, sim.record.calls[0].outcome) == (0, "complete")
    assert sim.record.calls[0].frames < 1000
    assert joined(await pieces(upstream, "say hello"))  # the connection is still good


async def test_cancelling_a_call_stops_it_upstream_at_once(sim: Simulator, signed_in: SignIn) -> None:
    upstream = await signed_in(sim, deadlines=Deadlines(total=60))
    sim.google.reply("long", "x", delay=30)
    task = asyncio.create_task(pieces(upstream, "long"))
    await until(lambda: sim.record.open_streams)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.wait_for(task, AT_ONCE)
    assert sim.record.open_streams == 1  # it has no ids by which it could be stopped: left open for a while
    await upstream.close()
    await until(lambda: not sim.record.open_streams)


TEXTS = {
    "ampersands": 'if a < b && b > c: print("x & y") <tag> AT&T ?a=1&copy=2&sect=3 & "q" \'',
    "tags": '<code>print("x")</code> and <b>bold</b> <br/> 1 < 2 > 0',
    "emoji": "👩‍👩‍👧‍👦 family 🚀🚀🚀 flags 🇨🇳🇩🇪 end 𝕏",
    "chinese": "你好，世界！这是一个测试：《红楼梦》、“引号”，以及破折号——结束。" * 5,
    "markdown": "\\*not bold\\* \\_under\\_ `code` **bold** \\<thinking\\> \\# no heading",
    "backslashes": "C:\\Users\\n\\t \\\\server\\share \\u0041 \\",
    "code": "```python\nprint('hi')\nfor i in range(3):\n    print(i)\n```\nDone.\n```\nx\n```",
    "quotes": '"double" \'single\' „low“ «guillemets» "',
    "long": "The quick brown fox jumps over the lazy dog. " * 200,
}


@pytest.mark.parametrize("chars", [1, 7, 400])
@pytest.mark.parametrize("name", TEXTS)
async def test_deltas_join_to_the_text_and_both_modes_agree(
    sim2: Simulator, signed_in: SignIn, name: str, chars: int
) -> None:
    if chars == 1 and name == "long":
        pytest.skip("covered by the shorter texts: one-character frames of a long text only cost time")
    upstream = await signed_in(sim2)
    text = TEXTS[name]
    sim2.google.reply("tell", text, chars=chars, thoughts='thinking & <b>"so"</b>')
    streamed = await pieces(upstream, "tell", extended_thinking=True)
    whole = await pieces(upstream, "tell", exact=True, extended_thinking=True)
    assert joined(streamed) == text
    assert joined(whole) == text
    assert answered(streamed).text == answered(whole).text == text
    assert thoughts(streamed) == thoughts(whole) == 'thinking & <b>"so"</b>'
    assert not answered(streamed).revised
    assert all(p.text for p in streamed if isinstance(p, TextDelta))
    assert isinstance(streamed[0], Accepted)
    assert isinstance(streamed[1], Started)
    assert sum(isinstance(p, Started) for p in streamed) == 1
    assert not sim2.record.violations


@pytest.mark.parametrize("size", [1, 3, 7])
async def test_entities_are_decoded_once_however_frames_cut_them(sim2: Simulator, signed_in: SignIn, size: int) -> None:
    upstream = await signed_in(sim2)
    raw = "&lt;code>print(&quot;x&quot;)&lt;/code> &amp;lt; &#39;a&#x27; &#128640; &unknown; & &;"
    sim2.google.reply("tell", raw=[raw[:end] for end in range(1, len(raw), size)] + [raw])
    expected = "<code>print(\"x\")</code> &lt; 'a' 🚀 &unknown; & &;"
    assert joined(await pieces(upstream, "tell")) == expected
    assert joined(await pieces(upstream, "tell", exact=True)) == expected


REVISED = {
    "closing fence": [
        "Code:\n```python\nprint(1)\n```",
        "Code:\n```python\nprint(1)\nprint(2)\n```",
        "Code:\n```python\nprint(1)\nprint(2)\n```\nThat is all of it.",
    ],
    "last word": [
        "The answer is probably 41",
        "The answer is probably 42. ",
        "The answer is probably 42. Done and checked.",
    ],
    "escaped tail": ["This is *", "This is \\*", "This is \\*starred\\* text with more to say."],
    "shrinks": [
        "A sentence that will be cut, and",
        "A sentence that will be cut.",
        "A sentence that will be cut. Next.",
    ],
}


@pytest.mark.parametrize("name", REVISED)
async def test_text_revised_near_its_end_still_joins(sim2: Simulator, signed_in: SignIn, name: str) -> None:
    upstream = await signed_in(sim2)
    sim2.google.reply("tell", frames=REVISED[name])
    found = await pieces(upstream, "tell")
    assert joined(found) == REVISED[name][-1]
    assert not answered(found).revised


async def test_text_revised_far_back_is_exact_when_nobody_reads_along(sim2: Simulator, signed_in: SignIn) -> None:
    upstream = await signed_in(sim2)
    long = "word " * 100
    sim2.google.reply("tell", frames=["Wrong start. " + long, "Right start. " + long + "End."])
    assert joined(await pieces(upstream, "tell", exact=True)) == "Right start. " + long + "End."
    streamed = await pieces(upstream, "tell")
    assert answered(streamed).revised
    assert answered(streamed).text == "Right start. " + long + "End."
    assert joined(streamed).endswith("word End.")


async def test_placeholder_links_are_removed_in_both_modes(sim2: Simulator, signed_in: SignIn) -> None:
    upstream = await signed_in(sim2)
    link = "http://googleusercontent.com/image_generation_content/0\n\n"
    text = f"Here is the picture:\n{link}Enjoy. See http://googleusercontent.com.example/ and https://a.b/c."
    expected = text.replace(link, "")
    growing = [text[:end] for end in range(1, len(text) + 1, 3)] + [text]
    sim2.google.reply("tell", raw=growing)
    assert joined(await pieces(upstream, "tell")) == expected
    assert joined(await pieces(upstream, "tell", exact=True)) == expected


@pytest.mark.parametrize("step", [1, 3, 64])
async def test_dressing_never_reaches_a_reader_wherever_frames_are_cut(
    sim2: Simulator, signed_in: SignIn, step: int
) -> None:
    upstream = await signed_in(sim2)
    raw = (
        "It is 4 [cite: 1].\n```python?code_reference&code_event_index=2\nprint(2 + 2)\n```\n"
        "```text?code_stdout&code_event_index=2\n4\n```\n* so &lt;it&gt; is\n\n&lt;!-- end list -->\n"
        "http://googleusercontent.com/immersive_entry_chip/0\n\nDone."
        '\n\n&lt;FollowUp label="And 3?" query="What is 3 + 3?"/>'
    )
    expected = "It is 4.\n```python\nprint(2 + 2)\n```\n```text\n4\n```\n* so <it> is\nDone."
    sim2.google.reply("tell", raw=[*(raw[:end] for end in range(1, len(raw), step)), raw])
    for exact in (False, True):
        assert joined(await pieces(upstream, "tell", exact=exact)) == expected


async def test_uploads_keep_their_name_and_type(sim2: Simulator, signed_in: SignIn) -> None:
    upstream = await signed_in(sim2)
    handle = await upstream.upload(Upload("猫.png", "image/png", b"\x89PNG\r\n\x1a\nxyz", "0"))
    no_ending = await upstream.upload(Upload("notes", "text/markdown", b"# hi", "1"))
    sim2.google.reply("look", "seen")
    await pieces(
        upstream, "look", files=(SentFile(handle, "猫.png", "image/png"), SentFile(no_ending, "notes", "text/markdown"))
    )
    files = sim2.record.calls[-1].files
    assert [(f.name, f.mime, f.data) for f in files] == [
        ("猫.png", "image/png", b"\x89PNG\r\n\x1a\nxyz"),
        ("notes.md", "text/markdown", b"# hi"),
    ]
    assert not sim2.record.violations


async def test_a_running_stream_survives_signing_in_again(sim: Simulator, signed_in: SignIn) -> None:
    upstream = await signed_in(sim)
    sim.google.reply("slow", "one two three four five six seven", chars=4, pace=0.3)
    running = asyncio.create_task(pieces(upstream, "slow"))
    await until(lambda: sim.record.calls and sim.record.calls[0].frames)
    await upstream.open(Cookies.of(sim.google.cookies("alice")))
    assert joined(await running).endswith("seven")


@pytest.mark.stock
async def test_cached_cookies_of_another_account_are_not_used(
    sim2: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library would sign in with whatever cache file carries the given 1PSID, before the given cookies."""
    bob = sim2.google.cookies("bob")
    alice = sim2.google.cookies("alice")
    cache = tmp_path / f".cached_cookies_{alice[PSID]}.json"
    rows = [{"name": n, "value": v, "domain": ".google.com", "path": "/", "expires": None} for n, v in bob.items()]
    import orjson

    cache.write_bytes(orjson.dumps(rows))
    monkeypatch.setenv("GEMINI_COOKIE_PATH", str(tmp_path))
    upstream = WebUpstream(proxy=sim2.proxy_url, ca_file=str(sim2.ca_file), deadlines=FAR)
    opened = await upstream.open(Cookies.of(alice))
    upstream.offers = opened.models
    await pieces(upstream, "hello")
    assert sim2.record.calls[-1].account == "alice"
    await upstream.close()


async def test_no_cookie_lands_in_a_file_or_its_name(sim2: Simulator, signed_in: SignIn) -> None:
    upstream = await signed_in(sim2)
    await pieces(upstream, "hello")
    cookies = (await upstream.rotate()).cookies
    await upstream.close()
    secrets = [cookies.psid, cookies.psidts]
    folder = Path(os.environ["GEMINI_COOKIE_PATH"])
    assert list(folder.iterdir()) == []
    elsewhere = Path(tempfile.gettempdir()) / "gemini_webapi"
    names = [path.name for path in elsewhere.glob("*")] if elsewhere.exists() else []
    assert not any(secret in name for secret in secrets for name in names)


async def test_rotation_renews_the_cookie_of_the_running_session(sim2: Simulator, signed_in: SignIn) -> None:
    upstream = await signed_in(sim2)
    before = sim2.google.cookies("alice")[PSIDTS]
    rotated = await upstream.rotate()
    cookies = rotated.cookies
    assert rotated.renewal == "renewed"
    assert cookies.psidts != before
    assert cookies.psidts == sim2.google.cookies("alice")[PSIDTS]
    assert joined(await pieces(upstream, "say hello"))


async def test_the_library_logs_through_us_and_never_a_cookie(
    sim2: Simulator, signed_in: SignIn, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    bridge()
    caplog.set_level(logging.DEBUG, logger="gemgate")
    upstream = await signed_in(sim2)
    secret = sim2.google.cookies("alice")[PSID]
    logger.bind(name="gemini_webapi").warning(f"cached at /tmp/.cached_cookies_{secret}.json")
    await pieces(upstream, "hello")
    said = caplog.text + capsys.readouterr().err
    assert "cached at" in said
    assert secret not in said


async def test_what_the_library_says_of_a_sign_in_is_told_with_the_account(
    sim2: Simulator, signed_in: SignIn, caplog: pytest.LogCaptureFixture
) -> None:
    """Of thirteen accounts one is out, and its line says which."""
    caplog.set_level(logging.WARNING, logger="gemgate")
    bridge()
    sim2.google.expire("alice")
    with pytest.raises(SignedOut):
        await signed_in(sim2, account="kim")
    (line,) = [one for one in caplog.records if "Account status" in one.getMessage()]
    assert line.account == "kim"
    logger.bind(name="gemini_webapi").warning("of nobody")
    assert not hasattr(caplog.records[-1], "account")


def test_the_account_of_a_line_of_the_library_is_written() -> None:
    code = (
        "import logging; from gemgate.telemetry import set_up_logging; set_up_logging('warning', 'json')\n"
        "logging.getLogger('gemgate.library').warning('out', extra={'account': 'kim', 'other': 'x'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    told = json.loads(done.stderr)
    assert (told["event"], told["account"], "other" in told) == ("out", "kim", False)


async def test_frames_cost_grows_with_the_bytes_only() -> None:
    """Four times the bytes in one frame cut into small chunks: about four times the time, not sixteen."""
    from gemgate.upstreams.web.frames import FrameReader

    def seconds(size: int) -> float:
        payload = "\n" + "[" + '"' + "x" * size + '"' + "]\n"
        wire = (")]}'\n\n" + str(len(payload)) + payload).encode()
        best = 1e9
        for _ in range(3):
            reader, began = FrameReader(), time.process_time()
            got = [f for at in range(0, len(wire), 1000) for f in reader.feed(wire[at : at + 1000])]
            best = min(best, time.process_time() - began)
            assert len(got) == 1
        return best

    assert seconds(4_000_000) < 10 * max(seconds(1_000_000), 0.002)


async def test_the_deadline_between_chunks_and_the_total_are_told_apart(sim2: Simulator, signed_in: SignIn) -> None:
    upstream = await signed_in(sim2, deadlines=replace(FAR, idle=0.5))
    sim2.google.fault("generate", "stall", after_frames=2, match="quiet", finished=False)
    sim2.google.reply("quiet", "abc " * 50, chars=8)
    with pytest.raises(Stalled) as caught:
        await pieces(upstream, "quiet", temporary=True)
    assert caught.value.stage == "between chunks"
    upstream = await signed_in(sim2, deadlines=replace(FAR, total=1.5))
    sim2.google.reply("endless", "abc " * 500, chars=4, pace=0.1)
    with pytest.raises(Stalled) as caught:
        await pieces(upstream, "endless", temporary=True)
    assert caught.value.stage == "total"


async def test_an_answer_that_broke_off_is_read_back_and_not_made_again(sim: Simulator, signed_in: SignIn) -> None:
    upstream = await signed_in(sim)
    text = "A finished answer whose connection was lost on the way to us."
    sim.google.reply("lost", text, chars=10)
    sim.google.fault("generate", "reset", after_frames=3, match="lost")
    assert joined(await pieces(upstream, "lost")) == text
    assert sim.record.received == 1


async def test_what_was_said_before_an_error_in_the_same_read_is_not_lost(sim: Simulator, signed_in: SignIn) -> None:
    upstream = await signed_in(sim)
    text = "one two three four five six seven eight nine ten eleven twelve"
    sim.google.reply("count", text, chars=3)
    sim.google.fault("generate", "code", code=1013, after_frames=15, match="count")
    assert joined(await pieces(upstream, "count")) == text
    assert sim.record.received == 1


async def test_an_answer_that_is_nowhere_ends_as_a_failure(sim: Simulator, signed_in: SignIn) -> None:
    upstream = await signed_in(sim)
    sim.google.reply("lost", "never finished at all", chars=4)
    sim.google.fault("generate", "reset", after_frames=2, match="lost", finished=False)
    with pytest.raises(Broken) as caught:
        await pieces(upstream, "lost")
    assert caught.value.generated == "maybe"
    assert sim.record.received == 1
