"""A page of the site for each program that docs/front-ends.md sets up, in both languages: its part of that page, with what
comes before and after it there. In the repository they are parts of one page, because a person has more than one program.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from gemgate.frozen import frozen

SOURCE = Path("docs/front-ends.md")
FOLDER = Path("docs/front-ends")
_NOT_OFFERED, _AGENTS, _MORE = 3, 5, 6
"""The places of these among the page's headings, the same in both languages."""
_BLOCKS = ("LibreChat", "Continue", "LangChain", "LlamaIndex")
"""Told in the text below the table of programs."""
_SDK = "Vercel AI SDK"
_WORDS = {
    "en": (
        "gemgate and {}",
        "Start gemgate so that the program can reach it, and give it a key of its own ([front ends](../front-ends.md) has the rules that hold for all programs). Below, `HOST` is the machine it runs on, and `KEY` what stands behind `home:` here:",
        "One page for each: {}.",
        ", ",
    ),
    "zh": (
        "gemgate 与 {}",
        "启动 gemgate，让该程序可以访问，并给它一个自己的密钥（对所有程序都适用的规则见[前端](../front-ends.zh.md)）。下文中 `HOST` 是运行它的机器，`KEY` 是这里 `home:` 之后的内容：",
        "各有一页：{}。",
        "、",
    ),
}


@frozen
class Program:
    """One of them: its name, as a file is called, what is told of it, and what holds for its kind."""

    name: str
    text: str
    common: str = ""


def pages(texts: Mapping[Path, str]) -> dict[Path, str]:
    """The pages, and `SOURCE` and its twin with a list of them; nothing where there is no such page."""
    found: dict[Path, str] = {}
    english = texts.get(SOURCE)
    if english is None:
        return found
    names = [_file(one.name) for one in programs(english)]
    for language, ending in (("en", ".md"), ("zh", ".zh.md")):
        source = SOURCE.with_suffix(ending)
        if source not in texts:
            continue
        title, start, each, comma = _WORDS[language]
        whole = texts[source]
        serve = re.search(r"(?ms)^```sh\n.*?^```", whole)
        assert serve
        told = programs(whole)
        for name, one in zip(names, told, strict=True):
            parts = (f"# {title.format(one.name)}", start, serve[0], _moved(one.text), _moved(one.common))
            found[FOLDER / f"{name}{ending}"] = "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"
        links = comma.join(f"[{one.name}]({FOLDER.name}/{name}{ending})" for name, one in zip(names, told, strict=True))
        head, mark, rest = whole.partition("\n## ")
        found[source] = f"{head}\n{each.format(links)}\n{mark}{rest}"
    return found


def programs(page: str) -> list[Program]:
    """The programs of a page, in its order."""
    _, *parts = re.split(r"(?m)^## ", page)
    chat = [_headed(part) for part in parts[:_NOT_OFFERED]]
    _, *agents = re.split(r"(?m)^### ", parts[_AGENTS])
    common = f"## {agents.pop()}"
    found = [Program(name, text) for name, text in chat]
    found += [Program(name, text, common) for name, text in map(_headed, agents)]
    return found + _more(parts[_MORE], parts[-1])


def _more(part: str, last: str) -> list[Program]:
    """Those of the table and of the text below it, which say that nobody has run them here."""
    _, text = _headed(part)
    caution, _, rest = text.strip().partition("\n\n")
    table, _, below = rest.partition("\n\n")
    head, rule, *rows = table.splitlines()
    told = dict(re.findall(rf"(?ms)^({'|'.join(_BLOCKS)})\b(.*?)(?=^(?:{'|'.join(_BLOCKS)})\b|\Z)", below))
    found = []
    for row in rows:
        name = row.split("|")[1].strip()
        block = told.pop(name, "")
        found.append(Program(name, "\n\n".join((caution, "\n".join((head, rule, row)), name + block if block else ""))))
    found += [Program(name, f"{caution}\n\n{name}{block}") for name, block in told.items()]
    (sdk,) = (one for one in last.split("\n\n") if _SDK in one)
    return [*found, Program(_SDK, sdk)]


def _headed(part: str) -> tuple[str, str]:
    name, _, text = part.partition("\n")
    return name.strip(), text


def _moved(text: str) -> str:
    """Links of a page as they lead from a folder below it."""
    return re.sub(r"\]\((?!https?:|#)", "](../", text)


def _file(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
