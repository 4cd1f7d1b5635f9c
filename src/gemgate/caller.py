"""Who calls: the tenant, the key and what it may, and the language to answer in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as the door found out.

    tenant:   the name of the API key, or "" when keys are off; conversations and batches never cross tenants.
    client:   what limits count by: the key's name, else the address (IPv6 by /64).
    per_hour: the key's own hourly limit, None for the general one.
    admin:    may see all tenants and the account names.
    models:   ids that the key is limited to, empty for all.
    operations: groups of operations that the key is limited to, empty for all.
    account:  of a paired browser: the one account whose cookies its key may push, "" for everybody else.
    quota:    what is left, when the call was counted before it came here: it is not counted again.
    host:     our own name and port as the caller called them, so that our links are known when they come back.
    """

    tenant: str = ""
    client: str = "local"
    address: str = ""
    per_hour: int | None = None
    admin: bool = False
    language: str = "en"
    request_id: str = ""
    models: frozenset[str] = frozenset()
    operations: frozenset[str] = frozenset()
    quota: Quota | None = None
    host: str = ""
    account: str = ""


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of the rule that binds: a limit of 0 means none. Seconds for `reset`."""

    limit: int = 0
    remaining: int = 0
    reset: float = 0.0
