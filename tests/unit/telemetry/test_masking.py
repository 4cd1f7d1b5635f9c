"""What is masked in log lines stays masked when the patterns are cheap, and messages are as long as we say."""

from __future__ import annotations

import pytest

from gemgate.errors import MESSAGE_AT_MOST, BadRequest, said
from gemgate.telemetry.logs import LONGEST, masked


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("http://user:secret@host:1/x", "http://user:***@host:1/x"),
        ("a socks5h://u:p@h b", "a socks5h://u:***@h b"),
        ("http://:pw@host", "http://:***@host"),
        ("http://host:80/a@b", "http://host:80/a@b"),
        ("w://" * 3 + "u:p@h", "w://" * 3 + "u:***@h"),
    ],
)
def test_a_password_in_an_address_is_masked(text: str, left: str) -> None:
    assert masked(text) == left


def test_a_cut_line_shows_no_half_of_a_secret() -> None:
    secret = "http://user:" + "s" * 100 + "@host"
    for shift in range(0, 120, 7):
        line = masked("x" * (LONGEST - shift - 1) + " " + secret)
        assert "sss" not in line
        assert len(line) < LONGEST + 20


def test_what_a_caller_said_is_cut_in_messages() -> None:
    assert said("abc") == "abc"
    assert said("x" * 500, 10) == "x" * 10 + "..."
    error = BadRequest("e" * 1_000_000, "z" * 1_000_000)
    assert max(len(str(error)), len(error.en), len(error.zh)) == MESSAGE_AT_MOST + 3


@pytest.mark.parametrize(
    "name", ["api_key", "X-Api-Key", "x-goog-api-key", "APIKEY", "key", "token", "Secret", "password", "sig"]
)
@pytest.mark.parametrize("sign", ["=", ": ", '": "', " = '"])
def test_a_credential_is_masked_by_its_name(name: str, sign: str) -> None:
    assert masked(f"a {name}{sign}hunter2hunter2 b") == f"a {name}{sign}*** b"


@pytest.mark.parametrize("scheme", ["Bearer", "basic"])
def test_a_credential_is_masked_by_its_scheme(scheme: str) -> None:
    assert masked(f"a {scheme}  hunter2hunter2 b") == f"a {scheme}  *** b"


def test_an_ordinary_line_is_not_searched_for_what_it_cannot_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking for credentials themselves costs more than all the rest of a line."""
    line = (
        "request.done account=key-1 output_tokens=40 prompt_tokens=12 client=sk-bench model=basic-signed seconds=0.02"
    )
    for name in ("_COOKIE", "_CREDENTIAL", "_USERINFO", "TOKEN"):
        monkeypatch.setattr(f"gemgate.telemetry.logs.{name}", None)
    assert masked(line) == line
