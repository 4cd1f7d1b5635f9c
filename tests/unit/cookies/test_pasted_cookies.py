"""Cookies as people copy them: every file of tests/corpus/cookies is what one tool or browser makes, with one session
and changed values; what is refused is told in a sentence that says what is missing. No value is ever in an error.
"""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemgate.accounts import PSID, Cookies
from gemgate.dialects import cookie_text, simple
from gemgate.errors import BadRequest, ClientError

CORPUS = Path(__file__).parents[2] / "corpus" / "cookies"
COPIED = {path.name: path.read_bytes().decode() for path in sorted(CORPUS.iterdir()) if path.is_file()}
REFUSED = {path.name: path.read_text() for path in sorted((CORPUS / "refused").iterdir())}
SESSION: dict[str, str] = json.loads(COPIED["object.json"])
ONE, TWO = "__Secure-1PSID", "__Secure-1PSIDTS"
THREE_ONLY = re.compile("two_values|python_script|percent_encoded|markdown_table")

SHORT = {
    "small header": f"cookie: {ONE}=a1b; NID=5; {TWO}=c2d",
    "python": f"{{'{ONE}': 'a1b', '{TWO}': 'c2d'}}",
    "comma at the end": f'{{"{ONE}": "a1b", "{TWO}": "c2d",}}',
    "objects": f'{{"{ONE}": {{"value": "a1b"}}, "{TWO}": {{"value": "c2d"}}}}',
    "by domain": f'{{".google.com": {{"{ONE}": "a1b", "{TWO}": "c2d"}}}}',
    "lines": f"{ONE}\na1b\n{TWO}\nc2d\n",
    "encoded": f"{ONE}%3Da1b%3B%20{TWO}%3Dc2d",
    "csv": f"name,value,domain\n{ONE},a1b,.google.com\n{TWO},c2d,.google.com",
    "a quoted file": json.dumps({"cookies": f"{ONE}=a1b; {TWO}=c2d"}),
}


@pytest.mark.parametrize("form", COPIED)
def test_every_form_is_read(form: str) -> None:
    cookies = cookie_text.read(COPIED[form])
    found = [cookies.psid, cookies.psidts]
    assert found == [SESSION[ONE], SESSION[TWO]]
    if THREE_ONLY.match(form):
        return
    others = {one.name: one.value for one in cookies.others}
    assert cookies.psidcc == SESSION["__Secure-1PSIDCC"]
    assert others["SID"] == SESSION["SID"]
    if not form.startswith("dotenv"):
        assert others.items() >= {name: SESSION[name] for name in ("SID", "SAPISID", "NID", "SOCS")}.items()
    assert not others.keys() & {"_ga", "YSC", "OSID", "COMPASS"}
    assert {one.domain.lstrip(".") for one in cookies.others} == {"google.com"}


@pytest.mark.parametrize("form", SHORT)
def test_cookies_are_found_in_whatever_was_copied(form: str) -> None:
    cookies = cookie_text.read(SHORT[form])
    assert (cookies.psid, cookies.psidts) == ("a1b", "c2d")


@pytest.mark.parametrize("form", COPIED)
def test_line_ends_and_marks_around_a_text_change_nothing(form: str) -> None:
    text = COPIED[form].replace("\r\n", "\n")
    for changed in (text.replace("\n", "\r\n"), "\ufeff\n" + text + "\n\n", text.rstrip()):
        assert cookie_text.read(changed) == cookie_text.read(text)


@pytest.mark.parametrize("form", ["editthiscookie.json", "cookie_quick_manager.json", "object.json", "har_chrome.json"])
def test_json_as_it_is_reads_like_its_text(form: str) -> None:
    """Programs send exports as JSON in the body, the page sends text."""
    given_as_json = simple.CookiesRequest.model_validate({"cookies": json.loads(COPIED[form])})
    assert simple.read_cookies(given_as_json)[0].others == cookie_text.read(COPIED[form]).others


SAYS = {
    "several_containers.json": ("several Google sessions", "多个 Google 会话"),
    "two_headers.txt": ("several Google sessions", "多个 Google 会话"),
    "har_sanitized.json": ("with sensitive data", "包含敏感数据"),
    "document_cookie.txt": ("has NID, SAPISID, SID", "其中有 NID、SAPISID、SID"),
    "other_sites.txt": (
        "read as a cookies.txt, the text has 7 cookies, none of them of google.com",
        "没有 google.com 的",
    ),
    "only_timestamp.txt": ("the text was read as headers and has __Secure-1PSIDTS", "其中有 __Secure-1PSIDTS"),
    "no_value.txt": ("is there without a value", "没有值"),
    "cut_off.json": ("looks like JSON and breaks off", "不完整或已损坏"),
    "prose.txt": ("holds no cookies at all", "没有 Cookie"),
    "curl_without.txt": ("read as a curl command, the text holds no cookies", "已读取 curl 命令"),
}


@pytest.mark.parametrize("form", REFUSED)
def test_what_is_missing_is_named(form: str) -> None:
    with pytest.raises(BadRequest) as refused:
        cookie_text.read(REFUSED[form])
    en, zh = SAYS[form]
    assert en in refused.value.en
    assert zh in refused.value.zh
    assert PSID in refused.value.en
    assert PSID in refused.value.zh


FIRST, SECOND = "g.a000abcDEF_1234567890xyz-1234567890", "sidts-CjEB_abc.1234567890-abcdefghij"


@pytest.mark.parametrize(
    "text",
    [
        f"{FIRST}\n{SECOND}",
        f"{SECOND}\n{FIRST}",
        f"{SECOND}, {FIRST}",
        f"{ONE}：{FIRST}\n{TWO}：{SECOND}",
        f"| {ONE} | {FIRST} |\n| {TWO} | {SECOND} |",
    ],
)
def test_the_two_by_hand(text: str) -> None:
    """In either order, with the colon of a Chinese keyboard, in a table of a note."""
    found = cookie_text.read(text)
    assert (found.psid, found.psidts) == (FIRST, SECOND)


@pytest.mark.parametrize("text", ["", " \n", "\ufeff"])
def test_nothing_at_all_is_called_that(text: str) -> None:
    with pytest.raises(BadRequest, match="the text is empty"):
        cookie_text.read(text)


def test_cookies_without_the_second_are_taken_and_said_so() -> None:
    lacking = cookie_text.lacks(cookie_text.read(f"{ONE}=a1b"))
    assert lacking is not None
    assert TWO in lacking.en
    assert TWO in lacking.zh
    assert cookie_text.lacks(Cookies("a", "b")) is None


# Mutations: nothing of a cookie in any error


SECRETS = {piece for value in SESSION.values() for piece in (value[at : at + 12] for at in range(len(value) - 11))}


MARKS = ("", "\n", "\t", ";", "=", '"', "'", "\\", "^", "`", " ", ":", ",", "{", "]", PSID, "\x00", "é")


def mutated(text: str, chance: random.Random) -> str:
    """The text as a bad copy of it: cut, doubled, moved, other marks between."""
    for _ in range(chance.randint(1, 6)):
        at, to = sorted(chance.randrange(len(text) + 1) for _ in range(2))
        to = min(to, at + chance.choice((1, 3, 40, 400, 10_000)))
        piece = chance.choice(MARKS)
        match chance.randrange(6):
            case 0:
                text = text[:at] + text[to:]
            case 1:
                text = text[:at] + piece + text[at:]
            case 2:
                text = text[:to] + text[at:]
            case 3:
                text = text[:at] + text[at:to].replace(chance.choice('\t\n;"=:, '), piece) + text[to:]
            case 4:
                text = text[:at]
            case _:
                text = text.replace(PSID, piece, 1)
    return text


def tells_nothing(text: str) -> None:
    try:
        found = cookie_text.read(text)
    except ClientError as error:
        said = f"{error.en} {error.zh} {error.details} {error.param} {error.code} {error!r}"
    else:
        said = f"{found!r} {found}"
    said += _through_the_api(text)
    assert not any(said[at : at + 12] in SECRETS for at in range(len(said)))


def _through_the_api(text: str) -> str:
    for body in (text, [text], {"cookies": text}):
        try:
            simple.read_cookies(simple.CookiesRequest.model_validate({"cookies": body}))
        except ClientError as error:
            return f"{error.en} {error.zh}"
    return ""


EVERY = list(COPIED.values()) + list(REFUSED.values())


@settings(max_examples=300)
@given(st.sampled_from(EVERY), st.integers(0, 2**48))
def test_no_error_tells_a_cookie(text: str, seed: int) -> None:
    tells_nothing(mutated(text, random.Random(seed)))


@pytest.mark.soak
@settings(max_examples=10_000)
@given(st.sampled_from(EVERY), st.integers(0, 2**48))
def test_no_error_tells_a_cookie_ten_thousand_times(text: str, seed: int) -> None:
    tells_nothing(mutated(text, random.Random(seed)))


@pytest.mark.parametrize("between", ["\n", " ", "\r\n\r\n", ", "])
def test_the_two_values_alone_are_told_apart_by_how_they_begin(between: str) -> None:
    one, two = "g.a000" + "Ab-_9" * 20, "sidts-" + "Xy-_8" * 12
    assert cookie_text.read(one + between + two).psid == one
    assert cookie_text.read(one + between + two).psidts == two
    with pytest.raises(BadRequest):
        cookie_text.read(f"{one}{between}{one}")


@pytest.mark.parametrize("text", ["", "hello", f"{ONE}", f"{TWO} c2d", f"{ONE} a\nand {ONE} b", f"{ONE},.google.com,x"])
def test_what_holds_none_or_two_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        cookie_text.read(text)
