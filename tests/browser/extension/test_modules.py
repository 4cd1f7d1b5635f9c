"""The extension's folder without a browser: its modules in Node, its words, what it may, its archive."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from tools.extension import FOLDER, package, write

from tests.browser.conftest import needed

SCRIPTS = sorted(FOLDER.glob("*.js"))
MANIFEST = json.loads((FOLDER / "manifest.json").read_text("utf-8"))


@pytest.mark.system
def test_its_modules_push_the_newest_whatever_fails(tmp_path: Path) -> None:
    node = needed("Node", "node", "nodejs")
    for script in SCRIPTS:
        shutil.copy(script, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    arguments = [node, str(Path(__file__).parent / "modules.test.mjs"), str(tmp_path)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "good"), done.stderr[-4000:]


def test_it_may_no_more_than_it_takes() -> None:
    assert MANIFEST["permissions"] == ["alarms", "cookies", "storage"]
    assert MANIFEST["host_permissions"] == ["*://google.com/*"], "no host below it, no other site"
    plain = [one for one in MANIFEST["optional_host_permissions"] if not one.startswith("https://")]
    assert plain == ["http://127.0.0.1/*", "http://localhost/*"], "cookies never go over a network in the clear"
    assert "content_scripts" not in MANIFEST
    assert "web_accessible_resources" not in MANIFEST
    policy = MANIFEST["content_security_policy"]["extension_pages"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_it_writes_nothing_anywhere_and_makes_no_html() -> None:
    for script in SCRIPTS:
        text = script.read_text("utf-8")
        found = re.search(
            r"console\.|innerHTML|outerHTML|insertAdjacent|eval\(|new Function|document\.write|alert\(", text
        )
        assert found is None, f"{script.name}: {found}"
        assert not re.search(r"https?://(?!127\.0\.0\.1)[a-z]", text), f"{script.name} names a site"


def test_it_says_everything_in_both_languages() -> None:
    english, chinese = (
        json.loads((FOLDER / "_locales" / name / "messages.json").read_text("utf-8")) for name in ("en", "zh_CN")
    )
    assert list(english) == list(chinese)
    for name, text in english.items():
        assert text.get("placeholders") == chinese[name].get("placeholders")
        assert name in ("name", "language") or re.search("[\u4e00-\u9fff]", chinese[name]["message"]), name
    sources = "".join(path.read_text("utf-8") for path in (*SCRIPTS, *FOLDER.glob("*.html"), FOLDER / "manifest.json"))
    said = set(re.findall(r'say\("(\w+)"[,)]|data-say="(\w+)"|__MSG_(\w+)__', sources))
    names = {name for found in said for name in found if name}
    prefixes = tuple(re.findall(r'say\("(\w+_)" \+', sources))
    words = set(re.findall(r'"(\w+)"', sources))
    assert names <= set(english)
    unsaid = {name for name in english if name not in names | words and not name.startswith(prefixes)}
    assert not unsaid, "nobody says these"
    outcomes = set(re.findall(r'outcome: "(\w+)"', sources)) | {"later", "unreachable"}
    assert {f"outcome_{one}" for one in outcomes - {"good"}} <= set(english)
    troubles = set(re.findall(r'Trouble\("(\w+)"', sources)) | set(re.findall(r'complain\("(\w+)"', sources))
    assert {f"trouble_{one}" for one in troubles - {"refused"}} <= set(english)


def test_its_archive_is_the_same_everywhere(tmp_path: Path) -> None:
    made = write(tmp_path)
    assert [path.suffix for path in made] == [".zip", ".xpi"]
    assert made[0].read_bytes() == made[1].read_bytes() == package()
    copied = tmp_path / "copied"
    shutil.copytree(FOLDER, copied)
    (copied / "manifest.json").touch()
    (copied / "manifest.json").chmod(0o600)
    (copied / ".hidden").write_text("not this")
    assert package(copied) == made[0].read_bytes()
    with zipfile.ZipFile(made[0]) as archive:
        assert {"manifest.json", "background.js", "_locales/zh_CN/messages.json"} <= set(archive.namelist())
        assert archive.namelist() == sorted(archive.namelist())
    texts = "".join(path.read_text("utf-8") for path in (*SCRIPTS, *FOLDER.glob("*.html"), FOLDER / "manifest.json"))
    assert all(f'"{path.name}"' in texts or f'"./{path.name}"' in texts for path in SCRIPTS), "a script nobody loads"
