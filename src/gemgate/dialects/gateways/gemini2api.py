"""gemini2api: .env, accounts.json, data/api-keys.json."""

from __future__ import annotations

from gemgate.dialects.gateways.document import Document, Format, rows, table
from gemgate.dialects.gateways.taken import Taken, Taking

_LIMIT = ("counts otherwise; see RATE_LIMIT_PER_HOUR", "计数方式不同；请参见 RATE_LIMIT_PER_HOUR")
_ROTATION = ("see COOKIE_REFRESH_SECONDS", "请参见 COOKIE_REFRESH_SECONDS")
_OWN = ("gemgate has its own way and needs no setting", "gemgate 有自己的处理方式，无需设置")
_HISTORY = ("see HISTORY: keep, temporary or delete:SECONDS", "请参见 HISTORY：keep、temporary 或 delete:秒数")
_NAMES = {
    "RATE_LIMIT_ENABLED": _LIMIT,
    "RATE_LIMIT_WINDOW": _LIMIT,
    "RATE_LIMIT_MAX": _LIMIT,
    "REFRESH_INTERVAL": _ROTATION,
    "MODEL_WHITELIST": ("keys can be bound to models on the page", "可在页面上将密钥限定到某些模型"),
    "IMAGE_DOWNLOAD_TIMEOUT": _OWN,
    "IMAGE_DOWNLOAD_SIZE_SUFFIX": ("pictures come as large as the request wishes", "图片尺寸由请求决定"),
    "ACCOUNTS_FILE": ("names a file of accounts: import that too", "指向账号文件：请一并导入该文件"),
    **dict.fromkeys(
        ("CHAT_CLEANUP_ENABLED", "CHAT_CLEANUP_KEEP_HOURS", "CHAT_CLEANUP_INTERVAL_HOURS", "CHAT_CLEANUP_SKIP_PINNED"),
        _HISTORY,
    ),
    **dict.fromkeys(
        (
            "MAX_RETRIES",
            "SAME_ACCOUNT_5XX_RETRIES",
            "FAILOVER_COOLDOWN",
            "HEALTH_CHECK_ENABLED",
            "HEALTH_CHECK_INTERVAL",
            "ROTATION_STRATEGY",
            "ACQUIRE_TIMEOUT",
            "FINGERPRINT_CONFIG_PATH",
            "VERSION_SYNC_ENABLED",
            "VERSION_SYNC_INTERVAL",
            "JITTER_ENABLED",
            "USAGE_STATS_ENABLED",
            "USAGE_STATS_INTERVAL",
            "USAGE_STATS_RETENTION_DAYS",
            "CORS_ALLOW_CREDENTIALS",
        ),
        _OWN,
    ),
}
_READ = (
    "GEMINI_PSID",
    "GEMINI_PSIDTS",
    "API_KEY",
    "ADMIN_API_KEY",
    "PORT",
    "LOG_LEVEL",
    "MAX_CONCURRENT_PER_ACCOUNT",
    "CORS_ALLOW_ORIGINS",
)


def _is_it(document: Document) -> bool:
    given = document.table
    if document.is_env:
        return "GEMINI_PSID" in given
    accounts = given.get("accounts") if given else document.value
    if any("psid" in one for one in rows(accounts)):
        return True
    return any({"provider", "api_key"} <= set(table(one)) for one in given.values())


def _read(document: Document) -> Taken:
    taking = Taking("gemini2api")
    given = document.table
    if document.is_env:
        taking.account("GEMINI_PSID", "gemini2api", given.get("GEMINI_PSID"), given.get("GEMINI_PSIDTS"))
        taking.client("API_KEY", "gemini2api", given.get("API_KEY"))
        taking.admin("ADMIN_API_KEY", given.get("ADMIN_API_KEY"))
        taking.whole("PORT", "PORT", given.get("PORT", ""), least=1, most=65535)
        taking.whole("CONCURRENCY", "MAX_CONCURRENT_PER_ACCOUNT", given.get("MAX_CONCURRENT_PER_ACCOUNT", ""), least=1)
        taking.level("LOG_LEVEL", given.get("LOG_LEVEL"))
        taking.origins("CORS_ALLOW_ORIGINS", given.get("CORS_ALLOW_ORIGINS"))
        taking.leave_all("", given, _NAMES, _READ)
        return taking.done()
    for at, one in enumerate(rows(given.get("accounts") if given else document.value)):
        place = f"accounts[{at}]"
        taking.account(place, one.get("label") or one.get("id"), one.get("psid"), one.get("psidts"))
        taking.leave_all(place + ".", one, {}, ("id", "label", "psid", "psidts"))
    for at, inner in enumerate(value for name, value in given.items() if name != "accounts"):
        _key(taking, f"api-keys[{at}]", inner)
    return taking.done()


def _key(taking: Taking, place: str, value: object) -> None:
    """A key of a provider's; ours are Google's alone."""
    one = table(value)
    if one.get("provider") != "gemini":
        taking.leave(
            place, "is no key of Google's; gemgate has no other providers", "不是 Google 的密钥；gemgate 不接其他服务商"
        )
    elif one.get("status", "active") != "active":
        taking.leave(place, "is switched off there", "在原网关中已停用")
    else:
        taking.official(place, one.get("label"), one.get("api_key"), base=one.get("base_url"))


FORMAT = Format("gemini2api", "gemini2api", _is_it, _read)
