"""docs/privacy.md says of every table what it holds and how long, in terms that the code keeps to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gemgate.assembly.loops import KEY_HOURS, READING_DAYS, RESPONSE_DAYS
from gemgate.pool.paired import CODE_SECONDS
from gemgate.settings import Settings
from gemgate.stores.sql import budgets
from gemgate.stores.sql.schema import metadata
from gemgate.web.auth.key_cache import SESSION_SECONDS

PAGE = (Path(__file__).parents[2] / "docs" / "privacy.md").read_text("utf-8")
ROWS: list[tuple[str, str, str]] = re.findall(r"(?m)^\| (.+?) \| (.+?) \| (.+?) \|$", PAGE.partition("## At Google")[0])

HELD = {
    "account": ("cookies of accounts", "a Google account's number"),
    "account_circuit": ("rests of accounts",),
    "account_push": ("a paired browser",),
    "address_circuit": ("rests of accounts",),
    "alert_channel": ("addresses of alerts",),
    "audit_line": ("the audit",),
    "batch": ("batches, background", "of the same"),
    "budget_charge": ("what budgets",),
    "budget_use": ("what budgets",),
    "chat_made": ("words of a chat",),
    "client_key": ("client keys",),
    "conversation": ("words of a chat", "words of a chat that the caller named"),
    "gemini_service_nodes": ("nodes of a fleet",),
    "media_total": ("how many bytes",),
    "node_detail": ("nodes of a fleet",),
    "page_session": ("sessions of the page",),
    "pairing_code": ("a paired browser",),
    "picture": ("images, videos",),
    "response_event": ("batches, background",),
    "session_life": ("lives of sessions",),
    "setting_change": ("settings that were changed",),
    "stored_file": ("uploads",),
    "stored_response": ("responses and interactions",),
    "task": ("batches, background", "of the same"),
    "usage": ("usage:",),
    "usage_reading": ("Google's usage windows",),
    "usage_writer": ("usage:",),
    "way_out": ("rests of accounts",),
}
"""How the page's rows begin that speak of each table."""


def kept(begins: str) -> str:
    """How long, of the row that begins so."""
    return next(row[2] for row in ROWS if row[0].startswith(begins))


def test_every_table_has_its_row() -> None:
    assert set(metadata.tables) <= set(HELD), "say in docs/privacy.md what the new table holds of whom, and how long"
    for begins in {one for rows in HELD.values() for one in rows}:
        assert kept(begins)


def test_what_is_called_sealed_has_a_key_beside_it() -> None:
    """Whatever the schema seals stands in a row that says so."""
    for table in metadata.tables.values():
        if any(column.name.endswith("_key") or "Sealed" in (column.comment or "") for column in table.columns):
            rows = [row for row in ROWS if row[0].startswith(HELD[table.name])]
            assert table.name in ("client_key", "batch") or any("sealed" in row[1] for row in rows), table.name


@pytest.mark.parametrize(
    ("begins", "term"),
    [
        ("a paired browser", {600.0: "ten minutes"}[CODE_SECONDS]),
        ("sessions of the page", f"{SESSION_SECONDS / 3600:g} hours"),
        ("responses and interactions", f"{RESPONSE_DAYS} days"),
        ("batches, background", f"{RESPONSE_DAYS} days at most"),
        ("batches, background", f"{KEY_HOURS} hours"),
        ("the audit", f"({Settings.model_fields['audit_days'].default})"),
        ("usage:", f"({Settings.model_fields['usage_days'].default})"),
        ("what budgets", f"{budgets.KEPT_DAYS} days"),
        ("Google's usage windows", f"{READING_DAYS} days"),
    ],
)
def test_the_terms_are_the_codes(begins: str, term: str) -> None:
    assert term in kept(begins)
