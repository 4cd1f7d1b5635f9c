"""Transcriptions and translations judged by OpenAI's SDK, over a Google that is strict about files."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from openai.types.audio import Transcription, TranscriptionVerbose, TranslationVerbose

from gemgate_simulator import Simulator
from tests.support import audio_files as made
from tests.support.serving import Served, served, settings_for

WORDS = "Guten Morgen. Heute geht es um die Frage, wie man in Ulm am besten zum Münster kommt."
MARK = "attached recording"

pytestmark = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")


@pytest.fixture
async def client(gate: Served) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="any", max_retries=2) as made:
        yield made


@pytest.fixture
def speech(sim: Simulator) -> Simulator:
    sim.google.reply(MARK, WORDS)
    return sim


def ask(**more: Any) -> dict[str, Any]:
    return {"file": ("speech.wav", made.wav(1.5)), "model": "whisper-1", **more}


async def test_the_answer_is_the_transcript_and_one_generation(client: openai.AsyncOpenAI, speech: Simulator) -> None:
    answer = await client.audio.transcriptions.create(**ask())
    assert isinstance(answer, Transcription)
    assert answer.text == WORDS
    assert answer.usage.type == "tokens"
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens > 0
    assert speech.record.generations == 1
    call = speech.record.calls[-1]
    assert [(file.name, file.mime, file.data) for file in call.files] == [("speech.wav", "audio/wav", made.wav(1.5))]
    assert call.temporary, "a recording leaves no chat in the account"


RECORDINGS = {
    "WAV": (("a.wav", made.wav()), ("a.wav", "audio/wav")),
    "its bytes tell": (("a.mp3", made.wav()), ("a.mp3.wav", "audio/wav")),
    "without a name": (made.mp3(), ("upload.mp3", "audio/mpeg")),
    "MPEG": (("a.mpga", made.mp3(), "audio/mpga"), ("a.mpga", "audio/mpeg")),
    "FLAC": (("a.flac", made.flac(), "application/octet-stream"), ("a.flac", "audio/flac")),
    "OGG": (("a.opus", made.opus(), "text/plain"), ("a.opus", "audio/ogg")),
    "M4A": (("Aufnahme 1.m4a", made.mp4(), "audio/x-m4a"), ("Aufnahme 1.m4a", "audio/mp4")),
    "film": (("a.mp4", made.mp4(handler=b"vide", brand=b"isom")), ("a.mp4", "video/mp4")),
    "WebM": (("a.webm", made.webm(), "audio/webm"), ("a.webm", "video/webm")),
}


async def test_every_kind_of_recording_is_heard(client: openai.AsyncOpenAI, speech: Simulator) -> None:
    for kind, (file, seen) in RECORDINGS.items():
        assert (await client.audio.transcriptions.create(**ask(file=file))).text == WORDS, kind
        assert [(one.name, one.mime) for one in speech.record.calls[-1].files] == [seen], kind


async def test_a_chat_sends_recordings_as_their_bytes_say(client: openai.AsyncOpenAI, speech: Simulator) -> None:
    sound = {"data": base64.b64encode(made.mp3()).decode(), "format": "mp3"}
    content: Any = [{"type": "text", "text": "What is said?"}, {"type": "input_audio", "input_audio": sound}]
    await client.chat.completions.create(
        model="gemini-3-flash-preview", messages=[{"role": "user", "content": content}]
    )
    assert [(one.name, one.mime) for one in speech.record.calls[-1].files] == [("audio.mp3", "audio/mpeg")]


@pytest.mark.parametrize(("file", "language", "seconds"), [(made.wav(1.5), "de", 1.5), (made.webm(), None, None)])
async def test_verbose_tells_what_is_known_and_makes_nothing_up(
    client: openai.AsyncOpenAI, speech: Simulator, file: bytes, language: str | None, seconds: float | None
) -> None:
    more = {"language": language} if language else {}
    answer = await client.audio.transcriptions.create(**ask(file=file, response_format="verbose_json", **more))
    assert isinstance(answer, TranscriptionVerbose)
    assert (answer.text, answer.language, answer.duration) == (WORDS, language or "unknown", seconds)
    assert (answer.segments, answer.words) == ([], [])
    assert (answer.usage and answer.usage.seconds) == seconds


async def test_plain_text_is_the_words_and_nothing_before_them(client: openai.AsyncOpenAI, speech: Simulator) -> None:
    raw = await client.audio.transcriptions.with_raw_response.create(**ask(response_format="text"))
    assert raw.parse() == WORDS
    assert raw.headers["content-type"] == "text/plain; charset=utf-8"


async def test_a_stream_is_deltas_and_the_whole(client: openai.AsyncOpenAI, speech: Simulator) -> None:
    models = ["whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gemini-3.0-pro"]
    for number, model in enumerate(models, 1):
        stream = await client.audio.transcriptions.create(**ask(model=model, stream=True))
        events = [event async for event in stream]
        assert [event.type for event in events[:-1]] == ["transcript.text.delta"] * (len(events) - 1)
        assert len(events) > 2
        assert "".join(event.delta for event in events[:-1]) == events[-1].text == WORDS
        assert events[-1].type == "transcript.text.done"
        assert events[-1].usage.type == "tokens"
        assert speech.record.generations == number
    assert [call.model for call in speech.record.calls] == ["gemini-flash"] * 3 + ["gemini-pro"]


async def test_a_translation_asks_for_english(client: openai.AsyncOpenAI, speech: Simulator) -> None:
    answer = await client.audio.translations.create(**ask(prompt="Ulm Minster"))
    assert answer.text == WORDS
    verbose = await client.audio.translations.create(**ask(response_format="verbose_json"))
    assert isinstance(verbose, TranslationVerbose)
    assert (verbose.language, verbose.duration, verbose.segments) == ("english", 1.5, [])
    assert all("translated into English" in call.prompt for call in speech.record.calls)
    assert "Ulm Minster" in speech.record.calls[0].prompt


async def test_hints_go_into_the_prompt_and_other_wishes_are_named(
    client: openai.AsyncOpenAI, speech: Simulator
) -> None:
    raw = await client.audio.transcriptions.with_raw_response.create(
        **ask(
            language="de",
            languages=["en", "fr"],
            keywords=["Münster"],
            prompt="Dr. Zeiß",
            temperature=0.2,
            include=["logprobs"],
            chunking_strategy={"type": "server_vad", "threshold": 0.3},
            known_speaker_names=["Ann"],
        )
    )
    ignored = raw.headers["x-gemgate-ignored"].split(", ")
    assert sorted(ignored) == ["chunking_strategy", "include", "known_speaker_names", "temperature"]
    prompt = speech.record.calls[-1].prompt
    assert all(word in prompt for word in ("de, en, fr", "Münster", "Dr. Zeiß"))
    assert raw.headers["x-gemgate-served-model"]


REFUSED = {
    "srt": ({"response_format": "srt"}, "response_format", "when a word was said"),
    "vtt": ({"response_format": "vtt"}, "response_format", "when a word was said"),
    "speakers": ({"response_format": "diarized_json"}, "response_format", "tells speakers apart"),
    "times": (
        {"response_format": "verbose_json", "timestamp_granularities": ["word"]},
        "timestamp_granularities",
        "when a word was said",
    ),
    "no recording": ({"file": ("a.mp3", b"hello, world")}, "file", "Invalid file format"),
    "a picture": ({"file": ("a.mp3", b"\x89PNG\r\n\x1a\n" + bytes(60))}, "file", "Invalid file format"),
    "nothing": ({"file": ("a.mp3", b"")}, "file", "empty"),
    "temperature": ({"temperature": 1.5}, "temperature", "must be at most 1"),
    "a painter": ({"model": "gemini-2.5-flash-image"}, "model", "makes pictures"),
    "an unknown form": ({"response_format": "xml"}, "response_format", "response_format"),
}


async def test_what_cannot_be_had_is_refused_before_anything_is_generated(
    client: openai.AsyncOpenAI, speech: Simulator
) -> None:
    for case, (more, param, said) in REFUSED.items():
        with pytest.raises(openai.BadRequestError, match=said) as caught:
            await client.audio.transcriptions.create(**ask(**more))
        assert (caught.value.param, caught.value.type) == (param, "invalid_request_error"), case
    assert speech.record.received == 0


async def test_forms_that_are_none(gate: Served, speech: Simulator) -> None:
    async with aiohttp.ClientSession(gate.url) as http:
        for body, told in (
            ({"json": {"model": "whisper-1"}}, "must be multipart/form-data"),
            ({"data": aiohttp.FormData({"model": "whisper-1", "x": "y"}, default_to_multipart=True)}, "file"),
            ({"data": aiohttp.FormData({"file": "words"}, default_to_multipart=True)}, "part of the form"),
        ):
            async with http.post("/v1/audio/transcriptions", **body) as answer:
                assert answer.status == 400
                assert told in (await answer.json())["error"]["message"]
        async with http.post("/v1/audio/speech", json={}) as answer:
            assert (answer.status, (await answer.json())["error"]["type"]) == (404, "invalid_request_error")
    assert speech.record.received == 0


NO_TRANSCRIPT = {
    "a refusal": ("I'm sorry, but I can't transcribe this recording.", 400, "transcription_refused"),
    "an excuse": ("很抱歉，我无法听取您的音频文件，请重新上传。", 400, "transcription_refused"),
    "nothing was heard": ("[no audio]", 422, "audio_not_heard"),
    "no word": (" ", 422, "empty_transcript"),
}


@pytest.mark.parametrize("streamed", [False, True])
async def test_what_is_no_transcript_is_an_error_and_is_not_asked_again(
    client: openai.AsyncOpenAI, sim: Simulator, streamed: bool
) -> None:
    async def transcribe() -> None:
        answer = await client.audio.transcriptions.create(**ask(stream=streamed))
        if streamed:
            assert [event async for event in answer] == []

    for number, (said, status, code) in enumerate(NO_TRANSCRIPT.values(), 1):
        sim.google.reply(MARK, said)
        with pytest.raises(openai.APIError) as caught:
            await transcribe()
        assert caught.value.code == code
        if not streamed:
            assert isinstance(caught.value, openai.APIStatusError)
            assert caught.value.status_code == status
        assert sim.record.generations == number, "the SDK may try three times"


async def test_a_recording_without_speech_has_no_words(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    sim.google.reply(MARK, "[no speech]")
    assert (await client.audio.transcriptions.create(**ask())).text == ""
    stream = await client.audio.transcriptions.create(**ask(stream=True))
    assert [(event.type, event.text) async for event in stream] == [("transcript.text.done", "")]


async def test_words_that_sound_like_an_excuse_are_words(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    said = "I'm sorry I was late this morning, the train could not leave Ulm. " * 8
    sim.google.reply(MARK, said.strip())
    assert (await client.audio.transcriptions.create(**ask())).text == said.strip()


async def test_a_failure_of_google_is_told_in_openais_words(client: openai.AsyncOpenAI, speech: Simulator) -> None:
    speech.google.fault("generate", "code", code=1037, times=-1)
    with pytest.raises(openai.RateLimitError) as caught:
        await client.with_options(max_retries=0).audio.transcriptions.create(**ask())
    assert caught.value.type == "rate_limit_error"
    assert speech.record.generations == 0


async def test_the_sync_client(gate: Served, speech: Simulator) -> None:
    def transcribe() -> tuple[str, list[str]]:
        with openai.OpenAI(base_url=gate.url + "/v1", api_key="any", max_retries=0) as sync:
            whole = sync.audio.transcriptions.create(**ask()).text
            return whole, [event.type for event in sync.audio.transcriptions.create(**ask(stream=True))]

    whole, types = await asyncio.to_thread(transcribe)
    assert whole == WORDS
    assert types[-1] == "transcript.text.done"


async def test_nothing_stands_before_plain_text_however_long_it_takes(sim: Simulator, tmp_path: Path) -> None:
    sim.google.reply(MARK, WORDS, delay=0.6)
    slow = settings_for(sim, tmp_path, keepalive_seconds=0.2)
    async with served(slow) as gate, openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="any") as client:
        raw = client.audio.transcriptions.with_raw_response
        plain, told = await raw.create(**ask(response_format="text")), await raw.create(**ask())
    assert (plain.text, plain.headers.get("x-gemgate-keepalive")) == (WORDS, None)
    assert told.text.startswith(" ")
    assert (told.parse().text, told.headers["x-gemgate-keepalive"]) == (WORDS, "1")


async def test_a_key_that_may_not_chat_may_not_have_recordings_written_down(sim: Simulator, tmp_path: Path) -> None:
    sim.google.reply(MARK, WORDS)
    keys = settings_for(sim, tmp_path, api_key="ann:a", admin_key="administrator", rate_limit_per_hour=1)
    async with served(keys) as gate, aiohttp.ClientSession(gate.url) as http:
        order = {"name": "painter", "operations": ["images"]}
        async with http.post("/api/keys", json=order, headers={"authorization": "Bearer administrator"}) as answer:
            painter = (await answer.json())["key"]
        async with openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key=painter, max_retries=0) as client:
            with pytest.raises(openai.PermissionDeniedError):
                await client.audio.transcriptions.create(**ask())
        async with openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="a", max_retries=0) as client:
            await client.audio.transcriptions.create(**ask())
            with pytest.raises(openai.RateLimitError):
                await client.audio.translations.create(**ask())
        async with http.get("/metrics", headers={"authorization": "Bearer administrator"}) as answer:
            assert 'operation="audio.transcriptions"' in await answer.text()
    assert sim.record.generations == 1
