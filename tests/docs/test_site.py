"""The site's search finds what stands in the pages, in both languages, and each page leads to its twin."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from tools.docs import programs, site

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("site")
    site.build(ROOT, into)
    return into


def index(built: Path) -> list[list[str]]:
    text = (built / "search-index.js").read_text("utf-8")
    return json.loads(text.removeprefix("window.SEARCH = ").removesuffix(";\n"))  # type: ignore[no-any-return]


def found(built: Path, typed: str, language: str = "en") -> list[dict[str, Any]]:
    """What the page's own script finds."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    script = (
        f"const {{ find }} = require({json.dumps(str(built / 'search.js'))}); global.window = {{}};"
        f"require({json.dumps(str(built / 'search-index.js'))});"
        f"console.log(JSON.stringify(find(window.SEARCH, {json.dumps(typed)}, {json.dumps(language)})))"
    )
    done = subprocess.run([node, "-e", script], capture_output=True, text=True, check=True, timeout=30)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_every_place_of_the_index_is_a_heading_of_a_page(built: Path) -> None:
    pages: dict[str, str] = {}
    for place, title, heading, _text, language in index(built):
        page, _, anchor = place.partition("#")
        html = pages.setdefault(page, (built / page).read_text("utf-8"))
        assert not anchor or f'id="{anchor}"' in html, place
        assert title
        assert heading
        assert f'lang="{language}"' in html


@pytest.mark.parametrize(
    ("typed", "language", "page"),
    [
        ("nginx", "en", "proxies.html"),
        ("traefik readTimeout", "en", "proxies.html"),
        ("Idempotency-Key", "en", "batches.html"),
        ("CONCURRENCY", "en", "settings.html"),
        ("冷却", "zh-CN", "accounts.zh.html"),
        ("Cookie 失效", "zh-CN", "cookies.zh.html"),
        ("反向代理 超时", "zh-CN", "proxies.zh.html"),
        ("迁入", "zh-CN", "import.zh.html"),
        ("如何添加账号", "zh-CN", "accounts.zh.html"),
        ("反向代理超时", "zh-CN", "proxies.zh.html"),
        ("图片保存多久", "zh-CN", "privacy.zh.html"),
        ("怎么升级", "zh-CN", "install.zh.html"),
        ("Codex", "en", "front-ends/codex.html"),
        ("Open WebUI", "zh-CN", "front-ends/open-webui.zh.html"),
    ],
)
def test_what_people_type_is_found(built: Path, typed: str, language: str, page: str) -> None:
    places = [hit["place"].partition("#")[0] for hit in found(built, typed, language)]
    assert page in places


@pytest.mark.parametrize("typed", ["", "   ", "zxqvbn-nowhere", "<script>", "(", "\\"])
def test_odd_words_find_nothing_or_something_and_are_no_error(built: Path, typed: str) -> None:
    assert isinstance(found(built, typed), list)
    assert typed not in ("", "   ", "zxqvbn-nowhere") or not found(built, typed)


def test_a_page_of_both_languages_leads_to_the_other(built: Path) -> None:
    for chinese in [*ROOT.glob("*.zh.md"), *(ROOT / "docs").glob("*.zh.md")]:
        source = chinese.relative_to(ROOT)
        assert (ROOT / site.twin(source)).exists(), f"{source} has no English page"
        for one in (source, site.twin(source)):
            html = (built / site._place(one)).read_text("utf-8")
            assert re.search(rf'<a href="{re.escape(site._relative(site.twin(one), one))}" rel="alternate">', html), one


def test_each_program_has_a_page_of_its_own_in_both_languages(built: Path) -> None:
    sources = {ending: programs.SOURCE.with_suffix(ending) for ending in (".md", ".zh.md")}
    names = [one.name for one in programs.programs((ROOT / sources[".md"]).read_text("utf-8"))]
    assert len(names) > 20
    assert len(set(names)) == len(names)
    for ending, source in sources.items():
        whole = (ROOT / source).read_text("utf-8")
        told = programs.programs(whole)
        assert len(told) == len(names)
        listed = (built / site._place(source)).read_text("utf-8")
        shown = set()
        for name, one in zip(names, told, strict=True):
            place = site._place(programs.FOLDER / f"{programs._file(name)}{ending}")
            page = (built / place).read_text("utf-8")
            assert f'href="{place.as_posix()}"' in listed
            assert "choose-a-long-secret gemgate serve" in page
            assert "8100" in one.text or "https" in one.text, one.name
            shown |= set(re.findall(r"(?ms)^```\w+\n.*?^```", one.text))
        told_of_programs = whole.partition("\n## ")[2]
        assert shown == set(re.findall(r"(?ms)^```\w+\n.*?^```", told_of_programs)), (
            "each block is on its program's page"
        )


def test_a_link_into_a_page_leads_to_a_heading(built: Path) -> None:
    pages = {page: page.read_text("utf-8") for page in built.rglob("*.html")}
    places = {page: set(re.findall(r'<h\d id="([^"]*)"', text)) for page, text in pages.items()}
    for page, text in pages.items():
        for target, anchor in re.findall(r'<a href="([^"#:]*)#([^"]+)"', text):
            there = (page.parent / target).resolve() if target else page
            assert unquote(anchor) in places[there], f"{page.name}: {target}#{unquote(anchor)}"


def test_every_link_leads_to_a_file_of_the_site(built: Path) -> None:
    """A folder of the repository is none."""
    for page in built.rglob("*.html"):
        for target in re.findall(r'(?:href|src)="([^"]+)"', page.read_text("utf-8")):
            path = unquote(target.partition("#")[0])
            if path and not re.match(r"[a-z]+:", path):
                assert (page.parent / path).is_file(), f"{page.relative_to(built)}: {target}"


def test_an_address_without_a_page_leads_home_in_both_languages(built: Path) -> None:
    text = (built / site.NOT_FOUND).read_text("utf-8")
    main = text.partition("<main>")[2].partition("</main>")[0]
    for words, first, contents in (
        ("There is no page here", "index.html", "contents.html"),
        ("没有该页面", "README.zh.html", "contents.zh.html"),
    ):
        assert words in main
        assert f'href="{first}"' in main
        assert f'href="{contents}"' in main
    assert 'id="search"' in text
    assert not [place for place, *_ in index(built) if place.startswith("404")], "nobody looks for it"


@pytest.mark.parametrize(
    ("address", "up"), [("/gemgate/gone.html", ""), ("/gemgate/adr/gone.html", "../"), ("/gemgate/a/b/c", "../../")]
)
def test_a_page_that_is_not_there_finds_its_site_from_any_folder(built: Path, address: str, up: str) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    script = re.findall(r"(?s)<script>(.*?)</script>", (built / site.NOT_FOUND).read_text("utf-8"))[0]
    page = f"""
        const at = new URL({json.dumps("https://x" + address)});
        const box = {{ dataset: {{}} }}, link = {{ href: "index.html" }};
        link.getAttribute = (name) => link[name];
        link.setAttribute = (name, value) => {{ link[name] = value; }};
        const append = (made) => {{
          const there = new URL(made.src, at).pathname === "/gemgate/search.js";
          setTimeout(there ? made.onload : made.onerror);
        }};
        global.location = at;
        global.document = {{
          createElement: () => ({{}}), head: {{ append }}, querySelector: () => box, querySelectorAll: () => [link],
        }};
        {script};
        setTimeout(() => console.log(JSON.stringify([box.dataset.up, link.href])), 100);
    """
    done = subprocess.run([node, "-e", page], capture_output=True, text=True, check=True, timeout=30)
    assert json.loads(done.stdout) == [up, up + "index.html"]


def test_the_words_of_a_page_come_before_the_list_of_all_pages(built: Path) -> None:
    """On a phone, and for who goes from link to link."""
    for page in built.rglob("*.html"):
        text = page.read_text("utf-8")
        assert text.index('id="search"') < text.index("<main>") < text.index("<nav")
        assert text.index('href="#pages"') < text.index("<main>") < text.index('id="pages"')
