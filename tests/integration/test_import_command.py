"""`gemgate import` against a simulated Google: nothing happens without --apply, everything that counts with it."""

from __future__ import annotations

import json
import logging
import os
import stat
import tomllib
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from gemgate.cli import app
from gemgate_simulator import BlockingSimulator
from tests.support import leaks
from tests.support.gateway_files import FILES, KEY


@pytest.fixture(scope="module")
def sim() -> Iterator[BlockingSimulator]:
    with BlockingSimulator.spawn(("alice", "bob")) as running:
        yield running


@pytest.fixture
def typed(sim: BlockingSimulator, tmp_path: Path) -> Iterator[Typing]:
    with chdir(tmp_path):
        yield Typing(sim, tmp_path)


class Typing:
    def __init__(self, sim: BlockingSimulator, folder: Path) -> None:
        self.folder = folder
        self._environment = {
            "PATH": os.environ["PATH"], "HOME": str(folder), "DATA_DIR": str(folder / "data"),
            "COOKIE_KEY_FILE": str(folder / "cookie.key"),
            "PROXY_URL": sim.proxy_url, "PROXY_CA_FILE": str(sim.ca_file),
            "COLUMNS": "200", "LANG": "C.UTF-8",
        }  # fmt: skip

    def __call__(self, *words: str, status: int = 0, **more: str) -> Result:
        handlers, level = list(logging.root.handlers), logging.root.level
        try:
            done = CliRunner().invoke(app, list(words), env={**self._environment, **more})
        finally:
            logging.root.handlers[:] = handlers
            logging.root.setLevel(level)
        assert done.exit_code == status, (done.output, done.exception)
        assert not leaks.in_text(done.output)
        assert "house-1" not in done.output, "a key of clients is printed"
        return done


def fastapi_file(sim: BlockingSimulator, folder: Path, *, bob: str = "") -> str:
    one, two = sim.google.cookies("alice"), sim.google.cookies("bob")
    (folder / "config.yaml").write_text(
        "server:\n  api_key: sk-of-the-house-11\n  port: 8123\ngemini:\n  clients:\n"
        f"    - id: alice\n      secure_1psid: {one['__Secure-1PSID']}\n"
        f"      secure_1psidts: {one['__Secure-1PSIDTS']}\n"
        f"    - id: bob\n      secure_1psid: {bob or two['__Secure-1PSID']}\n"
        f"      secure_1psidts: {two['__Secure-1PSIDTS']}\n  timeout: 300\n"
    )
    return "config.yaml"


def test_without_apply_nothing_changes(typed: Typing, sim: BlockingSimulator) -> None:
    file = fastapi_file(sim, typed.folder)
    said = typed("import", file).stdout
    assert "account alice" in said
    assert "gemini.timeout" in said
    assert "--apply" in said
    assert "账号 alice" in typed("import", file, LANG="zh_CN.UTF-8").stdout
    told = json.loads(typed("import", file, "--json").stdout)
    assert (told["format"], told["applied"]) == ("gemini-fastapi", False)
    assert [one["name"] for one in told["accounts"]] == ["alice", "bob"]
    assert sorted(path.name for path in typed.folder.iterdir()) == ["config.yaml"]


def test_applied_accounts_sign_in_keys_are_written_and_a_second_time_changes_nothing(
    typed: Typing, sim: BlockingSimulator
) -> None:
    file = fastapi_file(sim, typed.folder, bob="g.a000-that-nobody-has")
    said = typed("import", file, "--apply", status=1).stdout
    assert "alice → an account with its cookies: added, signed in" in said
    assert "bob → an account with its cookies: " in said
    settings = typed.folder / "gemgate.toml"
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600
    assert tomllib.loads(settings.read_text()) == {"api_key": "gemini-fastapi:sk-of-the-house-11", "port": 8123}
    listed = json.loads(typed("accounts", "list", "--json").stdout)["accounts"]
    assert [one["name"] for one in listed] == ["alice"], "one that does not sign in is not kept"

    text = settings.read_bytes()
    again = typed("import", fastapi_file(sim, typed.folder), "--apply").stdout
    assert "alice → an account with its cookies: there already" in again
    assert "bob → an account with its cookies: added" in again
    assert "PORT = 8123: there already" in again
    assert settings.read_bytes() == text


def test_keys_of_the_official_api_stand_beside_the_accounts(typed: Typing) -> None:
    (typed.folder / "litellm.yaml").write_text(FILES["litellm"])
    (typed.folder / "gemgate.toml").write_text("port = 8101")
    assert "official-1" in typed("import", "litellm.yaml", "--apply").stdout
    accounts = tomllib.loads((typed.folder / "data" / "accounts.toml").read_text())["account"]
    assert [one["api_key"] for one in accounts] == ["file:keys/official-1.key", "env:GEMINI_API_KEY"]
    key = typed.folder / "data" / "keys" / "official-1.key"
    assert key.read_text() == KEY + "15\n"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert tomllib.loads((typed.folder / "gemgate.toml").read_text()) == {
        "port": 8101,
        "api_key": "litellm:sk-of-the-house-15",
    }
    names = {one["name"] for one in json.loads(typed("accounts", "list", "--json").stdout)["accounts"]}
    assert {"official-1", "official-2"} <= names


def test_a_file_of_cookies_beside_the_configuration_is_read(typed: Typing, sim: BlockingSimulator) -> None:
    (typed.folder / "old").mkdir()
    (typed.folder / "old" / "config.json").write_text(FILES["gemini-web2api"])
    assert "cookie_file: names a file that cannot be read here" in typed("import", "old/config.json").stdout
    cookies = "; ".join(f"{name}={value}" for name, value in sim.google.cookies("alice").items())
    (typed.folder / "old" / "cookies.txt").write_text(cookies)
    assert "account gemini-web2api" in typed("import", "old/config.json").stdout


def test_what_is_no_configuration_is_one_clear_line(typed: Typing) -> None:
    assert "cannot be read" in typed("import", "nowhere", status=2).stderr
    (typed.folder / "x").write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in typed("import", "x", status=2).stderr
    (typed.folder / "y").write_text("hello: world")
    assert "--from" in typed("import", "y", status=2).stderr
    (typed.folder / "gemgate.toml").write_text("port =")
    (typed.folder / "z").write_text(FILES["cli-proxy-api"])
    assert "gemgate.toml cannot be read" in typed("import", "z", "--apply", status=2).stderr
