"""The promises of `ports.Upstream`, over the web app (simulated), the official API (faked) and the scripted double."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from typing import Any, Protocol

import pytest
from PIL import Image

from gemgate.accounts import Cookies, SignInResult
from gemgate.chat import TextDelta, ThoughtDelta
from gemgate.errors import Broken, GatewayError, SignedOut, Spent, Stalled, Unreachable
from gemgate.ports.upstream import (
    Accepted,
    Completed,
    Deadlines,
    ImageReady,
    Prompt,
    SentFile,
    Started,
    Upload,
    Upstream,
    UpstreamEvent,
)
from gemgate.testing import ScriptedUpstream
from gemgate.upstreams.official import KeyPlace, OfficialUpstream
from gemgate.upstreams.web.upstream import WebUpstream
from gemgate_simulator import Simulator
from tests.support import official
from tests.support.patience import PATIENCE, until

FAST = Deadlines(connect=5, first_byte=4, idle=4, total=20)
LONG = "A long answer, " * 60


class Stage(Protocol):
    """An upstream with the service behind it, to be told what happens next."""

    upstream: Any
    cookies: Cookies | None
    image_model: str

    def says(self, answer: str | bytes, *, slowly: bool = False) -> None: ...

    async def fails(self, how: str) -> None:
        """From now on: limit, login, server, cut, silence, unreachable."""
        ...

    def refuses_login(self) -> None: ...

    @property
    def received(self) -> int:
        """Prompts that arrived."""
        ...

    @property
    def under_way(self) -> int: ...

    def files(self) -> list[tuple[str, bytes]]:
        """Type and bytes of what came with the last prompt."""
        ...

    def broken_rules(self) -> list[str]: ...


class Web:
    image_model = "gemini-flash"

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim
        self.upstream = WebUpstream(proxy=sim.proxy_url, ca_file=str(sim.ca_file), lanes=8, deadlines=FAST)
        self.cookies: Cookies | None = Cookies.of(sim.google.cookies("alice"))

    def says(self, answer: str | bytes, *, slowly: bool = False) -> None:
        if isinstance(answer, bytes):
            self._sim.google.reply("", "Here is your picture.", image=answer)
        else:
            self._sim.google.reply("", answer, pace=0.05 if slowly else 0.0, chars=20)

    async def fails(self, how: str) -> None:
        google = self._sim.google
        match how:
            case "limit":
                google.fault("generate", "code", code=1037, times=-1)
            case "login":
                google.expire("alice")
            case "server":
                google.fault("generate", "status", status=503, times=-1)
            case "cut":
                google.fault("generate", "reset", times=-1)
            case "silence":
                google.fault("generate", "stall", times=-1)
            case _:
                await self._sim.stop()

    def refuses_login(self) -> None:
        self._sim.google.expire("alice")

    @property
    def received(self) -> int:
        return self._sim.record.received

    @property
    def under_way(self) -> int:
        return self._sim.record.open_streams

    def files(self) -> list[tuple[str, bytes]]:
        return [(file.mime, file.data) for file in self._sim.record.calls[-1].files]

    def broken_rules(self) -> list[str]:
        return list(self._sim.record.violations)


class Official:
    image_model = "gemini-2.5-flash-image"
    cookies = None

    def __init__(self, api: official.OfficialApi, stop: AsyncExitStack) -> None:
        self._api, self._stop = api, stop
        place = KeyPlace("env:KEY", environ={"KEY": official.KEY})
        self.upstream = OfficialUpstream(place, base_url=api.url, deadlines=FAST)

    def says(self, answer: str | bytes, *, slowly: bool = False) -> None:
        self._api.answer = lambda _: answer
        self._api.pace = 1.0 if slowly else 0.0

    async def fails(self, how: str) -> None:
        match how:
            case "limit":
                self._api.failure = official.quota("36s")
            case "login":
                self._api.key = "another"
            case "server":
                self._api.failure = official.refusal(503, "UNAVAILABLE", "The model is overloaded.")
            case "cut":
                self._api.failure = official.Failure(cut="before")
            case "silence":
                self._api.failure = official.Failure(cut="silence")
            case _:
                await self._stop.aclose()

    def refuses_login(self) -> None:
        self._api.key = "another"

    @property
    def received(self) -> int:
        return self._api.received

    @property
    def under_way(self) -> int:
        return self._api.under_way

    def files(self) -> list[tuple[str, bytes]]:
        parts = [part["inlineData"] for part in self._api.bodies[-1]["contents"][0]["parts"] if "inlineData" in part]
        return [(part["mimeType"], base64.b64decode(part["data"])) for part in parts]

    def broken_rules(self) -> list[str]:
        return self._api.broken_rules


class Scripted:
    image_model = "gemini-flash"
    cookies: Cookies | None = Cookies("psid")

    def __init__(self) -> None:
        self.upstream = ScriptedUpstream()

    def says(self, answer: str | bytes, *, slowly: bool = False) -> None:
        self.upstream.lines = [answer]

    async def fails(self, how: str) -> None:
        errors: dict[str, GatewayError] = {
            "limit": Spent("limit"),
            "login": SignedOut("dead"),
            "server": Broken("503", generated="maybe"),
            "cut": Broken("reset", generated="maybe"),
            "silence": Stalled("silent", generated="maybe"),
            "unreachable": Unreachable("nobody there"),
        }
        self.upstream.lines = [errors[how]]

    def refuses_login(self) -> None:
        self.upstream.opening = SignedOut("dead")

    @property
    def received(self) -> int:
        return len(self.upstream.prompts)

    @property
    def under_way(self) -> int:
        return self.upstream.under_way

    def files(self) -> list[tuple[str, bytes]]:
        uploads = [self.upstream.uploads[handle] for handle, _, _ in self.upstream.prompts[-1].files]
        return [(upload.mime, upload.data) for upload in uploads]

    def broken_rules(self) -> list[str]:
        return []


@pytest.fixture(params=["web", "official", "scripted"])
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        made: Stage
        if request.param == "web":
            made = Web(await stack.enter_async_context(Simulator(("alice",))))
        elif request.param == "official":
            made = Official(await stack.enter_async_context(official.OfficialApi().serving()), stack)
        else:
            made = Scripted()
        yield made
        await made.upstream.close()
        assert made.broken_rules() == []


async def opened(stage: Stage) -> SignInResult:
    found: SignInResult = await stage.upstream.open(stage.cookies)
    return found


def prompt_for(found: SignInResult, text: str = "hello", model: str = "", **more: Any) -> Prompt:
    offer = next((one for one in found.models if one.name == model), found.models[0])
    return Prompt(text, offer, **more)


async def pieces_of(upstream: Upstream, prompt: Prompt) -> list[UpstreamEvent]:
    async with aclosing(upstream.stream(prompt)) as stream:
        return [piece async for piece in stream]


def png() -> bytes:
    out = io.BytesIO()
    Image.effect_noise((64, 48), 60).convert("RGB").save(out, "PNG")
    return out.getvalue()


def uploaded(data: bytes, name: str = "notes.txt", mime: str = "text/plain") -> Upload:
    return Upload(name, mime, data, hashlib.sha256(data).hexdigest())


async def test_signing_in_tells_the_models_and_a_ping_tells_them_again(stage: Stage) -> None:
    found = await opened(stage)
    assert found.models
    assert all(offer.id and offer.name for offer in found.models)
    assert len({offer.id for offer in found.models}) == len(found.models)
    assert {offer.name for offer in (await stage.upstream.ping()).models} == {offer.name for offer in found.models}
    assert stage.received == 0


async def test_a_refused_sign_in_is_the_accounts_trouble_and_generates_nothing(stage: Stage) -> None:
    stage.refuses_login()
    with pytest.raises(SignedOut) as caught:
        await opened(stage)
    assert caught.value.generated == "no"
    assert stage.received == 0


async def test_signing_in_again_works_after_a_refusal_was_mended(stage: Stage) -> None:
    await opened(stage)
    assert (await opened(stage)).models


@pytest.mark.parametrize("exact", [False, True])
async def test_an_answer_begins_before_it_speaks_and_ends_once_with_all_that_was_said(
    stage: Stage, exact: bool
) -> None:
    stage.says(LONG)
    pieces = await pieces_of(stage.upstream, prompt_for(await opened(stage), exact=exact))
    spoken = [piece for piece in pieces if not isinstance(piece, Accepted)]
    assert isinstance(spoken[0], Started)
    last = pieces[-1]
    assert isinstance(last, Completed)
    assert sum(isinstance(piece, Started) for piece in pieces) == 1
    assert sum(isinstance(piece, Completed) for piece in pieces) == 1
    said = "".join(piece.text for piece in pieces if isinstance(piece, TextDelta))
    assert said == last.text
    assert said.strip() == LONG.strip()
    assert all(piece.text for piece in pieces if isinstance(piece, TextDelta | ThoughtDelta))
    assert stage.received == 1


@pytest.mark.parametrize(
    ("how", "expected", "generated"),
    [
        ("limit", Spent, "no"),
        ("login", SignedOut, "no"),
        ("server", Broken, "maybe"),
        ("cut", Broken, "maybe"),
        ("silence", Stalled, "maybe"),
        ("unreachable", Unreachable, "no"),
    ],
)
async def test_a_failure_says_who_is_to_blame_and_whether_anything_was_generated(
    stage: Stage, how: str, expected: type[GatewayError], generated: str
) -> None:
    found = await opened(stage)
    await stage.fails(how)
    with pytest.raises(expected) as caught:
        await pieces_of(stage.upstream, prompt_for(found))
    assert caught.value.generated == generated
    assert caught.value.en != caught.value.zh or isinstance(stage, Scripted)
    assert stage.received <= 1  # never sent again by the upstream itself


async def test_closing_the_stream_stops_the_call(stage: Stage) -> None:
    stage.says(LONG, slowly=True)
    found = await opened(stage)
    async with aclosing(stage.upstream.stream(prompt_for(found))) as stream:
        async for piece in stream:
            if isinstance(piece, Started):
                break
        assert stage.under_way == 1
    await until(lambda: not stage.under_way)


async def test_cancelling_the_task_stops_the_call(stage: Stage) -> None:
    if isinstance(stage, Scripted):
        stage.upstream.gate = asyncio.Event()
    else:
        stage.says(LONG, slowly=True)
    task = asyncio.create_task(pieces_of(stage.upstream, prompt_for(await opened(stage))))
    async with asyncio.timeout(PATIENCE):
        while not stage.under_way:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        while stage.under_way:
            await asyncio.sleep(0.01)


async def test_calls_run_side_by_side_and_do_not_mix(stage: Stage) -> None:
    stage.says(LONG)
    found = await opened(stage)
    answers = await asyncio.gather(*(pieces_of(stage.upstream, prompt_for(found, str(n))) for n in range(5)))
    assert [answer[-1].text.strip() for answer in answers] == [LONG.strip()] * 5  # type: ignore[union-attr]
    assert stage.received == 5


async def test_a_file_goes_up_once_and_with_every_prompt_that_names_it(stage: Stage) -> None:
    found = await opened(stage)
    data = "naïve 文本\n".encode() * 50
    handle = await stage.upstream.upload(uploaded(data))
    assert isinstance(handle, str)
    assert handle
    for _ in range(2):
        await pieces_of(
            stage.upstream, prompt_for(found, "read this", files=(SentFile(handle, "notes.txt", "text/plain"),))
        )
        assert stage.files() == [("text/plain", data)]


async def test_a_image_is_told_and_its_bytes_can_be_had_while_the_answer_is_held(stage: Stage) -> None:
    image = png()
    stage.says(image)
    prompt = prompt_for(await opened(stage), "a cat", stage.image_model)
    async with aclosing(stage.upstream.stream(prompt)) as stream:
        fetched = [
            await stage.upstream.fetch_image(piece.ref, None) async for piece in stream if isinstance(piece, ImageReady)
        ]
    assert [(one.data, one.mime) for one in fetched] == [(image, "image/png")]
    assert fetched[0].source in ("full_size", "inline")
    assert "b'" not in repr(fetched[0])


async def test_what_is_closed_can_be_opened_again(stage: Stage) -> None:
    await opened(stage)
    await stage.upstream.close()
    await stage.upstream.close()
    assert (await opened(stage)).models
