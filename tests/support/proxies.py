"""The real reverse proxies with the files of deploy/proxies, but for their addresses and what a test lowers."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.servers import free_port, wait_for_port

FILES = Path(__file__).parents[2] / "deploy" / "proxies"
GATEWAY = "127.0.0.1:8100"
"""Where the files look for gemgate."""


@contextmanager
def proxy(name: str, folder: Path, upstream: str, changes: Mapping[str, str] | None = None) -> Iterator[str]:
    """The address of the proxy `name` before the gateway at `upstream`. changes: of its file, each has to fit."""
    home, port = folder / name, free_port()
    home.mkdir()
    wanted = {**(changes or {}), **PLAIN[name](port), GATEWAY: upstream.removeprefix("http://")}
    text = next(path for path in FILES.iterdir() if path.stem.lower() in (name, f"{name}file")).read_text("utf-8")
    for before, after in wanted.items():
        assert before in text, before
        text = text.replace(before, after)
    command = COMMANDS[name](home, text)
    if shutil.which(command[0], path=f"{os.environ['PATH']}:/usr/sbin") is None:
        pytest.skip(f"{name} is not installed")
    environment = {
        **os.environ,
        "PATH": f"{os.environ['PATH']}:/usr/sbin",
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
        "XDG_DATA_HOME": str(home),
    }
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        wait_for_port(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _nginx(home: Path, text: str) -> list[str]:
    places = "".join(
        f"{name}_temp_path {home}/{name}; " for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (home / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {home}/pid; error_log {home}/log; events {{}}\n"
        f"http {{ access_log off; {places}\n{text}\n}}\n"
    )
    return ["nginx", "-p", str(home), "-e", str(home / "log"), "-c", str(home / "nginx.conf")]


def _haproxy(home: Path, text: str) -> list[str]:
    (home / "haproxy.cfg").write_text(text)
    return ["haproxy", "-db", "-f", str(home / "haproxy.cfg")]


def _caddy(home: Path, text: str) -> list[str]:
    (home / "Caddyfile").write_text("{\n\tadmin off\n\tauto_https off\n}\n" + text)
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(home / "Caddyfile")]


COMMANDS: Mapping[str, Callable[[Path, str], list[str]]] = {"nginx": _nginx, "haproxy": _haproxy, "caddy": _caddy}
PLAIN: Mapping[str, Callable[[int], dict[str, str]]] = {
    "nginx": lambda port: {
        "listen 443 ssl;": f"listen 127.0.0.1:{port};",
        "    ssl_certificate /etc/ssl/private/ai.example.com.crt;\n": "",
        "    ssl_certificate_key /etc/ssl/private/ai.example.com.key;\n": "",
    },
    "haproxy": lambda port: {":443 ssl crt /etc/ssl/private/ai.example.com.pem": f"127.0.0.1:{port}"},
    "caddy": lambda port: {"\nai.example.com {": f"\nhttp://:{port} {{\n\tbind 127.0.0.1"},
}
"""What stands for TLS and the public name."""
