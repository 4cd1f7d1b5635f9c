"""What the program is made of: `python -m tools.supply audit [--offline]`, `sbom FILE` and `wheels`.

The lock says it: `requirements/run.txt`, with versions and hashes. Licences come from the metadata of what is installed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from gemgate.version import __version__

LOCK = Path(__file__).parents[1] / "requirements" / "run.txt"
UV = Path(__file__).parents[1] / ".tools" / "bin" / "uv"
ADVISORIES = os.environ.get("ADVISORIES_URL", "https://api.osv.dev/v1/querybatch")
SECONDS = 30
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = {
    "x86_64-manylinux_2_28": "Linux (glibc 2.28 or later), x86-64",
    "aarch64-manylinux_2_28": "Linux (glibc 2.28 or later), ARM",
    "x86_64-unknown-linux-musl": "Linux (musl), x86-64",
    "aarch64-unknown-linux-musl": "Linux (musl), ARM",
    "aarch64-apple-darwin": "macOS, ARM",
    "x86_64-pc-windows-msvc": "Windows, x86-64",
}
"""Where every locked package has to come as a wheel: nobody who installs gemgate needs a compiler."""

ALLOWED = re.compile(
    r"\b(MIT|BSD|Apache|ISC|PSF|Python Software Foundation|MPL|Mozilla|Unlicense|0BSD|Zlib|LGPL|"
    r"GNU Lesser|CC0|Public Domain|HPND)",
    re.IGNORECASE,
)
"""Licences under which a library may be installed beside a program of any licence."""
KNOWN = {
    "gemini-webapi": "AGPL-3.0: the client of the web app, which this program is built on and is licensed with",
}
"""Exceptions, each with its reason."""


@dataclass(frozen=True, slots=True)
class Pin:
    """A line of the lock."""

    name: str
    version: str
    hashes: tuple[str, ...]


def pins(lock: str) -> list[Pin]:
    """The packages of a requirements file with hashes."""
    blocks = re.split(r"\n(?=[A-Za-z0-9])", lock)
    found = ((_PIN.match(block), block) for block in blocks)
    return [Pin(pin[1].lower(), pin[2], tuple(_HASH.findall(block))) for pin, block in found if pin]


def licence_of(name: str) -> str:
    """What an installed package says of its licence; "" when it is not installed or says nothing."""
    try:
        told = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return ""
    classifiers = [one.rpartition(" :: ")[2] for one in told.get_all("Classifier") or () if one.startswith("License")]
    text = told.get("License-Expression") or "; ".join(classifiers) or told.get("License") or ""
    return text.strip().partition("\n")[0][:80]


def sbom(locked: Sequence[Pin], version: str) -> dict[str, Any]:
    """The bill of materials, CycloneDX 1.5 (ECMA-424), without a time or a random number: the same lock, the same file."""
    components = []
    for pin in locked:
        component: dict[str, Any] = {
            "type": "library",
            "bom-ref": f"pkg:pypi/{pin.name}@{pin.version}",
            "name": pin.name,
            "version": pin.version,
            "purl": f"pkg:pypi/{pin.name}@{pin.version}",
            "hashes": [{"alg": "SHA-256", "content": one} for one in pin.hashes],
        }
        if licence := licence_of(pin.name):
            component["licenses"] = [{"license": {"name": licence}}]
        components.append(component)
    own = {"type": "application", "bom-ref": "gemgate", "name": "gemgate", "version": version}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": own},
        "components": components,
        "dependencies": [{"ref": "gemgate", "dependsOn": [one["bom-ref"] for one in components]}],
    }


def vulnerabilities(locked: Sequence[Pin], url: str = ADVISORIES) -> dict[str, list[str]]:
    """Advisories by pin, asked of OSV in one question. OSError or ValueError when it gives no answer."""
    asked = [{"package": {"name": pin.name, "ecosystem": "PyPI"}, "version": pin.version} for pin in locked]
    body = json.dumps({"queries": asked}).encode()
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        results = json.load(answer)["results"]
    if len(results) != len(locked):
        raise ValueError("the answer is not one to each question")
    found = zip(locked, results, strict=True)
    return {
        f"{pin.name}=={pin.version}": [one["id"] for one in told["vulns"]] for pin, told in found if told.get("vulns")
    }


def is_allowed(licence: str) -> bool:
    """Whether each part that holds at the same time may be used, of parts to choose from any."""
    return all(ALLOWED.search(part) for part in re.split(r"\s+AND\s+", licence))


def flaws_of_licences(locked: Sequence[Pin]) -> Iterator[str]:
    """What may not be shipped without a thought, of what is installed."""
    for pin in locked:
        licence = licence_of(pin.name)
        if pin.name not in KNOWN and _is_installed(pin.name) and not is_allowed(licence):
            yield f"{pin.name} {pin.version}: {licence or 'no licence in its metadata'}"


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def audit(locked: Sequence[Pin], *, offline: bool = False) -> int:
    """Print what is known. 0: nothing wrong; 1: something is; 3: nothing found, but advisories were not to be had.

    offline: advisories are not asked for, and their lack is no failure; it is said all the same.
    """
    wrong = list(flaws_of_licences(locked))
    for line in wrong:
        print(f"licence: {line}")
    elsewhere = [pin.name for pin in locked if not _is_installed(pin.name)]
    print(f"licences: {len(locked) - len(elsewhere)} of {len(locked)} packages looked at, {len(wrong)} to think about")
    if elsewhere:
        print(f"licences: not looked at, for they are not installed here: {', '.join(elsewhere)}")
    try:
        found = None if offline else vulnerabilities(locked)
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"{ADVISORIES} gives no answer ({type(error).__name__})")
        found = None
    if found is None:
        print("VULNERABILITIES WERE NOT LOOKED UP: nothing is known of this lock.")
        print("Run it again where the advisories can be reached; `make audit OFFLINE=1` looks at licences only.")
        return 1 if wrong else 0 if offline else 3
    for name, ids in sorted(found.items()):
        print(f"vulnerable: {name}: {', '.join(ids)}")
    print(f"vulnerabilities: {len(found)} of {len(locked)} packages have known ones")
    return int(bool(wrong or found))


def without_wheel(platform: str, python: str, lock: Path = LOCK) -> str:
    """Why the lock cannot be installed from wheels alone, with its hashes, on a platform; "" when it can.

    The installer is asked what it would do, by the registry that it is set up with; nothing is installed.
    """
    with tempfile.TemporaryDirectory(prefix="gemgate-wheels-") as target:
        command = [
            *(str(UV), "pip", "install", "--dry-run", "--no-deps", "--require-hashes", "--only-binary", ":all:"),
            *("--python-platform", platform, "--python-version", python, "--python", sys.executable),
            *("--target", target, "--requirement", str(lock)),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    return "" if done.returncode == 0 else " ".join(done.stderr.split()) or f"status {done.returncode}"


def wheels() -> int:
    """Print for each platform and Python whether all wheels are there. 1 when some are not."""
    wrong = 0
    for platform, told in PLATFORMS.items():
        for python in PYTHONS:
            reason = without_wheel(platform, python)
            wrong += bool(reason)
            print(f"{told}, Python {python}: {reason or 'every package of the lock has a wheel'}", flush=True)
    return int(bool(wrong))


def main(arguments: Sequence[str]) -> int:
    locked = pins(LOCK.read_text("utf-8"))
    match arguments:
        case ["audit"]:
            return audit(locked)
        case ["audit", "--offline"]:
            return audit(locked, offline=True)
        case ["wheels"]:
            return wheels()
        case ["sbom", path]:
            Path(path).write_text(json.dumps(sbom(locked, __version__), indent=1) + "\n", "utf-8")
            return 0
        case _:
            print(__doc__)
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
