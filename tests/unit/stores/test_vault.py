"""Secrets at rest: rotation, lost keys, and texts that were put where they do not belong."""

from __future__ import annotations

import stat
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from gemgate.errors import AccountError, GatewayError
from gemgate.stores.vault import Vault, add_key, open_vault

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
PHRASE, OTHER_PHRASE = "correct horse battery staple", "another quite long phrase"
PLAIN = {"__Secure-1PSID": "g.a000secret", "__Secure-1PSIDTS": "sidts-secret"}


@pytest.mark.parametrize("key", [NEW, PHRASE, "口令口令口令口令口令口令"], ids=["key", "passphrase", "chinese"])
async def test_what_was_sealed_is_opened_by_a_vault_of_the_same_key(key: str) -> None:
    sealed = await Vault([key]).seal("alice", PLAIN)
    assert await Vault([key]).open("alice", sealed) == PLAIN


@pytest.mark.parametrize("key", [NEW, PHRASE], ids=["key", "passphrase"])
async def test_nothing_of_the_secret_shows_in_what_is_stored_or_printed(key: str) -> None:
    vault = Vault([key])
    sealed = await vault.seal("alice", PLAIN)
    shown = f"{sealed.text} {sealed.key_id} {sealed!r} {vault!r}"
    assert "secret" not in shown
    assert key not in shown
    assert sealed.text not in repr(sealed)
    assert (await vault.seal("alice", PLAIN)).text != sealed.text


@pytest.mark.parametrize("first", [NEW, PHRASE], ids=["key", "passphrase"])
@pytest.mark.parametrize("before", [OLD, OTHER_PHRASE], ids=["from key", "from passphrase"])
async def test_rotation_opens_the_old_and_seals_with_the_new(first: str, before: str) -> None:
    old = await Vault([before]).seal("alice", PLAIN)
    both = Vault([first, before])
    assert await both.open("alice", old) == PLAIN
    new = await both.rewrap("alice", old)
    assert new is not None
    assert new.key_id != old.key_id
    assert await both.rewrap("alice", new) is None
    assert await Vault([first]).open("alice", new) == PLAIN


@pytest.mark.parametrize("key", [NEW, PHRASE], ids=["key", "passphrase"])
async def test_a_lost_key_is_named_and_the_way_out_too(key: str) -> None:
    sealed = await Vault([OLD]).seal("alice", PLAIN)
    with pytest.raises(AccountError) as caught:
        await Vault([key]).open("alice", sealed)
    assert caught.value.code == "cookie_key_lost"
    for text in (caught.value.en, caught.value.zh):
        assert sealed.key_id in text
        assert "COOKIE_KEYS" in text
        assert "alice" in text


async def test_a_text_of_another_account_does_not_open() -> None:
    vault = Vault([NEW])
    sealed = await vault.seal("alice", PLAIN)
    with pytest.raises(AccountError) as caught:
        await vault.open("mallory", sealed)
    assert caught.value.code == "cookies_damaged"


@pytest.mark.parametrize("text", ["", "1:", "1::", "2::abc", "1:?:abc", "1::abc", "plain text", "1::口令"])
async def test_a_damaged_text_is_an_error_and_never_plain(text: str) -> None:
    vault = Vault([NEW])
    sealed = await vault.seal("alice", PLAIN)
    with pytest.raises(AccountError) as caught:
        await vault.open("alice", replace(sealed, text=text))
    assert caught.value.code == "cookies_damaged"


async def test_every_vault_of_a_passphrase_settles_on_one_salt() -> None:
    """Deriving costs a tenth of a second, so many accounts must not mean many salts."""
    sealed = await Vault([PHRASE]).seal("alice", PLAIN)
    again = Vault([PHRASE])
    await again.open("alice", sealed)
    other = await again.seal("bob", PLAIN)
    assert other.key_id == sealed.key_id
    assert other.text.split(":")[1] == sealed.text.split(":")[1]
    assert (await Vault([PHRASE]).seal("alice", PLAIN)).key_id != sealed.key_id


@pytest.mark.parametrize("keys", [[], ["short"], [NEW, "short"]])
def test_keys_that_protect_nothing_are_refused(keys: list[str]) -> None:
    with pytest.raises(GatewayError) as caught:
        Vault(keys)
    assert "short" not in caught.value.en.replace("too short", "")


def test_a_key_file_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "config/gemgate/cookie.key"
    open_vault(None, path, tmp_path / "data")
    first = path.read_text()
    open_vault(None, path, tmp_path / "data")
    assert path.read_text() == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["cookie.key"]


async def test_processes_that_start_together_get_one_key(tmp_path: Path) -> None:
    path = tmp_path / "cookie.key"
    gate = threading.Barrier(8)
    vaults: list[Vault] = []

    def start() -> None:
        gate.wait()
        vaults.append(open_vault(None, path, tmp_path / "data"))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({(await vault.seal("alice", PLAIN)).key_id for vault in vaults}) == 1
    assert len(vaults) == 8


async def test_a_key_file_may_hold_several_keys_for_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "cookie.key"
    path.write_text(f"# ours\n{NEW}\n\n{OLD}\n")
    path.chmod(0o644)
    vault = open_vault(None, path, tmp_path / "data")
    assert await vault.open("alice", await Vault([OLD]).seal("alice", PLAIN)) == PLAIN
    assert path.stat().st_mode & 0o777 == 0o600


async def test_keys_of_the_environment_need_no_file(tmp_path: Path) -> None:
    vault = open_vault(f"{NEW}, {PHRASE}", tmp_path / "cookie.key", tmp_path)
    assert await vault.open("alice", await Vault([PHRASE]).seal("alice", PLAIN)) == PLAIN
    assert not list(tmp_path.iterdir())


def test_lock_and_key_do_not_lie_in_one_folder(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "data")
    (tmp_path / "data").mkdir()
    for path in (tmp_path / "data/cookie.key", tmp_path / "link/deep/cookie.key"):
        with pytest.raises(GatewayError, match="inside DATA_DIR"):
            open_vault(None, path, tmp_path / "data")


@pytest.mark.parametrize("content", ["", "# only a comment\n", "\x00\xff"])
def test_a_key_file_without_a_key_stops_with_its_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "cookie.key"
    path.write_text(content, "latin-1")
    with pytest.raises(GatewayError, match=r"cookie\.key"):
        open_vault(None, path, tmp_path / "data")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GatewayError, match="COOKIE_KEYS"):
        open_vault(None, tmp_path / "file/cookie.key", tmp_path / "data")


async def test_a_new_key_comes_first_and_the_old_one_still_opens(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "cookie.key"
    old = open_vault(None, path, tmp_path / "data")
    sealed = await old.seal("alice", {"x": "y"})
    add_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["cookie.key"]
    new = open_vault(None, path, tmp_path / "data")
    assert await new.open("alice", sealed) == {"x": "y"}
    again = await new.rewrap("alice", sealed)
    assert again is not None
    with pytest.raises(AccountError):
        await old.open("alice", again)
    with pytest.raises(GatewayError, match="cannot be changed"):
        add_key(tmp_path / "nowhere")
