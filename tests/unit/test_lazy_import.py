"""What is imported later is there when it is asked for."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from gemgate.lazy_import import deferred, emptied


def test_modules_of_an_emptied_package_come_alone_and_its_names_with_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "house_of_ours"
    package.mkdir()
    (package / "__init__.py").write_text("from .large import Large\nfrom .small import Small\n", "utf-8")
    (package / "large.py").write_text("class Large: ...\n", "utf-8")
    (package / "small.py").write_text("from . import tiny\n\n\nclass Small:\n    one = tiny\n", "utf-8")
    (package / "tiny.py").write_text("", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    emptied("house_of_ours")
    try:
        from house_of_ours.small import Small  # type: ignore[import-not-found]

        assert "house_of_ours.large" not in sys.modules
        import house_of_ours  # type: ignore[import-not-found]

        with pytest.raises(AttributeError):
            house_of_ours.__all__  # noqa: B018 - asked for by tools, which need no more for that
        assert "house_of_ours.large" not in sys.modules
        from house_of_ours import Large

        assert sys.modules["house_of_ours.large"].Large is Large
        assert house_of_ours.Small is Small
        with pytest.raises(AttributeError):
            house_of_ours.Nobody  # noqa: B018
    finally:
        for name in [name for name in sys.modules if name.startswith("house_of_ours")]:
            del sys.modules[name]


def test_what_stands_for_a_module_becomes_it_at_its_first_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "streams_of_ours"
    package.mkdir()
    (package / "__init__.py").write_text("first = 1\n", "utf-8")
    (package / "threads.py").write_text("second = 2\n", "utf-8")
    (tmp_path / "user_of_streams.py").write_text("import streams_of_ours.threads\nimport json.tool\n", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "json.tool", raising=False)
    try:
        with deferred("streams_of_ours", "streams_of_ours.threads", "json", "json.tool"):
            import user_of_streams as user  # type: ignore[import-not-found]
        assert not [name for name in sys.modules if name.startswith("streams_of_ours")]
        assert "json.tool" not in sys.modules
        assert user.streams_of_ours.threads.second == 2
        assert "streams_of_ours.threads" in sys.modules
        assert user.streams_of_ours.first == 1
        assert user.json is json, "which was there"
        assert user.json.tool.main is sys.modules["json.tool"].main
    finally:
        for name in [name for name in sys.modules if name.startswith(("streams_of_ours", "user_of_streams"))]:
            del sys.modules[name]
