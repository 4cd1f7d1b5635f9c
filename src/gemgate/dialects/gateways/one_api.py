"""one-api and new-api: rows of their tables `channels` and `tokens`, as JSON."""

from __future__ import annotations

from typing import Any

from gemgate.dialects.gateways.document import Document, Format, Table, rows, table
from gemgate.dialects.gateways.taken import Taken, Taking

_GEMINI = 24
"""The type of a channel to Google's API, in both projects."""
_ON = 1
_NO_END = -1


def _rows(document: Document) -> list[Table]:
    """Rows alone, under `data`, under `data.items`, or under the names of their tables."""
    value: Any = document.value
    given = document.table
    inner = given.get("data")
    if isinstance(inner, list):
        value = inner
    elif isinstance(inner, dict):
        value = inner.get("items")
    elif given:
        return [*rows(given.get("channels")), *rows(given.get("tokens"))]
    return rows(value)


def _is_token(row: Table) -> bool:
    return "key" in row and ("remain_quota" in row or "unlimited_quota" in row)


def _is_channel(row: Table) -> bool:
    return "type" in row and "models" in row and not _is_token(row)


def _is_it(document: Document) -> bool:
    return not document.is_env and any(_is_channel(row) or _is_token(row) for row in _rows(document))


def _read(document: Document) -> Taken:
    taking = Taking("one-api")
    for at, row in enumerate(_rows(document)):
        if _is_token(row):
            _token(taking, f"tokens[{at}]", row)
        elif _is_channel(row):
            _channel(taking, f"channels[{at}]", row)
        else:
            taking.leave(f"rows[{at}]", "is neither a channel nor a token", "既不是渠道也不是令牌")
    taking.leave_all("", table(document.value), {}, ("data", "channels", "tokens", "success", "message"))
    return taking.done()


def _channel(taking: Taking, place: str, row: Table) -> None:
    if row.get("type") != _GEMINI:
        taking.leave(place, "goes to another provider than Google", "指向 Google 以外的服务商")
    elif row.get("status", _ON) != _ON:
        taking.leave(place, "is switched off there", "在原网关中已停用")
    elif not row.get("key"):
        taking.leave(
            place,
            "has no key: lists of the API leave it out, take the rows from the database",
            "没有密钥：接口返回的列表不含密钥，请从数据库导出",
        )
    else:
        for key in str(row["key"]).split("\n"):
            taking.official(place, row.get("name"), key, base=row.get("base_url"))
        for name in ("model_mapping", "param_override", "header_override"):
            if row.get(name) not in (None, "", "{}"):
                taking.leave(
                    f"{place}.{name}",
                    "has no counterpart for a key; see MODEL_ALIASES",
                    "密钥没有对应的设置；请参见 MODEL_ALIASES",
                )


def _token(taking: Taking, place: str, row: Table) -> None:
    if row.get("status", _ON) != _ON:
        taking.leave(place, "is switched off there", "在原网关中已停用")
        return
    if row.get("expired_time", _NO_END) != _NO_END:
        taking.leave(
            place, "ends some day: make a key with an end on the page", "有到期时间：请在页面上创建带期限的密钥"
        )
        return
    if row.get("unlimited_quota") is not True:
        taking.leave(
            place, "its quota of money has no counterpart; see KEY_BUDGET", "其额度没有对应的设置；请参见 KEY_BUDGET"
        )
    key = str(row.get("key") or "").strip()
    taking.client(place, row.get("name"), key if key.startswith("sk-") or not key else f"sk-{key}")


FORMAT = Format("one-api", "one-api / new-api", _is_it, _read)
