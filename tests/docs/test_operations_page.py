"""What docs/operations.md tells people to watch exists, and its commands run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gemgate.telemetry.metric_specs import METERS

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")


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
