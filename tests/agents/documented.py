"""What docs/front-ends.md tells the user of an agent to type: the agents are set up with exactly that."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from urllib.parse import urlsplit

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "front-ends.md"
_SECTION = re.compile(r"(?ms)^### (?P<title>[^\n]+)\n(?P<text>.*?)(?=^##)")
_FENCE = re.compile(r"(?ms)^```(?P<kind>\w+)\n(?P<text>.*?)^```")


def titles() -> list[str]:
    """The agents that have a section of their own."""
    agents = PAGE.read_text("utf-8").partition("## Command-line agents\n")[2]
    agents = agents.partition("\n## ")[0] + "\n##"
    return [found["title"] for found in _SECTION.finditer(agents)]


def block(title: str, kind: str, url: str, key: str) -> str:
    """The block of a kind (`sh`, `toml`, ...) in an agent's section, with the gateway's address and a key put in."""
    section = next(found["text"] for found in _SECTION.finditer(PAGE.read_text("utf-8")) if found["title"] == title)
    return _filled(next(found["text"] for found in _FENCE.finditer(section) if found["kind"] == kind), url, key)


def fenced(page: str, kind: str, number: int, url: str, key: str) -> str:
    """A page's block of a kind, counted from 0, with the gateway's address and a key put in."""
    blocks = [found["text"] for found in _FENCE.finditer((DOCS / page).read_text("utf-8")) if found["kind"] == kind]
    return _filled(blocks[number], url, key)


def _filled(text: str, url: str, key: str) -> str:
    address = urlsplit(url).netloc
    return re.sub(r"\bKEY\b", key, text.replace("HOST:8100", address).replace("127.0.0.1:8100", address))


def variables(title: str, url: str, key: str) -> dict[str, str]:
    """The environment that the `sh` block of an agent sets."""
    lines = block(title, "sh", url, key).splitlines()
    words = [word for line in lines if line.startswith("export ") for word in shlex.split(line)[1:]]
    return dict(word.split("=", 1) for word in words)


def command(title: str, url: str, key: str) -> tuple[str, ...]:
    """The arguments of the last line of an agent's `sh` block: its program is left out."""
    return tuple(shlex.split(block(title, "sh", url, key).strip().splitlines()[-1]))[1:]
