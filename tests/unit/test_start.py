"""What a plain node does not use at once it does not import: counted in modules, which no slow machine changes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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
    "rich": "a terminal, and the commands that paint",
    "mcp": "the first call of an agent's tools",
    "opentelemetry": "OTEL_EXPORTER_OTLP_ENDPOINT",
    "gemgate_simulator": "gemgate demo",
    "anyio": "the first download or form",
    "click": "nothing: our command line has its library's own",
    "uvicorn.main": "nothing: we have a command line",
    "logging.config": "nothing: we say how lines are written",
    "multiprocessing": "the first account with cookies, by its library's log",
    "prometheus_client.exposition": "the first look at the metrics",
    "http.server": "the first look at the metrics, by their library",
    "gemgate.imaging.logo": "the first picture",
    "gemgate.cookies.chrome": "the first account whose cookies are a browser's",
    "gemgate.cookies.firefox": "the first account whose cookies are a browser's",
}

STREAMING = "anyio._backends._asyncio"
"""What Starlette's streams run on: 75 ms of processor."""

STREAMS = {
    "a download": "await answered(app, 'GET', '/v1/files/none/content', answers=StreamingResponse([b'a', b'b']))",
    "a form": "await answered(app, 'POST', '/v1/files', b'--b--', 'multipart/form-data; boundary=b')",
}

_SERVING = """
import asyncio, json, sys
from pathlib import Path
import gemgate.cli.serve
from gemgate.assembly.node import open_service
from gemgate.settings import explicit
from gemgate.web.app import create_app
from gemgate.web.streaming import StreamingResponse

later = set(sys.argv[2:])

async def answered(app, method, path, body=None, kind="application/json", answers=None):
    sent, told = [], body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
             "headers": [(b"host", b"127.0.0.1"), (b"content-type", kind.encode()),
                         (b"content-length", str(len(told)).encode())],
             "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
             "scheme": "http", "http_version": "1.1", "root_path": ""}

    asked = iter([{"type": "http.request", "body": told, "more_body": False}])

    async def receive():
        return next(asked, None) or await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    await (answers or app)(scope, receive, send)
    return sent[0]["status"]

async def main():
    settings = explicit(data_dir=Path(sys.argv[1]) / "data", cookie_key_file=Path(sys.argv[1]) / "cookie.key")
    async with open_service(settings) as service:
        await serve(create_app(settings, service), service)
"""

_PLAIN_START = (
    _SERVING
    + """
async def serve(app, service):
    assert await answered(app, "GET", "/health") == 200
    print(*(later & set(sys.modules)))

asyncio.run(main())
"""
)

_WATCHED = (
    _SERVING
    + """
found = {}

class Watch:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in later:
            found[name] = asyncio._get_running_loop() is not None

sys.meta_path.insert(0, Watch)

def tell():
    print(*(f"{name}:{'loop' if here else 'thread'}" for name, here in found.items()))
"""
)

_FIRST_STREAM = (
    _WATCHED
    + """
async def serve(app, service):
    # STREAM
    tell()

asyncio.run(main())
"""
)

_FIRST_USES = (
    _WATCHED
    + """
from contextlib import suppress
from gemgate.accounts import Cookies
from gemgate.caller import Caller
from gemgate.errors import GatewayError
from gemgate.outbound import GuardedFetcher, GuardedSender
from gemgate.ports.accounts import AccountSetup

async def started(app):  # as a server starts it
    up, asked = asyncio.Event(), iter([{"type": "lifespan.startup"}])

    async def receive():
        return next(asked, None) or await asyncio.Event().wait()

    async def send(message):
        assert message == {"type": "lifespan.startup.complete"}
        up.set()

    task = asyncio.create_task(app({"type": "lifespan"}, receive, send))
    await up.wait()
    return task

async def serve(app, service):
    task = await started(app)
    chat = {"messages": [{"role": "user", "content": "hello"}]}
    tool = {"name": "look", "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}}
    for more in ({}, {"response_format": {"type": "json_object"}}):
        assert await answered(app, "POST", "/v1/chat/completions", chat | more) == 503
        assert "jsonschema" not in found, more
    assert await answered(app, "POST", "/v1/chat/completions", chat | {"functions": [tool]}) == 503
    for path in ("/openapi.json", "/metrics"):
        assert await answered(app, "GET", path) == 200
    with suppress(GatewayError):
        await GuardedFetcher().fetch("http://127.0.0.1:9/fox.png", 1000)
    with suppress(GatewayError):
        await GuardedSender().post("http://127.0.0.1:9/", b"{}", {})
    await service.account_registry.add(AccountSetup("fox", source="file:fox.json"), Caller("test"))
    with suppress(GatewayError):
        await service.account_registry.replace_cookies("fox", Cookies("p" * 40, "t" * 40), Caller("test"))
    task.cancel()
    tell()

asyncio.run(main())
"""
)


def told(script: str, folder: Path, *more: str) -> set[str]:
    """What a script prints of `LATER`, and of these modules."""
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder), *LATER, *more], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_a_plain_start_imports_nothing_that_it_does_not_use(tmp_path: Path) -> None:
    assert told(_PLAIN_START, tmp_path) == set(), "where the database is made"
    assert told(_PLAIN_START, tmp_path) == set(), "where it is there"


def test_what_is_imported_at_its_first_use_is_imported_beside_the_event_loop(tmp_path: Path) -> None:
    found = told(_FIRST_USES, tmp_path)
    used = ("jsonschema", "aiohttp", "gemini_webapi", "gemgate.web.document", "prometheus_client.exposition")
    assert found >= {f"{name}:thread" for name in used}
    assert {name for name in found if name.endswith(":loop")} == set()


@pytest.mark.parametrize("stream", STREAMS)
def test_what_the_framework_streams_with_is_imported_beside_the_event_loop(stream: str, tmp_path: Path) -> None:
    found = told(_FIRST_STREAM.replace("# STREAM", STREAMS[stream]), tmp_path, STREAMING)
    assert f"{STREAMING}:thread" in found
    assert {name for name in found if name.endswith(":loop")} == set()
