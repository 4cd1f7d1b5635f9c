"""What the words beside a video or music mean: that there will be none, and why; or that it is being made."""

from __future__ import annotations

import re
from typing import Final

from gemgate.errors import GatewayError, NoMusic, NoVideo, Spent, their_words
from gemgate.findings import Findings, Media
from gemgate.frozen import frozen
from gemgate.gateway.image_refusals import nobody_signed_in
from gemgate.media import MediaKind
from gemgate.ports.upstream import Completed
from gemgate.prompting.refusal import meaning_of

_PHRASES = (
    (
        r"\b(?:isn't|is not|aren't|are not|not yet) (?:currently )?available\b"
        r".{0,40}\b(?:plan|account|country|region|tier)\b"
    ),
    r"\b(?:upgrade|subscribe) to\b",
    r"\b(?:subscription|google ai (?:pro|ultra))\b",
    r"(?:升级|订阅|升級|訂閱).{0,20}(?:视频|影片|音乐|音樂|Google|套餐|方案)",
    r"(?:方案|套餐|账号|帳號|地区|地區).{0,12}(?:不支持|无法使用|無法使用)",
)
_NO_ACCESS = re.compile("|".join(_PHRASES), re.IGNORECASE)


@frozen
class MediaWords:
    """How a kind of media is called in errors. none: the error that there is none; one, many: `video`, `videos`."""

    none: type[NoVideo | NoMusic]
    one: str
    many: str
    zh: str


WORDS: Final[dict[MediaKind, MediaWords]] = {
    "video": MediaWords(NoVideo, "video", "videos", "视频"),
    "music": MediaWords(NoMusic, "music", "music", "音乐"),
}


def media_in(kind: MediaKind, found: Findings) -> tuple[Media, ...]:
    """The files that an answer brings: the video, or the music, the sound before the film of it."""
    files = [one for one in found.media if _is_file(one)]
    if kind == "video":
        return tuple(one for one in files if one.kind == "video")[:1]
    return tuple(sorted(files, key=lambda one: one.kind != "audio"))[:2]


def _is_file(media: Media) -> bool:
    """Whether it is sound or a film: beside music stand its words as well."""
    return not media.mime or media.mime.startswith(("audio/", "video/"))


def check_media_outcome(kind: MediaKind, piece: Completed) -> None:
    """At the end of an answer that should lead to media: raise what its words say of there being none."""
    if not media_in(kind, piece.findings) and (error := media_refusal(kind, piece.text)) is not None:
        raise error


def media_refusal(kind: MediaKind, text: str) -> GatewayError | None:
    """Why there will be none; None where the words do not say so. Nothing is asked again here: Google answered."""
    shown, words = their_words(text) or "(no text)", WORDS[kind]
    if _NO_ACCESS.search(text):
        return Spent(
            f"This account may make no {words.many}: {shown}",
            f"该账号无法生成{words.zh}：{shown}",
            generated="maybe",
            code=f"{kind}_no_access",
            quoted=shown,
        )
    match meaning_of(text):
        case "quota":
            return Spent(
                f"Google says the account's {words.many} are used up: {shown}"
                if kind == "video"
                else f"Google says the account's music is used up: {shown}",
                f"该账号的{words.zh}额度已用完：{shown}",
                generated="maybe",
                code=f"{kind}_quota",
                quoted=shown,
            )
        case "signed_out":
            return nobody_signed_in(shown)
        case "refusal" | "wrong_model":
            return refused(kind, text)
        case "other":
            return None


def refused(kind: MediaKind, text: str) -> NoVideo | NoMusic:
    """Words in place of what was asked for."""
    shown, words = their_words(text) or "(no text)", WORDS[kind]
    return words.none(
        f"Google made no {words.one}: {shown}",
        f"Google 没有生成{words.zh}：{shown}",
        answer=text,
        generated="maybe",
        code=f"{kind}_refused",
        quoted=shown,
    )


def no_access(kind: MediaKind, error: GatewayError) -> NoVideo | NoMusic:
    """No account of ours may make such media."""
    words = WORDS[kind]
    return words.none(
        f"{words.one.capitalize()} is not available: {error.en}",
        f"无法生成{words.zh}：{error.zh}",
        generated=error.generated,
        code=f"{kind}_not_available",
        quoted=error.quoted,
    )
