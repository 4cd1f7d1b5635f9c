"""Files of settings as people save them: with a mark of Windows, half edited, in another encoding, or not readable."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemgate.errors import SettingsError
from gemgate.settings.loading import load

TOML, ENV = "gemgate.toml", ".env"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("PORT", "API_KEY", "HOST"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("text", ["port = 8111\n", "port = 8111\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_what_an_editor_of_windows_saves_is_read(text: str, mark: bytes) -> None:
    Path(TOML).write_bytes(mark + text.encode())
    assert load().settings.port == 8111
    Path(TOML).unlink()
    Path(ENV).write_bytes(mark + text.upper().replace(" ", "").encode())
    assert load().settings.port == 8111


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        (TOML, b"port = = 3\n", "line 1"),
        (TOML, b"port = 3\n# \xc4\xe3\n", "save it as UTF-8"),
        (TOML, "port = 3\n".encode("utf-16"), "save it as UTF-8"),
        (ENV, "PORT=3\n".encode("utf-16"), "save it as UTF-8"),
        (ENV, b"PORT=3\nAPI_KEY='secret-not-closed\nHOST=127.0.0.1\n", "line 2"),
        (ENV, b"PORT=3\nAPI_KEY: secret-of-yaml\n", "line 2"),
    ],
)
def test_what_cannot_be_read_stops_the_start_and_names_the_file(file: str, content: bytes, said: str) -> None:
    """A key of `.env` that was passed over would leave the gateway open."""
    Path(file).write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        load()
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{file} cannot be read: ")
    assert caught.value.zh.startswith(f"无法读取 {file}：")
    assert "secret" not in str(caught.value)


def test_a_folder_of_that_name() -> None:
    Path(ENV).mkdir()  # a virtual environment, as many call it
    assert load().settings.port == 8100
    Path(TOML).mkdir()
    with pytest.raises(SettingsError, match=TOML):
        load()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("APIKEY", "API_KEY"),
        ("API_KEYS", "API_KEY"),
        ("GEMGATE_ADMIN_KEY", "ADMIN_KEY"),
        ("__Secure-1PSIDTS", "SECURE_1PSIDTS"),
        ("ACOUNTS_FILE", "ACCOUNTS_FILE"),
    ],
)
def test_a_name_that_is_almost_a_settings_is_told_which(typed: str, meant: str) -> None:
    """A key that nobody reads leaves the gateway open, and its owner believes it is closed."""
    Path(ENV).write_text(f"PORT=8111\n{typed}=secret\n", "utf-8")
    loaded = load()
    assert loaded.settings.port == 8111
    (warning,) = loaded.warnings
    assert f"did you mean {meant}?" in warning.en
    assert f"是否想写 {meant}？" in warning.zh
    assert "secret" not in warning.en + warning.zh
    Path(ENV).unlink()
    Path(TOML).write_text(f'"{typed.lower()}" = "secret"\n', "utf-8")
    with pytest.raises(SettingsError, match=rf"there is no setting .* \(did you mean {meant}\?\)"):
        load()


def test_names_of_other_programs_are_their_own() -> None:
    example = (Path(__file__).parents[2] / ".env.example").read_text("utf-8")
    Path(ENV).write_text(f"{example}\nPOSTGRES_PASSWORD=x\nGEMGATE_KEY=x\nGEMGATE_URL=x\nOPENAI_API_BASE=x\n", "utf-8")
    assert load().warnings == ()


def test_all_that_is_wrong_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever mends a file does not start again and again to hear of the next line."""
    monkeypatch.setenv("CONCURRENCY", "many")
    Path(".env").write_text("PORT=abc\nLOG_LEVEL=loud\nAPI_KEYS=secret\nSOMEBODY_ELSES=1\n")
    Path("gemgate.toml").write_text('histori = "all"\nnonsense = 1\n')
    with pytest.raises(SettingsError) as refused:
        load()
    for text in (refused.value.en, refused.value.zh):
        lines = text.splitlines()
        for name in ("PORT", "LOG_LEVEL", "CONCURRENCY", "API_KEYS", "histori", "nonsense"):
            assert sum(name in line for line in lines) == 1, (name, text)
        assert len(lines) == 6
        assert "SOMEBODY_ELSES" not in text
    assert "(did you mean API_KEY?)" in refused.value.en


def test_what_is_wrong_is_told_with_its_line() -> None:
    Path(ENV).write_bytes(b"# mine\r\nHOST=127.0.0.1\r\nexport LOG_LEVEL=loud\r\nAPI_KEYS=x\r\n")
    Path(TOML).write_text("# mine\n\nPort = 'abc'\n  bogus = 1\n[odd]\nx = 1\n")
    with pytest.raises(SettingsError) as refused:
        load()
    assert set(refused.value.en.splitlines()) >= {
        f"PORT (from {TOML}, line 3): must be a whole number",
        f"{ENV}, line 4: API_KEYS is no setting and does nothing (did you mean API_KEY?)",
        f"{TOML}, line 4: there is no setting bogus; `gemgate settings` lists them all",
        f"{TOML}, line 5: there is no setting odd; `gemgate settings` lists them all",
    }
    assert f"LOG_LEVEL (from {ENV}, line 3): " in refused.value.en
    assert f"PORT（来自 {TOML} 第 3 行）：" in refused.value.zh
