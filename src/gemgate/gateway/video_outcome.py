"""What the words beside a video mean: that there will be none, and why; or that it is being made."""

from __future__ import annotations

import re

from gemgate.errors import GatewayError, NoVideo, Spent
from gemgate.findings import Findings, Media
from gemgate.gateway.image_refusals import nobody_signed_in
from gemgate.ports.upstream import Completed
from gemgate.prompting.refusal import meaning_of

_PHRASES = (
    (
        r"\b(?:isn't|is not|aren't|are not|not yet) (?:currently )?available\b"
        r".{0,40}\b(?:plan|account|country|region|tier)\b"
    ),
    r"\b(?:upgrade|subscribe) to\b",
    r"\b(?:subscription|google ai (?:pro|ultra))\b",
    r"(?:升级|订阅|升級|訂閱).{0,20}(?:视频|影片|Google|套餐|方案)",
    r"(?:方案|套餐|账号|帳號|地区|地區).{0,12}(?:不支持|无法使用|無法使用)",
)
_NO_ACCESS = re.compile("|".join(_PHRASES), re.IGNORECASE)


def film_in(found: Findings) -> Media | None:
    """The video that an answer brings."""
    return next((media for media in found.media if media.kind == "video"), None)


def check_video_outcome(piece: Completed) -> None:
    """At the end of an answer that should lead to a video: raise what its words say of there being none."""
    if film_in(piece.findings) is None and (error := video_refusal(piece.text)) is not None:
        raise error


def video_refusal(text: str) -> GatewayError | None:
    """Why there will be no video; None where the words do not say so. Nothing is asked again here: Google answered."""
    shown = text.strip()[:300] or "(no text)"
    if _NO_ACCESS.search(text):
        return Spent(
            f"This account may make no videos: {shown}",
            f"该账号无法生成视频：{shown}",
            generated="maybe",
            code="video_no_access",
            quoted=shown,
        )
    match meaning_of(text):
        case "quota":
            return Spent(
                f"Google says the account's videos are used up: {shown}",
                f"该账号的视频额度已用完：{shown}",
                generated="maybe",
                code="video_quota",
                quoted=shown,
            )
        case "signed_out":
            return nobody_signed_in(shown)
        case "refusal" | "wrong_model":
            return refused(text)
        case "other":
            return None


def refused(text: str) -> NoVideo:
    """Words in place of the video that was asked for."""
    shown = text.strip()[:300] or "(no text)"
    return NoVideo(
        f"Google made no video: {shown}",
        f"Google 没有生成视频：{shown}",
        answer=text,
        generated="maybe",
        code="video_refused",
        quoted=shown,
    )


def no_access(error: GatewayError) -> NoVideo:
    """No account of ours may make videos."""
    return NoVideo(
        f"Video is not available: {error.en}",
        f"无法生成视频：{error.zh}",
        generated=error.generated,
        code="video_not_available",
        quoted=error.quoted,
    )
