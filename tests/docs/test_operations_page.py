"""What docs/operations.md tells people to watch exists, and its commands run; metrics of other pages exist, too."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gemgate.telemetry.metric_specs import METERS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


def test_rules_are_yaml_and_ask_for_metrics_and_labels_that_exist() -> None:
    scrape, rules = map(yaml.safe_load, blocks("yaml"))
    assert scrape["scrape_configs"][0]["authorization"]["credentials_file"]
    shown = {meter.shown: set(meter.labels) for meter in METERS}
    for rule in rules["groups"][0]["rules"]:
        for name in re.findall(r"gemgate_\w+", rule["expr"]):
            assert name in shown, rule["alert"]
        for labels, name in re.findall(r"by \((\w+)\) \((\w+)\)", rule["expr"]):
            assert labels in shown[name]


def test_the_folder_that_is_measured_is_the_one_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = next(block for block in blocks("sh") if block.startswith("du"))
    code = re.findall(r"python3 -c '(.*?)'", command)[0]
    said = json.dumps({"DATA_DIR": {"value": str(tmp_path), "from": "default"}})
    done = subprocess.run([sys.executable, "-c", code], input=said, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(tmp_path)


def test_every_metric_that_a_page_names_is_shown_under_that_name() -> None:
    shown = {meter.shown for meter in METERS}
    pages = [*ROOT.glob("README*.md"), *(ROOT / "docs").glob("*.md")]
    for page in pages:
        for name, any_of in re.findall(r"`(gemgate_[a-z_]+)(\*?)", page.read_text("utf-8")):
            found = any(one.startswith(name) for one in shown) if any_of else name in shown
            assert found or name == "gemgate_simulator", f"{page.name}: {name}"
