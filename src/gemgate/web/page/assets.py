"""The page's files: read once, compressed once, under an address that changes with them, so that browsers keep them.

Nothing is built: what lies in `static/` is what the browser gets. `index.html` names every script in advance, so that
none is waited for.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
IMPORTS = {
    "preact": "vendor/preact.mjs",
    "preact/hooks": "vendor/hooks.mjs",
    "htm": "vendor/htm.mjs",
    "marked": "vendor/marked.mjs",
}
"""Bare names in vendored scripts, so that these stay as they were published."""
LATER = ("vendor/marked.mjs",)
"""Scripts that are loaded when they are first needed."""


@dataclass(slots=True)
class Asset:
    """One file. mime: with its charset; etag: quoted; packed: gzip, or None when that saves nothing."""

    data: bytes = field(repr=False)
    mime: str
    etag: str
    packed: bytes | None = field(default=None, repr=False)


class Assets:
    """All files below `folder`. `load` takes some 20 ms: in a thread, when the page is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.ready = False

    def load(self) -> None:
        """Read and pack everything."""
        self.ready = bool(self.index.data and self.import_map_hash)

    @cached_property
    def files(self) -> Mapping[str, Asset]:
        """Path below the folder -> file; without index.html."""
        found: dict[str, Asset] = {}
        for path in sorted(self._folder.rglob("*")):
            if path.suffix in TYPES and path.name != "index.html":
                found[path.relative_to(self._folder).as_posix()] = _asset(path.read_bytes(), TYPES[path.suffix])
        return found

    @cached_property
    def version(self) -> str:
        """Twelve hex digits that change with any of the files."""
        digest = hashlib.sha256()
        for name, asset in self.files.items():
            digest.update(name.encode() + b"\0" + asset.data)
        return digest.hexdigest()[:12]

    @property
    def base(self) -> str:
        """Relative to the page, which may stand below a path of a proxy's."""
        return f"page/{self.version}/"

    @cached_property
    def import_map(self) -> str:
        return json.dumps(
            {"imports": {name: f"./{self.base}{path}" for name, path in IMPORTS.items()}}, separators=(",", ":")
        )

    @cached_property
    def import_map_hash(self) -> str:
        """As a content security policy names it: the one inline script there is."""
        return "sha256-" + base64.b64encode(hashlib.sha256(self.import_map.encode()).digest()).decode()

    @cached_property
    def index(self) -> Asset:
        """The page itself, with the addresses of its files filled in."""
        scripts = [name for name in self.files if name.endswith((".js", ".mjs")) and name not in LATER]
        modules = [name for name in scripts if name != "early.js"]
        preloads = "\n".join(f'<link rel="modulepreload" href="{self.base}{name}">' for name in modules)
        text = (self._folder / "index.html").read_text(encoding="utf-8")
        for mark, value in (("{{preloads}}", preloads), ("{{imports}}", self.import_map), ("{{base}}", self.base)):
            text = text.replace(mark, value)
        return _asset(text.encode(), TYPES[".html"])


def _asset(data: bytes, mime: str) -> Asset:
    packed = gzip.compress(data, 9, mtime=0)
    etag = f'"{hashlib.sha256(data).hexdigest()[:20]}"'
    return Asset(data, mime, etag, packed if len(packed) < len(data) else None)
