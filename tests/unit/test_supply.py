"""What the program is made of, told from its lock; who could not be asked is named."""

from __future__ import annotations

import http.server
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tools import supply

ROOT = Path(__file__).parents[2]
LOCK = (
    "a-b==1.2 ; python_version < '3.13' \\\n    --hash=sha256:"
    + "0" * 64
    + "\nc==3 \\\n    --hash=sha256:"
    + "1" * 64
    + "\n"
)


@pytest.fixture
def advisories() -> Iterator[tuple[str, list[dict]]]:
    asked: list[dict] = []

    class Answering(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            queries = json.loads(self.rfile.read(int(self.headers["content-length"])))["queries"]
            asked.extend(queries)
            told = [{"vulns": [{"id": "X-1"}]} if one["package"]["name"] == "c" else {} for one in queries]
            body = json.dumps({"results": told}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", asked
    server.shutdown()
    server.server_close()


def test_the_lock_is_read_with_versions_and_hashes() -> None:
    assert supply.pins(LOCK) == [supply.Pin("a-b", "1.2", ("0" * 64,)), supply.Pin("c", "3", ("1" * 64,))]
    whole = supply.LOCK.read_text("utf-8")
    assert len(supply.pins(whole)) == len(re.findall(r"^\S+==", whole, re.MULTILINE)) > 50
    assert all(pin.hashes for pin in supply.pins(whole))


def test_known_vulnerabilities_are_told(advisories: tuple[str, list[dict]]) -> None:
    url, asked = advisories
    assert supply.vulnerabilities(supply.pins(LOCK), url) == {"c==3": ["X-1"]}
    assert asked[0] == {"package": {"name": "a-b", "ecosystem": "PyPI"}, "version": "1.2"}


@pytest.mark.parametrize(("offline", "code"), [(False, 3), (True, 0)])
def test_nobody_to_ask_is_said_loudly_and_is_no_success(
    offline: bool, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def away(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(supply, "vulnerabilities", away)
    assert supply.audit(supply.pins(LOCK), offline=offline) == code
    said = capsys.readouterr().out
    assert "VULNERABILITIES WERE NOT LOOKED UP" in said
    assert "not installed here: a-b, c" in said


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [("MIT", True), ("GPL-3.0 OR MIT", True), ("MIT AND GPL-3.0", False), ("MIT AND BSD-3-Clause", True), ("", False)],
)
def test_every_licence_that_holds_must_be_allowed(licence: str, allowed: bool) -> None:
    assert supply.is_allowed(licence) is allowed


def test_no_licence_of_the_lock_needs_a_thought() -> None:
    assert list(supply.flaws_of_licences(supply.pins(supply.LOCK.read_text("utf-8")))) == []


def test_the_bill_of_materials_names_everything_and_is_the_same_twice() -> None:
    locked = supply.pins(supply.LOCK.read_text("utf-8"))
    bill = supply.sbom(locked, "1")
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    references = [one["bom-ref"] for one in bill["components"]]
    assert len(set(references)) == len(locked)
    assert bill["dependencies"][0]["dependsOn"] == references
    assert bill == supply.sbom(locked, "1")


@pytest.mark.parametrize("path", ["Dockerfile", "deploy/desktop/Dockerfile"])
def test_images_are_built_of_hashed_packages_only(path: str) -> None:
    for line in (ROOT / path).read_text("utf-8").replace("\\\n", " ").splitlines():
        for command in re.findall(r"pip install [^&]*", line):
            assert "--require-hashes" in command or "--no-index" in command, command
