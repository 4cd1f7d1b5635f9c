"""The demo model: no intelligence, but enough sense to try every feature without an account, in English and Chinese.

Pure: a prompt goes in, an answer comes out, the same every time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from gemgate_simulator.image_intent import image_intent
from gemgate_simulator.paint import Painting
from gemgate_simulator.refusals import wordings
from gemgate_simulator.script import Answer, Prompt
from gemgate_simulator.studio import images_among
from gemgate_simulator.tool_following import follow_tools, read

_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_MOST_NUMBERS = 500

_POEM = """The gate is small, the road is long,
a packet hums its little song;
it knocks, it waits, it finds the key,
and carries back a word for me."""
_POEM_ZH = """小门临古道，
一信寄遥星。
叩罢三更月，
风来有回声。"""

_CODE = """Here is a small example:

```python
def smaller(a: int, b: int) -> int:
    return a if a < b else b
```

`smaller(3, 5)` gives 3, because `3 < 5`."""


def demo(prompt: Prompt) -> Answer:
    """The answer to `prompt`, with thoughts when extended thinking was asked for."""
    if (word := _code_word(prompt)) is not None:
        return Answer(word)
    if prompt.text.startswith("Write down what is said in the attached recording"):
        return Answer(_heard(prompt))
    wanted = read(prompt)
    if wanted.is_told:
        prompt = replace(prompt, text=wanted.question)
    chinese = bool(_CHINESE.search(prompt.text))
    thoughts = _thoughts(prompt, chinese=chinese) if prompt.thinking else ""
    if (spoken := follow_tools(wanted)) is not None:
        return Answer(spoken, thoughts=thoughts)
    paintings = image_intent(prompt, picture_sent=bool(images_among(prompt.files)))
    if paintings:
        return replace(_image(prompt, paintings, chinese=chinese), thoughts=thoughts)
    text = _attached(prompt, chinese=chinese)
    for trick in _TRICKS:
        found = list(trick.pattern.finditer(prompt.text))
        if found:
            text += trick.play(found[-1], prompt, chinese)  # the last one: replayed history stands before it
            break
    else:
        text += f"你说的是：{prompt.text}" if chinese else f"You said: {prompt.text}"
    return Answer(text, thoughts=thoughts)


def _code_word(prompt: Prompt) -> str | None:
    """The code word at the end of what was read, for whoever asks after it and nothing else; None for others."""
    if not prompt.text.startswith("At the very end of"):
        return None
    texts = [prompt.text, *(file.data.decode("utf-8", "ignore") for file in prompt.files)]
    found = [match for text in texts for match in re.findall(r"code word is (\w+)\.$", text[-100:])]
    return found[-1] if found else "NONE"


def _heard(prompt: Prompt) -> str:
    """What stands for the words of a recording; the demo model has no ears, but knows whether a recording came."""
    came = [file for file in prompt.files if file.mime.startswith(("audio/", "video/"))]
    told = "; ".join(f"{file.name}, {len(file.data)} bytes" for file in came)
    return f"These are the words of the demo model for {told}." if came else "[no audio]"


def paced(seconds: float) -> Callable[[Prompt], Answer]:
    """The demo model with so many seconds between frames, as a person would see a real one stream."""
    return lambda prompt: replace(demo(prompt), pace=seconds, chars=16, progress=4)


def _image(prompt: Prompt, paintings: tuple[Painting, ...], *, chinese: bool) -> Answer:
    """Pictures, or the words for those who get none."""
    language = "zh" if chinese else "en"
    if not prompt.account:
        return Answer(wordings("signed_out", language)[0])
    if not prompt.paints:
        return Answer(wordings("quota", language)[0])
    edit = bool(paintings[0].of or images_among(prompt.files))
    if chinese:
        text = "已按您的要求修改了图片。" if edit else f"这是为您画的{len(paintings)}张图片。"
    else:
        text = (
            "Here is the edited picture." if edit else "Here you go:" if len(paintings) > 1 else "Here is your picture."
        )
    return Answer(text, images=paintings)


@dataclass(frozen=True, slots=True)
class _Trick:
    pattern: re.Pattern[str]
    play: Callable[[re.Match[str], Prompt, bool], str]


def _count(found: re.Match[str], prompt: Prompt, chinese: bool) -> str:
    del prompt, chinese
    return ", ".join(str(n) for n in range(1, min(int(found[1]), _MOST_NUMBERS) + 1))


def _poem(found: re.Match[str], prompt: Prompt, chinese: bool) -> str:
    del found, prompt
    return _POEM_ZH if chinese else _POEM


def _code(found: re.Match[str], prompt: Prompt, chinese: bool) -> str:
    del found, prompt, chinese
    return _CODE


def _first(found: re.Match[str], prompt: Prompt, chinese: bool) -> str:
    del found
    if not prompt.history:
        return "这就是你的第一句话。" if chinese else "This is the first thing you have said."
    said = prompt.history[0].prompt
    return f"你最先说的是：{said}" if chinese else f"The first thing you said was: {said}"


def _before(found: re.Match[str], prompt: Prompt, chinese: bool) -> str:
    del found
    if not prompt.history:
        return "你之前什么也没有说。" if chinese else "You have said nothing before this."
    said = prompt.history[-1].prompt
    return f"你刚才说的是：{said}" if chinese else f"Before this you said: {said}"


def _name(found: re.Match[str], prompt: Prompt, chinese: bool) -> str:
    del found
    for said in (*prompt.history[::-1],):
        if match := _MY_NAME.search(said.prompt):
            name = match[1] or match[2]
            return f"你叫{name}。" if chinese else f"Your name is {name}."
    return "你还没有告诉我你的名字。" if chinese else "You have not told me your name yet."


def _who(found: re.Match[str], prompt: Prompt, chinese: bool) -> str:
    del found
    if chinese:
        return f"我是 gemgate 的演示模型（{prompt.model}），只会几样小把戏。"
    return f"I am gemgate's demo model, posing as {prompt.model}. I know only a few tricks."


def _sum(found: re.Match[str], prompt: Prompt, chinese: bool) -> str:
    del prompt, chinese
    left, sign, right = int(found[1]), found[2], int(found[3])
    match sign:
        case "+":
            return f"{left} + {right} = {left + right}"
        case "-":
            return f"{left} - {right} = {left - right}"
        case _:
            return f"{left} × {right} = {left * right}"


def _say(found: re.Match[str], prompt: Prompt, chinese: bool) -> str:
    del prompt, chinese
    return found[1].strip().strip("\"'“”「」")


_MY_NAME = re.compile(r"my name is (\w+)|我叫(\w{1,8})", re.IGNORECASE)

_TRICKS = (
    _Trick(re.compile(r"(?:count (?:up )?to|从?一?数到)\s*(\d{1,6})", re.IGNORECASE), _count),
    _Trick(re.compile(r"what (?:did I say|was my) first|我(?:第一句|最先|一开始)说", re.IGNORECASE), _first),
    _Trick(re.compile(r"what did I (?:just )?say|我(?:刚才|之前)说", re.IGNORECASE), _before),
    _Trick(re.compile(r"what(?:'s| is) my name|我叫什么", re.IGNORECASE), _name),
    _Trick(re.compile(r"who are you|what are you\b|你是谁", re.IGNORECASE), _who),
    _Trick(re.compile(r"\bpoem\b|诗", re.IGNORECASE), _poem),
    _Trick(re.compile(r"\b(?:code|python|function)\b|代码", re.IGNORECASE), _code),
    _Trick(re.compile(r"(\d{1,9})\s*([-+*×x])\s*(\d{1,9})"), _sum),
    _Trick(re.compile(r"^(?:please )?(?:say|repeat)[: ]+(.+)", re.IGNORECASE | re.MULTILINE), _say),
    _Trick(re.compile(r"^(?:请)?(?:说|重复)[：: ]*(.+)", re.MULTILINE), _say),
)


def _attached(prompt: Prompt, *, chinese: bool) -> str:
    if not prompt.files:
        return ""
    rows = [f"- {file.name} ({file.mime}, {len(file.data)} bytes)" for file in prompt.files]
    return "\n".join(["我收到了这些文件：" if chinese else "I received these files:", *rows]) + "\n\n"


def _thoughts(prompt: Prompt, *, chinese: bool) -> str:
    if chinese:
        return f"**理解问题**\n\n用户写了 {len(prompt.text)} 个字符。先看这是哪一种请求，再给出简短的回答。"
    return (
        f"**Understanding the request**\n\nThe user wrote {len(prompt.text)} characters. "
        "First decide which kind of request this is, then answer it briefly."
    )
