"""What each setting is about: the headings under which the documents and `gemgate settings` list them."""

from __future__ import annotations

from collections.abc import Iterator

from gemgate.settings import Settings

SECTIONS: tuple[tuple[str, str], ...] = (
    ("Listening and keys", "host port api_key admin_key auth trusted_proxies cors_origins"),
    ("Accounts", "secure_ accounts_file cookie_ official_ proxy_"),
    ("State", "data_dir database_url redis_"),
    (
        "Limits and rests",
        (
            "rate_limit_ model_interval rpm_ budget key_budget usage_ address_ concurrency reserve_ cooldown_ "
            "files_per_key batch_tasks"
        ),
    ),
    ("Deadlines and sizes", "request_timeout first_byte idle_timeout keepalive prompt_ max_ wire_facts canary"),
    (
        "Models, chats, pictures",
        "default_ model_aliases model_policy history account_history abandoned watermark logo_profiles retention",
    ),
    ("Storage of pictures", "storage public_base_url r2_ s3_"),
    ("Several machines", "fleet db_ external_ gemini_ internal_"),
    ("Being told", "alert_ responses_ otel_ recent_ log_ debug"),
)
"""Title and the beginnings of names; a name goes to the first section that takes it."""

ZH = {
    "Listening and keys": "监听与密钥",
    "Accounts": "账号",
    "State": "状态存储",
    "Limits and rests": "限额与冷却",
    "Deadlines and sizes": "超时与大小",
    "Models, chats, pictures": "模型、对话、图片",
    "Storage of pictures": "图片存储",
    "Several machines": "多台机器",
    "Being told": "通知与日志",
}


def in_sections() -> Iterator[tuple[str, list[str]]]:
    """The names of all settings under their titles; AssertionError when no section takes one."""
    left = list(Settings.model_fields)
    for title, starts in SECTIONS:
        mine = [name for name in left if name.startswith(tuple(starts.split()))]
        left = [name for name in left if name not in mine]
        yield title, mine
    assert not left, f"settings that no section takes: {sorted(left)}"
