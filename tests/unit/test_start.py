"""What a plain node does not use at once it does not import: counted in modules, which no slow machine changes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LATER = {
    "PIL": "the first picture",
    "numpy": "the first picture",
    "obstore": "the first file or picture",
    "cryptography": "the first secret to seal: an account, a batch, a channel of alerts",
    "gemini_webapi": "the first account with cookies",
    "curl_cffi": "the first account with cookies",
    "loguru": "the first account with cookies",
    "aiohttp": "the first link of a caller's, a webhook, an official key, a fleet's gateway",
    "alembic": "a database of an older version",
    "gemgate.web.document": "the OpenAPI document",
    "gemgate.dialects.shapes": "the OpenAPI document",
    "jsonschema": "the first tool or schema",
    "referencing": "the first tool or schema",
    "limits": "REDIS_URL",
    "redis": "REDIS_URL",
    "psycopg": "DATABASE_URL of PostgreSQL",
    "sqlalchemy.orm": "nothing: a program that embeds us may",
    "sqlalchemy.dialects.postgresql": "DATABASE_URL of PostgreSQL",
    "rich.traceback": "nothing: our tracebacks are plain",
    "mcp": "the first call of an agent's tools",
    "opentelemetry": "OTEL_EXPORTER_OTLP_ENDPOINT",
    "gemgate_simulator": "gemgate demo",
    "gemgate.imaging.logo": "the first picture",
}

_PLAIN_START = """
import asyncio, sys
from pathlib import Path
import gemgate.cli.serve
from gemgate.assembly.node import open_service
from gemgate.settings import explicit
from gemgate.web.app import create_app

async def main():
    settings = explicit(data_dir=Path(sys.argv[1]) / "data", cookie_key_file=Path(sys.argv[1]) / "cookie.key")
    async with open_service(settings) as service:
        app, sent = create_app(settings, service), []
        scope = {"type": "http", "method": "GET", "path": "/health", "raw_path": b"/health", "query_string": b"",
                 "headers": [(b"host", b"127.0.0.1")], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
                 "scheme": "http", "http_version": "1.1", "root_path": ""}

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            sent.append(message)

        await app(scope, receive, send)
        assert sent[0]["status"] == 200, sent
        print(*(set(sys.argv[2:]) & set(sys.modules)))

asyncio.run(main())
"""


def imported(folder: Path) -> set[str]:
    """What of `LATER` is there when a node without accounts has answered its first question."""
    done = subprocess.run(
        [sys.executable, "-c", _PLAIN_START, str(folder), *LATER], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_a_plain_start_imports_nothing_that_it_does_not_use(tmp_path: Path) -> None:
    assert imported(tmp_path) == set(), "where the database is made"
    assert imported(tmp_path) == set(), "where it is there"
