"""gemini-web2api, in Python and in Go: config.json, with a file of cookies beside it."""

from __future__ import annotations

from gemgate.dialects.gateways.document import Document, Format
from gemgate.dialects.gateways.taken import Taken, Taking

_OWN = ("gemgate has its own way and needs no setting", "gemgate 有自己的处理方式，无需设置")
_PAGE = ("the page of gemgate is opened by ADMIN_KEY", "gemgate 的页面由 ADMIN_KEY 打开")
_WAYS = ("see ADDRESS_RPM_LIMIT and CONCURRENCY", "请参见 ADDRESS_RPM_LIMIT 与 CONCURRENCY")
_ANONYMOUS = ("gemgate always calls with an account", "gemgate 始终以账号身份调用")
_NAMES = {
    "default_model": ("names of models are others; see DEFAULT_MODEL", "模型名称不同；请参见 DEFAULT_MODEL"),
    "db_path": (
        "accounts and keys of that database are not taken: add them with gemgate accounts add",
        "该数据库中的账号与密钥不会迁移：请用 gemgate accounts add 添加",
    ),
    "web_username": _PAGE,
    "web_password": _PAGE,
    "retention_days": (
        "is of its log; see USAGE_DAYS and RETENTION_DAYS",
        "用于其日志；请参见 USAGE_DAYS 与 RETENTION_DAYS",
    ),
    "auto_delete_conversation": ("see HISTORY=delete:SECONDS", "请参见 HISTORY=delete:秒数"),
    "multi_turn": ("gemgate goes on in the account's chat by itself", "gemgate 会自动在账号的对话中继续"),
    "max_prompt_bytes": ("gemgate measures it: gemgate accounts measure", "gemgate 会实测：gemgate accounts measure"),
    "fallback_direct": ("gemgate never leaves an account's proxy", "gemgate 不会绕过账号的代理"),
    **dict.fromkeys(("per_ip_concurrent", "per_ip_rpm", "per_ip_rph", "proxy_cooldown_min"), _WAYS),
    **dict.fromkeys(("fallback_anon", "anon_first"), _ANONYMOUS),
    **dict.fromkeys(
        (
            "retry_attempts",
            "retry_delay_sec",
            "gemini_bl",
            "gemini_bl_auto",
            "impersonate",
            "log_requests",
            "session_secret",
            "session_cookie",
            "session_ttl_sec",
            "session_stats_file",
            "admin_enabled",
        ),
        _OWN,
    ),
}
_READ = ("port", "host", "request_timeout_sec", "api_keys", "admin_token", "cookie_file", "proxy")
_TELLING = {"gemini_bl", "request_timeout_sec", "retry_delay_sec", "cookie_file"}


def _is_it(document: Document) -> bool:
    return not document.is_env and len(_TELLING & set(document.table)) > 1


def _read(document: Document) -> Taken:
    taking = Taking("gemini-web2api")
    given = document.table
    keys = given.get("api_keys")
    for at, key in enumerate(keys if isinstance(keys, list) else [keys]):
        taking.client(f"api_keys[{at}]", "", key)
    taking.admin("admin_token", given.get("admin_token"))
    file = given.get("cookie_file")
    if isinstance(file, str) and file.strip():
        taking.account_of("cookie_file", "gemini-web2api", None, file=file.strip())
    taking.proxy("proxy", given.get("proxy"))
    taking.host("host", given.get("host"))
    taking.whole("PORT", "port", given.get("port", ""), least=1, most=65535)
    taking.whole("REQUEST_TIMEOUT_SECONDS", "request_timeout_sec", given.get("request_timeout_sec", ""), least=1)
    taking.leave_all("", given, _NAMES, _READ)
    return taking.done()


FORMAT = Format("gemini-web2api", "gemini-web2api", _is_it, _read)
