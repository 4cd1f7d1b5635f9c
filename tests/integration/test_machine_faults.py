"""The machine under a gateway fails it: serving goes on or says so, nothing is lost or made twice, all heals by itself.

Each test starts `gemgate serve` as a user does and prints a row of the table in `docs/fleet.md`. A fault that this
machine cannot make (a mount needs root, a slow disk needs strace) is skipped by name.
"""

from __future__ import annotations

import http.client
import http.server
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gemgate_simulator import Painting
from gemgate_simulator.remote import BlockingSimulator
from tests.support.fleets import ADMIN, MODEL, NO_LIMITS, Process, request, start
from tests.support.patience import wait_until
from tests.support.s3 import KEY, REGION, SECRET, make_bucket, running_s3, s3_client

pytestmark = [pytest.mark.timeout(280), pytest.mark.soak]  # they starve the machine: run by hand, alone
MB = 1 << 20


@dataclass(slots=True)
class Gateway:
    """One node on its own, as a process, with what it has told its alert channel."""

    process: Process
    sim: BlockingSimulator
    alerts: list[dict[str, Any]]

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON; status 0 when the connection broke off."""
        try:
            status, _, told = request(self.process.url, method, path, body, key=ADMIN)
        except OSError as error:
            return 0, type(error).__name__
        return status, told

    def chat(self, words: str) -> tuple[int, Any]:
        messages = [{"role": "user", "content": words}]
        return self.ask("POST", "/v1/chat/completions", {"model": MODEL, "messages": messages})

    def image(self, words: str) -> tuple[int, Any]:
        return self.ask("POST", "/v1/images/generations", {"prompt": words, "response_format": "url"})

    def order(self, count: int, words: str) -> str:
        """Order images, each with its number; where the batch's status is."""
        status, told = self.ask(
            "POST", "/v1/batch/images", {"prompts": [f"number {n:02d} {words}" for n in range(count)]}
        )
        assert status == 200, told
        return f"/v1/batch/{told['batch_id']}/status"

    def painted(self) -> Counter[str]:
        """How often Google made each image, by its number."""
        return Counter(c.prompt.split("number ")[1][:2] for c in self.sim.record().calls if "number " in c.prompt)

    def ended(self, path: str) -> bool:
        status, told = self.ask("GET", path)
        return status == 200 and told["completed"] == told["total"]

    def said(self) -> str:
        return " ".join(self.ask("GET", "/health")[1]["degraded"])

    def short(self, part: str) -> bool:
        """What the metric says."""
        _, text = self.ask("GET", "/metrics")
        return f'gemgate_short{{part="{part}"}} 1.0' in text

    def told(self, event: str) -> bool:
        return any(alert["event"] == event for alert in self.alerts)

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.popen.pid}/fd"))

    def lives(self) -> bool:
        return self.process.popen.poll() is None

    def well(self, seconds: float = 60) -> float:
        """Wait until nothing is amiss; how long that took."""
        since = time.monotonic()
        wait_until(lambda: self.ask("GET", "/ready") == (200, {"ready": True}) and not self.said(), seconds)
        return time.monotonic() - since


def tell(fault: str, seen: str, healed: float | None = None) -> None:
    print(f"\n| {fault} | {seen} | {'-' if healed is None else f'{healed:.1f} s'} |")


@pytest.fixture(scope="module")
def google() -> Iterator[BlockingSimulator]:
    with BlockingSimulator.spawn(["alice"]) as simulator:
        yield simulator


@pytest.fixture
def sim(google: BlockingSimulator) -> BlockingSimulator:
    google.google.clear()
    google.google.forget()
    google.google.images(cheap=True)
    return google


@contextmanager
def running(sim: BlockingSimulator, folder: Path, before: Sequence[str] = (), **more: str) -> Iterator[Gateway]:
    """before: what its command line begins with. more: settings."""
    cookies = sim.google.cookies("alice")
    alerts: list[dict[str, Any]] = []

    class Taken(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            alerts.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return None

    listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Taken)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    env = {
        **NO_LIMITS,
        "SECURE_1PSID": cookies["__Secure-1PSID"],
        "SECURE_1PSIDTS": cookies["__Secure-1PSIDTS"],
        "PROXY_URL": sim.proxy_url,
        "PROXY_CA_FILE": str(sim.ca_file),
        "COOKIE_KEYS": "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=",
        "DATA_DIR": str(folder),
        "PORT": "0",
        "ADMIN_KEY": ADMIN,
        "ALERT_WEBHOOK_URL": f"http://127.0.0.1:{listener.server_port}/",
        "XDG_CONFIG_HOME": str(folder / "config"),
        **more,
    }
    process = start(["serve"], "gateway", env, folder, before)
    try:
        process.wait_listening()
        gateway = Gateway(process, sim, alerts)
        wait_until(lambda: gateway.ask("GET", "/ready")[0] == 200)
        yield gateway
    finally:
        if process.popen.poll() is None:
            process.end()
        listener.shutdown()
        listener.server_close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own of 24 MB, with nothing on it."""
    place = tmp_path / "disk"
    place.mkdir()
    if (
        shutil.which("mount") is None
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=24m", "gemgate-test", str(place)], capture_output=True
        ).returncode
    ):
        pytest.skip("a disk of its own needs the right to mount (root)")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path) -> Path:
    """Take every byte that is left."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65_536, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return filler


def test_a_full_disk_with_database_images_and_log_on_it(sim: BlockingSimulator, small_disk: Path) -> None:
    """The log is a file on the same disk, too."""
    sim.google.reply("number", "", image=Painting(), pace=0.3)
    with running(sim, small_disk, CONCURRENCY="2") as gateway:
        path = gateway.order(8, "on a full disk")
        wait_until(lambda: len(gateway.painted()) >= 2)
        filler = fill(small_disk)
        try:
            chats = [gateway.chat(f"full {n}")[0] for n in range(10)]
            status, body = gateway.image("a fox on no disk")
            assert status == 200, body
            assert body["data"][0]["url"].startswith("data:image/png;base64,"), "the picture is not lost"
            assert "full" in body["data"][0]["note"], body["data"][0]["note"]
            refused, why = gateway.ask("POST", "/v1/batch/images", {"prompts": ["one more"]})
            assert (refused, why["code"]) == (503, "database_unavailable")
            wait_until(lambda: all(gateway.short(part) for part in ("disk", "database", "storage")))
            assert gateway.ask("GET", "/ready")[0] == 200, "chats are served"
            assert "full" in gateway.said()
            wait_until(lambda: gateway.told("machine.short"))
            made = len(gateway.painted())
            time.sleep(3)
            assert len(gateway.painted()) == made, "no picture is made that cannot be kept"
        finally:
            filler.unlink()
        healed = gateway.well()
        wait_until(lambda: gateway.ended(path))
        painted = gateway.painted()
        assert (len(painted), max(painted.values())) == (8, 1), painted
        assert set(chats) == {200}
        assert gateway.image("a fox with room")[1]["data"][0]["url"].startswith("http")
    tell(
        "the disk is full",
        "10 of 10 chats 200; pictures 200, inside the answer; orders 503; 8 of 8 tasks made once",
        healed,
    )


@pytest.mark.skipif(shutil.which("strace") is None, reason="a slow disk needs strace")
def test_a_slow_disk(sim: BlockingSimulator, tmp_path: Path) -> None:
    """Every write and sync of the process takes 50 ms longer, in the system call itself."""
    with running(sim, tmp_path) as gateway:
        path = gateway.order(4, "on a quick disk")
        wait_until(lambda: gateway.ended(path))
        slow = "fsync,fdatasync,pwrite64,ftruncate"
        line = [
            "strace",
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            f"trace={slow}",
            "-e",
            f"inject={slow}:delay_enter=50000",
        ]
        tracer = subprocess.Popen([*line, "-p", str(gateway.process.popen.pid)])
        try:
            time.sleep(2)
            slowest, number = 0.0, 0
            path = gateway.order(4, "on a slow disk")
            end = time.monotonic() + 120
            while not gateway.ended(path) or number < 8:
                since = time.monotonic()
                status, body = gateway.chat(f"slow {number}")
                assert status == 200, body
                slowest, number = max(slowest, time.monotonic() - since), number + 1
                assert time.monotonic() < end, "the batch does not end"
                time.sleep(0.2)
        finally:
            tracer.terminate()
            tracer.wait()
        assert slowest < 5, "a chat waits for no disk longer than for a store that is away"
        healed = gateway.well()
        painted = gateway.painted()
        assert max(c for c in Counter(c.prompt for c in sim.record().calls if "number " in c.prompt).values()) == 1
        assert sum(painted.values()) == 8
    tell(
        "every write and sync takes 50 ms longer",
        f"{number} of {number} chats 200, the slowest {slowest:.1f} s; 4 of 4 tasks made once",
        healed,
    )


def test_descriptors_used_up(sim: BlockingSimulator, tmp_path: Path) -> None:
    """First by connections that do nothing, which are closed for new ones; then by calls, which go on."""
    with running(sim, tmp_path, ["prlimit", "--nofile=112:112"], CONCURRENCY="64") as gateway:
        port = int(gateway.process.url.rpartition(":")[2])
        before = gateway.descriptors()
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(24)]
        time.sleep(1.5)
        chats = [gateway.chat(f"beside idle ones {n}")[0] for n in range(10)]
        assert set(chats) == {200}, "who does nothing makes room"
        for one in idle:
            one.close()
        sim.google.reply("hold", "held", delay=12)
        held: list[tuple[int, Any]] = []
        lanes = [threading.Thread(target=lambda n=n: held.append(gateway.chat(f"hold {n}"))) for n in range(24)]
        for lane in lanes:
            lane.start()
        wait_until(lambda: gateway.descriptors() >= before + 24)
        status, body = gateway.chat("one too many")
        assert (status, body["error"]["code"]) == (503, "too_many_connections"), body
        anthropic = {"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
        status, body = gateway.ask("POST", "/v1/messages", anthropic)
        assert (status, body["type"], body["error"]["type"]) == (503, "error", "api_error"), body
        assert gateway.ask("GET", "/ready")[0] == 503
        assert gateway.descriptors() < 112, "enough are left for what runs"
        for lane in lanes:
            lane.join()
        assert Counter(status for status, _ in held) == {200: 24}, "what was begun is answered"
        healed = gateway.well()
        assert {gateway.chat(f"afterwards {n}")[0] for n in range(10)} == {200}
        words = Counter(call.prompt for call in sim.record().calls if "hold" in call.prompt)
        assert max(words.values()) == 1
    tell(
        "descriptors used up",
        "idle connections closed for new ones; 24 of 24 calls 200, calls too many 503 `too_many_connections`",
        healed,
    )


def test_memory_at_its_limit(sim: BlockingSimulator, tmp_path: Path) -> None:
    """So little that NumPy's arithmetic library would end the process when it does not get what it reserves."""
    with running(sim, tmp_path, ["prlimit", f"--data={220 * MB}"]) as gateway:
        sim.google.reply("large", "", image=Painting(size=(2048, 2048)))
        made: list[tuple[int, Any]] = []
        lanes = [threading.Thread(target=lambda n=n: made.append(gateway.image(f"large {n}"))) for n in range(3)]
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join()
        assert [status for status, _ in made] == [200, 200, 200], made
        assert all("memory is short" in body["data"][0]["note"] for _, body in made), made
        assert sim.record().generations - 1 <= 3 + 1, "each picture is made once"
        status, body = gateway.ask(
            "POST", "/v1/chat/completions", {"messages": [{"role": "user", "content": "x" * 9 * MB}]}
        )
        assert (status, body["error"]["code"]) == (503, "out_of_memory"), body
        assert {gateway.chat(f"a short one {n}")[0] for n in range(10)} == {200}
        assert gateway.lives()
        healed = gateway.well()
    tell(
        "memory at its limit", "pictures 200 as they came, note; a body of 9 MB 503 `out_of_memory`; chats 200", healed
    )


@dataclass(slots=True)
class Bucket:
    """An S3 server with a proxy before it that answers 503 while it is told to."""

    endpoint: str
    faulty: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with running_s3() as (host, port):
        make_bucket(f"http://{host}:{port}", "pictures")
        with before_it(host, port) as found:
            yield found


@contextmanager
def before_it(host: str, port: int) -> Iterator[Bucket]:
    """The proxy before an S3 server."""
    found = Bucket("")

    class Between(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            found.asked.append(self.command)
            if found.faulty.is_set():
                told = b"<Error><Code>SlowDown</Code><Message>Reduce your request rate</Message></Error>"
                return self.answer(503, [("content-type", "application/xml")], told)
            behind = http.client.HTTPConnection(host, port)
            behind.request(self.command, self.path, body, dict(self.headers))
            answer = behind.getresponse()
            data = answer.read()
            behind.close()
            return self.answer(answer.status, answer.getheaders(), data)

        def answer(self, status: int, headers: list[tuple[str, str]], data: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            length = {n.lower(): v for n, v in headers}.get("content-length") if self.command == "HEAD" else None
            self.send_header("content-length", length or str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = pass_on  # noqa: N815

        def log_message(self, *_: Any) -> None:
            return None

    between = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Between)
    threading.Thread(target=between.serve_forever, daemon=True).start()
    found.endpoint = f"http://127.0.0.1:{between.server_port}"
    yield found
    between.shutdown()
    between.server_close()


def through_a_bucket_that_is_busy(sim: BlockingSimulator, folder: Path, bucket: Bucket, seconds: float) -> None:
    """Pictures one by one and a batch while the bucket answers 503; all of them stand in it afterwards."""
    sim.google.reply("number", "", image=Painting(), pace=0.1)
    more = {"STORAGE": "s3", "S3_ENDPOINT": bucket.endpoint, "S3_BUCKET": "pictures", "S3_REGION": REGION}
    more |= {"S3_ACCESS_KEY_ID": KEY, "S3_SECRET_ACCESS_KEY": SECRET, "S3_ADDRESSING": "path"}
    with running(sim, folder, **more) as gateway:
        kept = gateway.image("before")[1]["data"][0]["url"]
        bucket.faulty.set()
        end = time.monotonic() + seconds
        links: list[dict[str, Any]] = []
        path = gateway.order(6, "while the bucket is busy")
        asked = len(bucket.asked)
        while time.monotonic() < end or len(links) < 3:
            status, body = gateway.image(f"meanwhile {len(links)}")
            assert status == 200, body
            links.append(body["data"][0])
            assert gateway.chat(f"meanwhile {len(links)}")[0] == 200
            time.sleep(min(1.0, seconds / 10))
        wait_until(lambda: gateway.ended(path))
        assert "waits" in links[-1]["note"]
        assert gateway.short("storage")
        wait_until(lambda: gateway.told("machine.short"))
        status, _, _ = request(gateway.process.url, "GET", links[0]["url"].removeprefix(gateway.process.url))
        assert status == 200, "what waits is served from here"
        per_minute = (len(bucket.asked) - asked) / max(seconds, 15) * 60
        bucket.faulty.clear()
        healed = gateway.well()
        wait_until(lambda: "gemgate_storage_waiting 0.0" in gateway.ask("GET", "/metrics")[1])
        client = s3_client(bucket.endpoint)
        stored = sum(
            page["KeyCount"]
            for page in client.get_paginator("list_objects_v2").paginate(Bucket="pictures", Prefix="images/")
        )
        assert stored == 1 + len(links) + 6, "every picture stands in the bucket"
        assert kept.startswith(bucket.endpoint)
        painted = gateway.painted()
        assert (len(painted), max(painted.values())) == (6, 1), painted
    tell(
        f"S3 answers 503 for {seconds:.0f} s",
        f"{len(links)} of {len(links)} pictures and as many chats 200, 6 of 6 tasks made once; all in the bucket "
        f"afterwards; {per_minute:.0f} requests a minute meanwhile",
        healed,
    )


def test_an_s3_that_answers_503(sim: BlockingSimulator, tmp_path: Path, bucket: Bucket) -> None:
    through_a_bucket_that_is_busy(sim, tmp_path, bucket, 5)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_an_s3_that_answers_503_for_ten_minutes(sim: BlockingSimulator, tmp_path: Path, bucket: Bucket) -> None:
    through_a_bucket_that_is_busy(sim, tmp_path, bucket, 600)
