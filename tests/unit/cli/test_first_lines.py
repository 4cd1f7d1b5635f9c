"""What `gemgate serve` says first: a place that is closed is not what it sends a newcomer to."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.serving import settings_for

from gemgate.cli import serve


@pytest.mark.parametrize("language", ["C.UTF-8", "zh_CN.UTF-8"])
@pytest.mark.parametrize("key", ["", "client"])
def test_where_cookies_are_handed_over_is_open(
    key: str, language: str, tmp_path: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", language)
    settings = settings_for(None, tmp_path, **({"api_key": key} if key else {}))
    server: Any = SimpleNamespace(started=True)
    asyncio.run(serve._announce(server, settings, demo=False, empty=True))
    lines = capsys.readouterr().out.splitlines()
    (said,) = [line for line in lines if line.startswith(("No account yet", "还没有账号"))]
    assert ("ADMIN_KEY" in said) is bool(key)
    assert ("gemgate accounts add" in said) is not bool(key)
