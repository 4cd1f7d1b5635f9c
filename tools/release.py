"""A release: `python -m tools.release prepare X.Y.Z`, then `make dist`, then `… seal X.Y.Z`; `make release` does all three.

prepare  writes the version, the changelogs' sections and, for later tests, a database that this version has lived in
         and the settings that it knows, and commits them: what is built is built from that commit. When it fails nothing is changed; when its commit
         is there already, because `make dist` has failed after it, it does nothing
seal     writes notes beside the files in dist/ and tags the commit; pushing the tag publishes (.github/workflows)
notes    writes those notes alone, where the tag is there already
`files DIST` writes checksums and statements for what lies there: `make dist` ends with it.
"""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import json
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.support.lived_in import lived_in

from gemgate.settings import Settings
from gemgate.version import __version__
from gemgate_simulator import Simulator

ROOT = Path(__file__).parents[1]
VERSION_FILE = Path("src/gemgate/version.py")
CHANGELOGS = (Path("CHANGELOG.md"), Path("CHANGELOG.zh.md"))
CHART = Path("deploy/helm/gemgate/Chart.yaml")
RELEASED = Path("tests/integration/stores/released")
_WRITTEN = tuple(map(str, (VERSION_FILE, *CHANGELOGS, CHART, RELEASED)))
SUMS = "SHA256SUMS"
NOTES = "NOTES.md"
_UNRELEASED = "## [Unreleased]\n"
_VERSION = re.compile(r'(?m)^__version__ = "(.+)"$')


class NotToBeReleasedError(Exception):
    """Why not, in one line."""


def numbers(version: str) -> tuple[int, int, int]:
    """Of a version; NotToBeReleasedError unless it is three numbers, as upgrades sign databases with."""
    if not re.fullmatch(r"(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){2}", version):
        raise NotToBeReleasedError(f"{version!r} is no version: three numbers below 1000, such as 0.2.0")
    major, minor, patch = map(int, version.split("."))
    return major, minor, patch


def changed(changelog: str, version: str, date: datetime.date, name: Path = CHANGELOGS[0]) -> str:
    """The changelog with what is unreleased under a heading of its own; name: its file, for what is in the way."""
    before, heading, rest = changelog.partition(_UNRELEASED)
    if not heading:
        raise NotToBeReleasedError(f"{name} has no line {_UNRELEASED.strip()!r}")
    if f"## [{version}]" in rest:
        raise NotToBeReleasedError(f"{name} has a section of {version} already")
    if not rest.partition("\n## [")[0].strip():
        raise NotToBeReleasedError(f"{name} has nothing under {_UNRELEASED.strip()!r}")
    return f"{before}{heading}\n## [{version}] - {date.isoformat()}\n{rest}"


def section(changelog: str, version: str, name: Path = CHANGELOGS[0]) -> str:
    """What the changelog says of a version."""
    _, heading, rest = changelog.partition(f"## [{version}]")
    if not heading:
        raise NotToBeReleasedError(f"{name} has no section of {version}; run prepare first")
    return rest.partition("\n")[2].partition("\n## [")[0].strip() + "\n"


def prepare(root: Path, version: str, date: datetime.date) -> None:
    """Write the version and both changelogs; nothing is written when something is in the way."""
    if numbers(version) < numbers(__version__):
        raise NotToBeReleasedError(f"{version} is before {__version__}, the version that stands in {VERSION_FILE}")
    if _git(root, "status", "--porcelain"):
        raise NotToBeReleasedError("the work tree has changes: commit them first")
    if _git(root, "tag", "--list", f"v{version}"):
        raise NotToBeReleasedError(f"there is a tag v{version} already")
    changelogs = {name: changed((root / name).read_text("utf-8"), version, date, name) for name in CHANGELOGS}
    written = _VERSION.sub(f'__version__ = "{version}"', (root / VERSION_FILE).read_text("utf-8"))
    chart = re.sub(r"(?m)^(version|appVersion): .*$", rf'\1: "{version}"', (root / CHART).read_text("utf-8"))
    (root / VERSION_FILE).write_text(written, "utf-8")
    (root / CHART).write_text(chart, "utf-8")
    for name, text in changelogs.items():
        (root / name).write_text(text, "utf-8")


async def lived() -> str:
    """What this version leaves in a database when it is used, beside a simulated Google, as SQL."""
    with tempfile.TemporaryDirectory(prefix="gemgate-release-") as folder:
        async with Simulator(("alice",)) as simulator:
            await lived_in(simulator, Path(folder))
        with closing(sqlite3.connect(Path(folder, "gemgate.sqlite3"))) as connection:
            signed = connection.execute("PRAGMA user_version").fetchone()[0]
            return "\n".join([*connection.iterdump(), f"PRAGMA user_version = {signed};", ""])


def settings_file() -> str:
    """Every setting that this version knows, with its default where it has one that is the same everywhere."""
    lines = []
    for name, field in sorted(Settings.model_fields.items()):
        value = None if field.default_factory is not None else field.default
        plain = list(value) if isinstance(value, tuple) else value
        lines.append(f'#{name} = ""' if plain is None else f"{name} = {json.dumps(plain, ensure_ascii=False)}")
    return "\n".join([*lines, ""])


def commit(root: Path, version: str) -> None:
    """What prepare wrote."""
    _git(root, "add", "--", *_WRITTEN)
    _git(root, "commit", "--quiet", "--message", f"Release {version}")


def begun(root: Path, version: str) -> bool:
    """Whether the commit of this release is the last one, and not sealed yet."""
    last = _git(root, "log", "-1", "--format=%s") == f"Release {version}"
    return last and not _git(root, "tag", "--list", f"v{version}") and not _git(root, "status", "--porcelain")


def undo(root: Path) -> None:
    """Take back what prepare wrote into a work tree that had no changes."""
    _git(root, "reset", "--quiet", "--", *_WRITTEN)
    _git(root, "checkout", "--", *_WRITTEN)
    _git(root, "clean", "--force", "--quiet", "--", str(RELEASED))


def prepare_and_commit(root: Path, version: str, date: datetime.date) -> None:
    """All or nothing of it, with a database of the new version, or nothing where it was done before."""
    if begun(root, version):
        return
    prepare(root, version, date)
    try:
        # A process of its own: this one knows the version of before.
        dump = [sys.executable, "-m", "tools.release", "database"]
        done = subprocess.run(dump, cwd=root, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotToBeReleasedError(f"no database of {version} could be made: {done.stderr.strip()}")
        commit(root, version)
    except BaseException:
        undo(root)
        raise


def notes(root: Path, version: str) -> None:
    """The changelogs' sections, English first, beside files in dist/ that are of this version and whole."""
    if wrong := flaws(root / "dist", version):
        raise NotToBeReleasedError("; ".join(wrong))
    sections = [section((root / name).read_text("utf-8"), version, name) for name in CHANGELOGS]
    (root / "dist" / NOTES).write_text("\n---\n\n".join(sections), "utf-8")


def seal(root: Path, version: str) -> None:
    """Notes and tag, for files that were built from this commit."""
    notes(root, version)
    if _git(root, "status", "--porcelain"):
        raise NotToBeReleasedError("the work tree has changes, which would not be in the tag")
    _git(root, "tag", "--annotate", f"v{version}", "--message", f"gemgate {version}")


def flaws(dist: Path, version: str) -> list[str]:
    """What dist/ lacks of a version, and what is not what the checksums say."""
    names = [f"gemgate-{version}-py3-none-any.whl", f"gemgate-{version}.tar.gz", "gemgate.cdx.json", SUMS]
    lacking = [f"dist/{name} is missing; run make dist" for name in names if not (dist / name).is_file()]
    if lacking:
        return lacking
    told = dict(reversed(line.split("  ", 1)) for line in (dist / SUMS).read_text().splitlines())
    return [f"dist/{name} is not what {SUMS} says" for name, sum_ in told.items() if _digest(dist / name) != sum_]


def files(dist: Path, source: str) -> None:
    """Statements in in-toto's form (v1, unsigned: CI signs) for what was built, and checksums of everything."""
    built = sorted((*dist.glob("*.whl"), *dist.glob("*.tar.gz")))
    subject = [{"name": one.name, "digest": {"sha256": _digest(one)}} for one in built]
    bom = json.loads((dist / "gemgate.cdx.json").read_text("utf-8"))
    _write(dist / "gemgate.provenance.intoto.json", statement(subject, *provenance(source)))
    _write(dist / "gemgate.sbom.intoto.json", statement(subject, "https://cyclonedx.org/bom", bom))
    everything = sorted(one for one in dist.iterdir() if one.is_file() and one.name not in (SUMS, NOTES))
    (dist / SUMS).write_text("".join(f"{_digest(one)}  {one.name}\n" for one in everything), "utf-8")


def statement(subject: list[dict[str, Any]], kind: str, predicate: dict[str, Any]) -> dict[str, Any]:
    """An in-toto statement."""
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject,
        "predicateType": kind,
        "predicate": predicate,
    }


def provenance(source: str) -> tuple[str, dict[str, Any]]:
    """SLSA's provenance (v1): the commit and the locks that went in. A machine of one's own is no trusted builder."""
    locks = [ROOT / "requirements" / name for name in ("run.txt", "build.txt")]
    materials: list[dict[str, Any]] = [{"name": "source", "digest": {"gitCommit": source}}]
    materials += [{"name": f"requirements/{one.name}", "digest": {"sha256": _digest(one)}} for one in locks]
    definition = {
        "buildType": "urn:gemgate:make-dist:v1",
        "externalParameters": {"command": "make dist"},
        "resolvedDependencies": materials,
    }
    return "https://slsa.dev/provenance/v1", {
        "buildDefinition": definition,
        "runDetails": {"builder": {"id": "urn:gemgate:local"}},
    }


def _write(place: Path, value: dict[str, Any]) -> None:
    place.write_text(json.dumps(value, indent=1) + "\n", "utf-8")


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotToBeReleasedError(f"git {words[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def main(words: Sequence[str]) -> int:
    try:
        match words:
            case ["prepare", version]:
                prepare_and_commit(ROOT, version, datetime.datetime.now(datetime.UTC).date())
            case ["database"]:
                kept = ROOT / RELEASED / f"{__version__}.sql"
                kept.parent.mkdir(exist_ok=True)
                kept.write_text(asyncio.run(lived()), "utf-8")
                kept.with_suffix(".toml").write_text(settings_file(), "utf-8")
            case ["files", dist]:
                files(Path(dist), _git(ROOT, "rev-parse", "HEAD"))
            case ["notes", version]:
                notes(ROOT, version)
            case ["seal", version]:
                seal(ROOT, version)
                print(f"v{version} is tagged; dist/ has its files. To publish: git push origin HEAD v{version}")
            case _:
                print(__doc__)
                return 2
    except NotToBeReleasedError as error:
        print(f"not released: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
