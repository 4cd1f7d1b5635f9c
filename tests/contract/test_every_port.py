"""Every port has a contract suite, and a port that is added without one fails here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import gemgate.ports

PORTS = Path(gemgate.ports.__file__).parent
SUITES = {
    "AccountStore": "account_store",
    "Budgets": "budgets",
    "AlertStore": "alert_store",
    "BlobStore": "blob_store",
    "ChatHistory": "account_history",
    "ChatLedger": "chat_ledger",
    "Clock": "clock",
    "ConversationStore": "conversation_store",
    "CookieSource": "cookie_source",
    "Fetcher": "outbound",
    "FileStore": "file_store",
    "Gallery": "gallery",
    "GemKeeper": "gem_keeper",
    "HistoryKeeper": "account_history",
    "JobStore": "job_store",
    "KeyStore": "key_store",
    "Limiter": "limiter",
    "MediaRoom": "kept_media",
    "MediaSource": "media_source",
    "NodeRegistry": "node_registry",
    "Listening": "observer",
    "Observer": "observer",
    "Researcher": "researcher",
    "ResponseLog": "response_log",
    "ResponseStore": "response_store",
    "PairingStore": "pairing_store",
    "Sender": "outbound",
    "SettingStore": "setting_store",
    "Upstream": "upstream",
    "WindowStore": "window_store",
    "UsageStore": "usage_store",
    "Vault": "vault",
}


def test_each_port_has_its_suite() -> None:
    found = {name for path in PORTS.glob("*.py") for name in re.findall(r"class (\w+)\(Protocol\)", path.read_text())}
    assert found == set(SUITES)


@pytest.mark.parametrize("suite", sorted(set(SUITES.values())))
def test_a_suite_has_promises(suite: str) -> None:
    text = (Path(__file__).parent / f"test_{suite}.py").read_text()
    assert len(re.findall(r"(?m)^(?:async )?def test_", text)) >= 2
