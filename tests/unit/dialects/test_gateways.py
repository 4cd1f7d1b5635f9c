"""Configurations of other gateways: what is taken, what is left and said, and that no secret is ever shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemgate.cli.moving import report, rows
from gemgate.dialects import gateways
from gemgate.dialects.gateways import Taken
from gemgate.errors import BadRequest
from gemgate.settings import explicit
from tests.support.gateway_files import FILES, ONE, SECRETS, TWO


def taken(name: str) -> Taken:
    return gateways.read(FILES[name])


def left(found: Taken) -> dict[str, str]:
    return {remark.place: remark.text.en for remark in found.remarks}


def test_gemini_fastapis_file() -> None:
    found = taken("gemini-fastapi")
    assert found.format == "gemini-fastapi"
    alice, bob = found.accounts
    assert (alice.name, alice.proxy) == ("alice", "http://127.0.0.1:3129")
    assert alice.cookies is not None
    assert bob.cookies is not None
    assert (alice.cookies.psid, alice.cookies.psidts) == ONE
    assert (bob.name, bob.cookies.psid, bob.proxy) == ("bob", TWO[0], None)
    assert [key.secret for key in found.clients] == ["sk-of-the-house-11"]
    values = {setting.name: setting.value for setting in found.settings}
    assert values == {
        "HOST": "0.0.0.0",
        "PORT": 8123,
        "CORS_ORIGINS": "https://chat.example",
        "COOKIE_REFRESH_SECONDS": 540,
        "LOG_LEVEL": "warning",
    }
    assert {"server.https", "gemini.max_chars_per_request", "storage.path", "cors.allow_methods"} <= set(left(found))


def test_gemini_fastapis_variables() -> None:
    found = gateways.read(
        f"CONFIG_SERVER__API_KEY='sk-of-the-house-12'\nexport CONFIG_GEMINI__CLIENTS__1__SECURE_1PSID={TWO[0]}\n"
        f"CONFIG_GEMINI__CLIENTS__0__ID=anna\nCONFIG_GEMINI__CLIENTS__0__SECURE_1PSID={ONE[0]}\n"
        f"CONFIG_GEMINI__CLIENTS__0__SECURE_1PSIDTS={ONE[1]}\nCONFIG_GEMINI__AUTO_REFRESH=false\nOTHER=1\n"
    )
    assert [account.name for account in found.accounts] == ["anna", "account-2"]
    assert {setting.name: setting.value for setting in found.settings} == {"COOKIE_REFRESH_SECONDS": 0}
    assert [key.secret for key in found.clients] == ["sk-of-the-house-12"]


def test_gemini2apis_three_files() -> None:
    env = taken("gemini2api")
    assert [account.cookies and account.cookies.psid for account in env.accounts] == [ONE[0]]
    assert {setting.name: setting.value for setting in env.settings} == {
        "ADMIN_KEY": "the-page-of-the-house", "PORT": 5919, "CONCURRENCY": 4, "LOG_LEVEL": "info", "CORS_ORIGINS": "*",
    }  # fmt: skip
    accounts = gateways.read(
        json.dumps({"accounts": [{"id": "account-0", "psid": f'"{TWO[0]}";', "psidts": TWO[1], "label": "家"}]})
    )
    assert [(one.name, one.cookies and one.cookies.psid) for one in accounts.accounts] == [("家", TWO[0])]
    keys = taken("gemini2api keys")
    assert [(key.name, key.secret) for key in keys.official] == [("mine", "AIzaSyKeyOfTheHouse-000000000000000012")]
    assert "no key of Google's" in left(keys)["api-keys[1]"]


def test_gemini_web_to_apis_env() -> None:
    found = taken("gemini-web-to-api")
    (account,) = found.accounts
    assert account.cookies is not None
    assert (account.cookies.psid, account.cookies.psidts, account.number) == (*ONE, 2)
    assert account.cookies.others
    assert {setting.name: setting.value for setting in found.settings} == {
        "PORT": 4982, "LOG_LEVEL": "info", "COOKIE_REFRESH_SECONDS": 720, "HISTORY": "temporary",
    }  # fmt: skip


def test_gemini_web2apis_config() -> None:
    found = taken("gemini-web2api")
    assert [account.cookie_file for account in found.accounts] == ["cookies.txt"]
    assert [key.secret for key in found.clients] == ["sk-of-the-house-13", "sk-of-the-house-14"]
    assert {setting.name: setting.value for setting in found.settings} == {
        "PROXY_URL": "socks5://127.0.0.1:1081", "HOST": "127.0.0.1", "PORT": 8091, "REQUEST_TIMEOUT_SECONDS": 190,
        "ADMIN_KEY": "the-page-of-the-house",
    }  # fmt: skip
    assert "not taken" in left(found)["db_path"]


def test_rows_of_one_api() -> None:
    found = taken("one-api")
    assert [key.secret for key in found.official] == [
        "AIzaSyKeyOfTheHouse-000000000000000013",
        "AIzaSyKeyOfTheHouse-000000000000000014",
    ]
    assert [(key.name, key.secret) for key in found.clients] == [("shop", "sk-" + "k9" * 24)]
    said = left(found)
    assert "another provider" in said["channels[1]"]
    assert "switched off" in said["channels[2]"]
    assert "has no key" in said["channels[3]"]
    assert "some day" in said["tokens[5]"]
    wrapped = {"data": {"items": json.loads(FILES["one-api"])}, "success": True}
    assert gateways.read(json.dumps(wrapped)).official == found.official


def test_litellms_config() -> None:
    found = taken("litellm")
    assert [(key.secret, key.variable) for key in found.official] == [
        ("AIzaSyKeyOfTheHouse-000000000000000015", ""),
        ("", "GEMINI_API_KEY"),
    ]
    assert [key.secret for key in found.clients] == ["sk-of-the-house-15"]
    said = left(found)
    assert "another provider" in said["model_list[2]"]
    assert "MODEL_ALIASES" in said["model_list[0].model_name"]
    assert {"router_settings", "general_settings.database_url", "general_settings.master_key"} <= set(said)


def test_cli_proxy_apis_config() -> None:
    found = taken("cli-proxy-api")
    assert [key.secret for key in found.clients] == ["house-key-16", "house-key-17"]
    assert [(key.secret, key.proxy) for key in found.official] == [
        ("AIzaSyKeyOfTheHouse-000000000000000016", "socks5://127.0.0.1:1082"),
        ("AIzaSyKeyOfTheHouse-000000000000000017", None),
    ]
    assert "goes to another address" in left(found)["gemini-api-key[2]"]
    assert {"auth-dir", "claude-api-key", "remote-management"} <= set(left(found))


@pytest.mark.parametrize("name", FILES)
def test_what_is_taken_are_settings_of_ours(name: str) -> None:
    values: dict[str, Any] = {setting.name.lower(): setting.value for setting in taken(name).settings}
    clients = ",".join(f"{key.name}:{key.secret}" for key in taken(name).clients)
    assert set(values) <= set(explicit(**values, **({"api_key": clients} if clients else {})).model_fields_set)


def test_examples_are_no_secrets() -> None:
    found = gateways.read(
        'server:\n  api_key: null\n  host: "0.0.0.0"\ngemini:\n  clients:\n    - id: "example-id-1"\n'
        '      secure_1psid: "YOUR_SECURE_1PSID_HERE"\n      secure_1psidts: "YOUR_SECURE_1PSIDTS_HERE"\n'
    )
    assert not found.accounts
    assert not found.settings, "HOST without a key would not start"
    assert left(found)["gemini.clients[0]"] == "is still the example's"


@pytest.mark.parametrize("text", ["", "hello", "[]", "{}", "a: b", "A=1", "- x", "null", "[[[[", '{"a":', "\x00"])
def test_nothing_known_is_one_clear_error(text: str) -> None:
    with pytest.raises(BadRequest):
        gateways.read(text)


def test_a_named_format_is_read_as_such_and_a_large_file_is_not() -> None:
    assert gateways.read("{}", "litellm") == Taken("litellm")
    assert tuple(form.name for form in gateways.FORMATS) == gateways.NAMES
    with pytest.raises(BadRequest, match="larger"):
        gateways.read(" " * (gateways.LARGEST + 1))
    with pytest.raises(BadRequest, match="More than"):
        gateways.read(json.dumps({"accounts": [{"psid": f"g.a000{at:030}"} for at in range(1001)]}))


def test_one_name_is_given_once() -> None:
    two = [{"psid": psid, "psidts": "sidts-x", "label": "same"} for psid in (ONE[0], TWO[0])]
    assert [one.name for one in gateways.read(json.dumps(two)).accounts] == ["same", "same-2"]


@pytest.mark.parametrize("label", [ONE[0], f"of {ONE[0][6:40]}", "sk-abcdefgh", "AIzaSyKeyOfTheHouse", ONE[1][10:30]])
def test_a_name_that_could_be_a_secret_is_not_shown(label: str) -> None:
    (one,) = gateways.read(json.dumps([{"psid": ONE[0], "psidts": ONE[1], "label": label}])).accounts
    assert one.name == "account-1"


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A file that somebody broke: pieces moved, doubled, cut, changed, quotes and ends of lines gone."""
    text = FILES[draw(st.sampled_from(list(FILES)))]
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, len(text)))
        stop = min(len(text), start + draw(st.integers(0, 90)))
        to = draw(st.integers(0, len(text)))
        piece = text[start:stop]
        match draw(st.sampled_from(("cut", "double", "move", "put", "value", "line"))):
            case "cut":
                text = text[:start] + text[stop:]
            case "double":
                text = text[:to] + piece + text[to:]
            case "move":
                rest = text[:start] + text[stop:]
                text = rest[:to] + piece + rest[to:]
            case "put":
                text = text[:start] + draw(st.sampled_from(list("\"':,=[]{}#-\n \t&*|"))) + text[start:]
            case "value":
                text = text[:start] + draw(st.sampled_from(SECRETS)) + text[stop:]
            case "line":
                lines = text.split("\n")
                other = draw(st.integers(0, len(lines) - 1))
                lines.insert(draw(st.integers(0, len(lines))), lines.pop(other))
                text = "\n".join(lines)
    return text


PIECE = 20
PIECES = {secret[at : at + PIECE] for secret in SECRETS for at in range(max(1, len(secret) - PIECE + 1))}


def shown(text: str, form: str = "") -> str:
    """Everything that a person, a log or a traceback could see of it."""
    try:
        found = gateways.read(text, form)
    except BadRequest as error:
        return f"{error!r} {error} {error.en} {error.zh}"
    return f"{found!r} {json.dumps(report(found, {}, applied=False), ensure_ascii=False)} {rows(found)}"


def leaked(said: str) -> list[str]:
    return [piece for piece in PIECES if piece in said]


@given(mutated(), st.sampled_from(("", *gateways.NAMES)))
@settings(max_examples=300)
def test_no_broken_file_shows_a_secret(text: str, form: str) -> None:
    assert not leaked(shown(text, form))


@pytest.mark.soak
@given(mutated(), st.sampled_from(("", *gateways.NAMES)))
@settings(max_examples=10_000)
def test_no_broken_file_of_ten_thousand_shows_a_secret(text: str, form: str) -> None:
    assert not leaked(shown(text, form))


def test_every_project_stands_on_the_page() -> None:
    page = Path(__file__).parents[3].joinpath("docs", "import.md").read_text("utf-8")
    assert all(f"`{name}`" in page for name in gateways.NAMES)
