"""A chat with a model that makes videos or music: an order like any other, waited for and told as an answer.

Who leaves ends nothing: the video or music is made all the same, and stands among the jobs.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import Final, Literal

from gemgate.caller import Caller
from gemgate.catalog import ModelCard
from gemgate.chat import Began, ChatRequest, Ended, Event, File, Found, Image, Message, TextDelta, Usage
from gemgate.errors import BadRequest, GatewayError
from gemgate.findings import Findings, Media, markdown
from gemgate.jobs.media import MediaJobs
from gemgate.jobs.media_runner import key_of
from gemgate.media import MadeMedia, MediaCall, MediaFile, MediaRequest, MusicRequest, VideoRequest

MOST_INLINE: Final = 8_000_000
"""Bytes of a file that is told with its bytes, where the dialect can; a larger one is a link."""


def media_call(chat: ChatRequest, card: ModelCard) -> MediaCall:
    """What the last message of a chat orders. BadRequest for one without words, with files, or for several answers."""
    if chat.n > 1:
        raise BadRequest(f"{card.id} gives one answer a call", f"{card.id} 每次调用只给出一个结果", param="n")
    if chat.transcription is not None:
        raise BadRequest(f"{card.id} writes nothing down", f"{card.id} 不能转写", param="model")
    last = next((message for message in reversed(chat.messages) if message.role == "user"), Message("user", ()))
    if any(isinstance(part, File) for part in last.parts):
        raise BadRequest(
            f"{card.id} takes words and one image only", f"{card.id} 只接受文字和一张图片", param="messages"
        )
    prompt = last.text.strip()
    if not prompt:
        raise BadRequest("The prompt is empty", "提示词为空", param="messages")
    images = tuple(part.source for part in last.parts if isinstance(part, Image))
    if len(images) > 1:
        raise BadRequest(f"{card.id} takes at most one image", f"{card.id} 最多接受一张图片", param="messages")
    request: MediaRequest
    wished: dict[str, str] = {}
    if card.kind == "video":
        request = VideoRequest(prompt, references=images)
    else:
        request = MusicRequest(prompt, references=images)
        wished = {"length": request.length, "instrumental": "false"}
    heard = {
        "earlier messages": len(chat.messages) > 1,
        "tools": bool(chat.tools),
        "response_format": chat.response_format.kind != "text",
        "stop": bool(chat.stop),
    }
    return MediaCall(request, card.id, wished, (*chat.ignored, *(name for name, given in heard.items() if given)))


async def told(
    jobs: MediaJobs,
    caller: Caller,
    made: MadeMedia,
    link: Callable[[MadeMedia, MediaFile], str],
    *,
    plays: bool,
    prompt_tokens: int,
) -> AsyncGenerator[Event, None]:
    """The answer, once the files are here: links to them, and where the dialect `plays` them, the files themselves.

    link: the address of a file. Raises why there is none.
    """
    made = await jobs.ended(caller, made.id)
    if made.error is not None:
        raise made.error
    media = tuple([await _media(jobs, made, file, link(made, file), inline=plays) for file in made.files])
    yield Began(made.model)
    yield TextDelta(links(media))
    if plays:
        yield Found(Findings(media=media))
    yield Ended("stop", Usage(prompt_tokens))


def links(media: tuple[Media, ...]) -> str:
    """The files as Markdown."""
    return markdown(Findings(media=media)).lstrip("\n")


async def _media(jobs: MediaJobs, made: MadeMedia, file: MediaFile, url: str, *, inline: bool) -> Media:
    kind: Literal["audio", "video"] = "audio" if file.mime.startswith("audio/") else "video"
    key = key_of(made.id, made.kind, file.mime)
    data = None
    if inline and file.nbytes <= MOST_INLINE:
        with suppress(GatewayError):  # then the link is all there is
            data = (await jobs.blobs.get(key)).data
    return Media(kind, url, key.rpartition("/")[2], file.mime, file.nbytes, own=True, data=data)
