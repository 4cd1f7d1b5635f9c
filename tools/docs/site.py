"""The site: every Markdown page of the project as one HTML page, with no script, no font and no image from elsewhere."""

from __future__ import annotations

import html
import posixpath
import re
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ORDER = (
    "README.md", "docs/start.md", "docs/install.md", "docs/cookies.md", "docs/extension.md", "docs/import.md", "docs/quick-reference.md", "docs/images.md",
    "docs/videos.md", "docs/music.md", "docs/research.md", "docs/batches.md", "docs/history.md", "docs/front-ends.md", "docs/mcp.md",
    "docs/proxies.md", "docs/fleet.md", "docs/troubleshooting.md", "docs/faults.md", "docs/settings.md", "docs/api.md",
    "docs/metrics.md", "docs/usage.md", "docs/architecture.md", "docs/client-contracts.md", "docs/google-wire.md", "docs/gemini-webapi.md",
    "docs/logo.md", "docs/decisions.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md",
)  # fmt: skip
STYLE = """
:root { color-scheme: light dark; --ink: #1c1e21; --paper: #fff; --soft: #f3f4f6; --line: #d9dce1; --link: #0b57d0 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8eb; --paper: #16181b; --soft: #22252a; --line: #383c43; --link: #8ab4f8 }
}
body { margin: 0; font: 16px/1.6 system-ui, sans-serif; color: var(--ink); background: var(--paper) }
.all { display: grid; grid-template-columns: 15rem minmax(0, 1fr); max-width: 76rem; margin: auto }
nav { padding: 2rem 1rem; border-right: 1px solid var(--line); font-size: .92rem }
nav ul { list-style: none; padding: 0; margin: 0 } nav li { margin: .3rem 0 }
nav [aria-current] { font-weight: 600; color: inherit; text-decoration: none }
main { padding: 2rem; max-width: 52rem } a { color: var(--link) }
pre { background: var(--soft); padding: .8rem 1rem; overflow-x: auto; border-radius: 6px; font-size: .86rem; line-height: 1.45 }
code { background: var(--soft); padding: .1em .3em; border-radius: 4px; font-size: .9em } pre code { padding: 0; font-size: 1em }
table { border-collapse: collapse; display: block; overflow-x: auto } th, td { border: 1px solid var(--line); padding: .3rem .6rem; text-align: left; vertical-align: top }
h1, h2, h3 { line-height: 1.25; scroll-margin-top: 1rem } h2 { border-top: 1px solid var(--line); padding-top: 1.2rem; margin-top: 2.2rem }
@media (max-width: 50rem) { .all { display: block } nav { border: 0; border-bottom: 1px solid var(--line) } main { padding: 1rem } }
"""


def pages_of(root: Path) -> list[Path]:
    """All pages: the known ones in their order, then the rest by name."""
    known = [Path(name) for name in ORDER if (root / name).exists()]
    chinese = [name.relative_to(root) for name in [*root.glob("*.zh.md"), *sorted((root / "docs").glob("*.zh.md"))]]
    others = sorted(path.relative_to(root) for path in (root / "docs").rglob("*.md"))
    return list(dict.fromkeys([*known, *chinese, *others]))


def build(root: Path, into: Path) -> list[Path]:
    """Write the site; the pages written. A link to a page that is not there is a ValueError."""
    sources = pages_of(root)
    texts = {source: (root / source).read_text("utf-8") for source in sources}
    titles = {source: _title(text, source) for source, text in texts.items()}
    written = []
    for source, text in texts.items():
        place = into / _place(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(_page(root, source, text, titles), "utf-8")
        written.append(place)
    return written


def _place(source: Path) -> Path:
    name = source.as_posix().removeprefix("docs/")
    return Path("index.html" if name == "README.md" else name.removesuffix(".md") + ".html")


def _title(text: str, source: Path) -> str:
    found = re.search(r"(?m)^# (.+)$", text)
    return found[1].strip("` ") if found else source.stem


def _page(root: Path, source: Path, text: str, titles: dict[Path, str]) -> str:
    language = "zh-CN" if source.name.endswith(".zh.md") else "en"
    body = _html(root, source, text)
    rows = [
        f'<li><a href="{_relative(one, source)}"{" aria-current=page" if one == source else ""}>{html.escape(title)}</a></li>'
        for one, title in titles.items()
        if one.parts[:2] != ("docs", "adr")
    ]
    return (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(titles[source])} · gemgate</title><style>{STYLE}</style>"
        f'<div class="all"><nav aria-label="Pages"><ul>{"".join(rows)}</ul></nav><main>{body}</main></div></html>\n'
    )


def _html(root: Path, source: Path, text: str) -> str:
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(re.sub(r"(?s)<!--.*?-->", "", text))
    for number, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrSet("id", slug(tokens[number + 1].content))
        for child in token.children or ():
            _linked(root, source, child)
    return str(markdown.renderer.render(tokens, markdown.options, {}))


def slug(heading: str) -> str:
    """The anchor of a heading, as code forges make it."""
    words = re.sub(r"[^\w\s-]", "", heading.lower())
    return re.sub(r"\s+", "-", words.strip())


def _linked(root: Path, source: Path, token: Token) -> None:
    """Links between pages become links between their HTML; a link that leads nowhere ends the build."""
    name = "href" if token.type == "link_open" else "src" if token.type == "image" else ""
    target = str(token.attrGet(name) or "") if name else ""
    if not target or re.match(r"[a-z]+:|#|/", target):
        return
    path, _, anchor = target.partition("#")
    at = Path(posixpath.normpath((source.parent / path).as_posix()))
    if not (root / at).exists():
        raise ValueError(f"{source} links to {target}, which is not there")
    if at.suffix == ".md":
        token.attrSet(name, _relative(at, source) + (f"#{anchor}" if anchor else ""))


def _relative(target: Path, source: Path) -> str:
    return posixpath.relpath(_place(target).as_posix(), _place(source).parent.as_posix())
