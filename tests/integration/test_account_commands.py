"""`gemgate accounts` as a person types it: over the gateway that runs, and on the database when none does.

Processes of their own against a simulated Google. No cookie is on a command line, in a log, a file or an answer.
"""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import Result
from typer.testing import CliRunner

from gemgate.cli import app
from gemgate_simulator import BlockingSimulator
from tests.support import leaks
from tests.support.patience import wait_until

CHAT = {"messages": [{"role": "user", "content": "say hello"}]}


@pytest.fixture
def sim() -> Iterator[BlockingSimulator]:
    with BlockingSimulator.spawn(("alice", "bob")) as running:
        yield running


class House:
    """A folder with a gateway's data, and the commands that are typed there."""

    def __init__(self, sim: BlockingSimulator, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "DATA_DIR": str(folder / "data"),
            "COOKIE_KEY_FILE": str(folder / "cookie.key"),
            "PROXY_URL": sim.proxy_url,
            "PROXY_CA_FILE": str(sim.ca_file),
            "MODEL_INTERVAL_SECONDS": "0",
            "COLUMNS": "200",
            "PYTHONUTF8": "1",
            "LANG": "C.UTF-8",
        }
        self.log = folder / "serve.log"

    def accounts(self, *words: str, typed: str = "", status: int = 0, **env: str) -> Result:
        """`gemgate accounts …` with that on standard input; it must leave with `status`."""
        return self.command("accounts", *words, typed=typed, status=status, **env)

    def command(self, *words: str, typed: str = "", status: int = 0, **env: str) -> Result:
        handlers, level = list(logging.root.handlers), logging.root.level
        try:
            with chdir(self.folder):
                done = CliRunner().invoke(app, list(words), input=typed, env={**self.environment, **env})
        finally:
            logging.root.handlers[:] = handlers
            logging.root.setLevel(level)
        assert done.exit_code == status, (done.output, done.exception)
        assert not leaks.in_text(done.output)
        return done

    def in_a_process(self, *words: str, typed: str) -> str:
        """The same in a process of its own, whose command line is looked at."""
        line = [sys.executable, "-m", "gemgate", "accounts", *words]
        pipe = subprocess.PIPE
        with subprocess.Popen(
            line, env=self.environment, cwd=self.folder, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert not leaks.in_text(" ".join(psutil.Process(process.pid).cmdline()))
            said, _ = process.communicate(typed, timeout=60)
        assert process.returncode == 0, said
        assert not leaks.in_text(said)
        return said

    def listed(self, **env: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.accounts("list", "--json", **env).stdout)
        return found

    @contextmanager
    def serving(self, **env: str) -> Iterator[Serving]:
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "gemgate", "serve", "--port", "0"],
                env={**self.environment, **env}, cwd=self.folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        try:
            yield Serving(process, self._address(process))
        finally:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _address(self, process: subprocess.Popen[bytes]) -> str:
        """Where it listens, as its lock says."""
        lock = self.folder / "data" / "gemgate.sqlite3.owner"
        for _ in range(600):
            assert process.poll() is None, self.log.read_text()
            with suppress(OSError, ValueError, KeyError):
                told = json.loads(lock.read_text())
                if told["pid"] == process.pid:
                    urllib.request.urlopen(told["url"] + "/health", timeout=2).close()
                    return str(told["url"])
            time.sleep(0.05)
        raise AssertionError("it does not answer")


class Serving:
    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self.process, self.url = process, url

    def ask(self, path: str, body: object | None = None) -> tuple[int, dict[str, Any], dict[str, str]]:
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data, {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer), _lower(answer.headers)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error), _lower(error.headers)

    def chat(self) -> tuple[int, dict[str, Any], dict[str, str]]:
        return self.ask("/v1/chat/completions", CHAT)


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


@pytest.fixture
def state(sim: BlockingSimulator, tmp_path: Path) -> House:
    return House(sim, tmp_path)


def header(sim: BlockingSimulator, name: str) -> str:
    return "; ".join(f"{key}={value}" for key, value in sim.google.cookies(name).items())


def test_over_the_running_gateway(sim: BlockingSimulator, state: House) -> None:
    with state.serving() as gate:
        assert gate.ask("/ready")[0] == 503
        said = state.in_a_process("add", typed=header(sim, "alice"))
        assert f"over the running gateway at {gate.url}" in said
        assert "default: ready" in said
        assert gate.chat()[0] == 200

        (state.folder / "bob.json").write_text(json.dumps(sim.google.cookies("bob")))
        done = state.accounts("add", "bob", "--source", "file:bob.json", "--lanes", "3", "--weight", "2")
        assert "bob: ready" in done.stdout
        facts = {one["name"]: one for one in state.listed()["accounts"]}
        assert (facts["bob"]["lanes"]["max"], facts["bob"]["weight"]) == (3, 2)
        assert facts["bob"]["source"] == f"file:{state.folder}/bob.json"

        assert "bob: paused" in state.accounts("pause", "bob").stdout
        assert gate.ask("/api/accounts/bob")[1]["state"] == "paused"
        assert "bob: ready" in state.accounts("resume", "bob").stdout
        assert "bob: ready" in state.accounts("refresh", "bob").stdout
        state.accounts("reset", "bob", "--capability", "image")
        shown = state.accounts("show", "bob").stdout
        assert re.search(r"reset\s+image", shown)
        assert "resumed" in shown

        sim.google.expire("alice")
        done = state.accounts("test", status=1)
        assert "default: " in done.stdout
        assert "bob: ready" in done.stdout
        assert gate.ask("/api/accounts/default")[1]["state"] == "needs_login"
        found = json.loads(state.accounts("test", "--json", status=1).stdout)
        assert [(one["name"], one["ok"]) for one in found] == [("default", False), ("bob", True)]
        assert json.loads(state.accounts("test", "bob", "--json").stdout)["ok"]
        done = state.accounts("test", "default", status=1, LANG="zh_CN.UTF-8")
        assert "登录" in done.stdout

        assert "nobody" in state.accounts("pause", "nobody", status=2).stderr
        assert "--yes" in state.accounts("remove", "bob", status=2).stderr
        state.accounts("remove", "bob", "--yes")
        assert [one["name"] for one in state.listed()["accounts"]] == ["default"]
        for path in (
            "/",
            "/api/overview",
            "/api/accounts/default",
            "/api/requests",
            "/api/settings",
            "/metrics",
            "/health",
        ):
            with urllib.request.urlopen(gate.url + path, timeout=10) as answer:
                assert not leaks.in_text(answer.read().decode()), path
        for process in (psutil.Process(gate.process.pid), *psutil.Process(gate.process.pid).children(recursive=True)):
            assert not leaks.in_text(" ".join(process.cmdline()))
    assert not leaks.in_text(state.log.read_text())
    assert list(leaks.in_folder(state.folder / "data")) == []


def test_the_gateways_admin_key_is_asked_for(sim: BlockingSimulator, state: House) -> None:
    with state.serving(ADMIN_KEY="open sesame", API_KEY="k") as gate:
        done = state.accounts("list", "--url", gate.url, status=1)
        assert "ADMIN_KEY" in done.stderr
        assert state.listed(ADMIN_KEY="open sesame")["accounts"] == []
        state.accounts("list", "--url", gate.url, "--admin-key", "open sesame")
    done = state.accounts("list", "--url", gate.url, status=1)
    assert "does not answer" in done.stderr


def test_on_the_database_when_no_gateway_runs(sim: BlockingSimulator, state: House) -> None:
    assert "No account yet" in state.accounts("list").stderr
    (state.folder / "cookies.txt").write_text(header(sim, "alice"))
    done = state.accounts("add", "alice", "--cookies", "cookies.txt")
    assert "no gateway runs on it" in done.stderr
    assert "alice: ready" in done.stdout
    assert "cannot be read" in state.accounts("add", "alice", "--cookies", "nowhere", status=2).stderr
    assert "__Secure-1PSID is missing" in state.accounts("add", "x", typed="nonsense", status=2).stderr
    state.accounts("add", "alice", typed="__Secure-1PSID=wrong; __Secure-1PSIDTS=wrong", status=1)
    assert "alice: ready" in state.accounts("test", "alice").stdout, "the old ones stayed"
    state.accounts("pause", "alice")
    with state.serving() as gate:
        status, body, _ = gate.chat()
        assert (status, "paused" in body["error"]["message"]) == (503, True)
        state.accounts("resume", "alice")
        assert gate.chat()[0] == 200


def test_doctor_says_which_cookies_count_and_why(sim: BlockingSimulator, state: House) -> None:
    def found(status: int = 0, **env: str) -> dict[str, tuple[str, str]]:
        rows = json.loads(state.command("doctor", "--json", status=status, **env).stdout)
        return {row["check"]: (row["verdict"], row["found"]) for row in rows}

    assert found(status=1)["cookies"] == ("fail", "no account is set up and no cookies are set")
    file = state.folder / "alice.json"
    source = {"COOKIE_SOURCE": f"file:{file}"}
    assert "does not exist" in state.command("doctor", status=1, **source).stdout
    file.write_text(json.dumps(sim.google.cookies("alice")))
    said = found(**source)
    assert "counts" in said["cookies of default"][1]
    assert "nothing is stored yet" in said["cookies of default"][1]
    assert said["sign-in of default"][0] == "ok"
    facts = state.folder / "facts.toml"
    facts.write_text("[session]\nrotate_gap_seconds = 0\n")
    with state.serving(COOKIE_REFRESH_SECONDS="1", WIRE_FACTS=str(facts), **source) as gate:
        wait_until(lambda: gate.ask("/ready")[0] == 200)
        wait_until(lambda: sim.google.cookies("alice")["__Secure-1PSIDTS"] not in file.read_text())
    said = found(**source)
    assert "the stored ones count" in said["cookies of default"][1]
    assert "have been renewed since" in said["cookies of default"][1]
    assert said["sign-in of default"][0] == "ok"
    file.write_text(json.dumps(sim.google.sign_in("alice")))
    assert "its text has changed since it was taken" in found(**source)["cookies of default"][1]
    sim.google.expire("alice")
    said = found(status=1, **source)
    assert said["sign-in of default"][0] == "fail"
    assert found(status=1, COOKIE_KEYS="another passphrase", **source)["stored cookies of default"][0] == "fail"


def test_rekey_seals_everything_anew_and_keeps_the_old_key_for_backups(sim: BlockingSimulator, state: House) -> None:
    state.accounts("add", "alice", typed=header(sim, "alice"))
    before = _sealed(state)
    done = state.accounts("rekey")
    assert ": 1 secret(s)" in done.stdout
    keys = [line for line in (state.folder / "cookie.key").read_text().splitlines() if not line.startswith("#")]
    assert len(keys) == 2
    assert (state.folder / "cookie.key").stat().st_mode & 0o077 == 0
    assert _sealed(state)[0] != before[0]
    (state.folder / "cookie.key").write_text(keys[0] + "\n")
    assert "alice: ready" in state.accounts("test", "alice").stdout, "the new key alone opens it"
    state.accounts("rekey", COOKIE_KEYS=f"a passphrase of our own,{keys[0]}")
    assert "a key that is not there: alice" in state.accounts("rekey", status=1).stderr
    with state.serving(COOKIE_KEYS="a passphrase of our own") as gate:
        wait_until(lambda: gate.ask("/ready")[0] == 200)
        assert "Another gemgate" in state.accounts("rekey", status=1).stderr


def _sealed(state: House) -> tuple[str, str]:
    with sqlite3.connect(state.folder / "data" / "gemgate.sqlite3") as connection:
        found: tuple[str, str] = connection.execute("SELECT cookies_key, cookies FROM account").fetchone()
    return found


def test_a_cool_down_outlives_kill_9_and_then_exactly_one_call_probes(sim: BlockingSimulator, state: House) -> None:
    state.accounts("add", "alice", typed=header(sim, "alice"))
    rules = {"COOLDOWN_429_SECONDS": "12", "RATE_LIMIT_PER_HOUR": "0", "CONCURRENCY": "8"}
    with state.serving(**rules) as gate:
        wait_until(lambda: gate.ask("/ready")[0] == 200)
        sim.google.fault("generate", "code", code=1037)
        assert gate.chat()[0] == 429
        thaw = time.time() + gate.ask("/api/accounts/alice")[1]["cooldowns"][0]["seconds_left"]
        gate.process.kill()
        gate.process.wait()
    with state.serving(**rules) as gate:
        wait_until(lambda: gate.ask("/api/accounts/alice")[1]["state"] != "starting")
        received = sim.google.record().received
        if time.time() < thaw - 4:  # a machine that took that long to restart has nothing left to show
            status, body, headers = gate.chat()
            assert status == 429, body
            assert int(headers["retry-after"]) <= 13
        assert sim.google.record().received == received
        wait_until(lambda: time.time() > thaw + 0.2)
        sim.google.reply("say hello", "slow hello", delay=5)
        with ThreadPoolExecutor(5) as pool:
            statuses = sorted(one[0] for one in pool.map(lambda _: gate.chat(), range(5)))
        assert statuses == [200, 429, 429, 429, 429]
        assert sim.google.record().received == received + 1
        assert gate.chat()[0] == 200


def test_who_is_signed_in_is_listed_and_taken_by_name(sim: BlockingSimulator, state: House) -> None:
    told = json.loads(state.accounts("who", "--cookies", "-", "--json", typed=header(sim, "alice")).stdout)
    (alice,) = told["identities"]
    assert (alice["number"], alice["account"], alice["why"]) == (0, None, None)
    assert alice["google"].endswith("@gmail.example")
    (state.folder / "alice.txt").write_text(header(sim, "alice"))
    done = state.accounts("add", "--cookies", "alice.txt", "--as", "nobody@gmail.example", status=2)
    assert alice["google"] in done.output
    state.accounts("add", "--cookies", "alice.txt", "--as", "alice@gmail.example")
    (added,) = state.listed()["accounts"]
    assert (added["name"], added["google"]) == ("alice@gmail.example", alice["google"])

    code = json.loads(state.accounts("pair", "laptop", "--json").stdout)
    assert (code["account"], len(code["code"])) == ("laptop", 11)
    assert {one["name"] for one in state.listed()["accounts"]} == {"alice@gmail.example", "laptop"}
