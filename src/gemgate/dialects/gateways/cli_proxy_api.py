"""CLIProxyAPI: config.yaml."""

from __future__ import annotations

from gemgate.dialects.gateways.document import Document, Format, rows
from gemgate.dialects.gateways.taken import Taken, Taking

_OTHERS = ("is a key of another provider; gemgate has Google's alone", "是其他服务商的密钥；gemgate 只接 Google")
_OWN = ("gemgate has its own way and needs no setting", "gemgate 有自己的处理方式，无需设置")
_NAMES = {
    "auth-dir": (
        "tokens of command lines are no cookies of the web app and are not taken",
        "命令行工具的令牌不是网页版的 Cookie，不会迁移",
    ),
    "tls": (
        "is done by a reverse proxy in front of gemgate (docs/proxies.md)",
        "由 gemgate 前面的反向代理完成（docs/proxies.zh.md）",
    ),
    "remote-management": ("the page of gemgate is opened by ADMIN_KEY", "gemgate 的页面由 ADMIN_KEY 打开"),
    **dict.fromkeys(
        (
            "codex-api-key",
            "claude-api-key",
            "xai-api-key",
            "openai-compatibility",
            "vertex-api-key",
            "interactions-api-key",
        ),
        _OTHERS,
    ),
    **dict.fromkeys(
        (
            "pprof",
            "plugins",
            "commercial-mode",
            "logging-to-file",
            "logs-max-total-size-mb",
            "error-logs-max-files",
            "usage-statistics-enabled",
            "redis-usage-queue-retention-seconds",
            "force-model-prefix",
            "passthrough-headers",
            "request-retry",
            "max-retry-credentials",
            "max-retry-interval",
            "disable-cooling",
            "save-cooldown-status",
            "transient-error-cooldown-seconds",
            "disable-claude-cloak-mode",
            "claude-code",
            "disable-image-generation",
            "quota-exceeded",
            "routing",
            "codex",
            "video-result-auth-cache-ttl",
        ),
        _OWN,
    ),
}
_READ = ("host", "port", "api-keys", "gemini-api-key", "proxy-url", "debug")
_TELLING = {"auth-dir", "remote-management", "gemini-api-key"}


def _is_it(document: Document) -> bool:
    return not document.is_env and bool(_TELLING & set(document.table))


def _read(document: Document) -> Taken:
    taking = Taking("cli-proxy-api")
    given = document.table
    keys = given.get("api-keys")
    for at, key in enumerate(keys if isinstance(keys, list) else ()):
        taking.client(f"api-keys[{at}]", "", key)
    for at, one in enumerate(rows(given.get("gemini-api-key"))):
        place = f"gemini-api-key[{at}]"
        proxy = None if one.get("proxy-url") in ("direct", "none") else one.get("proxy-url")
        taking.official(place, "", one.get("api-key"), proxy=proxy, base=one.get("base-url"))
        if one.get("models") or one.get("excluded-models") or one.get("headers"):
            taking.leave(
                place,
                "its models and headers have no counterpart; see MODEL_ALIASES",
                "其模型与请求头没有对应设置；请参见 MODEL_ALIASES",
            )
    taking.proxy("proxy-url", given.get("proxy-url"))
    taking.host("host", given.get("host"))
    taking.whole("PORT", "port", given.get("port", ""), least=1, most=65535)
    if given.get("debug") is True:
        taking.level("debug", "debug")
    taking.leave_all("", given, _NAMES, _READ)
    return taking.done()


FORMAT = Format("cli-proxy-api", "CLIProxyAPI", _is_it, _read)
