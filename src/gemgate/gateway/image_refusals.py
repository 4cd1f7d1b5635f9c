"""What words mean that came instead of an image: a quota, a guest, a refusal; each has its own error."""

from __future__ import annotations

from gemgate.errors import (
    GatewayError,
    ModelGone,
    NoImage,
    Refused,
    SignedOut,
    Spent,
    their_words,
)
from gemgate.gateway.prompt_request import Attempt, PromptRequest
from gemgate.ports.upstream import (
    Completed,
    ImageReady,
    UpstreamEvent,
)
from gemgate.prompting.refusal import meaning_of


def check_image_outcome(prompt_request: PromptRequest, attempt: Attempt, piece: UpstreamEvent) -> None:
    """At the end of an answer that should have brought an image: raise what the words instead of it mean."""
    match piece:
        case ImageReady():
            attempt.images += 1
        case Completed(text=text) if prompt_request.image != "no" and not attempt.images:
            if (error := image_refusal(text, account_only=prompt_request.image == "may")) is not None:
                raise error
        case _:
            pass


def nobody_signed_in(shown: str) -> SignedOut:
    """What the words of a guest's session mean, whatever was asked for. shown: of them."""
    return SignedOut(
        f"Google answered as if nobody were signed in: {shown}",
        f"Google 的回答表明账号未登录：{shown}",
        generated="maybe",
        code="cookie_expired",
        quoted=shown,
    ).with_(reason="guest")


def image_refusal(text: str, *, account_only: bool) -> GatewayError | None:
    """Every meaning has its own error, and with it its own consequence for the account (docs/decisions.md 29).

    A generation happened, so none of these is tried again here.
    """
    shown = their_words(text) or "(no text)"
    match meaning_of(text):
        case "quota":
            return Spent(
                f"Google says the account's pictures are used up: {shown}",
                f"该账号的图片额度已用完：{shown}",
                generated="maybe",
                code="image_quota",
                quoted=shown,
            )
        case "signed_out":
            return nobody_signed_in(shown)
        case _ if account_only:
            return None
        case "wrong_model":
            return ModelGone(
                f"This model makes no pictures: {shown}",
                f"该模型不能生成图片：{shown}",
                generated="maybe",
                code="model_not_available",
                quoted=shown,
            )
        case "refusal":
            return Refused(
                f"Google refused to make this picture: {shown}",
                f"Google 拒绝生成这张图片：{shown}",
                answer=text,
                generated="maybe",
                code="content_policy_violation",
                quoted=shown,
            )
        case "other":
            return NoImage(
                f"Google answered with text instead of a picture: {shown}",
                f"Google 返回了文字而不是图片：{shown}",
                answer=text,
                generated="maybe",
                code="no_image",
                quoted=shown,
            )
