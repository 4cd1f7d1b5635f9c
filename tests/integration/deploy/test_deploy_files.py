"""What is shipped for containers is checked without an engine: Compose, Dockerfiles, scripts, Kubernetes, init.sh."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
DESKTOP = ROOT / "deploy" / "desktop"
COMPOSE = [ROOT / "docker-compose.yml", ROOT / "compose.fleet.yml", DESKTOP / "docker-compose.yml"]
DOCKERFILES = [ROOT / "Dockerfile", DESKTOP / "Dockerfile"]
SCRIPTS = [
    DESKTOP / "init.sh",
    *sorted((DESKTOP / "rootfs" / "usr" / "local" / "bin").iterdir()),
    DESKTOP / "rootfs" / "dockerstartup" / "custom_startup.sh",
]
SECRETS = {
    name: f"{name.lower()}-of-a-test"
    for name in ("API_KEY", "ADMIN_KEY", "DB_PASSWORD", "REDIS_PASSWORD", "INTERNAL_TOKEN", "COOKIE_KEYS", "VNC_PW")
}


def program(name: str) -> str:
    if path := shutil.which(name):
        return path
    pytest.skip(f"{name} is not installed (apt-get install {name})")


def composed(path: Path, tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """What `docker-compose config` makes of a file, beside an empty .env."""
    compose = program("docker-compose")
    (tmp_path / ".env").touch()
    wanted = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **environment}
    for file in (ROOT / "docker-compose.yml", ROOT / "compose.fleet.yml", DESKTOP / "docker-compose.yml"):
        place = tmp_path / file.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    place = tmp_path / path.relative_to(ROOT)
    return subprocess.run([compose, "-f", place, "config"], env=wanted, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: str(path.relative_to(ROOT)))
def test_compose_files_are_valid_and_ask_for_every_secret(path: Path, tmp_path: Path) -> None:
    needed = {name for name in SECRETS if f"${{{name}:?" in path.read_text()}
    if path != COMPOSE[0]:
        needed |= {"DB_PASSWORD", "REDIS_PASSWORD"}
    given = {name: SECRETS[name] for name in needed}
    good = composed(path, tmp_path, **given)
    assert good.returncode == 0, good.stderr
    for name in sorted(needed):
        without = {key: value for key, value in given.items() if key != name}
        refused = composed(path, tmp_path, **without)
        assert refused.returncode != 0, f"{name} is not asked for"
        assert f"set {name} in .env" in refused.stderr
    services: dict[str, dict[str, Any]] = yaml.safe_load(good.stdout)["services"]
    for name, service in services.items():
        for port in service.get("ports", ()):
            published = port if isinstance(port, str) else f"{port.get('host_ip', '')}:{port.get('published')}"
            assert published.startswith("127.0.0.1:"), f"{name} can be reached from elsewhere: {published}"
        assert service["restart"] == "unless-stopped"


def test_no_default_password_stands_in_any_file() -> None:
    default = re.compile(r"(PASSWORD|VNC_PW|_KEY|TOKEN)\s*[:=]\s*[\"']?\$\{\w+:?-[^}]")
    for path in [*COMPOSE, *DOCKERFILES, *SCRIPTS, *sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))]:
        assert not default.search(path.read_text()), path


def test_desktops_have_folders_and_ports_of_their_own(tmp_path: Path) -> None:
    services = yaml.safe_load(composed(COMPOSE[2], tmp_path, **SECRETS).stdout)["services"]
    workers = {name: service for name, service in services.items() if name.startswith("worker")}
    assert len(workers) >= 2
    for name, service in workers.items():
        mounts = dict(volume.rsplit(":", 2)[:2] for volume in service["volumes"])
        own = {Path(place).relative_to(tmp_path / "deploy" / "desktop").as_posix(): to for place, to in mounts.items()}
        assert own[f"data/{name}"] == "/data"
        assert own[f"profiles/{name}"] == "/profiles"
        assert service["environment"]["GEMINI_WORKER_ID"] == name
    ports = [port for service in workers.values() for port in service["ports"]]
    assert len(set(map(str, ports))) == len(ports)
    assert "6901" in str(ports[0])


def test_dockerfiles_pass_a_linter(tmp_path: Path) -> None:
    npm, node = program("npm"), program("node")
    for file in (Path(__file__).parent / "lint").iterdir():
        if file.is_file():
            shutil.copy(file, tmp_path)
    quiet = ["--no-audit", "--no-fund", "--no-package-lock", "--silent"]
    subprocess.run([npm, "install", *quiet], cwd=tmp_path, check=True, timeout=110, capture_output=True)
    found = subprocess.run(
        [node, "dockerfiles.cjs", *DOCKERFILES], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert [json.loads(line) for line in found.stdout.splitlines()] == []


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_images_have_two_stages_no_root_and_a_health_check(path: Path) -> None:
    text = path.read_text()
    stages = re.split(r"(?m)^FROM ", text)[1:]
    assert len(stages) == 2
    last = stages[-1]
    assert re.findall(r"(?m)^USER (\S+)", last)[-1] not in ("root", "0")
    assert "HEALTHCHECK" in last
    assert "--from=build" in last
    for line in re.findall(r"(?m)^COPY (?!--from)(.+)$", text):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), f"{path.name} copies {source}, which is not there"


def test_what_images_are_built_from_is_let_through(tmp_path: Path) -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for path in DOCKERFILES:
        for line in re.findall(r"(?m)^COPY (?!--from)(.+)$", path.read_text()):
            for source in line.split()[:-1]:
                assert any(source.rstrip("/") == one or source.startswith(f"{one}/") for one in kept), source


def test_scripts_pass_shellcheck() -> None:
    found = subprocess.run([program("shellcheck"), *SCRIPTS], capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stdout
    for path in SCRIPTS:
        assert os.access(path, os.X_OK), f"{path.name} cannot be run"


def test_kubernetes_manifests_fit_their_schemas() -> None:
    import kubernetes_validate

    documents = [
        document
        for path in sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text())
    ]
    assert {document["kind"] for document in documents} >= {"Deployment", "StatefulSet", "Service"}
    for document in documents:
        kubernetes_validate.validate(document, "1.31", strict=True)
        if document["kind"] in ("Deployment", "StatefulSet"):
            container = document["spec"]["template"]["spec"]["containers"][0]
            assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.keys()
            assert container["livenessProbe"]["httpGet"]["path"] == "/health"


@pytest.mark.parametrize(
    ("file", "kind", "without"),
    [("workers.yaml", "StatefulSet", ("API_KEY", "ADMIN_KEY")), ("gateway.yaml", "Deployment", ("COOKIE_KEYS",))],
)
def test_of_the_shared_secret_each_kind_of_node_has_what_it_needs(
    file: str, kind: str, without: tuple[str, ...]
) -> None:
    """With clients' keys a worker would take their calls directly; a gateway opens no cookies."""
    documents = yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / file).read_text())
    (found,) = (document for document in documents if document["kind"] == kind)
    (container,) = found["spec"]["template"]["spec"]["containers"]
    told = {one["name"]: one.get("value") for one in container["env"]}
    assert {name: told[name] for name in without} == dict.fromkeys(without, "")


def initialised(compose: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    wanted = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run(
        [DESKTOP / "init.sh", compose], env=wanted, capture_output=True, text=True, timeout=30, check=False
    )


def test_init_makes_every_folder_once_and_gives_it_away(tmp_path: Path) -> None:
    compose = tmp_path / "docker-compose.yml"
    shutil.copy(COMPOSE[2], compose)
    owner = "1000:1000" if os.geteuid() == 0 else f"{os.geteuid()}:{os.getegid()}"
    first = initialised(compose, OWNER=owner)
    assert first.returncode == 0, first.stderr
    folders = ["data/blobs", "data/worker1", "data/worker2", "profiles/worker1", "profiles/worker2"]
    assert [line.split()[0] for line in first.stdout.splitlines()] == folders
    for folder in folders:
        status = (tmp_path / folder).stat()
        assert f"{status.st_uid}:{status.st_gid}" == owner
        assert status.st_mode & 0o777 == 0o700
    (tmp_path / "profiles" / "worker1" / "cookies.sqlite").write_text("kept")
    again = initialised(compose, OWNER=owner)
    assert [line.split()[1:] for line in again.stdout.splitlines()] == [["kept"]] * 5
    assert (tmp_path / "profiles" / "worker1" / "cookies.sqlite").read_text() == "kept"


def test_init_follows_the_compose_file_and_says_what_is_wrong(tmp_path: Path) -> None:
    compose = tmp_path / "more.yml"
    compose.write_text(
        'services:\n  a:\n    volumes:\n      - "./data/worker7:/data"\n      - ./profiles/w-7:/profiles\n'
    )
    owner = f"{os.geteuid()}:{os.getegid()}"
    assert initialised(compose, OWNER=owner).returncode == 0
    assert (tmp_path / "data" / "worker7").is_dir()
    assert (tmp_path / "profiles" / "w-7").is_dir()
    for arguments, environment, word in (
        (tmp_path / "none.yml", {}, "no compose file"),
        (compose, {"OWNER": "root"}, "UID:GID"),
    ):
        refused = initialised(arguments, **environment)
        assert refused.returncode != 0
        assert word in refused.stderr
    compose.write_text("services: {}\n")
    assert "mounts no ./data" in initialised(compose, OWNER=owner).stderr


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "VNC_PW is not set"),
        ({"VNC_PW": "vncpassword"}, "everybody tries first"),
        ({"VNC_PW": "short"}, "at least 8"),
        ({"VNC_PW": "good enough", "BROWSER": "lynx"}, "firefox or chrome"),
    ],
)
def test_a_desktop_without_a_password_of_its_own_does_not_start(environment: dict[str, str], said: str) -> None:
    entry = DESKTOP / "rootfs" / "usr" / "local" / "bin" / "desktop-entry"
    wanted = {"PATH": os.environ["PATH"], **environment}
    refused = subprocess.run([entry, "echo", "started"], env=wanted, capture_output=True, text=True, timeout=10)
    assert (refused.returncode, refused.stdout) == (64, "")
    assert said in refused.stderr
    assert "桌面无法启动" in refused.stderr
    begun = subprocess.run(
        [entry, "echo", "started"],
        env={"PATH": os.environ["PATH"], "VNC_PW": "a word of my own"},
        capture_output=True,
        text=True,
        timeout=10,
    )
    assert begun.stdout == "started\n"
