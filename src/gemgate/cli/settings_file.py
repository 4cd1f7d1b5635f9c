"""The text of a new `gemgate.toml`: what was answered, and what people change most, each with what it means."""

from __future__ import annotations

import json
from dataclasses import dataclass

from gemgate.settings import Settings

OFFERED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Who may call", ("host", "port", "api_key", "admin_key", "trusted_proxies", "cors_origins")),
    ("The account, and the way to Google", ("cookie_source", "proxy_url", "proxy_ca_file")),
    ("Where state is kept", ("data_dir", "retention_days")),
    (
        "Limits: of a client, of an account",
        ("rate_limit_per_hour", "model_interval_seconds", "rpm_limit", "concurrency"),
    ),
    ("Models and chats", ("default_model", "default_image_model", "model_aliases", "model_policy", "history")),
    ("Pictures", ("watermark_removal", "storage")),
    ("Being told", ("alert_webhook_url", "log_level")),
)
"""Settings that a new file names, by what they are about; `gemgate settings` has them all."""


@dataclass(frozen=True, slots=True)
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


def text(values: dict[str, object]) -> str:
    """The file: `values` in force, the rest of OFFERED as comments with their defaults."""
    lines = [
        "# Settings of gemgate, written by `gemgate init`. A line without # counts; environment variables of the same",
        "# name in capitals, and options of a command, count before it. All settings: gemgate settings",
        "# There may be keys in this file: it is yours alone to read.",
    ]
    left = dict(values)
    for title, names in OFFERED:
        lines += ["", f"## {title}"]
        for name in names:
            field = Settings.model_fields[name]
            lines.append(f"# {field.description}")
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
