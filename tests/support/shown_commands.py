"""The pages for readers, and the commands of ours that they and our messages show."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "deploy/**/*.md")
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"
)
FOR_DEVELOPERS = {"client-contracts", "decisions", "gemini-webapi", "google-wire"}
"""Pages of docs/ in English only; the Chinese contents say so."""
FENCE = re.compile(r"(?ms)^ *```(\w*)\n(.*?)^ *```")
SPAN = re.compile(r"`((?:uvx --from \. |pipx run --spec \. )?gemgate(?:\s[^`]*)?)`")
ONCE = (["uvx", "--from", "."], ["pipx", "run", "--spec", "."])
"""What may stand before the program's name, and runs it."""
REST = "…"
"""What a page writes for the rest of a command."""
Words = tuple[str, ...]


def commands(line: str) -> Iterator[Words]:
    """The commands of ours in a line of a shell, without the program's name."""
    if "gemgate" not in line:
        return
    lexer = shlex.shlex(line, posix=True, punctuation_chars="();|&")
    lexer.whitespace_split = True
    found: list[str] = []
    for word in [*lexer, ";"]:
        for inner in re.findall(r"\$\((.*)\)", word, re.DOTALL):
            yield from commands(inner)
        if word.strip("();|&"):
            found.append(word)
            continue
        while found and re.match(r"[A-Z_]+=", found[0]):
            found.pop(0)
        for before in ONCE:
            if found[: len(before)] == before:
                del found[: len(before)]
        if found and found[0] == "gemgate":
            yield tuple(found[1:])
        found = []


def shell_lines(page: str) -> list[str]:
    """What the blocks of a shell tell to type, each line whole and without its comment."""
    lines = "\n".join(code for kind, code in FENCE.findall(page) if kind == "sh").replace("\\\n", " ").splitlines()
    bare = (re.sub(r"(?:^|\s+)#\s.*$", "", line).strip() for line in lines)
    return [" ".join(line.split()) for line in bare if line]


def typed(page: str) -> list[Words]:
    """What the blocks of a page tell to type."""
    lines = "\n".join(code for _, code in FENCE.findall(page)).replace("\\\n", " ").splitlines()
    return [words for line in lines if re.match(r"(?!.*──)[^#]*gemgate", line) for words in commands(line)]


def named(page: str) -> list[Words]:
    """What a page names between backticks, in its text."""
    return [words for span in SPAN.findall(FENCE.sub("", page)) for words in commands(" ".join(span.split()))]


def shown() -> dict[tuple[Words, bool], str]:
    """Every command, and whether it is there to be typed; where it stands first."""
    found: dict[tuple[Words, bool], str] = {}
    for page in PAGES:
        text = page.read_text("utf-8")
        for whole, words in [*((True, one) for one in typed(text)), *((False, one) for one in named(text))]:
            found.setdefault((words, whole), page.relative_to(ROOT).as_posix())
    for source in sorted((ROOT / "src" / "gemgate").rglob("*.py")):
        for words in named(re.sub(r"\{\w*\}", "NAME", source.read_text("utf-8"))):
            found.setdefault((words, False), source.relative_to(ROOT).as_posix())
    return found
