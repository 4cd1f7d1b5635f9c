"""What the official API's failures mean. Unlike the web app it says so in words of its own: google.rpc.Status.

`generated` follows docs/decisions.md 1: "no" for what is refused before a model runs (4xx), "maybe" for all else.
"""

from __future__ import annotations

import re
from typing import Any

from gemgate.errors import (
    BadRequest,
    Drift,
    GatewayError,
    LocalText,
    ModelGone,
    Refused,
    Rejected,
    SignedOut,
    Spent,
    TooLarge,
    Unreachable,
    their_words,
)
from gemgate.media import MediaKind
from gemgate.upstreams.failures import broken

_KEY_REASONS = {"API_KEY_INVALID", "API_KEY_EXPIRED", "API_KEY_SERVICE_BLOCKED", "ACCESS_TOKEN_EXPIRED"}
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)s")


def no_key(en: str, zh: str) -> SignedOut:
    return SignedOut(f"This account has no API key: {en}", f"该账号没有 API 密钥：{zh}", code="api_key")


def of_status(status: int, body: Any, *, now: float) -> GatewayError:
    """The error of an answer that is not 200. body: its JSON, or None; `now` in epoch seconds."""
    found = body[0] if isinstance(body, list) and body else body
    found = found.get("error") if isinstance(found, dict) else None
    found = found if isinstance(found, dict) else {}
    word = str(found.get("status", ""))
    said = their_words(str(found.get("message") or f"HTTP {status}"), 500)
    details = [row for row in found.get("details") or () if isinstance(row, dict)]
    reasons = {str(row.get("reason")) for row in details}
    if status == 401 or reasons & _KEY_REASONS:
        return SignedOut(
            f"Google does not accept the API key ({said}). Put a valid one in its place",
            f"Google 不接受该 API 密钥（{said}），请更换有效的密钥",
            code="api_key",
        )
    if status == 403 or word == "FAILED_PRECONDITION":
        return Rejected(
            f"Google refuses this API key's project ({said}). Look at it in the API console",
            f"Google 拒绝了该 API 密钥所属项目（{said}），请在 API 控制台检查",
            code="api_project",
        )
    if status == 429:
        return _spent(said, details, now)
    if status == 404:
        return ModelGone(f"The model is not there ({said})", f"模型不存在（{said}）", code="model_not_available")
    if status == 413:
        return TooLarge(f"Too much for one call ({said})", f"请求内容过大（{said}）", code="request_too_large")
    if status == 400:
        return BadRequest(f"Google refuses the request ({said})", f"Google 拒绝了该请求（{said}）", code="bad_prompt")
    return broken(f"HTTP {status} {word}: {said}")


def _spent(said: str, details: list[dict[str, Any]], now: float) -> Spent:
    """A limit. A delay of seconds ends a minute's limit; behind a day's limit it means nothing."""
    daily = any("PerDay" in str(row.get("violations", "")) for row in details)
    delays = [_SECONDS.fullmatch(str(row.get("retryDelay"))) for row in details if "retryDelay" in row]
    waits = [float(found[1]) for found in delays if found]
    return Spent(
        f"Google's limit of this API key is reached ({said})",
        f"该 API 密钥已达到 Google 的限额（{said}）",
        resets_at=now + max(waits) if waits and not daily else None,
        code="usage_limit",
    )


def refused(reason: str, answer: str = "") -> Refused:
    return Refused(
        f"Google refused to answer ({reason})",
        f"Google 拒绝回答（{reason}）",
        answer=answer,
        generated="maybe",
        code="content_policy_violation",
    )


def unreachable(why: str | LocalText) -> Unreachable:
    why = LocalText.of(why)
    return Unreachable(
        f"Google's API cannot be reached ({why.en}); check the network and the account's proxy",
        f"无法连接 Google API（{why.zh}），请检查网络和代理",
        code="unreachable",
    )


def drift(why: str | LocalText) -> Drift:
    why = LocalText.of(why)
    return Drift(
        f"The API's answer has a shape this version does not know ({why.en}); look for an update of gemgate",
        f"API 的回答格式无法识别（{why.zh}），请检查 gemgate 是否有更新",
        generated="maybe",
        code="drift",
    )


def no_media(kind: MediaKind) -> Spent:
    """Only the web app's accounts are asked for videos and music."""
    words, words_zh = {"video": ("videos", "视频"), "music": ("music", "音乐")}[kind]
    return Spent(
        f"An account of the official API is not asked for {words} here: add one of the web app",
        f"官方 API 账号在此不用于生成{words_zh}：请添加网页版账号",
        code=f"{kind}_no_access",
    )


def no_research() -> Spent:
    """The same for deep research."""
    return Spent(
        "An account of the official API is not asked for deep research here: add one of the web app",
        "官方 API 账号在此不用于 Deep Research：请添加网页版账号",
        code="research_no_access",
    )
