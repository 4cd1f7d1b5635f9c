"""Settings that are gone are named at the start and by doctor, wherever they still stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemgate.errors import SettingsError
from gemgate.settings.loading import load
from gemgate.settings.outdated import outdated


@pytest.mark.parametrize("line", ["PROMPT_MAX_CHARS=900000", "export PROMPT_MAX_CHARS = 900000", "prompt_max_chars=1"])
def test_a_setting_that_is_gone_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PROMPT_MAX_CHARS", raising=False)
    assert outdated() == []
    (tmp_path / ".env").write_text(f"# PROMPT_MAX_CHARS\nAPI_KEY=x\n{line}\n")
    (sentence,) = outdated()
    assert sentence.en.startswith("PROMPT_MAX_CHARS does nothing any more; use PROMPT_MAX_BYTES")
    (tmp_path / ".env").unlink()
    monkeypatch.setenv("PROMPT_MAX_CHARS", "900000")
    assert outdated() == [sentence]


def test_a_settings_file_of_an_older_version_still_counts(tmp_path: Path) -> None:
    file = tmp_path / "gemgate.toml"
    file.write_text("prompt_max_chars = 900000\nport = 9003\n")
    loaded = load(config=file)
    assert loaded.settings.port == 9003
    (sentence,) = loaded.warnings
    assert sentence.en.startswith(f"{file}: prompt_max_chars does nothing any more; use PROMPT_MAX_BYTES")
    file.write_text("prompt_max_char = 1\n")
    with pytest.raises(SettingsError, match="there is no setting prompt_max_char"):
        load(config=file)
