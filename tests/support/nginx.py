"""A real nginx before a gateway, with its defaults but for what a test names; skipped by name where there is none."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.servers import free_port, wait_for_port

CONFIGURATION = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; client_max_body_size 64m;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; location {location} {{ {lines} }} }}
}}
"""


@contextmanager
def nginx(folder: Path, lines: str, location: str = "/") -> Iterator[str]:
    """The address of an nginx whose `location` holds the `lines`."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    if not Path(program).exists():
        pytest.skip("nginx is not installed")
    home, port = folder / "nginx", free_port()
    home.mkdir()
    told = home / "nginx.conf"
    told.write_text(CONFIGURATION.format(folder=home, port=port, location=location, lines=lines))
    process = subprocess.Popen([program, "-p", str(home), "-e", str(home / "error.log"), "-c", str(told)])
    try:
        wait_for_port(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)
