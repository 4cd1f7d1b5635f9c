"""The text of a new `gemgate.toml`: what was answered, and what people change most, each with what it means."""

from __future__ import annotations

import json

from gemgate.errors import LocalText
from gemgate.frozen import frozen
from gemgate.settings import Settings
from gemgate.settings.sections import about

OFFERED: tuple[tuple[LocalText, tuple[str, ...]], ...] = (
    (
        LocalText("Who may call", "谁可以调用"),
        ("host", "port", "api_key", "admin_key", "trusted_proxies", "cors_origins"),
    ),
    (
        LocalText("The account, and the way to Google", "账号以及访问 Google 的方式"),
        ("cookie_source", "proxy_url", "proxy_ca_file"),
    ),
    (LocalText("Where state is kept", "状态存放在哪里"), ("data_dir", "retention_days")),
    (
        LocalText("Limits: of a client, of an account", "限额：每个客户端、每个账号"),
        ("rate_limit_per_hour", "model_interval_seconds", "rpm_limit", "concurrency"),
    ),
    (
        LocalText("Models and chats", "模型与对话"),
        ("default_model", "default_image_model", "model_aliases", "model_policy", "history"),
    ),
    (LocalText("Pictures", "图片"), ("watermark_removal", "storage")),
    (LocalText("Being told", "通知与日志"), ("alert_webhook_url", "log_level")),
)
"""Settings that a new file names, by what they are about; `gemgate settings` has them all."""


@frozen
class Answers:
    """What the five questions of `gemgate init` ask.

    account: `paste`, `firefox`, `chrome` or `later`; others: whether other machines may call.
    """

    account: str = "later"
    others: bool = False
    port: int = 8100
    proxy_url: str = ""
    history: str = "keep"


def chosen(answers: Answers, *, api_key: str, admin_key: str) -> dict[str, object]:
    """The settings that the answers make, those only that differ from the defaults. Keys count when others may call."""
    made: dict[str, object] = {}
    if answers.others:
        made |= {"host": "0.0.0.0", "api_key": api_key, "admin_key": admin_key}  # noqa: S104 - asked for
    if answers.port != Settings.model_fields["port"].default:
        made["port"] = answers.port
    if answers.account in ("firefox", "chrome"):
        made["cookie_source"] = f"browser:{answers.account}"
    if answers.proxy_url:
        made["proxy_url"] = answers.proxy_url
    if answers.history != Settings.model_fields["history"].default:
        made["history"] = answers.history
    return made


HEAD = LocalText(
    "# Settings of gemgate, written by `gemgate init`. A line without # counts; environment variables of the same\n"
    "# name in capitals, and options of a command, count before it. All settings: gemgate settings\n"
    "# There may be keys in this file: it is yours alone to read.",
    "# gemgate 的设置，由 `gemgate init` 写入。不带 # 的行生效；同名的大写环境变量和命令的选项优先于它。\n"
    "# 所有设置：gemgate settings\n"
    "# 本文件可能含有密钥，只应由您本人读取。",
)


def text(values: dict[str, object], language: str) -> str:
    """The file: `values` in force, the rest of OFFERED as comments with their defaults."""
    lines = [HEAD.for_(language)]
    left = dict(values)
    for title, names in OFFERED:
        lines += ["", f"## {title.for_(language)}"]
        for name in names:
            field = Settings.model_fields[name]
            lines.append(f"# {about(name, language)}")
            if name in left:
                lines.append(f"{name} = {_value(left.pop(name))}")
            else:
                default = "" if field.default_factory is not None else field.default
                lines.append(f"#{name} = {_value(default)}")
    assert not left, f"a new file has no place for {sorted(left)}"
    return "\n".join(lines) + "\n"


def _value(value: object) -> str:
    """As TOML writes it; None, which it has no word for, as an empty text."""
    if value is None:
        return '""'
    if isinstance(value, tuple):
        return json.dumps(",".join(value))
    # JSON's texts are TOML's, but for DEL, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
