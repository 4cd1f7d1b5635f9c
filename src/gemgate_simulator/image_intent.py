"""Which prompts ask the demo model for images: new ones, or changes to one that was sent or made before.

Pure. A wish stands at the head of a sentence of what the user said last; a question about drawings is none.
"""

from __future__ import annotations

import re

from gemgate_simulator.paint import Painting
from gemgate_simulator.script import Prompt

_MOST = 4
_END = 4_000

_HEAD = r"(?:^|[\n.!?;]\s*)(?:(?:please|now|then|ok|okay|and|can you|could you|would you|i want you to|let's)[\s,]+)*"
_THING = (
    r"(?:images?|pictures?|photos?|photographs?|illustrations?|drawings?|paintings?|sketch(?:es)?|logos?|icons?"
    r"|posters?|wallpapers?|portraits?|stickers?|banners?|comics?)"
)
_NO_WORDS = (
    r"(?![^.\n]{0,30}\b(?:code|function|script|program|python|html|json|list|caption|description|story|poem)s?\b)"
)
"""Behind a verb that may as well ask for something to read."""
_NEW = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        _HEAD
        + r"(?:draw|paint|sketch|illustrate)\b(?!\s+(?:(?:a|the)\s+)?(?:conclusions?|attention|parallels?|from|up)\b)",
        _HEAD
        + r"(?:generate|create|make|render|design|produce|show|give|return)\b"
        + _NO_WORDS
        + rf"[^.\n]{{0,60}}?\b{_THING}\b",
        r"^\s*(?:an?\s+)?" + _THING + r"\s+of\b",
    )
)
_NEW_ZH = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?:^|[\n。！？，；\s]|请|帮我|给我|为我|替我|再|来)画(?![家展面廊质像])",
        r"绘制|作画|(?:来|做|出|要)(?:[一两二三四几]|\d)?[张幅]",
        r"(?:生成|创建|创作|制作|设计)[^。\n]{0,24}?(?:图|照片|插画|海报|壁纸|头像|标志)",
    )
)
_EDIT = re.compile(
    _HEAD
    + r"(?:edit|change|replace|remove|erase|add|put|turn|make|convert|transform|recolou?r|restyle|crop|blur|brighten"
    r"|darken|retouch|colou?ri[sz]e|swap|extend|combine|merge|use|give)\b" + _NO_WORDS,
    re.IGNORECASE,
)
_EDIT_ZH = re.compile(
    r"修改|编辑|改[成为一]|变成|[换转]成|替换|去[掉除]|删除|擦除|加[上一个]|添加|转换|背景|风格|上色|裁剪|调[亮暗]|合成|修图|抠图"
)
_COUNT = re.compile(rf"\b(?P<n>\d|two|three|four)\s+(?:\w+\s+){{0,2}}?{_THING}\b", re.IGNORECASE)
_COUNT_ZH = re.compile(r"(?P<n>[两二三四]|\d)\s*[张幅]")
_NUMBERS = {"two": 2, "three": 3, "four": 4, "两": 2, "二": 2, "三": 3, "四": 4}


def image_intent(prompt: Prompt, *, picture_sent: bool) -> tuple[Painting, ...]:
    """The paintings a prompt asks for, () when it asks for none. picture_sent: an image came with the prompt."""
    said = last_words(prompt.text)
    change = bool(_EDIT.search(said) or _EDIT_ZH.search(said))
    if picture_sent and change:
        return (Painting(),)
    if any(pattern.search(said) for pattern in (*_NEW, *_NEW_ZH)):
        return (Painting(),) * _how_many(said)
    if change and prompt.history and (made := prompt.history[-1].images):
        return (Painting(of=made[0]),)
    return ()


def last_words(text: str) -> str:
    """What the user said last, where a whole conversation is sent as one text; of a long text both ends."""
    said = text.rpartition("[User]\n")[2]
    return said if len(said) <= 2 * _END else f"{said[:_END]}\n{said[-_END:]}"


def _how_many(said: str) -> int:
    found = _COUNT.search(said) or _COUNT_ZH.search(said)
    if not found:
        return 1
    word = found["n"].lower()
    return min(_MOST, max(1, _NUMBERS.get(word) or int(word)))
