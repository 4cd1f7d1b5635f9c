"""docs/front-ends.md says which programs there are and what each is told; the page's Connect has the same ones, and
tells them the same, with the gateway's own address.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import gemgate.web.page

DOCS = Path(__file__).parents[2] / "docs"
CARD = Path(gemgate.web.page.__file__).parent / "static" / "clients.js"
ROOT, KEY, MODEL = "http://HOST:8100", "KEY", "gemini-3-flash-preview"
OF_THE_PAGE = {"curl", "Python", "JavaScript", "Anthropic SDK", "Google GenAI SDK", "Images", "Any other"}
"""First calls by hand, which the API page and the README have."""
LIBRARIES = {"LangChain", "LlamaIndex", "Vercel AI SDK"}
"""Told in the text of the page, where no heading and no row names them."""


@pytest.fixture(scope="module")
def card() -> dict[str, list[list[Any]]]:
    """What the page tells each program, by its English name."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    at = {"root": ROOT, "v1": f"{ROOT}/v1", "model": MODEL, "key": KEY}
    script = f"""
        const source = "data:text/javascript," + encodeURIComponent({json.dumps(CARD.read_text("utf-8"))});
        const told = ([id, name, kind, steps]) => [[name].flat()[0], steps({json.dumps(at)})];
        import(source).then(({{ CLIENTS }}) => console.log(JSON.stringify(CLIENTS.map(told))));
    """
    done = subprocess.run([node, "-e", script], capture_output=True, text=True, check=True, timeout=30)
    return dict(json.loads(done.stdout))


def told_in_the_page() -> dict[str, str]:
    """Program -> what docs/front-ends.md says of it: a section of its own, or a row."""
    text = (DOCS / "front-ends.md").read_text("utf-8")
    ends, _, rest = text.partition("## Command-line agents\n")
    agents, _, more = rest.partition("\n## More chat programs")
    found: dict[str, str] = {}
    for level, part in (("##", ends), ("###", agents)):
        for section in re.split(rf"(?m)^{level} ", part)[1:]:
            found[section.partition("\n")[0]] = section
    for heading in ("What all of them should know", "Files", "What is not offered"):
        del found[heading]
    for row in re.findall(
        r"(?m)^\| (?!program|it asks|---|an? )([^|]+) \|(.+)$", more.partition("## Anything else")[0]
    ):
        found[row[0]] = row[1]
    return {one: said for names, said in found.items() for one in apart(names)}


def apart(names: str) -> list[str]:
    """Programs that share a heading, a row or an entry."""
    names = names.removesuffix(" and their kin").removesuffix(" in an editor")
    return re.split(r", | and | / ", names)


def test_the_page_and_the_docs_know_the_same_programs(card: dict[str, list[list[Any]]]) -> None:
    shown = {one for names in card for one in apart(names)} - OF_THE_PAGE
    text = (DOCS / "front-ends.md").read_text("utf-8")
    assert all(library in text for library in LIBRARIES)
    assert shown == {*told_in_the_page(), *LIBRARIES}


def test_the_page_tells_a_program_what_the_docs_tell_it(card: dict[str, list[list[Any]]]) -> None:
    """Its files and variables, whatever model they name; of what is filled in by hand, the address."""
    said = {
        one: squeezed("\n".join(text for _, text in steps)) for names, steps in card.items() for one in apart(names)
    }
    for program, told in told_in_the_page().items():
        blocks = re.findall(r"(?ms)^```\w+\n(.*?)^```", told)
        for line in (line for block in blocks for line in block.splitlines() if "HOST" in line or "KEY" in line):
            assert squeezed(line) in said[program], f"{program}: {line}"
        if not blocks:
            addresses = set(re.findall(r"`(?:\w+=)?(http://HOST:8100(?:/v1)?)`", told))
            assert not addresses or any(squeezed(one) in said[program] for one in addresses), program
    more = (DOCS / "front-ends.md").read_text("utf-8").partition("## More chat programs")[2]
    for program, block in zip(
        ("LibreChat", "Continue", "LangChain", "LlamaIndex"), re.findall(r"(?ms)^```\w+\n(.*?)^```", more), strict=True
    ):
        for line in block.splitlines():
            assert squeezed(line) in said[program], f"{program}: {line}"


def squeezed(text: str) -> str:
    """Without blanks, and with one name for every model."""
    text = re.sub(r"gemini-[\w.-]+\w(, gemini-[\w.-]+\w)*", "MODEL", text)
    return re.sub(r"\s|,$", "", text)
