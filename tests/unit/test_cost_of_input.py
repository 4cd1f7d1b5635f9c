"""What reads a caller's or a model's text costs at most in proportion to its length (docs/threats.md, "Cost of input").

Every hostile text grows from 1 kB to 1 MB, three doublings at a time. Seconds of this thread's processor time are
compared, so that a busy machine does not matter, and a step that looks bad is measured again before it counts.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.requests import HTTPConnection, Request

from gemgate.chat import Tool
from gemgate.dialects import anthropic, gemini, openai_chat, responses, wire
from gemgate.errors import BadRequest
from gemgate.imaging.names import file_name
from gemgate.outbound import GuardedFetcher, GuardedSender
from gemgate.prompting import loose_json, schemas
from gemgate.prompting.stops import StopFilter
from gemgate.prompting.tool_parser import ToolParser
from gemgate.telemetry.logs import masked
from gemgate.web.auth.access import session_token
from gemgate.web.relay import call_info
from gemgate.web.request_body import read_form

SMALLEST, LARGEST = 1_000, 1_024_000
FACTOR = 2.5
"""What is in proportion doubles, what grows with n^1.5 takes 2.83 times as long; caches and neighbours blur both."""
NOISE = 0.004
"""Seconds below which a step says nothing."""
RETRIES = 24
DOUBLINGS = 3
STEP = 2**DOUBLINGS

Work = Callable[[Any], object]


def _seconds(work: Work, text: Any) -> float:
    start = time.thread_time()
    work(text)
    return time.thread_time() - start


def loops(work: Callable[[], object]) -> float:
    """What `work` costs at best of three, in turns of an empty loop timed beside it: a slow machine is no fault.

    A million turns take about 25 ms on a core of 2020.
    """

    def empty(turns: int) -> None:
        for _ in range(turns):
            pass

    def ratio() -> float:
        before = _seconds(empty, 1_000_000)
        cost = _seconds(lambda _: work(), None)
        return cost / (before + _seconds(empty, 1_000_000)) * 2_000_000

    return min(ratio() for _ in range(3))


def worst_step(work: Work, make: Callable[[int], Any], largest: int = LARGEST) -> tuple[float, int]:
    """By how much one doubling made the work longer at worst, and the size at which it did; ends at the first step
    beyond `FACTOR`. Sizes go up by `STEP` at a time, which is `DOUBLINGS` of them.
    """
    sizes = [largest]
    while sizes[0] // STEP >= SMALLEST:
        sizes.insert(0, sizes[0] // STEP)
    worst, at = 0.0, sizes[0]
    small = make(sizes[0])
    before = _seconds(work, small)
    for size in sizes[1:]:
        large = make(size)
        after = _seconds(work, large)
        for _ in range(RETRIES):
            if after < NOISE or after <= FACTOR**DOUBLINGS * before:
                break
            before = max(before, _seconds(work, small))
            after = min(after, _seconds(work, large))
        step = (after / before) ** (1 / DOUBLINGS)
        if after >= NOISE and step > worst:
            worst, at = step, size
        if worst > FACTOR:
            break
        small, before = large, after
    return worst, at


def repeated(unit: str) -> Callable[[int], str]:
    return lambda size: (unit * (size // len(unit) + 1))[:size]


LOG_UNITS = [
    "w", "w://", "://a:", "a:b@", " ", '"', "key=", "key = ", "bearer ", "api-key:", 'secret"', "SID=",
    "__Secure-1PSID", "sidts-", "AKEy", "é", "a.", ";",
]  # fmt: skip

KEYED = 'name="model"\r\n'


def _log(text: str) -> object:
    return masked(text, ("hunter2-hunter2",))


def _unbounded_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """The patterns themselves, without the cut that would hide what they cost."""
    monkeypatch.setattr("gemgate.telemetry.logs.LONGEST", 1 << 30, raising=False)


@pytest.mark.parametrize("unit", LOG_UNITS)
def test_masking_a_log_line_is_linear(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _unbounded_log(monkeypatch)
    worst, at = worst_step(_log, repeated(unit))
    assert worst <= FACTOR, f"doubled to {at}"


@pytest.mark.parametrize("unit", [KEYED, KEYED + "a\r\n", "a\r\n", "\r\n", KEYED + "a" * 600 + "\r\n", 'name="model"'])
def test_finding_the_model_in_a_form_is_linear(unit: str) -> None:
    def find(body: bytes) -> object:
        return call_info._model_of(body)

    worst, at = worst_step(find, lambda size: b"--X\r\n" + repeated(unit)(size).encode())
    assert worst <= FACTOR, f"doubled to {at}"


def test_finding_the_model_in_the_largest_form_holds_nobody_up() -> None:
    """Linear is not enough where one step holds the interpreter: 64 MB of such lines were 3 s."""
    body = b"--X\r\n" + KEYED.encode() * (16_000_000 // len(KEYED))
    began = time.thread_time()
    assert call_info._model_of(body) == ""
    assert time.thread_time() - began < 0.05


TOOLS = (Tool("get_weather", "", {"type": "object", "properties": {"city": {"type": "string"}}}),)
TOOL_UNITS = [
    "`",
    "```",
    "~~~\n",
    "[",
    "_",
    ":",
    "\\",
    " ",
    "\n",
    "(",
    "function ",
    "tool ",
    "\u201c",
    "{",
    '"',
    '{"a":',
    "//",
    "a",
]


@pytest.mark.parametrize("lead", ["w7fk toolcall ", "w7fk toolcall get_weather ", "w7fk", ""])
@pytest.mark.parametrize("unit", TOOL_UNITS)
def test_parsing_a_tool_call_is_linear(unit: str, lead: str) -> None:
    def parse(text: str) -> object:
        parser = ToolParser(TOOLS, "w7fk")
        for at in range(0, len(text), 4096):
            parser.feed(text[at : at + 4096])
        return parser.finish()

    worst, at = worst_step(parse, lambda size: lead + repeated(unit)(size), LARGEST // 4)
    assert worst <= FACTOR, f"doubled to {at}"


@pytest.mark.parametrize(
    "unit",
    ["[", "{", '"', "\\", "/*", "//", "#", " ", "'", "1", "a", '{"a":', "[1,", '"x" ', "\n", "\\u00", "&#9", "&quot;"],
)
def test_reading_loose_json_is_linear(unit: str) -> None:
    def read(text: str) -> object:
        try:
            return loose_json.read_value(text)
        except loose_json.Unreadable:
            return None

    for lead in ("", "{", '{"a": ', "[&quot;", '{\\"', "(a="):
        worst, at = worst_step(read, lambda size, lead=lead: lead + repeated(unit)(size), LARGEST // 4)
        assert worst <= FACTOR, f"{lead} doubled to {at}"


@pytest.mark.parametrize("stops", [("a" * 9_999 + "b",), tuple("a" * n + "b" for n in range(1, 150)), ("ab", "ba")])
def test_stop_sequences_cost_the_same_however_many_there_are(stops: tuple[str, ...]) -> None:
    def through(text: str) -> object:
        found = StopFilter(stops)
        return [found.feed(text[at : at + 64]) for at in range(0, len(text), 64)]

    worst, at = worst_step(through, repeated("a"), LARGEST // 2)
    assert worst <= FACTOR, f"doubled to {at}"


def test_a_hundred_thousand_stop_sequences_are_refused() -> None:
    with pytest.raises(BadRequest, match="stop sequences"):
        StopFilter(tuple(f"stop {n}" for n in range(100_000)))


DRAFTS = ["http://json-schema.org/draft-03/schema#", "http://json-schema.org/draft-04/schema#",
          "http://json-schema.org/draft-06/schema#", "http://json-schema.org/draft-07/schema#",
          "https://json-schema.org/draft/2019-09/schema", "https://json-schema.org/draft/2020-12/schema"]  # fmt: skip

HOSTILE_SCHEMAS: dict[str, Callable[[int], dict[str, Any]]] = {
    "enum of objects": lambda n: {"enum": [{"a": at} for at in range(n // 2)]},
    "anchors": lambda n: {"$defs": {"x": {"$anchor": "a"}}, "allOf": [{"$ref": "#a"}] * (n // 4)},
    "properties": lambda n: {"properties": {f"p{at}": {"type": "string"} for at in range(n // 3)}},
    "wrong types": lambda n: {"properties": {f"p{at}": {"type": 5} for at in range(n // 3)}},
    "required": lambda n: {"required": [f"p{at}" for at in range(n)]},
    "patterns": lambda n: {"patternProperties": {f"^p{at}$": {} for at in range(n // 2)}},
    "inner drafts": lambda n: {
        "anyOf": [{"$schema": DRAFTS[1], "enum": [{"a": at}, {"a": -at}]} for at in range(n // 8)]
    },
}


@pytest.mark.parametrize("draft", DRAFTS)
@pytest.mark.parametrize("kind", HOSTILE_SCHEMAS)
def test_compiling_a_schema_is_linear_in_its_nodes(kind: str, draft: str) -> None:
    def compile_it(schema: dict[str, Any]) -> object:
        schemas._compiled.cache_clear()
        try:
            return schemas.compiled(schema)
        except BadRequest:
            return None

    worst, at = worst_step(
        compile_it, lambda size: {"$schema": draft, **HOSTILE_SCHEMAS[kind](size // 100)}, LARGEST // 2
    )
    assert worst <= FACTOR, f"doubled to {at}"


NAMED = {"$defs": {"x": {"$anchor": "a", "type": "string"}, "y": {"$id": "https://a.example/y"}}}
EMPTY_PARTS = {f"p{at}": {} for at in range(4_000)}
CONTENTS: dict[str, tuple[dict[str, Any], Callable[[int], Any]]] = {
    "anchors": (
        {"properties": {f"p{at}": {"$ref": "#a"} for at in range(2_000)}, **NAMED},
        lambda n: {f"p{at}": "x" for at in range(min(n, 2_000))},
    ),
    "ids": (
        {"properties": {f"p{at}": {"$ref": "https://a.example/y"} for at in range(2_000)}, **NAMED},
        lambda n: {f"p{at}": "x" for at in range(min(n, 2_000))},
    ),
    "unique items, again and again": (
        {"anyOf": [{"uniqueItems": True, "maxItems": 0}] * 2_000},
        lambda n: [[at] for at in range(n)],
    ),
    "items that are not looked at": ({"anyOf": [{"items": {}, "maxItems": 0}] * 2_000}, lambda n: [0] * n),
    "empty properties": (
        {"$defs": {"b": {"properties": EMPTY_PARTS, "maxProperties": 0}}, "anyOf": [{"$ref": "#/$defs/b"}] * 1_000},
        lambda n: dict.fromkeys(EMPTY_PARTS, 1),
    ),
    "patterns of many states": ({"anyOf": [{"pattern": r"(\w\W?){50}!$"}] * 2_000}, lambda n: "a" * (10 * n)),
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_what_a_schema_asks_of_a_value_is_paid_for(kind: str) -> None:
    schema, make = CONTENTS[kind]
    whole, value = schemas.compiled(schema), make(20_000)
    assert loops(lambda: whole.flaw(value)) < 150_000_000


@pytest.mark.parametrize("key", ["$id", "id", "$anchor", "$ref", "$dynamicRef"])
def test_addresses_in_a_schema_are_short(key: str) -> None:
    with pytest.raises(BadRequest, match="longer than"):
        schemas.compiled({"items": {key: "#" + "a" * 1_000}})


@pytest.mark.parametrize(
    ("place", "reference"),
    [
        ({"a": {"description": "words"}}, "#/$defs/a/description"),
        ({"a": {"maxLength": 3}}, "#/$defs/a/maxLength"),
        ({"a": {"enum": [1]}}, "#/$defs/a/enum"),
        ({"a": {"default": None}}, "#/$defs/a/default"),
        ({"a": {"default": {"type": 5}}}, "#/$defs/a/default"),
        ({"a": {"default": {"required": 7, "properties": 9}}}, "#/$defs/a/default"),
    ],
)
def test_a_reference_to_what_is_no_schema_asks_nothing(place: dict[str, Any], reference: str) -> None:
    """The answer was generated by then: it has to go out, and not to end in a bug's 500."""
    whole = schemas.compiled({"$defs": place, "properties": {"b": {"$ref": reference}}})
    assert whole.flaw({"b": {"a": 1}}) is None
    assert whole.settle({"b": {"a": 1}}) == ({"b": {"a": 1}}, None)


def test_threads_do_not_spend_each_others_steps() -> None:
    whole = schemas.compiled({"items": {"type": "integer"}})
    schemas._allow(7)
    other = threading.Thread(target=lambda: whole.flaw(list(range(100))))
    other.start()
    other.join()
    assert schemas._left.get() == [7]


@pytest.mark.parametrize("size", [100, 10_000])
def test_a_schema_beyond_the_bound_is_refused_at_once(size: int) -> None:
    schema = {"enum": [{"a": at} for at in range(schemas.MAX_NODES // 2)] + list(range(size))}
    with pytest.raises(BadRequest, match="larger than"):
        schemas.compiled(schema)


def test_inner_drafts_do_not_lead_out_of_the_safe_keywords() -> None:
    """The stock validator changes its class at every `$schema`, and with it to the backtracking engine."""
    inner = {"$schema": DRAFTS[3], "type": "string", "pattern": "(a+)+$"}
    assert loops(lambda: schemas.compiled({"properties": {"x": inner}}).flaw({"x": "a" * 40 + "!"})) < 40_000_000


@pytest.mark.parametrize(
    "unit", ["\\", '"', "\\041", '\\"', ";", "=", " ", "gemgate_8100=", 'gemgate_8100="\\";', "a=b; "]
)
@pytest.mark.parametrize("lead", ["", 'gemgate_8100="', "a=b; gemgate_8100="])
def test_finding_our_cookie_is_linear(unit: str, lead: str) -> None:
    """60 kB of backslashes, without a key, held every call up for 6 s of the processor."""

    def find(text: str) -> object:
        headers = [(b"cookie", text.encode() + b'"'), (b"host", b"localhost:8100")]
        scope = {"type": "http", "scheme": "http", "path": "/", "server": None, "query_string": b"", "headers": headers}
        return session_token(HTTPConnection(scope))

    worst, at = worst_step(find, lambda size: lead + repeated(unit)(size))
    assert worst <= FACTOR, f"doubled to {at}"


LINK_UNITS = ["\ufdfa", "\u00e9", "\u0661.", "\u00df", "\u3002", "xn--", "a.", "1.", "0x", "%41", "[", ":", "@", "\t"]


@pytest.mark.parametrize("lead", ["http://", "http:/\t/", "http://a/", "http://127.0.0.1/images/"])
@pytest.mark.parametrize("unit", [*LINK_UNITS, "%2e%2e/", "../", "a=1&", "?", "#"])
@pytest.mark.parametrize("guard", [GuardedFetcher, GuardedSender])
def test_judging_a_link_costs_next_to_nothing(guard: type[GuardedFetcher], unit: str, lead: str) -> None:
    """A host of 40,000 letters that IDNA takes apart held all calls up for 3 s, as a webhook for 6."""
    link = lead + unit * (2_000_000 // len(unit))

    def judge() -> None:
        with pytest.raises(BadRequest, match=r"too long|not a URL|\?"):
            guard().check(link)

    assert loops(judge) < 4_000_000


@pytest.mark.parametrize("unit", ["a", " ", ".", "/", "\u3000", "\u202e", "-", "_", "\x00", "\U0001f600", "%"])
def test_naming_a_file_is_linear(unit: str) -> None:
    when = datetime(2026, 1, 1, tzinfo=UTC)
    worst, at = worst_step(lambda text: file_name(text, when, "abcdef", "png"), repeated(unit))
    assert worst <= FACTOR, f"doubled to {at}"


MODELS = [(openai_chat, openai_chat.ChatCompletionRequest, "messages"),
          (anthropic, anthropic.MessagesRequest, "messages"), (responses, responses.ResponsesRequest, "input"),
          (gemini, gemini.GenerateContentRequest, "contents")]  # fmt: skip


@pytest.mark.parametrize(("dialect", "model", "field"), MODELS)
@pytest.mark.parametrize("unit", [b"[]", b"1", b'"x"', b"[[]]"])
def test_wrong_items_cost_one_error(dialect: Any, model: Any, field: str, unit: bytes) -> None:
    """Both OpenAI dialects read a bare string as a user's words; everything else is refused at the first."""
    body = b'{"model":"x","max_tokens":5,"%s":[%s]}' % (field.encode(), b",".join([unit] * 35_000))
    refused = ""

    def read() -> None:
        nonlocal refused
        try:
            dialect.read_request(wire.read(model, wire.parse_json(body)))
        except BadRequest as error:
            refused = str(error)

    assert loops(read) < 40_000_000
    words = unit == b'"x"' and field in ("input", "messages") and dialect is not anthropic
    assert (f"{field}[0]" in refused) != words


@pytest.mark.parametrize("unit", [b"[]", b"{}", b"0", b'""', b'{"a":1}'])
def test_a_body_of_crumbs_is_refused_before_it_is_read(unit: bytes) -> None:
    body = b'{"messages":[%s]}' % ((unit + b",") * 10_000_000)[:-1]

    def read() -> None:
        with pytest.raises(BadRequest, match="items"):
            wire.parse_json(body)

    assert loops(read) < 8_000_000


@pytest.mark.parametrize("text", [",", "[", '\\"', "\\\\", '\\\\\\"', "\\n,", "{}"])
@pytest.mark.parametrize("shift", range(4))
def test_what_stands_in_a_text_is_no_item(text: str, shift: int) -> None:
    body = b'{"a":"%s%s","b":[1,2]}' % (b"x" * shift, text.encode() * 150_000)
    assert not wire.has_more_items(body, 10)
    assert wire.has_more_items(body, 5)
    assert wire.parse_json(body)["b"] == [1, 2]


PARTS = {
    "headers": (b'--X\r\nContent-Disposition: form-data; name="a"\r\n', b"A: b\r\n"),
    "header": (b"--X\r\nA: ", b"b"),
    "text": (b'--X\r\nContent-Disposition: form-data; name="a"\r\n\r\n', b"b"),
    "boundaries": (b'--X\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\n', b"\r\n--"),
    "breaks": (b'--X\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\n', b"\r\n"),
    "names": (b'--X\r\nContent-Disposition: form-data; name="', b'\\"'),
    "parameters": (b"--X\r\nContent-Disposition: form-data; ", b"a=b; "),
}


@pytest.mark.parametrize("kind", PARTS)
def test_reading_a_form_is_linear(kind: str) -> None:
    lead, unit = PARTS[kind]

    def read(body: bytes) -> object:
        pieces = [body[at : at + 65_536] for at in range(0, len(body), 65_536)]

        async def receive() -> dict[str, Any]:
            piece = pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

        headers = [(b"content-type", b"multipart/form-data; boundary=X")]
        request = Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)

        async def whole() -> object:
            try:
                return await read_form(request, 10 * LARGEST)
            except BadRequest:
                return None

        return asyncio.run(whole())

    worst, at = worst_step(read, lambda size: lead + unit * (size // len(unit)) + b"\r\n--X--\r\n")
    assert worst <= FACTOR, f"doubled to {at}"
