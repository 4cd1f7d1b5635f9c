"""Settings that are gone are named at the start and by doctor, wherever they still stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tools.release import RELEASED, settings_file

from gemgate.errors import SettingsError
from gemgate.settings import Settings
from gemgate.settings.loading import load
from gemgate.settings.outdated import GONE, outdated

ROOT = Path(__file__).parents[2]
KEPT = sorted((*(ROOT / RELEASED).glob("*.toml"), *(ROOT / RELEASED).parent.glob("before_*.toml")))
"""Settings that older versions knew; each release adds its own (tools/release.py)."""


@pytest.mark.parametrize("kept", KEPT, ids=lambda kept: kept.stem)
def test_settings_of_an_older_version_still_count_or_are_named(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = kept.read_text("utf-8")
    known = set(re.findall(r"(?m)^#?(\w+) = ", text))
    assert len(known) > 60
    assert known <= Settings.model_fields.keys() | GONE.keys(), "name it in GONE, with what took its place"
    loaded = load(config=kept)
    named = " ".join(one.en for one in loaded.warnings)
    for name in re.findall(r"(?m)^(\w+) = ", text):
        assert name in named if name in GONE else loaded.origins[name] == str(kept)


def test_what_a_release_keeps_of_its_settings_is_all_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "gemgate.toml"
    file.write_text(settings_file(), "utf-8")
    assert set(re.findall(r"(?m)^#?(\w+) = ", settings_file())) == Settings.model_fields.keys()
    assert str(tmp_path) not in settings_file()
    assert not load(config=file).warnings


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
