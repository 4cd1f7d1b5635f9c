"""The passwords under which Chrome encrypts its cookies: the desktop's keyring on Linux, the keychain on macOS.

A password is asked for when it is first needed, and again when the known one does not fit. Blocks: use a thread.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from gemgate.cookies.browser import Unreadable

Ask = Callable[[str], list[bytes]]


class Passwords:
    """`of(application)`: the passwords of "chrome" or "chromium", the known ones first; raises Unreadable."""

    def __init__(self, ask: Ask | None = None) -> None:
        self._ask = ask or (keychain_passwords if sys.platform == "darwin" else keyring_passwords)
        self._known: dict[str, list[bytes]] = {}

    def of(self, application: str) -> Iterator[bytes]:
        known = self._known.get(application, [])
        yield from known
        fresh = self._known[application] = self._ask(application)
        yield from (password for password in fresh if password not in known)


def keyring_passwords(application: str) -> list[bytes]:
    """The browser's passwords in the desktop's keyring (Secret Service), its own application first."""
    try:
        import secretstorage  # noqa: PLC0415 - the extra `keyring`
    except ImportError:
        raise Unreadable(
            "its cookies are encrypted with a password from the desktop's keyring: install gemgate's extra keyring, "
            "or start the browser with --password-store=basic and sign in again",
            "其 Cookie 使用桌面密钥环中的密码加密：请安装 gemgate 的附加组件 keyring，"
            "或用 --password-store=basic 启动浏览器并重新登录",
        ) from None
    try:
        with closing(secretstorage.dbus_init()) as connection:
            return _search(secretstorage, connection, application)
    except (secretstorage.SecretStorageException, OSError) as error:
        raise Unreadable(
            f"its cookies need the desktop's keyring, which does not answer ({type(error).__name__}); run gemgate in "
            "the same desktop session, or start the browser with --password-store=basic and sign in again",
            f"其 Cookie 需要桌面密钥环，但密钥环没有响应（{type(error).__name__}）；请在同一桌面会话中运行 gemgate，"
            "或用 --password-store=basic 启动浏览器并重新登录",
        ) from None


def _search(secretstorage: Any, connection: Any, application: str) -> list[bytes]:
    others = {"chrome": "chromium", "chromium": "chrome"}
    locked = False
    passwords: list[bytes] = []
    for name in (application, others[application]):
        for item in secretstorage.search_items(connection, {"application": name}):
            if item.is_locked():
                locked = True
            else:
                passwords.append(item.get_secret())
    if not passwords and locked:
        raise Unreadable(
            "its cookies need the desktop's keyring, which is locked: unlock it (log in to the desktop) and try again",
            "其 Cookie 需要桌面密钥环，但密钥环已锁定：请解锁（登录桌面）后重试",
        )
    return passwords


def keychain_passwords(application: str) -> list[bytes]:
    """The browser's password in the keychain of macOS; the person is asked to allow it once."""
    service = {"chrome": "Chrome", "chromium": "Chromium"}[application] + " Safe Storage"
    found = subprocess.run(  # noqa: S603 - a fixed command
        ["/usr/bin/security", "find-generic-password", "-w", "-s", service],
        capture_output=True,
        timeout=60,
        check=False,
    )
    if found.returncode:
        raise Unreadable(
            f"the keychain does not give out {service!r}: allow it and try again",
            f"钥匙串未提供 {service!r}，请允许访问后重试",
        )
    return [found.stdout.strip()]
