"""LiteLLM's proxy: config.yaml."""

from __future__ import annotations

from gemgate.dialects.gateways.document import Document, Format, Table, rows, table
from gemgate.dialects.gateways.taken import Taken, Taking

_PROVIDER = "gemini/"
_PARTS = {
    "router_settings": ("gemgate chooses among accounts by itself", "gemgate 自行在账号之间选择"),
    "litellm_settings": ("are of the library behind it", "属于其所用的库"),
    "environment_variables": ("set variables in the environment of gemgate", "请在 gemgate 的环境中设置变量"),
    "include": ("names further files: import those too", "引用了其他文件：请一并导入"),
    "mcp_servers": ("gemgate offers tools and calls none", "gemgate 只提供工具，不调用工具"),
    "guardrails": ("has no counterpart", "没有对应功能"),
    "callback_settings": ("has no counterpart", "没有对应功能"),
}
_GENERAL = {
    "database_url": (
        "keys of that database are not taken: make them on the page, or put them into API_KEY",
        "该数据库中的密钥不会迁移：请在页面上创建，或写入 API_KEY",
    ),
    **dict.fromkeys(
        ("store_model_in_db", "alerting", "allowed_routes", "key_management_settings", "salt_key"),
        ("has no counterpart", "没有对应功能"),
    ),
}


def _is_it(document: Document) -> bool:
    return not document.is_env and any("litellm_params" in one for one in rows(document.table.get("model_list")))


def _read(document: Document) -> Taken:
    taking = Taking("litellm")
    given = document.table
    for at, one in enumerate(rows(given.get("model_list"))):
        _model(taking, f"model_list[{at}]", one)
    general = table(given.get("general_settings"))
    taking.client("general_settings.master_key", "litellm", general.get("master_key"))
    if general.get("master_key"):
        taking.leave(
            "general_settings.master_key",
            "is a key of clients from now on; the page has an ADMIN_KEY of its own",
            "此后仅作为客户端密钥；页面另用 ADMIN_KEY",
        )
    taking.leave_all("general_settings.", general, _GENERAL, ("master_key",))
    taking.leave_all("", given, _PARTS, ("model_list", "general_settings"))
    return taking.done()


def _model(taking: Taking, place: str, one: Table) -> None:
    params = table(one.get("litellm_params"))
    model, name = str(params.get("model") or ""), str(one.get("model_name") or "")
    if not model.startswith(_PROVIDER):
        taking.leave(place, "goes to another provider than Google's Gemini API", "指向 Google Gemini API 以外的服务商")
        return
    taking.official(f"{place}.api_key", "", params.get("api_key"), base=params.get("api_base"))
    if name not in ("", model, model.removeprefix(_PROVIDER)):
        taking.leave(
            f"{place}.model_name",
            "is a name of its own: write it into MODEL_ALIASES as NAME=MODEL",
            "是自定义名称：请以 NAME=MODEL 的形式写入 MODEL_ALIASES",
        )
    if params.get("rpm") is not None or params.get("tpm") is not None:
        taking.leave(f"{place}.rpm", "is of one model; see RPM_LIMIT", "按单个模型限制；请参见 RPM_LIMIT")


FORMAT = Format("litellm", "LiteLLM", _is_it, _read)
