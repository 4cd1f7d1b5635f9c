"""The demo model's good manners: it reads what a prompt says about functions and forms of answers, and keeps to it.

It knows no more than a model knows: the text. It calls a function when it must, or when the question speaks of what
the function does; told a function's result, it answers in words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gemgate_simulator.schema_values import Filler, places
from gemgate_simulator.script import Prompt

_CODE_WORD = re.compile(r"`(zq[a-z0-9]{6,})(?:` is the code word| toolcall NAME`)")
_FUNCTION = re.compile(r"^### (\S+)\n((?:(?!### ).*\n)*?)JSON Schema of the arguments: (\{.*\})$", re.MULTILINE)
_DUTY = re.compile(
    r"Now you must call (?:at least one function(?: of)?)?(?P<must>.*?)[.;]|(?P<none>Do not call any function now)"
    r"|Call a function only when it helps"
)
_FORM = re.compile(r"^# Form of the answer\n\n[^\n]*code block\.(?:\n\nJSON Schema: (\{.*\}|true))?$", re.MULTILINE)
_HEADS = re.compile(r"^(?:JSON Schema(?: of the arguments)?: .*|.*```json code block\.)\n", re.MULTILINE)
_TURN = re.compile(r"^\[(System|User|Assistant|Tool)\]$", re.MULTILINE)
_REMINDER = re.compile(r"\n*\(Reminder: call a function only.*\Z", re.DOTALL)
_REPAIR = "Your last answer cannot be used"
_KEYS = re.compile(r"`([^`\s]+)`")
_WORDS = re.compile(r"[`'\"](\w+)[`'\"]")
_STOP = frozenset(
    re.findall(
        r"\w+",
        "a an the of in is to for and or what with on at it by do you me my use using tool tools function functions "
        "call please this that value get from are be as input string",
    )
)


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    description: str
    schema: dict[str, Any]

    @property
    def words(self) -> frozenset[str]:
        return _words(f"{self.name.replace('_', ' ')} {self.description}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a prompt wants. question: the last words of the user, without instructions.

    results: what functions have answered since; form: the schema of the answer, None for words.
    """

    question: str
    code_word: str = ""
    functions: tuple[Function, ...] = ()
    must: bool = False
    several: bool = True
    results: tuple[str, ...] = ()
    form: Any = None

    @property
    def is_told(self) -> bool:
        """Whether the prompt says anything of functions or forms."""
        return bool(self.code_word) or self.form is not None


def read(prompt: Prompt) -> Wanted:
    """What `prompt`, and what was said before it in its chat, asks for."""
    before = [said.prompt for said in prompt.history]
    everything = "\n".join((*before, prompt.text))
    code_words = _CODE_WORD.findall(everything)
    code_word = code_words[-1] if code_words else ""
    turns = [turn for text in (*before, prompt.text) for turn in _turns(text)]
    asked = [text for role, text in turns if role == "User" and text and not text.startswith(_REPAIR)]
    question = asked[-1] if asked else prompt.text
    results: tuple[str, ...] = ()
    for _, text in reversed(turns):
        if not (found := _results(text, code_word)):
            break
        results = found + results
    functions: tuple[Function, ...] = ()
    duties = list(_DUTY.finditer(everything)) if code_word else []
    must = bool(duties) and duties[-1]["must"] is not None
    if duties and duties[-1]["none"] is None:
        named = _KEYS.findall(duties[-1]["must"] or "")
        functions = tuple(f for f in _functions(everything) if not named or f.name in named)
    return Wanted(
        question=question,
        code_word=code_word,
        functions=functions,
        must=must,
        several="Make at most one call" not in everything,
        results=results,
        form=_form(everything if prompt.text.startswith(_REPAIR) else prompt.text, question),
    )


def follow_tools(wanted: Wanted) -> str | None:
    """Calls, JSON or a function's result in words; None when there is nothing of the kind to do."""
    if wanted.functions and (wanted.must or not wanted.results) and (calls := list(_calls(wanted))):
        return "\n\n".join(calls)
    if wanted.form is not None:
        about = f"{wanted.question} {' '.join(wanted.results)}"
        value = Filler(about, wanted.form).value(wanted.form)
        return f"```json\n{json.dumps(value, ensure_ascii=False, indent=2)}\n```"
    if wanted.results:
        return "The result is: " + "; ".join(wanted.results)
    return None


def _calls(wanted: Wanted) -> Iterator[str]:
    called = [function for function in wanted.functions if _speaks_of(wanted.question, function)]
    if not called and (wanted.must or re.search(r"\btools?\b|\bfunctions?\b", wanted.question, re.IGNORECASE)):
        called = list(wanted.functions[:1])
    for function in called if wanted.several else called[:1]:
        takes_place = any(re.search(r"city|location", name) for name in function.schema.get("properties", {}))
        times = max(1, len(places(wanted.question))) if takes_place and wanted.several else 1
        for place in range(times):
            arguments = Filler(wanted.question, function.schema, place=place).value(
                {"type": "object", **function.schema}
            )
            yield (
                f"{wanted.code_word} toolcall {function.name}\n```json\n"
                f"{json.dumps(arguments, ensure_ascii=False)}\n```\n{wanted.code_word} toolend"
            )


def _speaks_of(question: str, function: Function) -> bool:
    return function.name.lower() in question.lower() or bool(_words(question) & function.words)


def _words(text: str) -> frozenset[str]:
    words = re.findall(r"[a-z]{3,}|[\u4e00-\u9fff]{2}", text.lower())
    return frozenset(word.removesuffix("s") for word in words) - _STOP


def _functions(text: str) -> tuple[Function, ...]:
    section = text[text.rfind("## Functions") :] if "## Functions" in text else ""
    return tuple(Function(name, about.strip(), _schema(schema)) for name, about, schema in _FUNCTION.findall(section))


def _schema(text: str) -> Any:
    """The schema that stands there; one that takes anything where it is no JSON, because it is somebody's text."""
    try:
        return json.loads(text)
    except ValueError:
        return {}


def _form(text: str, question: str) -> Any:
    found = list(_FORM.finditer(text))
    if not found:
        return None
    if schema := found[-1][1]:
        return _schema(schema)
    keys = _WORDS.findall(question) or ["answer"]
    return {"type": "object", "properties": {key: {"type": "string"} for key in keys}}


def _turns(text: str) -> list[tuple[str, str]]:
    """Roles and texts of a transcript; a prompt without headings is the user's, or a function's, last words."""
    text = _REMINDER.sub("", text)
    marks = list(_TURN.finditer(text))
    if not marks:
        heads = list(_HEADS.finditer(text)) if "# Tools\n" in text or "# Form of the answer\n" in text else []
        return [("User", text[heads[-1].end() :].strip() if heads else text.strip())]
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    return [(mark[1], text[mark.end() : end].strip()) for mark, end in zip(marks, ends, strict=True)]


def _results(text: str, code_word: str) -> tuple[str, ...]:
    """What the functions answered, out of the blocks of one turn."""
    if not code_word:
        return ()
    block = re.compile(
        rf"^{code_word} toolresult [^\n]+\n(`{{3,}})\n(.*?)\n\1\n{code_word} toolend", re.DOTALL | re.MULTILINE
    )
    return tuple(match[2].strip() for match in block.finditer(text))
