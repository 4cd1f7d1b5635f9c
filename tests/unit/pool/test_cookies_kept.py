"""More cookies of google.com than the three are kept where a source has them, and shown to nobody."""

from __future__ import annotations

import json

import pytest

from gemgate.accounts import MOST_OTHERS, PSID, PSIDTS, Cookies
from gemgate.dialects import cookie_text

THREE = {PSID: "g.a000psid", PSIDTS: "sidts-x"}
ROWS = [
    *({"name": n, "value": v, "domain": ".google.com", "path": "/"} for n, v in THREE.items()),
    {"name": "SID", "value": "g.sid", "domain": ".google.com", "path": "/"},
    {"name": "OTZ", "value": "7", "domain": ".google.com", "path": "/"},
    {"name": "SID", "value": "other", "domain": ".youtube.com", "path": "/"},
    {"name": "LSID", "value": "host", "domain": "accounts.google.com", "path": "/"},
    {"name": "bad", "value": "a;b", "domain": ".google.com", "path": "/"},
]
NETSCAPE = "\n".join(f"{r['domain']}\tTRUE\t{r['path']}\tTRUE\t0\t{r['name']}\t{r['value']}" for r in ROWS)


@pytest.mark.parametrize("text", [json.dumps(ROWS), json.dumps({"cookies": ROWS}), NETSCAPE])
def test_a_source_that_tells_domains_is_kept_whole(text: str) -> None:
    cookies = cookie_text.read(text)
    assert [(o.name, o.domain, o.path, o.value) for o in cookies.others] == [
        ("SID", ".google.com", "/", "g.sid"),
        ("OTZ", ".google.com", "/", "7"),
    ]


@pytest.mark.parametrize("form", ["header", "object"])
def test_of_a_text_without_domains_googles_own_names_are_kept(form: str) -> None:
    pairs = {**THREE, "SID": "g.sid", "SOCS": "CAI", "COMPASS": "gemini=1", "_ga": "GA1"}
    text = "; ".join(f"{n}={v}" for n, v in pairs.items()) if form == "header" else json.dumps(pairs)
    assert [o.name for o in cookie_text.read(text).others] == ["SID", "SOCS"]


def test_they_survive_storing_and_are_never_shown_or_compared() -> None:
    cookies = cookie_text.read(json.dumps(ROWS))
    stored = Cookies.of(json.loads(json.dumps(cookies.as_dict())))
    assert stored.others == cookies.others
    assert "g.sid" not in repr(cookies) + str(cookies) + repr(cookies.others)
    assert cookies == Cookies(THREE[PSID], THREE[PSIDTS])
    assert cookies.digest == Cookies(THREE[PSID], THREE[PSIDTS]).digest


@pytest.mark.parametrize("jar", ["no json", "{}", "[1]", '[["a"]]', '[["SID", ".evil.example", "/", "x"]]'])
def test_a_damaged_jar_costs_nothing_but_itself(jar: str) -> None:
    assert Cookies.of({**THREE, "jar": jar}).others == ()


def test_there_is_an_end_to_them() -> None:
    many = [{"name": f"c{n}", "value": "v", "domain": ".google.com"} for n in range(100)]
    assert len(cookie_text.read(json.dumps([*ROWS[:2], *many])).others) == MOST_OTHERS
