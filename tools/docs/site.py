"""The site: every Markdown page of the project as one HTML page, in both languages where there are two, with a search that
needs no server; no script, no font and no image from elsewhere.
"""

from __future__ import annotations

import html
import json
import posixpath
import re
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tools.docs import programs

ORDER = (
    "README.md", "docs/which.md", "docs/start.md", "docs/install.md", "docs/cookies.md", "docs/accounts.md", "docs/extension.md", "docs/import.md",
    "docs/quick-reference.md", "docs/commands.md", "docs/images.md",
    "docs/videos.md", "docs/music.md", "docs/research.md", "docs/batches.md", "docs/history.md", "docs/front-ends.md", "docs/mcp.md",
    "docs/proxies.md", "docs/fleet.md", "docs/troubleshooting.md", "docs/errors.md", "docs/faults.md", "docs/settings.md", "docs/api.md",
    "docs/operations.md", "docs/metrics.md", "docs/usage.md", "docs/capacity.md", "docs/privacy.md", "docs/threats.md", "docs/architecture.md", "docs/client-contracts.md", "docs/google-wire.md", "docs/gemini-webapi.md",
    "docs/logo.md", "docs/decisions.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md",
)  # fmt: skip
DECISIONS = Path("docs/adr/index.md")
"""The list of decisions: of the site alone, because a forge lists a folder by itself."""
NOT_FOUND = "404.html"
"""What hosts of sites answer where there is no page, at whatever address that was."""
SEARCH = Path(__file__).with_name("search.js")
LOST = Path(__file__).with_name("lost.js")
STYLE = """
:root { color-scheme: light dark; --ink: #1c1e21; --paper: #fff; --soft: #f3f4f6; --line: #d9dce1; --link: #0b57d0 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8eb; --paper: #16181b; --soft: #22252a; --line: #383c43; --link: #8ab4f8 }
}
body { margin: 0; font: 16px/1.6 system-ui, sans-serif; color: var(--ink); background: var(--paper) }
.all { display: grid; grid-template: "search main" auto "pages main" 1fr / 15rem minmax(0, 1fr); max-width: 76rem; margin: auto }
[role=search] { grid-area: search; padding: 2rem 1rem 0 } nav { grid-area: pages; padding: 0 1rem 2rem }
nav, [role=search] { font-size: .92rem } ul.plain { list-style: none; padding: 0; margin: 0 } .plain li { margin: .3rem 0 }
input { width: 100%; box-sizing: border-box; font: inherit; padding: .4rem .6rem; margin-bottom: .6rem }
#found { margin-bottom: 1rem } #found small { display: block; opacity: .75; overflow-wrap: anywhere }
nav [aria-current] { font-weight: 600; color: inherit; text-decoration: none }
main { grid-area: main; padding: 2rem; max-width: 52rem; border-left: 1px solid var(--line) } .narrow { display: none } a { color: var(--link) }
pre { background: var(--soft); padding: .8rem 1rem; overflow-x: auto; border-radius: 6px; font-size: .86rem; line-height: 1.45 }
code { background: var(--soft); padding: .1em .3em; border-radius: 4px; font-size: .9em } pre code { padding: 0; font-size: 1em }
table { border-collapse: collapse; display: block; overflow-x: auto } th, td { border: 1px solid var(--line); padding: .3rem .6rem; text-align: left; vertical-align: top }
h1, h2, h3 { line-height: 1.25; scroll-margin-top: 1rem } h2 { border-top: 1px solid var(--line); padding-top: 1.2rem; margin-top: 2.2rem }
@media (max-width: 50rem) {
  .all { display: block } [role=search] { padding: 1rem 1rem 0 } nav { padding: 1rem; border-top: 1px solid var(--line) }
  main { padding: 1rem; border: 0 } .narrow { display: inline }
}
"""


def pages_of(root: Path) -> list[Path]:
    """All pages: the known ones in their order, each with its Chinese twin, then the rest by name."""
    known = [page for name in ORDER for page in (Path(name), twin(Path(name))) if (root / page).exists()]
    others = sorted(path.relative_to(root) for path in (root / "docs").rglob("*.md"))
    deploy = sorted(path.relative_to(root) for path in (root / "deploy").rglob("README*.md"))
    return list(dict.fromkeys([*known, *others, *deploy]))


def build(root: Path, into: Path) -> list[Path]:
    """Write the site; the pages written. A link to a page that is not there is a ValueError."""
    sources = pages_of(root)
    texts = {source: (root / source).read_text("utf-8") for source in sources}
    texts[DECISIONS] = "# Decisions\n\n" + "".join(
        f"* [{_title(text, source)}]({source.name})\n"
        for source, text in texts.items()
        if source.parent == DECISIONS.parent
    )
    texts |= programs.pages(texts)
    titles = {source: _title(text, source) for source, text in texts.items()}
    written = []
    for source, text in texts.items():
        place = into / _place(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(_page(root, source, text, titles), "utf-8")
        written.append(place)
    (into / NOT_FOUND).write_text(_lost(titles), "utf-8")
    (into / "search.js").write_text(SEARCH.read_text("utf-8"), "utf-8")
    rows = [row for source, text in texts.items() for row in _indexed(source, text, titles[source])]
    (into / "search-index.js").write_text(f"window.SEARCH = {json.dumps(rows, ensure_ascii=False)};\n", "utf-8")
    return written


def _indexed(source: Path, text: str, title: str) -> list[tuple[str, str, str, str, str]]:
    """What the search knows of a page; of a program's only its own part, and not what stands on each of them."""
    rows = sections(source, text, title)
    return rows[:1] if source.parent == programs.FOLDER else rows


def sections(source: Path, text: str, title: str) -> list[tuple[str, str, str, str, str]]:
    """What the search knows of a page, a row for each heading: its address, the page's title, itself, the words below it as
    they are read, and the language.
    """
    place, rows, heading, words = _place(source).as_posix(), [], title, list[str]()
    anchor = ""

    def close() -> None:
        rows.append((place + anchor, title, heading, " ".join(" ".join(words).split()), language_of(source)))
        words.clear()

    tokens = MarkdownIt("commonmark", {"html": False}).enable("table").parse(re.sub(r"(?s)<!--.*?-->", "", text))
    for number, token in enumerate(tokens):
        if token.type == "heading_open" and token.tag != "h1":
            close()
            heading = _plain(tokens[number + 1])
            anchor = "#" + slug(tokens[number + 1].content)
        elif token.type == "inline" and tokens[number - 1].type != "heading_open":
            words.append(_plain(token))
        elif token.type == "fence":
            words.append(token.content)
    close()
    return rows


def _plain(token: Token) -> str:
    """A line's words without its marks and addresses."""
    return "".join(" " if one.type == "softbreak" else one.content for one in token.children or ())


def language_of(source: Path) -> str:
    """The language of a page, as HTML says it."""
    return "zh-CN" if source.name.endswith(".zh.md") else "en"


def twin(source: Path) -> Path:
    """The same page in the other language, whether there is one or not."""
    if language_of(source) == "en":
        return source.with_name(source.name.removesuffix(".md") + ".zh.md")
    return source.with_name(source.name.removesuffix(".zh.md") + ".md")


def _place(source: Path) -> Path:
    name = source.as_posix().removeprefix("docs/")
    name = {"README.md": "index.md", "index.md": "contents.md", "index.zh.md": "contents.zh.md"}.get(name, name)
    return Path(name.removesuffix(".md") + ".html")


def _title(text: str, source: Path) -> str:
    found = re.search(r"(?m)^# (.+)$", text)
    return found[1].strip("` ") if found else source.stem


def _page(root: Path, source: Path, text: str, titles: dict[Path, str]) -> str:
    language = language_of(source)
    chinese = language == "zh-CN"
    box, none, other, pages = (
        ("搜索", "没有找到", "English", "全部页面") if chinese else ("Search", "Nothing found", "中文", "All pages")
    )
    up = posixpath.relpath(".", _place(source).parent.as_posix())
    up = "" if up == "." else up + "/"
    ways = [f'<a class="narrow" href="#pages">{pages}</a>']
    if twin(source) in titles:
        ways.insert(0, f'<a href="{_relative(twin(source), source)}" rel="alternate">{other}</a>')
    return _framed(
        source,
        titles,
        (box, none, pages),
        ways,
        _html(root, source, text, titles),
        f'<script src="{up}search.js"></script>',
        up,
    )


def _lost(titles: dict[Path, str]) -> str:
    """The page for an address that has none, in both languages. It may stand for one in any folder, below an address
    that nobody here knows: its script looks for the site, and sets all links by that.
    """
    home, contents = Path("README.md"), Path("docs/index.md")
    to = {one: f'<a href="{_place(one).as_posix()}">' for each in (home, contents) for one in (each, twin(each))}
    body = (
        "<h1>There is no page here</h1>"
        f"<p>It may have another name now. Search for it, or go to {to[home]}the first page</a> or to {to[contents]}all pages</a>.</p>"
        '<section lang="zh-CN"><h2>没有该页面</h2>'
        f"<p>它可能已改名。可以搜索，或前往{to[twin(home)]}首页</a>、{to[twin(contents)]}全部页面</a>。</p></section>"
    )
    words = ("Search 搜索", "Nothing found 没有找到", "All pages 全部页面")
    ways = [f'<a class="narrow" href="#pages">{words[2]}</a>']
    named = {**titles, Path(NOT_FOUND): "404"}
    return _framed(Path(NOT_FOUND), named, words, ways, body, f"<script>{LOST.read_text('utf-8')}</script>", "")


def _framed(
    source: Path, titles: dict[Path, str], words: tuple[str, str, str], ways: list[str], body: str, script: str, up: str
) -> str:
    """A whole page: the search, what it says, and the list of all pages. words: what the search and the list are called."""
    language, (box, none, pages) = language_of(source), words
    rows = [
        f'<li><a href="{_relative(one, source)}"{" aria-current=page" if one == source else ""}>{html.escape(title)}</a></li>'
        for one, title in titles.items()
        if (one.parent not in (DECISIONS.parent, programs.FOLDER) or one == DECISIONS)
        and (language_of(one) == language or twin(one) not in titles)
        and one != Path(NOT_FOUND)
    ]
    return (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(titles[source])} · gemgate</title><style>{STYLE}</style>"
        f'<div class="all"><div role="search"><input id="search" type="search" '
        f'placeholder="{box} (/)" aria-label="{box}" data-up="{up}" data-none="{none}"><ul id="found" class="plain" aria-live="polite"></ul>'
        f"<p>{' '.join(ways)}</p></div><main>{body}</main>"
        f'<nav id="pages" aria-label="{pages}"><ul class="plain">{"".join(rows)}</ul></nav></div>'
        f"{script}</html>\n"
    )


def _html(root: Path, source: Path, text: str, titles: dict[Path, str]) -> str:
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(re.sub(r"(?s)<!--.*?-->", "", text))
    for number, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrSet("id", slug(tokens[number + 1].content))
        _link(root, source, token.children or [], titles)
    return str(markdown.renderer.render(tokens, markdown.options, {}))


def slug(heading: str) -> str:
    """The anchor of a heading, as code forges make it."""
    words = re.sub(r"[^\w\s-]", "", heading.lower())
    return re.sub(r"\s+", "-", words.strip())


def _link(root: Path, source: Path, tokens: list[Token], titles: dict[Path, str]) -> None:
    """Links between pages become links between their HTML; one to a file that the site has not becomes its words, and one
    that leads nowhere ends the build.
    """
    opened: Token | None = None
    for token in tokens:
        name = "href" if token.type == "link_open" else "src" if token.type == "image" else ""
        target = str(token.attrGet(name) or "") if name else ""
        if name == "href":
            opened = token
        if token.type == "link_close" and opened is not None:
            token.tag = opened.tag
        if not target or re.match(r"[a-z]+:|#|/", target):
            continue
        path, _, anchor = target.partition("#")
        at = Path(posixpath.normpath((source.parent / path).as_posix()))
        if at not in titles and not (root / at).exists():
            raise ValueError(f"{source} links to {target}, which is not there")
        page = _page_at(at, language_of(source), titles)
        if page is not None:
            token.attrSet(name, _relative(page, source) + (f"#{anchor}" if anchor else ""))
        else:
            token.tag, token.attrs = "span", {}


def _page_at(at: Path, language: str, titles: dict[Path, str]) -> Path | None:
    """The page of a path: itself, or what a folder has to be read first."""
    first = ["README.zh.md"] if language == "zh-CN" else []
    return next(
        (one for one in (at, *(at / name for name in (*first, "README.md", "index.md"))) if one in titles), None
    )


def _relative(target: Path, source: Path) -> str:
    return posixpath.relpath(_place(target).as_posix(), _place(source).parent.as_posix())
