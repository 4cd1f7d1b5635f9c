"""The promises of `ports.Vault`, over a vault of a key and one of a passphrase."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.fernet import Fernet

from gemgate.errors import AccountError
from gemgate.ports.vault import Sealed, Vault
from gemgate.stores.vault import Vault as FernetVault

OLD = Fernet.generate_key().decode()
PLAIN = {"__Secure-1PSID": "g.a000secret", "名": "口令", "empty": ""}


@pytest.fixture(params=["key", "passphrase"])
def first(request: pytest.FixtureRequest) -> str:
    return Fernet.generate_key().decode() if request.param == "key" else "correct horse battery staple"


@pytest.fixture
def vault(first: str) -> Vault:
    return FernetVault([first, OLD])


async def test_what_was_sealed_is_opened(vault: Vault) -> None:
    assert await vault.open("alice", await vault.seal("alice", PLAIN)) == PLAIN
    assert await vault.open("alice", await vault.seal("alice", {})) == {}


async def test_what_is_sealed_tells_nothing_and_is_never_twice_the_same(vault: Vault, first: str) -> None:
    sealed, again = await vault.seal("alice", PLAIN), await vault.seal("alice", PLAIN)
    assert sealed.text != again.text
    for word in ("secret", "口令", first):
        assert word not in f"{sealed.text} {sealed.key_id} {sealed!r} {vault!r}"


@pytest.mark.parametrize("subject", ["mallory", "", "alice ", "Alice"])
async def test_a_text_belongs_to_its_subject(vault: Vault, subject: str) -> None:
    sealed = await vault.seal("alice", PLAIN)
    with pytest.raises(AccountError):
        await vault.open(subject, sealed)


async def test_a_changed_text_is_never_opened(vault: Vault) -> None:
    sealed = await vault.seal("alice", PLAIN)
    for at in range(0, len(sealed.text), 7):
        other = "A" if sealed.text[at] != "A" else "B"
        with pytest.raises(AccountError):
            await vault.open("alice", replace(sealed, text=sealed.text[:at] + other + sealed.text[at + 1 :]))


async def test_a_lost_key_is_an_error(vault: Vault) -> None:
    foreign: Sealed = await FernetVault([Fernet.generate_key().decode()]).seal("alice", PLAIN)
    with pytest.raises(AccountError):
        await vault.open("alice", foreign)
    with pytest.raises(AccountError):
        await vault.rewrap("alice", foreign)


async def test_rewrapping_brings_all_under_the_first_key(vault: Vault, first: str) -> None:
    old = await FernetVault([OLD]).seal("alice", PLAIN)
    assert await vault.open("alice", old) == PLAIN
    new = await vault.rewrap("alice", old)
    assert new is not None
    assert await vault.rewrap("alice", new) is None
    assert await FernetVault([first]).open("alice", new) == PLAIN
