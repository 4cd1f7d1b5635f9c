"""The rules a request to the Gemini app must keep (docs/gemini-webapi.md 4, 5): functions from a request to its broken
rules.

A broken rule is a readable sentence without secrets. An empty list means the request is as the web app would send it.
The one thing a check remembers is the client's uuid, on the page that it belongs to.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from gemgate_simulator import attached, films
from gemgate_simulator.accounts import FREE_MODELS, PAID_MODELS, Account, Model
from gemgate_simulator.exchange import Request
from gemgate_simulator.state import Page

MODEL_HEADER = "x-goog-ext-525001261-jspb"
UUID_HEADER = "x-goog-ext-525005358-jspb"
SHORTEST, LONGEST = 69, 99
"""Slots of the inner list: what clients were seen to send, and what was answered (docs/google-wire.md 2.6)."""

_UUID = re.compile(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}")
_HEX32 = re.compile(r"[0-9a-f]{32}")
_FIXED: dict[int, str] = {
    6: "[1]",
    7: "1",
    10: "1",
    11: "0",
    18: "0",
    27: "1",
    30: "[4]",
    53: "0",
    61: "[]",
}
IMAGE_TOOL = 14
"""Slot 49 of a prompt that asks for an image (docs/google-wire.md 3.3)."""
VIDEO_TOOL = 11
"""The same for a video (6.6)."""
MUSIC_TOOL = 21
"""The same for music (6.7)."""
VIDEO_LIST = [4, 5, 6, 8, 16]
"""What the model header lists where a video is asked for."""
RESEARCH_TOOL = 1
"""The same for a deep research, its plan and its start (6.8)."""
_RESEARCH = (3, 4, 49, 54, 55)
_ONE_OF: dict[int, tuple[str, ...]] = {
    41: ("[1]", "[2]"),
    68: ("1", "2"),
    91: ("None", "0"),
    96: ("None", "0", "1"),
    97: ("None", "[0]"),
    98: ("None", "1"),
}
_FREE = (17, *_ONE_OF, 0, 1, 2, 19, 45, 59, 79, 80, *_RESEARCH)


def headers(request: Request) -> list[str]:
    """What every POST to the app carries."""
    wrong = []
    sent = request.headers
    kind = sent.get("content-type", "").lower().replace(" ", "")
    if kind != "application/x-www-form-urlencoded;charset=utf-8":
        wrong.append("Content-Type is not application/x-www-form-urlencoded;charset=utf-8")
    if sent.get("origin") != "https://gemini.google.com":
        wrong.append("Origin is not https://gemini.google.com")
    if not sent.get("referer", "").startswith("https://gemini.google.com/"):
        wrong.append("Referer is not on https://gemini.google.com/")
    if sent.get("x-goog-authuser", "0") != str(request.user):
        wrong.append("X-Goog-AuthUser is not the number of the account in the path")
    if sent.get("x-same-domain") != "1":
        wrong.append("X-Same-Domain: 1 is missing")
    return wrong


def query(values: dict[str, str], page: Page | None) -> list[str]:
    """The query every POST to the app carries."""
    wrong = []
    if page is None:
        wrong.append("f.sid was never given out" if values.get("f.sid") else "f.sid is missing")
    elif values.get("hl") != page.language:
        wrong.append(f"hl is {values.get('hl')!r}, the page said {page.language!r}")
    elif values.get("bl") != page.build:
        wrong.append(f"bl is {values.get('bl')!r}, the page said {page.build!r}")
    if values.get("rt") != "c":
        wrong.append("rt=c is missing")
    if not values.get("_reqid", "").isdigit():
        wrong.append("_reqid is not a number")
    return wrong


def client_uuid(page: Page | None, value: Any) -> list[str]:
    """The client's session uuid: well-formed, and the same for as long as one page is used."""
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        return ["the client session uuid in the model header is not an upper-case uuid"]
    if page is None or page.client in ("", value):
        if page is not None:
            page.client = value
        return []
    return ["the client session uuid changed within one page"]


def batch_header(request: Request, page: Page | None) -> list[str]:
    """The two extension headers of batchexecute."""
    row = _json(request.headers.get(MODEL_HEADER, ""))
    if not isinstance(row, list) or len(row) != 17 or row[:16] != [1, *[None] * 7, [4, 5, 6, 8], *[None] * 7]:
        return [f"{MODEL_HEADER} of a batchexecute has the wrong shape"]
    return [*_flag(request, "x-goog-ext-73010989-jspb", [0]), *client_uuid(page, row[16])]


@dataclass(frozen=True, slots=True)
class Choice:
    """What the model header of a StreamGenerate chooses; known is None when no such id exists for the account."""

    id: str
    number: Any
    thinking: Any
    known: Model | None


def model_header(request: Request, page: Page | None, account: Account | None) -> tuple[Choice | None, list[str]]:
    """The chosen model, None when the header is absent, and what is wrong with it."""
    text = request.headers.get(MODEL_HEADER)
    if text is None:
        return None, []
    row = _json(text)
    if not isinstance(row, list) or len(row) not in (17, 18) or not isinstance(row[4], str):
        return None, [f"{MODEL_HEADER} of a StreamGenerate has the wrong shape"]
    value, place = account.plan.capacity if account else (1, 12)
    listed = VIDEO_LIST if row[8] == VIDEO_LIST else [4, 5, 6, 8]
    expected = [1, None, None, None, row[4], None, None, 0, listed, None, None]
    expected += [value] if place == 12 else [None, value]
    wrong = [
        *_flag(request, "x-goog-ext-73010989-jspb", [0]),
        *_flag(request, "x-goog-ext-73010990-jspb", [0, 0, 0]),
    ]
    if row[:-3] != [*expected, None, None]:
        wrong.append(f"{MODEL_HEADER} does not carry this account's capacity ({value}, field {place}), or is misshapen")
    models: Sequence[Model] = account.models if account else FREE_MODELS[:1]
    if account and account.tier == "free":
        models = (*models, *PAID_MODELS)  # taken, and answered by a lower one (docs/google-wire.md 2.3)
    known = next((model for model in models if model.id == row[4]), None)
    if known and known.number != row[-3]:
        wrong.append(f"{MODEL_HEADER} names model number {row[-3]!r} for a model whose number is {known.number}")
    return Choice(row[4], row[-3], row[-2], known), [*wrong, *client_uuid(page, row[-1])]


@dataclass(slots=True)
class Order:
    """What the inner list of a StreamGenerate asks for. wrong: the rules it breaks."""

    text: str = ""
    files: list[attached.Reference] = field(default_factory=list)
    metadata: list[Any] = field(default_factory=lambda: ["", "", "", *[None] * 6, ""])
    gem: str = ""
    temporary: bool = False
    turn: int = 0
    thinking: bool = False
    research: Literal["", "plan", "start"] = ""
    tool: int = 0
    aspect: str = ""
    """Of the video that is asked for."""
    song: str = ""
    """Length and voice of the music that is asked for."""
    wrong: list[str] = field(default_factory=list)


def read_freq(form: dict[str, bytes]) -> Any:
    """The inner list of `f.req`, or None when it is not `[null, "<json>"]`."""
    outer = _json(form.get("f.req", b""))
    if not (isinstance(outer, list) and len(outer) == 2 and outer[0] is None and isinstance(outer[1], str)):
        return None
    return _json(outer[1])


def order(slots: Any, request: Request, page: Page | None, choice: Choice | None) -> Order:
    """Read the slots (docs/gemini-webapi.md 5). What stands beyond the end of a short list counts as null."""
    asked = Order()
    if not isinstance(slots, list) or not SHORTEST <= len(slots) <= LONGEST:
        count = len(slots) if isinstance(slots, list) else "no"
        asked.wrong.append(f"the inner list has {count} slots, not {SHORTEST} to {LONGEST}")
        return asked
    complete = len(slots) > 80
    slots = slots + [None] * (LONGEST - len(slots))
    # repr tells 1 from true, which == does not
    asked.wrong += [f"slot {n} is {slots[n]!r}, not {want}" for n, want in _FIXED.items() if repr(slots[n]) != want]
    asked.wrong += [
        f"slot {n} is not null"
        for n, value in enumerate(slots)
        if value is not None and n not in _FIXED and n not in _FREE
    ]
    asked.wrong += [f"slot {n} is {slots[n]!r}" for n, either in _ONE_OF.items() if repr(slots[n]) not in either]
    match slots[17]:
        case [[int(turn)]]:
            asked.turn = turn
        case _:
            asked.wrong.append(f"slot 17 is {slots[17]!r}, not [[turn]]")
    _read_message(asked, slots[0])
    if page is not None and slots[1] != [page.language]:
        asked.wrong.append(f"slot 1 is {slots[1]!r}, not [{page.language!r}]")
    if _is_metadata(slots[2]):
        asked.metadata = slots[2]
    else:
        asked.wrong.append("slot 2 is not the ten slots of chat metadata")
    if not complete and choice:  # the header alone says it
        slots[79], slots[80] = choice.number, choice.thinking
    elif not complete:
        slots[79], slots[80] = 1, 1
    _read_flags(asked, slots)
    _read_media(asked, slots, request)
    _compare_header(asked, slots, request, choice)
    return asked


def _read_message(asked: Order, message: Any) -> None:
    if not isinstance(message, list) or len(message) not in (7, 10) or not isinstance(message[0], str):
        asked.wrong.append("slot 0 is not [prompt,0,null,files,null,null,0]")
        return
    asked.text = message[0]
    files = message[3]
    if [*message[1:3], *message[4:7]] != [0, None, None, None, 0]:
        asked.wrong.append("slot 0 is not [prompt,0,null,files,null,null,0]")
    if files is None:
        return
    for entry in files if isinstance(files, list) and files else [None]:
        if reference := attached.read(entry):
            asked.files.append(reference)
        else:
            asked.wrong.append("the files of slot 0 are not [[[id,kind,null,mime],name,null*6,[0]], ...]")
    if len(asked.files) > attached.MOST_FILES:
        asked.wrong.append(f"slot 0 has {len(asked.files)} files, {attached.MOST_FILES} at most")


def _is_metadata(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 10
        and all(isinstance(value[n], str) for n in (0, 1, 2, 9))
        and value[3:9] == [None] * 6
    )


def _read_flags(asked: Order, slots: list[Any]) -> None:
    gem, temporary, research = slots[19], slots[45], [slots[n] for n in _RESEARCH]
    if isinstance(gem, str):
        asked.gem = gem
    elif gem is not None:
        asked.wrong.append("slot 19 is not a gem id")
    asked.temporary = temporary == 1
    if temporary not in (None, 1):
        asked.wrong.append(f"slot 45 is {temporary!r}, not 1")
    asked.tool = slots[49] if research == [None, None, IMAGE_TOOL, None, None] else 0
    if slots[49] in (VIDEO_TOOL, MUSIC_TOOL):
        asked.tool, research = slots[49], [None] * 5
    if research != [None] * 5 and not asked.tool:
        _read_research(asked, slots)
    asked.thinking = slots[80] == 2
    if slots[80] not in (1, 2):
        asked.wrong.append(f"slot 80 is {slots[80]!r}, not 1 or 2")


def _read_research(asked: Order, slots: list[Any]) -> None:
    """A plan, or the start of the one before it. The attestation of slots 3 and 4 is not needed, and whole or not there
    (docs/google-wire.md 2.6, 6.8).
    """
    shield, mark, *rest = (slots[n] for n in _RESEARCH)
    attested = isinstance(shield, str) and shield.startswith("!") and isinstance(mark, str) and _HEX32.fullmatch(mark)
    plan = rest == [RESEARCH_TOOL, [[[[[1]]]]], [[1]]] and slots[97] is None
    start = rest == [RESEARCH_TOOL, [], []] and slots[97] == [0]
    if not (plan or start) or not (attested or (shield, mark) == (None, None)):
        asked.wrong.append("slots 3, 4, 49, 54, 55 and 97 do not go together as deep research sends them")
    asked.research = "start" if start else "plan"
    if asked.temporary:
        asked.wrong.append("a research is asked for in a temporary chat")
    if start and asked.turn == 0:
        asked.wrong.append("a research is started in the first turn of a chat")


def _read_media(asked: Order, slots: list[Any], request: Request) -> None:
    """Of a video the tool, the shape in two places and the header's list belong together, of music the tool, its length
    and its voice; and both to a chat that is kept.
    """
    row = _json(request.headers.get(MODEL_HEADER, ""))
    listed = row[8] if isinstance(row, list) and len(row) > 8 else None
    if asked.tool == MUSIC_TOOL:
        asked.song = films.song_of(slots[0])
        beside = [slots[place] for place in _RESEARCH if place != 49]
        if not asked.song or any(value is not None for value in beside) or listed == VIDEO_LIST:
            asked.wrong.append("slots 0, 49 and the model header do not go together as music sends them")
        if asked.temporary:
            asked.wrong.append("music is asked for in a temporary chat")
    elif asked.tool == VIDEO_TOOL:
        asked.aspect = films.aspect_of(slots[0], slots[55])
        if not asked.aspect or slots[3:5] != [None, None] or slots[54] is not None or listed != VIDEO_LIST:
            asked.wrong.append("slots 0, 49, 55 and the model header do not go together as a video sends them")
        if asked.temporary:
            asked.wrong.append("a video is asked for in a temporary chat")
    elif listed == VIDEO_LIST or (isinstance(slots[0], list) and len(slots[0]) == 10):
        asked.wrong.append("parts of a video's or of music's request without its tool in slot 49")


def _compare_header(asked: Order, slots: list[Any], request: Request, choice: Choice | None) -> None:
    mark = slots[59]
    if not isinstance(mark, str) or not _UUID.fullmatch(mark):
        asked.wrong.append("slot 59 is not an upper-case uuid")
    if _json(request.headers.get(UUID_HEADER, "")) != [mark, 1]:
        asked.wrong.append(f"the uuid in slot 59 differs from the header {UUID_HEADER}")
    number = choice.number if choice else 1
    if slots[79] != number:
        asked.wrong.append(f"slot 79 is {slots[79]!r}, the model header says {number!r}")
    if choice and choice.thinking != slots[80]:
        asked.wrong.append(f"slot 80 is {slots[80]!r}, the model header says {choice.thinking!r}")


def _flag(request: Request, name: str, value: Any) -> list[str]:
    return [] if _json(request.headers.get(name, "")) == value else [f"{name} is not {value}"]


def _json(text: str | bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
