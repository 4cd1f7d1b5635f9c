"""The shipped Grafana dashboard asks only for metrics and labels that exist."""

from __future__ import annotations

import json
import re
from pathlib import Path

from gemgate.telemetry.metric_specs import METERS

DASHBOARD = Path(__file__).parents[3] / "deploy" / "grafana" / "gemgate.json"
OF_THE_PROCESS = {"process_resident_memory_bytes"}
EVERYWHERE = {"instance", "le"}


def test_every_query_names_metrics_and_labels_that_exist() -> None:
    panels = [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]
    known = {name: meter for meter in METERS for name in (meter.shown, f"{meter.name}_bucket")}
    asked = set()
    for panel in panels:
        for target in panel["targets"]:
            names = re.findall(r"\b([a-z_]+)\{", target["expr"])
            assert names, target["expr"]
            for name in set(names) - OF_THE_PROCESS:
                asked.add(known[name].name)
                by = re.search(r"by \(([^)]*)\)", target["expr"])
                labels = {one.strip() for one in by.group(1).split(",")} if by else set()
                labels |= set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
                assert labels <= {*known[name].labels, *EVERYWHERE}, (panel["title"], labels)
    assert len(asked) >= 20


def test_panels_do_not_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
