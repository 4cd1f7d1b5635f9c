"""The browser extension as one archive for both kinds of browsers: `python -m tools.extension [FOLDER]`.

The same bytes on every machine: names in order, one date, nothing compressed. Firefox and its store take the .xpi,
Chromium's store the .zip.
"""

from __future__ import annotations

import io
import json
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "extension"
LONG_AGO = (1980, 1, 1, 0, 0, 0)


def package(folder: Path = FOLDER) -> bytes:
    """The archive of an extension's folder; what begins with a dot is left out."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
            name = path.relative_to(folder)
            if path.is_file() and not any(part.startswith(".") for part in name.parts):
                entry = zipfile.ZipInfo(name.as_posix(), LONG_AGO)
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, path.read_bytes())
    return packed.getvalue()


def write(into: Path) -> list[Path]:
    """The .zip and the .xpi of the version that the manifest tells."""
    version = json.loads((FOLDER / "manifest.json").read_text("utf-8"))["version"]
    data = package()
    into.mkdir(parents=True, exist_ok=True)
    written = [into / f"gemgate-extension-{version}.{kind}" for kind in ("zip", "xpi")]
    for path in written:
        path.write_bytes(data)
    return written


if __name__ == "__main__":
    for made in write(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist"):
        print(made)
