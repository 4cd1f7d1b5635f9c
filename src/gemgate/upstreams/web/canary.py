"""Cheap live probes of the wire on one account, held against what this version believes (docs/google-wire.md).

Five short prompts at most, and an image if it is wanted; no word of an answer, no cookie and no id leaves this module.
What is believed stands in `facts.toml`, one `[[canary]]` row for each fact.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode

import orjson
from curl_cffi.requests import AsyncSession, Response
from curl_cffi.requests.exceptions import RequestException
from gemini_webapi.constants import GRPC, Endpoint
from gemini_webapi.utils import get_nested_value as at
from gemini_webapi.utils import upload_file

from gemgate.accounts import AccountModel, Cookies
from gemgate.errors import GatewayError
from gemgate.frozen import frozen
from gemgate.ports.upstream import Prompt, SentFile, Thread
from gemgate.upstreams.web import generation
from gemgate.upstreams.web.client import FIRST, HardenedClient, extract_page
from gemgate.upstreams.web.exchange import Exchange, SilentUpstreamError
from gemgate.upstreams.web.facts import CanaryFact, WireFacts
from gemgate.upstreams.web.frames import FrameReader
from gemgate.upstreams.web.seat import Seat
from gemgate.upstreams.web.shapes import Scrubber, common, kind, slots

Verdict = Literal["confirmed", "changed", "new", "unseen"]
SECONDS = 90.0
"""Longest silence and longest time of one probe."""

_FORMS = {
    "cfb2h": re.compile(r"boq_assistant-bard-web-server_\d{8}\.\d+_p\d+"),
    "FdrFJe": re.compile(r"-?\d+"),
    "TuX5cc": re.compile(r"[a-z]{2}(-[A-Za-z]+)?"),
    "qKIAYe": re.compile(r"feeds/\w+"),
}
_UNKNOWN_CHAT = "c_0000000000000000"
_TURNS_TAIL = (None, 1, [1], [4], None, 1)


@frozen
class Finding:
    """One fact: what was believed, what was seen, and the section that tells of it."""

    fact: str
    section: str
    verdict: Verdict
    believed: str
    seen: str
    disputed: bool = False
    """Sources disagree: what was seen settles it for this account."""


@dataclass(slots=True)
class Watch:
    """What one run has seen: values by fact; `recorded`: scrubbed frames by prompt; `generations`: prompts sent."""

    seen: dict[str, frozenset[str]] = field(default_factory=dict)
    recorded: dict[str, list[Any]] = field(default_factory=dict)
    generations: int = 0

    def note(self, fact: str, *values: str) -> None:
        self.seen[fact] = self.seen.get(fact, frozenset()) | frozenset(values)


def judge(believed: tuple[CanaryFact, ...], seen: Mapping[str, frozenset[str]]) -> list[Finding]:
    """Every believed fact with its verdict, then what was seen that no row speaks of."""
    findings = [_judged(row, seen.get(row.fact)) for row in believed]
    known = {row.fact for row in believed}
    findings += [Finding(fact, "", "new", "", _listed(seen[fact])) for fact in sorted(seen.keys() - known)]
    return findings


def _judged(row: CanaryFact, seen: frozenset[str] | None) -> Finding:
    one_of, always, may = frozenset(row.one_of), frozenset(row.always), frozenset(row.may)
    believed = f"one of {_listed(one_of)}" if one_of else _listed(always)
    if seen is None:
        return Finding(row.fact, row.section, "unseen", believed, "", row.disputed)
    if one_of:
        fits = bool(seen) and seen <= one_of
        verdict: Verdict = "confirmed" if fits else "changed"
        return Finding(row.fact, row.section, verdict, believed, _listed(seen), row.disputed)
    missing, more = always - seen, frozenset() if row.open else seen - always - may
    shown = "; ".join(
        [*([f"missing: {_listed(missing)}"] if missing else []), *([f"more: {_listed(more)}"] if more else [])]
    )
    verdict = "changed" if missing else "new" if more else "confirmed"
    return Finding(row.fact, row.section, verdict, believed, shown or _listed(seen))


def _listed(values: frozenset[str]) -> str:
    return ", ".join(sorted(values)) or "nothing"


async def observe(
    cookies: Cookies,
    facts: WireFacts,
    *,
    proxy: str | None = None,
    ca_file: str | None = None,
    seat: Seat = FIRST,
    speak: bool = True,
    rotate: bool = False,
    picture: bool = False,
) -> Watch:
    """Run the probes. speak: also those that send prompts; rotate: also the one that changes the cookies; image:
    also the one that has an image made.

    What cannot be looked at is left out, never raised.
    """
    watch = Watch()
    await _guarded(watch, "page", _page(watch, cookies, proxy, ca_file))
    client = HardenedClient(cookies, proxy=proxy, ca_file=ca_file, lanes=1, seat=seat)
    try:
        await client.sign_in()
    except GatewayError as error:
        watch.note("sign_in", f"failed: {error.code or type(error).__name__}")
        await client.shut()
        return watch
    watch.note("sign_in", "signed in")
    left_out = {*(() if speak else _SPEAKING), *(() if rotate else ("rotation",)), *(() if picture else ("picture",))}
    try:
        for name, probe in _PROBES:
            if name not in left_out:
                await _guarded(watch, name, probe(watch, client))
    finally:
        await client.shut()
    return watch


async def _guarded(watch: Watch, name: str, probe: Awaitable[None]) -> None:
    """A probe that breaks is itself something seen."""
    try:
        await probe
    except (GatewayError, RequestException, SilentUpstreamError, TimeoutError) as error:
        watch.note(f"{name}.failed", type(error).__name__)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        watch.note(f"{name}.failed", f"unreadable ({type(error).__name__})")


async def _page(watch: Watch, cookies: Cookies, proxy: str | None, ca_file: str | None) -> None:
    """5.1: the app's page and the values in it."""
    more: dict[str, Any] = {"verify": ca_file} if ca_file else {}
    session: AsyncSession[Response] = AsyncSession(impersonate="chrome", proxy=proxy, **more)
    async with session:
        for name, value in cookies.as_dict().items():
            session.cookies.set(name, value, domain=".google.com", secure=True)
        response = await session.get(Endpoint.INIT, timeout=30, allow_redirects=False)
    watch.note("page.status", str(response.status_code))
    found = extract_page(response.text)
    watch.note("page.keys", *found)
    for key, form in _FORMS.items():
        if key in found:
            watch.note(f"page.form.{key}", "as believed" if form.fullmatch(found[key]) else "other")


async def _status(watch: Watch, client: HardenedClient) -> None:
    """2.3, 5.1: who the account is and which models it has."""
    body = await _rpc(watch, client, GRPC.GET_USER_STATUS, [])
    watch.note("rpc.otAQ7b.slots", *slots(body))
    watch.note("rpc.otAQ7b.status", str(at(body, [14])))
    watch.note("rpc.otAQ7b.model", *common(at(body, [15], [])))


async def _usage(watch: Watch, client: HardenedClient) -> None:
    """7.3: tier and windows."""
    body = await _rpc(watch, client, GRPC.GET_USAGE_INFO, [], "/usage")
    watch.note("rpc.jSf9Qc.slots", *slots(body))
    rows = at(body, [1], [])
    watch.note("rpc.jSf9Qc.row", *common(rows))
    watch.note("rpc.jSf9Qc.kinds", *(str(at(row, [2])) for row in rows))


async def _nothing_there(watch: Watch, client: HardenedClient) -> None:
    """4.1: what an unknown chat is answered with."""
    await _rpc(watch, client, GRPC.LIST_CONVERSATION_TURNS, [_UNKNOWN_CHAT, 1, *_TURNS_TAIL], fact="rpc.hNvQHb.unknown")


async def _rotation(watch: Watch, client: HardenedClient) -> None:
    """5.4: renewed, withheld or refused, and how often Google wants it."""
    before = client.current_cookies().psidts
    response = await client.session.post(
        Endpoint.ROTATE_COOKIES,
        headers={"Content-Type": "application/json", "Origin": "https://accounts.google.com"},
        data='[000,"-0000000000000000000"]',
        timeout=30,
    )
    if response.status_code != 200:
        watch.note("rotation.outcome", f"refused ({response.status_code})")
        return
    watch.note("rotation.outcome", "renewed" if client.current_cookies().psidts != before else "withheld")
    interval = re.search(r'"identity\.hfcr",(\d+)', response.text)
    watch.note("rotation.interval", interval.group(1) if interval else "not said")


async def _upload(watch: Watch, client: HardenedClient) -> None:
    """8.3: what a file is known by afterwards."""
    handle = await _sent_up(client, b"nothing of note\n")
    watch.note("upload.reference", re.sub(r"[^/]+$", "*", handle) if handle.startswith("/") else kind(handle))


async def _sent_up(client: HardenedClient, data: bytes) -> str:
    return str(await upload_file(data, client.session, push_id=client.push_id or "", filename="note.txt"))


async def _refusals(watch: Watch, client: HardenedClient) -> None:
    """4.2: an old token and an old build; neither generates anything."""
    prompt = Prompt("hi", _small(client), temporary=True)
    for fact, change in (("http.old_token", {"at": "AKold:1"}), ("http.old_build", {"bl": _OLD_BUILD})):
        request = generation.build(client, prompt)
        form = {**dict(parse_qsl(request.body.decode(), keep_blank_values=True))}
        query = dict(parse_qsl(request.query))
        if "at" in change:
            form |= change
        else:
            query |= change
        status, text = await _posted(client, replace(request, query=urlencode(query), body=urlencode(form).encode()))
        watch.note(fact, f"{status} xsrf" if "xsrf" in text.lower() else str(status))


_OLD_BUILD = "boq_assistant-bard-web-server_20250101.00_p0"


async def _answers(watch: Watch, client: HardenedClient) -> None:
    """6.1, 2.1, 9.1: one short answer, the turn after it, and the history that they leave."""
    prompt = Prompt("Answer with the one word: green.", _small(client))
    thread = await _told(watch, client, prompt, "answer")
    if thread is None:
        return
    following = Prompt("And once more.", prompt.offer, thread=replace(thread, turns=1))
    again = await _told(watch, client, following, "follow_up")
    watch.note("follow_up.chat", "the same" if again and again.metadata[0] == thread.metadata[0] else "another")
    cid = thread.metadata[0]
    body = await _rpc(watch, client, GRPC.LIST_CONVERSATION_TURNS, [cid, 5, *_TURNS_TAIL], fact="rpc.hNvQHb.answer")
    turns = at(body, [0], [])
    watch.note("history.turns", str(len(turns)))
    watch.note("history.turn", *common(turns))
    watch.note("history.reply", *common([at(turn, [3], []) for turn in turns]))
    body = await _rpc(watch, client, GRPC.LIST_CONVERSATIONS, [5, None, [0, None, 1]])
    watch.note("rpc.MaZiqc.row", *common(at(body, [2], [])))
    await _rpc(watch, client, GRPC.DELETE_CONVERSATION, [cid], fact="rpc.GzXR5e.answer")


async def _temporary(watch: Watch, client: HardenedClient) -> None:
    """4.1, 9.3: a chat that is not kept; 8.1: whether a file in the long shape is read."""
    word = "zebra" + secrets.token_hex(3)
    handle = await _sent_up(client, f"The code word is {word}.\n".encode())
    file = SentFile(handle, "note.txt", "text/plain")
    prompt = Prompt("Which code word stands in the file? Only the word.", _small(client), files=(file,), temporary=True)
    await _told(watch, client, prompt, "temporary", word=word)


async def _disputes(watch: Watch, client: HardenedClient) -> None:
    """5.1, 8.1: what sources disagree about, settled for this account: an empty token, the short shape of a file."""
    bare = generation.build(client, Prompt("Say: yes.", _small(client), temporary=True))
    status, text = await _posted(client, replace(bare, body=_with(bare.body, at="")))
    watch.generations += status == 200
    watch.note(
        "dispute.empty_token", f"{status} xsrf" if "xsrf" in text.lower() else "taken" if status == 200 else str(status)
    )
    word = "zebra" + secrets.token_hex(3)
    handle = await _sent_up(client, f"The code word is {word}.\n".encode())
    prompt = Prompt(
        "Which code word stands in the file, if there is one? Only the word.", _small(client), temporary=True
    )
    request = generation.build(client, prompt)
    outer = orjson.loads(dict(parse_qsl(request.body.decode(), keep_blank_values=True))["f.req"])
    inner = orjson.loads(outer[1])
    inner[0][3] = [[[handle], "note.txt"]]
    short = _with(request.body, **{"f.req": orjson.dumps([None, orjson.dumps(inner).decode()]).decode()})
    status, text = await _posted(client, replace(request, body=short))
    watch.generations += status == 200
    refused = re.search(r"BardErrorInfo\W+1100\D", text)
    watch.note("dispute.short_file", "read" if word in text else "refused (1100)" if refused else "not read")


def _with(body: bytes, **fields: str) -> bytes:
    """A request's form with some of its fields replaced."""
    return urlencode({**dict(parse_qsl(body.decode(), keep_blank_values=True)), **fields}).encode()


async def _image(watch: Watch, client: HardenedClient) -> None:
    """3.4: what the row of a made image tells: a token, the size of the original."""
    await _told(watch, client, Prompt("Paint a plain red circle on white.", _small(client)), "picture")
    rows = [row for frame in watch.recorded.get("picture", ()) for row in _image_rows(frame)]
    watch.note("picture.rows", "shown" if rows else "none")
    for row in rows:
        facts = at(row, [0, 3], [])
        watch.note("picture.row", *slots(facts))
        sizes = [value for value in facts if isinstance(value, list) and len(value) == 3]
        watch.note("picture.announced", "width, height, bytes" if sizes else "nothing")


def _image_rows(value: Any) -> list[Any]:
    """Rows of made images, wherever they stand: `[[null × 3, [.., link, ..]], ..]`."""
    found = []
    if isinstance(value, list):
        if (
            isinstance(facts := at(value, [0, 3]), list)
            and isinstance(link := at(facts, [3]), str)
            and kind(link) == "link"
        ):
            return [value]
        found = [row for item in value for row in _image_rows(item)]
    elif isinstance(value, dict):
        found = [row for item in value.values() for row in _image_rows(item)]
    return found


async def _told(watch: Watch, client: HardenedClient, prompt: Prompt, name: str, *, word: str = "") -> Thread | None:
    """Send a prompt once and note the shape of what comes; the thread to go on in."""
    request = generation.build(client, prompt)
    watch.generations += 1
    scrubber, reader = Scrubber(), FrameReader()
    story = _Story(watch, name)
    async with _exchange(client, request) as exchange:
        until = time.monotonic() + SECONDS
        while (data := await exchange.read(max(until - time.monotonic(), 0.0))) is not None:
            for text in reader.feed(data):
                story.frame(text)
                watch.recorded.setdefault(name, []).append(scrubber.frame(text))
    watch.note(f"{name}.status", str(exchange.status))
    if reader.garbage:
        watch.note(f"{name}.framing", "not framed")
    story.over(word)
    return Thread(tuple(story.metadata)) if story.metadata[0] else None


class _Story:
    """Reads the frames of one answer for their shapes only."""

    def __init__(self, watch: Watch, name: str) -> None:
        self._watch = watch
        self._name = name
        self.metadata: list[Any] = ["", "", "", *[None] * 6, ""]
        self._texts: list[str] = []
        self._done = False
        self._named: list[bool] = []
        self._behind: set[str] = set()

    def _note(self, fact: str, *values: str) -> None:
        self._watch.note(f"{self._name}.{fact}", *values)

    def frame(self, text: str) -> None:
        for part in orjson.loads(text):
            tag = at(part, [0])
            if tag != "wrb.fr":
                self._note("other_parts", str(tag))
                continue
            if status := at(part, [5]):
                self._behind.add(f"{at(status, [0])}/{at(status, [2, 0, 1, 0])}")
            body = at(part, [2])
            if isinstance(body, str):
                self._body(orjson.loads(body))

    def _body(self, body: list[Any]) -> None:
        ids = at(body, [1], [])
        for place, value in enumerate(ids):
            if value is not None:
                self.metadata[place] = value
        self._note("ids", *slots(ids))
        if isinstance(fields := at(body, [2]), dict):
            self._note("service.form", "sparse")
            self._note("service.keys", *fields)
            if isinstance(context := fields.get("26"), str):
                self.metadata[9] = context
        elif not at(body, [4]):
            self._note("service.form", "positional")
        candidate = at(body, [4, 0])
        if not isinstance(candidate, list):
            return
        self._candidate(body, candidate)

    def _candidate(self, body: list[Any], candidate: list[Any]) -> None:
        self.metadata[2] = candidate[0]
        self._note("body.slots", *(slot for slot in slots(body) if not slot.startswith(("1:", "4:"))))
        self._note("candidate.slots", *slots(candidate))
        self._note("candidate.state", str(at(candidate, [8, 0])))
        if isinstance(rich := at(candidate, [12]), list):
            self._note("rich.slots", *slots(rich))
        self._texts.append(str(at(candidate, [1, 0], "")))
        self._done = at(candidate, [8, 0]) == 2
        self._named.append(isinstance(at(body, [42]), str) and kind(at(body, [39])) == "hex16")

    def over(self, word: str) -> None:
        """What only the whole answer tells."""
        whole = self._texts and all(
            b.startswith(a[: len(a) // 2]) for a, b in zip(self._texts, self._texts[1:], strict=False)
        )
        self._note("text", "cumulative" if whole else "not cumulative")
        self._note("end", "finished" if self._done else "unfinished")
        self._note("code_behind", *(self._behind or {"none"}))
        places = "last frame" if self._named and self._named[-1] and not any(self._named[:-1]) else "nowhere"
        self._note(
            "served_name", "every frame" if self._named and all(self._named[:-1]) and len(self._named) > 1 else places
        )
        if word:
            self._note("file", "read" if word in self._texts[-1] else "not read")


@asynccontextmanager
async def _exchange(client: HardenedClient, request: generation.Request) -> AsyncIterator[Exchange]:
    exchange = Exchange(
        client.handles,
        query=request.query,
        headers=request.headers,
        body=request.body,
        timeout=SECONDS + 10,
    )
    async with exchange:
        yield exchange


async def _posted(client: HardenedClient, request: generation.Request) -> tuple[int, str]:
    """Status and the first kilobytes of an answer that is expected to be a refusal."""
    collected = b""
    async with _exchange(client, request) as exchange:
        while (data := await exchange.read(30.0)) is not None and len(collected) < 8192:
            collected += data
    return exchange.status, collected[:8192].decode("utf-8", "replace")


async def _rpc(
    watch: Watch, client: HardenedClient, rpcid: GRPC, payload: object, source: str = "/app", *, fact: str = ""
) -> Any:
    """One RPC's body; how it was answered is noted as `rpc.ID.answer` or under `fact`."""
    parts = await client.rpc_parts(rpcid, payload, source)
    part = next((part for part in parts if at(part, [1]) == rpcid), None)
    body = at(part, [2])
    if part is None:
        answer = "no part"
    elif isinstance(body, str):
        answer = "a body"
    else:
        code = at(part, [5, 2, 0, 1, 0])
        answer = f"status {at(part, [5, 0])}" + (f" with {code}" if code else "")
    watch.note(fact or f"rpc.{rpcid.value}.answer", answer)
    return orjson.loads(body) if isinstance(body, str) else []


def _small(client: HardenedClient) -> AccountModel:
    """The cheapest model of the account, by Google's own names."""
    models = client.list_models() or []
    chosen = next((model for model in models if "flash" in model.model_name.lower()), models[0])
    return AccountModel(chosen.model_id, chosen.model_name, chosen.display_name)


_PROBES: tuple[tuple[str, Callable[[Watch, HardenedClient], Awaitable[None]]], ...] = (
    ("status", _status),
    ("usage", _usage),
    ("refusals", _refusals),
    ("answers", _answers),
    ("temporary", _temporary),
    ("disputes", _disputes),
    ("picture", _image),
    ("nothing_there", _nothing_there),
    ("upload", _upload),
    ("rotation", _rotation),
)
_SPEAKING = ("answers", "temporary", "disputes", "picture")
