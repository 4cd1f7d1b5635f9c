"""What is in force of the settings that are not set, where their default is found out and not written down."""

from __future__ import annotations

from gemgate.assembly.storage import key_file, storage_kind
from gemgate.settings import Settings
from gemgate.upstreams.web import facts


def in_force(settings: Settings) -> dict[str, str]:
    """By the setting's name: files that are looked for, and figures that were measured of Google's wire."""
    known = facts.load(settings.wire_facts)
    return {
        "accounts_file": str(settings.accounts_path),
        "cookie_key_file": "" if settings.cookie_keys else str(key_file(settings)),
        "storage": storage_kind(settings),
        "address_rpm_limit": f"{known.address.calls_per_minute:g}",
        "cooldown_address_seconds": f"{known.address.rest_seconds:g}",
        "prompt_max_bytes": str(known.prompt.plain_bytes),
        "prompt_with_files_max_bytes": str(known.prompt.with_files_bytes),
    }
