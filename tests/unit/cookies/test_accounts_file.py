"""accounts.toml: what it may say, and that a mistake is named with its entry."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemgate.cookies.accounts_file import read
from gemgate.errors import BadRequest
from gemgate.ports.accounts import AccountSetup


def written(folder: Path, text: str) -> Path:
    path = folder / "accounts.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_accounts_are_read_with_their_sources_and_shares(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        [[account]]
        name = "alice"
        source = "browser:firefox:me#Work"
        proxy = "http://u:p@proxy:3128"
        lanes = 3
        weight = 2

        [[account]]
        name = "bob"
        """,
    )
    assert read(path) == [
        AccountSetup("alice", "web", "browser:firefox:me#Work", "http://u:p@proxy:3128", 3, 2.0, "file"),
        AccountSetup("bob", origin="file"),
    ]


def test_number_language_and_sizes_are_an_account_s_own(tmp_path: Path) -> None:
    lines = '[[account]]\nname = "a"\nnumber = 1\nlanguage = "zh-CN"\nprompt_max_bytes = 0\nrotate = false\n'
    (setup,) = read(written(tmp_path, lines + "prompt_with_files_max_bytes = 9000\n"))
    assert (setup.number, setup.language, setup.rotate) == (1, "zh-CN", False)
    assert (setup.prompt_max_bytes, setup.prompt_with_files_max_bytes) == (0, 9000)


@pytest.mark.parametrize(("said", "fallback"), [("", True), ("fallback = false", False), ("fallback = true", True)])
def test_an_official_account_names_the_place_of_its_key_and_waits_behind_the_others(
    tmp_path: Path, said: str, fallback: bool
) -> None:
    lines = f'[[account]]\nname = "paid"\nkind = "official"\napi_key = "env:GEMINI_API_KEY"\n{said}\n'
    (setup,) = read(written(tmp_path, lines))
    assert setup == AccountSetup("paid", "official", "env:GEMINI_API_KEY", origin="file", fallback=fallback)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ('api_key = "AIzaSyNotAPlaceButTheKeyItself"', "never the key itself"),
        ('api_key = "env:"', "never the key itself"),
        ("api_key = 5", "never the key itself"),
        ("", "never the key itself"),
        ('api_key = "env:X"\nsource = "env"', "no source"),
        ('api_key = "env:X"\nfallback = "yes"', "fallback is true or false"),
        ('api_key = "env:X"\nrotate = 0', "rotate is true or false"),
    ],
)
def test_a_key_in_plain_text_is_refused_without_being_repeated(tmp_path: Path, entry: str, said: str) -> None:
    path = written(tmp_path, f'[[account]]\nname = "paid"\nkind = "official"\n{entry}\n')
    with pytest.raises(BadRequest, match=said) as caught:
        read(path)
    assert "account 1 (paid)" in caught.value.en
    assert "AIza" not in caught.value.en + caught.value.zh


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense", "accounts.toml"),
        ('name = "x"', "one [[account]] table per account"),
        ("[[account]]", "account 1 has no name"),
        ('[[account]]\nname = "a"\n[[account]]\nname = "a"', "two accounts have one name"),
        ('[[account]]\nname = "a"\ncookie = "x"', "there is no key cookie"),
        ('[[account]]\nname = "a"\nkind = "vertex"', "kind is web or official"),
        ('[[account]]\nname = "a"\nlanes = 0', "lanes is a number from 1 on"),
        ('[[account]]\nname = "a"\nweight = -1', "weight is a number from 0 on"),
        ('[[account]]\nname = "a"\nsource = "opera"', "browser:firefox"),
        ('[[account]]\nname = "a"\nnumber = 10', "number is a number from 0 to 9"),
        ('[[account]]\nname = "a"\nnumber = true', "number is a number from 0 to 9"),
        ('[[account]]\nname = "a"\nlanguage = "../x"', "language is a code"),
        ('[[account]]\nname = "a"\nprompt_max_bytes = -1', "prompt_max_bytes is a number of bytes"),
        ('[[account]]\nname = "a"\nprompt_with_files_max_bytes = "1"', "prompt_with_files_max_bytes is a number"),
        ('[[account]]\nname = "a"\nsource = "env"\napi_key = "env:X"', 'belongs to kind = "official"'),
    ],
)
def test_a_mistake_is_one_clear_line(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(BadRequest) as caught:
        read(path)
    assert said in caught.value.en
    assert str(path) in caught.value.en
