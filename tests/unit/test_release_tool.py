"""A release in a repository of the test's own: what is written, committed and tagged, and what is in the way of it."""

from __future__ import annotations

import datetime
import json
import subprocess
from pathlib import Path

import pytest
from tools import release
from tools.release import NotToBeReleasedError

from gemgate.version import __version__

DAY = datetime.date(2027, 1, 2)
CHANGES = "# Changelog\n\n## [Unreleased]\n\n### Added\n- A thing.\n\n## [0.0.9] - 2026-01-01\n- Old.\n"
CHINESE = "# 更新日志\n\n## [Unreleased]\n\n### 新增\n- 一件事。\n\n## [0.0.9] - 2026-01-01\n- 旧的。\n"
NEXT = "999.0.0"


def git(root: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=root, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    (root / "src/gemgate").mkdir(parents=True)
    (root / release.VERSION_FILE).write_text(f'"""One place."""\n\n__version__ = "{__version__}"\n')
    for name, text in zip(release.CHANGELOGS, (CHANGES, CHINESE), strict=True):
        (root / name).write_text(text, "utf-8")
    (root / release.CHART).parent.mkdir(parents=True)
    (root / release.CHART).write_text(f'apiVersion: v2\nversion: {__version__}\nappVersion: "{__version__}"\n')
    (root / release.RELEASED).mkdir(parents=True)
    (root / release.RELEASED / "0.0.9.sql").write_text("-- nothing\n")
    (root / ".gitignore").write_text("dist/\n")
    git(root, "init", "--quiet")
    for name, value in (("user.name", "A"), ("user.email", "a@example.org"), ("commit.gpgsign", "false")):
        git(root, "config", name, value)
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "first")
    return root


def built(root: Path, version: str) -> Path:
    dist = root / "dist"
    dist.mkdir()
    (dist / f"gemgate-{version}-py3-none-any.whl").write_bytes(b"wheel")
    (dist / f"gemgate-{version}.tar.gz").write_bytes(b"sdist")
    (dist / "gemgate.cdx.json").write_text('{"bomFormat": "CycloneDX"}')
    release.files(dist, "c" * 40)
    return dist


def test_a_release_is_written_sealed_and_tagged(repository: Path) -> None:
    release.prepare(repository, NEXT, DAY)
    assert f'__version__ = "{NEXT}"' in (repository / release.VERSION_FILE).read_text()
    for name, first in zip(release.CHANGELOGS, ("### Added", "### 新增"), strict=True):
        heading = f"## [Unreleased]\n\n## [999.0.0] - 2027-01-02\n\n{first}"
        assert heading in (repository / name).read_text("utf-8")
    assert (repository / release.CHART).read_text() == 'apiVersion: v2\nversion: "999.0.0"\nappVersion: "999.0.0"\n'
    release.commit(repository, NEXT)
    dist = built(repository, NEXT)
    release.seal(repository, NEXT)
    assert (dist / release.NOTES).read_text("utf-8") == "### Added\n- A thing.\n\n---\n\n### 新增\n- 一件事。\n"
    assert git(repository, "status", "--porcelain") == ""
    assert git(repository, "log", "-1", "--format=%s") == "Release 999.0.0"
    assert git(repository, "cat-file", "-t", "v999.0.0") == "tag"
    with pytest.raises(NotToBeReleasedError, match=r"there is a tag v999\.0\.0"):
        release.prepare(repository, NEXT, DAY)


def test_checksums_and_statements_say_what_lies_there(repository: Path) -> None:
    dist = built(repository, NEXT)
    names = {line.split("  ")[1] for line in (dist / release.SUMS).read_text().splitlines()}
    assert names == {one.name for one in dist.iterdir()} - {release.SUMS}
    subprocess.run(["sha256sum", "--check", "--quiet", release.SUMS], cwd=dist, check=True)
    for name, kind in (("provenance", "https://slsa.dev/provenance/v1"), ("sbom", "https://cyclonedx.org/bom")):
        told = json.loads((dist / f"gemgate.{name}.intoto.json").read_text())
        assert (told["_type"], told["predicateType"]) == ("https://in-toto.io/Statement/v1", kind)
        assert [one["name"] for one in told["subject"]] == [
            "gemgate-999.0.0-py3-none-any.whl",
            "gemgate-999.0.0.tar.gz",
        ]
        assert all(len(one["digest"]["sha256"]) == 64 for one in told["subject"])
    assert release.flaws(dist, NEXT) == []
    (dist / "gemgate-999.0.0.tar.gz").write_bytes(b"another")
    assert release.flaws(dist, NEXT) == ["dist/gemgate-999.0.0.tar.gz is not what SHA256SUMS says"]
    with pytest.raises(NotToBeReleasedError, match="is not what"):
        release.seal(repository, NEXT)


@pytest.mark.parametrize(
    ("version", "said"),
    [("1.0", "three numbers"), ("v1.0.0", "three numbers"), ("", "three numbers"), ("0.0.1", "before")],
)
def test_a_version_that_is_none_is_refused(repository: Path, version: str, said: str) -> None:
    with pytest.raises(NotToBeReleasedError, match=said):
        release.prepare(repository, version, DAY)
    assert git(repository, "status", "--porcelain") == ""


DUMPS = """import pathlib, sys
kept = pathlib.Path({folder!r}, "999.0.0.sql")
kept.write_text("-- a database")
sys.exit({code})
"""


def dumping(root: Path, code: int) -> None:
    """A tool in the repository whose database command writes a file and ends so."""
    (root / "tools").mkdir(exist_ok=True)
    (root / "tools/__init__.py").touch()
    (root / "tools/release.py").write_text(DUMPS.format(folder=str(release.RELEASED), code=code))
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "tools")


def test_a_release_that_fails_changes_nothing_and_one_that_was_begun_goes_on(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(repository))
    dumping(repository, 1)
    before = git(repository, "rev-parse", "HEAD")
    with pytest.raises(NotToBeReleasedError, match="no database"):
        release.prepare_and_commit(repository, NEXT, DAY)
    assert (git(repository, "rev-parse", "HEAD"), git(repository, "status", "--porcelain")) == (before, "")
    dumping(repository, 0)
    release.prepare_and_commit(repository, NEXT, DAY)
    made = git(repository, "rev-parse", "HEAD")
    assert (repository / release.RELEASED / "999.0.0.sql").exists()
    release.prepare_and_commit(repository, NEXT, DAY)  # `make dist` had failed
    assert git(repository, "rev-parse", "HEAD") == made
    built(repository, NEXT)
    release.seal(repository, NEXT)
    with pytest.raises(NotToBeReleasedError, match=r"there is a tag v999\.0\.0"):
        release.prepare_and_commit(repository, NEXT, DAY)


def test_what_is_in_the_way_is_said_and_nothing_is_written(repository: Path) -> None:
    (repository / "new").write_text("x")
    with pytest.raises(NotToBeReleasedError, match="has changes"):
        release.prepare(repository, NEXT, DAY)
    with pytest.raises(NotToBeReleasedError, match="run make dist"):
        release.seal(repository, NEXT)
    for text, said in (
        (CHANGES.replace("- A thing.\n", "").replace("### Added\n", ""), "nothing under"),
        ("", "no line"),
    ):
        with pytest.raises(NotToBeReleasedError, match=said):
            release.changed(text, NEXT, DAY)
    with pytest.raises(NotToBeReleasedError, match=r"a section of 0\.0\.9 already"):
        release.changed(CHANGES, "0.0.9", DAY)
