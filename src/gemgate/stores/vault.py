"""Secrets at rest: sealed with Fernet under the first of our keys, opened with any of them, bound to their account.

A key is a Fernet key, or a passphrase that goes through scrypt with a salt that the sealed text carries. Keys come from
COOKIE_KEYS or from a file of mode 0600 apart from the data, so that a copy of the data alone opens nothing.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from gemgate.errors import AccountError, GatewayError, system_words
from gemgate.lazy_import import later, load
from gemgate.ports.vault import Sealed

if TYPE_CHECKING:
    from cryptography import fernet
else:
    fernet = later("cryptography.fernet")

LEAST_PASSPHRASE = 12
_COST, _BLOCK, _PARALLEL = 2**15, 8, 1
"""scrypt: about 0.1 s and 32 MB a guess."""
_HEADER = """\
# gemgate encrypts the cookies it stores with this key. Keep a copy apart from the data folder; without it everybody
# has to sign in again. One key a line: the first encrypts, all of them open.
"""


class Vault:
    """`keys`: Fernet keys or passphrases; the first seals, all open."""

    def __init__(self, keys: Sequence[str], *, place: str = "COOKIE_KEYS") -> None:
        self._place = place
        self._keys = tuple(keys)
        self._passphrases = frozenset(number for number, text in enumerate(keys) if _fernet_key(text) is None)
        self._ready: dict[tuple[int, bytes], tuple[str, fernet.Fernet]] = {}
        self._salt = b""
        for number in sorted(self._passphrases):
            if len(keys[number]) < LEAST_PASSPHRASE:
                raise GatewayError(
                    f"Key {number + 1} of {place} is too short: use a passphrase of at least {LEAST_PASSPHRASE} "
                    "characters, or a Fernet key",
                    f"{place} 中的第 {number + 1} 个密钥过短：请使用至少 {LEAST_PASSPHRASE} 个字符的口令或 Fernet 密钥",
                    code="cookie_key",
                )
        if not self._keys:
            raise GatewayError(f"{place} holds no key", f"{place} 中没有密钥", code="cookie_key")

    def __repr__(self) -> str:
        return f"Vault({len(self._keys)} keys from {self._place})"

    async def seal(self, subject: str, plain: Mapping[str, str]) -> Sealed:
        """Seal names and values for `subject`; nobody else's name will open them."""
        if not self._salt and 0 in self._passphrases:
            self._salt = secrets.token_bytes(16)
        key_id, key = await self._key(0, self._salt)
        text = json.dumps({"for": subject, "plain": dict(plain)}, separators=(",", ":"))
        salt = base64.urlsafe_b64encode(self._salt_of(0, self._salt)).decode()
        return Sealed(key_id, f"1:{salt}:{key.encrypt(text.encode()).decode()}")

    async def open(self, subject: str, sealed: Sealed) -> dict[str, str]:
        """What was sealed for `subject`; AccountError when the key is lost, or the text damaged or somebody else's."""
        salt, token = self._parts(subject, sealed)
        self._salt = self._salt or salt
        fits = (number for number in range(len(self._keys)) if salt or number not in self._passphrases)
        known = [await self._key(number, salt) for number in fits]
        try:
            text = fernet.MultiFernet([key for _, key in known]).decrypt(token) if known else b""
        except fernet.InvalidToken:
            text = b""
        if not text:
            if sealed.key_id in {key_id for key_id, _ in known}:
                raise _damaged(subject)
            raise self._key_lost(subject, sealed.key_id)
        found = json.loads(text)
        if found["for"] != subject:
            raise _damaged(subject)
        plain: dict[str, str] = found["plain"]
        return plain

    async def rewrap(self, subject: str, sealed: Sealed) -> Sealed | None:
        """The same under the first key; None when it is that already."""
        salt, _ = self._parts(subject, sealed)
        if (salt or 0 not in self._passphrases) and (await self._key(0, salt))[0] == sealed.key_id:
            return None
        return await self.seal(subject, await self.open(subject, sealed))

    async def _key(self, number: int, salt: bytes) -> tuple[str, fernet.Fernet]:
        """The key's id and the key, made once per salt; an id tells nothing that scrypt does not guard."""
        place = (number, self._salt_of(number, salt))
        if place not in self._ready:
            await load(fernet)
            self._ready[place] = await asyncio.to_thread(_made, self._keys[number], salt)
        return self._ready[place]

    def _salt_of(self, number: int, salt: bytes) -> bytes:
        return salt if number in self._passphrases else b""

    def _parts(self, subject: str, sealed: Sealed) -> tuple[bytes, bytes]:
        version, _, rest = sealed.text.partition(":")
        salt, _, token = rest.partition(":")
        try:
            if version == "1" and token:
                return base64.urlsafe_b64decode(salt), token.encode("ascii")
        except (binascii.Error, UnicodeEncodeError):
            pass
        raise _damaged(subject)

    def _key_lost(self, subject: str, key_id: str) -> AccountError:
        return AccountError(
            f"The stored secrets of account {subject} were encrypted with key {key_id}, which is not in {self._place}. "
            "Bring that key back, or hand over new cookies",
            f"账号 {subject} 的已存凭据由密钥 {key_id} 加密，而 {self._place} 中没有该密钥，"
            "请恢复密钥，或重新提供 Cookie",
            code="cookie_key_lost",
        )


def _made(text: str, salt: bytes) -> tuple[str, fernet.Fernet]:
    """A key and its id. Takes a while, for a passphrase is derived."""
    raw = _fernet_key(text) or _derived(text.encode(), salt)
    return _key_id(raw), fernet.Fernet(base64.urlsafe_b64encode(raw))


def _derived(passphrase: bytes, salt: bytes) -> bytes:
    return hashlib.scrypt(passphrase, salt=salt, n=_COST, r=_BLOCK, p=_PARALLEL, maxmem=1 << 26, dklen=32)


def _fernet_key(text: str) -> bytes | None:
    """The 32 bytes of a Fernet key; None for any other text."""
    try:
        raw = base64.urlsafe_b64decode(text.encode("ascii"))
    except (binascii.Error, UnicodeEncodeError):
        return None
    return raw if len(text) == 44 and len(raw) == 32 else None


def _key_id(raw: bytes) -> str:
    return hashlib.sha256(b"gemgate cookie key\0" + raw).hexdigest()[:8]


def _damaged(subject: str) -> AccountError:
    return AccountError(
        f"The stored secrets of account {subject} are damaged or another account's; hand over its cookies again",
        f"账号 {subject} 的已存凭据已损坏或属于其他账号，请重新提供 Cookie",
        code="cookies_damaged",
    )


def open_vault(keys: str | None, key_file: Path, data_dir: Path, *, only_look: bool = False) -> Vault:
    """The vault of COOKIE_KEYS (comma separated), else of `key_file`, which is made when there is none.

    only_look: no file is made or changed; without one nothing can be opened.

    GatewayError says what to do: a key file inside `data_dir`, an unreadable one, a passphrase that is too short.
    Blocks for a moment: call it at the start.
    """
    if keys:
        return Vault([key.strip() for key in keys.split(",") if key.strip()])
    if key_file.resolve().is_relative_to(data_dir.resolve()):
        raise GatewayError(
            f"COOKIE_KEY_FILE={key_file} lies inside DATA_DIR, where a copy would take lock and key together; "
            "choose a place elsewhere",
            f"COOKIE_KEY_FILE={key_file} 位于 DATA_DIR 之内，复制数据会连同密钥一起带走，请另选位置",
            code="cookie_key",
        )
    try:
        if only_look and not key_file.exists():
            return Vault([new_key()], place=str(key_file))
        if not key_file.exists():
            _make_key_file(key_file)
        if not only_look:
            _close_to_others(key_file)
        lines = key_file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = system_words(error)
        raise GatewayError(
            f"The key file {key_file} cannot be used ({why.en}); "
            "set COOKIE_KEYS, or COOKIE_KEY_FILE to a writable place",
            f"无法使用密钥文件 {key_file}（{why.zh}）；请设置 COOKIE_KEYS，或将 COOKIE_KEY_FILE 指向可写位置",
            code="cookie_key",
        ) from None
    return Vault([line.strip() for line in lines if line.strip() and not line.startswith("#")], place=str(key_file))


def new_key() -> str:
    """A random key, as Fernet spells it."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def add_key(path: Path) -> None:
    """Put a new key before those of the file, so that it seals from now on; the others still open. Whole or not at all.

    GatewayError when the file cannot be written (a mounted secret, say).
    """
    try:
        lines = [line for line in path.read_text("utf-8").splitlines() if line.strip() and not line.startswith("#")]
        draft = _drafted(path, "".join(f"{line}\n" for line in [new_key(), *lines]))
        try:
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        _written_down(path.parent)
    except OSError as error:
        why = system_words(error)
        raise GatewayError(
            f"The key file {path} cannot be changed ({why.en})",
            f"无法修改密钥文件 {path}（{why.zh}）",
            code="cookie_key",
        ) from None


def _make_key_file(path: Path) -> None:
    """Make the file whole or not at all; of several processes that start together, one wins."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = _drafted(path, f"{new_key()}\n")
    try:
        with suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()
    _written_down(path.parent)


def _drafted(path: Path, keys: str) -> Path:
    """A file beside `path` that only we may read, with these keys, on the disk."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(_HEADER + keys)
        file.flush()
        os.fsync(descriptor)
    return draft


def _written_down(path: Path) -> None:
    """Bring a folder's entries to the disk."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _close_to_others(path: Path) -> None:
    """Take the file away from other users where it is ours; a mounted secret may be what it is."""
    found = path.stat()
    if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) & 0o077:
        with suppress(OSError):
            path.chmod(0o600)
