"""A wire that has moved: changes to what the service says, planted by name. Pure functions from answers to answers.

They stand for what really happened to this wire between 2025 and 2026: keys renamed, slots moved, fields added or gone,
other statuses, other ids, other frames.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import orjson

from gemgate_simulator.exchange import Response
from gemgate_simulator.frames import PREFIX, frame

Body = Any
Change = Callable[[Body], Body]


@dataclass(frozen=True, slots=True)
class Drift:
    """One change. where: "init", "rotate", "upload", "generate", or the id of an RPC.

    text: over the whole answer as text. body: over the JSON of each part; part: over the parts themselves.
    status: another HTTP status with nothing in it.
    """

    where: str
    text: Callable[[str], str] | None = None
    body: Change | None = None
    part: Change | None = None
    status: int = 0

    def touch(self, response: Response) -> Response:
        """The answer as it looks after the change."""
        if self.status:
            return replace(response, status=self.status, body=b"<h1>Error</h1>")
        if not isinstance(response.body, bytes) or response.status != 200:
            return response
        if self.text is not None:
            return replace(response, body=self.text(response.body.decode()).encode())
        return replace(response, body=self._frames(response.body))

    def _frames(self, data: bytes) -> bytes:
        lines = data.removeprefix(PREFIX).split(b"\n")
        out = []
        for line in lines:
            if line.startswith(b"["):
                parts = [self._part(part) for part in orjson.loads(line)]
                out.append(frame([part for part in parts if part is not None]))
        return PREFIX + b"".join(out)

    def _part(self, part: Any) -> Any:
        if self.part is not None:
            return self.part(part)
        if self.body is not None and part[0] == "wrb.fr" and isinstance(part[2], str):
            changed = self.body(orjson.loads(part[2]))
            return [*part[:2], None if changed is None else orjson.dumps(changed).decode(), *part[3:]]
        return part


def applies(drift: Drift, place: str, rpcids: tuple[str, ...]) -> bool:
    """Whether the answer to a request is one that changed."""
    return drift.where == place or drift.where in rpcids


def _renamed(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(f'"{old}"', f'"{new}"')


def _key(old: str, new: str) -> Change:
    """A key of the sparse dictionary gets another name."""

    def change(body: Body) -> Body:
        fields = body[2] if isinstance(body, list) and len(body) > 2 else None
        if isinstance(fields, dict) and old in fields:
            return [*body[:2], {(new if key == old else key): value for key, value in fields.items()}, *body[3:]]
        return body

    return change


def _candidate(change: Callable[[list[Any]], list[Any]]) -> Change:
    """Over each candidate of an answer."""

    def over(body: Body) -> Body:
        if isinstance(body, list) and len(body) > 4 and isinstance(body[4], list):
            return [*body[:4], [change(list(row)) for row in body[4]], *body[5:]]
        return body

    return over


def _moved(row: list[Any], old: int, new: int) -> list[Any]:
    row += [None] * (max(old, new) + 1 - len(row))
    row[old], row[new] = None, row[old]
    return row


def _with(row: list[Any], place: int, value: Any) -> list[Any]:
    row += [None] * (place + 1 - len(row))
    row[place] = value
    return row


def _positional(body: Body) -> Body:
    """Service frames go back to places."""
    if isinstance(body, list) and len(body) > 2 and isinstance(body[2], dict):
        out: list[Any] = [body[0], body[1], None]
        for key, value in body[2].items():
            out = _with(out, int(key) - 1, value)
        return out
    return body


def _snapshot(change: Callable[[list[Any]], list[Any]]) -> Change:
    """Over the parts that carry candidates."""
    return lambda body: change(list(body)) if isinstance(body, list) and len(body) > 4 and body[4] else body


def _models(change: Callable[[list[Any]], list[Any]]) -> Change:
    return lambda body: _with(list(body), 15, [change(list(row)) for row in body[15]])


def _rows(place: int, change: Callable[[list[Any]], list[Any]]) -> Change:
    return lambda body: _with(list(body), place, [change(list(row)) for row in body[place]])


def _text(change: Callable[[str], str]) -> Change:
    return _candidate(lambda row: _with(row, 1, [change(row[1][0])]))


def _only(tag: str, change: Change) -> Change:
    return lambda part: change(part) if part and part[0] == tag else part


PLANTED: dict[str, Drift] = {
    "the page's build label has another key": Drift("init", _renamed("cfb2h", "cfb2i")),
    "the page's build label looks otherwise": Drift(
        "init", lambda text: text.replace("boq_assistant-bard", "boq_gemini")
    ),
    "the page has no push id": Drift("init", _renamed("qKIAYe", "qKIAYf")),
    "the page's push id looks otherwise": Drift("init", lambda text: text.replace('"feeds/', '"topics-')),
    "the page's session id has another key": Drift("init", _renamed("FdrFJe", "FdrFJf")),
    "the page's language has another key": Drift("init", _renamed("TuX5cc", "TuX5cd")),
    "the page answers 403": Drift("init", status=403),
    "RPCs of the account are gone": Drift(
        "otAQ7b", part=_only("wrb.fr", lambda part: [*part[:2], None, None, None, [5], part[6]])
    ),
    "the account's status moved": Drift("otAQ7b", body=lambda body: _moved(list(body), 14, 13)),
    "the account's status is a new number": Drift("otAQ7b", body=lambda body: _with(list(body), 14, 1777)),
    "a model's words moved": Drift("otAQ7b", body=_models(lambda row: _moved(row, 12, 14))),
    "a usage row has a new kind": Drift(
        "jSf9Qc", body=lambda body: _with(list(body), 1, [*body[1], [9, 0.5, 4, [[1]]]])
    ),
    "a usage row's share moved": Drift("jSf9Qc", body=_rows(1, lambda row: _moved(row, 1, 5))),
    "usage answers nothing": Drift("jSf9Qc", body=lambda _body: []),
    "the list of chats lost its ids": Drift("MaZiqc", body=_rows(2, lambda row: _moved(row, 0, 8))),
    "the list of chats is refused": Drift(
        "MaZiqc", part=_only("wrb.fr", lambda part: [*part[:2], None, None, None, [7], part[6]])
    ),
    "a turn's time moved": Drift("hNvQHb", body=_rows(0, lambda row: _moved(row, 4, 6))),
    "a turn's reply moved": Drift("hNvQHb", body=_rows(0, lambda row: _moved(row, 3, 7))),
    "rotation wants another pace": Drift("rotate", lambda text: text.replace("600", "120")),
    "rotation answers 500": Drift("rotate", status=500),
    "an upload's reference looks otherwise": Drift("upload", lambda text: text.replace("/ttl_1d/", "/ttl_1h/")),
    "service frames stand by place": Drift("generate", body=_positional),
    "the context has another key": Drift("generate", body=_key("26", "36")),
    "the title has another key": Drift("generate", body=_key("11", "12")),
    "the quota has another key": Drift("generate", body=_key("28", "29")),
    "the rid has another key": Drift("generate", body=_key("18", "19")),
    "a new service key": Drift("generate", body=_key("44", "45")),
    "a new field beside the candidates": Drift("generate", body=_snapshot(lambda body: _with(body, 51, ["new"]))),
    "a new field in the candidate": Drift("generate", body=_candidate(lambda row: _with(row, 44, ["new"]))),
    "the text moved": Drift("generate", body=_candidate(lambda row: _moved(row, 1, 5))),
    "an answer is finished by another number": Drift(
        "generate", body=_candidate(lambda row: _with(row, 8, [3 if row[8] == [2] else row[8][0]]))
    ),
    "the candidate's id looks otherwise": Drift("generate", body=_candidate(lambda row: _with(row, 0, "cand-1"))),
    "snapshots are pieces": Drift("generate", body=_text(lambda text: text[-16:])),
    "the name of the model that served moved": Drift("generate", body=_snapshot(lambda body: _moved(body, 42, 46))),
    "a code behind every answer": Drift(
        "generate",
        part=lambda part: ["wrb.fr", None, None, None, None, [13, None, [["x", [1207]]]]] if part[0] == "di" else part,
    ),
    "a new kind of part": Drift("generate", part=_only("e", lambda part: ["ee", *part[1:]])),
}
"""Changes by a sentence each."""
