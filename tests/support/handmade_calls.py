"""A client made by hand: requests as the web app would send them, which a test may bend before they go out."""

from __future__ import annotations

import json
import mimetypes
import re
import uuid
from typing import Any
from urllib.parse import quote_plus, urlencode

from gemgate_simulator.endpoints import BATCH_EXECUTE, STREAM_GENERATE
from gemgate_simulator.exchange import Break, Later, Request, Response
from gemgate_simulator.google import Google
from gemgate_simulator.script import RPCS

NEW_CHAT = ["", "", "", None, None, None, None, None, None, ""]


def mark() -> str:
    return str(uuid.uuid4()).upper()


class Hand:
    """One page of one account (None: a guest), loaded directly from `google`, without a socket."""

    def __init__(self, google: Google, account: str | None = "alice", cookies: dict[str, str] | None = None) -> None:
        self.google = google
        self.cookies = cookies if cookies is not None else google.cookies(account) if account else {}
        self.client = mark()
        self.reqid = 12345
        self.page = self.open()

    def request(
        self, method: str, host: str, target: str, headers: dict[str, str], body: bytes = b"", **how: Any
    ) -> Request:
        sent = {name.lower(): value for name, value in headers.items()}
        if self.cookies and host.endswith("google.com"):
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return Request(
            method, host, target, sent, how.get("http", "1.1"), how.get("connection", 1), how.get("nth", 0), body
        )

    def open(self) -> dict[str, str]:
        html = whole(self.google.handle(self.request("GET", "gemini.google.com", "/app", {})))
        found = re.search(r"WIZ_global_data = (\{.*?\});", html.decode())
        assert found
        return json.loads(found[1])

    def headers(self) -> dict[str, str]:
        return {
            "Content-Type": "application/x-www-form-urlencoded;charset=utf-8",
            "Origin": "https://gemini.google.com",
            "Referer": "https://gemini.google.com/",
            "X-Same-Domain": "1",
        }

    def query(self, **more: str) -> dict[str, str]:
        self.reqid += 100_000
        page = self.page
        common = {
            "hl": page["TuX5cc"],
            "_reqid": str(self.reqid),
            "rt": "c",
            "bl": page["cfb2h"],
            "f.sid": page["FdrFJe"],
        }
        return {**more, **common}

    def slots(self, prompt: str, metadata: list[Any] | None = None) -> list[Any]:
        slots: list[Any] = [None] * 81
        slots[0] = [prompt, 0, None, None, None, None, 0]
        slots[1], slots[2] = [self.page["TuX5cc"]], metadata or NEW_CHAT
        for place, value in {
            6: [1],
            7: 1,
            10: 1,
            11: 0,
            17: [[self._turn(metadata)]],
            18: 0,
            27: 1,
            30: [4],
            41: [1],
        }.items():
            slots[place] = value
        slots[53], slots[61], slots[68], slots[79], slots[80], slots[59] = 0, [], 1, 1, 1, mark()
        return slots

    def _turn(self, metadata: list[Any] | None) -> int:
        """How many turns of a conversation come before the one after `metadata`."""
        chat = self.google.world.chats._chats.get(metadata[0]) if metadata else None
        return 1 + next((n for n, turn in enumerate(chat.turns) if turn.rid == metadata[1]), -1) if chat else 0

    def model_headers(self, model_id: str, number: int, capacity: str = "2", thinking: int = 1) -> dict[str, str]:
        tail = f'{capacity},null,null,{number},{thinking},"{self.client}"'
        row = f'[1,null,null,null,"{model_id}",null,null,0,[4,5,6,8],null,null,{tail}]'
        return {
            "x-goog-ext-525001261-jspb": row,
            "x-goog-ext-73010989-jspb": "[0]",
            "x-goog-ext-73010990-jspb": "[0,0,0]",
        }

    def generate(
        self,
        prompt: str = "hello",
        *,
        slots: list[Any] | None = None,
        headers: dict[str, str | None] | None = None,
        query: dict[str, str | None] | None = None,
        form: dict[str, str | None] | None = None,
        **how: Any,
    ) -> Request:
        """A StreamGenerate; None in `headers`, `query` or `form` leaves the entry out."""
        slots = slots or self.slots(prompt)
        uuid_header = {"x-goog-ext-525005358-jspb": json.dumps([slots[59], 1])} if len(slots) > 59 else {}
        fields = {"at": self.page.get("SNlM0e", ""), "f.req": json.dumps([None, json.dumps(slots)]), **(form or {})}
        target = f"{STREAM_GENERATE}?{urlencode(_kept({**self.query(), **(query or {})}))}"
        sent = _kept({**self.headers(), **uuid_header, **(headers or {})})
        return self.request("POST", "gemini.google.com", target, sent, _form(fields), **how)

    def rpc(self, *calls: tuple[str, str], query: dict[str, str | None] | None = None, **bent: Any) -> Request:
        """A batchexecute of (rpcid, payload)."""
        values = {**self.query(rpcids=",".join(rpcid for rpcid, _ in calls)), "source-path": "/app", **(query or {})}
        row = [1, *[None] * 7, [4, 5, 6, 8], *[None] * 7, self.client]
        headers = {
            **self.headers(),
            "x-goog-ext-525001261-jspb": json.dumps(row),
            "x-goog-ext-73010989-jspb": "[0]",
            **bent.pop("headers", {}),
        }
        asked = [[[rpcid, payload, None, "generic"] for rpcid, payload in calls]]
        fields = {"at": self.page.get("SNlM0e", ""), "f.req": json.dumps(asked), **bent.pop("form", {})}
        target = f"{BATCH_EXECUTE}?{urlencode(_kept(values))}"
        return self.request("POST", "gemini.google.com", target, _kept(headers), _form(fields), **bent)

    def upload(self, data: bytes = b"hello", name: str = "a.txt", **headers: str | None) -> Request:
        about = f'Content-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: text/plain'
        body = f"--XX\r\n{about}\r\n\r\n".encode() + data
        common = {
            "Content-Type": "multipart/form-data; boundary=XX",
            "X-Tenant-Id": "bard-storage",
            "Push-ID": self.page["qKIAYe"],
            "Origin": "https://gemini.google.com",
            "Referer": "https://gemini.google.com/",
        }
        sent = _kept({**common, **headers})
        return self.request("POST", "content-push.googleapis.com", "/upload", sent, body + b"\r\n--XX--\r\n")

    def rotate(self, body: bytes = b'[000,"-0000000000000000000"]', **headers: str | None) -> Request:
        common = {"Content-Type": "application/json", "Origin": "https://accounts.google.com"}
        return self.request("POST", "accounts.google.com", "/RotateCookies", _kept({**common, **headers}), body)

    def say(self, prompt: str, metadata: list[Any] | None = None, **bent: Any) -> list[Any]:
        """Send a prompt, without a socket, and give the parts of the answer."""
        slots = self.slots(prompt, metadata)
        return parts(self.google.handle(self.generate(slots=slots, **bent)))

    def ask(self, rpcid: str, payload: str = "[]") -> Any:
        """Call one RPC, without a socket: its body, or {"status": n}."""
        assert rpcid in RPCS
        response = self.google.handle(self.rpc((rpcid, payload)))
        assert response.status == 200
        answer = next(part for part in parts(response) if part[0] == "wrb.fr")
        return {"status": answer[5][0]} if answer[2] is None else json.loads(answer[2])


def whole(response: Response) -> bytes:
    """The body of an answer, run to its end without a loop: it must not wait for anything."""
    if isinstance(response.body, Later):
        response.become(response.body.make())
    if isinstance(response.body, bytes):
        response.ended("complete")
        return response.body
    assert not isinstance(response.body, Break)
    steps, pieces = response.body, []
    while True:
        try:
            steps.__anext__().send(None)
        except StopIteration as step:
            pieces.append(step.value)
        except StopAsyncIteration:
            response.ended("complete")
            return b"".join(pieces)


def parts(response: Response) -> list[Any]:
    """The parts of a framed answer, read line by line (every frame is one line of JSON)."""
    lines = whole(response).decode().split("\n")
    assert lines[0] == ")]}'"
    found = [json.loads(line) for line in lines[1:] if line.startswith("[")]
    return [part for frame in found for part in frame]


def inners(found: list[Any]) -> list[Any]:
    """The inner JSON of the parts that carry one."""
    return [json.loads(part[2]) for part in found if part[0] == "wrb.fr" and part[2]]


def snapshots(found: list[Any]) -> list[Any]:
    """Those of them that hold candidates."""
    return [inner for inner in inners(found) if len(inner) > 4 and inner[4]]


def beside(found: list[Any]) -> dict[str, Any]:
    """What was said beside the answer: by key, or by place + 1 beyond the candidates."""
    said: dict[str, Any] = {}
    for inner in inners(found):
        if len(inner) == 3 and isinstance(inner[2], dict):
            said |= inner[2]
        said |= {str(place + 1): inner[place] for place in range(5, len(inner)) if inner[place] is not None}
    return said


def texts(found: list[Any]) -> list[str]:
    """The cumulative texts of the first candidate."""
    return [inner[4][0][1][0] for inner in snapshots(found) if inner[4]]


def code(found: list[Any]) -> int | None:
    """The stream's error code, if it reports one."""
    return next((part[5][2][0][1][0] for part in found if len(part) > 5 and part[5] and len(part[5]) > 2), None)


def referred(file_id: str, name: str, mime: str = "", kind: int = 0) -> list[Any]:
    """A file of a prompt as the web app refers to it; type and kind as its name tells them."""
    mime = mime or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return [[file_id, kind or {"image": 1, "video": 2}.get(mime.split("/")[0], 3), None, mime], name, *[None] * 6, [0]]


def metadata(found: list[Any]) -> list[Any]:
    """What a client keeps to go on with the conversation."""
    last = snapshots(found)[-1]
    return [*last[1], last[4][0][0], None, None, None, None, None, None, beside(found).get("26", "")]


def _kept(values: dict[str, Any]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value is not None}


def _form(fields: dict[str, str | None]) -> bytes:
    return "&".join(f"{name}={quote_plus(value)}" for name, value in fields.items() if value is not None).encode()


class Clock:
    """Epoch seconds that a test moves by hand."""

    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now
