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
def proxy(
    name: str,
    folder: Path,
    upstream: str,
    changes: Mapping[str, str] | None = None,
    *,
    path: bool = False,
    certificate: Path | None = None,
) -> Iterator[str]:
    """The address of the proxy `name` before the gateway at `upstream`.

    changes: of its file, each has to fit. path: take the file for a path of its own. certificate: a file with one
    and its key, for TLS as the file has it.
    """
    home, port = folder / name, free_port()
    home.mkdir()
    front = TLS[name](port, certificate) if certificate else PLAIN[name](port)
    wanted = {**(changes or {}), **front, GATEWAY: upstream.removeprefix("http://")}
    stems = [f"{stem}{'-path' if path else ''}" for stem in (name, f"{name}file")]
    text = next(file for file in FILES.iterdir() if file.stem.lower() in stems).read_text("utf-8")
    text = text.replace("ai.example.com", "example.com")
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
        yield f"http{'s' if certificate else ''}://127.0.0.1:{port}"
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
        "    ssl_certificate /etc/ssl/private/example.com.crt;\n": "",
        "    ssl_certificate_key /etc/ssl/private/example.com.key;\n": "",
    },
    "haproxy": lambda port: {":443 ssl crt /etc/ssl/private/example.com.pem": f"127.0.0.1:{port}"},
    "caddy": lambda port: {"\nexample.com {": f"\nhttp://:{port} {{\n\tbind 127.0.0.1"},
}
"""What stands for TLS and the public name."""
TLS: Mapping[str, Callable[[int, Path], dict[str, str]]] = {
    "nginx": lambda port, file: {
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "/etc/ssl/private/example.com.crt": str(file),
        "/etc/ssl/private/example.com.key": str(file),
    },
    "haproxy": lambda port, file: {
        "bind :443 ssl": f"bind 127.0.0.1:{port} ssl",
        "/etc/ssl/private/example.com.pem": str(file),
    },
    "caddy": lambda port, file: {
        "\nexample.com {": f"\nhttps://127.0.0.1:{port} {{\n\tbind 127.0.0.1\n\ttls {file} {file}",
    },
}
"""What stands for the port, the public name and the certificate; TLS stays."""
