"""What each setting is about, in both languages, and the headings under which the documents and `gemgate settings` list
them.
"""

from __future__ import annotations

from collections.abc import Iterator

from gemgate.chinese import chinese
from gemgate.errors import LocalText
from gemgate.settings import Settings

SECTIONS: tuple[tuple[LocalText, str], ...] = (
    (LocalText("Listening and keys", "监听与密钥"), "host port api_key admin_key auth trusted_proxies cors_origins"),
    (LocalText("Accounts", "账号"), "secure_ accounts_file cookie_ official_ proxy_"),
    (LocalText("State", "状态存储"), "data_dir database_url redis_"),
    (
        LocalText("Limits and rests", "限额与冷却"),
        (
            "rate_limit_ model_interval rpm_ budget key_budget usage_ audit_ address_ concurrency reserve_ cooldown_ "
            "files_per_key media_per_key chats_per_key conversations_per_key batch_tasks"
        ),
    ),
    (
        LocalText("Deadlines and sizes", "超时与大小"),
        "request_timeout first_byte idle_timeout keepalive prompt_ max_ wire_facts canary",
    ),
    (
        LocalText("Models, chats, pictures", "模型、对话、图片"),
        "default_ model_aliases model_policy history account_history abandoned watermark logo_profiles retention",
    ),
    (LocalText("Storage of pictures", "图片存储"), "storage public_base_url r2_ s3_"),
    (LocalText("Several machines", "多台机器"), "fleet db_ external_ gemini_ internal_"),
    (LocalText("Being told", "通知与日志"), "alert_ responses_ otel_ recent_ log_ debug"),
)
"""Title and the beginnings of names; a name goes to the first section that takes it."""


def in_sections() -> Iterator[tuple[LocalText, list[str]]]:
    """The names of all settings under their titles; AssertionError when no section takes one."""
    left = list(Settings.model_fields)
    for title, starts in SECTIONS:
        mine = [name for name in left if name.startswith(tuple(starts.split()))]
        left = [name for name in left if name not in mine]
        yield title, mine
    assert not left, f"settings that no section takes: {sorted(left)}"


def about(name: str, language: str) -> str:
    """What a setting is about, in `language` ("zh…" or anything else for English)."""
    if language.lower().startswith("zh"):
        return chinese("gemgate.settings")[name]
    return Settings.model_fields[name].description or ""
