"""A session that dies soon after it was renewed: who has it now, most likely (docs/google-wire.md 5.3)."""

from __future__ import annotations

from gemgate.errors import GatewayError, NotThisAccount, SignedOut


def explained(error: GatewayError, age: float, within: float) -> GatewayError:
    """The same refusal, told with its likely reason when the session was renewed less than `within` seconds before.

    age: seconds since the last renewal.
    """
    if not isinstance(error, SignedOut) or isinstance(error, NotThisAccount) or not 0 <= age < within:
        return error
    minutes = max(1, round(age / 60))
    return SignedOut(
        f"{error.en}. It was renewed {minutes} min ago, and one left alone lives longer: most likely another living "
        "client of the account (an open browser tab) has taken it over. Close that one, and sign in for gemgate alone",
        f"{error.zh}。该会话 {minutes} 分钟前刚续期过，单独使用时不会这么快失效：很可能被同一账号的其他客户端"
        "（打开着的浏览器标签页）接管。请关闭它，并为 gemgate 单独登录",
        generated=error.generated,
        code=error.code,
    )
