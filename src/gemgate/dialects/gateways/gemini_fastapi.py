"""Gemini-FastAPI: config/config.yaml, and the variables CONFIG_… that stand above it."""

from __future__ import annotations

from typing import Any

from gemgate.dialects.gateways.document import Document, Format, Table, rows, table
from gemgate.dialects.gateways.taken import Taken, Taking

_PREFIX = "CONFIG_"
_SIZES = (
    "counts characters and not bytes; gemgate measures what an account reads (gemgate accounts measure)",
    "按字符而非字节计数；gemgate 会实测账号可读取的长度（gemgate accounts measure）",
)
_STORE = (
    "belongs to the other gateway's own store; its conversations are not taken over",
    "属于原网关自己的存储；其会话不会迁移",
)
_GEMINI = {
    "timeout": (
        "is of its sign-in; REQUEST_TIMEOUT_SECONDS is of a generation",
        "用于登录；gemgate 的 REQUEST_TIMEOUT_SECONDS 用于一次生成",
    ),
    "watchdog_timeout": ("see IDLE_TIMEOUT_SECONDS", "请参见 IDLE_TIMEOUT_SECONDS"),
    "verbose": ("see LOG_LEVEL", "请参见 LOG_LEVEL"),
    "max_chars_per_request": _SIZES,
    "model_strategy": ("models are those that each account offers", "模型以各账号实际提供的为准"),
    "models": (
        "models by their headers: gemgate lists what each account offers; other names go into MODEL_ALIASES",
        "按请求头自定义的模型：gemgate 列出各账号实际提供的模型；别名请写入 MODEL_ALIASES",
    ),
}
_CORS = dict.fromkeys(
    ("allow_credentials", "allow_methods", "allow_headers"),
    ("is fixed; CORS_ORIGINS says who may call", "为固定值；由 CORS_ORIGINS 决定谁可以调用"),
)
_STORAGE = dict.fromkeys(("path", "media_path", "max_size", "retention_days"), _STORE)


def _is_it(document: Document) -> bool:
    if document.is_env:
        return any(name.startswith(_PREFIX) for name in document.table)
    return "clients" in table(document.table.get("gemini"))


def _read(document: Document) -> Taken:
    taking = Taking("gemini-fastapi")
    given = _nested(document.table) if document.is_env else document.table
    _server(taking, table(given.get("server")))
    cors = table(given.get("cors"))
    if str(cors.get("enabled", True)).lower() != "false":
        taking.origins("cors.allow_origins", cors.get("allow_origins"))
    taking.leave_all("cors.", cors, _CORS, ("enabled", "allow_origins"))
    _gemini(taking, table(given.get("gemini")))
    taking.leave_all("storage.", table(given.get("storage")), _STORAGE, ())
    taking.level("logging.level", table(given.get("logging")).get("level"))
    taking.leave_all("", given, {}, ("server", "cors", "gemini", "storage", "logging"))
    return taking.done()


def _server(taking: Taking, server: Table) -> None:
    taking.client("server.api_key", "gemini-fastapi", server.get("api_key"))
    taking.host("server.host", server.get("host"))
    taking.whole("PORT", "server.port", server.get("port"), least=1, most=65535)
    if str(table(server.get("https")).get("enabled", False)).lower() == "true":
        taking.leave(
            "server.https",
            "is done by a reverse proxy in front of gemgate (docs/proxies.md)",
            "由 gemgate 前面的反向代理完成（docs/proxies.zh.md）",
        )
    taking.leave_all("server.", server, {}, ("api_key", "host", "port", "https"))


def _gemini(taking: Taking, gemini: Table) -> None:
    for at, client in enumerate(rows(gemini.get("clients"))):
        place = f"gemini.clients[{at}]"
        taking.account(
            place, client.get("id"), client.get("secure_1psid"), client.get("secure_1psidts"), proxy=client.get("proxy")
        )
        taking.leave_all(place + ".", client, {}, ("id", "secure_1psid", "secure_1psidts", "proxy"))
    if str(gemini.get("auto_refresh", True)).lower() == "false":
        taking.fixed("COOKIE_REFRESH_SECONDS", "gemini.auto_refresh", 0)
    else:
        taking.whole("COOKIE_REFRESH_SECONDS", "gemini.refresh_interval", gemini.get("refresh_interval", ""), least=60)
    taking.leave_all("gemini.", gemini, _GEMINI, ("clients", "auto_refresh", "refresh_interval"))


def _nested(given: Table) -> dict[str, Any]:
    """Variables as the file has them: `CONFIG_GEMINI__CLIENTS__0__ID` is gemini.clients[0].id."""
    found: dict[str, Any] = {}
    clients: dict[int, dict[str, Any]] = {}
    for name, value in given.items():
        path = name.removeprefix(_PREFIX).lower().split("__")
        if not name.startswith(_PREFIX):
            continue
        if path[:2] == ["gemini", "clients"] and len(path) == 4 and path[2].isascii() and path[2].isdigit():
            clients.setdefault(int(path[2][:6]), {})[path[3]] = value
        elif len(path) == 2:
            found.setdefault(path[0], {})[path[1]] = value
        elif len(path) == 3:
            inner = found.setdefault(path[0], {}).setdefault(path[1], {})
            if isinstance(inner, dict):
                inner[path[2]] = value
    if clients:
        found.setdefault("gemini", {})["clients"] = [clients[at] for at in sorted(clients)]
    return found


FORMAT = Format("gemini-fastapi", "Gemini-FastAPI", _is_it, _read)
