"""The official API's own matters: keys, limits and their delays, refusals, sizes, thoughts, and no key anywhere."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gemgate.chat import TextDelta, ThoughtDelta
from gemgate.errors import BadRequest, Broken, Drift, GatewayError, ModelGone, Refused, Rejected, SignedOut, Spent
from gemgate.findings import Citation, Findings, WebSource
from gemgate.ports.upstream import Completed, Deadlines, Prompt, SentFile, Unknown, UpstreamEvent
from gemgate.upstreams.official import KeyPlace, OfficialUpstream
from gemgate.upstreams.official.wire import Events
from tests.support import official
from tests.support.official import Failure, OfficialApi, bad_key, quota, refusal

FAST = Deadlines(connect=5, first_byte=4, idle=4, total=20)


@pytest.fixture
async def api() -> AsyncIterator[OfficialApi]:
    async with OfficialApi().serving() as api:
        yield api
    assert api.broken_rules == []


@pytest.fixture
async def upstream(api: OfficialApi) -> AsyncIterator[OfficialUpstream]:
    place = KeyPlace("env:KEY", environ={"KEY": official.KEY})
    upstream = OfficialUpstream(place, base_url=api.url, deadlines=FAST)
    upstream.offers = (await upstream.open(None)).models  # type: ignore[attr-defined]
    yield upstream
    await upstream.close()


def prompt(upstream: Any, model: str = "gemini-2.5-flash", **more: Any) -> Prompt:
    return Prompt("hello", next(offer for offer in upstream.offers if offer.name == model), **more)


async def answer(upstream: OfficialUpstream, model: str = "gemini-2.5-flash", **more: Any) -> list[UpstreamEvent]:
    return [piece async for piece in upstream.stream(prompt(upstream, model, **more))]


def parts(*rows: dict[str, Any], **candidate: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"role": "model", "parts": list(rows)}, **candidate}]}


async def test_only_chat_models_are_offered_from_all_pages(upstream: Any) -> None:
    assert [offer.name for offer in upstream.offers] == [name for name, _, _ in official.MODELS]
    assert upstream.offers[0].id == "models/gemini-3-flash-preview"


@pytest.mark.parametrize(
    ("failure", "expected", "generated"),
    [
        (bad_key(), SignedOut, "no"),
        (refusal(401, "UNAUTHENTICATED", "no credentials"), SignedOut, "no"),
        (refusal(403, "PERMISSION_DENIED", "the API is not enabled in this project"), Rejected, "no"),
        (refusal(400, "FAILED_PRECONDITION", "User location is not supported"), Rejected, "no"),
        (refusal(400, "INVALID_ARGUMENT", "The input token count exceeds the maximum"), BadRequest, "no"),
        (refusal(404, "NOT_FOUND", "not found for API version v1beta"), ModelGone, "no"),
        (quota("7s"), Spent, "no"),
        (refusal(500, "INTERNAL", "An internal error has occurred"), Broken, "maybe"),
        (refusal(503, "UNAVAILABLE", "The model is overloaded"), Broken, "maybe"),
        (refusal(504, "DEADLINE_EXCEEDED", "too slow"), Broken, "maybe"),
        (Failure(502, "<html>Bad Gateway</html>"), Broken, "maybe"),
        (
            Failure(429, [{"error": {"code": 429, "message": "in an array", "status": "RESOURCE_EXHAUSTED"}}]),
            Spent,
            "no",
        ),
        (Failure(cut="within"), Broken, "maybe"),
        (Failure(cut="end"), Broken, "maybe"),
        (Failure(cut="error", body=quota("7s").body), Spent, "maybe"),
        (Failure(cut="error", body={"error": {"code": 500, "message": "half way"}}), Broken, "maybe"),
        (Failure(cut="error", body=["nonsense"]), Drift, "maybe"),
    ],
)
async def test_every_failure_is_named_and_the_prompt_is_sent_once(
    api: OfficialApi, upstream: OfficialUpstream, failure: Failure, expected: type[GatewayError], generated: str
) -> None:
    api.failure = failure
    with pytest.raises(expected) as caught:
        await answer(upstream)
    assert caught.value.generated == generated
    assert api.received == 1


@pytest.mark.parametrize(
    ("failure", "seconds"),
    [
        (quota("36s"), 36),
        (quota("2.5s"), 2.5),
        (quota("36s", "GenerateRequestsPerDayPerProjectPerModel-FreeTier"), None),  # a delay that means nothing
        (refusal(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted"), None),
    ],
)
async def test_a_limit_lasts_as_long_as_google_says(
    api: OfficialApi, upstream: OfficialUpstream, failure: Failure, seconds: float | None
) -> None:
    api.failure = failure
    before = time.time()
    with pytest.raises(Spent) as caught:
        await answer(upstream)
    if seconds is None:
        assert caught.value.resets_at is None
    else:
        assert before + seconds <= caught.value.resets_at <= time.time() + seconds  # type: ignore[operator]


@pytest.mark.parametrize(
    "chunks",
    [
        [{"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}],
        [parts(finishReason="SAFETY")],
        [parts({"text": "I will tell you how to "}), {"candidates": [{"finishReason": "PROHIBITED_CONTENT"}]}],
        [{"candidates": [{"finishReason": "IMAGE_SAFETY", "finishMessage": "Unable to show the generated image."}]}],
    ],
)
async def test_a_refusal_is_told_from_a_failure(
    api: OfficialApi, upstream: OfficialUpstream, chunks: list[dict[str, Any]]
) -> None:
    api.answer = lambda _: chunks
    with pytest.raises(Refused) as caught:
        await answer(upstream)
    assert caught.value.code == "content_policy_violation"


async def test_thoughts_are_asked_for_where_the_model_has_them(api: OfficialApi, upstream: OfficialUpstream) -> None:
    api.answer = lambda _: [parts({"text": "hm", "thought": True}), parts({"text": "42"}, finishReason="STOP")]
    pieces = await answer(upstream, extended_thinking=True)
    assert [piece.text for piece in pieces if isinstance(piece, ThoughtDelta)] == ["hm"]
    assert [piece.text for piece in pieces if isinstance(piece, TextDelta)] == ["42"]
    assert api.bodies[0]["generationConfig"] == {"thinkingConfig": {"includeThoughts": True}}
    await answer(upstream, "gemini-2.0-flash", extended_thinking=True)
    assert "generationConfig" not in api.bodies[1]


@pytest.mark.parametrize("named", ["gemini-3-flash-002", ""])
async def test_the_model_that_answered_is_the_one_that_the_answer_names(
    api: OfficialApi, upstream: OfficialUpstream, named: str
) -> None:
    version = {"modelVersion": named} if named else {}
    api.answer = lambda _: [
        {**parts({"text": "4"}), **version},
        {**parts({"text": "2"}, finishReason="STOP"), **version},
    ]
    end = (await answer(upstream))[-1]
    assert isinstance(end, Completed)
    assert (end.served, end.painter) == (named, "")


@pytest.mark.parametrize(
    ("model", "long_side", "config"),
    [
        ("gemini-2.5-flash-image", None, {"responseModalities": ["TEXT", "IMAGE"]}),
        ("gemini-3-pro-image-preview", 2048, {"imageConfig": {"imageSize": "2K"}}),
        ("gemini-3-pro-image-preview", 4096, {"imageConfig": {"imageSize": "4K"}}),
    ],
)
async def test_the_size_that_an_id_promises_is_asked_for(
    api: OfficialApi, upstream: OfficialUpstream, model: str, long_side: int | None, config: dict[str, Any]
) -> None:
    await answer(upstream, model, long_side=long_side)
    assert api.bodies[0]["generationConfig"] == {"responseModalities": ["TEXT", "IMAGE"]} | config


async def test_a_key_is_read_anew_and_a_missing_one_says_where_it_should_be(api: OfficialApi, tmp_path: Path) -> None:
    path = tmp_path / "key"
    upstream = OfficialUpstream(KeyPlace("file:key", tmp_path), base_url=api.url)
    with pytest.raises(SignedOut, match=str(path)):
        await upstream.open(None)
    path.write_text("\n")
    with pytest.raises(SignedOut, match="empty"):
        await upstream.open(None)
    path.write_text("two words")
    with pytest.raises(SignedOut, match="one word"):
        await upstream.open(None)
    path.write_text("AIza-an-old-one\n")
    with pytest.raises(SignedOut, match="API key not valid"):
        await upstream.open(None)
    path.write_text(f"{official.KEY}\n# of the project gemgate\n")
    assert (await upstream.open(None)).models
    await upstream.close()
    with pytest.raises(SignedOut, match="environment variable NO_SUCH_KEY is not set"):
        await OfficialUpstream(KeyPlace("env:NO_SUCH_KEY", environ={}), base_url=api.url).open(None)


async def test_the_key_never_stands_in_an_error(api: OfficialApi, upstream: OfficialUpstream) -> None:
    api.failure = bad_key(official.KEY)
    with pytest.raises(SignedOut, match="has been suspended") as caught:
        await answer(upstream)
    assert official.KEY not in caught.value.en + caught.value.zh + str(caught.value) + repr(upstream.__dict__["_place"])


async def test_cookies_mean_nothing_to_an_api_key(upstream: OfficialUpstream) -> None:
    with pytest.raises(BadRequest, match="no cookies"):
        await upstream.rotate()
    assert await upstream.read_chat("c_1") is None
    assert await upstream.has_chat("c_1") is False
    assert (await upstream.usage()).windows == ()


async def test_a_file_that_is_gone_is_not_sent_as_nothing(api: OfficialApi, upstream: OfficialUpstream) -> None:
    with pytest.raises(Broken, match="send it again") as caught:
        await answer(upstream, files=(SentFile("0" * 64 + "/text/plain", "a.txt", "text/plain"),))
    assert caught.value.generated == "no"
    assert api.received == 0


def test_events_are_found_however_the_bytes_are_cut() -> None:
    stream = b'data: {"a":1}\r\n\r\n: a comment\n\ndata: {"b":\ndata: 2}\n\ndata: {"c":3}'
    for size in range(1, len(stream) + 1):
        events = Events()
        found = [one for at in range(0, len(stream), size) for one in events.feed(stream[at : at + size])]
        assert [*found, *events.end()] == [b'{"a":1}', b'{"b":\n2}', b'{"c":3}']


@pytest.mark.parametrize("offered", [False, True])
async def test_an_offered_search_goes_along_and_its_sources_come_back(
    api: OfficialApi, upstream: OfficialUpstream, offered: bool
) -> None:
    chunks = [{"web": {"uri": "https://example.org/tides", "title": "Tides"}}, {"maps": {}}]
    support = {"segment": {"startIndex": 7, "endIndex": 12}, "groundingChunkIndices": [0, 1]}
    found = {"groundingChunks": chunks, "groundingSupports": [support, {"segment": {}, "groundingChunkIndices": [0]}]}
    api.answer = lambda _: [
        parts({"text": "月亮 "}),
        parts({"text": "pulls."}, finishReason="STOP", groundingMetadata=found if offered else ["odd"]),
    ]
    *_, last = await answer(upstream, searches=offered)
    assert isinstance(last, Completed)
    assert ("tools" in api.bodies[0]) is offered
    if offered:
        assert api.bodies[0]["tools"] == [{"googleSearch": {}}]
        assert last.findings == Findings((WebSource("https://example.org/tides", "Tides"),), (Citation(3, 8, (0,)),))


async def test_a_grounding_of_another_form_is_told_and_costs_no_words(
    api: OfficialApi, upstream: OfficialUpstream
) -> None:
    api.answer = lambda _: [parts({"text": "Low."}, finishReason="STOP", groundingMetadata={"groundingChunks": ["x"]})]
    pieces = await answer(upstream, searches=True)
    assert Unknown("grounding") in pieces
    assert isinstance(pieces[-1], Completed)
    assert (pieces[-1].text, pieces[-1].findings) == ("Low.", Findings())
