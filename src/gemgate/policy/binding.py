"""Sessions that Google binds to the device they began on: copies of their cookies soon die (docs/google-wire.md 5.5).

Two things show it: the browser that an import names, and a renewal that Google refuses. Neither is a proof.
"""

from __future__ import annotations

BOUND_SECONDS = 2 * 3600.0
"""How long copies of such cookies lived at most."""

FIRST_DEATHS = 1800.0
"""How long they lived at least."""

_HELPS = "sign in with Firefox, or let a live browser be the source (docs/cookies.md)"
_HELPS_ZH = "请改用 Firefox 登录，或使用运行中的浏览器作为来源（docs/cookies.zh.md）"


def imported(named: str, asking: str) -> tuple[str, str]:
    """What an import has to say, English and Chinese, or nothing.

    named: such a browser, if what was pasted names it; asking: if the one that sends the cookies is one.
    """
    if named:
        en = (
            f"These cookies were copied from {named}, which binds its sessions to the device: copies usually die "
            f"within two hours, and nothing renews them. Better {_HELPS}"
        )
        zh = f"这些 Cookie 复制自 {named}，其会话会绑定到设备：复制的 Cookie 通常两小时内失效且无法续期。{_HELPS_ZH}"
        return en, zh
    if asking:
        en = (
            f"If these cookies come from this browser ({asking}), its sessions are bound to the device: copies usually "
            f"die within two hours, and nothing renews them. Better {_HELPS}"
        )
        zh = (
            f"如果这些 Cookie 来自当前浏览器（{asking}），其会话会绑定到设备："
            f"复制的 Cookie 通常两小时内失效且无法续期。{_HELPS_ZH}"
        )
        return en, zh
    return "", ""


def status(named: str, *, refused: bool) -> tuple[str, str]:
    """What is to be said of an account while it lives on such cookies. refused: Google did not renew them."""
    if named or not refused:
        return imported(named, "")
    en = (
        "Google refuses to renew this session, as it does with sessions that are bound to the device of their browser: "
        f"it may die within hours. Better {_HELPS}"
    )
    return en, f"Google 拒绝为该会话续期，绑定到浏览器设备的会话即如此：可能数小时内失效。{_HELPS_ZH}"
