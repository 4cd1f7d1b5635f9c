"""What happened to a request, told in sentences: from its record alone, in English and Simplified Chinese.

Pure: the same record tells the same story. Whoever may not know the accounts' names gets "account 1", "account 2".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from gemgate.errors import NO_TEXT, LocalText
from gemgate.telemetry.request_record import AttemptRecord, ImageFacts, PassedOver, RequestRecord

NOTICED = 0.05
"""Seconds of waiting below which nobody is told of it."""


Names = Callable[[str], tuple[str, str]]


def explain(record: RequestRecord, *, names: bool = True) -> list[LocalText]:
    """The story from the request's arrival to its end. names: False hides what the accounts are called."""
    called = _named if names else _numbered(record)
    return [
        *_asked(record),
        *(sentence for attempt in record.attempts for sentence in _attempt(attempt, called)),
        *(_image(image) for image in record.images),
        *_beside(record),
        *_end(record),
    ]


def without_names(record: RequestRecord) -> RequestRecord:
    """The record for a caller who may not know the accounts: their names and troubles are left out."""
    called = _numbered(record)

    def hidden(attempt: AttemptRecord) -> AttemptRecord:
        skipped = [PassedOver(called(one.account)[0], one.state, until=one.until) for one in attempt.skipped]
        trouble = attempt.trouble and replace(attempt.trouble, text=NO_TEXT)
        return replace(attempt, account=called(attempt.account)[0], skipped=skipped, trouble=trouble)

    return replace(record, attempts=[hidden(attempt) for attempt in record.attempts])


def _span(seconds: float, unit: str = "s", small: str = "ms") -> str:
    """Seconds as a reader takes them in: what is less than a tenth is not nothing."""
    return f"{seconds:.1f} {unit}" if seconds >= 0.1 else f"{seconds * 1000:.0f} {small}"


def _named(name: str) -> tuple[str, str]:
    return f"account {name}", f"账号 {name}"


def _numbered(record: RequestRecord) -> Names:
    order: dict[str, int] = {}
    for attempt in record.attempts:
        for name in (*(one.account for one in attempt.skipped), attempt.account):
            if name:
                order.setdefault(name, len(order) + 1)

    def called(name: str) -> tuple[str, str]:
        number = order.get(name, 0)
        return (f"account {number}", f"账号 {number}") if number else ("", "")

    return called


_BESIDE = {
    "sources": "来源",
    "pictures": "网络图片",
    "documents": "文档",
    "media": "视频或音频",
    "runs": "运行的代码",
    "suggestions": "追问建议",
}


def _beside(record: RequestRecord) -> Iterator[LocalText]:
    """What came with the words, and where it went."""
    if not record.beside:
        return
    en = ", ".join(f"{kind}: {count}" for kind, count in record.beside.items())
    zh = "，".join(f"{_BESIDE[kind]} {count}" for kind, count in record.beside.items())
    where = ("it was told", "已返回") if record.beside_shown else ("not all of it was told", "未全部返回")
    yield LocalText(
        f"The answer brought more than words ({en}); {where[0]}.", f"回答还带有其他内容（{zh}），{where[1]}。"
    )


def _asked(record: RequestRecord) -> Iterator[LocalText]:
    what = record.operation or "none"
    who_en = f" with the key {record.tenant}" if record.tenant else ""
    who_zh = f"使用密钥 {record.tenant} " if record.tenant else ""
    if not record.model:
        yield LocalText(f"A request to {what} came{who_en}.", f"收到{who_zh}对 {what} 的请求。")
    elif record.model_asked and record.model_asked != record.model:
        yield LocalText(
            f"A call of {what} came{who_en}; it asked for {record.model_asked}, which is {record.model}.",
            f"收到{who_zh}对 {what} 的调用，请求的模型 {record.model_asked} 即 {record.model}。",
        )
    else:
        yield LocalText(
            f"A call of {what} came{who_en} for the model {record.model}.",
            f"收到{who_zh}对 {what} 的调用，模型为 {record.model}。",
        )
    if record.ignored:
        given = ", ".join(record.ignored)
        yield LocalText(
            f"These parameters were accepted but have no effect: {given}.", f"以下参数已接受但不起作用：{given}。"
        )
    if record.filed:
        yield LocalText(
            f"{record.filed} bytes of it were too long for the prompt and went up as a file.",
            f"其中 {record.filed} 字节超出提示长度，已作为文件上传。",
        )


def _attempt(attempt: AttemptRecord, called: Names) -> Iterator[LocalText]:
    if attempt.number == 1 and attempt.repair in _REPAIRS:
        yield LocalText(*_REPAIRS[attempt.repair])
    waited = attempt.queue + attempt.pace
    if waited >= NOTICED:
        lane = attempt.queue >= attempt.pace
        yield LocalText(
            f"It waited {_span(waited)} for {'a free lane' if lane else 'the next start of the account'}.",
            f"等待{'空闲通道' if lane else '该账号的下一次启动'} {_span(waited, '秒', '毫秒')}。",
        )
    for one in attempt.skipped:
        yield _passed_over(one, called)
    if attempt.outcome == "refused":
        trouble = attempt.trouble
        yield LocalText(
            f"No account could take it: {trouble.text.en}"
            if trouble and trouble.text.en
            else "No account could take it.",
            f"没有账号可以处理：{trouble.text.zh}" if trouble and trouble.text.zh else "没有账号可以处理。",
        )
        return
    if attempt.account:
        yield _taken(attempt, called)
    yield from _outcome(attempt, called)
    if not attempt.stored:
        yield LocalText(
            "Google kept nothing of the conversation; the next turn will be told in full in a new one.",
            "Google 没有保存该会话；下一轮将在新会话中完整重述。",
        )
    if attempt.unknown:
        fields = ", ".join(attempt.unknown)
        yield LocalText(
            f"Google's answer held parts that this version does not know: {fields}.",
            f"Google 的回答含有此版本未知的部分：{fields}。",
        )


_REPAIRS: Mapping[str, tuple[str, str]] = {
    "tools": (
        "The tool calls in the answer did not fit what was declared, so the model was asked once more.",
        "回答中的工具调用不符合声明，因此再次询问了模型一次。",
    ),
    "json": (
        "The answer was not the JSON that was asked for, so the model was asked once more.",
        "回答不是所要求的 JSON，因此再次询问了模型一次。",
    ),
}


def _passed_over(one: PassedOver, called: Names) -> LocalText:
    en, zh = called(one.account)
    word_en, word_zh = _STATES.get(one.state, (one.state, one.state))
    until_en, until_zh = "", ""
    if one.until:
        at = f"{datetime.fromtimestamp(one.until, UTC):%H:%M:%S}"
        until_en, until_zh = f" until {at} UTC", f"，直到 {at} UTC"
    why = NO_TEXT if one.state in ("busy", "starting") else one.why
    why_en, why_zh = f" ({why.en})" if why.en else "", f"（{why.zh}）" if why.zh else ""
    return LocalText(f"{_upper(en)} {word_en}{until_en}{why_en}.", f"{zh}{word_zh}{until_zh}{why_zh}。")


_STATES: Mapping[str, tuple[str, str]] = {
    "cooling": ("was cooling", "正在冷却"),
    "blocked": ("could not be reached from this address", "所用网络地址被封锁"),
    "busy": ("had no free lane", "没有空闲通道"),
    "paused": ("was paused", "已暂停"),
    "needs_login": ("needs a new login", "需要重新登录"),
    "error": ("was out of order", "出现错误"),
    "starting": ("was still signing in", "仍在登录"),
    "tried": ("had already failed this call", "已在本次调用中失败"),
    "no_model": ("does not have this model", "没有该模型"),
    "fallback": ("is only used when no other can take a call", "仅在其他账号都不可用时使用"),
}


def _taken(attempt: AttemptRecord, called: Names) -> LocalText:
    en, zh = called(attempt.account)
    why_en, why_zh = _CHOICES.get(attempt.why, ("", ""))
    how_en, how_zh = _REUSE.get(attempt.reuse, ("", ""))
    return LocalText(f"{_upper(en)} took it{why_en}{how_en}.", f"{zh}{why_zh}处理了该请求{how_zh}。")


_CHOICES: Mapping[str, tuple[str, str]] = {
    "conversation": (", because the conversation stands there", "（会话保存在该账号）"),
    "again": (" once more", "（再次）"),
    "only": (", the only one that could", "（唯一可用的账号）"),
    "least_busy": (", the least busy one", "（当前最空闲）"),
    "fallback": (", the fallback, because no other could", "（备用账号，其他均不可用）"),
}
_REUSE: Mapping[str, tuple[str, str]] = {
    "hit": ("; the conversation went on and only what is new was sent", "，延续原会话，只发送新内容"),
    "fork": (
        "; everything was told in a new conversation, beside the known one",
        "，在新会话中重新讲述全部内容（分支）",
    ),
    "replay": ("; everything was told anew in a new conversation", "，在新会话中重新讲述全部内容"),
    "miss": ("; a new conversation", "，开始新会话"),
}


def _outcome(attempt: AttemptRecord, called: Names) -> Iterator[LocalText]:
    match attempt.outcome:
        case "answered":
            first = attempt.first_byte or 0.0
            whole = attempt.upstream or 0.0
            yield LocalText(
                f"Google spoke after {_span(first)} and had answered after {_span(whole)}.",
                f"Google 在 {_span(first, '秒', '毫秒')}后开始回答，{_span(whole, '秒', '毫秒')}后完成。",
            )
            yield from _signed(attempt)
        case "stopped":
            yield LocalText(
                "The answer was stopped before its end: it was not needed any more.", "回答在结束前被中止：已不再需要。"
            )
        case "failed":
            yield from _signed(attempt)
            yield _failed(attempt)
            if attempt.then in _THEN:
                yield LocalText(*_THEN[attempt.then])
        case _:
            pass


def _signed(attempt: AttemptRecord) -> Iterator[LocalText]:
    """Who answered, in Google's word."""
    if attempt.lowered:
        why_en, why_zh = _LOWERED[attempt.lowered]
        yield LocalText(
            f"Google named {attempt.served} as the model that answered, where {attempt.offer} was asked for{why_en}.",
            f"Google 称作答的模型是 {attempt.served}，而请求的是 {attempt.offer}{why_zh}。",
        )
    elif attempt.served == "unknown":
        yield LocalText("Google did not say which model answered.", "Google 未说明是哪个模型作答。")
    elif attempt.served:
        yield LocalText(
            f"Google named {attempt.served} as the model that answered.", f"Google 称作答的模型是 {attempt.served}。"
        )
    if attempt.painter:
        yield LocalText(f"The picture was painted by {attempt.painter}.", f"图片由 {attempt.painter} 绘制。")


_LOWERED: Mapping[str, tuple[str, str]] = {
    "guest": (": the session is answered like a guest's", "：该会话已被当作访客"),
    "spent": (": the account's usage window is full", "：该账号的用量窗口已用完"),
    "unknown": ("; it gives no reason", "；未说明原因"),
}


def _failed(attempt: AttemptRecord) -> LocalText:
    trouble = attempt.trouble
    en, zh = _KINDS.get(trouble.kind if trouble else "", ("It failed", "失败"))
    said_en = f": {trouble.text.en.rstrip('.')}" if trouble and trouble.text.en else ""
    said_zh = f"：{trouble.text.zh.rstrip('。')}" if trouble and trouble.text.zh else ""
    if attempt.generated == "no":
        return LocalText(
            f"{en}, before anything was generated{said_en}.",
            f"{zh}，尚未生成任何内容{said_zh}。",
        )
    return LocalText(f"{en}{said_en}.", f"{zh}{said_zh}。")


_KINDS: Mapping[str, tuple[str, str]] = {
    "spent": ("Google answered that the usage limit is reached", "Google 提示已达到使用上限"),
    "signed_out": ("Google took the session for signed out", "Google 认为会话已退出登录"),
    "rejected": ("Google wants a person to look at the account", "Google 要求人工处理该账号"),
    "blocked": ("Google refused our address", "Google 拒绝了本机地址"),
    "unreachable": ("Google could not be reached", "无法连接 Google"),
    "timeout": ("Google was silent for too long", "Google 长时间无响应"),
    "upstream": ("Google's answer broke off", "Google 的回答中断"),
    "refused": ("Google refused to answer", "Google 拒绝回答"),
    "no_image": ("Google answered with words instead of a picture", "Google 返回了文字而不是图片"),
    "no_research": ("Google made no research of this prompt", "Google 没有为该提示完成研究"),
    "no_video": ("Google made no video for this prompt", "Google 没有为该提示生成视频"),
    "no_music": ("Google made no music for this prompt", "Google 没有为该提示生成音乐"),
    "model_gone": ("Google did not accept the model or the conversation", "Google 不接受该模型或会话"),
    "model_not_served": ("Another model answered than was asked for", "作答的模型不是所要求的模型"),
    "prompt_too_long": ("The prompt was too long for the account", "提示超出该账号的长度"),
    "drift": ("Google's answer had an unknown form", "Google 的回答格式未知"),
}

_THEN: Mapping[str, tuple[str, str]] = {
    "other_account": ("It was safe to send it again, to another account.", "可以安全地改发到其他账号。"),
    "signed_in": (
        "The account signed in anew, and it was sent there once more.",
        "该账号重新登录后，再次发送。",
    ),
    "fresh_chat": (
        "The conversation is not known there any more, so everything was told anew.",
        "该会话已不存在，因此重新讲述全部内容。",
    ),
    "same_account": (
        "It was safe to send it once more to the same account.",
        "可以安全地向同一账号再发送一次。",
    ),
    "maybe_generated": (
        "It was not sent again: Google may have made an answer, and nothing is ever generated twice.",
        "没有重新发送：Google 可能已经生成了回答，绝不重复生成。",
    ),
    "spoken": (
        "It was not sent again: part of the answer was already with the caller.",
        "没有重新发送：部分回答已经送达调用方。",
    ),
    "no_help": (
        "It was not sent again: another account could not have done better.",
        "没有重新发送：换账号也无济于事。",
    ),
    "last_try": ("It was not sent again: these were enough tries.", "没有重新发送：已达到尝试次数上限。"),
}


def _image(image: ImageFacts) -> LocalText:
    if image.failed:
        return LocalText("A picture could not be delivered.", "有一张图片未能交付。")
    logo_en, logo_zh = _LOGOS.get(image.logo, ("", ""))
    steps = " + ".join(_span(one) for one in (image.download, image.work, image.store))
    return LocalText(
        f"A picture of {image.size} ({image.nbytes / 1000:.0f} kB, route {image.source}) was fetched, {logo_en} "
        f"and stored in {steps}.",
        f"获取了一张图片（{image.size}，{image.nbytes / 1000:.0f} kB，途径 {image.source}），{logo_zh}并保存，"
        f"耗时 {steps}。",
    )


_LOGOS: Mapping[str, tuple[str, str]] = {
    "removed": ("freed of its visible logo", "去除可见标志"),
    "absent": ("found without a visible logo", "未发现可见标志"),
    "kept": ("left as it is", "保持原样"),
}


_ABANDONED: Mapping[str, LocalText] = {
    "finishing": LocalText(
        "What Google was making for it is being finished and kept.", "Google 正在生成的图片将继续完成并保存。"
    ),
    "finished": LocalText(
        "What Google was making for it was finished all the same; its pictures are in the gallery.",
        "Google 当时正在生成的图片仍已完成，可在图库中找到。",
    ),
    "failed": LocalText("What Google was making for it failed afterwards.", "Google 当时正在生成的图片随后失败。"),
    "cancelled": LocalText("What was being made for it was cancelled.", "为其进行的生成已取消。"),
}


def _end(record: RequestRecord) -> Iterator[LocalText]:
    if record.kept_alive:
        yield LocalText(
            "It took longer than KEEPALIVE_SECONDS: HTTP 200 and white space went ahead of the answer.",
            "耗时超过 KEEPALIVE_SECONDS：HTTP 200 和空白字符已先于回答发出。",
        )
    if record.trouble is not None:
        how_en, how_zh = ("The stream ended with an error", "流以错误结束")
        if record.kept_alive or not record.in_band:
            how_en, how_zh = ("It was answered with an error", "以错误结束")
        yield LocalText(f"{how_en}: {record.trouble.text.en}", f"{how_zh}：{record.trouble.text.zh}")
    if record.seconds is None:
        yield LocalText("It is still under way.", "仍在处理中。")
    elif record.status == 499:
        yield LocalText(
            f"The caller left after {_span(record.seconds)}.", f"调用方在 {_span(record.seconds, '秒', '毫秒')}后离开。"
        )
        if record.abandoned:
            yield _ABANDONED[record.abandoned]
    else:
        made = record.generations
        yield LocalText(
            f"It ended with HTTP {record.status} after {_span(record.seconds)}; "
            f"{made} answer{'' if made == 1 else 's'} generated.",
            f"耗时 {_span(record.seconds, '秒', '毫秒')}，以 HTTP {record.status} 结束，共生成 {made} 次回答。",
        )


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
