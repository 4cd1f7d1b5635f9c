"""The pages on proxies show the files that tests run behind the real programs, and nothing else under their names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGES = {name: (ROOT / "docs" / name).read_text("utf-8") for name in ("proxies.md", "proxies.zh.md")}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("file", sorted((ROOT / "deploy" / "proxies").iterdir()), ids=lambda file: file.name)
def test_the_page_shows_the_file_as_it_is(file: Path, page: str) -> None:
    assert file.read_text("utf-8") in re.findall(r"```\w+\n(.*?)```", PAGES[page], re.DOTALL)


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / "deploy" / "proxies" / name).read_text("utf-8"))


@pytest.mark.parametrize("name", ["traefik-gemgate.yml", "traefik-gemgate-path.yml"])
def test_traefiks_parts_name_each_other(name: str) -> None:
    """That much can be known without the program; it was not run, and the page says so."""
    static, http = read("traefik.yml"), read(name)["http"]
    assert static["providers"]["file"]["filename"] in (ROOT / "deploy" / "proxies" / name).read_text().splitlines()[0]
    for router in http["routers"].values():
        assert set(router["entryPoints"]) <= set(static["entryPoints"])
        assert router["service"] in http["services"]
        assert set(router.get("middlewares", ())) <= set(http.get("middlewares", ()))
        assert router["rule"].count("`") % 2 == 0


def test_traefik_takes_a_path_of_its_own_and_no_other() -> None:
    http = read("traefik-gemgate-path.yml")["http"]
    rule = re.search(r"PathRegexp\(`(.+)`\)", http["routers"]["gemgate"]["rule"])
    assert rule
    taken = [path for path in ("/gem", "/gem/", "/gem/v1", "/gems/", "/a/gem/") if re.search(rule[1], path)]
    assert taken == ["/gem", "/gem/", "/gem/v1"]
    slash = http["middlewares"]["slash"]["redirectRegex"]
    lead = [re.fullmatch(slash["regex"], f"https://example.com{path}") for path in ("/gem", "/gem/")]
    assert lead[0]
    assert lead[1] is None
    assert slash["replacement"].replace("${1}", lead[0][1]) == "https://example.com/gem/"


def test_a_tunnel_ends_with_a_rule_for_everything_else() -> None:
    tunnel = read("cloudflared.yml")
    assert tunnel["credentials-file"].endswith(f"/{tunnel['tunnel']}.json")
    assert [set(rule) for rule in tunnel["ingress"]][-1] == {"service"}
    assert "were not run" in PAGES["proxies.md"]
    assert "没有运行过" in PAGES["proxies.zh.md"]
