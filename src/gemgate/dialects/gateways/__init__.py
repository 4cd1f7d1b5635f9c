"""The configuration of other gateways, read: accounts, keys and settings that gemgate has a counterpart for
(docs/import.md has the facts of every format, and where they were looked at).
"""

from gemgate.dialects.gateways.formats import FORMATS, LARGEST, NAMES, Name, read
from gemgate.dialects.gateways.taken import ClientKey, OfficialKey, Remark, Setting, Taken, WebAccount

__all__ = [
    "FORMATS",
    "LARGEST",
    "NAMES",
    "ClientKey",
    "Name",
    "OfficialKey",
    "Remark",
    "Setting",
    "Taken",
    "WebAccount",
    "read",
]
