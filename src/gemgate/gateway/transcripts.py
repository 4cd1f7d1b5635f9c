"""Answers that have to be a transcript: their words pass, and what came instead of them is an error."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from gemgate.catalog import ModelCard
from gemgate.chat import ChatRequest, Ended, Event, Text, TextDelta, Transcription
from gemgate.errors import BadRequest, GatewayError, OutputInvalid, Refused, their_words
from gemgate.prompting.transcription import TranscriptFilter, instructions


def asked_for(request: ChatRequest, wanted: Transcription, card: ModelCard) -> ChatRequest:
    """The same request with the words that ask for the transcript, in front of the recording. BadRequest for a model
    that makes images.
    """
    if card.kind == "image":
        raise BadRequest(
            f"{card.id} makes pictures; name a model that answers in words",
            f"{card.id} 用于生成图片；请使用以文字回答的模型",
            param="model",
            code="model_not_supported",
        )
    *before, last = request.messages
    return replace(request, messages=(*before, replace(last, parts=(Text(instructions(wanted)), *last.parts))))


async def only_words(events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
    """The same events with the words of the recording alone. A recording without speech has an empty text.

    Refused, OutputInvalid: the answer was about the recording, or nothing at all. A generation happened.
    """
    words = TranscriptFilter()
    async with aclosing(events):
        async for event in events:
            match event:
                case TextDelta(text):
                    if told := words.feed(text):
                        yield TextDelta(told)
                case Ended():
                    if told := words.finish():
                        yield TextDelta(told)
                    if (error := _error_of(words)) is not None:
                        raise error
                    yield event
                case _:
                    yield event


def _error_of(words: TranscriptFilter) -> GatewayError | None:
    shown = their_words(words.held)
    match words.outcome:
        case "refused":
            return Refused(
                f"Google did not write down the recording: {shown}",
                f"Google 没有转写这段录音：{shown}",
                answer=words.held,
                generated="maybe",
                code="transcription_refused",
                quoted=shown,
            )
        case "no_audio":
            return OutputInvalid(
                "Google could not hear the recording; send it in another format, such as MP3 or WAV",
                "Google 无法听到这段录音；请换一种格式，例如 MP3 或 WAV",
                generated="maybe",
                param="file",
                code="audio_not_heard",
            )
        case "empty":
            return OutputInvalid(
                "Google answered without a word",
                "Google 的回答没有任何文字",
                generated="maybe",
                code="empty_transcript",
            )
        case _:
            return None
